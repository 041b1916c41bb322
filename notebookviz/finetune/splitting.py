"""Loaders for training and validation from what the notebook has."""

from __future__ import annotations

import time
from collections.abc import Sized
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, SequentialSampler, Subset

from notebookviz.errors import InputError
from notebookviz.finetune.labels import IGNORED, class_names, known_labels
from notebookviz.finetune.rng import Order, undisturbed
from notebookviz.finetune.tasks import split

_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Data:
    """Two loaders.

    Attributes:
        train: What is learned from.
        validation: What is measured; None for nothing.
        text: Both in words.
    """

    train: DataLoader[Any]
    validation: DataLoader[Any] | None
    text: str


@dataclass(frozen=True, slots=True)
class Classes:
    """What the labels ask of a head.

    Attributes:
        count: Its width.
        text: How it is known.
        names: Of the classes, where the data has them.
    """

    count: int
    text: str
    names: tuple[str, ...] = ()


def loaders(
    train: Any,  # noqa: ANN401 - a Dataset or a DataLoader
    validation: Any = None,  # noqa: ANN401
    *,
    share: float = 0.0,
    batch: int = 32,
    seed: int = 0,
) -> Data:
    """Loaders of a data set, or of a loader, with what is measured: other data, or a part of the same.

    Args:
        train: A data set or a loader.
        validation: Another; None takes ``share`` of ``train``.
        share: Part of the samples that is kept for validation; 0 keeps none.
        batch: Samples in a batch, where there is no loader that says it.
        seed: Tells which samples are kept.

    Raises:
        InputError: It can't be divided.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> loaders(TensorDataset(torch.zeros(10, 2), torch.zeros(10)), share=0.2).text
        '8 samples to learn from, 2 to validate.'
    """
    if validation is not None:
        own, other = _loader(train, batch, shuffle=True), _loader(validation, batch, shuffle=False)
        return Data(own, other, _said(own, other))
    if not share:
        own = _loader(train, batch, shuffle=True)
        return Data(own, None, _said(own, None))
    data = train.dataset if isinstance(train, DataLoader) else train
    first, second = _parts(data, share, seed)
    if isinstance(train, DataLoader):
        own, other = _like(train, first, shuffle=_shuffles(train)), _like(train, second, shuffle=False)
    else:
        own, other = _loader(first, batch, shuffle=True), _loader(second, batch, shuffle=False)
    return Data(own, other, _said(own, other))


def classes_of(loader: DataLoader[Any]) -> Classes:
    """How many classes the labels have: all of them where they are in memory, else those seen in a second.

    Raises:
        InputError: There are no labels, or no class numbers.
    """
    names = class_names(loader) or ()
    targets = split(_first(loader)).targets
    if not isinstance(targets, torch.Tensor):
        raise InputError(f"The labels are {type(targets).__name__}; a tensor is wanted.", hint="Number the classes.")
    if targets.is_floating_point():
        width = targets.shape[1] if targets.dim() > 1 else 1
        return Classes(width, "the labels are numbers" if width == 1 else f"the labels have {width} columns", names)
    if names:
        return Classes(len(names), "the data set names them", names)
    if targets.dim() == 2 and targets.shape[1] > 1 and int(targets.max()) <= 1:  # noqa: PLR2004 - several labels each
        return Classes(targets.shape[1], f"the labels have {targets.shape[1]} columns")
    known = known_labels(loader.dataset, targets)
    if known is not None:
        return Classes(int(known.max()) + 1, f"counted in all {len(known):,} labels")
    largest, seen = _largest(loader)
    return Classes(largest + 1, f"counted in {seen:,} labels; give the number if there are more")


def _first(loader: DataLoader[Any]) -> Any:  # noqa: ANN401 - whatever it yields
    from notebookviz.finetune.checks import first_batch

    return first_batch(loader, "the data")


def _largest(loader: DataLoader[Any]) -> tuple[int, int]:
    """The largest label, and how many were looked at."""
    began, largest, seen = time.monotonic(), 0, 0
    order = Order(loader, 0)
    with undisturbed():
        try:
            for batch in loader:
                targets = split(batch).targets
                targets = targets[targets != IGNORED]
                largest = max(largest, int(targets.max()) if targets.numel() else 0)
                seen += targets.numel()
                if time.monotonic() - began > _SECONDS:
                    break
        finally:
            order.release()
    return largest, seen


def _loader(data: Any, batch: int, *, shuffle: bool) -> DataLoader[Any]:  # noqa: ANN401 - a Dataset or a DataLoader
    if isinstance(data, DataLoader):
        return data
    if not isinstance(data, Dataset):
        raise InputError(f"{type(data).__name__} is no data set.", hint="Choose a Dataset, a DataLoader or two arrays.")
    if isinstance(data, IterableDataset):
        return DataLoader(data, batch_size=batch)
    count = _count(data)
    # A last batch of one sample is left out: BatchNorm can't take statistics of it.
    return DataLoader(
        data, batch_size=batch, shuffle=shuffle, drop_last=shuffle and count > batch and count % batch == 1
    )


def _parts(data: Any, share: float, seed: int) -> tuple[Any, Any]:  # noqa: ANN401
    if isinstance(data, IterableDataset) or not hasattr(data, "__getitem__"):
        raise InputError(
            f"{type(data).__name__} has no order, so no part of it can be kept for validation.",
            hint="Choose other data for validation, or none.",
        )
    count = _count(data)
    kept = round(count * share)
    if not 0 < kept < count:
        raise InputError(
            f"{share:.0%} of {count:,} samples can't be kept to validate.", hint="Choose another share, or more data."
        )
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    return Subset(data, sorted(order[kept:])), Subset(data, sorted(order[:kept]))


def _count(data: Any) -> int:  # noqa: ANN401
    if not isinstance(data, Sized):
        raise InputError(f"{type(data).__name__} has no length.", hint="Give it __len__, or choose a DataLoader of it.")
    return len(data)


def _shuffles(loader: DataLoader[Any]) -> bool:
    """Whether a loader shuffles; raises where a sampler of the user's decides."""
    if type(loader.sampler) not in (RandomSampler, SequentialSampler) or loader.batch_size is None:
        raise InputError(
            f"The loader draws its samples by {type(loader.sampler).__name__}, which a part of the data can't keep.",
            hint="Choose other data for validation, or none.",
        )
    return type(loader.sampler) is RandomSampler


def _like(loader: DataLoader[Any], data: Dataset[Any], *, shuffle: bool) -> DataLoader[Any]:
    """A loader with another one's settings."""
    return DataLoader(
        data,
        batch_size=loader.batch_size,
        shuffle=shuffle,
        collate_fn=loader.collate_fn,
        num_workers=loader.num_workers,
        pin_memory=loader.pin_memory,
        worker_init_fn=loader.worker_init_fn,
        drop_last=loader.drop_last or (shuffle and _lonely(data, loader.batch_size or 1)),
    )


def _lonely(data: Any, batch: int) -> bool:  # noqa: ANN401
    """Whether the last batch would be one sample, of which BatchNorm can't take statistics."""
    count = _count(data)
    return count > batch and count % batch == 1


def _said(train: DataLoader[Any], validation: DataLoader[Any] | None) -> str:
    def size(loader: DataLoader[Any]) -> str:
        data = loader.dataset
        return f"{len(data):,}" if isinstance(data, Sized) else "unknown"

    kept = f"{size(validation)} to validate" if validation is not None else "none to validate"
    return f"{size(train)} samples to learn from, {kept}."
