"""How good a classifier is on data: accuracy, precision, recall, F1, and what is taken for what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from notebookviz.finetune.labels import IGNORED
from notebookviz.finetune.modes import Modes
from notebookviz.finetune.rng import Order, undisturbed
from notebookviz.finetune.running import lock_of
from notebookviz.finetune.tasks import fold, scores, split

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What :func:`evaluate` counted.

    Attributes:
        confusion: A row for each class as it is, a column for each as the model says.
    """

    confusion: Tensor

    @property
    def accuracy(self) -> float:
        """Part of the samples that are right."""
        return float(self.confusion.diagonal().sum() / self.confusion.sum().clamp(min=1))

    @property
    def precision(self) -> float:
        """Of those that the model says to be of a class, the part that is; the mean over the classes there are."""
        return self._mean(self._right / self.confusion.sum(0).clamp(min=1))

    @property
    def recall(self) -> float:
        """Of those that are of a class, the part that the model says to be; the mean over the classes there are."""
        return self._mean(self._right / self.confusion.sum(1).clamp(min=1))

    @property
    def f1(self) -> float:
        """Twice precision times recall over their sum for each class; the mean over the classes there are."""
        return self._mean(2 * self._right / (self.confusion.sum(0) + self.confusion.sum(1)).clamp(min=1))

    @property
    def scores(self) -> dict[str, float]:
        """The four by name."""
        return {"accuracy": self.accuracy, "precision": self.precision, "recall": self.recall, "F1": self.f1}

    @property
    def _right(self) -> Tensor:
        return self.confusion.diagonal().double()

    def _mean(self, values: Tensor) -> float:
        there = (self.confusion.sum(0) + self.confusion.sum(1)) > 0
        return float(values[there].mean()) if bool(there.any()) else 0.0


def evaluate(model: nn.Module, loader: Iterable[Any]) -> Evaluation:
    """Count what a classifier says of each sample; modes and random generators are put back.

    Args:
        model: The model.
        loader: Batches as for :func:`notebookviz.fine_tune`, with class numbers.

    Returns:
        The counts.

    Example:
        >>> model = torch.nn.Linear(2, 2)
        >>> with torch.no_grad():
        ...     _ = model.weight.copy_(torch.eye(2)), model.bias.zero_()
        >>> found = evaluate(model, [(torch.eye(2), torch.tensor([0, 0]))])
        >>> found.confusion.tolist(), found.accuracy, found.recall
        ([[1, 1], [0, 0]], 0.5, 0.25)
    """
    device = next(model.parameters()).device
    counts: Tensor | None = None
    modes, order = Modes(model), Order(loader, 0)
    with undisturbed(), torch.no_grad():
        try:
            for batch in loader:
                part = split(pytree.tree_map(lambda item: _on(item, device), batch), keep_labels=False)
                with lock_of(model):
                    modes.eval()
                    found = fold(scores(model(*part.args, **part.kwargs)), part.targets)
                    modes.restore()
                classes = found.shape[1]
                said, wanted = found.argmax(1).flatten().cpu(), part.targets.flatten().cpu()
                said, wanted = said[wanted != IGNORED], wanted[wanted != IGNORED]
                now = torch.bincount(wanted * classes + said, minlength=classes * classes).reshape(classes, classes)
                counts = now if counts is None else counts + now
        finally:
            modes.restore()
            order.release()
    return Evaluation(torch.zeros(1, 1, dtype=torch.long) if counts is None else counts)


def _on(item: Any, device: torch.device) -> Any:  # noqa: ANN401
    return item.to(device) if isinstance(item, torch.Tensor) else item
