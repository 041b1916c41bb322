"""What nodes are coloured by: the user's numbers or words by module, checked and made ready for the panel."""

from __future__ import annotations

import difflib
import math
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from notebookviz.capture import naming
from notebookviz.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from notebookviz.graph.records import Recording

Combine = Literal["max", "min", "sum", "mean"]

BUILT_IN: Final = {
    "parameters": "params",
    "MACs": "macs",
    "output memory": "memory",
    "dtype": "dtype",
    "device": "device",
    "trainable": "trainable",
}
OWN: Final = "own: "
_LONGEST: Final = 200


def given(  # noqa: PLR0913 - each is documented
    recording: Recording,
    path_of: Callable[[Any], str | None],
    name: str,
    values: Mapping[Any, Any],
    *,
    unit: str = "",
    combine: Combine = "max",
) -> dict[str, Any]:
    """Check the values of an overlay and make them JSON.

    Args:
        recording: What is drawn.
        path_of: Gives the path of a module of the model, None for any other.
        name: What the values are.
        values: Numbers or words by module, by path of a module, by name of a parameter, or by one call of a module:
            ``"relu@2"`` or ``(model.relu, 2)``, the second; None is left out.
        unit: Unit of the numbers.
        combine: How a closed module's number is made of those inside.

    Returns:
        The overlay as the panel reads it; numbers that JSON lacks are texts.

    Raises:
        InputError: A key names nothing in the model, or a value is neither a number nor a word.

    Example:
        >>> from notebookviz.graph.records import Node, Recording
        >>> net = Recording((Node(0, -1, "module", "Net", "Net", ""), Node(1, 0, "module", "Linear", "Linear", "fc")))
        >>> given(net, lambda module: None, "norm", {"fc": 0.5})["values"]
        {'fc': 0.5}
    """
    if not isinstance(name, str) or not name.strip() or name in BUILT_IN:
        taken = f" that is not one of {', '.join(BUILT_IN)}" if name in BUILT_IN else ""
        raise InputError(f"overlay() got the name {name!r}; it wants a text{taken}.")
    if len(name) > _LONGEST:
        raise InputError(f"overlay() got a name of {len(name):,} characters; it wants at most {_LONGEST}.")
    if combine not in get_args(Combine):
        raise InputError(f"overlay() got combine={combine!r}; it wants one of {', '.join(get_args(Combine))}.")
    if not hasattr(values, "items"):
        raise InputError(
            f"overlay() got {type(values).__name__}; it wants a dictionary of numbers or words by module or path.",
            hint='For example panel.overlay("gradient norm", {"layer1.0.conv1": 0.3}).',
        )
    found = dict(zip(_paths(recording, path_of, list(values)), map(_value, values.values()), strict=True))
    kept = {path: value for path, value in found.items() if value is not None}
    words = {isinstance(value, str) for value in kept.values()}
    if len(words) > 1:
        raise InputError(f"The overlay {name!r} mixes numbers and words.", hint="Leave a value out by giving None.")
    return {
        "name": name,
        "kind": "words" if words == {True} else "numbers",
        "unit": str(unit)[:20],
        "combine": combine,
        "values": {path: _json(value) for path, value in kept.items()},
    }


