"""Save an export with today's weights; compare a file with PyTorch."""

from __future__ import annotations

import contextlib
import dataclasses
import mmap
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from notebookviz.errors import ExportError, MissingExtraError
from notebookviz.files import is_device
from notebookviz.onnx_export.carry import Parcel
from notebookviz.onnx_export.exporter import carried, readable, snapshot_for
from notebookviz.onnx_export.file import ONE_FILE, Draft
from notebookviz.onnx_export.process import Failed, Stages, run_child
from notebookviz.onnx_export.records import LIVE, Comparison, Difference, OnnxExport, SavedOnnx
from notebookviz.onnx_export.tensors import by_name, dtype_name, tensor_bytes
from notebookviz.turns import lock_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import torch

    from notebookviz.onnx_export.records import Cancel, OnProgress

ONNX_TYPES = {
    "float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9, "float16": 10,
    "float64": 11, "uint32": 12, "uint64": 13, "bfloat16": 16, "float8_e4m3fn": 17, "float8_e4m3fnuz": 18,
    "float8_e5m2": 19, "float8_e5m2fnuz": 20, "complex64": 1, "complex128": 11,
}  # fmt: skip


def save(  # noqa: PLR0913 - the options are keywords, and each is documented
    export: OnnxExport,
    model: torch.nn.Module,
    path: str | os.PathLike[str],
    *,
    compare: bool = False,
    functions: bool = False,
    limit: int = ONE_FILE,
    progress: OnProgress | None = None,
    cancel: Cancel | None = None,
) -> SavedOnnx:
    """Write an export to a file with the weights that the model has now.

    The file appears in one step: until it is complete and onnx's checker has passed it, a file of that name stays as it
    is.  Above 2 GB the weights go into a second file beside it.

    Args:
        export: What :func:`export` returned.
        model: The same model.
        path: Where to write.
        compare: Compare the file's outputs with PyTorch's, both on one snapshot of the weights.
        functions: Regroup the graph into nested functions, one for each module.
        limit: Bytes above which the weights go into a file of their own.
        progress: Called with the stage and its seconds so far.
        cancel: An event, or a function that returns whether to stop; nothing is left behind.

    Raises:
        ExportError: It can't be written; the file that was there is as it was.

    Example:
        >>> import os, tempfile, torch
        >>> from notebookviz.onnx_export import export
        >>> model, path = torch.nn.Linear(3, 2), os.path.join(tempfile.mkdtemp(), "linear.onnx")
        >>> saved = save(export(model, (torch.zeros(1, 3),)), model, path)
        >>> saved.path.name
        'linear.onnx'
    """
    target = target_of(path)
    stages = Stages(progress, cancel)
    if functions:
        export = _grouped(export, stages)
    stages.enter("writing")
    with contextlib.ExitStack() as stack:
        snapshot = None
        if not compare:
            stack.enter_context(lock_of(model))  # all weights are those of one step
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="notebookviz-")))
            snapshot = _Snapshot(model, export.call, folder, stages, tuple(export.live.values()))
        draft = Draft(target, limit)
        try:
            values = stack.enter_context(snapshot.reading()) if snapshot is not None else None
            size = draft.write(onnx.ModelProto.FromString(export.graph_bytes), _values(export, model, stages, values))
            _check(draft.temporary, stages)
        except BaseException:
            draft.discard()
            raise
        draft.commit()
        parts = [("export", export.seconds), ("save", round(stages.seconds, 2))]
        check = None
        if snapshot is not None:
            check = _compared(target, snapshot, stages).for_export(export)
            parts.append(("compare", check.seconds))
        return SavedOnnx(
            target,
            draft.data,
            size,
            round(export.seconds + stages.seconds, 2),
            check,
            exporter=export.exporter,
            notes=export.notes,
            parts=tuple(parts),
        )


