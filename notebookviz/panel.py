"""The widget: traits, messages and lifecycle.  It computes nothing; ``api`` hands it callables."""

from __future__ import annotations

import itertools
import secrets
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import anywidget
import traitlets
from ipywidgets import widget_serialization

from notebookviz import carrier, cells, selection
from notebookviz import overlay as overlaid
from notebookviz.assets import LOADER, Assets, assets
from notebookviz.errors import InputError, NotebookvizError
from notebookviz.outputs import Outputs
from notebookviz.pictures import Pictures
from notebookviz.question import Question
from notebookviz.saving import Saving
from notebookviz.serving.protocol import Answer, Method, answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import EllipsisType

    from torch import nn

    from notebookviz.graph.records import Recording
    from notebookviz.jobs import Job, Progress
    from notebookviz.parts import Parts, View
    from notebookviz.serving.protocol import Page
    from notebookviz.serving.server import Server
    from notebookviz.table import ModuleTable

GRACE: Final = 20.0  # seconds without a view before the model is let go of
_STATE_KEYS: Final = frozenset(
    {"opened", "selected", "inside", "view", "options", "split", "height", "tab", "overlay", "tuning"}
)

_open: weakref.WeakSet[Any] = weakref.WeakSet()
_numbers = itertools.count()


class Panel(Saving, anywidget.AnyWidget):
    """A model on the screen; what :func:`notebookviz.show` returns.

    Example:
        >>> panel = show(model)  # doctest: +SKIP
        >>> panel.expand("layer1.0")  # doctest: +SKIP
        >>> panel.selected  # doctest: +SKIP
    """

    _esm = LOADER

    assets = traitlets.Instance(Assets).tag(sync=True, **widget_serialization)
    subject = traitlets.Dict().tag(sync=True)
    graph = traitlets.Bytes().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    served = traitlets.Dict().tag(sync=True)
    status = traitlets.Dict().tag(sync=True)
    overlays: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    height = traitlets.Int(600).tag(sync=True)
    awaited = traitlets.Bool(default_value=False).tag(sync=True)

    def __init__(self, subject: Mapping[str, Any], *, height: int = 600, awaited: bool = False) -> None:
        """Tell the front end of a panel, which is not displayed yet.

        Args:
            subject: Facts for the header: ``{"kind": "structure"|"file", "name": …}``.
            height: Height in pixels.
            awaited: It will be displayed in a moment, so the front end may start its page.
        """
        self._parts: Parts
        self._server: Server | None = None
        self._lock = threading.RLock()
        self._job: Job[Any] | None = None
        self._question = Question(self._question_changed)
        self._pictures = Pictures(
            lambda kind, number: self._event("picture", {"kind": kind, "number": number}), self._picture_came
        )
        self._grace: threading.Timer | None = None
        self._closed = True
        self._told = False
        self._driven = False
        self._events = itertools.count()
        self._turns: dict[str, int] = {}
        self.run = cells.current_run()
        self.number = next(_numbers)
        self._methods: dict[str, Method] = {}
        self.key = secrets.token_hex(16)
        served = {"id": self.key}  # "port" comes when the panel is displayed, 0 where none could be opened
        super().__init__(assets=assets(), subject=dict(subject), served=served, height=height, awaited=awaited)

    def begin(self, parts: Parts) -> None:
        """Take what the panel shows and answers with; from now on it can be displayed."""
        self._parts = parts
        self._closed = False
        self._methods = {
            "state": self._keep_state,
            "views": self._count_views,
            "origin": self._name_origin,
            "refresh": self._refresh_asked,
            "export": self._export_asked,
            "cancel": self._cancel_asked,
            "allow": self._allowed,
            "report": self._report_asked,
            "html": self._html_asked,
            "text": self._text_asked,
            "picture": self._pictures.take,
            "hello": lambda params: Answer({"token": str(params.get("token", ""))}),
            **parts.methods,
        }
        if parts.training is not None:
            parts.training.attach(self._event, self.refresh)
        fallback, script = (lambda: parts.fallback(self)), (lambda: parts.script(self))
        self._outputs = Outputs(self.key, self.title, fallback, script)
        with self.hold_sync():
            self.graph = parts.view.graph if parts.view else b""
            self.state = {"opened": parts.opened, "selected": None}
            self.awaited = False
        self.on_msg(self._on_message)
        cells.listen(self)
        _open.add(self)

    def _serve(self) -> None:
        """Name the address: after the panel is displayed, since what is drawn comes over the comm."""
        with self._lock:
            if "port" in self.served or self._closed:
                return
            self._server = self._parts.serve()
            if self._server is None:
                self.served = {"id": self.key, "port": 0}
            else:
                self._server.add(self.key, self)
                self.served = {"id": self.key, "port": self._server.port, "token": self._server.token}

    def discard(self) -> None:
        """Take back a panel that was not displayed: nothing of it stays."""
        super().close()

    @property
    def holding(self) -> bool:
        """Whether the panel keeps its model alive."""
        return self._parts.hold.held

    # What people use.

    @property
    def url(self) -> str:
        """Address of this panel in a plain browser on this computer; ``""`` when no port could be opened."""
        self._serve()
        server = self._server
        return server.url(self.key) if server is not None and not self._closed else ""

    @property
    def title(self) -> str:
        """The model's class, or the file's name."""
        return str(self.subject.get("name", ""))

    @property
    def recording(self) -> Recording:
        """The traced forward pass that is drawn."""
        return self._view().recording

    @property
    def table(self) -> ModuleTable:
        """The module table, the same as :func:`notebookviz.summary` gives."""
        return self._view().table

    @property
    def selected(self) -> nn.Module | None:
        """The module that is selected, or that the selected operator or fold belongs to.

        Where nothing is selected it is the module that fills the canvas; None where that is the whole model.
        """
        from notebookviz.modules import Modules

        index = self.state.get("selected")
        if index is None:
            index = self.state.get("inside") or None
        path = selection.holder(self.recording, index) if isinstance(index, int) else None
        model = self._parts.hold.get()
        return None if model is None or path is None else Modules(model).at(path)

    def select(self, module: str | nn.Module | None) -> None:
        """Select a module by path or by itself, and open what hides it; None selects nothing."""
        if module is None:
            self._show_state(self.state.get("opened", [0]), None)
            return
        index = self._find(module)
        self._show_state(selection.revealed(self.recording, self.state.get("opened", [0]), index), index)

    def expand(self, module: str | nn.Module) -> None:
        """Open a module in place, and what encloses it."""
        opened = selection.expanded(self.recording, self.state.get("opened", [0]), self._find(module))
        self._show_state(opened, self.state.get("selected"))

    def collapse(self, module: str | nn.Module) -> None:
        """Close an opened module."""
        opened = selection.collapsed(self.state.get("opened", [0]), self._find(module))
        self._show_state(opened, self.state.get("selected"))

    def overlay(
        self,
        name: str | None,
        values: Mapping[Any, Any] | EllipsisType | None = ...,
        *,
        unit: str = "",
        combine: overlaid.Combine = "max",
    ) -> None:
        """Colour nodes and rows by numbers or words of your own, or by what the panel knows.

        Args:
            name: What the values are; alone, the name of an overlay that is there: ``"parameters"``, ``"MACs"``,
                ``"output memory"``, ``"dtype"``, ``"device"``, ``"trainable"``, or one given before.  None: no colours.
            values: Numbers or words by module, by path of a module, by name of a parameter, or by one call of a module
                (``"relu@2"``); None takes it away.
            unit: Unit of the numbers.
            combine: How a closed module that was given no number is made of those inside: ``"max"``, ``"min"``,
                ``"sum"`` or ``"mean"``.  Different words inside are ``mixed``.

        Raises:
            InputError: A key names nothing in the model, or a value is neither a number nor a word.

        Example:
            >>> norms = {name: p.grad.norm() for name, p in model.named_parameters()}  # doctest: +SKIP
            >>> panel.overlay("gradient norm", norms)  # doctest: +SKIP
            >>> panel.overlay("gradient norm", None)  # doctest: +SKIP
        """
        recording = self.recording
        with self._lock:
            overlays, chosen = list(self.overlays), str(self.state.get("overlay", ""))
            if name is None:
                chosen = ""
            elif values is ...:
                chosen = overlaid.key_of(overlays, name)
            elif values is None:
                chosen = "" if chosen == overlaid.key_of(overlays, name) else chosen
                overlays = overlaid.with_overlay(overlays, name, None)
            else:
                new = overlaid.given(recording, self._path_of, name, values, unit=unit, combine=combine)
                overlays = overlaid.with_overlay(overlays, name, new)
                chosen = overlaid.key_of(overlays, name)
            self.overlays = overlays
            self.state = {**self.state, "overlay": chosen}
            self._driven = True
        self._event("overlay", {"overlays": overlays, "chosen": chosen})

    def refresh(self, **options: object) -> None:
        """Look at the model again, after it has changed.

        Args:
            **options: ``input_size=`` to look with another input, or ``input=`` with it as text:
                ``"1×3×96×96 float32"``.
        """
        if self._parts.trace is None:
            raise InputError("A file is not traced.", hint="Open it again with %netron.")
        view = self._parts.trace(options)
        with self._lock:
            moved = selection.carried(self._view().recording, view.recording, self.state)
            self._parts.view = view
            self.graph = view.graph
            self.state = {**self.state, **moved}
            self._told = False
            self._driven = True
            self._set_status(notice=None)
        self._event("graph", {}, (view.graph,))

    def shows(self, target: object) -> bool:
        """Whether this panel shows a model, or the file of a path or name."""
        return self._parts.hold.get() is target or target in (self.title, self.subject.get("path"))

    def close(self) -> None:
        """Let go of the model and close its address; what is drawn stays drawn."""
        if self._closed:
            return
        self.release()
        self._closed = True
        self._methods = dict.fromkeys(self._methods, _refused)
        self._set_status(closed=True)
        self._event("closed", {})
        if self._server is not None:
            self._server.remove(self.key)
        _open.discard(self)

    # Life.

    def release(self) -> None:
        """Let go of the model; its weights can still be seen for as long as someone else holds it."""
        with self._lock:
            if not self._parts.hold.held:
                return
            self._parts.hold.release()
            self._parts.release()
        self._event("released", {})
        if carrier.left(self):
            for heir in [panel for panel in open_panels() if panel._grace is None][:1]:  # noqa: SLF001
                heir._outputs.renew()  # noqa: SLF001 - what all panels share stands in its output from now on

    def cell_began(self, run: cells.Run) -> None:
        """Let go when the cell that made this panel runs again."""
        if self.run is not None and run.cell and run.cell == self.run.cell and run.execution != self.run.execution:
            self.release()

    def cell_ended(self) -> None:
        """Keep what Python did in the notebook, and say so when the model is no longer the one that is drawn."""
        if self._driven:
            self._driven = False
            self._outputs.renew()
        view = self._parts.view
        if view is None or self._told or view.mark is None:
            return
        now = self._parts.mark()
        if now is not None and now != view.mark:
            self._told = True
            self._set_status(notice={"text": "The model has changed.", "action": "refresh"})
            self._event("notice", {"text": "The model has changed.", "action": "refresh"})

    def _count_views(self, params: Mapping[str, Any]) -> Answer:
        """A page says how many views of this panel it has; with none left for a while the model is let go of."""
        with self._lock:
            if self._grace is not None:
                self._grace.cancel()
                self._grace = None
            if params.get("count"):
                self._parts.hold.take()
            else:
                self._wait_for_views()
        return Answer()

    def _wait_for_views(self) -> None:
        self._grace = threading.Timer(GRACE, self._no_views)
        self._grace.daemon = True
        self._grace.start()

    def _no_views(self) -> None:
        server = self._server
        if cells.busy():  # a page that was reloaded can't be heard over the comm yet
            self._wait_for_views()
        elif server is None or not server.watched(self.key):
            self.release()

    # Display.

    def display(self) -> None:
        """Show the panel in the cell that runs now."""
        self._outputs.show_widget(self.model_id)
        self._serve()
        run = cells.current_run()
        self._outputs.show_rest(drawn=run is not None and run.named)

    def _ipython_display_(self) -> None:
        now = cells.current_run()
        if self.run is None or now is None or now.execution != self.run.execution:
            self.display()

    def __repr__(self) -> str:
        """One line; the table is in ``.table``."""
        state = "closed" if self._closed else (self.url.partition("/" + self.key)[0] and f"at {self.url}")
        return f"<Panel of {self.title}{', ' + state if state else ''}>"

    # Messages.

    @property
    def methods(self) -> Mapping[str, Method]:
        """What a socket can ask; only the notebook's own page may name an origin, over the comm."""
        return {name: method for name, method in self._methods.items() if name != "origin"}

    def page(self) -> Page:
        """The document for a plain browser."""
        return self._parts.page(self, False, 0)  # noqa: FBT003 - named in Parts

    def _on_message(self, _: object, content: object, __: object) -> None:
        reply = answer(self._methods, content)
        if reply is not None:
            self.send(reply[0], buffers=list(reply[1]))

    def _event(self, name: str, data: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> None:
        message = {"event": name, "number": next(self._events), "data": dict(data)}
        if self._server is not None:
            self._server.send(self.key, message, buffers)
        if self.comm is not None:
            with suppress(RuntimeError, OSError):
                self.send(message, buffers=list(buffers))

    def _keep_state(self, params: Mapping[str, Any]) -> Answer:
        kept = {key: value for key, value in params.items() if key in _STATE_KEYS}
        teller, turn = str(params.get("teller", "")), params.get("turn")
        with self._lock:
            if isinstance(turn, int):
                if turn <= self._turns.get(teller, 0):
                    return Answer()  # it came over the comm, after what was told later over the socket
                self._turns[teller] = turn
            self.state = {**self.state, **kept}
        return Answer()

    def _name_origin(self, params: Mapping[str, Any]) -> Answer:
        if self._server is not None:
            self._server.origins.add(str(params.get("origin", "")))
        return Answer()

    def _refresh_asked(self, params: Mapping[str, Any]) -> Answer:
        self.refresh(**{key: params[key] for key in ("input",) if key in params})
        return Answer()

    def _picture_came(self, picture: bytes) -> None:
        self._outputs.update(picture)

    def _export_asked(self, params: Mapping[str, Any]) -> Answer:
        path = params.get("path")
        options = {"functions": bool(params.get("functions"))}
        self._start_export(options, str(path) if path else None, self._question)
        return Answer()

    def _allowed(self, _: Mapping[str, Any]) -> Answer:
        self._question.allow()
        return Answer()

    def _question_changed(self) -> None:
        if self._job is not None:
            self._job_told(self._job.progress)

    def _cancel_asked(self, _: Mapping[str, Any]) -> Answer:
        if self._job is not None:
            self._job.cancel()
        return Answer()

    def _report_asked(self, _: Mapping[str, Any]) -> Answer:
        return Answer({"text": self._job.report if self._job is not None else ""})

    def _start_export(self, options: Mapping[str, Any], path: str | None, question: Question | None) -> Job[Any]:
        if self._parts.export is None:
            raise NotebookvizError("Only a model in memory is exported; this is a file.")
        job = self._parts.export(options, path, question)
        job.listen(self._job_told)
        self._job = job
        return job.start()

    def _job_told(self, progress: Progress) -> None:
        data = {
            "kind": progress.kind,
            "state": progress.state,
            "stage": progress.stage,
            "seconds": round(progress.seconds, 1),
            "message": progress.message,
            "report": progress.has_report,
            "question": self._question.text,
            "action": self._question.action,
        }
        self._set_status(job=data)
        self._event("job", data)

    # State.

    def _set_status(self, **changes: object) -> None:
        with self._lock:
            self.status = {key: value for key, value in {**self.status, **changes}.items() if value is not None}

    def _show_state(self, opened: Iterable[int], selected: object) -> None:
        change = {"opened": list(opened), "selected": selected}
        with self._lock:
            self.state = {**self.state, **change}
            self._driven = True
        self._event("state", change)

    def _view(self) -> View:
        if self._parts.view is None:
            raise InputError(f"{self.title} is a file: it has no recording and no module table.")
        return self._parts.view

    def _find(self, module: str | nn.Module) -> int:
        if isinstance(module, str):
            return selection.find(self.recording, module)
        path = self._path_of(module)
        if path is not None:
            return selection.find(self.recording, path)
        raise InputError(
            f"{type(module).__name__} is not a module of this {self.title}.",
            hint='Pass one of its modules, or a path such as "layer1.0".',
        )

    def _path_of(self, module: object) -> str | None:
        """The path of a module of this model; None for anything else."""
        from torch import nn

        from notebookviz.modules import path_of

        model = self._parts.hold.get()
        return path_of(model, module) if isinstance(module, nn.Module) and model is not None else None


def _refused(_: Mapping[str, Any]) -> Answer:
    raise InputError("This panel was closed.", hint="Run the cell again.")


def open_panels() -> list[Panel]:
    """The panels that hold their model: shown, not closed, and their cells not run again; oldest first."""
    return sorted((panel for panel in _open if panel.holding), key=lambda panel: panel.number)
