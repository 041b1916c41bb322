"""Which panel's output in a notebook holds what all of them share, so that 20 panels don't hold it 20 times."""

from __future__ import annotations

import sys
import threading
import weakref
from typing import Protocol


class Holding(Protocol):
    """A panel that lets go of its model when its cell runs again or its output is cleared."""

    @property
    def holding(self) -> bool:
        """Whether it keeps its model alive."""


_lock = threading.Lock()
_carrier: list[weakref.ref[Holding]] = []


def carries(panel: Holding) -> bool:
    """Whether the output of this panel has to hold what all share: while none before it does that still stands.

    Where each output is a document of its own (Colab) all do.

    Example:
        >>> class Shown:
        ...     holding = True
        >>> first, second = Shown(), Shown()
        >>> _carrier.clear()
        >>> carries(first), carries(second), carries(first)
        (True, False, True)
        >>> first.holding = False
        >>> carries(second)
        True
    """
    if "google.colab" in sys.modules:
        return True
    with _lock:
        current = _carrier[0]() if _carrier else None
        if current is None or not current.holding:
            _carrier[:] = [weakref.ref(panel)]
            return True
        return current is panel


def left(panel: Holding) -> bool:
    """Whether this panel's output held what all share; from now on that is another's to hold.

    Example:
        >>> class Shown:
        ...     holding = True
        >>> first, second = Shown(), Shown()
        >>> _carrier.clear()
        >>> carries(first), left(second), left(first), carries(second)
        (True, False, True, True)
    """
    with _lock:
        found = bool(_carrier) and _carrier[0]() is panel
        if found:
            _carrier.clear()
        return found
