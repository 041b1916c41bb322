"""In the export process: ``torch.export``, then ``torch.onnx``, on fake tensors."""

from __future__ import annotations

import ast
import contextlib
import re
from typing import TYPE_CHECKING, Any

import onnx_ir as ir
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils import _pytree as pytree

from notebookviz.onnx_export.batching import Batch
from notebookviz.onnx_export.failure import Explained, conversion_place
from notebookviz.onnx_export.rebuilding import (
    FlatOutputs,
    OnlyCpu,
    OpenModules,
    Rebuilt,
    bound_arguments,
    fake_maker,
    unique,
)
from notebookviz.onnx_export.records import LIVE
from notebookviz.onnx_export.scopes import CALLS, SCOPES
from notebookviz.onnx_export.tidying import tidy

if TYPE_CHECKING:
    from collections.abc import Callable

OLDEST = 18
PRIVATE = ("pkg.torch.onnx.stack_trace", "pkg.torch.export.ExportedProgram.graph_signature")


def export(
    task: dict[str, Any], blobs: list[bytes], enter: Callable[[str], None]
) -> tuple[dict[str, Any], list[bytes]]:
    """Do the task ``export``.

    Args:
        task: Specs and options.
        blobs: The pickled model, and the values that travelled.
        enter: Told of each stage.
    """
    if task["opset"] is not None and task["opset"] < OLDEST:
        raise ValueError(f"torch.export writes opset {OLDEST} or newer, and {task['opset']} was asked for")
    enter("rebuilding")
    mode = FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv())
    rebuilt = Rebuilt(task, blobs[0], fake_maker(mode, blobs[1]))
    flat = FlatOutputs(rebuilt.model)
    opened = OpenModules(rebuilt.model)
    enter("tracing")
    notes = exportable_experts(rebuilt.model)
    with OnlyCpu() if task["devices"] else contextlib.nullcontext(), opened.watching():
        try:
            program, dynamic = _trace(task, rebuilt, mode, notes)
        except BaseException as error:
            raise Explained(error, "tracing", opened.innermost) from error
    enter("converting")
    try:
        onnx_program = torch.onnx.export(
            program,
            dynamo=True,
            optimize=False,
            verbose=False,
            opset_version=task["opset"],
            input_names=task["input_names"],
            output_names=task["output_names"] or _output_names(flat.names),
        )
    except BaseException as error:
        raise Explained(error, "converting", conversion_place(error, program)) from error
    assert onnx_program is not None  # noqa: S101
    model = onnx_program.model
    names = dynamic.names(model)
    _rename_dims(model, names)
    live = _swap_weights(model, rebuilt)
    for properties in (model.graph.metadata_props, *(node.metadata_props for node in model.graph.all_nodes())):
        for key in PRIVATE:
            properties.pop(key, None)
    _number_calls(model, onnx_program.exported_program)
    enter("checking")
    proto = tidy(model, live)
    used = {item.name for item in proto.graph.initializer}
    live = {key: name for key, name in live.items() if key in used}
    if flat.left_out:
        notes.append(f"Outputs of type {', '.join(sorted(flat.left_out))} are not tensors and are left out.")
    return {
        "live": live,
        "nodes": len(proto.graph.node),
        "opset": model.opset_imports.get("", 0),
        "dynamic_batch": bool(names) and dynamic.batch,
        "inputs": [item.name for item in proto.graph.input],
        "outputs": [item.name for item in proto.graph.output],
        "notes": notes,
    }, [proto.SerializeToString()]


class _Dynamic:
    """Which axes are free, and what they are called."""

    def __init__(self, shapes: Any, names: list[tuple[int, int, str]], *, batch: bool) -> None:  # noqa: ANN401
        self.shapes = shapes
        self.batch = batch
        self._names = names

    def names(self, model: ir.Model) -> dict[str, str]:
        """New name of each symbol, read from the inputs of the graph that came out."""
        found: dict[str, str] = {}
        for index, axis, name in self._names:
            if index < len(model.graph.inputs):
                shape = model.graph.inputs[index].shape
                dim = shape[axis] if shape is not None and axis < len(shape) else None
                symbol = dim.value if isinstance(dim, ir.SymbolicDim) else None
                if symbol and symbol not in found:
                    taken = set(found.values())
                    found[symbol] = name if name not in taken else f"{name}_{len(taken)}"
        return found


