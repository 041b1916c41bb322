"""How a training is asked to end after its step."""

from __future__ import annotations

import _thread
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import FrameType

    from typing_extensions import Self


_UNDER_WAY: Final = 1.0  # seconds that a signal to this thread can take


class LeftError(BaseException):
    """Something awaited did not come within the time that is left after a stop; no ``except Exception`` takes it."""


class Stop:
    """Asked by another thread's event, or by an interrupt of the cell.

    Inside ``with``, the first interrupt (Ctrl-C, the notebook's stop button) asks; a second one raises
    ``KeyboardInterrupt`` at once.  Outside of the main thread interrupts don't arrive, and only the event asks.

    Args:
        event: Set by whoever wants the training to end.

    Attributes:
        awaits: Whether the main thread waits for something that may be left.
        over: Set when interrupts of the main thread don't come here any more.
    """

    def __init__(self, event: threading.Event | None = None) -> None:
        self.awaits = False
        self.over = threading.Event()
        self._event = event
        self._interrupted = False
        self._leaves = False
        self._guard = threading.Lock()
        self._before: Any = None

    @property
    def asked(self) -> bool:
        """Whether to end."""
        return self._interrupted or (self._event is not None and self._event.is_set())

    @property
    def armed(self) -> bool:
        """Whether interrupts of the main thread come here: inside ``with``, and there."""
        return self._before is not None

    def ask(self) -> None:
        """Ask to end."""
        self._interrupted = True

    def leave(self) -> None:
        """Raise :class:`LeftError` in the main thread, if it still waits there inside ``with``."""
        with self._guard:
            if not (self.armed and self.awaits):
                return
            self._leaves = True
            if hasattr(signal, "pthread_kill"):
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            else:
                _thread.interrupt_main()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        with self._guard:
            before, self._before = self._before, None
        if before is None:
            return
        end = time.monotonic() + _UNDER_WAY
        while self._leaves and time.monotonic() < end:
            time.sleep(0.001)  # a signal of leave() is under way: it must not meet the handler of before
        signal.signal(signal.SIGINT, before)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._leaves:
            self._leaves = False
            if self.awaits:
                raise LeftError
            return
        if self._interrupted:
            signal.default_int_handler(number, frame)
        self._interrupted = True
