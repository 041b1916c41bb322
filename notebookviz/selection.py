"""Finding module calls by path, and the set of opened ones."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from notebookviz.errors import InputError
from notebookviz.graph.encode import is_leaf

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


def revealed(recording: Recording, opened: Iterable[int], index: int) -> list[int]:
    """The opened set with all that encloses a node opened too, so that it can be seen."""
    found = {0, *opened}
    parent = recording.nodes[index].parent
    while parent >= 0:
        found.add(parent)
        parent = recording.nodes[parent].parent
    return sorted(found)


def expanded(recording: Recording, opened: Iterable[int], index: int) -> list[int]:
    """The opened set with a module call opened, and all that encloses it."""
    found = revealed(recording, opened, index)
    if is_leaf(recording, recording.children(), index):
        return found
    return sorted({*found, index})


def collapsed(opened: Iterable[int], index: int) -> list[int]:
    """The opened set without a module call; the model itself stays open."""
    return sorted({0, *opened} - ({index} if index else set()))
