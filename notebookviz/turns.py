"""A model's lock: a training holds it during each step, whoever reads the model takes it between two."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from torch.utils.weak import WeakIdKeyDictionary  # by identity: a model's own __eq__ says nothing here

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from torch import nn
    from typing_extensions import Self


class Turn:
    """A lock that is given to whoever has waited longest, so that a training which takes it for each step shares it.

    The thread that holds it may take it again.

    Example:
        >>> turn = Turn()
        >>> with turn, turn:
        ...     turn.held
        True
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = threading.Lock()
        self._owner: int | None = None
        self._depth = 0

    @property
    def held(self) -> bool:
        """Whether this thread holds it."""
        return self._owner == threading.get_ident()

    def __enter__(self) -> Self:
        me = threading.get_ident()
        if self._owner != me:
            with self._next:  # whoever waits for the lock stands here, before whoever has just let go of it
                self._lock.acquire()
            self._owner = me
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None
            self._lock.release()


_locks: Final[MutableMapping[nn.Module, Turn]] = WeakIdKeyDictionary()
_guard: Final = threading.Lock()


def lock_of(model: nn.Module) -> Turn:
    """The lock that a training holds during each step.

    Example:
        >>> from torch import nn
        >>> model = nn.Linear(2, 1)
        >>> with lock_of(model):  # no step runs here
        ...     values = model.weight.detach().clone()
    """
    with _guard:
        return _locks.setdefault(model, Turn())
