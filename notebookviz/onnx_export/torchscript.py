"""In the export process: the TorchScript exporter, tried second; it needs the weights."""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_ir as ir
import torch
from torch.utils import _pytree as pytree

from notebookviz.onnx_export.batching import Batch
from notebookviz.onnx_export.failure import Explained
from notebookviz.onnx_export.rebuilding import (
    FlatOutputs,
    OnlyCpu,
    OpenModules,
    Rebuilt,
    bound_arguments,
    real_maker,
    unique,
)
from notebookviz.onnx_export.tensors import by_name
from notebookviz.onnx_export.tidying import tidy
from notebookviz.onnx_export.tracing import address

if TYPE_CHECKING:
    from collections.abc import Callable


def export(
    task: dict[str, Any], blobs: list[bytes], enter: Callable[[str], None]
) -> tuple[dict[str, Any], list[bytes]]:
    """Do the task ``torchscript``.

    Args:
        task: Specs, options, the snapshot of the weights, and a folder to write in.
        blobs: The pickled model, and the values that travelled.
        enter: Told of each stage.
    """
    enter("rebuilding")
    rebuilt = Rebuilt(task, blobs[0], real_maker(task["snapshot"], task["offsets"], blobs[1]))
    flat = FlatOutputs(rebuilt.model) if not isinstance(rebuilt.model, torch.jit.ScriptModule) else None
    opened = OpenModules(rebuilt.model)
    path = Path(task["folder"]) / "torchscript.onnx"
    args, kwargs = tuple(rebuilt.args), dict(rebuilt.kwargs)
    names = task["input_names"] or _input_names(rebuilt.model, args, kwargs)
    batch = Batch.of((args, kwargs)) if task["dynamic_batch"] else Batch(0, frozenset())
    given = batch.tensors((args, kwargs))
    free = [name for name, (_, batched) in zip(names, given, strict=False) if batched]
    enter("tracing")
    with OnlyCpu() if task["devices"] else contextlib.nullcontext(), opened.watching():
        try:
            outputs = rebuilt.model(*args, **kwargs)
            out_names = task["output_names"] or _output_names(flat, outputs)
            outs = outputs if isinstance(outputs, tuple) else (outputs,)
            freed = [
                name
                for name, item in zip(out_names, outs, strict=False)
                if free and item.dim() and item.shape[0] == batch.size
            ]
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                torch.onnx.export(
                    rebuilt.model,
                    args,
                    str(path),
                    kwargs=kwargs,
                    dynamo=False,
                    opset_version=task["opset"],
                    input_names=names,
                    output_names=out_names,
                    dynamic_axes={name: {0: "batch"} for name in (*free, *freed)},
                    training=torch.onnx.TrainingMode.PRESERVE,
                    do_constant_folding=False,
                )
        except BaseException as error:
            raise Explained(error, "tracing", opened.innermost) from error
    enter("checking")
    model = ir.load(path)
    live = _swap_weights(model, rebuilt)
    proto = tidy(model, live)
    used = {item.name for item in proto.graph.initializer}
    return {
        "live": {key: name for key, name in live.items() if key in used},
        "nodes": len(proto.graph.node),
        "opset": model.opset_imports.get("", 0),
        "dynamic_batch": bool(free),
        "inputs": [item.name for item in proto.graph.input],
        "outputs": [item.name for item in proto.graph.output],
        "notes": ["TorchScript keeps the way that the example input takes through the model, and sizes may be fixed."],
        "frozen": _frozen(caught),
    }, [proto.SerializeToString()]


def _frozen(caught: list[warnings.WarningMessage]) -> list[tuple[str, str, int]]:
    """What the tracer fixed to the example's values: what happened, the file and the line."""
    own = os.path.dirname(torch.__file__) + os.sep  # noqa: PTH120
    found: dict[tuple[str, str, int], None] = {}
    for item in caught:
        traced = issubclass(item.category, torch.jit.TracerWarning)  # type: ignore[attr-defined]
        if traced and not item.filename.startswith(own):
            what = str(item.message).partition(" might cause")[0].partition(". ")[0].strip()
            found[what, item.filename, item.lineno] = None
    return list(found)


def _input_names(model: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    names = []
    for name, value in bound_arguments(model, args, kwargs).items():
        leaves = [item for item in pytree.tree_leaves(value) if isinstance(item, torch.Tensor)]
        names += [name] if len(leaves) == 1 else [f"{name}_{index}" for index in range(len(leaves))]
    return unique(names)


def _output_names(flat: FlatOutputs | None, outputs: Any) -> list[str]:  # noqa: ANN401
    names = flat.names if flat is not None else [""] * len(pytree.tree_leaves(outputs))
    return unique([f"output_{name}" if name.isdigit() else name or "output" for name in names])


def _swap_weights(model: ir.Model, rebuilt: Rebuilt) -> dict[str, str]:
    """Put an address in place of each initializer that has the name, type, shape and value of a tensor of the model."""
    held = by_name(rebuilt.model)
    names = rebuilt.names()
    live: dict[str, str] = {}
    for key, value in model.graph.initializers.items():
        tensor, const = held.get(key), value.const_value
        if (
            tensor is None
            or const is None
            or tuple(const.shape) != tuple(tensor.shape)
            or const.nbytes != _nbytes(tensor)
        ):
            continue
        if const.tobytes() != bytes(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()):
            continue
        live[key] = names.get(id(tensor), key)
        value.const_value = address(key, const)
    return live


def _nbytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
