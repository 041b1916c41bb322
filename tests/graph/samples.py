"""Recordings built by hand: small models with everything that the page must draw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from notebookviz.graph.records import (
    Argument,
    Attribute,
    Failure,
    Initializer,
    Mark,
    Node,
    Recording,
    Source,
    TensorType,
    Value,
)

FLOAT = "float32"
HOSTILE = (
    '<img src=x onerror="window.top.pwned=1;window.pwned=1"><script>window.pwned=1</script>\'"\n&lt;b&gt;'
    + "ä" * 10_000
)


@dataclass
class Builder:
    """Adds nodes in the order in which they start."""

    nodes: list[dict[str, Any]] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    initializers: list[Initializer] = field(default_factory=list)

    def value(self, *shape: int) -> int:
        self.values.append(Value(len(self.values), TensorType(FLOAT, shape)))
        return len(self.values) - 1

    def weight(self, name: str, *shape: int, kind: Any = "parameter", **more: Any) -> int:
        device = more.pop("device", "cpu")
        tensor = Initializer(
            len(self.initializers), name, kind, TensorType(FLOAT, shape, device), kind == "parameter", **more
        )
        self.initializers.append(tensor)
        return tensor.index

    def module(self, parent: int, kind: str, path: str, inputs: tuple[int, ...] = (), **more: Any) -> int:
        arguments = (Argument("input", inputs),) if inputs else ()
        return self._add(
            parent=parent, kind="module", type=kind, qualified=f"sample.{kind}", path=path, inputs=arguments, **more
        )

    def operator(
        self,
        parent: int,
        kind: str,
        inputs: tuple[int, ...],
        output: int | None,
        weights: tuple[int, ...] = (),
        **more: Any,
    ) -> int:
        arguments = tuple(Argument(f"input{position}", (value,)) for position, value in enumerate(inputs))
        stored = tuple(Argument(self.initializers[item].name.rpartition(".")[2], (), (item,)) for item in weights)
        outputs = () if output is None else (output,)
        path = self.nodes[parent]["path"]
        return self._add(
            parent=parent,
            kind="operator",
            type=kind,
            qualified=f"torch.{kind}",
            path=path,
            inputs=arguments + stored,
            outputs=outputs,
            **more,
        )

    def _add(self, **row: Any) -> int:
        self.nodes.append({"index": len(self.nodes), **row})
        return len(self.nodes) - 1

    def layer(  # noqa: PLR0913, PLR0917 (a node has so many parts)
        self,
        parent: int,
        kind: str,
        operator: str,
        path: str,
        taken: int,
        shape: tuple[int, ...],
        weights: tuple[int, ...] = (),
        **more: Any,
    ) -> int:
        """A module that holds one operator; returns the value it makes."""
        output = self.value(*shape)
        index = self.module(parent, kind, path, (taken,), outputs=(output,), initializers=weights, **more)
        self.operator(index, operator, (taken,), output, weights)
        return output

    def recording(self, inputs: tuple[Argument, ...], outputs: tuple[Argument, ...], **more: Any) -> Recording:
        nodes = tuple(Node(**row) for row in self.nodes)
        return Recording(
            nodes, tuple(self.values), tuple(self.initializers), inputs, outputs, input_text="1×3×8×8 float32", **more
        )


def residual(blocks: int = 2) -> Recording:
    """A small residual network: nested modules, a module called twice, a module without operators, an unused result."""
    build = Builder()
    root = build.module(-1, "Net", "", (0,))
    source = build.value(1, 3, 8, 8)
    stem = (build.weight("stem.weight", 4, 3, 3, 3), build.weight("stem.bias", 4))
    build.nodes[root]["attributes"] = (Attribute("width", "4"),)
    value = build.layer(
        root,
        "Conv2d",
        "F.conv2d",
        "stem",
        source,
        (1, 4, 8, 8),
        stem,
        repr="Conv2d(3, 4)",
        doc="Applies a convolution.",
        attributes=(Attribute("stride", "(1, 1)"),),
        source=Source("net.py", 7, "forward", "x = self.stem(x)"),
    )
    layers = build.module(root, "Sequential", "layers", (value,))
    for block in range(blocks):
        path = f"layers.{block}"
        index = build.module(layers, "Block", path, (value,))
        counter = build.weight(f"{path}.norm.num_batches_tracked", kind="buffer")
        norm = (build.weight(f"{path}.norm.weight", 4), build.weight(f"{path}.norm.running_mean", 4, kind="buffer"))
        inner = build.layer(index, "BatchNorm2d", "F.batch_norm", f"{path}.norm", value, (1, 4, 8, 8), norm)
        build.nodes[-2]["initializers"] += (counter,)
        inner = build.layer(index, "ReLU", "F.relu", f"{path}.act", inner, (1, 4, 8, 8), call=0)
        weights = (build.weight(f"{path}.conv.weight", 4, 4, 3, 3),)
        inner = build.layer(index, "Conv2d", "F.conv2d", f"{path}.conv", inner, (1, 4, 8, 8), weights)
        inner = build.layer(index, "ReLU", "F.relu", f"{path}.act", inner, (1, 4, 8, 8), call=1)
        after = build.value(1, 4, 8, 8)
        build.operator(index, "+", (value, inner), after)
        build.nodes[index]["outputs"] = (after,)
        value = after
    build.nodes[layers]["outputs"] = (value,)
    passed = build.value(1, 4, 8, 8)
    build.module(root, "Identity", "skip", (value,), outputs=(passed,), marks=frozenset[Mark]({"passthrough"}))
    lost = build.value(1)
    build.operator(root, "mean", (passed,), lost, marks=frozenset[Mark]({"unused"}))
    flat = build.value(1, 256)
    build.operator(root, "torch.flatten", (passed,), flat, attributes=(Attribute("start_dim", "1"),))
    head = (build.weight("fc.weight", 10, 256), build.weight("fc.bias", 10, device="meta"))
    result = build.layer(root, "Linear", "F.linear", "fc", flat, (1, 10), head)
    build.nodes[root]["outputs"] = (result,)
    return build.recording((Argument("x", (source,)),), (Argument("", (result,)),))


def failed() -> Recording:
    """A forward pass that stopped in the second block, at a layer of the wrong width."""
    build = Builder()
    root = build.module(-1, "Net", "", (0,), marks=frozenset[Mark]({"unfinished"}))
    source = build.value(2, 8)
    first = build.module(root, "Block", "first", (source,))
    value = build.layer(
        first, "Linear", "F.linear", "first.fc", source, (2, 16), (build.weight("first.fc.weight", 16, 8),)
    )
    value = build.layer(first, "ReLU", "F.relu", "first.act", value, (2, 16))
    build.nodes[first]["outputs"] = (value,)
    second = build.module(root, "Block", "second", (value,), marks=frozenset[Mark]({"unfinished"}))
    value = build.layer(second, "ReLU", "F.relu", "second.act", value, (2, 16))
    bad = build.module(
        second, "Linear", "second.fc", (value,), marks=frozenset[Mark]({"failed"}), message="10 columns, 16 rows"
    )
    build.operator(
        bad, "F.linear", (value,), None, (build.weight("second.fc.weight", 10, 10),), marks=frozenset[Mark]({"failed"})
    )
    return build.recording((Argument("x", (source,)),), (), failure=Failure(bad, "RuntimeError", "10 columns, 16 rows"))


def stopped() -> Recording:
    """A forward pass that stopped in a recurrent layer, which made its first states before it looked at its input."""
    build = Builder()
    root = build.module(-1, "Net", "", (0,), marks=frozenset[Mark]({"unfinished"}))
    source = build.value(4, 12, 32)
    turned = build.value(4, 32, 12)
    build.operator(root, "transpose", (source,), turned)
    bad = build.module(
        root, "LSTM", "lstm", (turned,), marks=frozenset[Mark]({"failed"}), message="Expected 32, got 12"
    )
    for _ in range(2):
        build.operator(bad, "torch.zeros", (), build.value(1, 4, 64))
    return build.recording((Argument("x", (source,)),), (), failure=Failure(bad, "RuntimeError", "Expected 32, got 12"))


def hostile() -> Recording:
    """Every text is HTML with quotes, a line break and ten thousand characters."""
    build = Builder()
    root = build.module(-1, HOSTILE, "", (0,), doc=HOSTILE, repr=HOSTILE)
    source = build.value(1, 2)
    outer = build.module(root, HOSTILE, HOSTILE, (source,), doc=HOSTILE, attributes=(Attribute(HOSTILE, HOSTILE),))
    weights = (build.weight(f"{HOSTILE}.inner.{HOSTILE}", 2, 2, aliases=(HOSTILE,)),)
    value = build.layer(
        outer,
        HOSTILE,
        HOSTILE,
        f"{HOSTILE}.inner",
        source,
        (1, 2),
        weights,
        doc=HOSTILE,
        repr=HOSTILE,
        message=HOSTILE,
        attributes=(Attribute(HOSTILE, HOSTILE),),
        source=Source(HOSTILE, 1, HOSTILE, HOSTILE),
    )
    last = build.value(1, 2)
    build.operator(outer, HOSTILE, (value,), last, doc=HOSTILE)
    build.nodes[outer]["outputs"] = build.nodes[root]["outputs"] = (last,)
    return build.recording((Argument(HOSTILE, (source,)),), (Argument(HOSTILE, (last,)),), notes=(HOSTILE,))


def tree() -> Recording:
    """No forward pass could be run: modules only, none called."""
    build = Builder()
    uncalled = frozenset[Mark]({"uncalled"})
    root = build.module(-1, "Net", "")
    block = build.module(root, "Sequential", "block", marks=uncalled)
    build.module(block, "Linear", "block.0", marks=uncalled, initializers=(build.weight("block.0.weight", 4, 4),))
    build.module(block, "ReLU", "block.1", marks=uncalled)
    build.module(root, "Linear", "fc", marks=uncalled)
    return build.recording((), (), tensors="none")
