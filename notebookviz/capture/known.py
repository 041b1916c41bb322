"""Values that are known without the weights: inputs, integers that the model stores, and what is computed from these.

A fake tensor holds no values.  Most of what a forward pass asks of values is about masks, positions and token ids,
which never meet a weight; these few small tensors are computed alongside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily

from notebookviz.capture import flow
from notebookviz.capture.modes import unseen

if TYPE_CHECKING:
    from collections.abc import Callable

    from notebookviz.capture.skeleton import Skeleton

LARGEST = 2**20
"""Elements of a tensor whose values are followed."""
_CHOICES = {"aten.topk.default": 2, "aten.argmax.default": 1, "aten.max.dim": 1}
"""Operators that choose along a dimension, and which argument that is."""
MOST_BYTES = 2**26
_WITHOUT_VALUES = ("aten.empty", "aten.new_empty")


class Known:
    """Follows the values of small tensors through one pass.

    Args:
        skeleton: The weightless copy that runs.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._values: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._likely: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._given: set[int] = set()
        self._lost: set[int] = set()
        self._chosen: dict[int, tuple[torch.Tensor, int]] = {}
        self._bytes = 0
        self._rules: dict[Any, bool] = {}

    def give(self, thing: Any) -> None:  # noqa: ANN401 (any argument of a forward pass)
        """Take the values of these inputs for true, floating ones too."""
        self._given.update(id(tensor) for tensor in flow.tensors(thing))

    def value(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """The values of a fake tensor, or None where they are not known; only to be read."""
        found = self._values.get(id(tensor))
        if found is not None:
            return found[1]
        original = self._skeleton.originals.get(id(tensor))
        if original is None or (original.is_floating_point() and id(tensor) not in self._given):
            return None
        if original.numel() > LARGEST or not _holds(original) or flow.storage(tensor) in self._lost:
            return None
        with unseen():
            self._keep(tensor, original.detach().clone())
        return self._values[id(tensor)][1] if id(tensor) in self._values else None

    def likely(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """Values that are known, or that follow if choices are spread evenly (tokens over experts); None for others."""
        found = self.value(tensor)
        supposed = self._likely.get(id(tensor))
        return supposed[1] if found is None and supposed is not None else found

    def stored(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """The values of a tensor, also of a weight; None where they are not known or were written."""
        found = self.value(tensor)
        if found is None and flow.storage(tensor) not in self._lost:
            original = self._skeleton.originals.get(id(tensor))
            found = original if original is not None and _holds(original) else None
        return found

    def answer(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        """What a dispatched operator returns whose answer depends on values, or ``NotImplemented``."""
        real = self._real(args, kwargs, self.value)
        if real is None:
            return NotImplemented
        with unseen():
            result = func(*real[0], **real[1])
        return self.fake(result)

    def fake(self, result: Any) -> Any:  # noqa: ANN401
        """Fake tensors in place of real ones, whose values are known from now on."""
        if isinstance(result, torch.Tensor):
            fake = self._skeleton.fake.from_tensor(result)
            self._keep(fake, result)
            return fake
        if isinstance(result, (list, tuple)):
            return type(result)(self.fake(item) for item in result)
        return result

    def suppose(self, values: torch.Tensor, device: torch.device) -> torch.Tensor:
        """A fake tensor on a device, for which these values are assumed."""
        fake = torch.zeros(tuple(values.shape), dtype=values.dtype, device=device)
        self._keep(fake, values)
        return fake

    def choices(self, tensor: torch.Tensor) -> int:
        """Among how many ``topk`` or ``argmax`` has chosen these indices; 0 where they are none."""
        return self._chosen.get(flow.storage(tensor), (None, 0))[1]

    def follow(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, written: Any) -> None:  # noqa: ANN401
        """Compute what a dispatched operator has returned, where all that it took is known."""
        at = _CHOICES.get(str(func))
        if at is not None:
            self._choose(args[0], args[at] if len(args) > at else kwargs.get("dim", -1), flow.tensors(result)[-1])
        real, values = None, self._values
        if self._follows(func):
            real = self._real(args, kwargs, self.value)
            if real is None and self._likely and not written:
                real, values = self._real(args, kwargs, self.likely), self._likely
        small = real is not None and all(tensor.numel() <= LARGEST for tensor in flow.tensors(result))
        if real is None or not small:
            if written:
                self._forget(written)
            return
        try:
            with torch._C.DisableTorchFunction(), unset_fake_temporarily():  # noqa: SLF001 (no other mode is on here)
                computed = func(*real[0], **real[1])
        except Exception:  # noqa: BLE001 (a device that is not there, for instance: then it is not known)
            self._forget(written)
            return
        if not written:
            for fake, value in zip(flow.tensors(result), flow.tensors(computed), strict=False):
                self._keep(fake, value, values)

    def _choose(self, source: torch.Tensor, dim: int | None, indices: torch.Tensor) -> None:
        size = source.numel() if dim is None else int(source.shape[dim]) if source.dim() else 1
        self._chosen[flow.storage(indices)] = (indices, size)
        if size <= indices.numel() < source.numel() and indices.numel() <= LARGEST:  # some of each row, not all
            with unseen():
                even = (torch.arange(indices.numel(), device="cpu") % size).reshape(tuple(indices.shape))
            self._keep(indices, even, self._likely)

    def _follows(self, func: Any) -> bool:  # noqa: ANN401
        found = self._rules.get(func)
        if found is None:
            random = torch.Tag.nondeterministic_seeded in getattr(func, "tags", ())
            found = self._rules[func] = not (random or str(func).startswith(_WITHOUT_VALUES))
        return found

    def _real(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        look: Callable[[torch.Tensor], torch.Tensor | None],
    ) -> tuple[Any, Any] | None:
        """The arguments with values in place of fake tensors; None at the first that is not known."""
        real = []
        for item in args:
            value = self._swap(item, look)
            if value is NotImplemented:
                return None
            real.append(value)
        named = {}
        for name, item in kwargs.items():
            named[name] = self._swap(item, look)
            if named[name] is NotImplemented:
                return None
        return tuple(real), named

    def _swap(self, item: Any, look: Callable[[torch.Tensor], torch.Tensor | None]) -> Any:  # noqa: ANN401
        if isinstance(item, torch.Tensor):
            value = look(item)
            return NotImplemented if value is None else value
        if isinstance(item, (list, tuple)):
            found = [self._swap(part, look) for part in item]
            return NotImplemented if any(part is NotImplemented for part in found) else type(item)(found)
        return item

    def _keep(self, fake: torch.Tensor, value: torch.Tensor, values: dict[int, Any] | None = None) -> None:
        size = value.numel() * value.element_size()
        if not value.is_meta and value.shape == fake.shape and self._bytes + size <= MOST_BYTES:
            self._bytes += size
            (self._values if values is None else values)[id(fake)] = (fake, value)

    def _forget(self, written: list[torch.Tensor]) -> None:
        for tensor in written:
            lost = flow.storage(tensor)
            self._lost.add(lost)
            for values in (self._values, self._likely):
                for key in [key for key, (fake, _) in values.items() if flow.storage(fake) == lost]:
                    del values[key]


def _holds(tensor: torch.Tensor) -> bool:
    return type(tensor) in (torch.Tensor, torch.nn.Parameter) and not tensor.is_meta
