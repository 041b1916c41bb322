"""Broadcasting that is rarely meant: an operator whose result is larger than each of its operands.

``(N, 1) + (N,)`` gives ``(N, N)`` and no error.  Told are element-wise operators on floats of *different rank*:
there PyTorch fills up the shorter shape, while an outer sum that is meant is written with ``None``,
``unsqueeze`` or ``view``, which make the ranks equal (relative positions, anchors, masks).  And both operands hold the
same items but for sizes of 1, or both come from the model's input: a bias, a table of frequencies or a position is not
the user's slip.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch

Shape = tuple[int, ...]

_NAMES = frozenset(
    {"add", "sub", "rsub", "mul", "div", "true_divide", "divide", "subtract", "multiply", "pow", "maximum", "minimum"}
    | {"truediv", "radd", "rmul", "rtruediv", "iadd", "isub", "imul", "itruediv", "eq", "ne", "lt", "le", "gt", "ge"}
)
_LOSSES = frozenset(
    {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"}
)


class Grown(NamedTuple):
    """Two operands of different rank whose broadcast result is larger than either.

    Attributes:
        left: Shape of the first.
        right: Shape of the second.
        result: Shape of the result.
    """

    left: Shape
    right: Shape
    result: Shape

    @property
    def alike(self) -> bool:
        """Whether both hold the same items but for sizes of 1."""
        return [size for size in self.left if size > 1] == [size for size in self.right if size > 1]


def grown(name: str, args: tuple[Any, ...]) -> Grown | None:
    """What an element-wise operator makes of two shapes, where that is larger than either.

    Args:
        name: Plain name of the function.
        args: Its arguments.

    Example:
        >>> grown("add", (torch.zeros(4, 1), torch.zeros(4)))
        Grown(left=(4, 1), right=(4,), result=(4, 4))
        >>> grown("add", (torch.zeros(4, 3), torch.zeros(3)))
    """
    if len(args) < 2 or (name not in _LOSSES and name.strip("_") not in _NAMES):  # noqa: PLR2004
        return None
    first, second = args[:2]
    if not all(isinstance(item, torch.Tensor) and item.is_floating_point() for item in (first, second)):
        return None
    left, right = tuple(first.shape), tuple(second.shape)
    if not left or not right or len(left) == len(right):
        return None
    result = tuple(torch.broadcast_shapes(left, right))  # type: ignore[no-untyped-call]
    larger = math.prod(result) > max(math.prod(left), math.prod(right))
    return Grown(left, right, result) if larger else None
