"""An input as people type it into the panel's header: ``ids 1×128 int64, image 1×3×224×224 float32``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from notebookviz.capture import flow, inputs, naming, signature
from notebookviz.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    from notebookviz.capture.signature import Call

_ITEM = re.compile(
    r"(?:(?P<name>[^\W\d]\w*)\s+)?(?P<shape>\(?\[?\d+(?:\s*[x×*]\s*\d+)*\]?\)?|scalar)(?:\s+(?P<dtype>\w+))?"
)
_MOST_NUMBERS = 2**31


@dataclass(frozen=True)
class _Typed:
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype | None


def typed(model: nn.Module, text: str, call: Call | None) -> Call:
    """Turn what was typed into the arguments of one forward call.

    Args:
        model: The model.
        text: Shapes parted by commas, each with the argument's name before it and the dtype behind it, or without.
        call: The call that was looked at before: what has the same place keeps its container, its dtype, and where the
            shape stays its values too.

    Returns:
        Positional and keyword arguments.

    Raises:
        InputError: It is no shape, no dtype, or no argument of ``forward``.

    Example:
        >>> args, _ = typed(torch.nn.Linear(4, 2), "3×4 float64", None)
        >>> args[0].shape, args[0].dtype
        (torch.Size([3, 4]), torch.float64)
    """
    items = [_read(part) for part in re.split(r"[,;]", text.strip().rstrip(",;"))]
    before = list(flow.tensors(call)) if call is not None else []
    if call is not None and _names(call, items):
        fresh = {id(old): _like(old, item) for old, item in zip(before, items, strict=True)}
        args, kwargs = flow.replaced(call, fresh)
        return args, kwargs
    return _new(model, items)


def _read(part: str) -> _Typed:
    shown = naming.cut(part.strip(), 40)
    found = _ITEM.fullmatch(part.strip())
    if found is None:
        raise InputError(f"“{shown}” is no size.", hint="Write it like 1×3×224×224.")
    shape = tuple(int(size) for size in re.findall(r"\d+", found["shape"]))
    if math.prod(shape) > _MOST_NUMBERS:
        raise InputError(f"“{shown}” has more than {_MOST_NUMBERS:,} numbers.", hint="Type a smaller size.")
    dtype = getattr(torch, found["dtype"], None) if found["dtype"] else None
    if found["dtype"] and not isinstance(dtype, torch.dtype):
        raise InputError(f"“{found['dtype']}” is no dtype of torch.", hint="Write for instance float32 or int64.")
    return _Typed(found["name"] or "", shape, dtype)


def _names(call: Call, items: list[_Typed]) -> bool:
    """Whether what was typed has the very places of an earlier call."""
    args, kwargs = call
    known = [""] * len(list(flow.tensors(args)))
    for name, value in kwargs.items():
        count = len(list(flow.tensors(value)))
        known.extend([name, *[""] * (count - 1)][:count])
    unnamed = not any(item.name for item in items)
    return len(known) == len(items) and (unnamed or known == [item.name for item in items])


def _like(old: torch.Tensor, item: _Typed) -> torch.Tensor:
    dtype = item.dtype or old.dtype
    if item.shape == tuple(old.shape):
        return old.to(dtype)
    fresh = torch.zeros(item.shape, dtype=dtype, device=old.device)
    if dtype.is_floating_point or old.is_meta or not old.numel():
        return fresh
    first = old.reshape(-1)[0]
    return fresh.fill_(first) if bool((old == first).all()) else fresh


def _new(model: nn.Module, items: list[_Typed]) -> Call:
    model = naming.unwrap(model)
    device, floats = inputs.placement(model)
    usual = torch.int64 if inputs.wants_indices(model) else floats
    names = [item.name for item in signature.parameters(model)]
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for at, item in enumerate(items):
        tensor = torch.zeros(item.shape, dtype=item.dtype or (floats if at else usual), device=device)
        if not item.name and not kwargs:
            args.append(tensor)
        elif item.name not in names:
            shown = naming.cut(item.name, 40) or "×".join(map(str, item.shape))
            raise InputError(f"forward has no argument “{shown}”.", hint=f"It takes {', '.join(names)}.")
        elif item.name in kwargs or item.name in names[: len(args)]:
            raise InputError(f"“{item.name}” is given twice.", hint="Type it once.")
        else:
            kwargs[item.name] = tensor
    return tuple(args), kwargs
