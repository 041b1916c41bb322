"""A training's checkpoints: what goes into them, and how a training goes on from one."""

from __future__ import annotations

import os
import tempfile
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.utils.data import Subset

from notebookviz.errors import InputError, NotebookvizError
from notebookviz.finetune import checkpoint, lora, recipes
from notebookviz.finetune.augmenting import Augmented
from notebookviz.finetune.checkpoint import Checkpoint, CheckpointWarning
from notebookviz.finetune.events import Epoch
from notebookviz.finetune.labels import class_names
from notebookviz.finetune.result import Best
from notebookviz.finetune.rng import RandomState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from notebookviz.finetune.checks import Prospect
    from notebookviz.finetune.trainer import Trainer

_COUNTS: Final = ("epoch", "batches", "step", "loss_sum", "samples", "epoch_seconds", "seconds")


class Keeper:
    """Writes the checkpoints ``last`` and ``best`` into a folder, and reads ``last`` back.

    Args:
        folder: Where; None keeps nothing.
        prospect: What is known of the training.
        labels: Names of the classes.
        transform: The preprocessing.
    """

    def __init__(
        self,
        folder: Path | None,
        prospect: Prospect,
        *,
        labels: Sequence[str] | None,
        transform: Any,  # noqa: ANN401 - any preprocessing
    ) -> None:
        self._folder = folder.expanduser() if folder is not None else None
        self._prospect = prospect
        self._labels = labels or class_names(prospect.train_loader)
        self._transform = transform
        self._recipes: tuple[recipes.Recipe | None, recipes.Recipe | None] | None = None

    def start(self, trainer: Trainer, *, resume: bool) -> None:
        """Go on from the last checkpoint, where that is asked for and there is one.

        Raises:
            InputError: The folder has a checkpoint and nobody asked to go on, or it is of another training; or nothing
                can be written there without deleting what is not ours.
        """
        if self._folder is None:
            if resume:
                raise InputError("resume=True wants the folder of the training.", hint="Pass folder=….")
            return
        _check_folder(self._folder)
        there = checkpoint.exists(self._folder / "last")
        if there and not resume:
            raise InputError(
                f"{str(self._folder)!r} holds a training already.",
                where=str(self._folder),
                hint="Pass resume=True to go on with it, or another folder.",
            )
        if there:
            _resume(trainer, Checkpoint.read(self._folder / "last"))

    def save(self, trainer: Trainer, which: str) -> Path | None:
        """Write a checkpoint; a failure is a warning, because the training is worth more than its copy."""
        if self._folder is None:
            return None
        path = self._folder / which
        if trainer.accelerator.is_main_process:
            try:
                self._content(trainer, whole=which == "last").save(path)
            except NotebookvizError as error:
                warnings.warn(str(error), CheckpointWarning, stacklevel=2)
        return path if checkpoint.exists(path) else None

    def _content(self, trainer: Trainer, *, whole: bool) -> Checkpoint:
        model, ties, extra = checkpoint.model_tensors(trainer.model)
        now = trainer.progress
        best = None if now.best is None else {"epoch": now.best.epoch, "name": now.best.name, "value": now.best.value}
        built, prepared = self._built(trainer.model)
        state: dict[str, Any] = {
            **{name: getattr(now, name) for name in _COUNTS},
            "records": [asdict(record) for record in now.records],
            "best": best,
            "task": self._prospect.task.kind,
            "heads": list(self._prospect.heads),
            "labels": None if self._labels is None else list(self._labels),
            "model": built,
            "lora": lora.described(trainer.model),
            "transform": prepared,
            "ties": ties,
            "extra": extra,
        }
        if not whole:
            return Checkpoint(model, {}, state)
        optimizer, plain = checkpoint.optimizer_state(trainer.optimizer.state_dict())
        random = RandomState.now()
        scaler = trainer.accelerator.scaler
        state |= {
            "seed": trainer.plan.seed,
            "batch_size": trainer.batch_size,
            "steps_per_epoch": trainer.steps_per_epoch,
            "optimizer": plain,
            "scheduler": None if trainer.scheduler is None else trainer.scheduler.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "random": {"python": random.python, "numpy": None if random.numpy is None else _plain(random.numpy)},
        }
        tensors = {f"optimizer.{name}": value for name, value in optimizer.items()}
        tensors["random.cpu"] = random.cpu
        tensors |= {f"random.device.{at}": value for at, value in enumerate(random.devices)}
        tensors |= _flat("meter", trainer.meter.state())
        return Checkpoint(model, tensors, state)

    def _built(self, model: torch.nn.Module) -> tuple[recipes.Recipe | None, recipes.Recipe | None]:
        """How model and preprocessing are built again; found once, because it takes a second."""
        if self._recipes is None:
            transform = self._transform
            if transform is None:
                transform = own_transform(self._prospect.val_loader) or own_transform(self._prospect.train_loader)
            self._recipes = recipes.model_recipe(model), recipes.transform_recipe(transform)
            if transform is not None and self._recipes[1] is None:
                warnings.warn(
                    "The preprocessing can't be kept without pickle, so it is not in the checkpoint. "
                    "Pass it again to load_fine_tuned(transform=…).",
                    CheckpointWarning,
                    stacklevel=2,
                )
        return self._recipes