def _trace(
    task: dict[str, Any], rebuilt: Rebuilt, mode: FakeTensorMode, notes: list[str]
) -> tuple[torch.export.ExportedProgram, _Dynamic]:
    args, kwargs = tuple(rebuilt.args), dict(rebuilt.kwargs)
    if rebuilt.extra is not None:
        shapes, names = _user_shapes(rebuilt.extra)
        with _any_size():
            program = torch.export.export(rebuilt.model, args, kwargs, dynamic_shapes=shapes, strict=False)
        return program, _Dynamic(shapes, names, batch=any(axis == 0 for _, axis, _ in names))
    batch = Batch.of((args, kwargs))
    if task["dynamic_batch"] and batch.size:
        try:
            return _trace_dynamic(rebuilt, args, kwargs, mode, batch)
        except Exception as error:  # noqa: BLE001  (whatever it was: the static export decides)
            reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        notes.append(
            f"The batch size is fixed at {batch.size}: with a free one the export failed ({reason.rstrip('.')})."
        )
    program = torch.export.export(rebuilt.model, args, kwargs, strict=False)
    return program, _Dynamic(None, [], batch=False)


def _trace_dynamic(
    rebuilt: Rebuilt, args: tuple[Any, ...], kwargs: dict[str, Any], mode: FakeTensorMode, batch: Batch
) -> tuple[torch.export.ExportedProgram, _Dynamic]:
    example = (args, kwargs)
    if batch.size == 1:  # torch.export takes a size of 1 for a constant
        example = batch.mapped(example, lambda item: _repeated(item, mode))
    args, kwargs = example
    tensors = batch.tensors(example)
    free = {id(tensor) for tensor, batched in tensors if batched}
    shapes = pytree.tree_map(
        lambda item: {0: torch.export.Dim.AUTO} if id(item) in free else None,
        bound_arguments(rebuilt.model, args, kwargs),
    )
    program = torch.export.export(rebuilt.model, args, kwargs, dynamic_shapes=shapes, strict=False)
    found = [
        node.meta["val"]
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in program.graph_signature.user_inputs
    ]
    found = [item for item in found if isinstance(item, torch.Tensor)]
    if any(batched and isinstance(new.shape[0], int) for new, (_, batched) in zip(found, tensors, strict=True)):
        raise ValueError("the model turns it into a constant")
    return program, _Dynamic(
        shapes, [(index, 0, "batch") for index, (_, batched) in enumerate(tensors) if batched], batch=True
    )


def exportable_experts(model: torch.nn.Module) -> list[str]:
    """Ask transformers' mixtures of experts for the form that ONNX can express; returns what was done, as notes."""
    changed = False
    for module in model.modules():
        config = getattr(module, "config", None)
        if getattr(config, "_experts_implementation", "batched_mm") != "batched_mm":
            with contextlib.suppress(AttributeError, TypeError, ValueError):
                config._experts_implementation = "batched_mm"  # type: ignore[union-attr]  # noqa: SLF001
                changed = True
    # Every configuration of transformers has the setting; only some models have experts.
    has = any("expert" in type(module).__name__.lower() for module in model.modules())
    note = "The experts were exported in their batched form (experts_implementation='batched_mm')."
    return [note] if changed and has else []


def _repeated(tensor: torch.Tensor, mode: FakeTensorMode) -> torch.Tensor:
    if isinstance(tensor, FakeTensor):
        with mode:
            return torch.cat([tensor, tensor])
    return torch.cat([tensor, tensor])


@contextlib.contextmanager
def _any_size() -> Any:  # noqa: ANN401
    """Axes of length 0 and 1 may be dynamic too, where this torch knows how."""
    from torch.fx.experimental import _config

    patch = getattr(_config, "patch", None)
    if patch is None or not hasattr(_config, "backed_size_oblivious"):
        yield
        return
    with patch(backed_size_oblivious=True):
        yield


