"""Re-running, reloading, more views: nothing leaks and nothing is lost."""

from __future__ import annotations

import pytest
from cells import SHOW_SMALL, SMALL
from driver import wait_until
from panel_view import PanelView

pytestmark = [pytest.mark.browser, pytest.mark.jupyter, pytest.mark.slow]

ALIVE = "sum(type(thing).__name__ == 'Small' for thing in __import__('gc').get_objects())"
COLLECT = "__import__('gc').collect()"


def test_rerunning_twenty_times_holds_one_model(either, open_notebook):
    notebook = open_notebook(either, [SMALL, "show(Small(), torch.zeros(2, 6))"])
    notebook.run(0)
    for _ in range(20):
        notebook.run(1)
    PanelView(notebook).iframe.wait_for()
    notebook.ask(COLLECT)
    # `model` of the first cell, and the one that is shown.
    wait_until(lambda: notebook.ask(COLLECT) and notebook.ask(ALIVE) == "2", "one shown model is alive")
    wait_until(lambda: notebook.page.locator("iframe.netron").count() == 1, "one panel is shown")


def test_clearing_the_output_lets_go(lab, open_notebook):
    notebook = open_notebook(lab, [SMALL, "show(Small(), torch.zeros(2, 6))"])
    notebook.run(0)
    notebook.run(1)
    panel = PanelView(notebook, variable="_")
    panel.wait_drawn(panel.graph())
    notebook.command("notebook:clear-all-cell-outputs")
    wait_until(lambda: notebook.ask(COLLECT) and notebook.ask(ALIVE) == "1", "the shown model is gone")


def _use(notebook):
    """Open a module and select in it, by hand."""
    panel = PanelView(notebook)
    graph = panel.graph()
    panel.wait_drawn(graph)
    opened = set(graph.data["opened"])
    block, norm = graph.index_of("blocks.1"), graph.index_of("blocks.1.norm")
    if block in panel.opened():
        panel.close_module(graph.index_of("blocks.0"))
        opened.discard(graph.index_of("blocks.0"))
    else:
        panel.open_module(block)
        opened.add(block)
    panel.wait_drawn(graph, opened)
    panel.select_box(norm)
    wait_until(lambda: panel.state()["selected"] == norm, "Python was told of the selection")
    wait_until(lambda: panel.read()["selected"] == [str(norm)], "it is selected")
    return panel, graph, opened, norm


def test_reload_keeps_opened_and_selected(either, open_notebook):
    notebook = open_notebook(either, [SHOW_SMALL])
    notebook.run(0)
    _, graph, opened, norm = _use(notebook)
    notebook.command("docmanager:save")
    notebook.load()
    panel = PanelView(notebook)
    panel.wait_drawn(graph, opened)
    wait_until(lambda: panel.read()["selected"] == [str(norm)], "it is selected again")
    wait_until(lambda: panel.selected_row() == norm, "its row is selected again")


def test_new_view_keeps_opened_and_selected(lab, open_notebook):
    notebook = open_notebook(lab, [SHOW_SMALL])
    notebook.run(0)
    _, graph, opened, norm = _use(notebook)
    notebook.command("notebook:create-output-view")
    view = PanelView(notebook)
    view.scope = notebook.page.locator(".jp-LinkedOutputView")
    view.iframe = view.scope.locator("iframe.netron")
    view.wait_drawn(graph, opened)
    wait_until(lambda: view.read()["selected"] == [str(norm)], "it is selected in the new view")


def test_restarted_kernel_says_so(lab, open_notebook):
    notebook = open_notebook(lab, [SHOW_SMALL])
    notebook.run(0)
    panel = PanelView(notebook)
    panel.wait_drawn(panel.graph())
    notebook.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    wait_until(lambda: "gone" in panel.status.inner_text(), "the status line says that the kernel is gone")
