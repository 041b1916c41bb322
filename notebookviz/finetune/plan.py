"""The numbers of a training, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notebookviz.finetune.events import Epoch
    from notebookviz.finetune.result import Best


@dataclass(slots=True)
class Plan:
    """All that a training is told before it starts.

    Attributes:
        epochs: How many passes over the data.
        accumulate: Batches for each step of the optimiser.
        clip: Largest norm of the gradients; None leaves them.
        patience: Epochs without a better value after which it ends; None for never.
        monitor: Name of the value that tells which epoch is best.
        seed: Of the order of the data, and of all that is random.
        save_every: Steps between checkpoints within an epoch; None for none.
        step_per_epoch: Whether the schedule goes on once an epoch rather than once a step.
    """

    epochs: int
    accumulate: int = 1
    clip: float | None = None
    patience: int | None = None
    monitor: str = "train_loss"
    seed: int = 0
    save_every: int | None = None
    step_per_epoch: bool = False


@dataclass(slots=True)
class Progress:
    """Where a training stands; a checkpoint holds all of it."""

    epoch: int = 0
    batches: int = 0
    step: int = 0
    loss_sum: float = 0.0
    samples: int = 0
    epoch_seconds: float = 0.0
    seconds: float = 0.0
    records: list[Epoch] = field(default_factory=list)
    best: Best | None = None