def compare(  # noqa: PLR0913 - the options are keywords, and each is documented
    file: str | os.PathLike[str] | bytes,
    model: torch.nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    progress: OnProgress | None = None,
    cancel: Cancel | None = None,
) -> Comparison:
    """Compare the outputs of an ONNX file in onnxruntime with PyTorch's, in a child process.

    Both run on two inputs other than the given one, and on another batch size where the file allows it.  The child gets
    the weights through a file in the temporary folder, which it maps into its memory: this process copies one tensor at
    a time, the user's model doesn't run, and a cell that trains it meanwhile can't blur the result.

    Args:
        file: An ONNX file with its weights: its path or its bytes.
        model: The model it was made from.
        args: Positional arguments of forward, as they were exported.
        kwargs: Keyword arguments of forward.
        progress: Called with the stage and its seconds so far.
        cancel: An event, or a function that returns whether to stop.

    Returns:
        The verdict; ``"unknown"`` with the reason where the two can't be compared.

    Example:
        >>> import os, tempfile, torch
        >>> from notebookviz.onnx_export import export
        >>> model, path = torch.nn.Linear(3, 2), os.path.join(tempfile.mkdtemp(), "linear.onnx")
        >>> saved = save(export(model, (torch.zeros(1, 3),)), model, path)
        >>> compare(saved.path, model, (torch.zeros(1, 3),)).verdict
        'agrees'
    """
    stages = Stages(progress, cancel)
    stages.enter("writing")
    with tempfile.TemporaryDirectory(prefix="notebookviz-") as folder:
        path = Path(folder) / "model.onnx"
        if isinstance(file, bytes):
            path.write_bytes(file)
        else:
            path = Path(file).expanduser().resolve()
        snapshot = _Snapshot(model, (tuple(args), dict(kwargs or {})), Path(folder), stages)
        return _compared(path, snapshot, stages)


def check(
    export: OnnxExport, model: torch.nn.Module, *, progress: OnProgress | None = None, cancel: Cancel | None = None
) -> OnnxExport:
    """Compare an export with PyTorch without keeping a file.

    The file is written to the temporary folder for as long as the comparison takes; the graph can be shown meanwhile.

    Args:
        export: What :func:`export` returned.
        model: The same model.
        progress: Called with the stage and its seconds so far.
        cancel: An event, or a function that returns whether to stop.

    Returns:
        The same export with ``check`` filled in.

    Example:
        >>> import torch
        >>> from notebookviz.onnx_export import export
        >>> model = torch.nn.Linear(3, 2)
        >>> check(export(model, (torch.zeros(1, 3),)), model).check.verdict
        'agrees'
    """
    with tempfile.TemporaryDirectory(prefix="notebookviz-") as folder:
        saved = save(export, model, Path(folder) / "model.onnx", compare=True, progress=progress, cancel=cancel)
    return dataclasses.replace(export, check=saved.check)


def external_bytes(export: OnnxExport, model: torch.nn.Module, location: str) -> memoryview:
    """Today's bytes of the weight at an address of the weightless graph, for the page.

    Args:
        export: What :func:`export` returned.
        model: The same model.
        location: ``live/<initializer>``.

    Raises:
        ExportError: There is no such weight, or it has no values.

    Example:
        >>> import torch
        >>> from notebookviz.onnx_export import export
        >>> model = torch.nn.Linear(3, 2)
        >>> external_bytes(export(model, (torch.zeros(1, 3),)), model, "live/bias").nbytes
        8
    """
    key = location.removeprefix(LIVE)
    name = export.live.get(key)
    tensor = by_name(model).get(name) if name is not None else None
    if name is None or tensor is None:
        raise ExportError(
            f"{key} is not a weight of this model.", where=key, hint="The model has changed: export it again."
        )
    return tensor_bytes(tensor, name)


class _Snapshot:
    """Today's weights in a file, with the weightless copy that goes with them."""

    def __init__(
        self,
        model: torch.nn.Module,
        call: tuple[tuple[Any, ...], dict[str, Any]],
        folder: Path,
        stages: Stages,
        also: tuple[str, ...] = (),
    ) -> None:
        with lock_of(model):
            self.parcel = Parcel(model, (*call, None))
            self.path, self.offsets = snapshot_for(self.parcel, model, folder, stages, also)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Callable[[str, int], memoryview]]:
        """Read values back by name and length."""
        with self.path.open("rb") as file:
            if not self.path.stat().st_size:
                yield lambda _name, _length: memoryview(b"")
                return
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            try:
                yield lambda name, length: memoryview(whole[self.offsets[name] : self.offsets[name] + length])
            finally:
                whole.close()


