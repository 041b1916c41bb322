"""How a training is asked to end after its step."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from typing_extensions import Self


class Stop:
    """Asked by another thread's event, or by an interrupt of the cell.

    Inside ``with``, the first interrupt (Ctrl-C, the notebook's stop button) asks; a second one raises
    ``KeyboardInterrupt`` at once.  Outside of the main thread interrupts don't arrive, and only the event asks.

    Args:
        event: Set by whoever wants the training to end.
    """

    def __init__(self, event: threading.Event | None = None) -> None:
        self._event = event
        self._interrupted = False
        self._before: Any = None

    @property
    def asked(self) -> bool:
        """Whether to end."""
        return self._interrupted or (self._event is not None and self._event.is_set())

    def ask(self) -> None:
        """Ask to end."""
        self._interrupted = True

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._interrupted:
            signal.default_int_handler(number, frame)
        self._interrupted = True
