"""What is said about a module: its settings, its own line of ``repr``, its documentation."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from notebookviz.capture import naming, operators
from notebookviz.graph.records import Attribute

LONGEST_REPR = 2000
SHOWN_CHILDREN = 24
_SETTINGS: dict[type, tuple[str, ...]] = {}
_DOCS: dict[type, str] = {}
_SKIPPED = frozenset({"self", "device", "dtype", "args", "kwargs"})


def settings(module: nn.Module) -> tuple[Attribute, ...]:
    """Constructor settings that can be read back from the instance."""
    found = []
    state = module.__dict__
    for name in _names(type(module)):
        if name in state:
            value = state[name]
        elif name == "bias" and name in state.get("_parameters", {}):
            value = state["_parameters"][name] is not None
        else:
            continue
        if _simple(value):
            found.append(Attribute(name, operators.text(value)))
    return tuple(found)


def own_line(module: nn.Module) -> str:
    """The module's line of ``repr`` without its children."""
    kind = naming.clean(type(module).__name__)
    try:
        extra = str(module.extra_repr())
    except Exception:  # noqa: BLE001 (a model's own extra_repr may do anything)
        extra = ""
    return naming.cut(f"{kind}({extra})", LONGEST_REPR)


class Describer:
    """Writes the ``repr`` of modules, each own line computed once."""

    def __init__(self) -> None:
        self._lines: dict[int, str] = {}

    def line(self, module: nn.Module) -> str:
        """The module's own line (kept for its parent)."""
        found = self._lines.get(id(module))
        if found is None:
            found = self._lines[id(module)] = own_line(module)
        return found

    def text(self, module: nn.Module) -> str:
        """The module's ``repr``, children as one line each, at most ``LONGEST_REPR`` characters."""
        children = list(module.__dict__.get("_modules", {}).items())
        line = self.line(module)
        if not children:
            return line
        lines = [line[:-1] if line.endswith("()") else line]
        for name, child in children[:SHOWN_CHILDREN]:
            shown = self.line(naming.unwrap(child)) if isinstance(child, nn.Module) else "None"
            inner = len(child.__dict__.get("_modules", {})) if isinstance(child, nn.Module) else 0
            more = f"  # {inner:,} modules inside" if inner else ""
            lines.append(f"  ({naming.clean(str(name))}): {shown}{more}")
        if len(children) > SHOWN_CHILDREN:
            lines.append(f"  … {len(children) - SHOWN_CHILDREN:,} more")
        lines.append(")")
        return naming.cut("\n".join(lines), LONGEST_REPR)


def doc(kind: type) -> str:
    """First paragraph of a class's own docstring."""
    found = _DOCS.get(kind)
    if found is None:
        own = kind.__dict__.get("__doc__")
        found = _DOCS[kind] = operators.first_paragraph(own)
    return found


def qualified(kind: type) -> str:
    """Where a class lives: ``torch.nn.modules.conv.Conv2d``."""
    return naming.clean(f"{kind.__module__}.{kind.__qualname__}")


def _names(kind: type) -> tuple[str, ...]:
    found = _SETTINGS.get(kind)
    if found is None:
        names: dict[str, None] = {}
        for base in kind.__mro__:
            if base in (nn.Module, object):
                break
            code = (
                getattr(inspect.unwrap(base.__dict__["__init__"]), "__code__", None)
                if "__init__" in base.__dict__
                else None
            )
            if code is not None:
                names.update(dict.fromkeys(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]))
            names.update(dict.fromkeys(name for name in getattr(base, "__constants__", ()) if isinstance(name, str)))
        found = _SETTINGS[kind] = tuple(name for name in names if name not in _SKIPPED)
    return found


def _simple(value: Any) -> bool:  # noqa: ANN401
    if value is None or isinstance(value, (bool, int, float, str, torch.dtype)):
        return value is not None
    return isinstance(value, (tuple, list)) and len(value) <= 8 and all(_simple(item) for item in value)  # noqa: PLR2004
