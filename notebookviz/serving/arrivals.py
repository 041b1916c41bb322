"""What has reached the kernel before a cell is handled before it: a click counts in the cell that is run next."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE: Final = 0.2  # seconds that a cell waits at most, where a thread is busy with something else
_ROUNDS: Final = 20  # of a loop; from its bytes to its answer a message on the server's takes three
_loops: Final[weakref.WeakSet[asyncio.AbstractEventLoop]] = weakref.WeakSet()


def listen(loop: asyncio.AbstractEventLoop) -> None:
    """Count what arrives on this loop, for as long as it lives."""
    _loops.add(loop)


def leave() -> None:
    """In a forked child: the parent's loops run in threads that the child does not have."""
    _loops.clear()


def settle(patience: float = PATIENCE) -> None:
    """Let other threads handle what has arrived: the server's, and those that JupyterLab's comms come on (subshells).

    Args:
        patience: How long to wait at most, in seconds.

    Example:
        >>> settle()
    """
    ends = []
    for loop in _others():
        end = threading.Event()
        try:
            loop.call_soon_threadsafe(_round, loop, _ROUNDS, end)
        except RuntimeError:
            continue  # it was closed
        ends.append(end)
    until = time.monotonic() + patience
    for end in ends:
        end.wait(max(0.0, until - time.monotonic()))


def _round(loop: asyncio.AbstractEventLoop, left: int, end: threading.Event) -> None:
    if left:
        loop.call_soon(_round, loop, left - 1, end)
    else:
        end.set()


def _others() -> Iterator[asyncio.AbstractEventLoop]:
    """The loops of other threads on which messages of panels arrive."""
    try:
        own = asyncio.get_running_loop()
    except RuntimeError:
        own = None
    threads = (each for each in threading.enumerate() if each.name.startswith("subshell-"))
    subshells = (getattr(getattr(each, "io_loop", None), "asyncio_loop", None) for each in threads)
    yield from (loop for loop in [*_loops, *subshells] if loop is not None and loop is not own)
