"""Multiply-adds of the operators that PyTorch dispatches, and which of them write to their arguments.

Counted are convolutions, matrix products (those of recurrent layers too) and fused attention, as torchvision's
published figures are; all else is 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

_SAME_DTYPE = frozenset({"convolution", "mm", "addmm", "bmm", "baddbmm", "addmv", "mv", "_convolution"})
_STATISTICS = frozenset({"_native_batch_norm_legit", "native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm"})


def _matrix(left: torch.Tensor, right: torch.Tensor) -> int:
    return math.prod(left.shape) * int(right.shape[-1] if right.dim() > 1 else 1)


def _convolution(args: tuple[Any, ...], result: torch.Tensor) -> int:
    tensor, weight, transposed = args[0], args[1], bool(args[6])
    counted = tensor if transposed else result
    return int(math.prod(counted.shape)) * int(math.prod(weight.shape[1:]))


def _attention(args: tuple[Any, ...], _result: Any) -> int:  # noqa: ANN401
    query, key, value = args[:3]
    return int(math.prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1]))


def _recurrent_layer(args: tuple[Any, ...], _result: Any) -> int:  # noqa: ANN401
    """One direction of one LSTM layer, input (steps, batch, features): both matrices at each step."""
    return int(math.prod(args[0].shape[:-1]) * (args[1].numel() + args[2].numel()))


def _recurrent_cudnn(args: tuple[Any, ...], _result: Any) -> int:  # noqa: ANN401
    """All layers at once: each matrix at each step."""
    return int(math.prod(args[0].shape[:-1]) * sum(weight.numel() for weight in args[1] if weight.dim() > 1))


_COUNTERS: dict[str, Callable[[tuple[Any, ...], Any], int]] = {
    "aten::convolution": _convolution,
    "aten::_convolution": _convolution,
    "aten::mm": lambda args, _: _matrix(args[0], args[1]),
    "aten::mv": lambda args, _: _matrix(args[0], args[1]),
    "aten::dot": lambda args, _: math.prod(args[0].shape),
    "aten::bmm": lambda args, _: _matrix(args[0], args[1]),
    "aten::addmm": lambda args, _: _matrix(args[1], args[2]),
    "aten::addmv": lambda args, _: _matrix(args[1], args[2]),
    "aten::baddbmm": lambda args, _: _matrix(args[1], args[2]),
    "aten::addbmm": lambda args, _: _matrix(args[1], args[2]),
    "aten::mkldnn_rnn_layer": _recurrent_layer,
    "aten::_cudnn_rnn": _recurrent_cudnn,
    "torchvision::deform_conv2d": lambda args, result: math.prod(result.shape) * math.prod(args[1].shape[1:]),
    "aten::_scaled_dot_product_flash_attention": _attention,
    "aten::_scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten::_scaled_dot_product_efficient_attention": _attention,
    "aten::_scaled_dot_product_cudnn_attention": _attention,
    "aten::_scaled_dot_product_fused_attention_overrideable": _attention,
    "aten::_scaled_dot_product_attention_math": _attention,
}


class Rule:
    """What to do for one dispatched operator: how to count it, which arguments it writes, whether dtypes must agree."""

    __slots__ = ("count", "same_dtype", "written")

    def __init__(self, func: Any) -> None:  # noqa: ANN401 (an OpOverload)
        schema = func._schema  # noqa: SLF001 (the only way to an operator's schema)
        name = schema.name.partition("::")[2]
        self.count = _COUNTERS.get(schema.name)
        self.same_dtype = name in _SAME_DTYPE
        self.written: tuple[tuple[int, str], ...] = ()
        if schema.is_mutable and name not in _STATISTICS:
            self.written = tuple(
                (at, argument.name)
                for at, argument in enumerate(schema.arguments)
                if argument.alias_info is not None and argument.alias_info.is_write
            )


_RULES: dict[Any, Rule] = {}


def rule(func: Any) -> Rule:  # noqa: ANN401
    """The rule of an operator (kept for the next time)."""
    found = _RULES.get(func)
    if found is None:
        found = _RULES[func] = Rule(func)
    return found


def check_dtypes(args: tuple[Any, ...]) -> None:
    """Raise what a real kernel would where dtypes differ (fake tensors don't mind).

    Raises:
        RuntimeError: Two tensor arguments differ in dtype.
    """
    dtypes = {item.dtype for item in args[:3] if isinstance(item, torch.Tensor)}
    if len(dtypes) > 1:
        text = " and ".join(str(item.dtype) for item in args[:3] if isinstance(item, torch.Tensor))
        raise RuntimeError(f"Input and weight should have the same dtype, but got {text}")
