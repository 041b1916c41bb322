"""Who trains what: one training for each model, a lock to read it between two steps, and how it is stopped."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from notebookviz.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        if not self.held:
            with self._next:  # whoever waits for the lock stands here, before whoever has just let go of it
                self._lock.acquire()
            self._owner = threading.get_ident()
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None
            self._lock.release()


_locks: Final[WeakKeyDictionary[nn.Module, Turn]] = WeakKeyDictionary()
_training: Final[dict[int, threading.Event]] = {}
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


def is_training(model: nn.Module) -> bool:
    """Whether a training of this model runs."""
    return id(model) in _training


def stop_training(model: nn.Module) -> bool:
    """Ask the training of this model to end after its step; False where none runs."""
    stop = _training.get(id(model))
    if stop is not None:
        stop.set()
    return stop is not None


@contextmanager
def training_of(model: nn.Module, stop: threading.Event | None = None) -> Iterator[threading.Event]:
    """Hold the right to train a model.

    Args:
        model: The model.
        stop: Set by whoever wants the training to end; one is made where none is given.

    Yields:
        That event, which :func:`stop_training` sets too.

    Raises:
        InputError: A training of it already runs.
    """
    with _guard:
        if id(model) in _training:
            raise InputError(
                "This model is already training.", hint="Wait for that training, or stop it, before you start another."
            )
        asked = _training[id(model)] = stop or threading.Event()
    try:
        yield asked
    finally:
        _training.pop(id(model), None)
