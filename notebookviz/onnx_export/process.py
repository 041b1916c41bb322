"""The child process, seen from the kernel: start, progress, cancel, result.

A fresh interpreter, never a fork (CUDA and threads don't survive one) and never a thread (an export in a thread slows
the user's training to a fifth and breaks it).  It runs at low priority with one torch thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from notebookviz.errors import ExportError
from notebookviz.onnx_export import wire

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from notebookviz.onnx_export.records import Cancel, OnProgress

POLL = 0.1
REPORT_EVERY = 0.5
STDERR_KEPT = 20_000
BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from notebookviz.onnx_export.child import main; main()"
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class ExportCancelledError(ExportError):
    """The export was cancelled."""


class Stages:
    """Tells a listener which stage runs and for how long, and keeps the seconds of each.

    Args:
        progress: Called with the stage and its seconds so far.
        cancel: An event, or a function that returns whether to stop.
    """

    def __init__(self, progress: OnProgress | None, cancel: Cancel | None) -> None:
        self._progress = progress
        self._cancel = cancel
        self._stage = ""
        self._began = 0.0
        self._told = 0.0
        self.started = time.monotonic()
        self.finished: list[tuple[str, float]] = []

    @property
    def seconds(self) -> float:
        """Seconds since the first stage."""
        return time.monotonic() - self.started

    def enter(self, stage: str) -> None:
        """A new stage begins."""
        self.check()
        self.leave()
        self._stage, self._began = stage, time.monotonic()
        self._tell()

    def leave(self) -> None:
        """The stage has ended."""
        if self._stage:
            self.finished.append((self._stage, round(time.monotonic() - self._began, 3)))
            self._stage = ""

    def check(self) -> None:
        """Stop here if it was cancelled; tell the listener the time now and then."""
        if self._cancel is not None and (self._cancel() if callable(self._cancel) else self._cancel.is_set()):
            raise ExportCancelledError("The export was cancelled.")
        if self._stage and time.monotonic() - self._told > REPORT_EVERY:
            self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        if self._progress is not None:
            self._progress(self._stage, self._told - self._began)


class Failed(Exception):  # noqa: N818  (an outcome: the caller decides whether it is an error)
    """The child could not do it.

    Args:
        what: One sentence.
        hint: What to try.
        where: Path of the module it failed at.
        report: The whole story.
        source: File, line and function of the user's code concerned, or None.
    """

    def __init__(self, what: str, hint: str = "", where: str = "", report: str = "", source: Any = None) -> None:  # noqa: ANN401
        self.what = what
        self.hint = hint
        self.where = where
        self.report = report
        self.source = source
        super().__init__(what)


def run_child(task: dict[str, Any], blobs: Sequence[bytes], stages: Stages) -> tuple[dict[str, Any], list[bytes]]:
    """Run one task in a fresh Python and wait for it.

    Args:
        task: What to do, plain JSON data; ``task["task"]`` names it.
        blobs: Bytes that go with it.
        stages: Told of each stage; asked whether to stop ten times a second.

    Returns:
        The child's answer.

    Raises:
        Failed: It failed, or died.
        ExportCancelledError: It was cancelled; the child is gone.
    """
    if not sys.executable:
        raise ExportError("This Python does not know its own executable, so no export process can be started.")
    stages.enter("starting")
    child = _start()
    try:
        return _follow(child, task, blobs, stages)
    finally:
        _end(child)


def _start() -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        **dict.fromkeys(ONE_THREAD, "1"),
        "CUDA_VISIBLE_DEVICES": "",
        "TOKENIZERS_PARALLELISM": "false",
    }
    return subprocess.Popen(  # noqa: S603  (our own code under this same interpreter)
        [sys.executable, "-c", BOOT, _search_path()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )


def _search_path() -> str:
    return json.dumps([item for item in sys.path if isinstance(item, str)])


def _follow(
    child: subprocess.Popen[bytes], task: dict[str, Any], blobs: Sequence[bytes], stages: Stages
) -> tuple[dict[str, Any], list[bytes]]:
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None  # noqa: S101, PT018
    messages: queue.SimpleQueue[tuple[dict[str, Any], list[bytes]] | None] = queue.SimpleQueue()
    words = bytearray()
    threads = [
        threading.Thread(target=_send, args=(child.stdin, task, blobs), daemon=True),
        threading.Thread(target=_receive, args=(child.stdout, messages), daemon=True),
        threading.Thread(target=_collect, args=(child.stderr, words), daemon=True),
    ]
    for thread in threads:
        thread.start()
    while True:
        stages.check()
        try:
            received = messages.get(timeout=POLL)
        except queue.Empty:
            continue
        if received is None:
            child.wait(5)
            threads[2].join(1)
            raise _died(child.returncode, words.decode("utf-8", "replace"))
        message, parts = received
        kind = message.pop("kind")
        message.pop("sizes")
        if kind == "stage":
            stages.enter(message["stage"])
        elif kind == "failed":
            raise Failed(**message)
        else:
            stages.leave()
            return message, parts


def _send(pipe: BinaryIO, task: dict[str, Any], blobs: Sequence[bytes]) -> None:
    # The pipe stays open: its end tells the child that the kernel is gone.
    with contextlib.suppress(OSError, ValueError):
        wire.write_message(pipe, task, blobs)


def _receive(pipe: BinaryIO, messages: queue.SimpleQueue[tuple[dict[str, Any], list[bytes]] | None]) -> None:
    with contextlib.suppress(OSError, ValueError):
        while (message := wire.read_message(pipe)) is not None:
            messages.put(message)
    messages.put(None)


def _collect(pipe: BinaryIO, words: bytearray) -> None:
    with contextlib.suppress(OSError, ValueError):
        while part := pipe.read1(4096):  # type: ignore[attr-defined]
            words += part
            del words[:-STDERR_KEPT]


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child and all that it started; it has made itself the leader of its process group."""
    if child.poll() is None:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError, ValueError):
                pipe.close()


def _died(code: int | None, words: str) -> Failed:
    last = words.strip().splitlines()[-1] if words.strip() else ""
    if code == -getattr(signal, "SIGKILL", 9):
        return Failed(
            "The export process was killed, most likely because the machine ran out of memory.",
            "Close other notebooks, or export a smaller input.",
            report=words,
        )
    return Failed(f"The export process ended early (exit code {code}). {last}".rstrip(), report=words)
