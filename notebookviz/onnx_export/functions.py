"""A flat ONNX graph regrouped into model-local functions, one for each module, nested as the modules are.

torch.onnx notes with each node which modules were being called.  Operators of one call follow each other, so each call
is a stretch of the graph: it becomes a function, and one node that calls it.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import onnx

from notebookviz.onnx_export.checking import check_graph
from notebookviz.onnx_export.scopes import chains

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from notebookviz.onnx_export.scopes import Chain, ModuleCall

TYPED: Final = 10  # the version of ONNX's file format in which values inside functions have types
CONSTANT: Final = 8192  # bytes up to which a constant stands where it is used; larger ones are passed


def regroup(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Regroup a flat graph into nested functions, one for each module; it computes the same.

    A function is named after the module's path and class.  (ONNX has overloads for that, but onnxruntime does not find
    them inside functions.)  Weights are its inputs, under the names that the initializers have.  A module that is
    called twice is one function with two calls, unless the two differ.

    Args:
        model: A graph that torch.onnx made; it is left as it is.

    Returns:
        The new graph, and sentences on what could not be grouped.

    Raises:
        onnx.checker.ValidationError: The new graph is not valid.

    Example:
        >>> node = onnx.helper.make_node("Relu", ["x"], ["y"], "n")
        >>> for key, value in (("name_scopes", "['', 'act', '']"), ("class_hierarchy", "['Net', 'nn.ReLU', '']")):
        ...     _ = node.metadata_props.add(key=f"pkg.torch.onnx.{key}", value=value)
        >>> x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy")
        >>> model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [y]))
        >>> grouped, notes = regroup(model)
        >>> [(node.op_type, node.name) for node in grouped.graph.node], notes
        ([('act.ReLU', 'act')], ())
    """
    found = chains(model.graph.node)
    if not any(found):
        return model, ("The graph is flat: its exporter does not say which module an operator belongs to.",)
    grouping = _Grouping(model, found)
    grouped = grouping.model()
    check_graph(grouped)
    return grouped, tuple(grouping.notes)


