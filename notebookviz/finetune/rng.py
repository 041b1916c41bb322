"""Random numbers: the state of every generator that a training draws from, and one order of the data per epoch."""

from __future__ import annotations

import hashlib
import random
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import RandomSampler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class RandomState:
    """The generators of torch, Python and NumPy at one moment.

    Example:
        >>> state = RandomState.now()
        >>> first = torch.rand(1)
        >>> state.restore()
        >>> bool(torch.rand(1) == first)
        True
    """

    cpu: Tensor
    devices: tuple[Tensor, ...]
    python: Any
    numpy: Any

    @classmethod
    def now(cls) -> RandomState:
        """The state as it is."""
        numpy = sys.modules.get("numpy")
        devices = tuple(torch.cuda.get_rng_state_all()) if torch.cuda.is_available() else ()
        state = numpy.random.get_state() if numpy is not None else None  # the generator that data sets draw from
        return cls(torch.get_rng_state(), devices, random.getstate(), state)

    def restore(self) -> None:
        """Put all generators back to it."""
        torch.set_rng_state(self.cpu)
        if self.devices and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(list(self.devices))
        random.setstate(self.python)
        if self.numpy is not None:
            import numpy as np

            np.random.set_state(self.numpy)  # noqa: NPY002 - the generator that data sets draw from


def seed_all(seed: int) -> None:
    """Seed the generators of torch, Python and NumPy."""
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:  # torch.manual_seed notes the whole call stack for each kind of device that is not there
        torch.default_generator.manual_seed(seed)
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed % 2**32)


def mixed(*numbers: int) -> int:
    """One seed from several numbers.

    Example:
        >>> mixed(0, 1) == mixed(0, 1), mixed(0, 1) == mixed(1, 0)
        (True, False)
    """
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:6], "big")


@contextmanager
def undisturbed() -> Iterator[None]:
    """Leave the generators as they were found."""
    state = RandomState.now()
    try:
        yield
    finally:
        state.restore()


class Order:
    """The order of a loader's samples, the same in every run for the same seed and epoch.

    The loader keeps its own sampler; only the generators that it draws from are seeded, and put back by
    :meth:`release`.

    Args:
        loader: A ``DataLoader`` or any iterable.
        seed: The training's seed.
    """

    def __init__(self, loader: object, seed: int) -> None:
        self._seed = seed
        self._owners: list[tuple[Any, torch.Generator | None]] = []
        self._states: list[tuple[torch.Generator, torch.Tensor]] = []
        self._samplers = [item for item in _parts(loader) if callable(getattr(item, "set_epoch", None))]
        for part in _parts(loader):
            generator = getattr(part, "generator", None)
            if isinstance(generator, torch.Generator):
                self._states.append((generator, generator.get_state()))
            elif isinstance(part, RandomSampler):
                self._owners.append((part, generator))
                part.generator = torch.Generator()
                self._states.append((part.generator, part.generator.get_state()))

    def start(self, epoch: int) -> None:
        """Seed everything for an epoch, just before the loader is iterated."""
        seed = mixed(self._seed, epoch)
        seed_all(seed)
        for generator, _ in self._states:
            generator.manual_seed(seed)
        for sampler in self._samplers:
            sampler.set_epoch(epoch)

    def release(self) -> None:
        """Give the loader its generators back as they were."""
        for generator, state in self._states:
            generator.set_state(state)
        for part, own in self._owners:
            part.generator = own


def _parts(loader: object) -> list[Any]:
    """The loader, its samplers and its data set, each once."""
    found = [
        loader,
        getattr(loader, "sampler", None),
        getattr(loader, "batch_sampler", None),
        getattr(getattr(loader, "batch_sampler", None), "sampler", None),
        getattr(loader, "dataset", None),
    ]
    return list({id(part): part for part in found if part is not None}.values())
