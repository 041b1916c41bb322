"""``evaluate``: how good a model is, and where it is wrong."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from notebookviz.errors import InputError, MissingExtraError, NotebookvizError
from notebookviz.finetune import raised
from notebookviz.finetune.checks import first_batch
from notebookviz.finetune.labels import IGNORED, Labels, check_range, class_names
from notebookviz.finetune.modes import Modes
from notebookviz.finetune.options import check
from notebookviz.finetune.rng import Order, undisturbed
from notebookviz.finetune.tasks import Batch, Task, fold, kind_of, scores, split
from notebookviz.turns import lock_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from notebookviz.finetune.tasks import Kind


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well one class, or one label of several, is found.

    Attributes:
        label: Its name, or its number.
        precision: The part that is right of what was said to be this class.
        recall: The part of this class that was found.
        f1: Harmonic mean of both.
        count: How many samples are of this class.
    """

    label: str
    precision: float
    recall: float
    f1: float
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Mistake:
    """A sample that the model is wrong about.

    Attributes:
        index: Its place in the order of the loader.
        input: What the model was given, without the batch: of several tensors the first; empty where there is none.
        label: What is true: a name, or the numbers.
        predicted: What the model said.
        probability: How sure it was; for a regression the squared error.
    """

    index: int
    input: Tensor
    label: str
    predicted: str
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What :func:`evaluate` found; ``print`` it.

    Attributes:
        task: ``"single-label"``, ``"multi-label"`` or ``"regression"``.
        samples: How many were looked at (words or pixels, where each has a class).
        metrics: ``accuracy``, ``precision``, ``recall`` and ``f1`` (the last three are means over the classes), or
            ``mae`` and ``r2``.
        classes: A record for each class.
        confusion: Counts, a row for each true class and a column for each said; None where there are no classes.
        mistakes: The worst first: those with the largest loss.
    """

    task: str
    samples: int
    metrics: dict[str, float]
    classes: tuple[ClassScore, ...] = ()
    confusion: Tensor | None = None
    mistakes: tuple[Mistake, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(each.label for each in self.classes)

    @property
    def report(self) -> Any:  # noqa: ANN401 - pandas is an extra
        """A ``pandas.DataFrame`` with a row for each class.

        Raises:
            MissingExtraError: pandas is not installed; ``.classes`` has the same records.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtraError("pandas", extra="train") from error
        rows = {each.label: (each.precision, each.recall, each.f1, each.count) for each in self.classes}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["precision", "recall", "f1", "count"])

    def __str__(self) -> str:
        """One line, and a line for each class."""
        first = f"{self.samples:,} samples: " + ", ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        width = max((len(each.label) for each in self.classes), default=0)
        return "\n".join(
            [
                f"{first}.",
                *(
                    f"{each.label:>{width}}  precision {each.precision:.3f}  recall {each.recall:.3f}  "
                    f"f1 {each.f1:.3f}  of {each.count:,}"
                    for each in self.classes
                ),
            ]
        )


