"""What is wrong with a model and its data, said before the first step."""

from __future__ import annotations

import warnings
from collections.abc import Sized
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from notebookviz.capture import capture
from notebookviz.errors import InputError, NotebookvizError
from notebookviz.finetune import raised
from notebookviz.finetune.finding import find_heads
from notebookviz.finetune.labels import Labels, check_labels, check_shape, judge
from notebookviz.finetune.nonfinite import Guard
from notebookviz.finetune.rng import Order, undisturbed
from notebookviz.finetune.stopping import LeftError
from notebookviz.finetune.tasks import Batch, Kind, Loss, Task, all_scores, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import nn

    from notebookviz.finetune.waiting import Waiting
    from notebookviz.graph.records import Failure, Recording


class TrainingWarning(UserWarning):
    """Something about the data or the model is suspicious, but can be trained."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What is known before the first step.

    Attributes:
        task: How a batch is learned from.
        classes: Width of the scores.
        heads: Paths of the layers that make them.
        train_loader: What is learned from.
        val_loader: What is measured.
    """

    task: Task
    classes: int
    heads: tuple[str, ...]
    train_loader: Any
    val_loader: Any


def check(  # noqa: PLR0913 - what fine_tune was given
    model: nn.Module,
    train_loader: Iterable[Any],
    val_loader: Iterable[Any] | None,
    *,
    task: Kind | None,
    loss: Loss | None,
    labels: Sequence[str] | None,
    waiting: Waiting | None = None,
) -> Prospect:
    """Look at the first batch, the labels and the model, and raise what is wrong.

    Nothing is trained and nothing drawn from the random generators; the batch goes through a weightless copy.  With
    ``waiting`` batches are fetched by it.

    Raises:
        InputError: A training could not work; the sentence says why and what to do.
    """
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InputError(
            "Nothing can learn: all parameters are frozen.",
            hint="Unfreeze some: unfreeze(model, 'fc'), or train_only(model, 'head').",
        )
    first = first_batch(train_loader, "train_loader", waiting)
    part = split(_near(model, first), keep_labels=loss is None)
    if val_loader is not None:
        _check_validation(
            model, split(_near(model, first_batch(val_loader, "val_loader", waiting)), keep_labels=False), part
        )
    recording = _recorded(model, part)
    shape, has_loss = _outputs(model, part, recording)
    heads: tuple[str, ...] = ()
    if recording.failure is None:
        with suppress(InputError):
            heads = tuple(head.path for head in find_heads(recording))
    _check_last_batch(model, train_loader, part)
    own = loss is None and has_loss and task is None
    # Those of the loader: the model may be without values.
    found = Labels(split(first, keep_labels=loss is None).targets, shape, heads)
    kind = task or judge(found, strict=loss is None and not own)
    if loss is not None:
        check_shape(found, loss)
    else:
        kind = "own loss" if own else kind
    chosen = Task("own loss" if loss is not None else kind or "own loss", task or judge(found, strict=False), loss)
    if chosen.judged == "single-label" and loss is None:
        for loader, name in ((train_loader, "train_loader"), (val_loader, "val_loader")):
            if loader is not None:
                for warning in check_labels(found, loader, name, labels):
                    warnings.warn(warning, TrainingWarning, stacklevel=3)
    return Prospect(chosen, found.classes, heads, train_loader, val_loader)


def _check_validation(model: nn.Module, part: Batch, trained: Batch) -> None:
    """Samples of another shape than those that are learned from, where the model can't take them."""
    shapes = [
        [tuple(item.shape[1:]) for item in pytree.tree_leaves(each.args) if isinstance(item, torch.Tensor)]
        for each in (part, trained)
    ]
    if shapes[0] == shapes[1]:
        return
    failure = _recorded(model, part).failure
    if failure is not None and _recorded(model, trained).failure is None:
        raise InputError(
            f"The first batch of val_loader does not go through the model: {failure.message}",
            hint=f"Its samples have the shapes {shapes[0]}, those of train_loader {shapes[1]}: prepare both alike.",
        )


