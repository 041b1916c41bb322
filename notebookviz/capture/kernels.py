"""Whether an operator has a kernel for the types of numbers it is given: fake tensors don't ask.

``LayerNorm`` of float64 with float32 weights, ``softmax`` of integers: their shapes can be told, yet PyTorch refuses
them.  Operands of one usual floating type are never in doubt; of others PyTorch is asked, once for each operator.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

from notebookviz.capture.case import speaks_of_dtypes
from notebookviz.capture.modes import unseen

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_NUMBERS = 2**24
"""Operands of more numbers are not asked about."""

_Error = tuple[type[Exception], str]
_ANSWERS: dict[Any, _Error | None] = {}


def check(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Exception | None:
    """What PyTorch raises because of the operands' types, or None.

    Args:
        func: A dispatched operator.
        args: Its arguments, with fake tensors.
        kwargs: Its keyword arguments.

    Example:
        >>> from torch._subclasses.fake_tensor import FakeTensorMode
        >>> whole = FakeTensorMode().from_tensor(torch.arange(3))
        >>> print(check(torch.ops.aten.gelu.default, (whole,), {}))
        "GeluKernelImpl" not implemented for 'Long'
    """
    first = None
    for item in args:
        if type(item) is FakeTensor:
            dtype = item.dtype
            if first is None:
                first = dtype
            if dtype is not first or not dtype.is_floating_point or dtype.itemsize == 1:
                break
    else:
        return None
    key = (func, *(_type(item) for item in args))
    try:
        found = _ANSWERS[key]
    except KeyError:
        if not _small(args):
            return None
        found = _ANSWERS[key] = _asked(func, args, kwargs)
    except TypeError:
        return None
    return found[0](found[1]) if found is not None else None


def _type(item: Any) -> Any:  # noqa: ANN401
    return (item.dtype, item.fake_device, item.dim()) if type(item) is FakeTensor else type(item)


def _small(args: tuple[Any, ...]) -> bool:
    return sum(math.prod(item.shape) for item in args if type(item) is FakeTensor) <= MOST_NUMBERS


def _asked(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Error | None:
    """Run the operator on zeros that take no memory; only what it says of types counts."""
    try:
        with unseen(), torch.no_grad():
            func(*(_zeros(item) for item in args), **{name: _zeros(item) for name, item in kwargs.items()})
    except (RuntimeError, TypeError) as error:
        said = str(error)
        return (type(error), said) if speaks_of_dtypes(said) else None
    except Exception:  # noqa: BLE001 (an index into an empty table, for instance: not about types)
        return None
    return None


def _zeros(item: Any) -> Any:  # noqa: ANN401
    if isinstance(item, (list, tuple)):
        return type(item)(_zeros(part) for part in item)
    if not isinstance(item, FakeTensor):
        return item
    return torch.zeros((), dtype=item.dtype, device=item.fake_device).expand(item.shape)
