"""From the name of an initializer in a recording to the live tensor."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import torch

from notebookviz.capture import naming
from notebookviz.errors import InputError

if TYPE_CHECKING:
    from torch import nn

_CONSTANTS: dict[int, tuple[weakref.ref[Any], dict[str, weakref.ref[torch.Tensor]]]] = {}


def resolve(model: nn.Module, name: str) -> torch.Tensor:
    """Find the live tensor of an initializer.

    Args:
        model: The model that was captured.
        name: Name or alias of an initializer of its recording.

    Returns:
        The tensor itself, not a copy: today's values.

    Raises:
        InputError: The model holds no such tensor any more.

    Example:
        >>> from torch import nn
        >>> tuple(resolve(nn.Sequential(nn.Linear(2, 3)), "0.weight").shape)
        (3, 2)
    """
    for known, tensor, _ in naming.tensors(model):
        if known == name:
            return tensor
    found = _attribute(model, name)
    if found is None:
        found = _remembered(model, name)
    if found is None:
        raise InputError(
            f"{type(model).__name__} holds no tensor {naming.clean(name)!r} any more.", hint="Refresh the view."
        )
    return found


def remember(model: nn.Module, constants: dict[str, torch.Tensor]) -> None:
    """Keep weak references to tensors that forward met but no module registers."""
    key = id(model)
    if not constants:
        _CONSTANTS.pop(key, None)
        return
    found = {name: weakref.ref(tensor) for name, tensor in constants.items()}
    _CONSTANTS[key] = (weakref.ref(model, lambda _: _CONSTANTS.pop(key, None)), found)


def _remembered(model: nn.Module, name: str) -> torch.Tensor | None:
    owner, found = _CONSTANTS.get(id(model), (None, {}))
    if owner is None or owner() is not model or name not in found:
        return None
    return found[name]()


def _attribute(model: nn.Module, name: str) -> torch.Tensor | None:
    """A plain tensor attribute, also inside lists and dicts: ``block.scales.0``."""
    best: tuple[int, Any] = (-1, None)
    for path, module in naming.modules(model):
        if (not path or name.startswith(path + ".")) and len(path) > best[0]:
            best = (len(path), module)
    rest = name[best[0] + 1 :] if best[0] > 0 else name
    thing: Any = best[1]
    for part in rest.split("."):
        thing = _step(thing, part)
    return thing if isinstance(thing, torch.Tensor) else None


def _step(thing: Any, part: str) -> Any:  # noqa: ANN401
    if isinstance(thing, (list, tuple)):
        return thing[int(part)] if part.isdigit() and int(part) < len(thing) else None
    table = thing if isinstance(thing, dict) else getattr(thing, "__dict__", {})
    return next((item for key, item in table.items() if naming.clean(str(key)) == part), None)
