"""What encloses what in the drawing: module calls, operators, and the folds between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notebookviz.graph.records import Fold, Recording

OPENING_NODES = 40


class Tree:
    """The nodes of a recording with its folds in between; a fold's index follows those of the nodes.

    Args:
        recording: What capture returned, folded or not.

    Attributes:
        parents: For each node and fold the index of what encloses it; -1 for the root.
        children: For each node and fold the indices of what it holds, in the order they ran.

    Example:
        >>> from notebookviz.graph.records import Fold, Node, Recording
        >>> blocks = [Node(index, 0, "module", "Block", "Block", f"h.{index - 1}") for index in (1, 2, 3)]
        >>> folds = (Fold(0, (1, 2, 3), 3, "3 × Block", "h.0 … h.2"),)
        >>> tree = Tree(Recording((Node(0, -1, "module", "Net", "Net", ""), *blocks), folds=folds))
        >>> tree.children[0], tree.children[4]
        ((4,), (1, 2, 3))
    """

    def __init__(self, recording: Recording) -> None:
        nodes, folds = recording.nodes, recording.folds
        self.recording = recording
        self.parents = [node.parent for node in nodes] + [each.parent for each in folds]
        for position, each in enumerate(folds):
            for member in each.members:
                self.parents[member] = len(nodes) + position
        lists: list[list[int]] = [[] for _ in self.parents]
        for node in nodes[1:]:
            parent = self.parents[node.index]
            if parent >= len(nodes) and not lists[parent]:
                lists[node.parent].append(parent)
            lists[parent].append(node.index)
        self.children = tuple(map(tuple, lists))

    def ancestors(self, index: int) -> list[int]:
        """What encloses a node, innermost first."""
        found = []
        while (index := self.parents[index]) >= 0:
            found.append(index)
        return found

    def is_fold(self, index: int) -> bool:
        """Whether this is a fold and no node."""
        return index >= len(self.recording.nodes)

    def fold(self, index: int) -> Fold:
        """The fold that has this index."""
        return self.recording.folds[index - len(self.recording.nodes)]

    def is_drawn(self, index: int) -> bool:
        """Whether the graph shows a node: one that was never called only where nothing could be run."""
        recording = self.recording
        item = self.fold(index) if self.is_fold(index) else recording.nodes[index]
        return recording.tensors == "none" or "uncalled" not in item.marks

    def is_leaf(self, index: int) -> bool:
        """Whether a module call is drawn as one node that can't be opened: it holds at most one operator."""
        inside = [child for child in self.children[index] if self.is_drawn(child)]
        return not inside or (len(inside) == 1 and self._is_operator(inside[0]))

    def can_open(self, index: int) -> bool:
        """Whether a node opens in place."""
        return not self._is_operator(index) and self.is_drawn(index) and not self.is_leaf(index)

    def _is_operator(self, index: int) -> bool:
        return not self.is_fold(index) and self.recording.nodes[index].kind == "operator"


def opening(recording: Recording, limit: int = OPENING_NODES, depth: int | None = None) -> list[int]:
    """What is open at first: module calls down to the greatest depth that shows at most ``limit`` nodes.

    The root is always open, and all that encloses a failure.  Folds stay closed, and so does what stands
    beside one, and a module that refused its input before anything in it took it.

    Args:
        recording: What capture returned.
        limit: Nodes that are shown at most.
        depth: Open all down to that depth instead, folds too, however many nodes it shows.

    Returns:
        Indices of nodes and folds, in order.
    """
    tree = Tree(recording)
    opened = {0}
    frontier = [0]
    level = 1
    while depth is None or level < depth:
        following = [child for index in frontier for child in _inside(tree, index, folds=depth is not None)]
        together = {*opened, *following}
        shown = [child for index in together for child in tree.children[index] if child not in together]
        if not following or (depth is None and sum(map(tree.is_drawn, shown)) > limit):
            break
        opened = together
        frontier = following
        level += 1
    if recording.failure is not None:
        opened.update(tree.ancestors(recording.failure.node))
        if depth is None and _refused(tree, recording.failure.node):
            opened.discard(recording.failure.node)
    return sorted(opened)


def _refused(tree: Tree, failed: int) -> bool:
    """Whether nothing in a module took what it was given: opened, it would hang in the air."""
    nodes = tree.recording.nodes
    given = {value for item in nodes[failed].inputs for value in item.values}
    inside = [node for node in nodes[failed + 1 :] if failed in tree.ancestors(node.index)]
    return failed > 0 and given.isdisjoint(value for node in inside for item in node.inputs for value in item.values)


def _inside(tree: Tree, index: int, *, folds: bool) -> list[int]:
    """What can be opened in a node, and with ``folds`` also what can be opened in its folds."""
    found = [child for child in tree.children[index] if tree.can_open(child)]
    if folds:
        inner = [each for child in found if tree.is_fold(child) for each in tree.children[child] if tree.can_open(each)]
        return found + inner
    repeats = (
        tree.recording.folds[child - len(tree.recording.nodes)].repeats for child in found if tree.is_fold(child)
    )
    return [] if any(repeats) else [child for child in found if not tree.is_fold(child)]


def within(path: str, outer: str) -> str:
    """A dotted path as seen from inside another.

    Example:
        >>> within("layer1.0.conv1", "layer1")
        '0.conv1'
    """
    return path[len(outer) + 1 :] if outer and path.startswith(f"{outer}.") else path
