"""What is drawn is what the recording says, however modules are opened and closed."""

from __future__ import annotations

import random

import pytest
from cells import RESNET, SHOW_SMALL, SMALL
from driver import wait_until
from panel_view import PanelView

pytestmark = [pytest.mark.browser, pytest.mark.jupyter, pytest.mark.slow]


def test_resnet50_is_drawn_as_recorded(either, open_notebook):
    notebook = open_notebook(either, [RESNET])
    notebook.run(0)
    panel = PanelView(notebook)
    graph = panel.graph()
    wanted = panel.wait_drawn(graph)
    assert {graph.path(index) for index in wanted.nodes} >= {"conv1", "fc"}
    assert len(wanted.edges) > len(wanted.nodes) - 2
    # Each arrow's ends touch the boxes that it is said to join (12 units leave room for the arrow head).
    assert max(panel.read()["touching"]) < 12
    assert notebook.traffic.errors == []


def test_twenty_random_opens_and_closes(lab, open_notebook):
    notebook = open_notebook(lab, [RESNET])
    notebook.run(0)
    panel = PanelView(notebook)
    graph = panel.graph()
    opened = set(graph.data["opened"])
    picture = panel.wait_drawn(graph, opened)
    choose = random.Random(20)
    for _ in range(20):
        closable = sorted(picture.clusters)
        openable = sorted(index for index in picture.nodes if graph.can_open(index))
        index = choose.choice(openable if openable and (not closable or choose.random() < 0.6) else closable)
        if index in opened:
            panel.close_module(index)
            opened.remove(index)
        else:
            panel.open_module(index)
            opened.add(index)
        picture = panel.wait_drawn(graph, opened)
    wait_until(lambda: set(panel.state()["opened"]) & set(picture.clusters) == set(picture.clusters), "Python was told")
    assert notebook.traffic.errors == []


def test_clicks_work_both_ways(either, open_notebook):
    notebook = open_notebook(either, [SHOW_SMALL])
    notebook.run(0)
    panel = PanelView(notebook)
    graph = panel.graph()
    panel.wait_drawn(graph)
    first, blocks = graph.index_of("first"), graph.index_of("blocks.0")

    panel.click_row(first)
    wait_until(lambda: panel.read()["selected"] == [str(first)], "the row's box is selected in the graph")
    wait_until(lambda: panel.state()["selected"] == first, "Python was told of the row")
    assert notebook.ask("panel.selected is model.first") == "True"

    norm = graph.index_of("blocks.0.norm")
    if norm not in graph.picture(panel.opened()).nodes:
        panel.open_module(blocks)
    panel.select_box(norm)
    wait_until(lambda: panel.selected_row() == norm, "the box's row is selected in the table")
    wait_until(lambda: notebook.ask("panel.selected is model.blocks[0].norm") == "True", "Python was told of the box")
    assert notebook.traffic.errors == []


def test_python_opens_and_selects(lab, open_notebook):
    notebook = open_notebook(
        lab, [SHOW_SMALL, "panel.select('blocks.1.up')", "panel.collapse('blocks.1'); panel.select(None)"]
    )
    notebook.run(0)
    panel = PanelView(notebook)
    graph = panel.graph()
    panel.wait_drawn(graph)
    notebook.run(1)
    up = graph.index_of("blocks.1.up")
    wait_until(lambda: panel.read()["selected"] == [str(up)], "what Python selected is selected")
    notebook.run(2)
    wait_until(lambda: panel.read()["selected"] == [], "nothing is selected")
    wait_until(lambda: graph.index_of("blocks.1") not in panel.opened(), "what Python closed is closed")


def test_two_models_in_one_notebook(either, open_notebook):
    other = SMALL + "other = show(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 6)), torch.zeros(1, 4))\n"
    notebook = open_notebook(either, [SHOW_SMALL, other])
    notebook.run(0)
    notebook.run(1)
    one, two = PanelView(notebook, cell=0), PanelView(notebook, cell=1, variable="other")
    graphs = one.graph(), two.graph()
    one.wait_drawn(graphs[0])
    two.wait_drawn(graphs[1])
    assert graphs[0].data["model"] == "Small"
    assert graphs[1].data["model"] == "Sequential"
    two.click_row(graphs[1].index_of("2"))
    wait_until(lambda: two.read()["selected"] != [], "the second is selected")
    assert one.read()["selected"] == []


def test_find_opens_what_hides_it(lab, open_notebook):
    notebook = open_notebook(lab, [RESNET])
    notebook.run(0)
    panel = PanelView(notebook)
    graph = panel.graph()
    panel.wait_drawn(graph)
    deep = graph.index_of("layer3.4.conv2")
    assert deep not in graph.picture(graph.data["opened"]).nodes
    panel.grid.focus()
    notebook.page.keyboard.press("/")
    notebook.page.keyboard.type("layer3.4.conv2")
    notebook.page.keyboard.press("Enter")
    wait_until(lambda: str(deep) in panel.read()["nodes"], "the module that was found is drawn")
    wait_until(lambda: panel.read()["selected"] == [str(deep)], "it is selected")
    panel.wait_drawn(graph, panel.opened())
