"""What a panel leaves in a notebook: the widget, and beside it what stands when the widget is gone."""

from __future__ import annotations

import threading
from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING, Any, Final

from notebookviz.viewer.output import PAGE, PICTURE, picture_html, waiting_script

if TYPE_CHECKING:
    from collections.abc import Callable

WIDGET = "application/vnd.jupyter.widget-view+json"
SCRIPT = "application/javascript"
PATIENCE: Final = 5.0  # seconds for a page to draw before what stands without it is written all the same


class Outputs:
    """The outputs of one panel, in each cell that shows it.

    Args:
        key: The panel's.
        name: What is shown.
        fallback: The table as HTML and as text.
        script: The script that opens the panel without the widget; ``""`` while there is none.
    """

    def __init__(self, key: str, name: str, fallback: Callable[[], tuple[str, str]], script: Callable[[], str]) -> None:
        self._key = key
        self._name = name
        self._fallback = fallback
        self._script = script
        self._picture = b""
        self._shown = False
        self._stands = False
        self._whole = False
        self._lock = threading.Lock()
        self._patience = threading.Timer(PATIENCE, self._stand)
        self._patience.daemon = True

    def show_widget(self, model_id: str | None) -> None:
        """Put the widget into the cell that runs now."""
        view = {"version_major": 2, "version_minor": 1, "model_id": model_id}
        _publish({WIDGET: view}, {})

    def show_rest(self, *, drawn: bool) -> None:
        """Put what stands when the widget is gone into the cell that runs now.

        Args:
            drawn: A page is about to draw it.  Until it has, only the place is taken: for the first HTML in a tab
                JupyterLab loads what sets mathematics, just when the browser should draw.
        """
        if drawn and not self._stands:
            self._put({SCRIPT: waiting_script(self._key, PICTURE), "text/plain": self._name}, "")
            self._put({SCRIPT: waiting_script(self._key, PAGE)}, PAGE)
            if not self._shown:
                self._patience.start()
        else:
            self._stands = True
            self._put(self._standing(), "")
            self._put_script(update=False)
        self._shown = True

    def renew(self) -> None:
        """Python has opened, selected or coloured something: without the widget the panel opens like that."""
        if self._stands:
            self._put_script(update=True)

    def update(self, picture: bytes) -> None:
        """The page has drawn: its picture takes the place of the one before, wherever the panel is shown."""
        if self._shown and picture != self._picture:
            self._picture = picture
            self._stand()

    def _stand(self) -> None:
        self._patience.cancel()
        with self._lock, suppress(RuntimeError, OSError):  # the kernel is about to end
            self._stands = True
            if not self._whole:
                self._put_script(update=True)
            self._put(self._standing(), "", update=True)

    def _put_script(self, *, update: bool) -> None:
        script = self._script()
        self._whole = bool(script)
        if script or not update:
            self._put({SCRIPT: script or waiting_script(self._key, PAGE)}, PAGE, update=update)

    def _put(self, data: dict[str, Any], part: str, *, update: bool = False) -> None:
        named = f"notebookviz-{self._key}{part and '-' + part}"
        _publish(data, {"display_id": named}, update=update)

    def _standing(self) -> dict[str, str]:
        table, text = self._fallback()
        html = picture_html(self._key, self._name, table or f"<p>{escape(text)}</p>", self._picture)
        return {"text/html": html, "text/plain": text}


def _publish(data: dict[str, Any], transient: dict[str, Any], *, update: bool = False) -> None:
    from IPython.display import publish_display_data

    publish_display_data(data, transient=transient, update=update)  # type: ignore[no-untyped-call]
