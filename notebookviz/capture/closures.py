"""Functions that hold things in their closure or their defaults, copied so that they find copies there."""

from __future__ import annotations

import dis
from types import CellType, CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from notebookviz.capture import naming

if TYPE_CHECKING:
    from collections.abc import Callable

Cells = dict[int, tuple[CellType, CellType]]
"""For the ``id`` of each cell, its copy and the cell itself, which stays alive."""

_NOTHING = object()


def copied(function: FunctionType, place: str, copy_of: Callable[[Any, str], Any], cells: Cells) -> FunctionType:
    """A function that refers to copies; the very same one where there is nothing to copy.

    Args:
        function: The function.
        place: Where it was found.
        copy_of: Gives the copy of a value, or the value itself; the second argument is where that was found.
        cells: The cells copied so far, so that functions which share a variable still share it.

    Returns:
        The function to call in its place.

    Example:
        >>> def outer():
        ...     held = [1]
        ...     return lambda: held
        >>> first = outer()
        >>> second = copied(first, "", lambda value, _: list(value), {})
        >>> second() == first(), second() is first()
        (True, False)
    """

    def fresh(cell: CellType, name: str) -> CellType:
        if id(cell) not in cells:
            cells[id(cell)] = CellType(), cell  # before its content, which may be a function that holds this cell
            content = _content(cell)
            if content is not _NOTHING:
                cells[id(cell)][0].cell_contents = copy_of(content, naming.join(place, name))
        return cells[id(cell)][0]

    code, held, named = function.__code__, function.__closure__ or (), function.__kwdefaults__ or {}
    closure = tuple(fresh(cell, name) for cell, name in zip(held, code.co_freevars, strict=True))
    defaults = function.__defaults__ and copy_of(function.__defaults__, place)
    by_name = {name: copy_of(item, naming.join(place, name)) for name, item in named.items()}
    if (
        all(_content(new) is _content(old) for new, old in zip(closure, held, strict=True))
        and defaults is function.__defaults__
        and all(item is named[name] for name, item in by_name.items())
        and not _rebinds(code)
    ):
        return function
    copy = FunctionType(code, function.__globals__, function.__name__, defaults, closure)
    copy.__kwdefaults__ = by_name or None
    copy.__dict__.update(function.__dict__)
    return copy


def _content(cell: CellType) -> Any:  # noqa: ANN401
    try:
        return cell.cell_contents
    except ValueError:  # nothing has been assigned yet
        return _NOTHING


def _rebinds(code: CodeType) -> bool:
    """Whether a function assigns to a variable of the function around it (``nonlocal``)."""
    return bool(code.co_freevars) and any(
        step.opname == "STORE_DEREF" and step.argval in code.co_freevars for step in dis.get_instructions(code)
    )
