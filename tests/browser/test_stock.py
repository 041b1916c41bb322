"""Each feature once in a stock JupyterLab and a stock Notebook 7, by mouse and keyboard alone."""

from __future__ import annotations

import pytest
from cells import SHOW_SMALL
from driver import wait_until
from panel_view import PanelView

pytestmark = [pytest.mark.browser, pytest.mark.jupyter, pytest.mark.slow]

SAY = (
    "import json; from notebookviz.graph.encode import encode; print('@@' + json.dumps(encode(panel.recording)) + '@@')"
)


def said(notebook, index):
    """What a cell printed, read from the screen."""
    output = notebook.page.locator(".jp-Notebook .jp-CodeCell").nth(index).locator(".jp-OutputArea-output pre").last
    output.wait_for()
    return output.inner_text()


def test_everything_by_hand(stock, open_notebook, tmp_path):
    import json

    from expected import Graph
    from test_routes import values_of

    (stock.work / "tiny.onnx").write_bytes(tiny_onnx())
    notebook = open_notebook(
        stock,
        [SHOW_SMALL, SAY, "print(type(panel.selected).__name__)", "%load_ext notebookviz\n%netron tiny.onnx"],
    )
    notebook.run_by_hand(0)
    notebook.run_by_hand(1)
    panel = PanelView(notebook, cell=0)
    graph = Graph(json.loads(said(notebook, 1).strip().strip("@")))
    opened = set(graph.data["opened"])
    panel.wait_drawn(graph, opened)

    block = graph.index_of("blocks.0")
    for _ in range(2):
        if block in opened:
            panel.close_module(block)
            opened.remove(block)
        else:
            panel.open_module(block)
            opened.add(block)
        panel.wait_drawn(graph, opened)

    first = graph.index_of("first")
    panel.click_row(first)
    wait_until(lambda: panel.read()["selected"] == [str(first)], "the row's box is selected")
    assert len(values_of(panel, first)) == 48

    def asked_again():
        notebook.run_by_hand(2)
        return said(notebook, 2).strip()

    wait_until(lambda: asked_again() == "Linear", "Python was told of the selection")

    notebook.run_by_hand(3)
    file = PanelView(notebook, cell=3)
    file.inner.locator("svg g.node", has_text="Relu").first.wait_for()
    assert notebook.page.evaluate("() => 'jupyterapp' in window") is False


def tiny_onnx():
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"], name="only")],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )
    return helper.make_model(graph).SerializeToString()