def with_overlay(overlays: Sequence[dict[str, Any]], name: str, new: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The overlays with one put in the place of that name, or taken away."""
    places = [each["name"] for each in overlays]
    if name not in places:
        return [*overlays, *([new] if new else [])]
    return [new if each["name"] == name else each for each in overlays if new or each["name"] != name]  # type: ignore[misc]


def key_of(overlays: Sequence[dict[str, Any]], name: str) -> str:
    """The key by which the panel knows an overlay.

    Raises:
        InputError: There is no overlay of that name.

    Example:
        >>> key_of([], "MACs")
        'macs'
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    names = [each["name"] for each in overlays]
    if name in names:
        return OWN + name
    known = [*BUILT_IN, *names]
    near = difflib.get_close_matches(str(name), known, 1)
    raise InputError(
        f"There is no overlay {name!r}; there are {', '.join(known)}.",
        hint=f"Did you mean {near[0]!r}?" if near else f"Give values: panel.overlay({name!r}, {{path: value}}).",
    )


def _paths(recording: Recording, path_of: Callable[[Any], str | None], keys: list[Any]) -> list[str]:
    """The path of each key, by the name that the recording uses."""
    known = {node.path: node.path for node in recording.nodes if node.kind == "module"}
    for tensor in recording.initializers:
        known.update(dict.fromkeys((tensor.name, *tensor.aliases), tensor.name))
    for path in list(known):  # lists and dictionaries of modules are never called, and have no node
        while path:
            path = path.rpartition(".")[0]  # noqa: PLW2901
            known.setdefault(path, path)

    def find(key: Any) -> str | None:  # noqa: ANN401 - whatever a user gives
        if isinstance(key, tuple):
            place, call = key if len(key) == 2 else (None, 0)  # noqa: PLR2004
            path = find(place)
            return None if path is None else _call(recording, path, call)
        if not isinstance(key, str):
            return path_of(key)
        plain = naming.recorded(key)
        path, at, call = plain.rpartition("@")
        if at and plain not in known and path in known and call.isdecimal():
            return _call(recording, path, int(call))
        return known.get(plain)

    found = [find(key) for key in keys]
    missing = [key for key, path in zip(keys, found, strict=True) if path is None]
    if missing:
        raise _unknown(recording, missing, [path for path in known if path])
    return [path for path in found if path is not None]


def _call(recording: Recording, path: str, call: Any) -> str:  # noqa: ANN401 - whatever a user gives
    """The key of one call of a module, as the graph numbers them: from 1."""
    calls = [node.call + 1 for node in recording.nodes if node.kind == "module" and node.path == path]
    if call not in calls or isinstance(call, bool):
        times = (
            "is not called" if not calls else "is called once" if len(calls) == 1 else f"is called {len(calls)} times"
        )
        raise InputError(
            f"overlay() got call {call!r} of {path!r}, which {times} in this pass.",
            hint=f"The first call is {path + '@1'!r}; {path!r} stands for all of them.",
        )
    return f"{path}@{call}"


def _unknown(recording: Recording, missing: list[Any], known: list[str]) -> InputError:
    first = missing[0]
    more = f" and {len(missing) - 1:,} more that are" if len(missing) > 1 else ", which is"
    shown = repr(first[:_LONGEST]) if isinstance(first, str) else f"a {type(first).__name__}"
    near = difflib.get_close_matches(first, known, 1, 0.5) if isinstance(first, str) else []
    paths = f"Keys are modules or paths such as {known[0]!r}." if known else ""
    return InputError(
        f"overlay() got {shown}{more} no module or parameter of this {recording.root.type}.",
        hint=f"Did you mean {near[0]!r}?" if near else paths,
    )


def _value(value: Any) -> float | str | None:  # noqa: ANN401 - whatever a user has
    if value is None or isinstance(value, str):
        return value if value is None else value[:_LONGEST]
    if isinstance(value, bool):
        return "yes" if value else "no"
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) is not None and math.prod(value.shape) == 1:
        return _value(item())
    if isinstance(value, int):
        return value
    if isinstance(value, Real):
        return float(value)
    raise InputError(
        f"overlay() got a value of type {type(value).__name__}; it wants numbers or words.",
        hint="Give float(value) or str(value).",
    )


def _json(value: float | str) -> float | str:
    """A number that JSON has, else its text: ``NaN``, ``Infinity``; an integer past 2**53 as the nearest float."""
    if isinstance(value, str):
        return value
    try:
        number = float(value)
    except OverflowError:
        return "Infinity" if value > 0 else "-Infinity"
    if math.isfinite(number):
        return value if abs(value) < 1 << 53 else number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
