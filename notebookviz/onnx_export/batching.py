"""In the export process: which inputs have the batch as their first axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Batch:
    """The batch of one call.

    A tensor counts as batched when it is an argument, or stands in a dictionary that is one, and its first axis is
    as long as that of the first such tensor.  In a list or tuple (images of different sizes, the states of an LSTM)
    the first axis means something else.

    Attributes:
        size: Length of the batch; 0 when no input has one.
        leaves: Positions of the batched tensors among all leaves of ``(args, kwargs)``.
    """

    size: int
    leaves: frozenset[int]

    @classmethod
    def of(cls, example: tuple[tuple[Any, ...], dict[str, Any]]) -> Batch:
        """Find the batch of a call."""
        found = [
            (index, leaf.shape[0])
            for index, (path, leaf) in enumerate(pytree.tree_flatten_with_path(example)[0])
            if isinstance(leaf, torch.Tensor)
            and leaf.dim()
            and all(isinstance(key, pytree.MappingKey) for key in path[2:])
        ]
        size = found[0][1] if found else 0
        return cls(size, frozenset(index for index, length in found if length == size and size))

    def mapped(self, example: Any, change: Callable[[torch.Tensor], Any], other: Any = lambda item: item) -> Any:  # noqa: ANN401
        """The call with ``change`` done to each batched tensor and ``other`` to the other leaves."""
        leaves, spec = pytree.tree_flatten(example)
        made: dict[int, Any] = {}
        for index, leaf in enumerate(leaves):  # a tensor given twice stays one tensor
            if id(leaf) not in made:
                made[id(leaf)] = change(leaf) if index in self.leaves else other(leaf)
        return pytree.tree_unflatten([made[id(leaf)] for leaf in leaves], spec)

    def resized(self, example: Any, size: int) -> Any:  # noqa: ANN401
        """The call with another batch size: rows repeated or left out."""
        if not self.leaves or size == self.size:
            return example
        return self.mapped(example, lambda tensor: torch.cat([tensor] * math.ceil(size / self.size))[:size])

    def tensors(self, example: Any) -> list[tuple[torch.Tensor, bool]]:  # noqa: ANN401
        """Each tensor leaf, and whether it is batched."""
        return [
            (leaf, index in self.leaves)
            for index, leaf in enumerate(pytree.tree_leaves(example))
            if isinstance(leaf, torch.Tensor)
        ]
