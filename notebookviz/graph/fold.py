"""Repetition: equal neighbours become one node, so that a deep model is read as the few parts it is made of.

Two folds are made.  At least three equal neighbours (``12 × GPT2Block``), or eight of several layers each that are no
block (the steps of a loop), are equal in all but their names and numbers:
class, settings, operators, shapes, types, devices, which weights are trained, the wiring inside, and how each hangs on
the one before.  And where a module call has such blocks in it, many operators that only prepare something for them
(a mask) are one node as well.  Both are found from the records alone; a fold holds nodes, it never changes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from notebookviz.graph.records import Fold
from notebookviz.graph.tree import Tree, within
from notebookviz.graph.wiring import INDEX, INTEGER, Ends, Wiring, hang_alike

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from notebookviz.graph.records import Argument, Mark, Node, Recording

LEAST = 3
LONGEST_UNIT = 12
LEAST_OPERATORS = 6
LEAST_STEPS = 8
MOST_KINDS = 3


def fold(recording: Recording) -> Recording:
    """The recording with its repetition found.

    Args:
        recording: What capture returned.

    Returns:
        The same recording with ``folds``.

    Example:
        >>> from notebookviz.graph.records import Node, Recording
        >>> blocks = [Node(index, 0, "module", "Block", "Block", f"h.{index - 1}") for index in range(1, 13)]
        >>> folded = fold(Recording((Node(0, -1, "module", "Net", "Net", ""), *blocks)))
        >>> [(each.type, each.name) for each in folded.folds]
        [('12 × Block', 'h.0 … h.11')]
    """
    return recording._replace(folds=tuple(_Folder(recording._replace(folds=())).folds()))


class _Folder:
    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.tree = Tree(recording)
        self.ends = Ends(recording)
        self.kinds = _kinds(recording, self.tree)

    def folds(self) -> Iterator[Fold]:
        children = self.tree.children
        blocks = [
            self._blocks(node, units)
            for node in self.recording.nodes
            if len(children[node.index]) >= LEAST
            for units in self._runs(children[node.index])
        ]
        yield from blocks
        folded = {member for each in blocks for member in each.members}
        around = {above for each in blocks for above in (each.parent, *self.tree.ancestors(each.parent))}
        for index in sorted(around - self._below(folded)):
            yield from self._operators(index, [child for child in children[index] if child not in folded])

    def _below(self, indices: set[int]) -> set[int]:
        return {node.index for node in self.recording.nodes if not indices.isdisjoint(self.tree.ancestors(node.index))}

    def _runs(self, children: Sequence[int]) -> Iterator[list[tuple[int, ...]]]:
        """Equal units that follow each other: of the shortest length that repeats, each as long as it goes on."""
        start = 0
        while start < len(children):
            units = next(
                (found for length in range(1, LONGEST_UNIT + 1) if (found := self._units(children, start, length))), []
            )
            if units:
                yield units
            start += sum(map(len, units)) or 1

    def _units(self, children: Sequence[int], start: int, length: int) -> list[tuple[int, ...]]:
        kinds = self.kinds
        first = children[start : start + length]
        after = start + length
        if after >= len(children) or kinds[children[after]] != kinds[first[0]] or not self._called(first):
            return []
        wanted = [kinds[child] for child in first]
        units = [tuple(first)]
        at = after
        while [kinds[child] for child in children[at : at + length]] == wanted:
            units.append(tuple(children[at : at + length]))
            at += length
        if len(units) < (LEAST if self._worth(first) else LEAST_STEPS):
            return []
        equal = hang_alike([Wiring(self.recording, self.tree, unit) for unit in units], self.ends)
        return units[:equal] if equal >= LEAST else []

    def _called(self, unit: Sequence[int]) -> bool:
        return any(self.recording.nodes[index].kind == "module" for index in unit)

    def _worth(self, unit: Sequence[int]) -> bool:
        """Neighbours of one kind, if they are module calls; of several kinds, if there is a block among them."""
        if len(unit) == 1:
            return self.recording.nodes[unit[0]].kind == "module"
        return any(self.tree.can_open(child) for child in unit)

    def _blocks(self, parent: Node, units: list[tuple[int, ...]]) -> Fold:
        nodes = self.recording.nodes
        modules = [nodes[index] for unit in units for index in unit if nodes[index].kind == "module"]
        again = modules[-len(modules) // len(units)]
        first, last = (within(node.path, parent.path) or node.type for node in (modules[0], modules[-1]))
        calls = f"{first}, calls {modules[0].call + 1} … {again.call + 1}"
        return Fold(
            parent=parent.index,
            members=tuple(index for unit in units for index in unit),
            repeats=len(units),
            type=f"{len(units)} × {_unit([nodes[index] for index in units[0]])}",
            name=calls if again.path == modules[0].path else f"{first} … {last}",
            marks=frozenset.intersection(*(node.marks for node in modules)) | self._assumed(units[0]),
        )

    def _operators(self, parent: int, children: Sequence[int]) -> Iterator[Fold]:
        """What stands together: operators in a row, joined by what they hand to each other."""
        nodes = self.recording.nodes
        row: list[int] = []
        for child in [*children, -1]:
            if child >= 0 and nodes[child].kind == "operator":
                row.append(child)
                continue
            for members in self._joined(row):
                plain = not any(nodes[index].macs or "failed" in nodes[index].marks for index in members)
                if len(members) >= LEAST_OPERATORS and plain:
                    yield Fold(
                        parent=parent,
                        members=tuple(members),
                        repeats=0,
                        type=f"{len(members)} operators",
                        name=self.ends.taken_as(members),
                        marks=self._assumed(members),
                    )
            row = []

    def _assumed(self, members: Sequence[int]) -> frozenset[Mark]:
        """The mark of nodes of which one returned a size that was assumed."""
        marks: frozenset[Mark] = frozenset().union(*(self.recording.nodes[index].marks for index in members))
        return marks & {"assumed"}

    def _joined(self, row: Sequence[int]) -> list[list[int]]:
        """The parts of a row that hand nothing to each other; what nobody takes goes with the largest part."""
        heads: dict[int, int] = {}
        for index in row:
            makers = {self.ends.made.get(value) for value in _values(self.recording.nodes[index].inputs)}
            joined = {heads[maker] for maker in makers if maker in heads}
            heads[index] = min(joined, default=index)
            heads.update({other: heads[index] for other, head in heads.items() if head in joined})
        found: dict[int, list[int]] = {}
        for index in row:
            found.setdefault(heads[index], []).append(index)
        parts = sorted(found.values(), key=len, reverse=True)
        lost = [part for part in parts[1:] if not self.ends.given(part)]
        return (
            [sorted([*parts[0], *(index for part in lost for index in part)])]
            + [part for part in parts[1:] if part not in lost]
            if parts
            else []
        )


def _unit(nodes: list[Node]) -> str:
    """What is repeated: its kinds; of more than three the module calls, at most three of them."""
    types = [node.type for node in nodes]
    if len(set(types)) == 1:
        return types[0] if len(types) == 1 else f"{len(types)} {types[0]}"
    kinds = list(dict.fromkeys(types))
    if len(kinds) <= MOST_KINDS:
        return f"({', '.join(kinds)})"
    modules = list(dict.fromkeys(node.type for node in nodes if node.kind == "module"))
    return f"({', '.join(modules[:MOST_KINDS])}, …)"


def _kinds(recording: Recording, tree: Tree) -> list[int]:
    """A number for each node: equal where all is equal but names, numbers among the settings, and wiring."""
    numbers: dict[object, int] = {}

    def number(key: object) -> int:
        return numbers.setdefault(key, len(numbers))

    nodes = recording.nodes
    types = [number(value.type) for value in recording.values]
    stored = [number((item.kind, item.type, item.trainable)) for item in recording.initializers]
    found = [0] * len(nodes)
    for node in reversed(nodes):
        inside = [
            (nodes[child].kind == "module" and within(nodes[child].path, node.path), found[child])
            for child in tree.children[node.index]
        ]
        settings = [
            (item.name, INTEGER.sub("0", item.value) if item.name == INDEX else _setting(item.value))
            for item in node.attributes
        ]
        found[node.index] = number(
            (
                (node.kind, node.type, node.qualified, node.marks, node.macs, node.user_hooks),
                tuple(settings),
                tuple(
                    (
                        item.name,
                        *(types[value] for value in item.values),
                        "",
                        *(stored[each] for each in item.initializers),
                    )
                    for item in node.inputs
                ),
                tuple(types[value] for value in node.outputs),
                tuple(stored[each] for each in node.initializers),
                tuple(inside),
            )
        )
    return found


def _setting(value: str) -> str | None:
    return None if INTEGER.fullmatch(value) else value


def _values(inputs: Sequence[Argument]) -> Iterator[int]:
    for item in inputs:
        yield from item.values
