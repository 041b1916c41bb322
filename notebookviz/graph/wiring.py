"""How module calls are wired: inside, and to each other."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from notebookviz.graph.records import Node, Recording
    from notebookviz.graph.tree import Tree

INTEGER = re.compile(r"-?\d+")
"""A whole number among the settings."""
_COUNT = re.compile(r"\d+")
"""A number in a path: ``h-3`` and ``h.3`` are both the third."""
INDEX = "index"
"""The setting that says what is picked from a tensor."""


class Ends:
    """Who makes and who takes each value: operators, calls in which none ran or that failed, the model's outputs."""

    def __init__(self, recording: Recording) -> None:
        self.made: dict[int, int] = {}
        self.takers: dict[int, set[int | str]] = {}
        self._nodes = recording.nodes
        inner = {node.parent for node in recording.nodes}
        for node in recording.nodes:
            taken = {value for item in node.inputs for value in item.values}
            if node.kind == "operator" or node.index not in inner or "failed" in node.marks:
                for value in node.outputs:
                    if value not in taken:
                        self.made.setdefault(value, node.index)
                for value in taken:
                    self.takers.setdefault(value, set()).add(node.index)
        for position, item in enumerate(recording.outputs):
            for value in item.values:
                self.takers.setdefault(value, set()).add(f"output-{position}")

    def given(self, members: Sequence[int]) -> set[int]:
        """The values that nodes make and others take."""
        inside = set(members)
        made = {value for index in members for value in self._nodes[index].outputs}
        return {value for value in made if self.takers.get(value, set()) - inside}

    def taken_as(self, members: Sequence[int]) -> str:
        """The names by which module calls take most of what nodes make: ``attention_mask``."""
        given = self.given(members)
        names: dict[str, int] = {}
        for node in self._nodes[members[-1] + 1 :]:
            if node.kind == "module":
                for item in node.inputs:
                    if not given.isdisjoint(item.values):
                        names[item.name] = names.get(item.name, 0) + 1
        return ", ".join(sorted(names, key=lambda name: -names[name])[:2])


class Wiring:
    """One unit of neighbours as it is wired: equal ``codes`` for equal wiring inside.

    Attributes:
        codes: What each node takes and gives, values numbered in the order in which they are met.
        ports: The values that come from outside, in that order.
        made: The number of each value that is made inside.
        numbers: Whole numbers among the settings, in order.
        indices: Numbers in what it picks from a tensor (``x[:, 3]``), in order.
        own: The last number in the unit's path.
        call: Which call of its first module it is.
        inside: All nodes.
    """

    def __init__(self, recording: Recording, tree: Tree, unit: tuple[int, ...]) -> None:
        self.ports: list[int] = []
        self.made: dict[int, int] = {}
        self.numbers: list[str] = []
        self.indices: list[str] = []
        self.inside: set[int] = set()
        self._recording = recording
        self._tree = tree
        self._places: dict[int, int] = {}
        self._constants: dict[int, int] = {}
        modules = [recording.nodes[index] for index in unit if recording.nodes[index].kind == "module"]
        self._paths = [node.path for node in modules]
        self.call = modules[0].call
        self.own = (_COUNT.findall(self._paths[0]) or [""])[-1]
        self._codes: list[object] = []
        for index in unit:
            self._walk(recording.nodes[index])
        self.codes = tuple(self._codes)

    def same(self, first: Wiring) -> bool:
        """Whether this is wired and set as another; a setting that is the unit's own number is its name."""
        return self.codes == first.codes and all(
            mine == other or (mine == self.own and other == first.own)
            for mine, other in zip(self.numbers, first.numbers, strict=True)
        )

    def moves(self, first: Wiring) -> tuple[bool, ...] | None:
        """Which numbers of what it picks have gone on as the call or the unit's own number has: the steps of a loop.

        None where one is another without that.
        """
        steps = {self.call - first.call, int(self.own or 0) - int(first.own or 0)}
        pairs = list(zip(self.indices, first.indices, strict=True))
        if any(mine != other and int(mine) - int(other) not in steps for mine, other in pairs):
            return None
        return tuple(mine != other for mine, other in pairs)

    def hold_on(self, before: Wiring) -> tuple[int | None, ...] | None:
        """For each port which value of the unit before it takes, or None where both take the same from elsewhere.

        None instead of all where neither is so.
        """
        if len(self.ports) != len(before.ports):
            return None
        roles: list[int | None] = []
        for mine, other in zip(self.ports, before.ports, strict=True):
            if mine in before.made:
                roles.append(before.made[mine])
            elif mine == other:
                roles.append(None)
            else:
                return None
        return tuple(roles)

    def _walk(self, node: Node) -> None:
        self.inside.add(node.index)
        for setting in node.attributes:
            if setting.name == INDEX:
                self.indices += INTEGER.findall(setting.value)
            elif INTEGER.fullmatch(setting.value):
                self.numbers.append(setting.value)
        for item in node.inputs:
            self._codes.append((tuple(map(self._value, item.values)), tuple(map(self._stored, item.initializers))))
        self._codes.append(tuple(map(self._stored, node.initializers)))
        children = self._tree.children[node.index]
        for child in children:
            self._walk(self._recording.nodes[child])
        if not children:
            for value in node.outputs:
                if value not in self._places:
                    self.made.setdefault(value, len(self.made))
        self._codes.append(tuple(map(self._value, node.outputs)))

    def _value(self, value: int) -> tuple[str, int]:
        if value in self.made:
            return "made", self.made[value]
        if value not in self._places:
            self._places[value] = len(self.ports)
            self.ports.append(value)
        return "port", self._places[value]

    def _stored(self, index: int) -> object:
        """A stored tensor by its name inside the unit; one from elsewhere is itself, one without a name is counted."""
        item = self._recording.initializers[index]
        if item.kind == "constant":
            return self._constants.setdefault(index, len(self._constants))
        for position, path in enumerate(self._paths):
            for name in (item.name, *item.aliases):
                if name.startswith(f"{path}."):
                    return position, name[len(path) :]
        return item.name


def hang_alike(units: Sequence[Wiring], ends: Ends) -> int:
    """How many units from the first on are wired alike, each to the one before, and give only to the one after.

    What all of them take alike (a mask), or all give to the same place (a sum over heads), is no difference.
    """
    roles, moves = units[1].hold_on(units[0]), units[1].moves(units[0])
    if roles is None or moves is None:
        return 1
    count = 1
    for before, unit in pairwise(units):
        if not unit.same(units[0]) or unit.hold_on(before) != roles or unit.moves(units[0]) != moves:
            break
        count += 1
    elsewhere = [
        _takers(unit.made, ends) - unit.inside - (after.inside if after else set())
        for unit, after in zip(units[:count], [*units[1:count], None], strict=True)
    ]
    shared = elsewhere[0]
    for position, takers in enumerate(elsewhere):
        if takers != shared:
            return count if position == count - 1 and takers >= shared else position + 1
    return count


def _takers(values: Iterable[int], ends: Ends) -> set[int | str]:
    return {taker for value in values for taker in ends.takers.get(value, ())}
