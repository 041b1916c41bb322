"""The cell with the data: the same samples, in the same order."""

from __future__ import annotations

import enum
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler, Subset, TensorDataset, default_collate

from notebookviz.errors import InputError
from notebookviz.finetune.augmenting import Augmented
from notebookviz.finetune.pretrained import public_name
from notebookviz.finetune.processed import Processed
from notebookviz.finetune.recipes import transform_recipe
from notebookviz.writing.code import TAKEN, Code, Names, UnwritableError, import_lines, written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notebookviz.finetune.preprocessing import Preprocessing

ORDER = "order"  # the generator of the training data's order
EMBEDDED = 400  # indices of a split that may stand in a cell

SEEDING = '''\
def seed_of(*numbers):
    """One seed from several numbers."""
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:6], "big")


def seed_all(number):
    torch.manual_seed(number)
    random.seed(number)
    np.random.seed(number % 2**32)'''

AUGMENTED = '''\
class Augmented(torch.utils.data.Dataset):
    """Samples changed at random: what is drawn depends on the seed, the epoch and the sample alone."""

    def __init__(self, data, augment, seed=0):
        self.data, self.augment, self.seed, self.epoch = data, augment, seed, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return len(self.data)

    def __getitem__(self, at):
        found, label = self.data[at]
        states = torch.get_rng_state(), random.getstate(), np.random.get_state()
        seed_all(seed_of(self.seed, self.epoch, at))
        changed = self.augment(found)
        torch.set_rng_state(states[0]), random.setstate(states[1]), np.random.set_state(states[2])
        return changed, label'''


@dataclass(slots=True)
class Fed:
    """The cell with the data, and what the loop must do with it.

    Attributes:
        lines: Its lines, without imports.
        imports: Its imports.
        train: The training loader's name.
        val: The validation loader's; ``""`` without one.
        each_epoch: Lines that seed the order; ``number`` is the seed, ``epoch`` the epoch.
    """

    lines: list[str] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    train: str = ""
    val: str = ""
    each_epoch: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        """The cell."""
        return "\n".join(["# 4. The data.", *import_lines(self.imports), "", "", SEEDING, "", "", *self.lines])


def fed(train: Any, val: Any, names: Names, *, seed: int, own: Preprocessing | None) -> Fed:  # noqa: ANN401
    """How the loaders are made.

    Args:
        train: The training loader.
        val: The validation loader, or None.
        names: The notebook's variables.
        seed: Of the training, tried for splits.
        own: The preprocessing that the model's weights want, where it is known.

    Raises:
        InputError: Something can't be written as source, and has no name.
    """
    writer = _Writer(Fed(), names, seed, own)
    writer.fed.imports |= {"import hashlib", "import random", "import numpy as np", "import torch"}
    writer.fed.train = writer.loader(train, "train")
    if val is not None:
        writer.fed.val = writer.loader(val, "val")
    return writer.fed


