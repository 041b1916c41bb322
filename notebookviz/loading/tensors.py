"""Tensors by name from a file, without unpickling anything that could run."""

from __future__ import annotations

import json
import pickle  # noqa: TID251 - its error is caught, nothing is unpickled by it
import re
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from notebookviz.errors import LoadingError, MissingExtraError
from notebookviz.loading.files import local_path, unreadable

if TYPE_CHECKING:
    import os

    import torch

_NESTED: Final[tuple[str, ...]] = ("state_dict", "model_state_dict", "model", "module", "weights", "net")
_GLOBAL: Final = re.compile(r"GLOBAL ([\w.]+)")
_DEPTH: Final = 3
_WANTED: Final = "Save the weights alone: torch.save(model.state_dict(), 'model.pth')."


def read_tensors(path: str | os.PathLike[str], *, key: str = "") -> dict[str, torch.Tensor]:
    """Read a file of tensors by name: ``.safetensors``, or a ``state_dict`` saved by ``torch.save``.

    Args:
        path: The file; ``~`` is the home folder.
        key: Which of several dictionaries in the file; without it ``state_dict`` or ``model`` is looked for.

    Returns:
        The tensors by name, on the CPU.

    Raises:
        LoadingError: There is no such file, or it holds something else; the sentence says what to do.

    Example:
        >>> read_tensors("missing.pth")
        Traceback (most recent call last):
        ...
        notebookviz.errors.LoadingError: 'missing.pth' was not found. ...
    """
    found, shown = local_path(path)
    if found.is_dir():
        raise LoadingError(f"{shown} is a folder; a file is wanted.", where=str(path), hint="Pass a file in it.")
    try:
        with found.open("rb") as stream:
            if not stream.read(1):
                raise LoadingError(f"{shown} is empty.", where=str(path), hint="Save or download it again.")
    except (OSError, ValueError) as error:
        if isinstance(error, LoadingError):
            raise
        raise unreadable(shown, error) from error
    if found.suffix.lower() == ".safetensors":
        return _read_safetensors(str(found), shown)
    return _state(_read_pickled(str(found), shown), shown, key)


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a JSON object that stands beside a model's weights.

    Raises:
        LoadingError: There is no such file, or it is no JSON object.
    """
    found, shown = local_path(path)
    try:
        data = json.loads(found.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, OSError):
            raise unreadable(shown, error) from error
        raise LoadingError(f"{shown} is damaged: it is no JSON.", where=str(path), hint="Save it again.") from error
    if not isinstance(data, dict):
        raise LoadingError(f"{shown} holds no JSON object.", where=str(path), hint="Save it again.")
    return data


def _read_safetensors(path: str, shown: str) -> dict[str, torch.Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingExtraError("safetensors", extra="train") from error
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise LoadingError(
            f"{shown} is truncated or damaged: {error}.", where=path, hint="Save or download it again."
        ) from error


def _read_pickled(path: str, shown: str) -> Any:  # noqa: ANN401 - whatever the file holds
    import torch

    if _is_program(path):
        raise LoadingError(f"{shown} is a TorchScript program, not a state_dict.", where=path, hint=_WANTED)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251 - tensors only, no code
    except pickle.UnpicklingError as error:
        named = _GLOBAL.search(str(error))
        what = f"other things than tensors ({named[1]})" if named else "other things than tensors"
        raise LoadingError(
            f"{shown} holds {what}: to read it would run code from the file, so it is not read.",
            where=path,
            hint="Where it was made, save the weights alone: torch.save(model.state_dict(), 'model.pth').",
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, AttributeError, TypeError) as error:
        said = next(iter(str(error).splitlines()), "")
        raise LoadingError(f"{shown} is damaged, or no file of torch.save: {said}", where=path, hint=_WANTED) from error


def _is_program(path: str) -> bool:
    """Whether a file is a TorchScript archive, which torch.load would hand on to its own loader."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _state(data: Any, shown: str, key: str) -> dict[str, torch.Tensor]:  # noqa: ANN401
    """The dictionary of tensors inside what a file holds."""
    import torch

    for _ in range(_DEPTH):
        if not isinstance(data, Mapping):
            break
        tensors = {str(name): value for name, value in data.items() if isinstance(value, torch.Tensor)}
        inner = {str(name): value for name, value in data.items() if _holds_tensors(value)}
        if key:
            if key not in inner:
                raise LoadingError(
                    f"{shown} has no dictionary {key!r}.", where=key, hint=f"It has: {', '.join(map(repr, inner))}."
                )
            data, key = inner[key], ""
        elif tensors and not any(name in inner for name in _NESTED):
            return tensors
        elif inner:
            chosen = next((name for name in _NESTED if name in inner), None)
            if chosen is None and len(inner) > 1:
                raise LoadingError(
                    f"{shown} holds several dictionaries: {', '.join(map(repr, inner))}.",
                    where=shown,
                    hint=f"Say which: key={next(iter(inner))!r}.",
                )
            data = inner[chosen or next(iter(inner))]
        else:
            break
    raise LoadingError(
        f"{shown} holds {type(data).__name__}, not tensors by name.",
        where=shown,
        hint=_WANTED,
    )


def _holds_tensors(value: object) -> bool:
    import torch

    if not isinstance(value, Mapping):
        return False
    return any(isinstance(item, torch.Tensor) or _holds_tensors(item) for item in value.values())
