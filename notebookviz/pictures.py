"""Pictures of what is drawn: only the page can make them, so it is asked, and its last one is kept."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import itertools
import threading
import zlib
from typing import TYPE_CHECKING, Any, Final, Literal

from notebookviz.errors import NotebookvizError
from notebookviz.serving.protocol import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Kind = Literal["svg", "png"]
PATIENCE = 10.0  # seconds
LARGEST: Final = 64 << 20
_STARTS: Final = {"svg": b"<svg", "png": b"\x89PNG"}


class Pictures:
    """The pictures of one panel.

    Args:
        ask: Asks all pages of the panel for a picture of a kind; answers come to :meth:`take` with the same number.
        changed: Told of each new SVG.
    """

    def __init__(self, ask: Callable[[Kind, int], None], changed: Callable[[bytes], None] = lambda _: None) -> None:
        self._ask = ask
        self._told = changed
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._found: dict[int, bytes | NotebookvizError] = {}
        self._wanted: set[int] = set()
        self.last: bytes = b""

    def take(self, params: Mapping[str, Any]) -> Answer:
        """Take a picture that a page sends by itself after drawing, or that it was asked for."""
        kind, number = params.get("kind"), params.get("number")
        found: bytes | NotebookvizError
        try:
            found = _checked(kind, str(params.get("data", ""))) if not params.get("error") else _failed(params)
        except (ValueError, binascii.Error, OSError, EOFError, zlib.error):
            found = NotebookvizError("The page sent something that is no picture.", hint="Reload it and try again.")
        with self._changed:
            if kind == "svg" and isinstance(found, bytes):
                self.last = found
            if number in self._wanted:
                self._found[int(str(number))] = found
                self._changed.notify_all()
        if kind == "svg" and isinstance(found, bytes):
            self._told(found)
        return Answer()

    def fetch(self, kind: Kind) -> bytes:
        """The picture of what is drawn now; the last one that is known where no page answers in time.

        Args:
            kind: ``"svg"`` or ``"png"``.

        Raises:
            NotebookvizError: No page draws this panel.
        """
        with self._changed:
            number = next(self._numbers)
            self._wanted.add(number)
        self._ask(kind, number)
        with self._changed:
            self._changed.wait_for(lambda: number in self._found, PATIENCE)
            self._wanted.discard(number)
            found = self._found.pop(number, None)
        if isinstance(found, NotebookvizError):
            raise found
        if found is not None:
            return found
        if kind == "svg" and self.last:
            return self.last
        raise NotebookvizError(
            f"No page that draws this panel answered within {PATIENCE:g} seconds; a picture is made by the page.",
            hint="Show the panel in a notebook or open its .url, and save the picture in another cell.",
        )


def _checked(kind: object, data: str) -> bytes:
    raw = base64.b64decode(data, validate=True)
    if kind == "svg":
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
            raw = file.read(LARGEST)
    if not raw.startswith(_STARTS.get(str(kind), b"\0")):
        raise ValueError(kind)
    return raw


def _failed(params: Mapping[str, Any]) -> NotebookvizError:
    return NotebookvizError(str(params["error"])[:500])
