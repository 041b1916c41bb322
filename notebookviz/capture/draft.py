"""What the tracer writes while the model runs; it becomes records afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch
    from torch import nn

    from notebookviz.capture.broadcast import Grown
    from notebookviz.capture.operators import Operator
    from notebookviz.capture.ranges import Stray
    from notebookviz.capture.source import Place
    from notebookviz.graph.records import Mark, TensorType

LONGEST_LINE = 500

Flow = tuple[str, list[int], list[int]]
"""Name of a tensor argument, indices of values, indices of initializers."""


@dataclass(slots=True)
class Entry:
    """A module call or an operator that has begun."""

    index: int
    parent: int
    module: nn.Module | None = None
    operator: Operator | None = None
    type: str = ""
    call: int = 0
    inputs: list[Flow] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)
    macs: int = 0
    marks: set[Mark] = field(default_factory=set)
    message: str = ""
    place: Place | None = None


@dataclass(slots=True)
class Stored:
    """A tensor of the model."""

    name: str
    kind: Literal["parameter", "buffer", "constant"]
    type: TensorType
    trainable: bool = False
    aliases: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Printed:
    """What forward printed: how many lines, and the first one."""

    lines: int = 0
    first: str = ""

    def add(self, text: str) -> None:
        """One more piece of text that was written."""
        if not self.lines and len(self.first) < LONGEST_LINE:
            self.first += text.partition("\n")[0]
        self.lines += text.count("\n")


@dataclass(slots=True)
class Draft:
    """All that one traced pass left behind.

    Attributes:
        assumed: How many sizes were assumed.
        spread: Whether tokens were spread evenly over experts.
        awaited: How many tensors of lazy layers were given a shape.
        printed: What forward printed.
        returned: The class of what forward returned.
        elsewhere: The ``id`` of each module that ran in a thread which forward began.
        reads: Where Python read values that were not there.
        genuine: Whether PyTorch itself raises what the pass ended with.
        stray: The index that its table does not hold.
        grown: Operators whose result is larger than each of their operands.
    """

    entries: list[Entry] = field(default_factory=list)
    values: list[TensorType] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    inputs: list[Flow] = field(default_factory=list)
    outputs: list[Flow] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    assumed: int = 0
    spread: bool = False
    awaited: int = 0
    printed: Printed = field(default_factory=Printed)
    returned: str = ""
    elsewhere: set[int] = field(default_factory=set)
    reads: list[Place | None] = field(default_factory=list)
    genuine: bool = False
    stray: Stray | None = None
    grown: list[tuple[int, Grown]] = field(default_factory=list)
    error: BaseException | None = None
    failed: int = -1
    constants: dict[str, torch.Tensor] = field(default_factory=dict)

    def finished(self) -> int:
        """How far the pass came: operators that returned."""
        return sum(1 for entry in self.entries if entry.operator is not None and "failed" not in entry.marks)

    def results(self) -> Any:  # noqa: ANN401
        """Indices of the values that the model returned."""
        return {value for _, values, _ in self.outputs for value in values}