def first_batch(loader: Any, name: str, waiting: Waiting | None = None) -> Any:  # noqa: ANN401 - what it yields
    """The first batch of a loader; the random generators are left as they were.

    Raises:
        InputError: There is none, its code raised, or the loader can be read only once.
    """
    if isinstance(loader, (str, Path)):
        raise InputError(
            f"{name} is the path {str(loader)!r}; a DataLoader is wanted.",
            hint="Pass DataLoader(ImageFolder(path, transform), batch_size=32, shuffle=True), or choose the folder in "
            "the panel's Fine-tune tab.",
        )
    if not hasattr(loader, "__iter__"):
        raise InputError(
            f"{name} is {type(loader).__name__}; a DataLoader, or another iterable of batches, is wanted.",
            hint=f"For example {name}=DataLoader(dataset, batch_size=32, shuffle=True).",
        )
    if hasattr(loader, "__next__"):
        raise InputError(
            f"{name} is {type(loader).__name__}, which can be read only once; each epoch reads it anew.",
            hint="Pass the DataLoader itself.",
        )
    order = Order(loader, 0)
    with undisturbed():
        try:
            batch = next(iter(loader) if waiting is None else waiting.batches(loader, name), None)
        except LeftError as error:
            raise InputError(f"Stopped before the first step: {error}") from error
        except NotebookvizError:
            raise
        except Exception as error:
            raise raised.told(error, name, "while its first batch was read") from error
        finally:
            order.release()
    if batch is not None:
        return batch
    raise InputError(
        f"{name} is empty: it yields no batch.",
        hint="Check the data set's length, and drop_last with a batch_size larger than the data set.",
    )


def _near(model: nn.Module, batch: Any) -> Any:  # noqa: ANN401
    """The batch on the device where the model is."""
    device = next(model.parameters()).device
    return pytree.tree_map(lambda item: item.to(device) if isinstance(item, torch.Tensor) else item, batch)


def _recorded(model: nn.Module, part: Batch) -> Recording:
    return capture(model, part.args, part.kwargs, mode="train")


def _outputs(model: nn.Module, part: Batch, recording: Recording) -> tuple[tuple[int, ...], bool]:
    """Shape of the scores, and whether the model returns a loss."""
    if recording.failure is None and recording.tensors != "none":
        shapes = {
            output.name: recording.values[value].type for output in recording.outputs for value in output.values[:1]
        }
        names: list[str] = [name for name in ("logits", "out") if name in shapes]
        names += [name for name, kind in shapes.items() if "float" in kind.dtype and kind.shape]
        if names:
            return shapes[names[0]].shape, "loss" in shapes
    return _run(model, part, recording.failure)


def _run(model: nn.Module, part: Batch, failure: Failure | None) -> tuple[tuple[int, ...], bool]:
    """The same by a real pass, where the weightless copy could not run; what that changes is put back."""
    guard = Guard(model)
    guard.remember()
    try:
        with undisturbed(), torch.no_grad():
            outputs = model(*part.args, **part.kwargs)
    except Exception as error:
        said = failure.message if failure is not None else str(error)
        raise InputError(
            f"The first batch does not go through the model: {said}",
            hint=raised.hint(said) or (failure.hint if failure is not None else ""),
        ) from error
    finally:
        guard.back()
    return tuple(all_scores(outputs)[0].shape), hasattr(outputs, "loss")


def _check_last_batch(model: nn.Module, loader: Any, part: Batch) -> None:  # noqa: ANN401 - a DataLoader
    """A last batch of one sample, which BatchNorm may refuse after an epoch of work."""
    size, data = getattr(loader, "batch_size", None), getattr(loader, "dataset", None)
    sampler = getattr(loader, "sampler", None)
    if not isinstance(size, int) or size < 2 or not isinstance(data, Sized) or loader.drop_last:  # noqa: PLR2004
        return
    count = len(sampler) if isinstance(sampler, Sized) else len(data)
    if count % size != 1 or part.size < 2:  # noqa: PLR2004 - then the first batch was that one
        return

    def cut(item: Any) -> Any:  # noqa: ANN401
        return item[:1] if isinstance(item, torch.Tensor) and item.dim() and len(item) == part.size else item

    one = Batch(pytree.tree_map(cut, part.args), pytree.tree_map(cut, part.kwargs), None)
    failure = _recorded(model, one).failure
    if failure is not None and raised.hint(failure.message):
        raise InputError(
            f"The last batch of an epoch has one sample ({count:,} samples in batches of {size}), and BatchNorm can't "
            "take statistics of one.",
            hint="Pass drop_last=True to the DataLoader, or another batch_size.",
        )
