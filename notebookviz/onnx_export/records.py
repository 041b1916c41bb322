"""What an export, a saved file and a comparison leave behind, as frozen records (no torch here)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    Cancel = Callable[[], bool] | threading.Event
    OnProgress = Callable[[str, float], object]

LIVE = "live/"
STAGES = (
    "preparing",
    "starting",
    "rebuilding",
    "tracing",
    "converting",
    "checking",
    "grouping",
    "writing",
    "comparing",
)


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one output of the ONNX file is from PyTorch's, over one input.

    Attributes:
        trial: Which input: ``"new input"``, ``"another new input"`` or ``"batch of 3"``.
        output: Name of the ONNX output.
        absolute: Largest absolute difference; infinite when shapes or NaNs differ.
        relative: The same, divided by the largest magnitude of PyTorch's output.
        limit: The relative difference up to which the two count as equal.
        text: What differs, when it isn't a number: ``"shape (2, 5), wanted (2, 4)"``.
    """

    trial: str
    output: str
    absolute: float
    relative: float
    limit: float
    text: str = ""

    @property
    def agrees(self) -> bool:
        """Whether this output is equal within rounding."""
        return not self.text and self.relative <= self.limit


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outputs of an ONNX file in onnxruntime beside PyTorch's.

    Attributes:
        verdict: ``"agrees"``, ``"wrong"``, ``"uncertain"`` when they agree on the compared inputs but tracing fixed
            what depends on data, or ``"unknown"`` when the two could not be compared.
        sentence: The verdict for people, with the largest differences; or why there is none.
        absolute: Largest absolute difference over all inputs and outputs.
        relative: Largest relative difference (to the largest magnitude of the output concerned).
        differences: One for each input and output.
        notes: What the comparison did not cover, as sentences.
        seconds: Wall-clock seconds.
    """

    verdict: Literal["agrees", "uncertain", "wrong", "unknown"]
    sentence: str
    absolute: float = 0.0
    relative: float = 0.0
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @classmethod
    def of(cls, rows: tuple[Difference, ...], notes: tuple[str, ...] = (), seconds: float = 0.0) -> Comparison:
        """Sum up the differences.

        Args:
            rows: One for each input and output.
            notes: What was not covered.
            seconds: How long it took.

        Example:
            >>> Comparison.of((Difference("new input", "y", 0.5, 0.25, 1e-3),)).sentence
            "WRONG: not what PyTorch computes. Output 'y' on a new input: differs by up to 0.5 (0.25 relative)."
        """
        absolute = max((row.absolute for row in rows), default=0.0)
        relative = max((row.relative for row in rows), default=0.0)
        wrong = [row for row in rows if not row.agrees]
        if wrong:
            worst = max(wrong, key=lambda row: (bool(row.text), row.relative))
            what = worst.text or f"differs by up to {worst.absolute:.2g} ({worst.relative:.2g} relative)"
            output = f"Output {worst.output!r}" if worst.output else "The output"
            sentence = f"WRONG: not what PyTorch computes. {output} on a {worst.trial}: {what}."
            return cls("wrong", sentence, absolute, relative, rows, notes, seconds)
        trials = list(dict.fromkeys(row.trial for row in rows))
        sentence = (
            f"Agrees with PyTorch on {len(trials)} inputs ({', '.join(trials)}): "
            f"largest difference {absolute:.2g}, relative {relative:.2g}."
        )
        return cls("agrees", sentence, absolute, relative, rows, notes, seconds)

    def for_export(self, export: OnnxExport) -> Comparison:
        """The verdict on the file of an export: agreement is uncertain where tracing fixed what depends on data."""
        if self.verdict != "agrees" or not export.frozen:
            return self
        where = "a place" if len(export.frozen) == 1 else f"{len(export.frozen)} places"
        sentence = (
            f"Uncertain: a{self.sentence[1:]} But in {where} tracing fixed a branch or value that depends on the "
            "input, so other inputs may give another result."
        )
        return replace(self, verdict="uncertain", sentence=sentence)


@dataclass(frozen=True, slots=True)
class OnnxExport:
    """A true ONNX export without its weights.

    Attributes:
        exporter: ``"torch.export"``, or ``"TorchScript"`` when the first could not do it.
        graph_bytes: The ONNX model, with each weight as external data at ``live/<initializer>``.
        live: For each such initializer the name of the model's tensor that it stands for.
        nodes: Number of ONNX nodes.
        opset: Version of the ONNX operators.
        dynamic_batch: Whether the first axis of the inputs is free.
        inputs: Names of the ONNX inputs.
        outputs: Names of the ONNX outputs.
        stages: Seconds of each stage, in order.
        seconds: Wall-clock seconds of all of it.
        notes: Sentences for the user: what was fixed, left out or done instead.
        frozen: Those of the notes that name a branch or value which tracing fixed to the example's.
        check: The comparison with PyTorch, once it was made.
        call: The arguments it was exported with, kept for the comparison.
    """

    exporter: Literal["torch.export", "TorchScript"]
    graph_bytes: bytes = field(repr=False)
    live: dict[str, str] = field(repr=False)
    nodes: int
    opset: int
    dynamic_batch: bool
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    stages: tuple[tuple[str, float], ...]
    seconds: float
    notes: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    check: Comparison | None = None
    call: tuple[tuple[Any, ...], dict[str, Any]] = field(default=((), {}), repr=False)

    @property
    def sentence(self) -> str:
        """One line for the status bar."""
        batch = "any batch size" if self.dynamic_batch else "fixed batch size"
        return f"Exported by {self.exporter} in {self.seconds:.1f} s: {self.nodes} nodes, opset {self.opset}, {batch}."


@dataclass(frozen=True, slots=True)
class SavedOnnx:
    """An ONNX file on disk.

    Attributes:
        path: The file.
        data: The file beside it that holds the weights, when they don't fit into one file of 2 GB.
        nbytes: Bytes on disk, both together.
        seconds: Wall-clock seconds of all of it: exporting, saving and comparing.
        check: The comparison with PyTorch, if one was asked for.
        exporter: Which exporter made it: ``"torch.export"`` or ``"TorchScript"``.
        notes: The export's sentences for the user: what was fixed, left out or done instead.
        parts: The seconds of each part: ``"export"``, ``"save"`` and ``"compare"``.
    """

    path: Path
    data: Path | None
    nbytes: int
    seconds: float
    check: Comparison | None = None
    exporter: str = ""
    notes: tuple[str, ...] = ()
    parts: tuple[tuple[str, float], ...] = ()

    @property
    def sentence(self) -> str:
        """What was written, by what, how long it took, the verdict, and the export's notes."""
        size = f"{self.nbytes / (1 << 20):.1f} MB"
        parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.parts)
        saved = f"Saved {self.path} ({size}) by {self.exporter} in {self.seconds:.1f} s ({parts})."
        verdict = (self.check.sentence,) if self.check is not None else ()
        return " ".join((saved, *verdict, *self.notes))


class OnnxWarning(UserWarning):
    """A saved ONNX file gives, or may give, something else than PyTorch."""


def warn_of(saved: SavedOnnx) -> None:
    """Warn, at the line that called the caller, of a file that is wrong or may be.

    Args:
        saved: What was written.
    """
    if saved.check is not None and saved.check.verdict in ("wrong", "uncertain"):
        warnings.warn(f"{saved.path}: {saved.check.sentence}", OnnxWarning, stacklevel=3)
