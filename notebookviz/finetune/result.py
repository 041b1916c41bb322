"""What a training leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from notebookviz.errors import MissingExtraError

if TYPE_CHECKING:
    from pathlib import Path

    from notebookviz.finetune.events import Epoch


@dataclass(frozen=True, slots=True)
class Best:
    """The best epoch.

    Attributes:
        epoch: From 1.
        name: What was compared: ``val_loss``.
        value: Its value then.
        path: The checkpoint; None where no folder was given.
    """

    epoch: int
    name: str
    value: float
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Training:
    """What :func:`notebookviz.fine_tune` returns.

    Attributes:
        epochs: A record of each finished epoch.
        stopped: Why it ended, as a sentence.
        finished: Whether it ended by itself: all epochs done, or early stopping.
        steps: Steps of the optimiser.
        best: The best epoch; None before the first has ended.
        last: The last checkpoint; None where no folder was given.
        task: What was learned: ``"single-label"``, ``"multi-label"``, ``"regression"``, ``"own loss"``.
        notes: What else is worth knowing, as sentences.
    """

    epochs: tuple[Epoch, ...]
    stopped: str
    finished: bool
    steps: int
    best: Best | None = None
    last: Path | None = None
    task: str = ""
    notes: tuple[str, ...] = ()

    @property
    def history(self) -> Any:  # noqa: ANN401 - pandas is an extra
        """A ``pandas.DataFrame`` with a row for each epoch.

        Raises:
            MissingExtraError: pandas is not installed; ``.epochs`` has the same records.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtraError("pandas", extra="train") from error
        rows = [
            {
                "epoch": item.epoch,
                "step": item.step,
                "train_loss": item.train_loss,
                "val_loss": item.val_loss,
                **item.metrics,
                "lr": item.lr,
                "seconds": item.seconds,
                "samples_per_second": item.samples_per_second,
                "memory": item.memory,
            }
            for item in self.epochs
        ]
        return pd.DataFrame(rows).set_index("epoch") if rows else pd.DataFrame()

    def __str__(self) -> str:
        """Why it ended, and the best epoch."""
        best = f" Best: {self.best.name} {self.best.value:.4g} in epoch {self.best.epoch}." if self.best else ""
        return " ".join((self.stopped + best, *self.notes))