def _check_folder(folder: Path) -> None:
    """Whether checkpoints can be written: said before the training, since each later failure is but a warning."""
    for path in (folder / "last", folder / "best"):
        is_empty = path.is_dir() and not any(path.iterdir())
        if os.path.lexists(path) and not (checkpoint.exists(path) or is_empty):
            raise InputError(
                f"{str(path)!r} is there and is no checkpoint, which would take its place.",
                where=str(path),
                hint="Pass another folder.",
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"Checkpoints can't be written into {str(folder)!r}: {error.strerror or error}.",
            where=str(folder),
            hint="Pass another folder.",
        ) from error


def own_transform(loader: Any) -> Any:  # noqa: ANN401 - any preprocessing
    """The preprocessing of a loader's data set (``dataset.transform``), where it has one."""
    data = getattr(loader, "dataset", None)
    while isinstance(data, (Subset, Augmented)):
        data = data.dataset if isinstance(data, Subset) else data.data
    return getattr(data, "transform", None)


def load_model(model: torch.nn.Module, kept: Checkpoint) -> None:
    """Give a model the weights of a checkpoint.

    Raises:
        InputError: They don't fit.
    """
    tensors = dict(kept.model)
    tensors |= {name: kept.model[other] for name, other in kept.state.get("ties", {}).items()}
    try:
        model.load_state_dict({**tensors, **kept.state.get("extra", {})})
    except RuntimeError as error:
        first = " ".join(str(error).split())[:300]
        raise InputError(
            f"The checkpoint is of another model: {first}", hint="Build the model as it was trained."
        ) from error


def _resume(trainer: Trainer, kept: Checkpoint) -> None:
    state, now = kept.state, trainer.progress
    same = {"seed": trainer.plan.seed, "batch_size": trainer.batch_size, "steps_per_epoch": trainer.steps_per_epoch}
    for name, value in same.items():
        if state[name] != value:
            raise InputError(
                f"The checkpoint was made with {name} {state[name]}, now it is {value}.",
                hint="Pass the same loader, accumulate and seed to go on, or another folder to start anew.",
            )
    load_model(trainer.model, kept)
    parts: dict[str, dict[str, Tensor]] = {"optimizer": {}, "random": {}, "meter": {}}
    for name, tensor in kept.training.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    checkpoint.load_optimizer(trainer.optimizer, parts["optimizer"], state["optimizer"])
    if trainer.scheduler is not None and state["scheduler"] is not None:
        trainer.scheduler.load_state_dict(state["scheduler"])
    if trainer.accelerator.scaler is not None and state["scaler"] is not None:
        trainer.accelerator.scaler.load_state_dict(state["scaler"])
    for name in _COUNTS:
        setattr(now, name, state[name])
    now.records = [Epoch(**record) for record in state["records"]]
    now.best = None if state["best"] is None else Best(**state["best"])
    trainer.meter.load(_deep(parts["meter"]))
    python, numpy = state["random"]["python"], state["random"]["numpy"]
    devices = tuple(parts["random"][f"device.{at}"] for at in range(len(parts["random"]) - 1))
    trainer.resumed = RandomState(
        parts["random"]["cpu"],
        devices,
        (python[0], tuple(python[1]), python[2]),
        None if numpy is None else tuple(numpy),
    )


def _plain(state: Any) -> list[Any]:  # noqa: ANN401 - numpy's own tuple
    return [item.tolist() if hasattr(item, "tolist") else item for item in state]


def _flat(prefix: str, state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors, and lists of tensors, by names."""
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if isinstance(value, torch.Tensor):
            found[f"{prefix}.{name}"] = value
        elif value:
            found[f"{prefix}.{name}[]"] = torch.cat([item.reshape(-1, *item.shape[1:]) for item in value])
    return found


def _deep(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    return {name.removesuffix("[]"): [value] if name.endswith("[]") else value for name, value in tensors.items()}
