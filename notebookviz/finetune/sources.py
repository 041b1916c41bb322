"""The notebook's own data: data sets, loaders, pairs of arrays and image folders, by the name of their variable."""

from __future__ import annotations

import itertools
import os
import re
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from notebookviz.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

IMAGES: Final = (
    ".jpg",
    ".jpeg",
    ".png",
    ".ppm",
    ".bmp",
    ".pgm",
    ".tif",
    ".tiff",
    ".webp",
)
_MOST: Final = 40
_LOOKED_AT: Final = 200
_SECONDS: Final = 1.0
_WORDS: Final = re.compile(r"_|(?<=[a-z0-9])(?=[A-Z])|(?<=[a-zA-Z])(?=\d)")


@dataclass(frozen=True, slots=True)
class Source:
    """Something that can be learned from.

    Attributes:
        key: Names it: a variable, two of them (``X, y``), or a folder.
        kind: What it is.
        text: The same in a few words.
        value: The object; of a pair both, of a folder its path.
    """

    key: str
    kind: Literal["data set", "loader", "pair", "folder"]
    text: str
    value: Any


def find_sources(namespace: Mapping[str, Any], folder: Path) -> list[Source]:
    """What a notebook has to learn from; no code of the user's runs, and no data is read.

    Args:
        namespace: The notebook's variables.
        folder: Its working directory, in which image folders are looked for.

    Returns:
        At most 40, data sets first.

    Example:
        >>> found = find_sources({"X": torch.zeros(9, 4), "y": torch.zeros(9)}, Path("nowhere"))
        >>> [(each.key, each.text) for each in found]
        [('X, y', 'tensors 9×4 and 9')]
    """
    values = {name: value for name, value in list(namespace.items()) if _is_shown(name)}
    found = itertools.chain(_data_sets(values), _loaders(values), _pairs(values), _folders(values, folder))
    return list(itertools.islice(found, _MOST))


def _is_shown(name: object) -> bool:
    return isinstance(name, str) and not name.startswith("_") and name != "Out"


def _data_sets(values: Mapping[str, Any]) -> Iterator[Source]:
    for name, value in values.items():
        if issubclass(type(value), Dataset):
            count = ""
            if type(value) is TensorDataset and value.tensors:
                count = f", {len(value):,} samples"
            yield Source(name, "data set", f"{type(value).__name__}{count}", value)


def _loaders(values: Mapping[str, Any]) -> Iterator[Source]:
    for name, value in values.items():
        if issubclass(type(value), DataLoader):
            held = vars(value)  # a loader of the user's may have made nothing of itself
            text = f"DataLoader of {type(held.get('dataset')).__name__}, batches of {held.get('batch_size')}"
            yield Source(name, "loader", text, value)


def _pairs(values: Mapping[str, Any]) -> Iterator[Source]:
    arrays = {name: value for name, value in values.items() if _is_array(value) and _length(value) > 1}
    for name, inputs in arrays.items():
        if inputs.ndim < 2:  # noqa: PLR2004 - one number for each sample is a target
            continue
        fitting = [other for other in arrays if other != name and arrays[other].shape[0] == inputs.shape[0]]
        named = [other for other in fitting if _partners(name, other) and arrays[other].ndim <= 2]  # noqa: PLR2004
        for other in named or [other for other in fitting if arrays[other].ndim == 1][:3]:
            shapes = " and ".join("×".join(map(str, arrays[each].shape)) for each in (name, other))
            what = "tensors" if isinstance(inputs, torch.Tensor) else "arrays"
            yield Source(f"{name}, {other}", "pair", f"{what} {shapes}", (inputs, arrays[other]))


def _is_array(value: object) -> bool:
    numpy = sys.modules.get("numpy")
    if issubclass(type(value), torch.nn.Parameter):
        return False
    return issubclass(type(value), torch.Tensor) or (numpy is not None and type(value) is numpy.ndarray)


def _length(array: Any) -> int:  # noqa: ANN401 - a tensor or an array
    with suppress(Exception):  # nested tensors, and those that are not initialised
        return int(array.shape[0]) if array.ndim else 0
    return 0


def _partners(inputs: str, targets: str) -> bool:
    """Whether two names differ in one word, which begins as names of labels do: ``X_train, y_train``."""
    first, second = _WORDS.split(inputs), _WORDS.split(targets)
    differing = [(one, other) for one, other in zip(first, second, strict=False) if one != other]
    if len(first) != len(second) or len(differing) != 1:
        return False
    return differing[0][1].lower().startswith(("y", "label", "target", "class"))


def _folders(values: Mapping[str, Any], folder: Path) -> Iterator[Source]:
    named = {
        name: Path(value)
        for name, value in values.items()
        if type(value) is str and 0 < len(value) < 1000 or issubclass(type(value), Path)  # noqa: PLR2004, RUF021
    }
    seen, end = set(), time.monotonic() + _SECONDS
    beside = {each.name: each for each in _subfolders(folder)}
    for name, path in [*named.items(), *beside.items()]:
        inner = {name: path} | {f"{name}/{each.name}": each for each in _subfolders(path)}
        for key, place in inner.items():
            if time.monotonic() > end:  # a home folder, a slow disk
                return
            classes = _classes(place)
            if len(classes) > 1 and (real := os.path.realpath(place)) not in seen:
                seen.add(real)
                yield Source(key, "folder", f"images in {len(classes)} folders: {_some(classes)}", place)


def _subfolders(place: Path) -> list[Path]:
    with suppress(OSError, ValueError), os.scandir(place) as entries:
        some = itertools.islice(entries, _LOOKED_AT)
        return sorted(Path(each.path) for each in some if not each.name.startswith(".") and each.is_dir())
    return []


def _classes(place: Path) -> list[str]:
    """Names of the folders of a folder, if each has an image."""
    inner = _subfolders(place)
    return [each.name for each in inner] if inner and all(map(_has_image, inner)) else []


def _has_image(place: Path) -> bool:
    with suppress(OSError), os.scandir(place) as entries:
        return any(each.name.lower().endswith(IMAGES) for each in itertools.islice(entries, _LOOKED_AT))
    return False


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")  # noqa: PLR2004


def data_set_of(source: Source, transform: Any = None) -> Any:  # noqa: ANN401 - a Dataset or a loader
    """What a source is for PyTorch: a data set, or the loader itself.

    Args:
        source: The source.
        transform: What prepares the images of a folder; None where the model takes none.

    Raises:
        InputError: An image folder for a model that takes no images.
    """
    if source.kind == "pair":
        return TensorDataset(*map(_as_tensor, source.value))
    if source.kind != "folder":
        return source.value
    if transform is None:
        raise InputError(f"{source.key} holds images; the model takes none.", hint="Choose other data.")
    from torchvision import datasets

    return datasets.ImageFolder(str(source.value), transform)


def _as_tensor(array: Any) -> torch.Tensor:  # noqa: ANN401 - a tensor or an array
    """A tensor as models and losses take it: float64 becomes float32, integers int64, booleans numbers."""
    found = torch.as_tensor(array)
    if found.dtype in (torch.float64, torch.bfloat16, torch.float16):
        return found.float()
    if not found.is_floating_point() and not found.is_complex():
        return found.long()
    return found
