"""What a panel leaves in a notebook: the widget, and beside it what stands when the widget is gone."""

from __future__ import annotations

from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING, Any

from notebookviz.viewer.output import picture_html

if TYPE_CHECKING:
    from collections.abc import Callable

WIDGET = "application/vnd.jupyter.widget-view+json"
SCRIPT = "application/javascript"


class Outputs:
    """The outputs of one panel, in each cell that shows it.

    Args:
        key: The panel's.
        name: What is shown.
        fallback: The table as HTML and as text.
        script: The script that opens the panel without the widget; ``""`` for none.
        late: Whether the script is whole only once the page has drawn.
    """

    def __init__(
        self,
        key: str,
        name: str,
        fallback: Callable[[], tuple[str, str]],
        script: Callable[[], str],
        *,
        late: bool = False,
    ) -> None:
        self._key = key
        self._name = name
        self._fallback = fallback
        self._script = script
        self._late = late
        self._picture = b""
        self._shown = False

    def show_widget(self, model_id: str | None) -> None:
        """Put the widget into the cell that runs now."""
        from IPython.display import publish_display_data

        view = {"version_major": 2, "version_minor": 1, "model_id": model_id}
        publish_display_data({WIDGET: view})  # type: ignore[no-untyped-call]

    def show_rest(self) -> None:
        """Put what stands when the widget is gone into the cell that runs now."""
        from IPython.display import publish_display_data

        publish_display_data(self._standing(), transient=self._named(""))  # type: ignore[no-untyped-call]
        self._put_script(update=False)
        self._shown = True

    def renew(self) -> None:
        """Python has opened, selected or coloured something: without the widget the panel opens like that."""
        if self._shown:
            self._put_script(update=True)

    def update(self, picture: bytes) -> None:
        """The page has drawn: its picture takes the place of the one before, wherever the panel is shown."""
        from IPython.display import publish_display_data

        if self._shown and picture != self._picture:
            self._picture = picture
            with suppress(RuntimeError, OSError):  # the kernel is about to end
                publish_display_data(self._standing(), transient=self._named(""), update=True)  # type: ignore[no-untyped-call]
                if self._late:
                    self._put_script(update=True)
                self._late = False

    def _put_script(self, *, update: bool) -> None:
        from IPython.display import publish_display_data

        if script := self._script():
            publish_display_data({SCRIPT: script}, transient=self._named("-script"), update=update)  # type: ignore[no-untyped-call]

    def _named(self, part: str) -> dict[str, Any]:
        return {"display_id": f"notebookviz-{self._key}{part}"}

    def _standing(self) -> dict[str, str]:
        table, text = self._fallback()
        html = picture_html(self._key, self._name, table or f"<p>{escape(text)}</p>", self._picture)
        return {"text/html": html, "text/plain": text}
