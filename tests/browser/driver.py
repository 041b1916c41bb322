"""Drive a notebook in a real browser: open, run cells, ask the kernel, read the panel.

Waits are on conditions, never for a time.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from playwright.sync_api import TimeoutError  # noqa: A004

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jupyter_server import JupyterServer
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

SECONDS = 60
# Notebook 7.6 raises this by itself while it starts, in a notebook without any widget too (see test_driver.py).
JUPYTERS_OWN = "uncaught: Cannot read properties of undefined (reading 'schema')"

CONNECTED = "[data-status=idle], [data-status=busy]"
READY = """async () => {
  const app = window.jupyterapp;
  await app.restored;
  const notebook = app.shell.currentWidget;
  await notebook.revealed;
  await notebook.sessionContext.ready;
  await notebook.sessionContext.session.kernel.info;
}"""
RUN = """async index => {
  const app = window.jupyterapp;
  const content = app.shell.currentWidget.content;
  content.activeCellIndex = index;
  content.deselectAll();
  await app.commands.execute('notebook:run-cell');
}"""
START = """index => {
  const app = window.jupyterapp;
  const content = app.shell.currentWidget.content;
  content.activeCellIndex = index;
  content.deselectAll();
  app.commands.execute('notebook:run-cell');
}"""
OUTPUTS = """index => window.jupyterapp.shell.currentWidget.content.widgets[index].model.outputs.toJSON()"""
ASK = """async expression => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  let reply = null;
  do {  // after an interrupt the kernel drops what was asked meanwhile
    reply = await kernel.requestExecute({code: '', store_history: false, user_expressions: {answer: expression}}).done;
  } while (reply.content.status === 'aborted');
  const answer = reply.content.user_expressions.answer;
  return answer.status === 'ok' ? answer.data['text/plain'] : `${answer.ename}: ${answer.evalue}`;
}"""


def wait_until(condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    """Ask until the answer is true; fails with what was waited for and the last answer."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            message = f"Waited {seconds} s until {what}; the last answer was {answer!r}."
            raise AssertionError(message)
        time.sleep(0.05)


@dataclass
class Traffic:
    """What the page said and asked for while it was driven."""

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("weberror", lambda error: self._note(f"uncaught: {error.error}"))
        context.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"{message.text} ({message.location.get('url', '')})")

    def _note(self, error: str) -> None:
        if error != JUPYTERS_OWN:
            self.errors.append(error)

    def _request(self, request: Request) -> None:
        self.requests.append(request.url)

    def foreign(self, host: str) -> list[str]:
        """Requests that went anywhere but to this host (data: and blob: go nowhere)."""
        return [
            url
            for url in self.requests
            if urlsplit(url).scheme in {"http", "https", "ws", "wss"} and urlsplit(url).netloc != host
        ]


class Notebook:
    """One notebook open in one browser page."""

    def __init__(self, server: JupyterServer, context: BrowserContext, traffic: Traffic) -> None:
        self.server = server
        self.context = context
        self.traffic = traffic
        self.name = ""
        self.page: Page = context.new_page()
        self.page.set_default_timeout(SECONDS * 1000)

    def open(self, cells: list[str]) -> Notebook:
        """Write a notebook with these cells, open it, wait for its kernel."""
        self.name = self.server.write_notebook(cells)
        return self.load()

    def load(self) -> Notebook:
        """Open (again) the notebook's page."""
        self.page.goto(self.server.address(self.name))
        self.page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for()
        if self.server.expose:
            self.page.evaluate(READY)
        return self

    def run(self, index: int) -> list[dict[str, Any]]:
        """Run a cell to its end; returns its outputs and fails when it raised."""
        outputs = self.run_anyhow(index)
        broken = [output for output in outputs if output["output_type"] == "error"]
        assert not broken, "\n".join(broken[0]["traceback"])
        return outputs

    def run_anyhow(self, index: int) -> list[dict[str, Any]]:
        """Run a cell to its end; returns its outputs."""
        self.page.evaluate(RUN, index)
        return self.outputs(index)

    def start(self, index: int) -> None:
        """Run a cell without waiting for it."""
        self.page.evaluate(START, index)

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """The outputs that the notebook holds for a cell."""
        return self.page.evaluate(OUTPUTS, index)

    def ask(self, expression: str) -> str:
        """``repr`` of an expression in the kernel, without adding to the notebook or its history."""
        return self.page.evaluate(ASK, expression)

    def ask_json(self, expression: str) -> Any:
        """The value of an expression in the kernel that is plain JSON data."""
        answer = self.ask(f"__import__('json').dumps({expression})")
        assert answer[:1] in {"'", '"'}, answer
        return json.loads(answer[1:-1].encode().decode("unicode_escape"))

    def command(self, name: str) -> None:
        """One of the notebook's own commands, to its end."""
        self.page.evaluate("async name => { await window.jupyterapp.commands.execute(name); }", name)

    def sources(self) -> list[str]:
        """The text of each cell."""
        return self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets.map(
              cell => cell.model.sharedModel.getSource())"""
        )

    def run_by_hand(self, index: int) -> None:
        """Click into a cell and press Shift+Enter, as a person does; works in a stock notebook."""
        self.page.locator(f".jp-Notebook-ExecutionIndicator:is({CONNECTED})").wait_for()
        cell = self.page.locator(".jp-Notebook .jp-CodeCell").nth(index)
        prompt = cell.locator(".jp-InputPrompt").first
        before = prompt.inner_text()

        def number() -> str:
            return prompt.inner_text().strip("[]: ")

        def has_run() -> bool:
            return number().isdigit() and prompt.inner_text() != before

        end = time.monotonic() + 2 * SECONDS
        while not has_run():
            assert time.monotonic() < end, f"cell {index} did not run; its prompt is {prompt.inner_text()!r}"
            # A kernel has only just come: the notebook may swallow the key press, forget the run, or ask for one.
            with suppress(AssertionError, TimeoutError):
                self.accept_kernel()
                if number() != "*":
                    cell.locator(".cm-content").click(timeout=10_000)
                    self.page.keyboard.press("Shift+Enter")
                wait_until(has_run, f"cell {index} has run", 10)

    def accept_kernel(self) -> None:
        """Answer 'Select Kernel' with the kernel offered; it is asked when a cell is run before one is there."""
        dialog = self.page.locator("dialog.jp-Dialog", has_text="Select Kernel")
        if dialog.count():
            dialog.locator(".jp-mod-accept").click()
            dialog.wait_for(state="detached")

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)


def open_context(browser: Browser, *, width: int = 1280, height: int = 900, dark: bool = False) -> BrowserContext:
    """A browser context of its own, as if it were another user."""
    return browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", accept_downloads=True
    )
