"""A training as the panel tells it: where it stands, and its curves."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from notebookviz.errors import NotebookvizError
from notebookviz.finetune.advice import advice
from notebookviz.finetune.watching import Start, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from notebookviz.finetune.events import Epoch, Step
    from notebookviz.finetune.result import Training

POINTS: Final = 300
_PAUSE: Final = 0.3


class Curve:
    """Losses by step; when there are many, neighbours become one: their mean.

    Example:
        >>> curve = Curve(most=4)
        >>> for step in range(1, 9):
        ...     curve.add(step, float(step))
        >>> curve.points
        [[2, 1.5], [4, 3.5], [6, 5.5], [8, 7.5]]
    """

    def __init__(self, most: int = POINTS) -> None:
        self._most = most
        self._each = 1
        self._waiting: list[float] = []
        self.points: list[list[float]] = []

    def add(self, step: int, loss: float) -> None:
        """Take the loss of a step."""
        self._waiting.append(loss)
        if len(self._waiting) < self._each:
            return
        self.points.append([step, sum(self._waiting) / len(self._waiting)])
        self._waiting.clear()
        if len(self.points) >= 2 * self._most:
            pairs = zip(self.points[::2], self.points[1::2], strict=False)
            self.points = [[later[0], (one[1] + later[1]) / 2] for one, later in pairs]
            self._each *= 2


class Story(Watcher):
    """Watches a model's trainings and tells of them at most three times a second.

    Args:
        tell: Called with a snapshot, from the training's thread.
    """

    def __init__(self, tell: Callable[[dict[str, Any]], object]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._told = 0.0
        self._facts: dict[str, Any] = {}
        self._curve = Curve()
        self._epochs: list[Epoch] = []
        self._prepared = False

    @property
    def state(self) -> str:
        """``""``, ``"preparing"``, ``"running"``, ``"ending"``, ``"done"``, ``"stopped"`` or ``"failed"``."""
        return str(self._facts.get("state", ""))

    def snapshot(self) -> dict[str, Any]:
        """All of it, for JSON; empty before the first training."""
        with self._lock:
            if not self._facts:
                return {}
            return {
                **self._facts,
                "losses": [[step, _number(loss)] for step, loss in self._curve.points],
                "epochs": [_plain(item) for item in self._epochs],
                "advice": advice(self._epochs),
            }

    def begin(self, stage: str) -> None:
        """A training is prepared: forget the one before."""
        with self._lock:
            self._facts = {"state": "preparing", "message": stage}
            self._curve, self._epochs = Curve(), []
            self._prepared = True
        self._say(now=True)

    def finish(self, **facts: object) -> None:
        """What was prepared by :meth:`begin` has come to its end, with these facts besides."""
        with self._lock:
            self._facts.update(facts)
            self._facts |= {"state": self._facts.pop("outcome", "done"), "awaits": ""}
            self._prepared = False
        self._say(now=True)

    def fail(self, error: BaseException) -> None:
        """It could not start, or raised."""
        known = isinstance(error, NotebookvizError)
        with self._lock:
            self._facts |= {"state": "failed", "left": None, "awaits": ""}
            self._facts["message"] = str(error) if known else f"{type(error).__name__}: {error}"
            self._prepared = False
        self._say(now=True)

    def on_start(self, start: Start) -> None:
        """Begin anew."""
        with self._lock:
            facts = dataclasses.asdict(start)
            self._facts = {"state": "running", "message": "", "planned": facts.pop("epochs"), **facts}
            self._curve, self._epochs = Curve(), []
        self._say(now=True)

    def on_step(self, step: Step) -> None:
        """Draw the curve on."""
        with self._lock:
            self._curve.add(step.step, step.loss)
            left = step.seconds_left
            self._facts.update(
                awaits="",
                step=step.step,
                epoch=step.epoch,
                lr=step.lr,
                seconds=round(step.seconds, 1),
                left=None if left is None else round(left, 1),
                rate=round(step.step * step.samples / max(step.seconds, 1e-9), 1),
            )
        self._say()

    def on_epoch(self, epoch: Epoch) -> None:
        """Take the epoch's numbers."""
        with self._lock:
            self._epochs.append(epoch)
            self._facts.update(rate=round(epoch.samples_per_second, 1), memory=epoch.memory)
        self._say(now=True)

    def on_end(self, training: Training) -> None:
        """Say how it ended."""
        best = training.best
        outcome = "done" if training.finished else "stopped"
        with self._lock:
            self._facts |= {
                "state": "ending" if self._prepared else outcome,
                "outcome": outcome,
                "message": str(training),
                "awaits": "",
                "left": None,
                "best": None if best is None else [best.epoch, best.name, _number(best.value), str(best.path or "")],
                "last": str(training.last or ""),
            }
        self._say(now=True)

    def on_wait(self, what: str) -> None:
        """Say what is awaited, until the next step or the end."""
        with self._lock:
            self._facts |= {"awaits": what, "left": None}
        self._say(now=True)

    def on_failure(self, error: BaseException) -> None:
        """Say what was raised."""
        self.fail(error)

    def _say(self, *, now: bool = False) -> None:
        moment = time.monotonic()
        if now or moment - self._told > _PAUSE:
            self._told = moment
            with suppress(Exception):  # a panel that was closed meanwhile ends no training
                self._tell(self.snapshot())


def _plain(epoch: Epoch) -> dict[str, Any]:
    found = dataclasses.asdict(epoch)
    metrics = {name: _number(value) for name, value in epoch.metrics.items()}
    return {**found, "train_loss": _number(epoch.train_loss), "val_loss": _number(epoch.val_loss), "metrics": metrics}


def _number(value: float | None) -> float | None:
    """A number that JSON knows."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")
