"""What a training tells while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notebookviz.finetune.result import Training


class Step(NamedTuple):
    """One step of the optimiser.

    Attributes:
        step: Steps so far, this one included.
        steps: Steps in all; None where the loader has no length.
        epoch: From 1.
        loss: Loss of this step's samples.
        lr: Learning rate of the step (of the last parameter group).
        samples: Samples in it, in all processes.
        seconds: Since the start.
        gradient: Norm of the gradients before clipping; None without clipping.
    """

    step: int
    steps: int | None
    epoch: int
    loss: float
    lr: float
    samples: int
    seconds: float
    gradient: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the steps so far; None where their number is unknown."""
        return None if self.steps is None else self.seconds / self.step * (self.steps - self.step)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training data, with the validation after it.

    Attributes:
        epoch: From 1.
        epochs: How many are planned.
        step: Steps so far.
        train_loss: Mean over the epoch's samples, each as it was when it was learned from.
        val_loss: Mean over the validation data; None without any.
        metrics: Values by name: ``train_accuracy``, ``val_accuracy``.
        lr: Learning rate at its end.
        seconds: How long it took, validation included.
        samples_per_second: While training.
        memory: Bytes in use at its peak: of the GPU, else of this process.
    """

    epoch: int
    epochs: int
    step: int
    train_loss: float
    val_loss: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    lr: float = 0.0
    seconds: float = 0.0
    samples_per_second: float = 0.0
    memory: int = 0

    def __str__(self) -> str:
        """One line."""
        parts = [f"epoch {self.epoch}/{self.epochs}", f"train_loss {self.train_loss:.4g}"]
        if self.val_loss is not None:
            parts.append(f"val_loss {self.val_loss:.4g}")
        parts.extend(f"{name} {value:.4g}" for name, value in self.metrics.items())
        return "  ".join([*parts, f"lr {self.lr:.2g}", f"{self.seconds:.1f} s"])


class Callback:
    """Told of each step and epoch; subclass it and pass it to ``fine_tune(callbacks=[…])``.

    The methods run in the training's thread, between two steps: the model is whole then, and may be read.

    Example:
        >>> class Losses(Callback):
        ...     def on_step(self, step):
        ...         print(step.step, step.loss)
        >>> Losses().on_step(Step(1, 10, 1, 0.5, 0.1, 32, 0.2))
        1 0.5
    """

    def on_step(self, step: Step) -> None:
        """After a step."""

    def on_epoch(self, epoch: Epoch) -> None:
        """After an epoch and its validation."""

    def on_end(self, training: Training) -> None:
        """After the last step, however it ended."""

    def on_wait(self, what: str) -> None:
        """While a batch does not come for many seconds, from another thread; ``what`` says which, as a sentence."""


class Printer(Callback):
    """Prints a line for each epoch, and why the training ended; and once for each batch that does not come."""

    def __init__(self) -> None:
        self._awaited = ""

    def on_epoch(self, epoch: Epoch) -> None:
        """Print the epoch."""
        print(epoch, flush=True)  # noqa: T201 - this is what it is for

    def on_end(self, training: Training) -> None:
        """Print why it ended."""
        print(training.stopped, flush=True)  # noqa: T201

    def on_wait(self, what: str) -> None:
        """Print what is awaited."""
        awaited = what.rpartition(":")[2]
        if awaited != self._awaited:
            self._awaited = awaited
            print(what, "Interrupt to stop.", flush=True)  # noqa: T201