def _user_shapes(shapes: Any) -> tuple[Any, list[tuple[int, int, str]]]:  # noqa: ANN401
    """Axis names given as text become dynamic axes; returns their names by input and axis too."""
    names: list[tuple[int, int, str]] = []
    position = 0

    def visit(item: Any) -> Any:  # noqa: ANN401
        nonlocal position
        if item is None or (isinstance(item, dict) and (not item or all(isinstance(key, int) for key in item))):
            index, position = position, position + 1
            if item is None:
                return None
            names.extend(
                (index, axis, dim if isinstance(dim, str) else getattr(dim, "__name__", ""))
                for axis, dim in item.items()
            )
            return {axis: torch.export.Dim.AUTO if isinstance(dim, str) else dim for axis, dim in item.items()}
        if isinstance(item, dict):
            return {key: visit(value) for key, value in item.items()}
        if isinstance(item, list | tuple):
            return type(item)(visit(value) for value in item)
        return item

    result = visit(shapes)
    return result, [item for item in names if item[2] and item[2] not in ("AUTO", "DYNAMIC", "STATIC")]


def _output_names(names: list[str]) -> list[str] | None:
    """Names from the structure that forward returned, unless it returned one bare tensor or a tuple."""
    if all(name.isdigit() or not name for name in names):
        return None
    return unique(names)


def _rename_dims(model: ir.Model, names: dict[str, str]) -> None:
    if not names:
        return
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, names)) + r")\b")
    values = [
        *model.graph.inputs,
        *model.graph.outputs,
        *(value for node in model.graph.all_nodes() for value in node.outputs),
    ]
    for value in values:
        if value.shape is not None and not value.shape.is_static():
            value.shape = ir.Shape(
                [
                    pattern.sub(lambda hit: names[hit[1]], dim.value)
                    if isinstance(dim, ir.SymbolicDim) and dim.value
                    else dim
                    for dim in value.shape
                ]
            )


def _number_calls(model: ir.Model, program: torch.export.ExportedProgram | None) -> None:
    """Note with each node which call of its modules it belongs to, where that is not the first."""
    if program is None:
        return
    keys: dict[str, dict[str, int]] = {}
    numbers: dict[str, list[int]] = {}
    for node in program.graph.nodes:
        stack = node.meta.get("nn_module_stack") or {}
        found = []
        for key, (path, _) in stack.items():
            known = keys.setdefault(path, {})
            found.append(known.setdefault(key, len(known)))
        if any(found):
            numbers[node.name] = found
    for node in model.graph.all_nodes() if numbers else ():
        try:
            name = ast.literal_eval(node.metadata_props.get(SCOPES, "[]"))[-1:]
        except (ValueError, SyntaxError):
            continue
        if name and name[0] in numbers:
            node.metadata_props[CALLS] = str(numbers[name[0]])


def _swap_weights(model: ir.Model, rebuilt: Rebuilt) -> dict[str, str]:
    """Put an address in place of each weight; drop those that no node uses."""
    names = rebuilt.names()
    pointers = {
        _pointer(tensor): rebuilt.specs[index].name for index, tensor in rebuilt.tensors.items() if _pointer(tensor)
    }
    # ONNX has no complex initializers: torch.onnx splits them into real and imaginary parts, under the same name.
    complexes = {
        (spec.name, (*spec.shape, 2)): spec.name for spec in rebuilt.specs if spec.name and spec.torch_dtype.is_complex
    }
    live: dict[str, str] = {}
    outputs = set(model.graph.outputs)
    for key, value in list(model.graph.initializers.items()):
        if not value.uses() and value not in outputs:
            del model.graph.initializers[key]
            continue
        raw = getattr(value.const_value, "raw", None)
        if not isinstance(raw, torch.Tensor):
            continue
        name = names.get(id(raw)) or pointers.get(_pointer(raw)) or complexes.get((key, tuple(raw.shape)), "")
        if name:
            live[key] = name
            value.const_value = address(key, value.const_value)
        elif isinstance(raw, FakeTensor):
            raise Explained(
                ValueError(
                    f"The model uses a tensor of shape {tuple(raw.shape)} that is neither a parameter nor a buffer "
                    f"({key}), and it is too large to be carried as a constant. Register it with register_buffer()."
                ),
                "converting",
                None,
            )
    return live


def address(key: str, tensor: Any) -> ir.ExternalTensor:  # noqa: ANN401
    """What stands in the graph for a weight: where the page and the file writer ask for it."""
    return ir.ExternalTensor(
        location=LIVE + key, offset=0, length=tensor.nbytes, dtype=tensor.dtype, shape=tensor.shape, name=key
    )


def _pointer(tensor: torch.Tensor) -> tuple[Any, ...] | None:
    if isinstance(tensor, FakeTensor) or not tensor.numel():
        return None
    return tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride()
