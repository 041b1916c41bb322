"""What of a recording is drawn for a set of opened modules: boxes, frames and the lines between them.

The page computes the same in ``recording.js``; here it is for texts that leave the notebook.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from notebookviz.graph.tree import Tree, within
from notebookviz.graph.wiring import Ends

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from notebookviz.graph.records import Argument, Recording

    End = int | str


@dataclass(frozen=True, slots=True)
class Box:
    """One box, or one frame around boxes.

    Attributes:
        id: The node's index (``"7"``), or ``"input-0"``, ``"output-0"``.
        kind: What it stands for.
        lines: Its text: the type, then its name, then what is special about it.
        frame: The id of the frame it stands in; ``""`` for none.
        opened: Whether it is a frame around others.
    """

    id: str
    kind: Literal["module", "operator", "fold", "input", "output"]
    lines: tuple[str, ...]
    frame: str = ""
    opened: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line between two boxes, with the shapes of the tensors that flow."""

    source: str
    target: str
    shapes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Visible:
    """What is drawn.

    Attributes:
        name: The model's class, or the path of the module that fills the canvas.
        boxes: In the order in which they run, a frame before what it holds.
        lines: One for each pair of boxes.
    """

    name: str
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def visible(recording: Recording, opened: Iterable[int], root: int = 0) -> Visible:
    """What is drawn for a set of opened modules.

    Args:
        recording: What capture returned, folded or not.
        opened: Indices of the modules and folds that are open.
        root: The one that fills the canvas.

    Example:
        >>> from notebookviz.graph.records import Node, Recording
        >>> nodes = (Node(0, -1, "module", "Net", "Net", ""), Node(1, 0, "module", "Linear", "Linear", "fc"))
        >>> [box.lines for box in visible(Recording(nodes), [0]).boxes]
        [('Linear', 'fc')]
    """
    return _Seen(recording, set(opened), root).all()


class _Seen:
    def __init__(self, recording: Recording, opened: set[int], root: int) -> None:
        self._recording = recording
        self._tree = Tree(recording)
        self._opened = opened
        self._root = root
        self._stands: dict[int, int] = {}
        self._order: list[int] = []

    def all(self) -> Visible:
        self._visit(self._root)
        flows = self._flows()
        inputs, outputs = self._ends(flows)
        inner = [self._box(index) for index in self._order]
        root = self._recording.nodes[self._root] if not self._tree.is_fold(self._root) else None
        fold = "" if root is not None else self._tree.fold(self._root).type
        return Visible(
            (root.path or root.type) if root is not None else fold,
            (*inputs, *inner, *outputs),
            tuple(Line(*pair, tuple(shapes)) for pair, shapes in flows.items()),
        )

    def _visit(self, index: int) -> None:
        children = [child for child in self._tree.children[index] if self._tree.is_drawn(child)]
        if children if index == self._root else index in self._opened and self._tree.can_open(index):
            if index != self._root:
                self._order.append(index)
            for child in children:
                self._visit(child)
        else:
            self._order.append(index)
            inside = [index]
            while inside:
                each = inside.pop()
                self._stands[each] = index
                inside.extend(self._tree.children[each])

    def _flows(self) -> dict[tuple[str, str], dict[str, None]]:
        """The shapes that flow from box to box; ends outside of what fills the canvas are inputs and outputs."""
        ends = Ends(self._recording)
        frames = set(self._order) - set(self._stands)
        for position, item in enumerate(self._recording.inputs):
            for value in item.values:
                ends.made[value] = -1 - position
        found: dict[tuple[str, str], dict[str, None]] = {}
        for value, takers in sorted(ends.takers.items()):
            if value not in ends.made:
                continue
            source = self._end(ends.made[value], value, "input")
            for taker in sorted(takers, key=_order):
                if taker in frames:
                    continue  # a module call that failed takes what it was given, but opened it is no box
                target = self._end(taker, value, "output")
                inside = source.isdigit() or target.isdigit() or self._root == 0
                if source != target and inside:
                    found.setdefault((source, target), {})[self._shape(value)] = None
        return found

    def _end(self, end: End, value: int, word: str) -> str:
        if isinstance(end, int) and end in self._stands:
            return str(self._stands[end])
        if self._root != 0:
            return f"{word}-{value}"
        return str(end) if isinstance(end, str) else f"{word}-{-1 - end}"

    def _ends(self, flows: Iterable[tuple[str, str]]) -> tuple[list[Box], list[Box]]:
        if self._root == 0:
            return (
                _own(self._recording.inputs, "input"),
                _own(self._recording.outputs, "output"),
            )
        names = {
            value: item.name
            for item in ([] if self._tree.is_fold(self._root) else self._recording.nodes[self._root].inputs)
            for value in item.values
        }
        pairs = list(flows)
        sources = dict.fromkeys(source for source, _ in pairs if not source.isdigit())
        targets = dict.fromkeys(target for _, target in pairs if not target.isdigit())
        return (
            [Box(each, "input", (names.get(int(each.partition("-")[2]), "") or "input",)) for each in sources],
            [Box(each, "output", ("output",)) for each in targets],
        )

    def _box(self, index: int) -> Box:
        parent = self._tree.parents[index]
        frame = "" if parent in {self._root, -1} else str(parent)
        opened = index not in self._stands
        if self._tree.is_fold(index):
            fold = self._tree.fold(index)
            return Box(str(index), "fold", _lines(fold.type, fold.name, *self._marks(fold.marks)), frame, opened)
        node = self._recording.nodes[index]
        outer = self._recording.nodes[node.parent].path if node.parent >= 0 else ""
        name = within(node.path, outer) if node.kind == "module" else ""
        again = f"call {node.call + 1}" if node.call and node.kind == "module" else ""
        return Box(str(index), node.kind, _lines(node.type, name, again, *self._marks(node.marks)), frame, opened)

    def _marks(self, marks: Iterable[str]) -> list[str]:
        known = self._recording.tensors != "none"
        return sorted(mark for mark in marks if known or mark != "uncalled")

    def _shape(self, value: int) -> str:
        shape = self._recording.values[value].type.shape
        return "×".join(map(str, shape)) if shape else "scalar"


def _own(arguments: Sequence[Argument], word: str) -> list[Box]:
    return [
        Box(f"{word}-{position}", "input" if word == "input" else "output", (item.name or word,))
        for position, item in enumerate(arguments)
    ]


def _lines(*lines: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line)


def _order(end: End) -> tuple[bool, str | int]:
    return isinstance(end, str), end