def evaluate(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    task: Kind | None = None,
    labels: Sequence[str] | None = None,
    worst: int = 16,
) -> Evaluation:
    """Measure a model on the batches of a loader, by torchmetrics; the model stays as it is.

    Args:
        model: The model; it is evaluated where it is, in eval mode.
        loader: Batches as for :func:`notebookviz.fine_tune`.
        task: ``"single-label"``, ``"multi-label"`` or ``"regression"``, where the labels leave it open.
        labels: Names of the classes; the data set's own without it.
        worst: How many mistakes are kept.

    Returns:
        Accuracy, precision, recall and F1, the confusion matrix, and the worst mistakes.

    Raises:
        InputError: The labels don't fit the scores.
        MissingExtraError: torchmetrics is not installed.

    Example:
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> data = TensorDataset(torch.eye(3), torch.tensor([0, 1, 1]))
        >>> print(evaluate(torch.nn.Identity(), DataLoader(data, batch_size=2), labels=["a", "b", "c"]))
        3 samples: accuracy 0.6667, precision 0.6667, recall 0.5, f1 0.5556.
        a  precision 1.000  recall 1.000  f1 1.000  of 1
        b  precision 1.000  recall 0.500  f1 0.667  of 2
        c  precision 0.000  recall 0.000  f1 0.000  of 0
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"evaluate() got {type(model).__name__}; it wants a torch.nn.Module.")
    check(task=task, labels=labels, worst=worst)
    first_batch(loader, "loader")
    return measure(model, loader, loader, task=task, labels=labels, worst=worst)


def measure(  # noqa: PLR0913 - what evaluate was given
    model: nn.Module,
    loader: Iterable[Any],
    batches: Iterable[Any],
    *,
    task: Kind | None = None,
    labels: Sequence[str] | None = None,
    worst: int = 16,
) -> Evaluation:
    """As :func:`evaluate`, with the loader's batches fetched by somebody else.

    Raises:
        InputError: The labels don't fit the scores, or the data's or the model's code raised.
    """
    seen = _Seen(worst, tuple(labels or ()) or class_names(loader), task)
    parameter = next(model.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    modes, order = Modes(model), Order(loader, 0)
    doing, number = "The loader", 1
    with undisturbed(), torch.no_grad():
        try:
            for batch in batches:
                part = split(pytree.tree_map(lambda item: _on(item, device), batch), keep_labels=False)
                doing = "The model"
                with lock_of(model):
                    modes.eval()
                    outputs = scores(model(*part.args, **part.kwargs))
                    modes.restore()
                doing = "Measuring"
                seen.add(outputs.float().cpu(), _on(part.targets, torch.device("cpu")), part, number)
                doing, number = "The loader", number + 1
            doing = "Measuring"
            return seen.evaluation()
        except NotebookvizError:
            raise
        except Exception as error:
            raise raised.told(error, doing, f"at batch {number:,}") from error
        finally:
            modes.restore()
            order.release()


class _Seen:
    """The scores and labels so far, and the worst mistakes."""

    def __init__(self, worst: int, labels: tuple[str, ...] | None, task: Kind | None) -> None:
        self.labels = labels
        self._worst = worst
        self._task = task
        self._scores: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._mistakes: list[tuple[float, int, Mistake]] = []
        self._count = 0

    def add(self, found: Tensor, targets: Any, part: Batch, number: int) -> None:  # noqa: ANN401
        """Take the scores and targets of a batch, of this number."""
        targets = _checked(found, targets, number)
        kind = self._task or kind_of(targets, tuple(found.shape))
        alike = kind == "single-label" or targets.numel() == found.numel()
        if kind not in ("single-label", "multi-label", "regression") or not alike:
            raise InputError(
                f"The labels {tuple(targets.shape)} don't fit the scores {tuple(found.shape)}.",
                hint="Pass task='single-label', 'multi-label' or 'regression'.",
            )
        self._task = kind
        if kind == "single-label":
            some = targets[targets != IGNORED]
            if some.numel():
                whose = f"The labels of batch {number:,}"
                check_range(Labels(targets, tuple(found.shape), ()), int(some.min()), int(some.max()), whose)
        found = fold(found, targets)
        if targets.dim() == 1 or kind != "single-label":
            given = _given(part, len(targets))
            for index, loss in enumerate(self._losses(found, targets)):
                self._keep(self._count + index, loss, found[index], targets[index], given[index])
        self._count += len(targets)
        if kind == "single-label":
            found = found.movedim(1, -1).reshape(-1, found.shape[1])
            kept = targets.reshape(-1) != IGNORED
            found, targets = found[kept], targets.reshape(-1)[kept]
        elif kind == "multi-label":
            targets = targets.reshape(found.shape).long()
        self._scores.append(found)
        self._targets.append(targets)

    def evaluation(self) -> Evaluation:
        """What was found."""
        found, targets = torch.cat(self._scores), torch.cat(self._targets)
        if not targets.numel():
            raise InputError(f"There is nothing to measure: all labels are {IGNORED}.", hint="Check the labels.")
        mistakes = tuple(item for _, _, item in sorted(self._mistakes, key=lambda item: (-item[0], -item[1])))
        try:
            from torchmetrics import functional as measures
        except ImportError as error:
            raise MissingExtraError("torchmetrics", extra="train") from error
        if self._task == "regression":
            found, targets = found.reshape(-1), targets.reshape(-1).to(found.dtype)
            metrics = {"mae": measures.mean_absolute_error(found, targets), "r2": measures.r2_score(found, targets)}
            return Evaluation("regression", self._count, _numbers(metrics), mistakes=mistakes)
        width = found.shape[1]
        options: dict[str, Any] = {"task": "multiclass", "num_classes": width}
        if self._task == "multi-label":
            options = {"task": "multilabel", "num_labels": width, "validate_args": width > 1}  # one label is as good
            found = found.sigmoid()
        kinds = {"precision": measures.precision, "recall": measures.recall, "f1": measures.f1_score}
        each = {name: kind(found, targets, average="none", **options) for name, kind in kinds.items()}
        metrics = {"accuracy": measures.accuracy(found, targets, average="micro", **options)}
        metrics |= {name: kind(found, targets, average="macro", **options) for name, kind in kinds.items()}
        counts = targets.sum(0) if self._task == "multi-label" else torch.bincount(targets, minlength=width)
        labels = self._named(width)
        rows = zip(labels, *(each[name].reshape(-1).tolist() for name in kinds), counts.tolist(), strict=True)
        matrix = None
        if self._task == "single-label":
            matrix = measures.confusion_matrix(found, targets, task="multiclass", num_classes=width)
        return Evaluation(
            str(self._task), len(targets), _numbers(metrics), tuple(ClassScore(*row) for row in rows), matrix, mistakes
        )

    def _losses(self, found: Tensor, targets: Tensor) -> list[float]:
        task = Task(self._task or "single-label", self._task)
        return [float(task.losses(one[None], target[None])) for one, target in zip(found, targets, strict=True)]

    def _keep(self, index: int, loss: float, found: Tensor, target: Tensor, given: Tensor) -> None:
        """Keep a mistake, if it is one of the worst."""
        if not self._worst or (len(self._mistakes) == self._worst and loss <= self._mistakes[0][0]):
            return
        labels = self._named(found.shape[0] if found.dim() else 1)
        if self._task == "single-label":
            said = int(found.argmax())
            if said == int(target) or int(target) == IGNORED:
                return
            mistake = Mistake(index, given.cpu(), labels[int(target)], labels[said], float(found.softmax(0)[said]))
        elif self._task == "multi-label":
            said_of, true = found.sigmoid() > 0.5, target.reshape(found.shape) > 0.5  # noqa: PLR2004 - an even chance
            if bool((said_of == true).all()):
                return
            wrong = found.sigmoid()[said_of != true]
            sure = float((wrong - 0.5).abs().max() + 0.5)
            mistake = Mistake(index, given.cpu(), _several(labels, true), _several(labels, said_of), sure)
        else:
            mistake = Mistake(index, given.cpu(), _number(target), _number(found.reshape(target.shape)), loss)
        push = heapq.heappush if len(self._mistakes) < self._worst else heapq.heapreplace
        push(self._mistakes, (loss, -index, mistake))

    def _named(self, width: int) -> tuple[str, ...]:
        return self.labels if self.labels is not None and len(self.labels) == width else tuple(map(str, range(width)))


def _checked(found: Tensor, targets: Any, number: int) -> Tensor:  # noqa: ANN401 - whatever the loader yields
    """The targets of a batch, whole numbers all of one kind."""
    if not isinstance(targets, torch.Tensor):
        raise InputError(f"The labels are {type(targets).__name__}; a tensor is wanted.", hint="Number the classes.")
    if bool(found.isnan().any()):
        raise InputError(
            f"The model's scores of batch {number:,} hold NaN.",
            hint="Look for NaN in the data, and in the model's weights and running statistics.",
        )
    return targets if targets.is_floating_point() or targets.is_complex() else targets.long()


def _given(part: Batch, count: int) -> Tensor:
    """What the model was given: the first tensor, in whatever it is nested, that has a row for each sample."""
    leaves = pytree.tree_leaves((part.args, part.kwargs))
    rows = (item for item in leaves if isinstance(item, torch.Tensor) and item.dim() and len(item) == count)
    return next(rows, torch.empty(count, 0))


def _on(item: Any, device: torch.device) -> Any:  # noqa: ANN401
    return item.to(device) if isinstance(item, torch.Tensor) else item


def _numbers(metrics: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}


def _several(labels: Sequence[str], chosen: Tensor) -> str:
    return ", ".join(label for label, there in zip(labels, chosen.tolist(), strict=True) if there) or "none"


def _number(values: Tensor) -> str:
    return ", ".join(f"{value:.4g}" for value in values.reshape(-1)[:4].tolist())
