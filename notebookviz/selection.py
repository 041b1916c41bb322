"""Finding module calls by path, and the set of opened ones."""

from __future__ import annotations

import difflib
from collections import Counter
from typing import TYPE_CHECKING, Any

from notebookviz.capture import naming
from notebookviz.errors import InputError
from notebookviz.graph.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from notebookviz.graph.records import Recording


def find(recording: Recording, path: str) -> int:
    """The first call of the module at ``path``.

    Args:
        recording: What capture returned.
        path: A module path such as ``"layer1.0"``; ``""`` is the model itself.

    Raises:
        InputError: No module has that path; the text names the nearest ones.

    Example:
        >>> from notebookviz.graph.records import Node, Recording
        >>> find(Recording((Node(0, -1, "module", "Net", "Net", ""), Node(1, 0, "module", "A", "A", "a"))), "a")
        1
    """
    wanted = naming.recorded(path)
    for node in recording.nodes:
        if node.kind == "module" and node.path == wanted:
            return node.index
    known = list(dict.fromkeys(node.path for node in recording.nodes if node.kind == "module" and node.path))
    near = difflib.get_close_matches(path, known, 3) or known[:3]
    hint = "Did you mean " + ", ".join(repr(item[:200]) for item in near) + "?" if near else ""
    raise InputError(f"No module has the path {path[:200]!r}.", where=path, hint=hint)


def holder(recording: Recording, index: int) -> str | None:
    """The path of the module that a node or fold belongs to; None where there is no such node.

    Example:
        >>> from notebookviz.graph.records import Node, Recording
        >>> holder(Recording((Node(0, -1, "module", "Net", "Net", ""),)), 0)
        ''
    """
    nodes, folds = recording.nodes, recording.folds
    if not 0 <= index < len(nodes) + len(folds):
        return None
    return nodes[index if index < len(nodes) else folds[index - len(nodes)].parent].path


def carried(before: Recording, after: Recording, state: Mapping[str, Any]) -> dict[str, Any]:
    """What was opened and selected in one recording, as the indices of another: by path, call and type.

    Example:
        >>> from notebookviz.graph.records import Node, Recording
        >>> net, fc = Node(0, -1, "module", "Net", "Net", ""), Node(1, 0, "module", "Linear", "Linear", "fc")
        >>> new = Node(1, 0, "module", "ReLU", "ReLU", "act")
        >>> carried(Recording((net, fc)), Recording((net, new, fc._replace(index=2))), {"opened": [0], "selected": 1})
        {'opened': [0], 'selected': 2}
    """
    old, new = list(_keys(before)), {key: index for index, key in enumerate(_keys(after))}

    def moved(index: object) -> int | None:
        return new.get(old[index]) if isinstance(index, int) and 0 <= index < len(old) else None

    opened = {0, *(place for index in state.get("opened", ()) if (place := moved(index)) is not None)}
    return {"opened": sorted(opened), "selected": moved(state.get("selected"))}


def _keys(recording: Recording) -> Iterator[tuple[object, ...]]:
    """What tells the nodes and folds of a recording apart; operators of a type by their number in the module call."""
    seen: Counter[tuple[object, ...]] = Counter()
    nodes = recording.nodes
    for node in nodes:
        key = (
            ("module", node.path, node.call)
            if node.kind == "module"
            else (nodes[node.parent].call, node.path, node.type)
        )
        yield (*key, seen[key])
        seen[key] += 1
    for fold in recording.folds:
        yield "fold", nodes[fold.parent].path, fold.type, fold.name


def revealed(recording: Recording, opened: Iterable[int], index: int) -> list[int]:
    """The opened set with all that encloses a node opened too, folds as well, so that it can be seen."""
    return sorted({0, *opened, *Tree(recording).ancestors(index)})


def expanded(recording: Recording, opened: Iterable[int], index: int) -> list[int]:
    """The opened set with a module call opened, and all that encloses it."""
    tree = Tree(recording)
    own = set() if tree.is_leaf(index) else {index}
    return sorted({0, *opened, *tree.ancestors(index), *own})


def collapsed(opened: Iterable[int], index: int) -> list[int]:
    """The opened set without a module call; the model itself stays open."""
    return sorted({0, *opened} - ({index} if index else set()))
