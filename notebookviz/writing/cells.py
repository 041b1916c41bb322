"""``fine_tune_cells``: the same training as cells of plain PyTorch."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import torch

from notebookviz.capture import capture
from notebookviz.errors import InputError
from notebookviz.finetune import checks
from notebookviz.finetune.labels import class_names
from notebookviz.finetune.options import check, check_model
from notebookviz.finetune.preprocessing import own_preprocessing
from notebookviz.finetune.rng import undisturbed
from notebookviz.finetune.tasks import split
from notebookviz.finetune.tuning import fine_tune
from notebookviz.turns import lock_of
from notebookviz.writing import building, lora
from notebookviz.writing.code import Names
from notebookviz.writing.feeding import fed
from notebookviz.writing.stepping import Steps

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from torch import nn

    from notebookviz.finetune.session import Session
    from notebookviz.finetune.settings import Settings

_DEFAULTS: Final = {
    name: item.default
    for name, item in inspect.signature(fine_tune).parameters.items()
    if item.kind is item.KEYWORD_ONLY
}
# What belongs to a running training, or is found by other means in the cells.
_UNUSED: Final = ("metrics", "resume", "save_every", "transform", "callbacks", "stop", "accelerator", "verbose")


@dataclass(frozen=True, slots=True)
class Cells:
    """A training as cells; ``print`` it, or go through it.

    Attributes:
        sources: The text of each cell.
        notes: What is worth knowing, as sentences.
    """

    sources: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[str]:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)

    def _ipython_display_(self) -> None:
        from notebookviz import cells

        if not cells.in_notebook():
            print(self)  # noqa: T201 - there is no other way to show it
            return
        from IPython.display import display

        from notebookviz.writing.view import CellsView

        display(CellsView(self.sources, self.notes))  # type: ignore[no-untyped-call]

    def __str__(self) -> str:
        """As one script, with the marks at which editors divide it into cells."""
        return "\n\n".join(f"# %%\n{source}" for source in self.sources) + "\n"


def fine_tune_cells(
    model: nn.Module,
    train_loader: Iterable[Any],
    val_loader: Iterable[Any] | None = None,
    *,
    names: Mapping[str, Any] | None = None,
    start: str | os.PathLike[str] | None = None,
    **options: Any,  # noqa: ANN401 - those of fine_tune
) -> Cells:
    """Write what :func:`notebookviz.fine_tune` would do now as cells of plain PyTorch: nothing is trained.

    The cells load the model, put in its head, freeze, make the data, the loss, the optimiser, train, evaluate, and show
    the model.  They need no notebookviz, and on the CPU give the same losses to the bit.  What the library that built
    the model does not give of its weights is kept in a file beside the notebook.  Data, losses and models that are
    the notebook's own are used by the names of their variables.

    Args:
        model: The model as it is, with its head and with what is frozen.
        train_loader: What is learned from.
        val_loader: What is measured after each epoch.
        names: Variables that the cells may use; those of the notebook without it.
        start: The file for the weights that training starts from, written only where it is needed; one named after
            its content without it.
        **options: As for :func:`notebookviz.fine_tune`.

    Returns:
        The cells.

    Raises:
        InputError: Something is wrong with the model or the data, or can't be written as source and has no name.

    Example:
        >>> cells = fine_tune_cells(model, train_loader, val_loader, epochs=3)  # doctest: +SKIP
        >>> print(cells)  # doctest: +SKIP
    """
    unknown = [name for name in options if name not in _DEFAULTS]
    if unknown:
        raise InputError(
            f"fine_tune_cells() got {', '.join(f'{name}=' for name in unknown)}.",
            hint=f"Its options are those of fine_tune: {', '.join(_DEFAULTS)}.",
        )
    check_model(model, "fine_tune_cells")
    check(**options)
    if names is not None and not isinstance(names, Mapping):
        raise InputError(f"names is {type(names).__name__}; a dictionary is wanted.", hint="Pass names=globals().")
    given = {**_DEFAULTS, **options}
    known = Names(dict(vars(sys.modules["__main__"]) if names is None else names))
    with undisturbed():
        return _written(model, (train_loader, val_loader), known, None if start is None else str(start), given)


def session_cells(session: Session, settings: Settings) -> dict[str, list[str]]:
    """What the Fine-tune tab would do, as cells.

    Raises:
        InputError: Something is wrong with what was set, or can't be written as source.
    """
    with session.tried(settings) as (model, data, options):
        written = fine_tune_cells(model, data.train, data.validation, names=session.namespace(), **options)
    return {"cells": list(written.sources), "notes": list(written.notes)}


def _written(
    model: nn.Module, loaders: tuple[Any, Any], names: Names, start: str | None, options: Mapping[str, Any]
) -> Cells:
    train_loader, val_loader = loaders
    task, loss, labels, seed = options["task"], options["loss"], options["labels"], options["seed"]
    prospect = checks.check(model, train_loader, val_loader, task=task, loss=loss, labels=labels)
    first = checks.first_batch(train_loader, "train_loader")
    part = split(first, keep_labels=loss is None)
    name = names.of(model) or "model"
    with lock_of(model), lora.bare(model, seed) as adapters:
        made = building.built(model, name, prospect.heads, names, seed)
        own = own_preprocessing(model, _image(part), names.known)
    data = fed(train_loader, val_loader, names, seed=seed, own=own)
    steps = Steps(model, name, prospect.task, part, bool(part.kwargs), _plain(model, part), options, names, data)
    labels = tuple(labels or class_names(train_loader) or ())
    notes = [f"{option}= is not written into the cells." for option in _UNUSED if options[option] != _DEFAULTS[option]]
    tensors, beside, after = made.tensors, [], []
    by_name = made.load.endswith("__name__)")
    if adapters is not None:
        tensors = {adapters.renamed(key): value for key, value in tensors.items()} | dict(adapters.tensors)
        beside, after = [adapters.cell(name, names, seed, own=by_name)], [lora.merge_cell(name, 9)]
    starts = []
    kept = building.start(tensors, start) if tensors else None
    if kept is not None:
        starts = [building.start_cell(name, kept.path, len(tensors), len(model.state_dict()))]
        notes.append(f"The weights that training starts from are in {Path(kept.path).name!r}.")
    used = sorted(names.used - {name})
    if used or by_name:
        said = ", ".join(dict.fromkeys([*([name] if by_name else []), *used]))
        notes.append(f"The cells use what your own cells make: {said}.")
    sources = [
        made.load,
        made.head,
        *beside,
        *starts,
        (building if adapters is None else lora).learning_cell(model, name),
        data.source,
        f"{steps.loss_cell()}\n\n\n{steps.measure_cell()}",
        steps.optimizer_cell(),
        steps.loop_cell(),
        steps.evaluation_cell(labels or None),
        *after,
        _show(name, 9 + len(after)),
    ]
    if kept is not None:
        kept.write()  # last: what is refused leaves no file
    return Cells(tuple(sources), tuple(notes))


def _image(part: Any) -> tuple[int, int, int] | None:  # noqa: ANN401 - a Batch
    """Channels, height and width of what the model is given; None where it is given no images."""
    given = part.args[0] if part.args else part.kwargs.get("pixel_values")
    is_image = isinstance(given, torch.Tensor) and given.dim() == 4  # noqa: PLR2004 - batch, channels, height, width
    return (given.shape[1], given.shape[2], given.shape[3]) if is_image else None


def _plain(model: nn.Module, part: Any) -> bool:  # noqa: ANN401 - a Batch
    """Whether the model returns one tensor, in training and in evaluation."""
    modes: tuple[Literal["train", "eval"], ...] = ("train", "eval")
    for mode in modes:
        outputs = capture(model, part.args, part.kwargs, mode=mode).outputs
        if [output.name for output in outputs] != [""]:
            return False
    return True


def _show(name: str, number: int) -> str:
    return (
        f"# {number}. Look at it.\n"
        "try:\n"
        "    from notebookviz import show\n"
        "except ImportError:\n"
        '    print("notebookviz is not installed here, so the model is not drawn.")\n'
        "else:\n"
        f"    show({name})"
    )
