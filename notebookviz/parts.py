"""What ``api`` hands to a panel: records and callables."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from notebookviz.graph.records import Recording
    from notebookviz.hold import Hold
    from notebookviz.jobs import Job
    from notebookviz.question import Question
    from notebookviz.serving.protocol import Method, Page
    from notebookviz.serving.server import Server
    from notebookviz.table import ModuleTable
    from notebookviz.training import TrainingTab


@dataclass
class View:
    """One look at a model: what is drawn, and the table beside it.

    Attributes:
        graph: The packed recording.
        recording: The recording.
        mark: What changes when the model does.
    """

    graph: bytes
    recording: Recording
    mark: object = None

    @cached_property
    def table(self) -> ModuleTable:
        """The module table of the recording, made when it is first wanted."""
        from notebookviz.table import ModuleTable

        return ModuleTable(self.recording)


@dataclass
class Parts:
    """What ``api`` hands to a panel: callables for all that needs computing.

    Attributes:
        hold: The model, which the panel can let go of.
        methods: What a route can be asked, beside what the panel answers itself.
        page: Builds the document for a plain browser, or for a file (``saved``), with so many bytes of weights.
        view: The first look; None for a file.
        trace: Looks again, with another input size or none.
        mark: The model's present mark; None when it can't be told.
        export: Makes the job of an ONNX export from its options, the file to write, and who is asked for much memory.
        fallback: HTML shown where no script runs, and the same as text.
        script: The script that a notebook keeps, to open the panel without the widget; ``""`` while there is
            none.
        release: Lets go of the inputs.
        serve: Starts the loopback server, or finds it; None where no port can be opened.
        training: The Fine-tune tab; None for a file.
    """

    hold: Hold[Any]
    methods: Mapping[str, Method]
    page: Callable[[Any, bool, int], Page]
    view: View | None = None
    trace: Callable[[Mapping[str, Any]], View] | None = None
    mark: Callable[[], object] = lambda: None
    export: Callable[[Mapping[str, Any], str | None, Question | None], Job[Any]] | None = None
    fallback: Callable[[Any], tuple[str, str]] = lambda _: ("", "")
    script: Callable[[Any], str] = lambda _: ""
    release: Callable[[], None] = lambda: None
    training: TrainingTab | None = None
    serve: Callable[[], Server | None] = lambda: None
    opened: list[int] = field(default_factory=lambda: [0])
