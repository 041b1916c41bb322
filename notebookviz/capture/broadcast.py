"""Broadcasting that is rarely meant: an operator whose result is larger than each of its operands."""

from __future__ import annotations

import math
from typing import Any

import torch

Shape = tuple[int, ...]

_NAMES = frozenset(
    {"add", "sub", "rsub", "mul", "div", "true_divide", "divide", "subtract", "multiply", "pow", "maximum", "minimum"}
    | {"truediv", "radd", "rmul", "rtruediv", "iadd", "isub", "imul", "itruediv", "eq", "ne", "lt", "le", "gt", "ge"}
)
_LOSSES = frozenset(
    {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"}
)


def grown(name: str, args: tuple[Any, ...]) -> tuple[Shape, Shape] | None:
    """Shapes of two operands whose broadcast result is larger than either, or None.

    Args:
        name: Plain name of the function.
        args: Its arguments.

    Example:
        >>> grown("add", (torch.zeros(4, 1), torch.zeros(4)))
        ((4, 1), (4,))
        >>> grown("add", (torch.zeros(4, 3), torch.zeros(3)))
    """
    if len(args) < 2 or (name not in _LOSSES and name.strip("_") not in _NAMES):  # noqa: PLR2004
        return None
    first, second = args[:2]
    if not isinstance(first, torch.Tensor) or not isinstance(second, torch.Tensor):
        return None
    left, right = tuple(first.shape), tuple(second.shape)
    if left == right:
        return None
    try:
        size = math.prod(torch.broadcast_shapes(left, right))  # type: ignore[no-untyped-call]
    except RuntimeError:
        return None
    return (left, right) if size > math.prod(left) and size > math.prod(right) else None
