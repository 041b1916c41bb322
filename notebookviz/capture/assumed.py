"""What to assume where a forward pass asks for data that a fake tensor does not hold.

A size is assumed to be the largest possible: all rows pass a condition, all boxes are kept, each expert of a mixture
is chosen.  Tokens are spread evenly over the experts, where there are enough of them for that.  Where the values are
known (a stored tensor of the model that nothing has written, for instance) they are read instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException

from notebookviz.capture.modes import unseen

if TYPE_CHECKING:
    from collections.abc import Callable

    from notebookviz.capture.known import Known

UNKNOWN = (DataDependentOutputException, DynamicOutputShapeException)
NONE: Any = object()
"""Nothing can be assumed."""

_READS = frozenset(
    {"item", "tolist", "__bool__", "__int__", "__float__", "__index__", "__complex__", "numpy", "equal", "allclose"}
)


def name_of(func: Callable[..., Any]) -> str:
    """Plain name of a function."""
    return str(getattr(func, "__name__", func)).partition(".")[0]


def reads(func: Callable[..., Any]) -> bool:
    """Whether a function hands values to Python, where anything may be done with them."""
    return name_of(func) in _READS


def is_exact(func: Callable[..., Any], args: tuple[Any, ...], known: Known) -> bool:
    """Whether the answer rests on known values rather than assumed ones: ``x[mask]`` with a mask that was given."""
    if name_of(func) != "__getitem__":
        return False
    index = args[1] if isinstance(args[1], tuple) else (args[1],)
    masks = [item for item in index if isinstance(item, torch.Tensor)]
    return bool(masks) and all(known.value(mask) is not None for mask in masks)


def result(  # noqa: PLR0911, PLR0912, C901 (one line for each function)
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    truth: bool,
    known: Known,
) -> Any:  # noqa: ANN401
    """Answer in place of a function whose answer depends on data.

    Args:
        func: The function that was asked.
        args: Its arguments.
        kwargs: Its keyword arguments.
        truth: What a condition is assumed to be.
        known: Values that need not be assumed.

    Returns:
        The answer, or ``NONE`` where nothing sensible can be assumed.
    """
    name = name_of(func)
    first = args[0] if args else next(iter(kwargs.values()), None)
    if name in _READS and isinstance(first, torch.Tensor) and (stored := known.stored(first)) is not None:
        return _read(name, stored, args)
    if not isinstance(first, torch.Tensor):
        return NONE
    if name in ("__bool__", "is_nonzero", "equal", "allclose"):
        return truth
    if name in ("item", "__int__", "__float__", "__index__", "__complex__"):
        return _number(name, first, truth=truth)
    if name == "tolist":
        return _filled(tuple(first.shape), _number("item", first, truth=truth))
    if name == "nonzero":
        return _nonzero(first, known, as_tuple=bool(kwargs.get("as_tuple", len(args) > 1 and args[1])))
    if name == "argwhere":
        return _nonzero(first, known, as_tuple=False)
    if name == "where" and len(args) + len(kwargs) == 1:
        return _nonzero(first, known, as_tuple=True)
    if name in ("nms", "batched_nms"):
        return torch.arange(first.shape[0], device=first.device)
    if name == "masked_select":
        return first.reshape(-1)
    if name == "__getitem__":
        return first[_index(args[1], known)]
    if name == "__setitem__":
        return None
    if name in ("unique", "unique_consecutive", "_unique2", "unique_dim"):
        return _unique(first, args, kwargs, known)
    if name == "bincount":
        bins = max(int(kwargs.get("minlength", args[2] if len(args) > 2 else 0)), known.choices(first), 1)  # noqa: PLR2004
        return known.suppose(_shares(first.numel(), bins), first.device)
    if name == "repeat_interleave":
        return first
    return NONE


def _read(name: str, stored: torch.Tensor, args: tuple[Any, ...]) -> Any:  # noqa: ANN401
    with unseen():
        return getattr(stored.detach().clone(), name)(*args[1:])


def _number(name: str, tensor: torch.Tensor, *, truth: bool) -> float | int | bool | complex:
    if name == "__float__" or (name == "item" and tensor.dtype.is_floating_point):
        return 1.0
    if name == "__complex__" or tensor.dtype.is_complex:
        return 1 + 0j
    return truth if tensor.dtype is torch.bool and name == "item" else 1


def _filled(shape: tuple[int, ...], value: Any) -> Any:  # noqa: ANN401
    return [_filled(shape[1:], value) for _ in range(shape[0])] if shape else value


def _nonzero(tensor: torch.Tensor, known: Known, *, as_tuple: bool) -> Any:  # noqa: ANN401
    value = known.value(tensor)
    if value is not None:
        with unseen():
            found = value.nonzero(as_tuple=True) if as_tuple else value.nonzero()
        return known.fake(found)
    with unseen():
        likely = known.likely(tensor)
        every = torch.ones(tuple(tensor.shape), dtype=torch.bool, device="cpu") if likely is None else likely
        every = every.nonzero()
        columns = every.unbind(1) if tensor.dim() else (every.new_zeros(1),)
    if as_tuple:
        return tuple(known.suppose(column, tensor.device) for column in columns)
    return known.suppose(every, tensor.device)


def _shares(total: int, parts: int) -> torch.Tensor:
    """A number cut into parts as equal as can be."""
    with unseen():
        return torch.tensor([total // parts + (at < total % parts) for at in range(parts)], device="cpu")


def _index(index: Any, known: Known) -> Any:  # noqa: ANN401
    """Turn masks into indices that select everything, and bounds that are unknown into open ends."""
    if isinstance(index, tuple):
        flat: list[Any] = []
        for item in index:
            if isinstance(item, torch.Tensor) and item.dtype in (torch.bool, torch.uint8):
                flat.extend(_nonzero(item, known, as_tuple=True))
            else:
                flat.append(_index(item, known))
        return tuple(flat)
    if isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8):
        return _nonzero(index, known, as_tuple=True)
    if isinstance(index, slice):
        bounds = (None if isinstance(item, torch.Tensor) else item for item in (index.start, index.stop, index.step))
        return slice(*bounds)
    return index


def _unique(tensor: torch.Tensor, args: tuple[Any, ...], kwargs: dict[str, Any], known: Known) -> Any:  # noqa: ANN401
    """One value, or of choices among several (``topk``) each of them."""
    different = min(known.choices(tensor), tensor.numel())
    if different:
        with unseen():
            values = torch.arange(different, dtype=tensor.dtype, device="cpu")
        found = known.suppose(values, tensor.device)
    else:
        found = tensor.reshape(-1)[:1]
    inverse = kwargs.get("return_inverse", len(args) > 2 and args[2])  # noqa: PLR2004
    extra = [torch.zeros(tensor.shape, dtype=torch.int64, device=tensor.device)] if inverse else []
    if kwargs.get("return_counts", False):
        extra.append(known.suppose(_shares(tensor.numel(), max(different, 1)), tensor.device))
    return (found, *extra) if extra else found
