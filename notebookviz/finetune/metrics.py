"""Metrics of an epoch, by torchmetrics."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import torch

from notebookviz.errors import InputError, MissingExtraError
from notebookviz.finetune.tasks import fold, scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    from notebookviz.finetune.tasks import Kind

BATCHES: Final = 32
BYTES: Final = 4 << 20


class Meter:
    """Collects the metrics of one epoch.

    Batches are kept for a moment and counted together, because a metric costs as much as a small network's step.

    Args:
        metrics: torchmetrics by name.
        kind: What the targets are: multi-label scores become probabilities first.

    Attributes:
        current: Name of the metric whose code runs, or ran last.
    """

    def __init__(self, metrics: Mapping[str, Any], kind: Kind | None) -> None:
        self.current = ""
        self._metrics = dict(metrics)
        self._kind = kind
        self._waiting: list[tuple[Tensor, Tensor]] = []
        self._bytes = 0

    def add(self, outputs: Any, targets: Tensor) -> None:  # noqa: ANN401 - whatever the model returns
        """Take one batch."""
        if not self._metrics:
            return
        found = scores(outputs).detach()
        self._waiting.append((found, targets))
        self._bytes += found.nbytes
        if len(self._waiting) >= BATCHES or self._bytes > BYTES:
            self._count()

    def values(self) -> dict[str, float]:
        """The values so far; of a metric that gives several, each by its own name."""
        self._count()
        found: dict[str, float] = {}
        for name, metric in self._metrics.items():
            self.current = name
            value = metric.compute()
            parts = value.items() if isinstance(value, Mapping) else [(name, value)]
            found.update({str(part): _single(str(part), one) for part, one in parts})
        return found

    def reset(self) -> None:
        """Forget what was counted."""
        self._waiting.clear()
        self._bytes = 0
        for metric in self._metrics.values():
            metric.reset()

    def state(self) -> dict[str, Any]:
        """What has been counted, as tensors (and lists of them) by name."""
        self._count()
        return {
            f"{name}.{part}": value
            for name, metric in self._metrics.items()
            for part, value in metric.metric_state.items()
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state`."""
        for name, metric in self._metrics.items():
            for part in metric.metric_state:
                if f"{name}.{part}" in state:
                    setattr(metric, part, state[f"{name}.{part}"])
            metric._update_count = 1  # noqa: SLF001 - else compute() warns that nothing was counted

    def _count(self) -> None:
        # sequences of different lengths don't fit together
        for _, alike in groupby(self._waiting, key=lambda pair: pair[0].shape[1:]):
            found, targets = map(torch.cat, zip(*alike, strict=True))
            found = fold(found, targets)
            usual = self._usual(found.float(), targets)
            for name, metric in self._metrics.items():
                self.current = name
                metric.update(*((found, targets) if getattr(metric, "takes_scores", False) else usual))
        self._waiting.clear()
        self._bytes = 0

    def _usual(self, found: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and targets as torchmetrics takes them."""
        if self._kind == "multi-label":
            return found.sigmoid(), targets.reshape(found.shape).long()
        if self._kind == "regression":
            return found.reshape(-1), targets.reshape(-1)
        return found, targets


def _single(name: str, value: Any) -> float:  # noqa: ANN401 - whatever the metric gave
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        shape = f" of the shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else ""
        raise InputError(
            f"The metric {name!r} gave {type(value).__name__}{shape}; one number is wanted.",
            hint="Take its mean (average='macro' in torchmetrics), or give a dictionary of numbers by name.",
        ) from error


def default_metrics(kind: Kind | None, classes: int) -> dict[str, Any]:
    """The metrics of a task: accuracy and F1, or mean absolute error and R².

    Raises:
        MissingExtraError: torchmetrics is not installed.
    """
    if kind is None or kind == "own loss":
        return {}
    try:
        from torchmetrics import classification, regression
    except ImportError as error:
        raise MissingExtraError("torchmetrics", extra="train") from error
    if kind == "single-label":
        return {"classes": _by_class(classes)}
    if kind == "multi-label":
        options: dict[str, Any] = {"num_labels": classes, "validate_args": False}
        return {
            "accuracy": classification.MultilabelAccuracy(**options),
            "f1": classification.MultilabelF1Score(**options),
        }
    return {"mae": regression.MeanAbsoluteError(), "r2": regression.R2Score()}


def _by_class(classes: int) -> Any:  # noqa: ANN401 - a torchmetrics Metric
    """Accuracy, and the mean of the classes' F1, from one count: torchmetrics' own count far more, twice."""
    from torchmetrics import Metric

    class Counts(Metric):
        full_state_update = False
        parts = ("accuracy", "f1")
        counts: Tensor

        def __init__(self) -> None:
            super().__init__()
            # How many are of a class, said to be of it, and rightly so.
            self.add_state("counts", torch.zeros(3, classes, dtype=torch.long), dist_reduce_fx="sum")

        def update(self, found: Tensor, targets: Tensor) -> None:
            said, true = found.max(1).indices.flatten(), targets.flatten()
            kept = (true >= 0) & (true < classes)  # a loss may leave out others than -100
            if not bool(kept.all()):
                said, true = said[kept], true[kept]
            seen = [torch.bincount(each, minlength=classes) for each in (true, said, true[true == said])]
            self.counts = self.counts + torch.stack(seen)

        def compute(self) -> dict[str, Tensor]:
            true, said, right = self.counts.double()
            either = true + said
            f1 = (2 * right / either.clamp(min=1)).sum() / (either > 0).sum().clamp(min=1)
            return {"accuracy": right.sum() / true.sum().clamp(min=1), "f1": f1}

    return Counts()


def named_metrics(metrics: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the user passed
    """The user's metrics by name: torchmetrics, or functions of (scores, targets).

    Raises:
        InputError: It is none of these.
    """
    from torchmetrics import Metric, MetricCollection

    if isinstance(metrics, MetricCollection):
        return dict(metrics.items())
    if isinstance(metrics, Metric):
        return {type(metrics).__name__.lower(): metrics}
    if isinstance(metrics, dict):
        for name, metric in metrics.items():
            if not callable(metric):
                raise InputError(f"The metric {name!r} is {metric!r}; a function of (scores, targets) is wanted.")
        return {
            str(name): metric if isinstance(metric, Metric) else _mean_of(metric) for name, metric in metrics.items()
        }
    raise InputError(
        f"metrics is {type(metrics).__name__}; wanted is a torchmetrics metric, a MetricCollection, or a dictionary.",
        hint="For example metrics={'accuracy': MulticlassAccuracy(10)}.",
    )


def _mean_of(function: Callable[[Tensor, Tensor], Any]) -> Any:  # noqa: ANN401 - a torchmetrics Metric
    """A function of (scores, targets) as a metric: its mean over samples."""
    from torchmetrics import MeanMetric

    class Mean(MeanMetric):
        takes_scores = True

        def update(self, found: Tensor, targets: Tensor) -> None:  # type: ignore[override]
            super().update(float(function(found, targets)), weight=len(found))

    return Mean()


def check_monitor(monitor: str, metrics: Mapping[str, Any], *, validated: bool) -> None:
    """Whether a value that tells the best epoch will be measured, as far as that is known before the first step.

    Raises:
        InputError: It will not.
    """
    names = ["loss", *(part for name, metric in metrics.items() for part in getattr(metric, "parts", (name,)))]
    known = [f"{part}_{name}" for part in ("train", "val")[: 1 + validated] for name in names]
    # A metric of the user's may give several values, by names of its own.
    open_ended = monitor.startswith(("train_", "val_") if validated else "train_") and any(
        not (hasattr(metric, "parts") or hasattr(metric, "takes_scores")) for metric in metrics.values()
    )
    if monitor not in known and not open_ended:
        raise not_measured(monitor, known)


def not_measured(monitor: str, known: Iterable[str]) -> InputError:
    """Why no epoch can be the best."""
    return InputError(
        f"monitor is {monitor!r}, which is not measured.", hint=f"Measured are: {', '.join(map(repr, known))}."
    )


def lower_is_better(name: str, metrics: Mapping[str, Any]) -> bool:
    """Whether a value gets better as it falls.

    Example:
        >>> lower_is_better("val_loss", {}), lower_is_better("val_accuracy", {})
        (True, False)
    """
    plain = name.removeprefix("val_").removeprefix("train_")
    told = getattr(metrics.get(plain), "higher_is_better", None)
    return plain.endswith(("loss", "error")) if told is None else not told
