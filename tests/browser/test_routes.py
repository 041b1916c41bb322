"""Served, behind the proxy, over the comm: the same panel; and while a cell runs."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from cells import SHOW_SMALL
from driver import wait_until
from panel_view import PanelView

pytestmark = [pytest.mark.browser, pytest.mark.jupyter, pytest.mark.slow]

SOCKET = re.compile(r"^wss?://[^/]+/(?:[^/]+/)*[^/]+/[^/]+/socket$")
DIRECT = re.compile(r"^ws://127\.0\.0\.1:\d+/[^/]+/[^/]+/socket$")
PROXIED = re.compile(r"^ws://.*/proxy/\d+/.*/socket$")
# What stands for values until they are here.
WAITS = "\u23f3"
STEP = """
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
model(torch.ones(2, 6)).sum().backward()
optimizer.step()
"""


def block(pattern, blocked):
    """Refuse WebSockets to these addresses, as a firewall would."""

    def prepare(context):
        def refuse(route):
            blocked.append(route.url)
            route.close()

        context.route_web_socket(pattern, refuse)

    return prepare


def use_everything(notebook):
    """Draw, select both ways, open, search, see a weight's values."""
    panel = PanelView(notebook)
    graph = panel.graph()
    panel.wait_drawn(graph)
    first = graph.index_of("first")
    panel.click_row(first)
    wait_until(lambda: panel.read()["selected"] == [str(first)], "the row's box is selected")
    assert_weight(panel, notebook, first)
    return panel, graph


def values_of(panel, index, weight="weight"):
    """Click a weight of a box and read the numbers that its sidebar shows."""
    box = panel.box(index)
    box.locator(".node-argument", has_text=weight).first.click()
    panel.inner.locator("#sidebar-title", has_text="Tensor Properties").wait_for()
    sidebar = panel.inner.locator("#sidebar")
    sidebar.locator(".sidebar-item-value-expander").first.click()
    text = sidebar.locator("pre", has_not_text=WAITS).last
    text.wait_for()
    return [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e[+-]?\d+)?", text.inner_text())]


def assert_weight(panel, notebook, index):
    shown = values_of(panel, index)
    held = notebook.ask_json("model.first.weight.flatten().tolist()")
    assert shown == pytest.approx(held, rel=1e-4), "the sidebar shows other values than the model holds"


def test_served(lab, open_notebook):
    sockets = []
    notebook = open_notebook(lab, [SHOW_SMALL], prepare=lambda context: watch(context, sockets))
    notebook.run(0)
    use_everything(notebook)
    assert any(DIRECT.match(url) for url in sockets)
    assert notebook.traffic.errors == []


def watch(context, sockets):
    context.on("page", lambda page: page.on("websocket", lambda socket: sockets.append(socket.url)))


def test_blocked_port_goes_over_the_comm(either, open_notebook):
    blocked = []
    notebook = open_notebook(either, [SHOW_SMALL], prepare=block(SOCKET, blocked))
    notebook.run(0)
    use_everything(notebook)
    assert any(DIRECT.match(url) for url in blocked), "the port was never tried, so nothing was proved"


def test_behind_jupyter_server_proxy(lab, open_notebook):
    blocked, sockets = [], []

    def prepare(context):
        block(DIRECT, blocked)(context)
        watch(context, sockets)

    notebook = open_notebook(lab, [SHOW_SMALL, "import time; time.sleep(600)"], prepare=prepare)
    notebook.run(0)
    panel, graph = use_everything(notebook)
    assert blocked
    assert any(PROXIED.match(url) for url in sockets), sockets
    notebook.start(1)
    assert values_while_busy(panel, graph)


def values_while_busy(panel, graph):
    """A weight that nobody has seen yet, while a cell runs."""
    return len(values_of(panel, graph.index_of("first"), "bias")) == 8


def test_sleeping_cell_leaves_the_served_route_alive(either, open_notebook):
    notebook = open_notebook(either, [SHOW_SMALL, "import time; time.sleep(600)", "1"])
    notebook.run(0)
    panel = PanelView(notebook)
    graph = panel.graph()
    opened = set(graph.data["opened"])
    panel.wait_drawn(graph)
    notebook.start(1)
    prompt = notebook.page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".jp-InputPrompt").first
    wait_until(lambda: "*" in prompt.inner_text(), "the cell runs")

    first, block_ = graph.index_of("first"), graph.index_of("blocks.0")
    panel.click_row(first)
    wait_until(lambda: panel.read()["selected"] == [str(first)], "selecting works")
    if block_ in opened:
        panel.close_module(block_)
        opened.remove(block_)
    else:
        panel.open_module(block_)
        opened.add(block_)
    panel.wait_drawn(graph, opened)
    panel.grid.focus()
    notebook.page.keyboard.press("/")
    notebook.page.keyboard.type("blocks.1.up")
    notebook.page.keyboard.press("Enter")
    wait_until(lambda: panel.read()["selected"] == [str(graph.index_of("blocks.1.up"))], "searching works")
    panel.click_row(first)
    assert len(values_of(panel, first)) == 48
    assert "*" in prompt.inner_text(), "the cell ended meanwhile, so nothing was proved"
    notebook.command("notebook:interrupt-kernel")


def test_second_look_after_a_step_shows_new_values(lab, open_notebook):
    notebook = open_notebook(lab, [SHOW_SMALL, STEP])
    notebook.run(0)
    panel = PanelView(notebook)
    graph = panel.graph()
    panel.wait_drawn(graph)
    first = graph.index_of("first")
    before = values_of(panel, first)
    notebook.run(1)
    panel.select_box(first)
    after = values_of(panel, first)
    held = notebook.ask_json("model.first.weight.flatten().tolist()")
    assert after == pytest.approx(held, rel=1e-4)
    assert after != pytest.approx(before, rel=1e-4)


def test_no_request_leaves_the_machine(lab, open_notebook):
    """Every menu entry, sidebar and weight that Netron has is used; nothing is asked of another host."""
    notebook = open_notebook(lab, [SHOW_SMALL])
    notebook.run(0)
    panel, graph = use_everything(notebook)
    for entry in menu_entries(panel.inner):
        open_menu(panel.inner)
        item = panel.inner.locator(f"#{entry}")
        if item.is_visible() and item.is_enabled():
            item.click()
            if panel.inner.locator("body.about").count():
                panel.inner.locator("#version").click()
    for index in sorted(graph.picture(panel.opened()).nodes):
        panel.select_box(index)
    hosts = {urlsplit(url).hostname for url in notebook.traffic.requests if urlsplit(url).hostname}
    assert hosts == {"127.0.0.1"}, hosts
    page = [
        url for url in notebook.traffic.requests if "netron" in url.lower() and not url.startswith(("data:", "blob:"))
    ]
    assert page == [], "the page asked for something by itself"


def open_menu(inner):
    inner.locator("#menu-button").click()
    inner.locator("#menu .menu-command").first.wait_for()


def menu_entries(inner):
    open_menu(inner)
    entries = [item.get_attribute("id") for item in inner.locator("#menu .menu-command").all()]
    inner.locator("#menu-button").click()
    assert len(entries) > 8
    return entries
