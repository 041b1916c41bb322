"""Who trains what: one training for each model, and a lock that others take to read it between two steps."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from notebookviz.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

_locks: Final[WeakKeyDictionary[nn.Module, threading.RLock]] = WeakKeyDictionary()
_training: Final[set[int]] = set()
_guard: Final = threading.Lock()


def lock_of(model: nn.Module) -> threading.RLock:
    """The lock that a training holds during each step.

    Example:
        >>> from torch import nn
        >>> model = nn.Linear(2, 1)
        >>> with lock_of(model):  # no step runs here
        ...     values = model.weight.detach().clone()
    """
    with _guard:
        return _locks.setdefault(model, threading.RLock())


def is_training(model: nn.Module) -> bool:
    """Whether a training of this model runs."""
    return id(model) in _training


@contextmanager
def training_of(model: nn.Module) -> Iterator[threading.RLock]:
    """Hold the right to train a model.

    Raises:
        InputError: A training of it already runs.
    """
    with _guard:
        if id(model) in _training:
            raise InputError(
                "This model is already training.", hint="Wait for that training, or stop it, before you start another."
            )
        _training.add(id(model))
    try:
        yield lock_of(model)
    finally:
        _training.discard(id(model))
