"""The arguments of a model's ``forward``, and calls that give them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from notebookviz.capture import naming

if TYPE_CHECKING:
    from torch import nn

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Parameter(NamedTuple):
    """One argument of ``forward``: its name, its type hint as text, whether it must be given, and how."""

    name: str
    hint: str = ""
    required: bool = True
    positional: bool = True


def parameters(model: nn.Module) -> list[Parameter]:
    """The named arguments of a model's ``forward``.

    Example:
        >>> from torch import nn
        >>> [(item.name, item.required) for item in parameters(nn.MultiheadAttention(8, 2))][:4]
        [('query', True), ('key', True), ('value', True), ('key_padding_mask', False)]
    """
    return [
        Parameter(item.name, _hint(item.annotation), item.default is item.empty, item.kind in _POSITIONAL)
        for item in _signature(model)
        if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)
    ]


def variadic(model: nn.Module) -> bool:
    """Whether ``forward`` takes any number of positional arguments."""
    return any(item.kind is item.VAR_POSITIONAL for item in _signature(model))


def given_names(model: nn.Module, call: Call) -> set[str]:
    """Names of the arguments that a call gives."""
    positional = [item.name for item in parameters(model) if item.positional]
    return {*positional[: len(call[0])], *call[1]}


def with_argument(model: nn.Module, call: Call, name: str, value: Any) -> Call:  # noqa: ANN401
    """The same call with another value for one argument, or with one more."""
    args, kwargs = call
    positional = [item.name for item in parameters(model) if item.positional]
    if name in positional[: len(args)]:
        at = positional.index(name)
        return (*args[:at], value, *args[at + 1 :]), kwargs
    return args, {**kwargs, name: value}


def wanted(model: nn.Module) -> str:
    """One sentence that tells what to pass, with an example.

    Example:
        >>> from torch import nn
        >>> wanted(nn.Bilinear(2, 3, 4))
        'forward takes input1, input2: show(model, input1, input2) or input_size=[(1, 16), (1, 16)].'
    """
    taken = parameters(model)
    first = [naming.cut(item.name, 80) for item in taken if item.required and item.positional]
    named = [naming.cut(item.name, 80) for item in taken if item.required and not item.positional]
    if not first and not named:
        first = [naming.cut(item.name, 80) for item in taken[:1]] or ["x"]
    call = ", ".join(("model", *first))
    if named:
        call += f", kwargs={{{', '.join(f'{name!r}: {name}' for name in named)}}}"
    if len(first) == 1:
        sizes = " or input_size=(1, 3, 224, 224)"
    else:
        sizes = f" or input_size=[{', '.join(['(1, 16)'] * len(first))}]"
    return f"forward takes {', '.join((*first, *named))}: show({call}){'' if named else sizes}."


def _signature(model: nn.Module) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        return [inspect.Parameter("input", inspect.Parameter.POSITIONAL_ONLY)]


def _hint(annotation: Any) -> str:  # noqa: ANN401
    if annotation is inspect.Parameter.empty:
        return ""
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
