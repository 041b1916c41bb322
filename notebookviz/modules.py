"""The modules of a live model: by path, by identity, and as the Python that gives them."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any, Final

from torch import nn

from notebookviz.capture import naming

if TYPE_CHECKING:
    from collections.abc import Iterable

_INDEXED: Final = frozenset({nn.Sequential.__getitem__, nn.ModuleList.__getitem__})
_KEYED: Final = nn.ModuleDict.__getitem__


class Modules:
    """Finds the modules of one model by the paths of its recording.

    Args:
        model: The model.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 2), nn.Sequential(nn.ReLU()))
        >>> Modules(model).expression("1.0")
        '[1][0]'
        >>> Modules(model).at("1.0")
        ReLU()
    """

    def __init__(self, model: nn.Module) -> None:
        inner, text = _seen_through(model, "")
        self._found: dict[str, tuple[Any, str] | None] = {"": (inner, text)}
        self._places: dict[int, dict[str, int]] = {}

    def at(self, path: str) -> nn.Module | None:
        """The module at a path; None where there is none any more."""
        found = self._find(path)
        return found[0] if found is not None and isinstance(found[0], nn.Module) else None

    def expression(self, path: str) -> str:
        """What to write behind the model's name to get the module: ``.layer1[0].conv1``; ``""`` where nothing does."""
        found = self._find(path)
        return found[1] if found is not None else ""

    def expressions(self, paths: Iterable[str]) -> dict[str, str]:
        """The expression of each path that has one."""
        return {path: text for path in paths if (text := self.expression(path))}

    def _find(self, path: str) -> tuple[Any, str] | None:
        if path not in self._found:
            outer, _, name = path.rpartition(".")
            holder = self._find(outer)
            self._found[path] = self._inside(*holder, name) if holder is not None else None
        return self._found[path]

    def _inside(self, holder: Any, text: str, name: str) -> tuple[Any, str] | None:  # noqa: ANN401
        """What a module, or a plain list or dictionary in it, holds under a name."""
        if isinstance(holder, (list, tuple)):
            place = int(name) if name.isdecimal() else len(holder)
            return _seen_through(holder[place], f"{text}[{place}]") if place < len(holder) else None
        if isinstance(holder, dict):
            return next(
                (_seen_through(item, f"{text}[{key!r}]") for key, item in holder.items() if str(key) == name), None
            )
        if not isinstance(holder, nn.Module):
            return None
        registered = naming.table(holder, "_modules")
        key = name if name in registered else next((key for key in registered if naming.clean(str(key)) == name), None)
        if key is not None:
            return _seen_through(registered[key], text + self._step(holder, registered, key))
        if name in holder.__dict__ and name.isidentifier():
            return _seen_through(holder.__dict__[name], f"{text}.{name}")
        return None

    def _step(self, holder: nn.Module, registered: dict[str, Any], key: str) -> str:
        kind = type(holder)
        getter = getattr(kind, "__getitem__", None)
        if getter in _INDEXED:
            places = self._places.setdefault(id(holder), {str(name): at for at, name in enumerate(registered)})
            if key == str(places[key]):
                return f"[{key}]"
        elif getter is _KEYED:
            return f"[{key!r}]"
        hidden = key in holder.__dict__ or any(key in vars(base) for base in kind.__mro__)
        if key.isidentifier() and not keyword.iskeyword(key) and not hidden:
            return f".{key}"
        return f".get_submodule({key!r})"


def path_of(model: nn.Module, module: nn.Module) -> str | None:
    """The path of a module of a model, None where it is none of them.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 2), nn.ReLU())
        >>> path_of(model, model[1])
        '1'
    """
    wanted = naming.unwrap(module)
    return next((path for path, each in naming.modules(model) if each is wanted), None)


def _seen_through(thing: Any, text: str) -> tuple[Any, str]:  # noqa: ANN401
    """What ``torch.compile`` wrapped, and how it is reached."""
    while isinstance(thing, nn.Module) and naming.unwrap(thing) is not thing:
        thing, text = naming.table(thing, "_modules")["_orig_mod"], f"{text}._orig_mod"
    return thing, text
