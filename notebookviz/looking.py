"""A model with its inputs: looks at it, answers for its tensors and its export, and can let go of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch

from notebookviz.capture import capture
from notebookviz.capture.arguments import check_model, normalise
from notebookviz.capture.inputs import inferred
from notebookviz.capture.tensors import resolve
from notebookviz.errors import ExportError, InputError, NotebookvizError
from notebookviz.fingerprint import fingerprint
from notebookviz.graph.encode import pack
from notebookviz.graph.fold import fold
from notebookviz.hold import Hold
from notebookviz.modules import Modules
from notebookviz.parts import View
from notebookviz.serving.protocol import Answer
from notebookviz.turns import lock_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from notebookviz.graph.records import Recording
    from notebookviz.jobs import Job, Task
    from notebookviz.onnx_export import OnnxExport, SavedOnnx
    from notebookviz.question import Question

SAVING = {"compare": True, "functions": False}  # options of writing the file; the others are the export's


class Looking:
    """What one :func:`notebookviz.show` looks at.

    Args:
        model: The model.
        inputs: Inputs of forward as they were given.
        kwargs: Keyword inputs of forward.
        options: ``input_size``, ``dtypes`` and ``mode``.
    """

    def __init__(
        self, model: nn.Module, inputs: tuple[Any, ...], kwargs: Mapping[str, Any] | None, options: dict[str, Any]
    ) -> None:
        self.hold = Hold(check_model(model))
        self._inputs: tuple[tuple[Any, ...], dict[str, Any]] | None = (inputs, dict(kwargs or {}))
        self._options = options
        self._recording: Recording | None = None
        self._exported: OnnxExport | None = None

    def look(self, changes: Mapping[str, Any]) -> View:
        """Trace the model as it is now; another ``input_size`` or ``input`` as text takes the place of the inputs."""
        model = self.model()
        inputs, options = self._given(), self._options
        if changes.get("input") is not None:
            from notebookviz.capture.typed_input import typed

            inputs = typed(model, str(changes["input"]), self._known(model))
            options = {**options, "input_size": None, "dtypes": None}
        elif changes.get("input_size") is not None:
            inputs = ((), {})
            options = {**options, "input_size": changes["input_size"], "dtypes": None}
        with lock_of(model):
            recording = fold(capture(model, *inputs, **options))
        self._inputs, self._options = inputs, options
        self._recording = recording
        self._exported = None
        paths = [node.path for node in recording.nodes if node.kind == "module"]
        packed = pack(recording, Modules(model).expressions(paths))
        return View(packed, recording, self.mark())

    def recording(self) -> Recording:
        """The present recording.

        Raises:
            InputError: The model was not looked at yet.
        """
        if self._recording is None:
            raise InputError("The model was not looked at yet.", hint="Call look() first.")
        return self._recording

    def mark(self) -> object:
        """What changes when the model does; None once it is gone."""
        model = self.hold.get()
        return fingerprint(model) if isinstance(model, torch.nn.Module) else None

    def release(self) -> None:
        """Let go of the inputs, and of those that an export keeps."""
        self._inputs = None
        self._exported = None

    def model(self) -> nn.Module:
        """The model.

        Raises:
            InputError: It is gone.
        """
        model = self.hold.get()
        if model is None:
            raise InputError(
                "The panel has let go of its model, and nothing else in the kernel holds it.",
                hint="Run the cell that shows it again.",
            )
        return model

    def tensor(self, params: Mapping[str, Any]) -> Answer:
        """The present values of one tensor."""
        from notebookviz.tensor_bytes import tensor_bytes

        name = str(params.get("name", ""))
        model = self.model()
        with lock_of(model):
            found = tensor_bytes(resolve(model, name), name=name)
        facts = {
            "dtype": found.dtype,
            "shape": list(found.shape),
            "metrics": [list(item) for item in found.metrics],
            "description": found.description,
        }
        return Answer(facts, (found.data,))

    def parameters(self, params: Mapping[str, Any]) -> Answer:
        """The present values of what one module itself holds: numbers, histograms, and filters as pixels."""
        from notebookviz.module_values import module_values

        model, path = self.model(), str(params.get("path", ""))
        module = Modules(model).at(path)
        if module is None:
            raise InputError(f"The model holds no module {path[:200]!r} any more.", hint="Refresh the view.")
        with lock_of(model):  # between two steps of its training
            facts, pixels = module_values(module)
        return Answer(facts, (pixels,))

    def smallest(self, limit: int) -> dict[str, tuple[Mapping[str, Any], bytes]]:
        """The present values of the smallest tensors, as many as fit into so many bytes: facts and bytes by name."""
        found: dict[str, tuple[Mapping[str, Any], bytes]] = {}
        tensors = self._recording.initializers if self._recording is not None else ()
        for tensor in sorted(tensors, key=lambda each: each.type.nbytes):
            limit -= tensor.type.nbytes
            if limit < 0:
                break
            with suppress(NotebookvizError):  # without values on the meta device
                answer = self.tensor({"name": tensor.name})
                found[tensor.name] = (answer.result, bytes(answer.buffers[0]))
        return found

    def file(self, params: Mapping[str, Any]) -> Answer:
        """The exported graph, without weights; with ``functions`` each module is a function of it."""
        exported = self._export()
        facts: dict[str, Any] = {"name": f"{type(self.model()).__name__}.onnx"}
        if not params.get("functions"):
            return Answer(facts, (exported.graph_bytes,))
        from notebookviz.onnx_export import regrouped

        found = regrouped(exported)
        return Answer({**facts, "notes": list(found.notes[len(exported.notes) :])}, (found.graph_bytes,))

    def external(self, params: Mapping[str, Any]) -> Answer:
        """The present values of one weight of the exported graph."""
        from notebookviz.onnx_export import external_bytes

        location = str(params.get("name", ""))
        return Answer({}, (bytes(external_bytes(self._export(), self.model(), location)),))

    def export(
        self, options: Mapping[str, Any], path: str | None, question: Question | None = None
    ) -> Job[OnnxExport | SavedOnnx]:
        """A job that exports the model, and with ``path`` writes the file and compares it with PyTorch.

        Where the second exporter needs much memory, ``question`` is asked; without one it is not tried.
        """
        from notebookviz.jobs import Job

        def work(task: Task) -> OnnxExport | SavedOnnx:
            from notebookviz import onnx_export

            def progress(stage: str, _: float) -> None:
                task.stage(stage)

            def cancel() -> bool:
                return task.cancelled

            def confirm(needed: int) -> bool:
                size = f"{needed / 1e9:.1f} GB"
                text = (
                    f"torch.export could not do it. The TorchScript exporter can be tried; it needs {size} of memory."
                )
                return question is not None and question.ask(text, f"Use {size}", given_up)

            def given_up() -> bool:
                return task.cancelled or not self.hold.held

            task.stage("preparing")
            if path is not None:
                onnx_export.target_of(path)
            to_save = {name: bool(options.get(name, default)) for name, default in SAVING.items()}
            given = {name: value for name, value in options.items() if name not in SAVING and value is not None}
            model = self.model()
            args, kwargs = self._call(model)
            exported = onnx_export.export(
                model, args, kwargs, **{"confirm": confirm, **given}, progress=progress, cancel=cancel
            )
            self._exported = exported
            if path is None:
                return exported
            return onnx_export.save(exported, model, path, **to_save, progress=progress, cancel=cancel)

        return Job("export", work, subject=self.model(), describe=self._describe)

    def _describe(self, result: OnnxExport | SavedOnnx) -> str:
        from notebookviz.onnx_export.records import OnnxExport

        if isinstance(result, OnnxExport):
            return " ".join((result.sentence, *result.notes))
        return result.sentence

    def _export(self) -> OnnxExport:
        if self._exported is None:
            raise ExportError("The model has not been exported yet.", hint="Press Export.")
        return self._exported

    def _given(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return self._inputs if self._inputs is not None else ((), {})

    def _call(self, model: nn.Module) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments that were traced."""
        call = self._known(model)
        if call is None:
            raise ExportError(
                f"No input is known for this {type(model).__name__}, so it can't be exported.",
                hint="Pass an input: show(model, x).",
            )
        return call

    def _known(self, model: nn.Module) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """The arguments that were given, or else those that were inferred."""
        args, kwargs = self._given()
        call = normalise(model, args, kwargs, self._options.get("input_size"), self._options.get("dtypes"))
        if call is not None or self._recording is None or not self._recording.input_inferred:
            return call
        return inferred(model, self._recording.input_text)
