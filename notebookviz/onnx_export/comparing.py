"""In the export process: the file in onnxruntime beside the model in PyTorch, on inputs that the export never saw."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from notebookviz.onnx_export.batching import Batch
from notebookviz.onnx_export.rebuilding import FlatOutputs, OnlyCpu, Rebuilt, bound_arguments, real_maker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Call = tuple[tuple[Any, ...], dict[str, Any]]

LIMITS = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}
OPPOSITE = 2
SEEDS = (("new input", 1), ("second new input", OPPOSITE))


class UncomparableError(Exception):
    """The two can't be compared; the message says why."""


def compare(
    task: dict[str, Any], blobs: list[bytes], enter: Callable[[str], None]
) -> tuple[dict[str, Any], list[bytes]]:
    """Do the task ``compare``.

    Args:
        task: Specs, the snapshot of the weights, and the path of the ONNX file.
        blobs: The pickled model, and the values that travelled.
        enter: Told of each stage.
    """
    enter("comparing")
    try:
        import onnxruntime
    except ImportError:
        return _unknown("onnxruntime is not installed", missing=True)
    rebuilt = Rebuilt(task, blobs[0], real_maker(task["snapshot"], task["offsets"], blobs[1]))
    torch_side = _TorchSide(rebuilt, on_device=bool(task["devices"]))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(task["path"], options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  (onnxruntime has a class for each of its reasons)
        return _unknown(f"onnxruntime can't load the file: {_first_line(error)}")
    try:
        rows, notes = _trials(torch_side, session)
        if any(row["text"] or not row["relative"] <= row["limit"] for row in rows) and torch_side.wavers():
            return _unknown("forward gives another result each time it runs")
    except UncomparableError as reason:
        return _unknown(str(reason))
    return {"differences": rows, "notes": notes, "reason": "", "missing": False}, []


class _TorchSide:
    """PyTorch's own outputs, in eval mode, on the values of the snapshot."""

    def __init__(self, rebuilt: Rebuilt, *, on_device: bool) -> None:
        self.model = rebuilt.model
        self.example: Call = (tuple(rebuilt.args), dict(rebuilt.kwargs))
        self.names = [name for name, _ in self.named(self.example)]
        self.batch = Batch.of(self.example)
        self.size = self.batch.size
        self._on_device = on_device
        self._last: tuple[Call, list[torch.Tensor]] | None = None
        if not isinstance(self.model, torch.jit.ScriptModule):
            FlatOutputs(self.model)

    def run(self, call: Call) -> list[torch.Tensor]:
        """Outputs for one call."""
        args, kwargs = pytree.tree_map(lambda item: item.clone() if isinstance(item, torch.Tensor) else item, call)
        with OnlyCpu() if self._on_device else contextlib.nullcontext():
            outputs = self.model(*args, **kwargs)
        found = [item.detach() for item in pytree.tree_leaves(outputs) if isinstance(item, torch.Tensor)]
        self._last = (call, found)
        return found

    def wavers(self) -> bool:
        """Whether the same input gives another output."""
        if self._last is None:
            return False
        call, before = self._last
        pairs = zip(self.run(call), before, strict=False)
        return any(a.shape != b.shape or not torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs)

    def named(self, call: Call) -> list[tuple[str, torch.Tensor]]:
        """Tensor inputs with the name of forward's parameter they belong to."""
        found: list[tuple[str, torch.Tensor]] = []
        for name, value in bound_arguments(self.model, *call).items():
            found += [(name, item) for item in pytree.tree_leaves(value) if isinstance(item, torch.Tensor)]
        return found

    def variants(self, seed: int, size: int) -> Iterator[Call]:
        """New inputs like the example, the boldest first: ids over the whole vocabulary, then over less."""
        rows = [module.num_embeddings for module in self.model.modules() if isinstance(module, torch.nn.Embedding)]
        vocabularies = sorted({max(rows), min(rows)}, reverse=True) if rows else []
        example = self.batch.resized(self.example, size)
        names = {id(item): name for name, item in self.named(example)}
        # The second input has another scale and sign, so that a branch on data is more likely to go the other way.
        factor = -3.0 if seed == OPPOSITE else 1.0
        for vocabulary, scale in dict.fromkeys((*((item, factor) for item in (*vocabularies, 0)), (0, 1.0))):
            generator = torch.Generator().manual_seed(seed)

            def new(
                item: Any,  # noqa: ANN401
                vocabulary: int = vocabulary,
                generator: torch.Generator = generator,
                scale: float = scale,
            ) -> Any:  # noqa: ANN401
                if not isinstance(item, torch.Tensor):
                    return item
                name = names.get(id(item), "")
                varied = _varied(item, name, generator, vocabulary)
                real = varied.dtype.is_floating_point or varied.dtype.is_complex
                return varied * scale if real and "mask" not in name.lower() else varied

            yield self.batch.mapped(example, new, new)


def _varied(item: torch.Tensor, name: str, generator: torch.Generator, vocabulary: int) -> torch.Tensor:
    if "mask" in name.lower() or not item.numel():
        return item
    if item.dtype.is_floating_point:
        noise = torch.randn(item.shape, generator=generator).to(item.dtype)
        spread = item.double().std().item() if item.numel() > 1 else 0.0
        return noise * spread + item.double().mean().item() if spread > 0 and math.isfinite(spread) else noise
    if item.dtype.is_complex:
        return torch.randn(item.shape, generator=generator, dtype=item.dtype)
    if vocabulary > 1 and item.dtype in (torch.int32, torch.int64):
        return torch.randint(0, vocabulary, item.shape, generator=generator, dtype=item.dtype)
    order = torch.randperm(item.numel(), generator=generator)
    return item.reshape(-1)[order].reshape(item.shape)


def _trials(side: _TorchSide, session: Any) -> tuple[list[dict[str, Any]], list[str]]:  # noqa: ANN401
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    before: list[torch.Tensor] = []
    for label, seed in SEEDS:
        call, expected = _run_first(side, seed, side.size)
        if _same(call, side.example):
            notes.append("The inputs could not be varied, so the file was compared on the exported input.")
        rows += _compare_one(label, session, _feed(side, call, session), expected)
        if before and all(
            one.shape == other.shape and torch.equal(one, other) for one, other in zip(before, expected, strict=False)
        ):
            notes.append("PyTorch gives the same output for different inputs, so the comparison says little.")
        before = expected
    free = any(item.shape and isinstance(item.shape[0], str) for item in session.get_inputs())
    if not free:
        fixed = f"The batch size is fixed at {side.size}" if side.size else "The inputs have no batch"
        notes.append(f"{fixed}, so no other was compared.")
        return rows, notes
    size = 3 if side.size != 3 else 2  # noqa: PLR2004
    try:
        call, expected = _run_first(side, 3, size)
    except UncomparableError as reason:
        notes.append(f"A batch of {size} was not compared: {reason}.")
        return rows, notes
    label = f"batch of {size}"
    try:
        rows += _compare_one(label, session, _feed(side, call, session), expected)
    except UncomparableError as reason:
        rows.append(_row((label, ""), math.inf, math.inf, 0.0, str(reason)))
    return rows, notes


def _run_first(side: _TorchSide, seed: int, size: int) -> tuple[Call, list[torch.Tensor]]:
    reason = ""
    found: tuple[Call, list[torch.Tensor]] | None = None
    for call in side.variants(seed, size):
        try:
            found = call, side.run(call)
        except Exception as error:  # noqa: BLE001  (the next variant may suit the model)
            reason = _first_line(error)
            continue
        if all(item.isfinite().all() for item in found[1]):  # else a milder variant may tell more
            return found
    if found is not None:
        return found
    raise UncomparableError(f"PyTorch's own forward failed on a new input ({reason})")


def _same(one: Call, other: Call) -> bool:
    pairs = zip(pytree.tree_leaves(one), pytree.tree_leaves(other), strict=True)
    return all(torch.equal(a, b) for a, b in pairs if isinstance(a, torch.Tensor))


def _feed(side: _TorchSide, call: Call, session: Any) -> dict[str, Any]:  # noqa: ANN401
    wanted = [item.name for item in session.get_inputs()]
    named = side.named(call)
    if set(wanted) <= {name for name, _ in named} and len({name for name, _ in named}) == len(named):
        given = {name: tensor for name, tensor in named if name in wanted}
    else:
        leaves = [item for item in pytree.tree_leaves(call) if isinstance(item, torch.Tensor)]
        if len(leaves) != len(wanted):
            raise UncomparableError(f"the file has {len(wanted)} inputs and the model was given {len(leaves)}")
        given = dict(zip(wanted, leaves, strict=True))
    try:
        return {name: tensor.numpy() for name, tensor in given.items()}
    except TypeError as error:
        raise UncomparableError(f"onnxruntime can't be given this input: {error}") from error


def _compare_one(label: str, session: Any, feed: dict[str, Any], expected: list[torch.Tensor]) -> list[dict[str, Any]]:  # noqa: ANN401
    try:
        got = [torch.as_tensor(item) for item in session.run(None, feed)]
    except Exception as error:
        raise UncomparableError(f"onnxruntime failed: {_first_line(error)}") from error
    names = [item.name for item in session.get_outputs()]
    if len(got) != len(expected):
        return [_row((label, ""), math.inf, math.inf, 0.0, f"{len(got)} outputs, wanted {len(expected)}")]
    return [_difference(label, name, one, other) for name, one, other in zip(names, got, expected, strict=True)]


def _difference(label: str, name: str, got: torch.Tensor, wanted: torch.Tensor) -> dict[str, Any]:
    limit = LIMITS.get(wanted.dtype, 0.0)
    if wanted.is_complex():
        wanted, limit = torch.view_as_real(wanted), LIMITS[torch.float32]
    if got.shape != wanted.shape:
        return _row((label, name), math.inf, math.inf, limit, f"shape {tuple(got.shape)}, wanted {tuple(wanted.shape)}")
    if not wanted.numel():
        return _row((label, name), 0.0, 0.0, limit)
    one, other = got.double(), wanted.double()
    if not torch.equal(one.isnan(), other.isnan()) or not torch.equal(one.isinf(), other.isinf()):
        return _row((label, name), math.inf, math.inf, limit, "infinite or missing numbers in other places")
    finite = other.isfinite()
    gap = (one - other)[finite].abs()
    absolute = gap.max().item() if gap.numel() else 0.0
    largest = other[finite].abs().max().item() if gap.numel() else 0.0
    return _row((label, name), absolute, absolute / largest if largest else absolute, limit)


def _row(where: tuple[str, str], absolute: float, relative: float, limit: float, text: str = "") -> dict[str, Any]:
    trial, output = where
    return {"trial": trial, "output": output, "absolute": absolute, "relative": relative, "limit": limit, "text": text}


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _unknown(reason: str, *, missing: bool = False) -> tuple[dict[str, Any], list[bytes]]:
    return {"differences": [], "notes": [], "reason": reason, "missing": missing}, []