def _values(
    export: OnnxExport, model: torch.nn.Module, stages: Stages, snapshot: Callable[[str, int], memoryview] | None
) -> Callable[[str], memoryview]:
    tensors = by_name(model)
    wanted = {item.name: item for item in onnx.ModelProto.FromString(export.graph_bytes).graph.initializer}

    def value(key: str) -> memoryview:
        stages.check()
        name = export.live[key]
        tensor = tensors.get(name)
        item = wanted[key]
        shape = None if tensor is None else [*tensor.shape, *([2] if tensor.is_complex() else [])]
        if tensor is None or shape != list(item.dims) or ONNX_TYPES.get(dtype_name(tensor.dtype)) != item.data_type:
            now = "is gone" if tensor is None else f"is {dtype_name(tensor.dtype)} {tuple(tensor.shape)} now"
            raise ExportError(
                f"{name} {now}; it was {tuple(item.dims)} when the model was exported.",
                where=name,
                hint="The model has changed: export it again.",
            )
        if snapshot is not None:
            return snapshot(name, tensor.numel() * tensor.element_size())
        return tensor_bytes(tensor, name)

    return value


def target_of(path: str | os.PathLike[str]) -> Path:
    """The file that a path stands for: links followed, ``~`` the home folder.

    Args:
        path: Where to write.

    Raises:
        ExportError: No file can be written there.

    Example:
        >>> target_of("/no such folder/model.onnx")
        Traceback (most recent call last):
        ...
        notebookviz.errors.ExportError: The folder /no such folder does not exist. Make it first.
    """
    target = Path(os.path.realpath(os.path.expanduser(path)))  # noqa: PTH111
    if target.is_dir():
        raise ExportError(
            f"{target} is a folder; a file is wanted.", where=str(target), hint=f"Try {target / 'model.onnx'}."
        )
    if is_device(target):
        raise ExportError(f"{target} is a device, not a file.", where=str(target), hint="Name a file.")
    if not target.parent.is_dir():
        raise ExportError(f"The folder {target.parent} does not exist.", where=str(target), hint="Make it first.")
    if not os.access(target.parent, os.W_OK):
        raise ExportError(
            f"The folder {target.parent} can't be written to.", where=str(target), hint="Choose another folder."
        )
    return target


def regrouped(export: OnnxExport) -> OnnxExport:
    """The export with its graph in nested functions, one for each module; flat, with a note, where that can't be.

    Example:
        >>> import onnx, torch
        >>> from notebookviz.onnx_export import export
        >>> found = regrouped(export(torch.nn.Sequential(torch.nn.ReLU()), (torch.zeros(1, 3),)))
        >>> [each.name for each in onnx.ModelProto.FromString(found.graph_bytes).functions]
        ['0.ReLU']
    """
    return _grouped(export, Stages(None, None))


def _grouped(export: OnnxExport, stages: Stages) -> OnnxExport:
    """The export with its graph in functions; flat, with a note, where that can't be."""
    try:
        answer, blobs = run_child({"task": "regroup"}, [export.graph_bytes], stages)
    except Failed as failed:
        return dataclasses.replace(export, notes=(*export.notes, f"The graph is flat: {failed.what}"))
    return dataclasses.replace(export, graph_bytes=blobs[0], notes=(*export.notes, *answer["notes"]))


def _check(path: Path, stages: Stages) -> None:
    try:
        run_child({"task": "check", "path": str(path)}, [], stages)
    except Failed as failed:
        raise ExportError(
            f"onnx's checker refuses the file: {failed.what}", hint="Please report this model.", report=failed.report
        ) from None


def _compared(path: Path, snapshot: _Snapshot, stages: Stages) -> Comparison:
    began = time.monotonic()
    task = {
        **carried(snapshot.parcel),
        "task": "compare",
        "path": str(path),
        "snapshot": str(snapshot.path),
        "offsets": snapshot.offsets,
    }
    try:
        answer, _ = run_child(task, [snapshot.parcel.pickled, snapshot.parcel.values], stages)
    except Failed as failed:
        return Comparison("unknown", f"Not compared with PyTorch: {readable(failed)}")
    seconds = round(time.monotonic() - began, 2)
    if answer["missing"]:
        return Comparison("unknown", f"Not compared with PyTorch. {MissingExtraError('onnxruntime', extra='runtime')}")
    if answer["reason"]:
        return Comparison("unknown", f"Not compared with PyTorch: {answer['reason'].rstrip('.')}.", seconds=seconds)
    rows = tuple(Difference(**row) for row in answer["differences"])
    return Comparison.of(rows, tuple(answer["notes"]), seconds)
