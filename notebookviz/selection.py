"""Finding module calls by path, and the set of opened ones."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from notebookviz.errors import InputError
from notebookviz.graph.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    for node in recording.nodes:
        if node.kind == "module" and node.path == path:
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
