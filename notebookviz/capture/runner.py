"""Runs one traced pass in a thread of its own, so that it can be given up, and leaves everything as it was.

A thread, because a forward pass may never return and signals only reach the main thread: when time is up the pass is
asked to stop, then interrupted, then left behind.  What belongs to the caller's thread (default device, autocast,
context variables) is carried over.
"""

from __future__ import annotations

import contextvars
import ctypes
import io
import logging
import random
import sys
import threading
import warnings
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, TextIO, cast

import torch
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext

from notebookviz.capture.trace import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from notebookviz.capture.draft import Printed
    from notebookviz.capture.trace import Tracer

_LOCK = threading.Lock()
STACK_BYTES = 64 * 2**20
GRACE_SECONDS = 1.0
SLICE_SECONDS = 0.1
"""Waits are cut in slices: on some systems a longer one can't be interrupted."""


def run(tracer: Tracer, args: tuple[Any, ...], kwargs: dict[str, Any], seconds: float) -> str:
    """Run a traced pass for at most ``seconds``.

    Args:
        tracer: Observes the pass; its draft holds what happened.
        args: The model's arguments.
        kwargs: The model's keyword arguments.
        seconds: The time limit.

    Returns:
        How it ended early: ``"timeout"``, ``"interrupted"``, or ``""`` where the pass ended by itself.
    """
    tracer.deadline = perf_counter() + seconds
    context = contextvars.copy_context()
    modes = _thread_state()
    worker = _Worker(lambda: context.run(_body, tracer, args, kwargs, modes))
    with _alone(seconds), undisturbed(worker, tracer.draft.printed), tracer.watching():
        try:
            worker.start()
            while not worker.done.wait(SLICE_SECONDS) and perf_counter() < tracer.deadline:
                pass
            if worker.done.is_set():
                ended = "timeout" if isinstance(tracer.draft.error, Stopped) else ""
            else:
                ended = "timeout"
                _end(worker, tracer)
        except KeyboardInterrupt:
            ended = "interrupted"
            _end(worker, tracer)
    if tracer.draft.error is None and (ended or worker.error is not None):
        tracer.give_up(worker.error or Stopped())
    return ended


@contextmanager
def _alone(seconds: float) -> Iterator[None]:
    """One pass at a time, since the streams are everyone's; one that is started inside another does not wait for it."""
    inside = threading.current_thread().name == _Worker.NAME
    held = not inside and _LOCK.acquire(timeout=seconds)
    try:
        yield
    finally:
        if held:
            _LOCK.release()


class _Worker(threading.Thread):
    NAME = "notebookviz-trace"

    def __init__(self, body: Callable[[], None]) -> None:
        super().__init__(name=self.NAME, daemon=True)
        self.body = body
        self.done = threading.Event()
        self.error: BaseException | None = None

    def start(self) -> None:
        size = threading.stack_size(STACK_BYTES)
        try:
            super().start()
        finally:
            threading.stack_size(size)

    def run(self) -> None:
        try:
            self.body()
        except BaseException as error:  # noqa: BLE001 (reported by the caller)
            self.error = error
        finally:
            self.done.set()
            del self.body


def _body(tracer: Tracer, args: tuple[Any, ...], kwargs: dict[str, Any], modes: Callable[[ExitStack], None]) -> None:
    with ExitStack() as stack:
        modes(stack)
        tracer.run(args, kwargs)


def _thread_state() -> Callable[[ExitStack], None]:
    """What the caller's thread has set, as something that sets it in another thread."""
    active = _get_current_function_mode_stack()  # type: ignore[no-untyped-call]
    devices = [mode.device for mode in active if isinstance(mode, DeviceContext)]
    kinds = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
    casts = [(kind, torch.get_autocast_dtype(kind)) for kind in kinds if torch.is_autocast_enabled(kind)]

    def enter(stack: ExitStack) -> None:
        for device in devices:
            stack.enter_context(device)
        for kind, dtype in casts:
            stack.enter_context(torch.autocast(kind, dtype=dtype))

    return enter


def _end(worker: _Worker, tracer: Tracer) -> None:
    """Stop a pass: at its next call, else by an exception in its thread, else it is left behind."""
    tracer.stopped = True
    until = perf_counter() + GRACE_SECONDS
    while not worker.done.wait(0.05) and perf_counter() < until:
        if worker.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident), ctypes.py_object(Stopped))


@contextmanager
def undisturbed(worker: threading.Thread | None = None, printed: Printed | None = None) -> Iterator[None]:
    """Keep random states, warnings, log and the worker's prints (noted in ``printed``) out of the user's sight."""
    numpy = sys.modules.get("numpy")
    python_state = random.getstate()
    numpy_state = numpy.random.get_state() if numpy is not None else None
    torch_state = torch.random.get_rng_state()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    dtype = torch.get_default_dtype()
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    streams = sys.stdout, sys.stderr
    if worker is not None:
        sys.stdout = cast("TextIO", _Muted(streams[0], worker, printed))
        sys.stderr = cast("TextIO", _Muted(streams[1], worker))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if worker is not None:
            sys.stdout, sys.stderr = streams
        logger.setLevel(level)
        if torch.get_default_dtype() is not dtype:
            torch.set_default_dtype(dtype)
        random.setstate(python_state)
        if numpy is not None:
            numpy.random.set_state(numpy_state)
        torch.random.set_rng_state(torch_state)
        if cuda_states is not None:
            torch.cuda.set_rng_state_all(cuda_states)


class _Muted(io.TextIOBase):
    """A stream that swallows what one thread writes and passes on what all others write."""

    def __init__(self, stream: TextIO, worker: threading.Thread, printed: Printed | None = None) -> None:
        super().__init__()
        self._printed = printed
        self._stream = stream
        self._worker = worker

    def write(self, text: str) -> int:
        if threading.current_thread() is self._worker:
            if self._printed is not None:
                self._printed.add(text)
            return len(text)
        return self._stream.write(text)

    def flush(self) -> None:
        if threading.current_thread() is not self._worker:
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._stream, name)
