"""The recording as one compact JSON object: what the page and the panel read.

The layout is documented in ``docs/architecture.md``; ``notebookviz/viewer/js/recording.js`` reads it.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

from notebookviz.graph.totals import fold_totals, module_totals, output_bytes
from notebookviz.graph.tree import Tree, opening

if TYPE_CHECKING:
    from collections.abc import Mapping

    from notebookviz.graph.records import Argument, Fold, Node, Recording, Source, TensorType
    from notebookviz.graph.totals import Totals

FORMAT = 1


def encode(recording: Recording, expressions: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Turn a recording into plain JSON data.

    Args:
        recording: What capture returned.
        expressions: What to write in Python behind the model's name, by path of a module.

    Returns:
        A dictionary of JSON types only; keys with empty values are left out of the nodes.
    """
    totals = module_totals(recording)
    tree = Tree(recording)
    nodes = []
    for node in recording.nodes:
        row = _node(node)
        if node.kind == "module":
            row["expression"] = (expressions or {}).get(node.path, "")
            held = totals.get(node.path)
            if held is not None:
                row["params"] = held.params
                row["trainable"] = held.trainable
            if tree.is_leaf(node.index):
                row["leaf"] = 1
        row["bytes"] = output_bytes(recording, node.index)
        nodes.append({key: value for key, value in row.items() if value})
    root = totals.get("")
    return {
        "format": FORMAT,
        "model": recording.root.type,
        "mode": recording.mode,
        "input": recording.input_text,
        "inferred": recording.input_inferred,
        "tensors": recording.tensors,
        "seconds": round(recording.seconds, 4),
        "notes": list(recording.notes),
        "failure": _failure(recording),
        "totals": {
            "params": root.params if root else 0,
            "trainable": root.trainable if root else 0,
            "bytes": root.param_bytes if root else 0,
            "macs": recording.root.macs,
        },
        "nodes": nodes,
        "values": [_type(value.type) for value in recording.values],
        "initializers": [
            {
                "name": tensor.name,
                "kind": tensor.kind,
                "type": _type(tensor.type),
                "trainable": tensor.trainable,
                "aliases": list(tensor.aliases),
            }
            for tensor in recording.initializers
        ],
        "inputs": [_argument(item) for item in recording.inputs],
        "outputs": [_argument(item) for item in recording.outputs],
        "folds": [
            _fold(recording, fold, held) for fold, held in zip(recording.folds, fold_totals(recording), strict=True)
        ],
        "opened": opening(recording),
    }


def pack(recording: Recording, expressions: Mapping[str, str] | None = None) -> bytes:
    """Encode a recording as gzipped UTF-8 JSON."""
    text = json.dumps(encode(recording, expressions), separators=(",", ":"), ensure_ascii=False)
    return gzip.compress(text.encode("utf-8", "surrogatepass"), 6, mtime=0)


def _fold(recording: Recording, fold: Fold, totals: Totals) -> dict[str, Any]:
    return {
        "parent": fold.parent,
        "nodes": list(fold.members),
        "repeats": fold.repeats,
        "type": fold.type,
        "name": fold.name,
        "marks": sorted(fold.marks),
        "macs": sum(recording.nodes[index].macs for index in fold.members),
        "params": totals.params,
        "trainable": totals.trainable,
        "bytes": sum(output_bytes(recording, index) for index in fold.members),
    }


def _node(node: Node) -> dict[str, Any]:
    return {
        "parent": node.parent,
        "kind": node.kind,
        "type": node.type,
        "qualified": node.qualified,
        "path": node.path,
        "call": node.call,
        "inputs": [_argument(item) for item in node.inputs],
        "outputs": list(node.outputs),
        "attributes": [[item.name, item.value] for item in node.attributes],
        "initializers": list(node.initializers),
        "macs": node.macs,
        "marks": sorted(node.marks),
        "message": node.message,
        "repr": node.repr,
        "doc": node.doc,
        "source": _source(node.source),
        "hooks": node.user_hooks,
    }


def _argument(argument: Argument) -> list[Any]:
    return [argument.name, list(argument.values), list(argument.initializers)]


def _type(kind: TensorType) -> list[Any]:
    return [kind.dtype, list(kind.shape), kind.device]


def _source(source: Source | None) -> list[Any] | None:
    return None if source is None else [source.file, source.line, source.function, source.code]


def _failure(recording: Recording) -> dict[str, Any] | None:
    failure = recording.failure
    if failure is None:
        return None
    return {
        "node": failure.node,
        "kind": failure.kind,
        "message": failure.message,
        "source": _source(failure.source),
        "hint": failure.hint,
        "shapes": [list(item) for item in failure.shapes],
        "received": [list(item) for item in failure.received],
    }
