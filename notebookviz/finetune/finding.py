"""Which layers make the class scores: found by walking back through a recording."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from notebookviz.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notebookviz.graph.records import Argument, Initializer, Node, Recording

FIRST_NAMES: Final = ("logits", "out")
_WITH_BIAS: Final = re.compile(r"linear|conv|addmm|^\+=?$")
ASK: Final = "Name the layer yourself: path='classifier.1'."


@dataclass(frozen=True, slots=True)
class Found:
    """A layer whose output is one score for each class.

    Attributes:
        path: Its path in the model.
        classes: How many scores it gives.
        tied: Other names of the same weight, where it is shared.
    """

    path: str
    classes: int
    tied: tuple[str, ...] = ()


def find_heads(recording: Recording) -> tuple[Found, ...]:
    """Find the layers that give the class scores, main output first.

    From an output the way goes back through operators without weights (softmax, dropout, pooling, flatten, …), along
    the tensors that have the class dimension, to the first operators with a weight.

    Args:
        recording: A forward pass that ran through.

    Returns:
        The layers of the main output, then those of further outputs with as many classes.

    Raises:
        InputError: No layer was found; the sentence says where the way ended.

    Example:
        >>> from torch import nn
        >>> from notebookviz.capture import capture
        >>> find_heads(capture(nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3), nn.Softmax(1))))
        (Found(path='2', classes=3, tied=()),)
    """
    if recording.failure is not None or recording.tensors == "none" or not recording.outputs:
        reason = recording.failure.message if recording.failure else " ".join(recording.notes)
        raise InputError(
            f"The head can't be found, because the model did not run: {reason}",
            hint=f"Pass an input it takes: inputs=(x,). {ASK}",
        )
    walk = _Walk(recording)
    main, *others = sorted(recording.outputs, key=_rank)
    heads = dict.fromkeys(walk.heads(main, None))
    if not heads:
        raise InputError(f"The head can't be found: {walk.ended or 'the output comes from no layer.'}", hint=ASK)
    classes = next(iter(heads)).classes
    for output in others:
        heads.update(dict.fromkeys(walk.heads(output, classes)))
    return tuple(heads)


def _rank(output: Argument) -> int:
    return FIRST_NAMES.index(output.name) if output.name in FIRST_NAMES else len(FIRST_NAMES)


class _Walk:
    """Walks back through one recording."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.ended = ""
        self.makers: dict[int, list[Node]] = {}
        for node in recording.nodes:
            if node.kind == "operator":
                for value in node.outputs:
                    self.makers.setdefault(value, []).append(node)

    def heads(self, output: Argument, wanted: int | None) -> list[Found]:
        """The layers behind an output; none where they don't have the number of classes wanted."""
        for value in output.values:
            if "float" not in self.recording.values[value].type.dtype:
                continue
            for classes in self._sizes(value):
                if wanted in (None, classes):
                    found = self._back(value, classes)
                    if found:
                        return found
        return []

    def _sizes(self, value: int) -> Iterator[int]:
        """How many classes an output may have: (batch, classes, …) or (batch, …, classes)."""
        shape = self.recording.values[value].type.shape
        if len(shape) < 2:  # noqa: PLR2004 - (batch,) is one score for each sample
            yield 1
            return
        yield from dict.fromkeys((shape[1], shape[-1]))

    def _back(self, value: int, classes: int) -> list[Found]:
        found: list[Found] = []
        waiting, seen = [value], {value}
        while waiting:
            for node in self.makers.get(waiting.pop(), ()):
                weights = [item for item in self._stored(node) if item.type.numel > 1]
                if not weights or self._is_bias(node, weights, classes):
                    for source in self._carriers(node, classes):
                        if source not in seen:
                            seen.add(source)
                            waiting.append(source)
                    continue
                weight = self._head_weight(node, weights, classes)
                if weight is None:
                    return []
                found.append(Found(weight.name.rpartition(".")[0], classes, weight.aliases))
        return list(dict.fromkeys(found))

    def _stored(self, node: Node) -> Iterator[Initializer]:
        for argument in node.inputs:
            for index in argument.initializers:
                if self.recording.initializers[index].kind == "parameter":
                    yield self.recording.initializers[index]

    def _is_bias(self, node: Node, weights: list[Initializer], classes: int) -> bool:
        """Whether only a bias is stored here: the matrix is computed, or multiplied before."""
        return (
            _WITH_BIAS.search(node.type) is not None
            and all(item.type.shape == (classes,) for item in weights)
            and any(True for _ in self._carriers(node, classes))
        )

    def _carriers(self, node: Node, classes: int) -> Iterator[int]:
        """The inputs of an operator that have the class dimension."""
        for argument in node.inputs:
            for value in argument.values:
                if classes == 1 or classes in self.recording.values[value].type.shape:
                    yield value

    def _head_weight(self, node: Node, weights: list[Initializer], classes: int) -> Initializer | None:
        """The weight with a row (or a column) for each class; None, and why, where it is not a layer's."""
        for weight in weights:
            if len(weight.type.shape) > 1 and classes in weight.type.shape:
                return weight
        shapes = ", ".join(f"{item.name} {'×'.join(map(str, item.type.shape))}" for item in weights)
        self.ended = (
            f"the way back from the output ends at {node.type} in {node.path or 'the model itself'!r} ({shapes}), "
            f"which is no layer with {classes:,} outputs."
        )
        return None