class _Grouping:
    """The state of one regrouping.

    Args:
        model: The flat graph.
        found: For each node the calls that it belongs to, outermost first.
    """

    def __init__(self, model: onnx.ModelProto, found: Sequence[Chain]) -> None:
        self.notes: list[str] = []
        self._flat = model
        self._nodes = list(model.graph.node)
        self._chains = found
        self._opsets = {item.domain: item.version for item in model.opset_import}
        self._functions: list[onnx.FunctionProto] = []
        self._named: dict[tuple[str, str], dict[bytes, str]] = {}
        self._taken: set[str] = set()
        graph = model.graph
        self._types = {item.name: item for item in (*graph.input, *graph.output, *graph.value_info)}
        self._weights = {item.name for item in graph.initializer}
        self._constants = {item.name: item for item in graph.initializer if _is_constant(item)}
        self._uses = [_used(node) for node in self._nodes]
        self._last_use = {name: index for index, names in enumerate(self._uses) for name in names}
        self._last_use.update({item.name: len(self._nodes) for item in graph.output})

    def model(self) -> onnx.ModelProto:
        """The regrouped graph."""
        nodes = self._body(0, len(self._nodes), 0)
        model = onnx.ModelProto()
        model.CopyFrom(self._flat)
        model.ir_version = max(model.ir_version, TYPED)
        model.functions.extend(self._functions)
        new = sorted({item.domain for item in self._functions} - set(self._opsets))
        model.opset_import.extend(onnx.helper.make_opsetid(domain, 1) for domain in new)
        graph = model.graph
        for field, kept in (
            (graph.node, nodes),
            (graph.initializer, _still_used(graph.initializer, nodes, graph.output)),
            (graph.value_info, _still_used(graph.value_info, nodes, graph.output)),
        ):
            items = list(kept)
            del field[:]
            field.extend(items)
        return model

    def _body(self, start: int, stop: int, depth: int) -> list[onnx.NodeProto]:
        """The nodes of a stretch as they are seen from one depth: plain ones, and calls."""
        runs = [
            (call, [index for index, _ in items])
            for call, items in groupby(
                ((index, _at(self._chains[index], depth)) for index in range(start, stop)), key=lambda item: item[1]
            )
        ]
        pieces: dict[ModuleCall, int] = {}
        for call, _ in runs:
            if call is not None:
                pieces[call] = pieces.get(call, 0) + 1
        self.notes += [
            f"{call.name} is in {count} pieces: operators of another module run between its own."
            for call, count in pieces.items()
            if count > 1
        ]
        met = dict.fromkeys(pieces, 0)
        nodes: list[onnx.NodeProto] = []
        for call, indices in runs:
            if call is None:
                nodes += [self._nodes[index] for index in indices]
                continue
            met[call] += 1
            part = f" part {met[call]}" if pieces[call] > 1 else ""
            nodes += self._call(call, part, indices[0], indices[-1] + 1, depth)
        return nodes if depth == 0 else [*self._constants_of(nodes), *nodes]

    def _call(self, call: ModuleCall, part: str, start: int, stop: int, depth: int) -> list[onnx.NodeProto]:
        """A function for a stretch, and the node that calls it; nothing where no one uses what it gives."""
        body = self._body(start, stop, depth + 1)
        made = [name for index in range(start, stop) for name in self._nodes[index].output if name]
        outputs = [name for name in made if self._last_use.get(name, -1) >= stop]
        if not outputs:
            return []
        inside = set(made)
        used = dict.fromkeys(name for names in self._uses[start:stop] for name in names if name not in inside)
        given = sorted((name for name in used if name not in self._constants), key=self._weights.__contains__)
        name = self._function(call, part, body, given, outputs)
        return [onnx.helper.make_node(name, given, outputs, f"{call.name}{part}", domain=call.domain)]

    def _function(
        self, call: ModuleCall, part: str, body: list[onnx.NodeProto], inputs: list[str], outputs: list[str]
    ) -> str:
        """Name of the function with this body: that of an earlier, equal call of the module, or a new one."""
        local = [item for node in body for item in node.output]
        types = [self._types[item] for item in (*inputs, *local) if item in self._types and item not in self._weights]
        known = self._named.setdefault((call.path, call.type), {})
        key = _canonical(body, inputs, outputs, types)
        if key not in known:
            known[key] = self._free(call.function(part))
            imports = [onnx.helper.make_opsetid(item, self._opsets.get(item, 1)) for item in _domains(body)]
            function = onnx.helper.make_function(
                call.domain, known[key], inputs, outputs, body, imports, value_info=types
            )
            function.metadata_props.add(key="module", value=call.path)
            function.metadata_props.add(key="class", value=call.type)
            self._functions.append(function)
        return known[key]

    def _free(self, name: str) -> str:
        while name in self._taken:
            name = f"_{name}"
        self._taken.add(name)
        return name

    def _constants_of(self, nodes: list[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
        """Nodes for the small constants that a body uses: a function has no initializers."""
        for name in dict.fromkeys(name for node in nodes for name in _used(node)):
            if name in self._constants:
                yield onnx.helper.make_node("Constant", [], [name], name, value=self._constants[name])


def _at(chain: Chain, depth: int) -> ModuleCall | None:
    return chain[depth] if depth < len(chain) else None


def _graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _used(node: onnx.NodeProto) -> list[str]:
    """Names that a node uses, those that the graphs inside it take from around it too."""
    names = dict.fromkeys(name for name in node.input if name)
    for graph in _graphs(node):
        own = {item.name for item in (*graph.input, *graph.initializer)}
        own.update(name for each in graph.node for name in each.output)
        inner = [name for each in graph.node for name in _used(each)] + [item.name for item in graph.output]
        names.update(dict.fromkeys(name for name in inner if name not in own))
    return list(names)


def _still_used(
    items: Sequence[Any], nodes: Sequence[onnx.NodeProto], outputs: Sequence[onnx.ValueInfoProto]
) -> list[Any]:
    names = {name for node in nodes for name in (*_used(node), *node.output)} | {item.name for item in outputs}
    return [item for item in items if item.name in names]


def _is_constant(item: onnx.TensorProto) -> bool:
    return item.data_location != onnx.TensorProto.EXTERNAL and item.ByteSize() <= CONSTANT


def _domains(nodes: Sequence[onnx.NodeProto]) -> list[str]:
    found = {node.domain for node in nodes}
    for node in nodes:
        for graph in _graphs(node):
            found.update(_domains(graph.node))
    return sorted(found)


def _canonical(
    body: Sequence[onnx.NodeProto], inputs: Sequence[str], outputs: Sequence[str], types: Sequence[onnx.ValueInfoProto]
) -> bytes:
    """What is equal for two bodies that compute the same from inputs of the same types."""
    names = {name: str(index) for index, name in enumerate(inputs)}
    graph = onnx.helper.make_graph(_plain(body, names), "body", [], [])
    for item in types:
        graph.value_info.add().CopyFrom(item)
        graph.value_info[-1].name = names[item.name]
        del graph.value_info[-1].metadata_props[:]
    graph.doc_string = " ".join(names[name] for name in (*inputs, *outputs))
    return bytes(graph.SerializeToString(deterministic=True))


def _plain(nodes: Sequence[onnx.NodeProto], names: dict[str, str]) -> list[onnx.NodeProto]:
    """Copies of nodes with numbers for names, without what only describes them."""
    copies = []
    for node in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = copy.doc_string = ""
        del copy.metadata_props[:]
        copy.input[:] = [name and names.setdefault(name, str(len(names))) for name in node.input]
        copy.output[:] = [name and names.setdefault(name, str(len(names))) for name in node.output]
        for graph in _graphs(copy):
            for item in (*graph.input, *graph.initializer, *graph.output):
                item.name = names.setdefault(item.name, str(len(names)))
            del graph.value_info[:], graph.metadata_props[:]
            graph.name = graph.doc_string = ""
            inner = _plain(graph.node, names)
            del graph.node[:]
            graph.node.extend(inner)
        for attribute in copy.attribute:
            if attribute.HasField("t"):
                attribute.t.name = ""
        copies.append(copy)
    return copies
