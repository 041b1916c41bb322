"""Batches that may never come: it is said what is awaited, and whoever waits can be stopped."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import torch

from notebookviz.finetune.stopping import LeftError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from notebookviz.finetune.stopping import Stop

PATIENCE: Final = 10.0  # seconds until it is said what is awaited
GRACE: Final = 3.0  # seconds that a batch has after a stop
_LOOK: Final = 0.5


class Waiting:
    """Fetches batches for somebody who can be stopped.

    In the main thread the data's code runs where it was called, since it may belong to that thread, and is interrupted
    by a signal.  A thread beside it can't be interrupted, so there a second thread runs the data's code, and is left
    behind when it does not come back.

    Args:
        stop: Asked whether to end.
        tell: Told what is awaited, as a sentence; from another thread.
    """

    def __init__(self, stop: Stop, tell: Callable[[str], object] = lambda _: None) -> None:
        self._stop = stop
        self._tell = tell
        self._name, self._number = "", 1
        self._since: float | None = None
        self._asked: float | None = None
        self._told = 0.0
        self._watched = False

    def batches(self, loader: Iterable[Any], name: str) -> Iterator[Any]:
        """The batches of a loader, whose own iterator is made at once.

        Args:
            loader: The loader.
            name: What it is called in a sentence.

        Raises:
            LeftError: It was asked to stop, and a batch had still not come.
        """
        main = threading.current_thread() is threading.main_thread()
        if main and not self._stop.armed:
            return iter(loader)
        batches = (self._here if main else self._beside)(loader, name)
        next(batches)  # the iterator
        return batches

    def _here(self, loader: Iterable[Any], name: str) -> Iterator[Any]:
        if not self._watched:
            self._watched = True
            threading.Thread(target=self._watch, name="notebookviz-waiting", daemon=True).start()
        try:
            self._name = name
            fetch = self._awaited(1, lambda: iter(loader)).__next__
            yield None
            for number in itertools.count(1):
                yield self._awaited(number, fetch)
        except StopIteration:
            return
        except LeftError as error:
            raise LeftError(self._overdue()) from error

    def _awaited(self, number: int, fetch: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it fetches
        self._begin(number)
        try:
            self._stop.awaits = True
            return fetch()
        finally:
            self._stop.awaits = False
            self._since = None

    def _watch(self) -> None:
        """Look at the main thread from time to time."""
        while not self._stop.over.wait(_LOOK):
            if self._is_overdue():
                self._stop.leave()

    def _beside(self, loader: Iterable[Any], name: str) -> Iterator[Any]:
        feeder = _Feeder(loader)
        try:
            self._name = name
            self._begin(1)
            yield self._answer(feeder)[1]
            for number in itertools.count(1):
                self._begin(number)
                there, batch = self._answer(feeder)
                self._since = None
                if not there:
                    return
                yield batch
        finally:
            feeder.end()

    def _answer(self, feeder: _Feeder) -> tuple[bool, Any]:
        feeder.asks.put("a batch")
        while True:
            try:
                there, batch, error = feeder.answers.get(timeout=_LOOK)
            except queue.Empty:
                if self._is_overdue():
                    feeder.leave()
                    raise LeftError(self._overdue()) from None
                continue
            if error is not None:
                raise error
            return there, batch

    def _begin(self, number: int) -> None:
        self._number, self._asked, self._told = number, None, 0.0
        self._since = time.monotonic()

    def _is_overdue(self) -> bool:
        """Whether a stop was asked for long enough ago; says what is awaited."""
        since, now = self._since, time.monotonic()
        if since is None:
            return False
        if now - since >= PATIENCE and now - self._told >= PATIENCE / 2:
            self._told = now
            self._tell(f"Waiting for data for {now - since:.0f} s: batch {self._number:,} of {self._name}.")
        if not self._stop.asked:
            return False
        self._asked = self._asked or now
        return now - self._asked >= GRACE

    def _overdue(self) -> str:
        return f"Batch {self._number:,} of {self._name} did not come."


class _Feeder:
    """Runs a loader's code in a thread of its own: makes its iterator, then fetches a batch whenever it is asked."""

    def __init__(self, loader: Iterable[Any]) -> None:
        self.asks: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[tuple[bool, Any, BaseException | None]] = queue.SimpleQueue()
        self._iterator: Any = None
        settings = torch.is_grad_enabled(), torch.get_num_threads()
        thread = threading.Thread(target=self._run, args=(loader, *settings), name="notebookviz-data", daemon=True)
        thread.start()

    def end(self) -> None:
        """Ask for no more."""
        self.asks.put("")

    def leave(self) -> None:
        """Give up on a batch: worker processes are ended, a thread that hangs stays behind."""
        # What a DataLoader's iterator does when it is dropped.
        shut = getattr(self._iterator, "_shutdown_workers", None)
        if shut is not None:
            threading.Thread(target=shut, name="notebookviz-data-end", daemon=True).start()

    def _run(self, loader: Iterable[Any], grad: bool, threads: int) -> None:  # noqa: FBT001 - torch's settings
        torch.set_grad_enabled(grad)
        torch.set_num_threads(threads)
        while self.asks.get():
            self.answers.put(self._fetched(loader))

    def _fetched(self, loader: Iterable[Any]) -> tuple[bool, Any, BaseException | None]:
        """The iterator's next batch, or at first the iterator: whether there is one, it, and what was raised."""
        try:
            if self._iterator is None:
                self._iterator = iter(loader)
                return True, None, None
            return True, next(self._iterator), None
        except StopIteration:
            return False, None, None
        except BaseException as error:  # noqa: BLE001 - raised where the batch is awaited
            return False, None, error
