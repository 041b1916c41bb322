"""Whether labels fit the scores, and which of them a data set has."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.utils.data import Subset, TensorDataset

from notebookviz.errors import InputError
from notebookviz.finetune.tasks import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from notebookviz.finetune.tasks import Kind

IGNORED: Final = -100
_VOID: Final = 255  # how masks kept as pictures mark what belongs to no class
_ENOUGH: Final = 8


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of one batch beside the scores.

    Attributes:
        targets: The labels.
        shape: Shape of the scores.
        heads: Paths of the layers that make the scores.
    """

    targets: Any
    shape: tuple[int, ...]
    heads: tuple[str, ...]

    @property
    def classes(self) -> int:
        """Width of the scores: their second dimension, or the last where each token has scores."""
        if len(self.shape) < 2:  # noqa: PLR2004 - one number for each sample
            return 1
        tokens = isinstance(self.targets, torch.Tensor) and self.targets.shape == self.shape[:-1]
        return self.shape[-1] if tokens else self.shape[1]

    @property
    def head(self) -> str:
        """The head in words."""
        return f"the head {self.heads[0]!r}" if self.heads else "the model"


def judge(labels: Labels, *, strict: bool) -> Kind | None:
    """What kind of labels these are.

    Args:
        labels: The labels of a batch.
        strict: Raise where they fit no kind.

    Raises:
        InputError: They fit no kind, or look like a mistake; the sentence says what is wanted.
    """
    targets, shape = labels.targets, labels.shape
    kind = kind_of(targets, shape)
    if not strict:
        return kind
    if not isinstance(targets, torch.Tensor):
        raise InputError(
            f"The labels are {type(targets).__name__}"
            f"{' of ' + type(targets[0]).__name__ if isinstance(targets, (list, tuple)) and targets else ''}; "
            "a tensor is wanted.",
            hint="Number the classes from 0, and let the data set return that number.",
        )
    width, said = labels.classes, f"{_name(targets)} {tuple(targets.shape)}"
    if kind == "multi-label" and width > 1 and bool((targets.reshape(-1, width).sum(1) == 1).all()):
        raise InputError(
            f"The labels look one-hot ({said}, one 1 in each row); class numbers (int64) are wanted.",
            hint="Pass y.argmax(1); or, where several may be 1 at once, task='multi-label'.",
        )
    if kind == "single-label" and targets.dtype != torch.int64:
        raise InputError(f"The labels are {said}; class numbers are int64.", hint="Pass y.long().")
    if kind is not None:
        return kind
    if not targets.is_floating_point() and targets.numel() == shape[0] and width > 1:
        raise InputError(
            f"The labels have the shape {tuple(targets.shape)}; {(shape[0],)} is wanted: one class number each.",
            hint="Pass y.squeeze(1).",
        )
    if targets.is_floating_point() and targets.numel() == shape[0]:
        raise InputError(
            f"The labels are {said} for {width:,} scores each; class numbers (int64) are wanted.",
            hint="Pass y.long(); or, to predict numbers, give the model one output: replace_head(model, 1).",
        )
    if targets.numel() == torch.Size(shape).numel() and not targets.is_complex():
        raise InputError(
            f"The labels are whole numbers ({said}), one for each score.", hint="To predict numbers, pass y.float()."
        )
    raise InputError(
        f"The labels ({said}) don't fit the scores ({tuple(shape)}).",
        hint="Class numbers have the shape of the scores without the class dimension, other labels the same shape; "
        "or pass a loss of your own.",
    )


def check_shape(labels: Labels, loss: Any) -> None:  # noqa: ANN401 - the user's
    """Numbers in a row beside scores in a column, which most losses of PyTorch would compare each with each.

    Raises:
        InputError: They are so.
    """
    targets, shape = labels.targets, labels.shape
    if not isinstance(targets, torch.Tensor) or not targets.is_floating_point():
        return
    owner = loss if hasattr(loss, "__name__") else type(loss)
    alike = targets.shape == shape or targets.numel() != torch.Size(shape).numel()
    if alike or targets.numel() == 1 or not str(owner.__module__).startswith("torch.nn."):
        return
    raise InputError(
        f"The labels have the shape {tuple(targets.shape)}, the scores {tuple(shape)}: "
        f"{owner.__name__} would not compare them one by one.",
        hint=f"Give the labels the shape of the scores: y.reshape({', '.join(map(str, (-1, *shape[1:])))}).",
    )


