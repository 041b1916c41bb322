"""What must be drawn for a set of opened modules, computed in Python from the recording alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Picture:
    """Boxes, frames and arrows (value, from, to); the model's own ends are ``input-0`` and ``output-0``."""

    nodes: frozenset[int]
    clusters: frozenset[int]
    edges: tuple[tuple[int, int | str, int | str], ...]


class Graph:
    """An encoded recording (``graph/encode.py``): nodes, and after them the folds of equal neighbours."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        folds = data.get("folds", ())
        self.rows = [*data["nodes"], *({"kind": "fold", **fold} for fold in folds)]
        self.parents = [row.get("parent", 0) for row in self.rows]
        for number, fold in enumerate(folds, len(data["nodes"])):
            for member in fold["nodes"]:
                self.parents[member] = number
        self.children: list[list[int]] = [[] for _ in self.rows]
        for index, parent in enumerate(self.parents[1:], 1):
            self.children[parent].append(index)

    def path(self, index: int) -> str:
        return str(self.rows[index].get("path", ""))

    def index_of(self, path: str) -> int:
        """The first module call with this path."""
        return next(
            index for index, row in enumerate(self.rows) if row["kind"] == "module" and row.get("path", "") == path
        )

    def can_open(self, index: int) -> bool:
        row = self.rows[index]
        return row["kind"] != "operator" and not row.get("leaf") and any(map(self._ran, self.children[index]))

    def _ran(self, index: int) -> bool:
        return "uncalled" not in self.rows[index].get("marks", ())

    def ancestors(self, index: int) -> list[int]:
        """The enclosing module calls and folds, the root first."""
        line = []
        while index:
            index = self.parents[index]
            line.append(index)
        return line[::-1]

    def box(self, index: int, opened: set[int]) -> int:
        """What stands for a node: the outermost of it and its ancestors that is closed."""
        for candidate in (*self.ancestors(index), index):
            if candidate not in opened:
                return candidate
        return index

    def picture(self, opened_ids: Iterable[int]) -> Picture:
        opened = {index for index in opened_ids if index == 0 or self.can_open(index)} | {0}
        ran = [index for index in range(1, len(self.rows)) if self._ran(index)]
        nodes = frozenset(
            index for index in ran if index not in opened and all(outer in opened for outer in self.ancestors(index))
        )
        clusters = frozenset(
            index for index in opened if index and all(outer in opened for outer in self.ancestors(index))
        )
        return Picture(nodes, clusters, tuple(sorted(self._edges(opened), key=str)))

    def _edges(self, opened: set[int]) -> set[tuple[int, int | str, int | str]]:
        made: dict[int, int | str] = {}
        for number, (_, values, *_) in enumerate(self.data["inputs"]):
            made.update(dict.fromkeys(values, f"input-{number}"))
        operators = [(index, row) for index, row in enumerate(self.rows) if row["kind"] == "operator"]
        for index, row in operators:
            made.update((value, self.box(index, opened)) for value in row.get("outputs", ()))
        edges: set[tuple[int, int | str, int | str]] = set()
        for index, row in operators:
            used = [value for _, values, *_ in row.get("inputs", ()) for value in values]
            edges.update((value, made[value], self.box(index, opened)) for value in used if value in made)
        for number, (_, values, *_) in enumerate(self.data["outputs"]):
            edges.update((value, made[value], f"output-{number}") for value in values if value in made)
        return {edge for edge in edges if edge[1] != edge[2]}
