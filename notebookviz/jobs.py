"""Background work for a model: start, progress, cancel; one job at a time for each model."""

from __future__ import annotations

import os
import threading
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from notebookviz.errors import NotebookvizError

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")
State = Literal["waiting", "running", "done", "failed", "cancelled"]

_running: dict[int, Job[object]] = {}
_running_lock = threading.Lock()


class BusyError(NotebookvizError, RuntimeError):
    """The model already has a job that runs."""


class CancelledError(NotebookvizError, RuntimeError):
    """The job was cancelled."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What listeners get: where a job stands.

    Attributes:
        kind: What the job does, one word: ``"export"``.
        state: ``"running"``, ``"done"``, ``"failed"`` or ``"cancelled"``.
        stage: What it is doing now, a few words: ``"tracing"``.
        seconds: Seconds since the start.
        message: One sentence once it has ended: what came out, or why it failed.
        has_report: Whether a longer report of the failure can be asked for.
    """

    kind: str
    state: State
    stage: str = ""
    seconds: float = 0.0
    message: str = ""
    has_report: bool = False


class Task:
    """A job's own side: what the work function is given.

    The work calls :meth:`stage` when a new part begins, and :meth:`check` wherever it can stop.
    """

    def __init__(self, job: Job[object]) -> None:
        self._job = job

    @property
    def cancelled(self) -> bool:
        """Whether someone asked to stop."""
        return self._job.cancel_requested

    def stage(self, text: str) -> None:
        """Say what is being done now, in a few words; raises when the job was cancelled."""
        self.check()
        self._job.enter(text)

    def check(self) -> None:
        """Raise :class:`CancelledError` when the job was cancelled."""
        if self.cancelled:
            raise CancelledError(f"The {self._job.kind} was cancelled.")

    def on_cancel(self, stop: Callable[[], object]) -> None:
        """Call ``stop`` (for instance: end a child process) at once when the job is cancelled."""
        self._job.add_stop(stop)


class Job(Generic[Result]):
    """Work that runs in a thread of its own.

    Args:
        kind: What it does, one word.
        work: Called with a :class:`Task`; what it returns is the job's result.
        subject: The model it is about: each has one job at a time.
        describe: Turns the result into the sentence shown when it is done.

    Example:
        >>> job = Job("export", lambda task: 6 * 7, subject=object()).start()
        >>> job.wait()
        42
    """

    def __init__(
        self,
        kind: str,
        work: Callable[[Task], Result],
        *,
        subject: object,
        describe: Callable[[Result], str] = lambda _: "",
    ) -> None:
        self.kind = kind
        self.error: BaseException | None = None
        self.report = ""
        self._work: Callable[[Task], Result] | None = work
        self._describe = describe
        self._subject = id(subject)
        self._result: Result | None = None
        self._progress = Progress(kind, "waiting")
        self._began = 0.0
        self._cancel = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.RLock()
        self._listeners: list[Callable[[Progress], object]] = []
        self._stops: list[Callable[[], object]] = []

    @property
    def progress(self) -> Progress:
        """Where the job stands now; its seconds are up to date."""
        with self._lock:
            now = self._progress
            if now.state != "running":
                return now
            return Progress(self.kind, "running", now.stage, time.monotonic() - self._began)

    @property
    def cancel_requested(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._cancel.is_set()

    def listen(self, listener: Callable[[Progress], object]) -> Callable[[], None]:
        """Call ``listener`` at each new stage and at the end, from the job's thread.

        Returns:
            A function that takes the listener off again.
        """
        self._listeners.append(listener)

        def remove() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return remove

    def start(self) -> Job[Result]:
        """Start the work; returns at once.

        Raises:
            BusyError: Another job of the same model has not ended.
        """
        with _running_lock:
            other = _running.get(self._subject)
            if other is not None:
                raise BusyError(
                    f"This model's {other.kind} is still running ({other.progress.seconds:.0f} s).",
                    hint="Wait for it, or cancel it first.",
                )
            _running[self._subject] = self  # type: ignore[assignment]
        self._began = time.monotonic()
        self.enter("starting")
        threading.Thread(target=self._run, name=f"notebookviz-{self.kind}", daemon=True).start()
        return self

    def cancel(self) -> None:
        """Ask the work to stop; does nothing once it has ended."""
        with self._lock:
            if self._ended.is_set() or self._cancel.is_set():
                return
            self._cancel.set()
            stops = list(self._stops)
        for stop in stops:
            stop()

    def wait(self, timeout: float | None = None) -> Result:
        """Wait for the end and return the result; an interrupt cancels the job.

        Args:
            timeout: Seconds to wait at most; None waits as long as it takes.

        Raises:
            TimeoutError: The job has not ended in time; it goes on.
        """
        try:
            if not self._ended.wait(timeout):
                raise TimeoutError(f"The {self.kind} has not ended after {timeout:g} s.")
        except KeyboardInterrupt:
            self.cancel()
            raise
        if self.error is not None:
            raise self.error
        return self._result  # type: ignore[return-value]

    def enter(self, stage: str) -> None:
        """Begin a new stage (called by :class:`Task`)."""
        self._tell(Progress(self.kind, "running", stage, time.monotonic() - self._began))

    def add_stop(self, stop: Callable[[], object]) -> None:
        """Add what ends the work at once (called by :class:`Task`)."""
        with self._lock:
            self._stops.append(stop)
            asked = self._cancel.is_set()
        if asked:
            stop()

    def _run(self) -> None:
        work, self._work = self._work, None
        state: State = "done"
        message = ""
        try:
            if work is not None:
                self._result = work(Task(self))  # type: ignore[arg-type]
                message = self._describe(self._result)
        except BaseException as error:  # noqa: BLE001 - the job's end is told to whoever waits for it
            self.error = error
            if self.cancel_requested:
                state, message = "cancelled", f"The {self.kind} was cancelled."
                if not isinstance(error, CancelledError):
                    self.error = CancelledError(message)
            else:
                state, message = "failed", sentence(error)
                self.report = str(getattr(error, "report", "")) or "".join(traceback.format_exception(error))
            error.__traceback__ = None
        del work
        self._stops.clear()
        with _running_lock:
            _running.pop(self._subject, None)
        last = Progress(self.kind, state, "", time.monotonic() - self._began, message, bool(self.report))
        try:
            self._tell(last)
        finally:
            self._ended.set()
            self._listeners.clear()

    def _tell(self, progress: Progress) -> None:
        with self._lock:
            self._progress = progress
        for listener in list(self._listeners):
            listener(progress)


def _after_fork_in_child() -> None:
    global _running_lock  # noqa: PLW0603 - the parent's thread may have held it
    _running_lock = threading.Lock()
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def sentence(error: BaseException) -> str:
    """One readable line for an error.

    Example:
        >>> sentence(ValueError("bad shape"))
        'ValueError: bad shape'
    """
    text = str(error).strip()
    if isinstance(error, NotebookvizError):
        return text
    first = text.splitlines()[0] if text else ""
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
