"""Curves for TensorBoard."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from notebookviz.errors import MissingExtraError
from notebookviz.finetune.events import Callback

if TYPE_CHECKING:
    from notebookviz.finetune.events import Epoch, Step
    from notebookviz.finetune.result import Training


class TensorBoardLog(Callback):
    """Writes a training's curves to a folder that TensorBoard reads.

    The loss and the learning rate of each step, and what is measured after each epoch.

    Args:
        folder: Where the logs go.

    Raises:
        MissingExtraError: tensorboard is not installed.

    Example:
        >>> fine_tune(model, loader, callbacks=[TensorBoardLog("logs/flowers")])  # doctest: +SKIP
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("tensorboard", extra="tensorboard") from error
        self._writer: Any = SummaryWriter(os.fspath(folder))

    def on_step(self, step: Step) -> None:
        """Write the step's loss and learning rate."""
        self._writer.add_scalar("step/loss", step.loss, step.step)
        self._writer.add_scalar("step/lr", step.lr, step.step)
        if step.gradient is not None:
            self._writer.add_scalar("step/gradient norm", step.gradient, step.step)

    def on_epoch(self, epoch: Epoch) -> None:
        """Write what was measured."""
        found = {"train_loss": epoch.train_loss, "val_loss": epoch.val_loss, **epoch.metrics}
        for name, value in found.items():
            if value is not None:
                part, _, what = name.partition("_")
                self._writer.add_scalar(f"{what}/{part}", value, epoch.epoch)
        self._writer.flush()

    def on_end(self, training: Training) -> None:
        """Write why it ended, and close the file."""
        self._writer.add_text("end", str(training))
        self._writer.close()
