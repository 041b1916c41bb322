"""What is learned from a batch: its inputs, its targets, the scores, the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

from notebookviz.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["single-label", "multi-label", "regression", "own loss"]
KINDS: Final = get_args(Kind)
AUXILIARY: Final = 0.4
Loss = Callable[[Any, Any], "Tensor"]


@dataclass(frozen=True, slots=True)
class Task:
    """How a batch is learned from.

    Attributes:
        kind: What the targets are; ``"own loss"`` where the model's output has a ``loss``, or the user's is used alone.
        judged: What the metrics take the targets for; None where nothing is known.
        loss: The user's loss of (outputs, targets), or None.
    """

    kind: Kind
    judged: Kind | None
    loss: Loss | None = None

    def losses(self, outputs: Any, targets: Any) -> Tensor:  # noqa: ANN401 - whatever the model returns
        """The loss of one batch."""
        if self.loss is not None:
            return self.loss(outputs, targets)
        if self.kind == "own loss":
            return own_loss(outputs)
        main, *others = all_scores(outputs)
        loss = _loss(self.kind, main, targets)
        for scores in others:
            loss = loss + AUXILIARY * _loss(self.kind, scores, targets)
        return loss


class Batch(NamedTuple):
    """A batch taken apart: what ``forward`` gets, and what it should give."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    targets: Any

    @property
    def size(self) -> int:
        """Samples in it."""
        return size_of((self.args, self.kwargs, self.targets))


def split(batch: Any, *, keep_labels: bool = True) -> Batch:  # noqa: ANN401 - whatever the loader yields
    """Take a batch apart: ``(x, …, y)``, or a dictionary of keyword arguments with ``labels``.

    Args:
        batch: What the loader yields.
        keep_labels: Whether the model gets the dictionary's labels, from which it makes its own loss.

    Raises:
        InputError: It has no labels.

    Example:
        >>> split((torch.zeros(2, 3), torch.tensor([0, 1]))).size
        2
    """
    if isinstance(batch, (tuple, list)) and len(batch) > 1:
        return Batch(tuple(batch[:-1]), {}, batch[-1])
    if isinstance(batch, Mapping):
        kwargs = dict(batch)
        labels = kwargs.get("labels") if keep_labels else kwargs.pop("labels", None)
        if labels is None:
            raise InputError(
                f"The loader yields dictionaries without 'labels': {sorted(map(str, kwargs))}.",
                hint="Name the targets 'labels'.",
            )
        return Batch((), kwargs, labels)
    what = f"{len(batch)} thing(s)" if isinstance(batch, (tuple, list)) else f"a {type(batch).__name__}"
    raise InputError(
        f"The loader yields no labels: a batch is {what}; (inputs, targets) is wanted.",
        hint="Let the data set return a pair, for example TensorDataset(x, y).",
    )


def size_of(batch: Any) -> int:  # noqa: ANN401
    """Samples in a batch: the length of its first tensor.

    Example:
        >>> size_of(({}, {"x": [torch.zeros(4, 2)]}))
        4
    """
    if isinstance(batch, torch.Tensor):
        return batch.shape[0] if batch.dim() else 1
    for item in batch if isinstance(batch, (tuple, list)) else batch.values() if isinstance(batch, Mapping) else ():
        if size := size_of(item):
            return size
    return 0


def all_scores(outputs: Any) -> list[Tensor]:  # noqa: ANN401
    """The score tensors of an output, the main one first, auxiliary ones of the same width after it."""
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    if isinstance(outputs, Mapping):
        main = next((outputs[name] for name in ("logits", "out") if name in outputs), None)
        items = [item for item in outputs.values() if item is not main]
    else:
        main = getattr(outputs, "logits", None)
        items = list(outputs) if isinstance(outputs, (tuple, list)) else []
        items = [item for item in items if item is not main]
    if not isinstance(main, torch.Tensor):
        floats = [item for item in items if isinstance(item, torch.Tensor) and item.is_floating_point() and item.dim()]
        if not floats:
            raise InputError(
                f"The model returns {type(outputs).__name__} without a tensor of scores.",
                hint="Pass a loss of your own: loss=lambda outputs, targets: …",
            )
        main, items = floats[0], floats[1:]
    return [main, *(item for item in items if isinstance(item, torch.Tensor) and item.shape[:2] == main.shape[:2])]


def scores(outputs: Any) -> Tensor:  # noqa: ANN401
    """The main scores of an output."""
    return all_scores(outputs)[0]


def own_loss(outputs: Any) -> Tensor:  # noqa: ANN401
    """The loss that a model of ``transformers`` returns when it is given labels."""
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else getattr(outputs, "loss", None)
    if not isinstance(loss, torch.Tensor):
        raise InputError(
            "The model got labels but returns no loss.", hint="Pass a loss of your own: loss=lambda outputs, labels: …"
        )
    return loss


def kind_of(targets: Any, shape: tuple[int, ...]) -> Kind | None:  # noqa: ANN401
    """What targets are, by their type and the shape of the scores; None where they don't fit together.

    Example:
        >>> kind_of(torch.tensor([1, 2]), (2, 3)), kind_of(torch.tensor([0.5, 2.0]), (2, 1))
        ('single-label', 'regression')
    """
    if not isinstance(targets, torch.Tensor) or targets.is_complex():
        return None
    alike = targets.numel() == torch.Size(shape).numel()
    binary = bool(((targets == 0) | (targets == 1)).all())
    if targets.is_floating_point():
        return ("multi-label" if binary else "regression") if alike else None
    if targets.shape in (shape[:1] + shape[2:], shape[:-1]) and len(shape) > 1 and not (alike and binary):
        return "single-label"
    return "multi-label" if alike and binary else None


def fold(scores: Tensor, targets: Tensor) -> Tensor:
    """Scores with the classes in dimension 1: a token classifier has them last."""
    if scores.dim() > 2 and targets.shape == scores.shape[:-1]:  # noqa: PLR2004
        return scores.movedim(-1, 1)
    return scores


def _loss(kind: Kind, scores: Tensor, targets: Tensor) -> Tensor:
    if kind == "single-label":
        return F.cross_entropy(fold(scores, targets), targets)
    if kind == "multi-label":
        return F.binary_cross_entropy_with_logits(scores, targets.to(scores.dtype).reshape(scores.shape))
    return F.mse_loss(scores.reshape(targets.shape), targets.to(scores.dtype))
