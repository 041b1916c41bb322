"""The export, seen from the kernel: a weightless copy goes to a child process, a graph comes back."""

from __future__ import annotations

import linecache
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import torch

from notebookviz.errors import ExportError, InputError
from notebookviz.onnx_export.carry import Parcel
from notebookviz.onnx_export.process import Failed, Stages, run_child
from notebookviz.onnx_export.records import OnnxExport
from notebookviz.onnx_export.tensors import by_name, dtype_name, write_snapshot
from notebookviz.turns import lock_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from notebookviz.onnx_export.records import Cancel, OnProgress

ASK_ABOVE = 1_000_000_000
OLDEST = 9  # of the TorchScript exporter; torch.export begins at 18


def export(  # noqa: PLR0913 - the options are keywords, and each is documented
    model: torch.nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    opset: int | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_shapes: object = None,
    dynamic_batch: bool = True,
    confirm: Callable[[int], bool] | None = None,
    progress: OnProgress | None = None,
    cancel: Cancel | None = None,
) -> OnnxExport:
    """Export a model in memory to ONNX, without its weights, in a child process.

    The model is exported in eval mode, from a copy that has no weights; the model itself is only read.  The caller's
    process does nothing but wait, so this may run in any thread.  When ``torch.export`` can't do it, the TorchScript
    exporter is tried, which needs the weights in the child.

    Args:
        model: Any module, on any device.
        args: Positional arguments of forward.
        kwargs: Keyword arguments of forward.
        opset: Version of the ONNX operators; None takes torch's own choice.
        input_names: Names of the ONNX inputs; None takes forward's.
        output_names: Names of the ONNX outputs; None takes the keys of what forward returns.
        dynamic_shapes: Free axes as for ``torch.export.export``; an axis may be a name: ``{"x": {0: "batch"}}``.
        dynamic_batch: Leave the first axis of the inputs free where the model allows; not used with ``dynamic_shapes``.
        confirm: Asked with a number of bytes before the TorchScript exporter takes more than 1 GB for the weights.
        progress: Called with the stage and its seconds so far.
        cancel: An event, or a function that returns whether to stop; the child is gone within a second.

    Returns:
        The graph, with an address in place of each weight.

    Raises:
        InputError: No exporter writes this opset.
        ExportError: It failed; the message is one sentence, ``report`` is all of it.

    Example:
        >>> result = export(torch.nn.Linear(3, 2), (torch.zeros(1, 3),))
        >>> result.exporter, result.live["weight"], result.dynamic_batch
        ('torch.export', 'weight', True)
    """
    _check_opset(opset)
    stages = Stages(progress, cancel)
    stages.enter("preparing")
    call = (tuple(args), dict(kwargs or {}))
    with lock_of(model):
        parcel = Parcel(model, (*call, dynamic_shapes))
    task = {
        **carried(parcel),
        "task": "export",
        "opset": opset,
        "input_names": list(input_names) if input_names else None,
        "output_names": list(output_names) if output_names else None,
        "dynamic_batch": dynamic_batch,
    }
    notes = _hook_notes(parcel)
    frozen: tuple[str, ...] = ()
    try:
        answer, blobs = run_child(task, [parcel.pickled, parcel.values], stages)
        exporter = "torch.export"
    except Failed as first:
        notes.append(f"torch.export could not do it, so TorchScript was used. {readable(first).what}")
        answer, blobs = _second(model, parcel, task, first, confirm, stages)
        exporter = "TorchScript"
        frozen = tuple(_frozen_note(*item) for item in answer["frozen"])
    return OnnxExport(
        exporter="torch.export" if exporter == "torch.export" else "TorchScript",
        graph_bytes=blobs[0],
        live=answer["live"],
        nodes=answer["nodes"],
        opset=answer["opset"],
        dynamic_batch=answer["dynamic_batch"],
        inputs=tuple(answer["inputs"]),
        outputs=tuple(answer["outputs"]),
        stages=tuple(stages.finished),
        seconds=round(stages.seconds, 2),
        notes=(*notes, *answer["notes"], *frozen),
        frozen=frozen,
        call=call,
    )


def needs_weights_bytes(model: torch.nn.Module) -> int:
    """Bytes of memory that the TorchScript exporter takes in the child: the weights, and the file it builds of them.

    Example:
        >>> needs_weights_bytes(torch.nn.Linear(3, 2, bias=False))
        48
    """
    tensors = {tensor.data_ptr(): tensor for tensor in by_name(model).values()}
    return 2 * sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def carried(parcel: Parcel) -> dict[str, Any]:
    """The part of a task that describes the weightless copy."""
    return {
        "specs": [spec.to_json() for spec in parcel.specs],
        "devices": parcel.devices,
        "default_dtype": dtype_name(torch.get_default_dtype()),
    }