class _Writer:
    def __init__(self, fed: Fed, names: Names, seed: int, own: Preprocessing | None) -> None:
        self.fed = fed
        self._names = names
        self._seed = seed
        self._own = own
        self._own_recipe = None if own is None or own.origin is None else transform_recipe(own.transform)
        self._bases: dict[int, str] = {}

    def loader(self, loader: Any, part: str) -> str:  # noqa: ANN401
        """Write a loader, or use it by its name."""
        kept = list(self.fed.lines), set(self.fed.imports), dict(self._bases)
        try:
            return self._loader(loader, part)
        except UnwritableError as error:
            self.fed.lines, self.fed.imports, self._bases = kept
            name = self._names.of(loader)
            if name:
                self._by_name(loader, name, part)
                return name
            raise InputError(
                f"The {'training' if part == 'train' else 'validation'} data can't be written as source: {error}.",
                hint="Assign the data set or the loader to a variable in a cell of its own, with a name that the cells "
                "don't set themselves; they then use it by that name.",
            ) from error

    def _loader(self, loader: Any, part: str) -> str:  # noqa: ANN401
        if type(loader) is not DataLoader or loader.batch_size is None:
            raise UnwritableError(f"{type(loader).__name__} is no plain DataLoader")
        if type(loader.batch_sampler) is not torch.utils.data.BatchSampler:
            raise UnwritableError("it has a batch_sampler of its own")
        data = self._data(loader.dataset, f"{part}_data")
        options = {"batch_size": loader.batch_size, **self._shuffled(loader, part, data)}
        if loader.drop_last:
            options["drop_last"] = "True"
        for name in ("num_workers", "pin_memory", "persistent_workers"):
            if getattr(loader, name):
                options[name] = self._code(getattr(loader, name))
        if loader.collate_fn is not default_collate:
            options["collate_fn"] = self._code(loader.collate_fn)
        if loader.worker_init_fn is not None:
            options["worker_init_fn"] = self._code(loader.worker_init_fn)
        self.fed.imports.add("from torch.utils.data import DataLoader")
        said = ", ".join(f"{name}={value}" for name, value in options.items())
        self.fed.lines.append(f"{part}_loader = DataLoader({data}, {said})")
        return f"{part}_loader"

    def _shuffled(self, loader: Any, part: str, data: str) -> dict[str, str]:  # noqa: ANN401
        """The order of a loader, by generators that are seeded in each epoch."""
        sampler, generator = loader.sampler, loader.generator
        if type(sampler) is SequentialSampler and generator is None:
            return {}
        if type(sampler) is RandomSampler and not sampler.replacement and sampler._num_samples is None:  # noqa: SLF001
            if part == "val":
                if generator is not None or sampler.generator is not None:
                    raise UnwritableError("the validation data is shuffled by a generator of its own")
                return {"shuffle": "True"}
            made = f"{ORDER} = torch.Generator()"
            if made not in self.fed.lines:
                self.fed.lines.append(made)
                self.fed.each_epoch.append(f"{ORDER}.manual_seed(number)")
            if generator is not None and sampler.generator is generator:
                return {"shuffle": "True", "generator": ORDER}
            if generator is None:
                self.fed.imports.add("from torch.utils.data import RandomSampler")
                return {"sampler": f"RandomSampler({data}, generator={ORDER})"}
        raise UnwritableError(f"it is read in an order of its own ({type(sampler).__name__})")

    def _by_name(self, loader: Any, name: str, part: str) -> None:  # noqa: ANN401
        """A loader that only its name can tell: seed what :class:`notebookviz.finetune.rng.Order` seeds."""
        self.fed.lines.append(f"# {name} is what your own cell above makes.")
        if part == "val":
            return
        places = {
            name: loader,
            f"{name}.sampler": getattr(loader, "sampler", None),
            f"{name}.batch_sampler": getattr(loader, "batch_sampler", None),
            f"{name}.batch_sampler.sampler": getattr(getattr(loader, "batch_sampler", None), "sampler", None),
            f"{name}.dataset": getattr(loader, "dataset", None),
        }
        seen: set[int] = set()
        for place, thing in places.items():
            if thing is None or id(thing) in seen:
                continue
            seen.add(id(thing))
            if isinstance(getattr(thing, "generator", None), torch.Generator):
                self.fed.each_epoch.append(f"{place}.generator.manual_seed(number)")
            elif isinstance(thing, RandomSampler):
                self.fed.lines.append(f"{place}.generator = torch.Generator()")
                self.fed.each_epoch.append(f"{place}.generator.manual_seed(number)")
            if callable(getattr(thing, "set_epoch", None)):
                self.fed.each_epoch.append(f"{place}.set_epoch(epoch)")

    def _data(self, data: Any, name: str) -> str:  # noqa: ANN401
        """Write a data set under a name, and give that name."""
        if id(data) in self._bases:
            return self._bases[id(data)]
        known = self._names.of(data)
        if known:
            self._epochs(data, known)
            return known
        if type(data) is Augmented:
            inner = self._data(data.data, f"{name.removesuffix('_data')}_plain")
            if AUGMENTED not in self.fed.lines:
                self.fed.lines += [AUGMENTED, "", ""]
            text = f"Augmented({inner}, {self._code(data.augment)}, seed={self._code(data.seed)})"
        elif type(data) is Subset:
            text = self._subset(data)
        elif type(data) is TensorDataset:
            self.fed.imports.add("from torch.utils.data import TensorDataset")
            text = f"TensorDataset({', '.join(map(self._tensor, data.tensors))})"
        else:
            text = self._code(data)
        while name in self._names.known:  # the notebook's own keeps its value: it may be what this is made from
            name = f"{name}_"
        self.fed.lines.append(f"{name} = {text}")
        self._bases[id(data)] = name
        self._epochs(data, name)
        return name

    def _epochs(self, data: Any, name: str) -> None:  # noqa: ANN401
        if callable(getattr(data, "set_epoch", None)) and name.startswith("train"):
            self.fed.each_epoch.append(f"{name}.set_epoch(epoch)")

    def _subset(self, data: Subset[Any]) -> str:
        """A part of a data set: a split by the seed, a range, or some indices."""
        whole, indices = data.dataset, list(map(int, data.indices))
        base = self._data(whole, "all_data")
        self.fed.imports.add("from torch.utils.data import Subset")
        count = len(whole)  # type: ignore[arg-type]
        if indices and indices == list(range(indices[0], indices[0] + len(indices))):
            return f"Subset({base}, range({indices[0]}, {indices[0] + len(indices)}))"
        shuffled = torch.randperm(count, generator=torch.Generator().manual_seed(self._seed)).tolist()
        for part in _slices(shuffled, indices):
            line = f"shuffled = torch.randperm({count}, generator=torch.Generator().manual_seed({self._seed})).tolist()"
            if line not in self.fed.lines:
                self.fed.lines.append(line)
            return f"Subset({base}, {part})"
        if len(indices) > EMBEDDED:
            raise UnwritableError(f"it is a choice of {len(indices):,} samples without a rule")
        return f"Subset({base}, {indices})"

    def _tensor(self, value: torch.Tensor) -> str:
        """A tensor by its name, or by that of what it was made from."""
        name = self._names.of(value)
        if name:
            return name
        kind = str(value.dtype)
        for known, other in self._names.usable():
            with suppress(Exception):  # classes, and whatever else a notebook has
                if tuple(other.shape) != tuple(value.shape) or isinstance(other, torch.nn.Parameter):
                    continue
                if torch.equal(torch.as_tensor(other, dtype=value.dtype), value):
                    self._names.used.add(known)
                    return f"torch.as_tensor({known}, dtype={kind})"
        raise UnwritableError(f"a tensor of {tuple(value.shape)} has no name")

    def _code(self, value: Any) -> str:  # noqa: ANN401
        code = self._written(value)
        self.fed.imports |= code.imports
        return code.text

    def _written(self, value: Any) -> Code:  # noqa: ANN401
        """A value; its preprocessing by a name, where plain code says better than its settings where it comes from."""
        transform = getattr(value, "transform", None)
        lines, imports = self._preprocessing(transform)
        if not lines:
            return written(value, self._names)
        names = Names({**self._names.known, "preprocessing": transform}, taken=TAKEN - {"preprocessing"})
        code = written(value, names)
        self._names.used.update(names.used - {"preprocessing"})
        if lines[0] not in self.fed.lines:
            self.fed.lines += lines
        self.fed.imports |= imports
        return code

    def _preprocessing(self, transform: Any) -> tuple[list[str], frozenset[str]]:  # noqa: ANN401
        """Lines that make ``preprocessing``; none where the transform is written like any other value."""
        if isinstance(transform, Processed):
            code = _processor(transform.processor, self._names)
            call = 'processor(image, return_tensors="pt")["pixel_values"][0]'
            return [f"processor = {code.text}", "", "", "def preprocessing(image):", f"    return {call}", "", ""], (
                code.imports
            )
        own = self._own
        if own is None or self._own_recipe is None or self._names.of(transform):
            return [], frozenset()
        if transform_recipe(transform) != self._own_recipe:
            return [], frozenset()
        if isinstance(own.origin, enum.Enum):
            return [f"preprocessing = {public_name(own.origin)}.transforms()"], frozenset({"import torchvision"})
        given = ", ".join(f"{name}={written(value, Names({})).text}" for name, value in own.settings.items())
        return [f"preprocessing = timm.data.create_transform({given})"], frozenset({"import timm"})


def _processor(processor: Any, names: Names) -> Code:  # noqa: ANN401 - of transformers
    """An image processor by its name, or by its class and what differs from its defaults."""
    name = names.of(processor)
    if name:
        return Code(name)
    kind, settings, usual = type(processor), processor.to_dict(), type(processor)().to_dict()
    changed = {key: value for key, value in settings.items() if key not in usual or usual[key] != value}
    if kind.from_dict(changed).to_dict() != settings:
        raise UnwritableError(f"{kind.__name__} can't be made again from its settings")
    made, given = written(kind, names), written(changed, Names({}))
    return Code(f"{made.text}.from_dict({given.text})", made.imports | given.imports)


def _slices(shuffled: list[int], indices: list[int]) -> Iterator[str]:
    """What part of a shuffled row some indices are."""
    if not indices or indices[0] not in shuffled:
        return
    size, count = len(indices), len(shuffled)
    first = shuffled.index(indices[0])
    if shuffled[first : first + size] == indices:
        yield f"shuffled[{first}:{first + size}]"
    for start in (0, count - size):
        if sorted(shuffled[start : start + size]) == indices:
            yield f"sorted(shuffled[{start}:{start + size}])"
