"""A browser without Jupyter: the panel saved, served, and as a widget with a made-up front end."""

from __future__ import annotations

import base64
import gzip
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from torch import nn

from notebookviz import api, assets
from notebookviz.serving.protocol import answer

# A front end that knows one widget: what anywidget gives to `render`, with Python at the other end of the comm.
FRONT_END = """<!DOCTYPE html><html lang="en"><head><title>Front end</title><link rel="icon" href="data:,">
<script id="jupyter-config-data" type="application/json">{"baseUrl": "/"}</script></head>
<body data-jp-theme-light="true"><main><div id="cell" style="width: 100%"></div></main></body></html>"""
MOUNT = """async ({ traits, texts }) => {
  const bytes = text => new DataView(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
  const heard = {};
  const of = name => heard[name] ??= new Set();
  const values = { ...traits, graph: bytes(traits.awaited ? '' : traits.graph) };
  const model = {
    get: name => values[name], set: (name, value) => { values[name] = value; }, save_changes: () => {},
    on: (name, listener) => of(name).add(listener), off: (name, listener) => of(name).delete(listener),
    send: async message => {
      const found = await window.askPython(JSON.stringify(message));
      if (found) {
        const { reply, buffers } = JSON.parse(found);
        of('msg:custom').forEach(listener => listener(reply, buffers.map(bytes)));
      }
    }
  };
  const assets = { comm_live: true, on: () => {}, off: () => {} };
  window.tell = (event, data) => of('msg:custom').forEach(listener => listener({ event, data }, []));
  window.model = model;
  const url = URL.createObjectURL(new Blob([texts.source], { type: 'text/javascript' }));
  const widget = (await import(url)).default;
  let early = null;
  if (traits.awaited) {
    early = widget.start({ model, ...texts });
    await window.beforeLook?.();
    values.graph = bytes(traits.graph);
    of('change:graph').forEach(listener => listener());
    window.beforeRender?.(values);
  }
  const link = early?.take();
  window.dispose = await widget.render({ model, link, el: document.getElementById('cell'), assets, ...texts });
}"""


class Block(nn.Module):
    """A residual block."""

    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(x)))


class Small(nn.Module):
    """Two levels, one module that is called twice."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.blocks = nn.Sequential(Block(8), Block(8), nn.Sequential(Block(8), nn.Tanh()))
        self.act = nn.GELU()

    def forward(self, x):
        return self.act(self.blocks(self.act(self.first(x))))


class FrontEnd(BaseHTTPRequestHandler):
    """Serves the made-up notebook at ``/``."""

    def do_GET(self):
        found = self.path == "/"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(FRONT_END.encode() if found else b"")

    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def front_end():
    server = ThreadingHTTPServer(("127.0.0.1", 0), FrontEnd)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def tab(browser, front_end):
    """A tab of 1000 by 700 that fails the test on any error in its console.

    With `sockets_fail` the browser may report that a socket did not come about.
    """
    context = browser.new_context(viewport={"width": 1000, "height": 700}, color_scheme="light", accept_downloads=True)
    page = context.new_page()
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.sockets_fail = False
    page.front_end = front_end
    yield page
    context.close()
    failed = "WebSocket connection to "
    assert [error for error in errors if not (page.sockets_fail and error.startswith(failed))] == []


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Small()


@pytest.fixture
def panel(model, monkeypatch):
    """A panel shown outside a notebook: it is served, and no browser is opened."""
    monkeypatch.setattr(api.webbrowser, "open", lambda _: False)
    found = api.show(model, torch.zeros(2, 6))
    yield found
    found.close()


def wait_until_drawn(page):
    """Wait until the panel on a page has drawn its graph."""
    page.locator(".root[data-drawn]").first.wait_for()
    return page


def wait(page, condition, what, seconds=30):
    """Wait in the page, which goes on talking to Python meanwhile."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"Waited until {what}."
        page.wait_for_timeout(50)


@pytest.fixture
def saved(tab, panel, tmp_path):
    """The panel as a saved file, opened from disk."""
    panel.save_html(tmp_path / "small.html")
    panel.close()
    tab.goto((tmp_path / "small.html").as_uri())
    return wait_until_drawn(tab)


@pytest.fixture
def served(tab, panel):
    """The panel in a plain browser."""
    tab.goto(panel.url)
    return wait_until_drawn(tab)


def mount_widget(page, panel, *, port=None, width="100%", awaited=False):
    """Put the panel as a widget into a made-up front end at http://127.0.0.1, with its comm answered by Python.

    Port 0 is one that is not known yet.
    """
    page.asked = []
    page.deaf = False

    def ask(text):
        request = json.loads(text)
        page.asked.append(request["method"])
        found = None if page.deaf else answer(panel.methods, request)
        if found is None:
            return None
        reply, buffers = found
        return json.dumps({"reply": reply, "buffers": [base64.b64encode(item).decode() for item in buffers]})

    page.expose_function("askPython", ask)
    page.goto(page.front_end)
    page.evaluate("width => { document.getElementById('cell').style.width = width; }", width)
    parts = gzip.decompress(assets.assets().packed).decode().split("\0")
    texts = dict(zip(("page", "source", "style"), parts, strict=True))
    traits = {
        "subject": panel.subject,
        "graph": base64.b64encode(panel.graph).decode(),
        "state": panel.state,
        "served": {"id": panel.key} if port == 0 else {**panel.served, **({"port": port} if port else {})},
        "status": panel.status,
        "height": 500,
        "awaited": awaited,
    }
    page.evaluate(MOUNT, {"traits": traits, "texts": texts})
    return wait_until_drawn(page)


@pytest.fixture
def drawn():
    return wait_until_drawn


@pytest.fixture
def mount():
    return mount_widget
