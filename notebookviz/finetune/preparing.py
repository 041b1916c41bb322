"""The first two steps of a fine-tuning, as settings say them: the head, and what learns."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from notebookviz.capture import capture
from notebookviz.errors import InputError
from notebookviz.finetune.finding import find_heads
from notebookviz.finetune.freezing import Learning, learning, train_exactly, train_only
from notebookviz.finetune.head import HeadChange, replace_head
from notebookviz.finetune.layers import outputs_of
from notebookviz.finetune.lora import Lora, add_lora
from notebookviz.finetune.rng import seed_all, undisturbed

if TYPE_CHECKING:
    from notebookviz.finetune.settings import Settings
    from notebookviz.finetune.splitting import Classes
    from notebookviz.finetune.tasks import Batch

_MOST: Final = 1_000_000


@dataclass(slots=True)
class Head:
    """What the first step does.

    Attributes:
        path: Where the head is.
        text: What is done, or not.
        change: What was changed; None where it stays.
    """

    path: str
    text: str
    change: HeadChange | None = None

    def undo(self) -> None:
        """Put the old head back."""
        if self.change is not None:
            self.change.undo()


def weightless(model: nn.Module) -> nn.Module:
    """A copy of a model whose tensors are on meta: what is done to it shows what would be done to the model.

    Raises:
        InputError: The model can't be copied.

    Example:
        >>> weightless(nn.Linear(2, 3)).weight.device
        device(type='meta')
    """
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="meta"), parameter.requires_grad)
    for buffer in model.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    try:
        return copy.deepcopy(model, memo)
    except Exception as error:
        raise InputError(
            f"The model can't be copied to look ahead: {type(error).__name__}: {error}",
            hint="Train it in a cell: fine_tune(model, loader).",
        ) from error


def change_head(model: nn.Module, settings: Settings, classes: Classes | None, part: Batch | None) -> Head:
    """Give the model the head that is wanted; one that fits already stays.

    Args:
        model: The model.
        settings: What is wanted.
        classes: What the labels ask for; None where they are unknown.
        part: A batch of the data; None where there is none yet.

    Raises:
        InputError: The head can't be found or replaced.
    """
    inputs = None if part is None else (dict(part.kwargs) or part.args)
    if isinstance(inputs, dict):
        inputs.pop("labels", None)
    path, width = _present(model, settings.path, inputs)
    if settings.head == "keep":
        return Head(path, f"{path or 'The head'} stays: {width:,} outputs.")
    wanted = settings.classes or (classes.count if classes else 0)
    why = "" if settings.classes or classes is None else f" Classes: {classes.text}."
    if not wanted:
        return Head(path, f"{path}: {width:,} outputs. Choose data to see how many classes it has.")
    if wanted > _MOST:
        raise InputError(
            f"The labels go up to {wanted - 1:,}; a head has at most {_MOST:,} outputs.",
            hint="Number the classes from 0; numbers that are to be predicted are floats.",
        )
    if wanted == width:
        return Head(path, f"{path} has {width:,} outputs, as wanted.{why}")
    names = classes.names if classes and len(classes.names) == wanted else None
    change = replace_head(model, wanted, path=settings.path or None, inputs=inputs, labels=names, seed=settings.seed)
    return Head(change.path, f"{change}{why}".replace(" is now ", " becomes "), change)


def _present(model: nn.Module, path: str, inputs: Any) -> tuple[str, int]:  # noqa: ANN401 - as replace_head's
    """Where the head is, and its outputs."""
    if path:
        layer = dict(model.named_modules()).get(path)
        width = None if layer is None else outputs_of(layer)
        if width is None:
            raise InputError(f"{path!r} is no layer with outputs.", hint="Name a linear layer or a convolution.")
        return path, width
    arguments = inputs if isinstance(inputs, tuple) else ()
    found = find_heads(capture(model, arguments, inputs if isinstance(inputs, dict) else {}))[0]
    return found.path, found.classes


def choose_learning(model: nn.Module, settings: Settings) -> Learning | Lora:
    """Freeze and unfreeze as it is wanted.

    Raises:
        InputError: It means nothing in this model.
    """
    if settings.learn == "as is":
        return learning(model)
    if settings.learn == "lora":
        with undisturbed():
            seed_all(settings.seed)
            return add_lora(model, rank=settings.rank)
    if settings.learn == "ticks":
        return train_exactly(model, settings.names)
    if settings.learn == "last":
        return train_only(model, f"last {settings.blocks} blocks")
    return train_only(model, settings.learn)
