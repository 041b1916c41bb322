"""Who trains what: one training for each model, and how it is stopped."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from notebookviz.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


_training: Final[dict[int, threading.Event]] = {}
_guard: Final = threading.Lock()


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
