"""Operators for which fake tensors take longest, though their result is like an argument or a view of it.

A fake mode looks at every argument, keeps a cache of results and has a dozen operators stand for one.  None of that is
needed to know that ``relu`` gives what it was given, or where a view's memory is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, in_kernel_invocation_manager

from notebookviz.capture import flow

if TYPE_CHECKING:
    from collections.abc import Callable

_aten = torch.ops.aten


def answer(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
    """The result of one dispatched operator on fake tensors.

    Args:
        func: The operator.
        args: Its arguments.
        kwargs: Its keyword arguments.

    Returns:
        What the operator gives, or ``NotImplemented`` where it has to be asked.
    """
    rule = _RULES.get(func)
    if rule is None or kwargs or type(args[0]) is not FakeTensor:
        return NotImplemented
    return rule(func, *args)


def _same(_: Any, given: FakeTensor, *__: Any) -> Any:  # noqa: ANN401
    """It writes into what it was given."""
    return given if given.is_floating_point() else NotImplemented


def _alike(_: Any, given: FakeTensor, *__: Any) -> Any:  # noqa: ANN401
    """Another tensor of the same type."""
    return _like(given) if given.is_floating_point() else NotImplemented


def _batch_norm(_: Any, given: FakeTensor, *more: Any) -> Any:  # noqa: ANN401
    training = more[4]
    if training or given.fake_device.type != "cpu" or not _together_on(given, more[:4]):
        return NotImplemented
    made = _like(given)
    if made is NotImplemented:
        return NotImplemented
    nothing = fake(given, (0,))
    return made, nothing, nothing


def _layer_norm(_: Any, given: FakeTensor, sizes: Any, *more: Any) -> Any:  # noqa: ANN401
    if not norms(given, sizes, *more[:2]):
        return NotImplemented
    means = (*given.shape[: given.dim() - len(sizes)], *(1 for _ in sizes))
    return fake(given, given.shape), *(fake(given, means) for _ in range(2))


def norms(given: FakeTensor, sizes: Any, weight: Any, bias: Any) -> bool:  # noqa: ANN401
    """Whether a layer norm of these sizes gives what it was given."""
    held = [each for each in (weight, bias) if each is not None]
    return (
        isinstance(sizes, (list, tuple))
        and all(of_one_kind(given, each) and list(each.shape) == list(sizes) for each in held)
        and list(given.shape[given.dim() - len(sizes) :]) == list(sizes)
        and given.is_contiguous()
        and given.dtype is torch.float32
    )


def _convolution(_: Any, given: FakeTensor, weight: Any, bias: Any, *settings: Any) -> Any:  # noqa: ANN401
    stride, padding, dilation, transposed, _, groups = settings
    held = [weight] if bias is None else [weight, bias]
    if transposed or given.fake_device.type != "cpu" or not all(of_one_kind(given, each) for each in held):
        return NotImplemented
    (count, channels, *sizes), (made, taken, *kernel) = given.shape, weight.shape
    fits = len(sizes) == len(kernel) == len(stride) == len(padding) == len(dilation)
    fits = fits and channels == taken * groups and made % groups == 0 and (bias is None or bias.shape == (made,))
    if not (fits and given.is_contiguous() and weight.is_contiguous() and min(*stride, *dilation, 1) > 0):
        return NotImplemented
    along = zip(sizes, kernel, stride, padding, dilation, strict=True)
    spans = [(size + 2 * pad - step * (width - 1) - 1) // by + 1 for size, width, by, pad, step in along]
    if min(*padding, 0) < 0 or min(*spans, *given.shape, made) < 1:
        return NotImplemented
    return fake(given, (count, made, *spans))


def _together_on(given: FakeTensor, others: tuple[Any, ...]) -> bool:
    """Whether what is there of the others is on the same device."""
    return all(item is None or flow.device(item) == given.fake_device for item in others)


def of_one_kind(first: FakeTensor, second: Any) -> bool:  # noqa: ANN401
    """Whether two are floats of one type on one device."""
    return (
        type(second) is FakeTensor
        and second.dtype is first.dtype
        and first.is_floating_point()
        and first.dtype.itemsize > 1
        and second.fake_device == first.fake_device
    )


def _together(_: Any, given: FakeTensor, other: Any) -> Any:  # noqa: ANN401
    """Two of the same type, or one and a number, give another one of that type."""
    return _like(given) if _joins(given, other) else NotImplemented


def _into(_: Any, given: FakeTensor, other: Any) -> Any:  # noqa: ANN401
    """The same, written into the first."""
    return given if given.is_contiguous() and _joins(given, other) else NotImplemented


def _joins(given: FakeTensor, other: Any) -> bool:  # noqa: ANN401
    if type(other) in (int, float):
        return given.is_floating_point()
    return of_one_kind(given, other) and other.shape == given.shape and other.stride() == given.stride()


def _addmm(_: Any, bias: FakeTensor, left: Any, right: Any) -> Any:  # noqa: ANN401
    fits = type(left) is type(right) is FakeTensor and left.dim() == right.dim() == 2  # noqa: PLR2004
    fits = fits and left.shape[1] == right.shape[0] and bias.shape == right.shape[1:]
    if not fits or len({(each.dtype, each.fake_device) for each in (bias, left, right)}) > 1:
        return NotImplemented
    return fake(left, (left.shape[0], right.shape[1]))


def _view(func: Any, given: FakeTensor, *more: Any) -> Any:  # noqa: ANN401
    with in_kernel_invocation_manager(given.fake_mode):
        seen = func(given, *more)
    return FakeTensor(given.fake_mode, seen, given.fake_device)


def _like(given: FakeTensor) -> Any:  # noqa: ANN401
    if not (given.is_contiguous() or (given.dim() == 4 and given.is_contiguous(memory_format=torch.channels_last))):  # noqa: PLR2004
        return NotImplemented
    return fake(given, given.shape, given.stride())


def fake(given: FakeTensor, shape: tuple[int, ...], stride: tuple[int, ...] | None = None) -> FakeTensor:
    """A fake tensor of the same type on the same device, contiguous if not said otherwise."""
    with in_kernel_invocation_manager(given.fake_mode):
        if stride is None:
            meta = torch.empty(shape, dtype=given.dtype, device="meta")
        else:
            meta = torch.empty_strided(shape, stride, dtype=given.dtype, device="meta")
    return FakeTensor(given.fake_mode, meta, given.fake_device)


_RULES: dict[Any, Callable[..., Any]] = {
    _aten.native_batch_norm.default: _batch_norm,
    _aten.native_layer_norm.default: _layer_norm,
    _aten.convolution.default: _convolution,
    _aten.addmm.default: _addmm,
    **dict.fromkeys((_aten.add.Tensor, _aten.sub.Tensor, _aten.mul.Tensor, _aten.div.Tensor), _together),
    **dict.fromkeys((_aten.add_.Tensor, _aten.sub_.Tensor, _aten.mul_.Tensor, _aten.div_.Tensor), _into),
    **dict.fromkeys((_aten.relu_.default, _aten.silu_.default, _aten.hardswish_.default), _same),
    **dict.fromkeys((_aten.relu.default, _aten.silu.default, _aten.gelu.default, _aten.tanh.default), _alike),
    **dict.fromkeys(
        (
            _aten.view.default,
            _aten._unsafe_view.default,  # noqa: SLF001
            _aten.t.default,
            _aten.transpose.int,
            _aten.permute.default,
            _aten.select.int,
            _aten.unsqueeze.default,
            _aten.squeeze.dim,
            _aten.expand.default,
            _aten.slice.Tensor,
            _aten.detach.default,
        ),
        _view,
    ),
}