def check_labels(labels: Labels, loader: Any, name: str, names: Sequence[str] | None) -> Iterator[str]:  # noqa: ANN401
    """Compare class numbers with the width of the scores: of all samples where they can be known, else of the batch.

    Yields:
        What is suspicious, as sentences.

    Raises:
        InputError: A label has no score, all are the same, or the names don't fit.
    """
    training = name == "train_loader"
    data = getattr(loader, "dataset", None)
    known = known_labels(data, labels.targets if training else None)
    some = labels.targets if known is None and training else known
    if some is None or not (some != IGNORED).any():
        return
    some = some[some != IGNORED]
    check_range(labels, int(some.min()), int(some.max()), "The labels" if training else f"The labels of {name}")
    if not training:
        return
    first = int(some.min())
    if bool((some == first).all()):
        if known is not None:
            raise InputError(
                f"All {some.numel():,} labels are {first}: from one class nothing can be learned.",
                hint="Check how the labels were made.",
            )
        if some.numel() >= _ENOUGH:
            yield f"All {some.numel()} labels of the first batch are {first}: if the data is sorted, pass shuffle=True."
    yield from _check_count(labels, names, class_names(loader), None if known is None else int(known.max()) + 1)


def check_range(labels: Labels, low: int, high: int, whose: str) -> None:
    """Compare the smallest and the largest class number with the width of the scores.

    Raises:
        InputError: There is no score for one of them.
    """
    width = labels.classes
    if low >= 0 and high < width:
        return
    hint = f"Give it as many: replace_head(model, {high + 1})."
    if low > 0 and high - low < width:
        hint = f"Classes are counted from 0: pass y - {low}."
    elif low < 0:
        hint = f"Classes are counted from 0; only {IGNORED} is left out."
    if width == 1:
        hint = f"To predict numbers, pass y.float(). {hint}"
    elif high == _VOID:
        hint += f" Or, where {_VOID} marks what is left out, pass it as {IGNORED}."
    has = "one score" if width == 1 else f"{width:,} scores"
    raise InputError(f"{whose} go from {low} to {high}, but {labels.head} has {has}.", hint=hint)


def _check_count(
    labels: Labels, names: Sequence[str] | None, own: Sequence[str] | None, used: int | None
) -> Iterator[str]:
    """Compare the number of classes with the width of the scores."""
    width = labels.classes
    if names is not None and len(names) != width:
        raise InputError(
            f"{len(names)} labels were passed, but {labels.head} has {width:,} scores.",
            hint=f"Give it as many: replace_head(model, {len(names)}).",
        )
    count = len(own) if own is not None else used
    if names is None and count is not None and count < width:
        yield f"The data has {count} classes, {labels.head} has {width:,} scores: replace_head(model, {count}) fits."


def class_names(loader: Any) -> tuple[str, ...] | None:  # noqa: ANN401 - a DataLoader
    """The names of a data set's classes (``dataset.classes``), where it has them."""
    data = getattr(loader, "dataset", None)
    while isinstance(data, Subset):
        data = data.dataset
    names = getattr(data, "classes", None)
    return tuple(map(str, names)) if isinstance(names, (list, tuple)) else None


def known_labels(data: Any, seen: Any) -> Tensor | None:  # noqa: ANN401
    """All labels of a data set, where it has them in memory."""
    if isinstance(data, Subset):
        inner = known_labels(data.dataset, seen)
        return None if inner is None else inner[torch.as_tensor(list(data.indices))]
    if isinstance(data, TensorDataset):
        found: Any = data.tensors[-1]
    else:
        found = getattr(data, "targets", None)
        if found is None:
            found = getattr(data, "labels", None)
        if found is None or not isinstance(data, Sized) or getattr(data, "target_transform", None) is not None:
            return None
    try:
        labels = torch.as_tensor(found)
    except (TypeError, ValueError, RuntimeError):
        return None
    if labels.dim() != 1 or labels.is_floating_point() or len(labels) != len(data):
        return None
    # What the data set keeps may differ from what it yields.
    return labels if seen is None or bool(torch.isin(seen.cpu(), labels).all()) else None


def _name(targets: Tensor) -> str:
    return str(targets.dtype).removeprefix("torch.")
