"""From what the tracer wrote down to a recording."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from notebookviz.capture import describe, flow, hints, naming, operators, remarks, source
from notebookviz.capture.case import operands, speaks_of_dtypes
from notebookviz.capture.scribe import LONGEST_MESSAGE, message
from notebookviz.capture.trace import MOST_CALLS, Crowded, Stopped
from notebookviz.graph.records import (
    Argument,
    Attribute,
    Failure,
    Initializer,
    Node,
    Recording,
    Source,
    Value,
)
from notebookviz.graph.totals import ancestors

if TYPE_CHECKING:
    from torch import nn

    from notebookviz.capture.draft import Draft, Entry, Flow
    from notebookviz.capture.skeleton import Skeleton
    from notebookviz.graph.records import Mark, TensorType


Pairs = tuple[tuple[str, str], ...]


@dataclass
class Header:
    """What a recording says besides its graph."""

    mode: Literal["eval", "train"] = "eval"
    input_text: str = ""
    inferred: bool = False
    tensors: Literal["fake", "real", "none"] = "fake"
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    ended: str = ""
    limit: float = 0.0
    caller: source.Place | None = None


def recording(draft: Draft, skeleton: Skeleton, header: Header) -> Recording:
    """Build the recording of one traced pass.

    Args:
        draft: What the tracer wrote down; empty where no pass could be run.
        skeleton: The weightless copy that ran.
        header: What else the recording says.

    Returns:
        The recording.
    """
    builder = _Builder(draft, skeleton)
    failure = builder.failure(header)
    nodes = builder.nodes(everything=header.tensors == "none")
    return Recording(
        nodes=nodes,
        values=tuple(Value(index, kind) for index, kind in enumerate(draft.values)),
        initializers=tuple(
            Initializer(index, item.name, item.kind, item.type, item.trainable, tuple(item.aliases))
            for index, item in enumerate(draft.stored)
        ),
        inputs=tuple(_argument(item) for item in draft.inputs),
        outputs=tuple(_argument(item) for item in draft.outputs),
        mode=header.mode,
        input_text=header.input_text,
        input_inferred=header.inferred,
        tensors=header.tensors,
        seconds=header.seconds,
        notes=(*header.notes, *remarks.remarks(draft, skeleton, set(builder.registered))),
        failure=failure,
    )


class _Builder:
    def __init__(self, draft: Draft, skeleton: Skeleton) -> None:
        self.draft = draft
        self.skeleton = skeleton
        self.registered = {id(module): (path, module) for path, module in naming.modules(skeleton.model)}
        self.paths = skeleton.unregistered | {key: path for key, (path, _) in self.registered.items()}
        unregistered = set(skeleton.unregistered.values())
        self._name_strangers()
        self.describer = describe.Describer()
        self.sources: dict[source.Place, Source] = {}
        self.described: dict[int, dict[str, Any]] = {}
        self.entries = [
            entry
            for entry in list(draft.entries)
            if not (entry.operator and "failed" in entry.marks and entry.index != draft.failed)
        ]
        self.indices = {entry.index: at for at, entry in enumerate(self.entries)}
        self.own: dict[str, list[int]] = {}
        for index, item in enumerate(draft.stored):
            if item.kind != "constant" or item.name.rpartition(".")[0] in unregistered:
                for name in (item.name, *item.aliases):
                    self.own.setdefault(name.rpartition(".")[0], []).append(index)

    def _name_strangers(self) -> None:
        """Paths for modules that are no part of the model: global ones, and those that forward makes itself."""
        taken = set(self.paths.values())
        for entry in self.draft.entries:
            if entry.module is not None and id(entry.module) not in self.paths:
                kind = naming.clean(type(entry.module).__name__)
                above = self._path(entry)
                paths = (naming.join(above, f"({kind} {at})" if at > 1 else f"({kind})") for at in count(1))
                path = self.paths[id(entry.module)] = next(path for path in paths if path not in taken)
                taken.add(path)

    def nodes(self, *, everything: bool) -> tuple[Node, ...]:
        """All nodes: what ran, then the modules that were never called."""
        macs = self._macs()
        marks = self._marks()
        nodes = [self._node(at, entry, macs[at], marks[at]) for at, entry in enumerate(self.entries)]
        nodes.extend(self._uncalled(nodes, everything=everything))
        return tuple(nodes)

    def failure(self, header: Header) -> Failure | None:
        """How the pass ended early, in words."""
        error = self.draft.error
        if error is None:
            return None
        node = self.indices.get(self.draft.failed, 0)
        if header.ended == "interrupted":
            said, hint, kind = "The forward pass was interrupted.", "", "interrupted"
        elif isinstance(error, Crowded):
            said = f"The forward pass made more than {MOST_CALLS:,} calls; those are shown."
            hint, kind = "Look for a loop that does not end, or pass a smaller input.", "limit"
        elif header.ended == "timeout" or isinstance(error, Stopped):
            said = f"The forward pass did not end within {header.limit:g} seconds."
            hint, kind = "Look for a loop that does not end, or pass a smaller input.", "timeout"
        else:
            kind, said = type(error).__name__, message(error)
            if isinstance(error, SystemExit):
                said = f"forward() ended the program (SystemExit: {said})."
            hint = hints.hint(self.entries[node], error, self.draft, self.skeleton) if self.entries else ""
            if header.inferred:
                hint = f"The input {header.input_text} was only guessed: if it is wrong, pass your own. {hint}".rstrip()
        place = source.raised(error.__traceback__)
        if place is None and self.entries:
            place = self.entries[node].place or header.caller
        met, received = self._met(node)
        return Failure(
            node,
            naming.cut(kind, 100),
            naming.cut(said, LONGEST_MESSAGE),
            source.record(place, self.sources),
            hint,
            met,
            received,
        )

    def _met(self, node: int) -> tuple[Pairs, Pairs]:
        """The shapes that met in an operator, and those that its module call was given."""
        if not self.entries:
            return (), ()
        entry = self.entries[node]
        shapes = _shapes(entry, self.draft) if entry.module is None else ()
        at = entry.index
        while self.draft.entries[at].module is None and self.draft.entries[at].parent >= 0:
            at = self.draft.entries[at].parent
        return shapes, _shapes(self.draft.entries[at], self.draft)

    def _node(self, at: int, entry: Entry, macs: int, marks: frozenset[Mark]) -> Node:
        parent = -1 if entry.parent < 0 else self.indices[entry.parent]
        inputs = tuple(_argument(item) for item in entry.inputs)
        shared: dict[str, Any] = {
            "index": at,
            "parent": parent,
            "inputs": inputs,
            "outputs": tuple(entry.outputs),
            "macs": macs,
            "marks": marks,
            "message": self._message(entry) if "failed" in marks else "",
            "source": source.record(entry.place, self.sources),
        }
        if entry.module is not None:
            return Node(kind="module", call=entry.call, **shared, **self._module(entry.module))
        path = self._path(entry)
        op = entry.operator
        return Node(
            kind="operator",
            type=operators.label(entry.type),
            qualified=op.qualified if op is not None else "",
            path=path,
            attributes=tuple(Attribute(naming.cut(name, 100), value) for name, value in entry.attributes),
            doc=op.doc if op is not None else "Returns its input unchanged.",
            **shared,
        )

    def _message(self, entry: Entry) -> str:
        """Why it failed; a module fails by the operator in it."""
        return entry.message or self.draft.entries[self.draft.failed].message

    def _path(self, entry: Entry) -> str:
        at = entry.parent
        while at >= 0:
            module = self.draft.entries[at].module
            if module is not None:
                return self.paths.get(id(module), "")
            at = self.draft.entries[at].parent
        return ""

    def _module(self, module: nn.Module) -> dict[str, Any]:
        found = self.described.get(id(module))
        if found is None:
            kind = type(module)
            path = self.paths.get(id(module), "")
            found = self.described[id(module)] = {
                "type": naming.clean(kind.__name__),
                "qualified": describe.qualified(kind),
                "path": path,
                "attributes": describe.settings(module),
                "initializers": tuple(dict.fromkeys(self.own.get(path, ()))),
                "repr": self.describer.text(module),
                "doc": describe.doc(kind),
                "user_hooks": self.skeleton.hooks.get(id(module), 0),
            }
        return found

    def _macs(self) -> list[int]:
        totals = [entry.macs for entry in self.entries]
        for at in range(len(self.entries) - 1, 0, -1):
            parent = self.entries[at].parent
            if parent >= 0:
                totals[self.indices[parent]] += totals[at]
        return totals

    def _marks(self) -> list[frozenset[Mark]]:
        draft = self.draft
        failed, chain = self._failed()
        grown = self._grown()
        used = {
            value
            for entry in self.entries
            if entry.operator or entry.module is None
            for _, values, _ in entry.inputs
            for value in values
        }
        used |= draft.touched | {value for _, values, _ in draft.outputs for value in values}
        found = []
        for entry in self.entries:
            marks = set(entry.marks) - {"failed", "unfinished"}
            if entry.index in grown:
                marks.add("broadcast")
            if entry.index in failed:
                marks.add("failed")
            elif entry.index in chain:
                marks.add("unfinished")
            elif entry.module is None and entry.outputs and used.isdisjoint(entry.outputs) and draft.error is None:
                marks.add("unused")
            found.append(frozenset(marks))
        return found

    def _grown(self) -> set[int]:
        """Operators that broadcast beyond their operands, each with the innermost module call around it."""
        found = set()
        for at, _ in self.draft.grown:
            found.add(at)
            if self.draft.entries[at].parent >= 0:
                found.add(self.draft.entries[at].parent)
        return found

    def _failed(self) -> tuple[set[int], set[int]]:
        """The entry that failed, with the innermost module call around it; and the module calls around that."""
        draft = self.draft
        if draft.error is None or draft.failed < 0:
            return set(), set()
        at = draft.failed
        failed = {at}
        while draft.entries[at].module is None and draft.entries[at].parent >= 0:
            at = draft.entries[at].parent
            failed.add(at)
        chain = set()
        while draft.entries[at].parent >= 0:
            at = draft.entries[at].parent
            chain.add(at)
        return failed, chain

    def _uncalled(self, nodes: list[Node], *, everything: bool) -> list[Node]:
        """Modules that never ran: those that hold parameters, or all of them where nothing ran at all."""
        called: dict[str, int] = {}
        for node in nodes:
            if node.kind == "module":
                called.setdefault(node.path, node.index)
        holding = {part for path in self.own for part in ancestors(path)}
        reached = {part for path in called for part in ancestors(path)}
        found: list[Node] = []
        for path, module in self.registered.values():
            if path in called:
                continue
            passed_through = path in reached and path not in self.own
            if not everything and (passed_through or path not in holding):
                continue
            parent = -1
            if path:
                above = ancestors(path.rpartition(".")[0])
                parent = next((called[part] for part in above if part in called), 0)
            index = len(nodes) + len(found)
            called[path] = index
            found.append(
                Node(
                    index=index,
                    parent=parent,
                    kind="module",
                    marks=frozenset({"uncalled"}),
                    **self._module(module),
                )
            )
        return found


def _shapes(entry: Entry, draft: Draft) -> Pairs:
    found = operands(entry, draft)
    odd = len({kind.dtype for kinds in found.values() for kind in kinds}) > 1 or speaks_of_dtypes(str(draft.error))
    away = len({kind.device for kinds in found.values() for kind in kinds}) > 1

    def text(kind: TensorType) -> str:
        more = ([kind.dtype] if odd else []) + ([f"on {kind.device}"] if away else [])
        return " ".join([flow.shape_text(kind.shape), *more])

    return tuple((name, ", ".join(text(kind) for kind in kinds[:8])) for name, kinds in found.items())


def _argument(item: Flow) -> Argument:
    name, values, stored = item
    return Argument(name, tuple(dict.fromkeys(values)), tuple(dict.fromkeys(stored)))
