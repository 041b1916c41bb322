"""Which notebook cell runs now, and telling panels when one begins or ends."""

from __future__ import annotations

import hashlib
import sys
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from notebookviz.serving import arrivals

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of one cell.

    Attributes:
        cell: Names the cell: the front end's id, or a digest of its text where it sends none.
        execution: Names this execution of it.
        count: The number in the cell's ``In [7]``; 0 where it is unknown.
        named: Whether the front end named the cell: a page that people look at does; what runs notebooks, such as
            nbconvert, does not.
    """

    cell: str
    execution: str
    count: int = 0
    named: bool = False


class Listener(Protocol):
    """What is told about cells."""

    run: Run | None

    def cell_began(self, run: Run) -> None:
        """Called before a cell runs."""

    def cell_ended(self) -> None:
        """Called after a cell has run."""


_listeners: weakref.WeakSet[Any] = weakref.WeakSet()
_watched: weakref.WeakSet[Any] = weakref.WeakSet()
_running = [0]


def shell() -> Any:  # noqa: ANN401 - IPython's shell has no useful type
    """The IPython shell, or None; does not load IPython."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def in_notebook() -> bool:
    """Whether a front end that may draw widgets is connected: a kernel runs us."""
    return hasattr(shell(), "kernel")


def current_run() -> Run | None:
    """The execution that runs now; None outside IPython."""
    found = shell()
    if found is None:
        return None
    kernel = getattr(found, "kernel", None)
    count = int(getattr(found, "execution_count", 0) or 0)
    if kernel is None:
        return Run("", str(count), count)
    parent = kernel.get_parent() or {}
    cell = (parent.get("metadata") or {}).get("cellId")
    named = bool(cell)
    if not named:
        code = (parent.get("content") or {}).get("code", "")
        cell = "text:" + hashlib.sha256(str(code).encode("utf-8", "replace")).hexdigest()
    return Run(str(cell), str((parent.get("header") or {}).get("msg_id", "")), count, named)


def busy() -> bool:
    """Whether a cell runs."""
    return _running[0] > 0


def listen(listener: Listener) -> None:
    """Tell a listener when cells begin and end, for as long as it lives."""
    _listeners.add(listener)
    found = shell()
    if found is None or found in _watched:
        return
    _watched.add(found)
    _running[0] = 1  # we are called from within a cell
    found.events.register("pre_run_cell", _before)
    found.events.register("post_run_cell", _after)


def listeners() -> Iterator[Any]:
    """Everyone who listens."""
    return iter(list(_listeners))


def variable(thing: object) -> str:
    """The name of the variable that holds something where cells run; ``""`` where none does.

    Example:
        >>> variable(object())
        ''
    """
    names = vars(sys.modules["__main__"]).items() if "__main__" in sys.modules else ()
    return next((name for name, value in list(names) if value is thing and not name.startswith("_")), "")


def _before(_: object) -> None:
    _running[0] += 1
    arrivals.settle()
    run = current_run()
    if run is not None:
        for each in listeners():
            each.cell_began(run)


def _after(_: object) -> None:
    _running[0] = max(0, _running[0] - 1)
    for each in listeners():
        each.cell_ended()
