"""Which value each tensor object holds at each moment, also after writes through views of it."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from notebookviz.capture import flow, naming
from notebookviz.capture.draft import Draft, Entry, Stored

if TYPE_CHECKING:
    from notebookviz.capture.skeleton import Skeleton


class Ledger:
    """Keeps account of the tensors of one pass.

    A tensor is known by its identity; a write is also noted for the storage, and whoever reads that storage later,
    under whatever view, reads what the writer left there.  So that identities stay unique, fake tensors are kept alive,
    and real ones, which take memory, are forgotten when they go.

    Args:
        skeleton: The copy that runs.
        draft: Where values and initializers are listed.
        real: Whether the tensors are real.
    """

    def __init__(self, skeleton: Skeleton, draft: Draft, *, real: bool = False) -> None:
        self.skeleton = skeleton
        self.real = real
        self.draft = draft
        self._known: dict[int, tuple[int, int]] = {}
        self._stored: dict[int, int] = {}
        self._writes: dict[int, tuple[int, int]] = {}
        self._clock = 0
        self._kept: dict[int, Any] = {}
        self._mapped: set[int] = set()
        self._held: list[StorageWeakRef] = []  # keeps the identity of a storage from being used again
        self._types: dict[Any, Any] = {}
        self._storages: set[int] | None = None
        self._store()

    def is_new(self, tensor: torch.Tensor) -> bool:
        """Whether nothing is known of this tensor yet."""
        return id(tensor) not in self._stored and id(tensor) not in self._known

    def refer(self, tensor: torch.Tensor) -> tuple[list[int], list[int]]:
        """Values and initializers that a tensor's content comes from."""
        known = self._known.get(id(tensor))
        if known is not None and id(tensor) in self._mapped:
            known = self._known[id(tensor)] = self._whole(tensor, known)
        write = self._writes.get(flow.storage(tensor)) if self._writes else None
        if known is None:
            stored = self._stored.get(id(tensor))
            if stored is None:
                return self._unknown(tensor, write)
            if write is not None:
                return [write[1]], [stored]
            return [], [stored]
        if write is not None and write[0] > known[0] and write[1] != known[1]:
            return [known[1], write[1]], []
        return [known[1]], []

    def _unknown(self, tensor: torch.Tensor, write: tuple[int, int] | None) -> tuple[list[int], list[int]]:
        """A tensor that no operator made: a plain attribute of a module, a closure's, or one made out of sight."""
        if write is not None:
            return [write[1]], []
        wrapped = flow.inner(tensor)
        if wrapped is not None:
            return self.refer(wrapped)
        original = self.skeleton.originals.get(id(tensor))
        if original is None:
            return [self.produce(tensor)], []
        name = self.skeleton.places.get(id(tensor)) or f"constant_{len(self.draft.constants)}"
        while name in self.draft.constants or any(item.name == name for item in self.draft.stored):
            name += "_"
        self.draft.constants[name] = original
        self._stored[id(tensor)] = len(self.draft.stored)
        self.draft.stored.append(Stored(name, "constant", flow.kind(original), original.requires_grad))
        return [], [self._stored[id(tensor)]]

    def produce(self, tensor: torch.Tensor) -> int:
        """A new value for what is in the tensor now."""
        self._clock += 1
        index = self._list(tensor)
        self._known[id(tensor)] = (self._clock, index)
        wrapped = flow.inner(tensor)
        if wrapped is not None:
            self._known[id(wrapped)] = (self._clock, index)
            self._mapped.add(id(wrapped))
            self._keep(wrapped)
        self._keep(tensor)
        return index

    def _keep(self, tensor: torch.Tensor) -> None:
        self._kept[id(tensor)] = weakref.ref(tensor, partial(self._forget, id(tensor))) if self.real else tensor

    def _whole(self, tensor: torch.Tensor, known: tuple[int, int]) -> tuple[int, int]:
        """What ``vmap`` has put together from what an operator gave for one item: another value of that operator's."""
        self._mapped.discard(id(tensor))
        if self.draft.values[known[1]].shape == flow.kind(tensor).shape:
            return known
        maker = next((entry for entry in reversed(self.draft.entries) if known[1] in entry.outputs), None)
        if maker is None:
            return known
        maker.outputs.append(self._list(tensor))
        return known[0], maker.outputs[-1]

    def _list(self, tensor: torch.Tensor) -> int:
        """One more value of this type."""
        device = flow.device(tensor)
        key = (tensor.dtype, flow.shape(tensor), device)
        kind = self._types.get(key)
        if kind is None:
            kind = flow.kind(tensor)
            if self.skeleton.weightless and device == self.skeleton.home:
                kind = kind._replace(device="meta")
            self._types[key] = kind
        self.draft.values.append(kind)
        return len(self.draft.values) - 1

    def _forget(self, identity: int, _: Any) -> None:  # noqa: ANN401
        self._known.pop(identity, None)
        self._kept.pop(identity, None)
        self._mapped.discard(identity)

    def renew(self, old: torch.Tensor, new: torch.Tensor) -> None:
        """A stored tensor that had no shape has one now, and is another object."""
        index = self._stored[id(new)] = self._stored[id(old)]
        self.draft.stored[index].type = flow.kind(new)
        self.skeleton.originals[id(new)] = self.skeleton.originals[id(old)]
        self._kept[id(new)] = new
        self.draft.awaited += 1

    def touch(self, args: tuple[Any, ...]) -> None:
        """Note that Python looked at these tensors: what made them is not unused."""
        for tensor in args:
            if isinstance(tensor, torch.Tensor):
                known = self._known.get(id(tensor))
                if known is not None:
                    self.draft.touched.add(known[1])

    def note_writes(
        self, entry: Entry, given: dict[int, torch.Tensor], seen: dict[int, int], writing: list[torch.Tensor]
    ) -> None:
        """After a write, whoever reads that storage, under whatever view, reads what this operator left there."""
        model = self._model_storages()
        written = {flow.storage(tensor) for tensor in writing}
        for tensor in given.values():
            storage = flow.storage(tensor)
            if storage not in written:
                continue
            if id(tensor) not in seen and any(tensor is item for item in writing):
                seen[id(tensor)] = self.produce(tensor)
                entry.outputs.append(seen[id(tensor)])
                entry.marks.add("in-place")
            value = seen.get(id(tensor), entry.outputs[0])
            whole = tensor._base  # noqa: SLF001 (what it is a view of has other sizes, so it is a value of its own)
            if whole is not None and whole.shape != tensor.shape:
                value = self._list(whole)
                entry.outputs.append(value)
            self._writes[storage] = (self._clock, value)
            self._held.append(StorageWeakRef(tensor.untyped_storage()))  # type: ignore[no-untyped-call]
            if storage in model:
                self.draft.touched.add(value)

    def _model_storages(self) -> set[int]:
        if self._storages is None:
            self._storages = {flow.storage(tensor) for _, tensor, _ in naming.tensors(self.skeleton.model)}
        return self._storages

    def _store(self) -> None:
        """List the skeleton's parameters and buffers, each once, with the other names of tied ones."""
        for name, tensor, kind in naming.tensors(self.skeleton.model):
            at = self._stored.get(id(tensor))
            if at is not None:
                self.draft.stored[at].aliases.append(name)
                continue
            self._stored[id(tensor)] = len(self.draft.stored)
            shown = flow.kind(self.skeleton.originals[id(tensor)])
            self.draft.stored.append(
                Stored(name, kind, shown, kind == "parameter" and tensor.requires_grad)  # type: ignore[arg-type]
            )