def readable(failed: Failed, extra: str = "") -> ExportError:
    """The child's failure as the error for the user, with the line of code where that is known."""
    what = failed.what
    if failed.source is not None:
        file, line, function = failed.source
        code = linecache.getline(file, line).strip()
        shown = f"`{code}`, " if code else ""
        what = f"{what.rstrip('.')} ({shown}{Path(file).name}:{line} in {function})."
    return ExportError(f"{what}{extra}", where=failed.where, hint=failed.hint, report=failed.report)


def _check_opset(opset: int | None) -> None:
    if opset is None:
        return
    newest = _newest_opset()
    if isinstance(opset, bool) or not isinstance(opset, int) or not OLDEST <= opset <= newest:
        raise InputError(
            f"opset={opset!r} is not possible; it wants a whole number from {OLDEST} to {newest}.",
            where="opset",
            hint="Leave it away for torch's own choice.",
        )


def _newest_opset() -> int:
    """The newest that torch.onnx writes: as far as onnxscript's converter goes, where it says so."""
    from onnxscript import version_converter

    inner = getattr(version_converter, "_version_converter", None)
    newest: int = onnx.defs.onnx_opset_version()
    return min(newest, getattr(inner, "SUPPORTED_MAX_ONNX_OPSET", newest))


def _frozen_note(what: str, file: str, line: int) -> str:
    code = linecache.getline(file, line).strip()
    shown = f"`{code}`, " if code else ""
    kept = "the example's branch was kept" if what.endswith("boolean") else "the example's value was kept"
    return f"{what} ({shown}{Path(file).name}:{line}): {kept}, whatever the input."


def _second(  # noqa: PLR0913, PLR0917 - one step of export(), with all that it knows
    model: torch.nn.Module,
    parcel: Parcel,
    task: dict[str, Any],
    first: Failed,
    confirm: Callable[[int], bool] | None,
    stages: Stages,
) -> tuple[dict[str, Any], list[bytes]]:
    needed = needs_weights_bytes(model)
    if needed > ASK_ABOVE and not (confirm is not None and confirm(needed)):
        raise readable(
            first,
            f" The TorchScript exporter was not tried: it needs {needed / 1e9:.1f} GB of memory. "
            "Allow it with confirm=lambda size: True.",
        )
    if any(spec.name and spec.offset < 0 for spec in parcel.specs) and _is_weightless(model):
        raise readable(first, " The TorchScript exporter needs weights, and these are on the meta device.")
    stages.enter("writing")
    with tempfile.TemporaryDirectory(prefix="notebookviz-") as folder:
        try:
            with lock_of(model):
                snapshot, offsets = snapshot_for(parcel, model, Path(folder), stages)
            script = {**task, "task": "torchscript", "snapshot": str(snapshot), "offsets": offsets, "folder": folder}
            return run_child(script, [parcel.pickled, parcel.values], stages)
        except Failed as second:
            error = readable(first, " The TorchScript exporter failed too.")
            error.report = f"{first.report}\n\nThe TorchScript exporter\n\n{second.report}"
            raise error from None


def snapshot_for(
    parcel: Parcel, model: torch.nn.Module, folder: Path, stages: Stages, also: tuple[str, ...] = ()
) -> tuple[Path, dict[str, int]]:
    """Write the values that the copy needs into a file, for a child that computes.

    Args:
        parcel: The weightless copy.
        model: The live model.
        folder: Where to write.
        stages: Asked whether to stop, before each tensor.
        also: Names of more tensors to write.

    Raises:
        ExportError: No room, or a tensor has no values.
    """
    tensors = by_name(model)
    names = [*(spec.name for spec in parcel.specs if spec.name and spec.offset < 0), *also]
    needed = {name: tensors[name] for name in names if name in tensors}
    size = sum(tensor.numel() * tensor.element_size() for tensor in needed.values())
    free = shutil.disk_usage(folder).free
    if size > free:
        raise ExportError(
            f"The weights take {size / 1e6:.0f} MB and {folder} has {free / 1e6:.0f} MB left.",
            hint="Free some space, or set TMPDIR to another folder.",
        )
    path = folder / "weights"
    return path, write_snapshot(needed, path, stages.check)


def _is_weightless(model: torch.nn.Module) -> bool:
    return any(tensor.is_meta for tensor in by_name(model).values())


def _hook_notes(parcel: Parcel) -> list[str]:
    notes = []
    if parcel.dropped:
        hooks = "hook of yours was" if parcel.dropped == 1 else "hooks of yours were"
        notes.append(f"{parcel.dropped} forward {hooks} left out.")
    if parcel.devices:
        notes.append(f"The model is on {', '.join(parcel.devices)}; its copy was exported on the CPU.")
    return notes
