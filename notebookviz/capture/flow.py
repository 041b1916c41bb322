"""Tensors inside the arguments and results of a call, and their types as records."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch._C._functorch import get_unwrapped, is_functorch_wrapped_tensor
from torch._subclasses.fake_tensor import FakeTensor

from notebookviz.graph.records import TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCALARS = (str, int, float, bool, bytes, type(None), torch.dtype, torch.device, torch.nn.Module)
_DEEPEST = 6
_DTYPES: dict[torch.dtype, str] = {}


def tensors(thing: Any, depth: int = 0) -> list[torch.Tensor]:  # noqa: ANN401
    """Each tensor in nested containers, mappings and plain objects, in order."""
    if isinstance(thing, torch.Tensor):
        return [thing]
    if isinstance(thing, (list, tuple)) and depth <= _DEEPEST:
        found: list[torch.Tensor] = []
        for item in thing:
            found.extend(tensors(item, depth + 1))
        return found
    return [] if isinstance(thing, _SCALARS) else [tensor for _, tensor in named(thing, "", depth)]


def named(thing: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, torch.Tensor]]:  # noqa: ANN401
    """Each tensor with where it was found: ``x[0]``, ``logits``."""
    if isinstance(thing, torch.Tensor):
        yield name, thing
    elif isinstance(thing, _SCALARS) or depth > _DEEPEST:
        return
    elif isinstance(thing, (list, tuple, set, deque)):
        for at, item in enumerate(thing):
            yield from named(item, f"{name}[{at}]" if name else str(at), depth + 1)
    else:
        for key, item in _members(thing):
            yield from named(item, f"{name}.{key}" if name else str(key), depth + 1)


def _members(thing: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401
    """What a mapping or a plain object holds, by name."""
    if isinstance(thing, Mapping):
        yield from thing.items()
    elif hasattr(thing, "__dict__") and not callable(thing):
        yield from vars(thing).items()
    elif hasattr(type(thing), "__slots__"):
        yield from slots(thing)


def slots(thing: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """The attributes that an object keeps in slots."""
    for kind in type(thing).__mro__:
        names = kind.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if not name.startswith("__") and hasattr(thing, name):
                yield name, getattr(thing, name)


def replaced(thing: Any, fresh: dict[int, torch.Tensor]) -> Any:  # noqa: ANN401
    """The same nested lists, tuples and dictionaries with other tensors in place of those whose ``id`` is listed."""
    if isinstance(thing, torch.Tensor):
        return fresh.get(id(thing), thing)
    if type(thing) in (list, tuple):
        return type(thing)(replaced(item, fresh) for item in thing)
    if type(thing) is dict:
        return {key: replaced(item, fresh) for key, item in thing.items()}
    return thing


def dtype_text(dtype: torch.dtype) -> str:
    """``float32`` for ``torch.float32``."""
    text = _DTYPES.get(dtype)
    if text is None:
        text = _DTYPES[dtype] = str(dtype).removeprefix("torch.")
    return text


def device(tensor: torch.Tensor) -> torch.device:
    """A tensor's device; asking a fake one would run an operator."""
    return tensor.fake_device if type(tensor) is FakeTensor else tensor.device


def kind(tensor: torch.Tensor) -> TensorType:
    """Type, shape and device of a tensor as a record."""
    try:
        sizes = tuple(int(size) for size in shape(tensor))
    except Exception:  # noqa: BLE001 (uninitialised tensors have none)
        sizes = ()
    return TensorType(dtype_text(tensor.dtype), sizes, str(device(tensor)))


def shape(tensor: torch.Tensor) -> tuple[int, ...]:
    """A tensor's sizes; a nested one has those that hold each of its parts.

    Example:
        >>> shape(torch.nested.nested_tensor([torch.zeros(3, 4), torch.zeros(2, 5)]))
        (2, 3, 5)
    """
    if not tensor.is_nested:
        return tensor.shape
    parts = [shape(part) for part in tensor.unbind()]
    return (len(parts), *(max(sizes) for sizes in zip(*parts, strict=True)))


def inner(tensor: torch.Tensor) -> torch.Tensor | None:
    """What ``torch.func`` (``vmap``, ``grad``) has wrapped, or None."""
    if type(tensor) is torch.Tensor and is_functorch_wrapped_tensor(tensor):
        return get_unwrapped(tensor)
    return None


def storage(tensor: torch.Tensor) -> int:
    """Identity of a tensor's storage; tensors without one are their own."""
    try:
        return int(tensor.untyped_storage()._cdata)  # noqa: SLF001 (the storage's identity)
    except Exception:  # noqa: BLE001 (sparse tensors have no storage)
        return -id(tensor)


def shape_text(sizes: tuple[int, ...]) -> str:
    """A shape as people read it.

    Example:
        >>> shape_text((1, 3, 224, 224))
        '1×3×224×224'
        >>> shape_text(())
        'scalar'
    """
    return "×".join(map(str, sizes)) if sizes else "scalar"


def input_text(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The model's input as one line: ``1×3×224×224 float32``."""
    parts = [f"{shape_text(tuple(shape(tensor)))} {dtype_text(tensor.dtype)}" for tensor in tensors(args)]
    for name, value in kwargs.items():
        found = [f"{shape_text(tuple(shape(item)))} {dtype_text(item.dtype)}" for item in tensors(value)]
        if found:
            parts.append(f"{name} {', '.join(found)}")
    return ", ".join(parts)
