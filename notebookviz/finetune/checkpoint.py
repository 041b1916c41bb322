"""Checkpoints: a folder of safetensors and JSON, written whole or not at all, read without unpickling."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import torch

from notebookviz.errors import InputError, LoadingError, MissingExtraError, NotebookvizError
from notebookviz.loading import read_json, read_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

FORMAT: Final = "notebookviz fine-tuning 1"
_PARTS: Final = ("model", "training")


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; the one before it is as it was."""


@dataclass(slots=True)
class Checkpoint:
    """What stands in a checkpoint's folder.

    Attributes:
        model: The model's tensors by name (``model.safetensors``).
        training: The optimiser's and the generators' tensors (``training.safetensors``); empty in one that is only for
            use.
        state: Everything else (``state.json``).
    """

    model: dict[str, Tensor]
    training: dict[str, Tensor] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it; where that fails, what stood there before is untouched.

        A new folder is written beside the old one and takes its place only when its bytes are on the disk.

        Raises:
            NotebookvizError: It can't be written, for instance because the disk is full.
        """
        fresh, old = _beside(path, "new"), _beside(path, "old")
        try:
            recover(path)
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            for part in _PARTS:
                if getattr(self, part) or part == "model":
                    _write_tensors(getattr(self, part), fresh / f"{part}.safetensors")
            text = json.dumps({"format": FORMAT, **self.state}, ensure_ascii=False)
            _write(fresh / "state.json", text.encode())
            _sync(fresh)
            if path.exists():
                path.rename(old)
            fresh.rename(path)
            _sync(path.parent)
        except (OSError, ValueError, TypeError) as error:
            shutil.rmtree(fresh, ignore_errors=True)
            recover(path)
            raise NotebookvizError(
                f"The checkpoint {str(path)!r} can't be written: {error}.",
                where=str(path),
                hint="The one before it is as it was. Check the disk.",
            ) from error
        shutil.rmtree(old, ignore_errors=True)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read a checkpoint's folder.

        Raises:
            LoadingError: It is none, or damaged.
        """
        recover(path)
        if not (path / "state.json").is_file():
            raise LoadingError(
                f"{str(path)!r} holds no checkpoint.",
                where=str(path),
                hint="Pass the folder that fine_tune(folder=…) wrote, or 'best' or 'last' in it.",
            )
        state = read_json(path / "state.json")
        if state.get("format") != FORMAT:
            raise LoadingError(
                f"{str(path)!r} has the format {state.get('format')!r}; {FORMAT!r} is wanted.",
                where=str(path),
                hint="Read it with the version of notebookviz that wrote it.",
            )
        parts = {part: path / f"{part}.safetensors" for part in _PARTS}
        return cls(
            read_tensors(parts["model"]), read_tensors(parts["training"]) if parts["training"].exists() else {}, state
        )


def recover(path: Path) -> None:
    """Finish what an interrupted :meth:`Checkpoint.save` left: the old folder comes back where none is in its place."""
    old = _beside(path, "old")
    if not old.exists():
        return
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.rename(path)


def exists(path: Path) -> bool:
    """Whether a checkpoint is there."""
    recover(path)
    return (path / "state.json").is_file()


def model_tensors(model: torch.nn.Module) -> tuple[dict[str, Tensor], dict[str, str], dict[str, Any]]:
    """A model's state for a checkpoint.

    Returns:
        Its tensors, each once; the other names of tied ones; extra state that is no tensor.

    Raises:
        InputError: There is extra state that JSON can't hold.
    """
    tensors: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    extra: dict[str, Any] = {}
    seen: dict[tuple[Any, ...], str] = {}
    for name, value in model.state_dict().items():
        if not isinstance(value, torch.Tensor):
            extra[name] = value
            continue
        key = (value.data_ptr(), value.shape, value.stride(), value.dtype, value.numel() or name)
        if key in seen:
            ties[name] = seen[key]
        else:
            seen[key] = name
            tensors[name] = value
    try:
        json.dumps(extra)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The model's extra state {', '.join(map(repr, extra))} can't be written without pickle.",
            hint="Let its get_extra_state() return numbers, texts, lists and dictionaries only.",
        ) from error
    return tensors, ties, extra


def optimizer_state(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Divide an optimiser's ``state_dict`` into tensors and JSON.

    Raises:
        InputError: It holds something else.

    Example:
        >>> optimizer_state({"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]})
        ({'0.step': tensor(1.)}, {'state': {'0': {}}, 'param_groups': [{'lr': 0.1, 'params': [0]}]})
    """
    tensors: dict[str, Tensor] = {}
    rest: dict[str, dict[str, Any]] = {}
    for index, items in state["state"].items():
        rest[str(index)] = {}
        for name, value in items.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{index}.{name}"] = value
            else:
                rest[str(index)][name] = value
    plain = {"state": rest, "param_groups": state["param_groups"]}
    groups = [
        {name: value.item() if isinstance(value, torch.Tensor) else value for name, value in group.items()}
        for group in plain["param_groups"]
    ]
    plain["param_groups"] = groups
    try:
        json.dumps(plain)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The optimiser's state can't be written without pickle: {error}.", hint="Train without folder=."
        ) from error
    return tensors, plain


def load_optimizer(optimizer: Any, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:  # noqa: ANN401
    """Give an optimiser the state that :func:`optimizer_state` divided.

    Raises:
        InputError: It was an optimiser of other parameters.
    """
    state: dict[int, dict[str, Any]] = {int(index): dict(items) for index, items in plain["state"].items()}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    groups = [dict(group) for group in plain["param_groups"]]
    lacking = [
        name for own, group in zip(optimizer.param_groups, groups, strict=False) for name in own if name not in group
    ]
    if lacking:
        raise InputError(
            f"The checkpoint's optimiser has no {lacking[0]!r}: it was another one than {type(optimizer).__name__}.",
            hint="Pass the same optimizer to go on, or another folder to start anew.",
        )
    for group, own in zip(groups, optimizer.param_groups, strict=False):
        for name, value in group.items():
            if isinstance(own.get(name), tuple) and isinstance(value, list):
                group[name] = tuple(value)
            elif isinstance(own.get(name), torch.Tensor):
                group[name] = torch.as_tensor(value, dtype=own[name].dtype, device=own[name].device)
    try:
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    except (ValueError, KeyError) as error:
        raise InputError(
            f"The checkpoint's optimiser does not fit: {error}.",
            hint="Freeze and group the parameters as they were, or start anew in another folder.",
        ) from error


def _write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import save_file
    except ImportError as error:
        raise MissingExtraError("safetensors", extra="train") from error
    try:
        save_file({name: _alone(tensor) for name, tensor in tensors.items()}, str(path))
    except SafetensorError as error:
        raise OSError(str(error)) from error
    _sync(path)


def _alone(tensor: Tensor) -> Tensor:
    """A tensor as safetensors wants it: on the CPU, contiguous, with a storage of its own."""
    found = tensor.detach().cpu().contiguous()
    return found if found.untyped_storage().nbytes() == found.nbytes else found.clone()


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk; folders can't be opened everywhere."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f".{path.name}.{what}")
