"""Colours and the selection between cells, in a real JupyterLab."""

from __future__ import annotations

import pytest
from cells import SHOW_SMALL
from driver import wait_until
from panel_view import PanelView
from playwright.sync_api import expect
from test_routes import SOCKET, block

pytestmark = [pytest.mark.browser, pytest.mark.jupyter, pytest.mark.slow]

NORMS = "panel.overlay('norm', {name: p.norm() for name, p in model.named_parameters()})"
SELECTED = "print(panel.state['selected'])"
LATE = "import time\npanel.overlay('late', {'first': 7})\ntime.sleep(600)"


@pytest.mark.parametrize("route", ["socket", "comm"])
def test_what_was_clicked_counts_in_the_next_cell(lab, open_notebook, route):
    """However soon it is run: a click and a cell come over different sockets, to different threads."""
    blocked = []
    prepare = block(SOCKET, blocked) if route == "comm" else None
    notebook = open_notebook(lab, [SHOW_SMALL, SELECTED], prepare=prepare)
    notebook.run(0)
    panel = PanelView(notebook)
    graph = panel.graph()
    panel.wait_drawn(graph)
    clicked, told = [graph.index_of("first"), graph.index_of("blocks")] * 10, []
    for index in clicked:
        panel.click_row(index)
        (output,) = notebook.run(1)
        told.append(int(output["text"]))
    assert told == clicked
    assert bool(blocked) == (route == "comm")


def test_colours_from_cells_and_the_selection_in_the_next_one(lab, open_notebook):
    notebook = open_notebook(lab, [f"{SHOW_SMALL}\n{NORMS}", "print(panel.selected is model.first)", LATE])
    notebook.run(0)
    panel = PanelView(notebook)
    graph = panel.graph()
    panel.wait_drawn(graph)
    painted = panel.scope.locator(".row .painted")
    wait_until(lambda: painted.count() > 0, "the rows are coloured by what the same cell gave")
    panel.click_row(graph.index_of("first"))
    (output,) = notebook.run(1)
    assert output["text"] == "True\n"
    notebook.start(2)
    colour = panel.scope.get_by_label("Colour by")
    expect(colour).to_have_value("own: late")
    expect(painted).to_have_text(["7"])
    colour.select_option(label="parameters")
    expect(panel.scope.locator(".legend")).to_contain_text("parameters")
    assert notebook.page.locator(".jp-InputArea-prompt", has_text="[*]").count() == 1, "it came while the cell ran"
    notebook.command("notebook:interrupt-kernel")
    wait_until(lambda: panel.state()["overlay"] == "params", "Python was told which colours are shown")
    notebook.command("docmanager:save")
    notebook.load()
    expect(panel.scope.get_by_label("Colour by")).to_have_value("params")
    assert notebook.traffic.errors == []
