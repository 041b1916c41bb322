"""Who looks on while a model trains, wherever the training was started."""

from __future__ import annotations

import threading
import weakref
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from torch.utils.weak import WeakIdKeyDictionary

from notebookviz.finetune.events import Callback

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from torch import nn

    from notebookviz.finetune.tasks import Kind


@dataclass(frozen=True, slots=True)
class Start:
    """What is known when a training starts.

    Attributes:
        epochs: How many are planned.
        steps: Steps in all; None where the loader has no length.
        task: What the targets are.
        classes: Width of the scores.
        labels: Names of the classes, where they are known.
        validated: Whether there is validation data.
        background: Whether it runs in a thread of its own, so that cells can run beside it.
    """

    epochs: int
    steps: int | None
    task: Kind
    classes: int
    labels: tuple[str, ...] = ()
    validated: bool = False
    background: bool = False


class Watcher(Callback):
    """Is told of every training of a model that :func:`watch` names; the methods run in the training's thread."""

    def on_start(self, start: Start) -> None:
        """Before the first step."""

    def on_failure(self, error: BaseException) -> None:
        """A training that had started raised."""


_watchers: Final[MutableMapping[nn.Module, weakref.WeakSet[Watcher]]] = WeakIdKeyDictionary()
_guard: Final = threading.Lock()


def watch(model: nn.Module, watcher: Watcher) -> None:
    """Tell a watcher of the trainings of a model, for as long as both live.

    Example:
        >>> from torch import nn
        >>> model, watcher = nn.Linear(2, 1), Watcher()
        >>> watch(model, watcher)
        >>> with watched(model) as found:
        ...     found == [watcher]
        True
    """
    with _guard:
        _watchers.setdefault(model, weakref.WeakSet()).add(watcher)


def unwatch(model: nn.Module, watcher: Watcher) -> None:
    """Tell it no more."""
    with _guard:
        _watchers.get(model, weakref.WeakSet()).discard(watcher)


@contextmanager
def watched(model: nn.Module) -> Iterator[list[Watcher]]:
    """Those who look on; what goes wrong inside is told to them."""
    with _guard:
        found = list(_watchers.get(model, ()))
    try:
        yield found
    except BaseException as error:
        for watcher in found:
            watcher.on_failure(error)
        raise
