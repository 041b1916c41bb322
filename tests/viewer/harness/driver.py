"""Drives the page in a real browser with a panel that is played by ``panel.html``."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notebookviz.errors import NotebookvizError
from notebookviz.graph.encode import encode
from notebookviz.viewer import netron
from notebookviz.viewer.page import page_html

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from playwright.sync_api import Frame, Page

    from notebookviz.graph.records import Recording

PANEL = Path(__file__).parent / "panel.html"


class Harness:
    """One browser page with our page in a sandboxed iframe."""

    def __init__(self, page: Page, html: str | None = None) -> None:
        self.page = page
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.network: list[str] = []
        self.console: list[str] = []
        self.answers: dict[str, Callable[[dict[str, Any]], tuple[Any, list[bytes]]]] = {
            "module": lambda params: ({}, [netron.module_text(params["name"])]),
            "metadata": lambda params: ({}, [netron.metadata_subset(params["name"], params["types"])]),
            "tensor": zeros,
        }
        page.on("request", lambda request: self.network.append(request.url))
        page.on("console", lambda message: self.console.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.expose_function("answerRequest", self._answer)
        page.goto(PANEL.as_uri())
        page.evaluate("html => harness.start(html)", html or page_html())

    def _answer(self, text: str) -> str:
        request = json.loads(text)
        self.asked.append((request["method"], request["params"]))
        try:
            result, buffers = self.answers[request["method"]](request["params"])
        except NotebookvizError as error:
            return json.dumps({"error": {"what": error.what, "hint": error.hint}})
        return json.dumps({"result": result, "buffers": [base64.b64encode(item).decode() for item in buffers]})

    @property
    def frame(self) -> Frame:
        return self.page.frames[1]

    def show(
        self, recording: Recording, *, theme: str = "light", opened: Iterable[int] | None = None, **more: Any
    ) -> dict[str, Any]:
        """Open a recording as the panel does, and wait until it is drawn."""
        data = encode(recording)
        ids = list(data["opened"] if opened is None else opened)
        self.page.evaluate("ids => { harness.opened = ids; }", ids)
        message = {"type": "open", "kind": "structure", "recording": data, "opened": ids, "theme": theme, **more}
        return self.do("drawn", lambda: self.send(message))

    def file(self, name: str, content: bytes, *, answer: str = "drawn", theme: str = "light") -> dict[str, Any]:
        """Open a file as the panel does."""

        def send() -> None:
            text = base64.b64encode(content).decode()
            self.page.evaluate(
                "([name, theme, text]) => harness.send({type: 'open', kind: 'file', name, theme, "
                "bytes: Uint8Array.from(atob(text), c => c.charCodeAt(0))})",
                [name, theme, text],
            )

        return self.do(answer, send)

    def send(self, message: dict[str, Any]) -> None:
        self.page.evaluate("message => harness.send(message)", message)

    def open(self, ids: Iterable[int], anchor: int | None = None) -> dict[str, Any]:
        """Change the opened set as the panel does, and wait until it is drawn."""
        return self.do(
            "drawn", lambda: self.page.evaluate("([ids, anchor]) => harness.open(ids, anchor)", [list(ids), anchor])
        )

    def do(self, answer: str, action: Callable[[], object]) -> dict[str, Any]:
        """Act, and wait for the next message of a type."""
        before = self.page.evaluate("type => harness.count(type)", answer)
        action()
        self.page.wait_for_function("([type, before]) => harness.came(type, before)", arg=[answer, before])
        found: dict[str, Any] = self.page.evaluate("type => harness.last(type)", answer)
        return found

    def pass_two_frames(self) -> None:
        """Wait until the page was drawn as it is now."""
        self.frame.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def last(self, kind: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.page.evaluate("type => harness.last(type)", kind)
        return found

    def drawn_nodes(self) -> set[int]:
        """Ids read from the drawn SVG: nodes and frames of modules."""
        texts = self.frame.evaluate("[...document.querySelectorAll('#origin [data-id]')].map(item => item.dataset.id)")
        return {int(text) for text in texts if text.isdigit()}

    def drawn_edges(self) -> set[tuple[str, str]]:
        """Ends of each edge read from the drawn SVG."""
        texts = self.frame.evaluate(
            "[...document.querySelectorAll('#origin [data-edge]')].map(item => item.dataset.edge)"
        )
        assert len(texts) == len(set(texts))
        return {tuple(text.split(">")) for text in texts}


def zeros(params: dict[str, Any]) -> tuple[Any, list[bytes]]:
    """A tensor of four numbers, for what isn't asked for by name."""
    return {"dtype": "float32", "shape": [4], "metrics": [], "description": ""}, [struct.pack("<4f", 0, 1, 2, 3)]
