"""What must be drawn of a recording, computed from the records alone and in another way than the page does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notebookviz.graph.records import Recording


def openable(recording: Recording) -> set[int]:
    """Module calls that open in place, for they hold more than one operator or a module call; and folds."""
    found = set()
    for node in recording.nodes:
        inside = [child for child in recording.nodes if child.parent == node.index and _shown(recording, child.index)]
        if node.kind == "module" and inside and not (len(inside) == 1 and inside[0].kind == "operator"):
            found.add(node.index)
    return found | {len(recording.nodes) + position for position in range(len(recording.folds))}


def drawn(recording: Recording, opened: set[int]) -> tuple[set[int], set[tuple[str, str]]]:
    """Ids of the nodes and frames, and the ends of the edges."""
    opened = (opened & openable(recording)) | {0}

    def stands(index: int) -> int:
        line = [index]
        while line[-1]:
            line.append(_parent(recording, line[-1]))
        return next((item for item in reversed(line) if item not in opened), index)

    nodes = {stands(node.index) for node in recording.nodes[1:] if _shown(recording, node.index)}
    frames = {index for index in opened if index and all(item in opened for item in _above(recording, index))}
    return nodes | frames, _edges(recording, stands, frames)


def _edges(recording: Recording, stands: object, frames: set[int]) -> set[tuple[str, str]]:
    made: dict[int, str] = {
        value: f"input-{position}" for position, item in enumerate(recording.inputs) for value in item.values
    }
    work = [
        node
        for node in recording.nodes[1:]
        if node.kind == "operator" or not _operators(recording, node.index) or "failed" in node.marks
    ]
    for node in work:
        taken = {value for item in node.inputs for value in item.values}
        for value in node.outputs:
            if value not in made and value not in taken:
                made[value] = str(stands(node.index))  # type: ignore[operator]
    edges = set()
    for node in work:
        for value in {value for item in node.inputs for value in item.values}:
            if value in made and node.index not in frames:
                edges.add((made[value], str(stands(node.index))))  # type: ignore[operator]
    for position, item in enumerate(recording.outputs):
        edges |= {(made[value], f"output-{position}") for value in item.values if value in made}
    return {(start, end) for start, end in edges if start != end}


def _parent(recording: Recording, index: int) -> int:
    if index >= len(recording.nodes):
        return recording.folds[index - len(recording.nodes)].parent
    folds = [position for position, fold in enumerate(recording.folds) if index in fold.members]
    return len(recording.nodes) + folds[0] if folds else recording.nodes[index].parent


def _above(recording: Recording, index: int) -> list[int]:
    line = []
    while index:
        index = _parent(recording, index)
        line.append(index)
    return line


def _operators(recording: Recording, index: int) -> bool:
    return any(node.kind == "operator" and index in _above(recording, node.index) for node in recording.nodes)


def _shown(recording: Recording, index: int) -> bool:
    return recording.tensors == "none" or "uncalled" not in recording.nodes[index].marks
