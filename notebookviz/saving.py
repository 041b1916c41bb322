"""What a panel saves: pages, pictures, texts of what is drawn, and ONNX files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notebookviz.errors import InputError
from notebookviz.files import write_atomically
from notebookviz.serving.protocol import Answer

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    import traitlets

    from notebookviz.graph.visible import Visible
    from notebookviz.jobs import Job
    from notebookviz.onnx_export.records import SavedOnnx
    from notebookviz.parts import Parts, View
    from notebookviz.pictures import Pictures
    from notebookviz.question import Question


class Saving:
    """The part of :class:`notebookviz.panel.Panel` that saves; it is nothing by itself."""

    if TYPE_CHECKING:  # what the panel has
        _parts: Parts
        _pictures: Pictures
        state: traitlets.Dict[str, Any]

        @property
        def title(self) -> str:
            """What is shown."""

        def _view(self) -> View: ...
        def _start_export(self, options: Mapping[str, Any], path: str | None, asked: Question | None) -> Job[Any]: ...

    def save_html(self, path: str | os.PathLike[str], *, weights: int = 0) -> None:
        """Save the panel as one HTML file that needs no kernel and no network.

        Args:
            path: The file to write.
            weights: Bytes of weights to include at most, the smallest tensors first: their values open in the file.

        Raises:
            InputError: The file can't be written, or ``weights`` is no number of bytes.

        Example:
            >>> panel.save_html("model.html", weights=1_000_000)  # doctest: +SKIP
        """
        if not isinstance(weights, int) or isinstance(weights, bool) or weights < 0:
            raise InputError(f"weights is {weights!r}; it is a number of bytes.", hint="For example weights=1_000_000.")
        write_atomically(path, self._parts.page(self, True, weights).html.encode())  # noqa: FBT003 - named in Parts

    def save_svg(self, path: str | os.PathLike[str]) -> None:
        """Save what is drawn as an SVG picture; the page that draws the panel makes it.

        Args:
            path: The file to write.

        Raises:
            NotebookvizError: No page draws this panel.

        Example:
            >>> panel.save_svg("model.svg")  # doctest: +SKIP
        """
        write_atomically(path, self._pictures.fetch("svg"))

    def save_png(self, path: str | os.PathLike[str]) -> None:
        """Save what is drawn as a PNG picture; all else is as for :meth:`save_svg`.

        Example:
            >>> panel.save_png("model.png")  # doctest: +SKIP
        """
        write_atomically(path, self._pictures.fetch("png"))

    def to_dot(self) -> str:
        """What is visible as text for Graphviz.

        Example:
            >>> pathlib.Path("model.dot").write_text(panel.to_dot())  # doctest: +SKIP
        """
        from notebookviz.graph.diagram import dot

        return dot(self._drawn(self.state))

    def to_mermaid(self) -> str:
        """What is visible as text for Mermaid, which GitHub and JupyterLab draw in Markdown.

        Example:
            >>> print(panel.to_mermaid())  # doctest: +SKIP
        """
        from notebookviz.graph.diagram import mermaid

        return mermaid(self._drawn(self.state))

    def save_onnx(  # noqa: PLR0913 - the options are keywords, and each is documented
        self,
        path: str | os.PathLike[str],
        *,
        opset: int | None = None,
        input_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        dynamic_shapes: object = None,
        dynamic_batch: bool = True,
        confirm: Callable[[int], bool] | None = None,
        compare: bool = True,
        functions: bool = False,
        **unknown: object,
    ) -> SavedOnnx:
        """Export the model to an ONNX file, compare it with PyTorch, and wait for it.

        Args:
            path: The file to write; it is replaced only once the export has succeeded.
            opset: Version of the ONNX operators; None takes torch's own choice.
            input_names: Names of the ONNX inputs; None takes forward's.
            output_names: Names of the ONNX outputs; None takes the keys of what forward returns.
            dynamic_shapes: Free axes as for ``torch.export.export``; an axis may be a name: ``{"x": {0: "batch"}}``.
            dynamic_batch: Leave the first axis of the inputs free where the model allows.
            confirm: Asked with a number of bytes before the TorchScript exporter takes more than 1 GB.
            compare: Compare the file's outputs with PyTorch's.
            functions: Regroup the graph into nested functions, one for each module.
            **unknown: Refused, with the names of the options.

        Returns:
            The report: file, verdict, notes and times.  A verdict of ``"wrong"`` or ``"uncertain"`` is also warned of.

        Raises:
            InputError: There is no such option.
            ExportError: It failed; the message is one sentence, ``report`` is all of it.

        Example:
            >>> panel.save_onnx("model.onnx", opset=20).check.verdict  # doctest: +SKIP
            'agrees'
        """
        import os

        from notebookviz.onnx_export.records import warn_of

        options = {
            "opset": opset,
            "input_names": input_names,
            "output_names": output_names,
            "dynamic_shapes": dynamic_shapes,
            "dynamic_batch": dynamic_batch,
            "confirm": confirm,
            "compare": compare,
            "functions": functions,
        }
        if unknown:
            raise InputError(
                f"save_onnx() got {', '.join(f'{name}=' for name in unknown)}; "
                f"its options are {', '.join(f'{name}=' for name in options)}.",
                hint="See help(panel.save_onnx).",
            )
        saved: SavedOnnx = self._start_export(options, os.fspath(path), None).wait()
        warn_of(saved)
        return saved

    def _html_asked(self, _: Mapping[str, Any]) -> Answer:
        name = "".join(each if each.isalnum() or each in "-_." else "_" for each in self.title)[:80] or "model"
        return Answer({"name": f"{name}.html"}, (self._parts.page(self, True, 0).html.encode(),))  # noqa: FBT003

    def _text_asked(self, params: Mapping[str, Any]) -> Answer:
        from notebookviz.graph.diagram import dot, mermaid

        makers: dict[str, Callable[[], str]] = {
            "csv": self._view().table.to_csv,
            "dot": lambda: dot(self._drawn(params)),
            "mermaid": lambda: mermaid(self._drawn(params)),
        }
        return Answer({}, (makers[str(params.get("kind"))]().encode("utf-8", "replace"),))

    def _drawn(self, state: Mapping[str, Any]) -> Visible:
        from notebookviz.graph.visible import visible

        recording = self._view().recording
        opened = [item for item in state.get("opened") or [0] if isinstance(item, int)]
        inside = state.get("inside")
        if not isinstance(inside, int) or not 0 <= inside < len(recording.nodes) + len(recording.folds):
            inside = 0
        return visible(recording, opened, inside)
