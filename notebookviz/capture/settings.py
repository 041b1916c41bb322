"""Sizes that a model states itself: in its configuration, or in attributes of its modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from notebookviz.capture import naming

if TYPE_CHECKING:
    from torch import nn

_HOLDERS = (
    "config",
    "_internal_dict",
    "pretrained_cfg",
    "default_cfg",
    "cfg",
    "conf",
    "args",
    "hparams",
    "_hparams",
    "opt",
)
_MOST_PARTS = 40
_MOST_MODULES = 64


class Settings:
    """The configuration of a model with all that is nested in it, and the attributes of its outer modules.

    Args:
        model: Any model.

    Example:
        >>> model = torch.nn.Linear(2, 3)
        >>> model.config = {"vision": {"image_size": 96}}
        >>> Settings(model).number("img_size", "image_size")
        96
    """

    def __init__(self, model: nn.Module) -> None:
        self._parts: list[tuple[str, Any]] = []
        for name in _HOLDERS:
            self._add("", model.__dict__.get(name))
        self.configured = bool(self._parts)
        self._stated = len(self._parts)
        outer = sorted(naming.modules(model), key=lambda item: item[0].count("."))
        self._parts.extend((path, module.__dict__) for path, module in outer[:_MOST_MODULES])

    def find(self, *names: str, near: str = "") -> Any:  # noqa: ANN401 (a number, or several)
        """The first of these settings that holds a positive number or several.

        The configuration goes before attributes of modules, and where ``near`` is said, what is called so before what
        is not.
        """
        stated, modules = self._parts[: self._stated], self._parts[self._stated :]
        for _, part in (
            item for parts in (stated, modules) for item in sorted(parts, key=lambda it: near not in it[0])
        ):
            for name in names:
                found = _get(part, name)
                if _sized(found):
                    return found
        return None

    def number(self, *names: str, near: str = "") -> int | None:
        """The first of these settings that is one positive number; of several numbers the first."""
        found = self.find(*names, near=near)
        return int(found[0]) if isinstance(found, (list, tuple)) else found

    def flag(self, name: str) -> bool:
        """Whether the model's own configuration switches this on."""
        return bool(self.configured and _get(self._parts[0][1], name))

    def _add(self, label: str, part: Any) -> None:  # noqa: ANN401
        if len(self._parts) >= _MOST_PARTS or not _holds(part):
            return
        waiting = [(label, part)]
        seen = {id(part)}
        while waiting and len(self._parts) < _MOST_PARTS:
            label, part = waiting.pop(0)
            self._parts.append((label, part))
            items = part if isinstance(part, dict) else vars(part)
            for name, value in list(items.items()):
                if _holds(value) and id(value) not in seen:
                    seen.add(id(value))
                    waiting.append((f"{label}.{name}", value))


def _holds(thing: Any) -> bool:  # noqa: ANN401
    """Whether it can hold settings: a dictionary, or a plain object."""
    if isinstance(thing, dict):
        return bool(thing)
    return (
        hasattr(thing, "__dict__")
        and not isinstance(thing, (type, torch.Tensor, torch.nn.Module))
        and not callable(thing)
    )


def _get(part: Any, name: str) -> Any:  # noqa: ANN401
    if isinstance(part, dict):
        return part.get(name)
    try:
        return getattr(part, name, None)
    except Exception:  # noqa: BLE001 (a configuration may compute what is asked)
        return None


def _sized(found: Any) -> bool:  # noqa: ANN401
    if isinstance(found, (list, tuple)):
        return bool(found) and all(_sized(item) and not isinstance(item, (list, tuple)) for item in found)
    return isinstance(found, int) and not isinstance(found, bool) and found > 0
