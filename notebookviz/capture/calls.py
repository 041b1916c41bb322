"""How a module is called: the names of forward's arguments, and the hooks that belong to it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType

    from torch import nn

_FORWARD_NAMES: dict[type, tuple[str, ...]] = {}


def forward_names(kind: type) -> tuple[str, ...]:
    """Names of the positional arguments of a module class's ``forward``."""
    found = _FORWARD_NAMES.get(kind)
    if found is None:
        code = _code(kind)
        found = code.co_varnames[1 : code.co_argcount] if code is not None else ()
        _FORWARD_NAMES[kind] = found
    return found


def run_forward(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
    """Run a module's forward with the hooks that belong to it (weight norm, adapters, offloading)."""
    state = module.__dict__
    for key, hook in state["_forward_pre_hooks"].items():
        if key in state["_forward_pre_hooks_with_kwargs"]:
            changed = hook(module, args, kwargs)
            if changed is not None:
                args, kwargs = changed
        else:
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    result = module.forward(*args, **kwargs)
    for key, hook in state["_forward_hooks"].items():
        with_kwargs = key in state["_forward_hooks_with_kwargs"]
        changed = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
        if changed is not None:
            result = changed
    return result


def keyword_names(kind: type) -> tuple[str, ...]:
    """Names of the keyword-only arguments of a module class's ``forward``."""
    code = _code(kind)
    if code is None:
        return ()
    return tuple(code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount])


def only_keywords(kind: type) -> bool:
    """Whether a module class's ``forward`` takes any names and nothing by place: ``forward(self, **batch)``."""
    code = _code(kind)
    takes = code.co_flags & (inspect.CO_VARKEYWORDS | inspect.CO_VARARGS) if code is not None else 0
    return takes == inspect.CO_VARKEYWORDS and not forward_names(kind)


def _code(kind: type) -> CodeType | None:
    return getattr(inspect.unwrap(getattr(kind, "forward", lambda: None)), "__code__", None)
