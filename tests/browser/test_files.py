"""``%netron`` and saved pages in the browser: files, protos, external data, a page without a kernel."""

from __future__ import annotations

import re

import pytest
from cells import SHOW_SMALL
from panel_view import PanelView
from test_routes import WAITS
from test_stock import tiny_onnx

pytestmark = [pytest.mark.browser, pytest.mark.jupyter, pytest.mark.slow]

EXTERNAL = """
import numpy, onnx
from onnx import TensorProto, helper, numpy_helper
weight = numpy_helper.from_array(numpy.arange(400, dtype=numpy.float32).reshape(20, 20), 'w')
graph = helper.make_graph([helper.make_node('MatMul', ['x', 'w'], ['y'])], 'outside',
    [helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, 20])],
    [helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 20])], [weight])
proto = helper.make_model(graph)
onnx.save(proto, 'outside.onnx', save_as_external_data=True, location='outside.bin', size_threshold=0)
%load_ext notebookviz
%netron outside.onnx
"""


def test_netron_opens_a_file_and_a_proto(either, open_notebook):
    (either.work / "my tiny.onnx").write_bytes(tiny_onnx())
    notebook = open_notebook(
        either,
        [
            "%load_ext notebookviz\n%netron my tiny.onnx",
            "import onnx; proto = onnx.load('my tiny.onnx')\n%netron proto",
            "%netron",
        ],
    )
    notebook.run(0)
    PanelView(notebook, cell=0).inner.locator("svg g.node", has_text="Relu").first.wait_for()
    notebook.run(1)
    second = PanelView(notebook, cell=1)
    second.scope.scroll_into_view_if_needed()  # a page starts when its panel is seen
    second.inner.locator("svg g.node", has_text="Relu").first.wait_for()
    listed = notebook.run(2)[0]["text"]
    assert "my tiny.onnx" in listed
    assert notebook.traffic.errors == []


def test_netron_shows_a_model_with_an_input(lab, open_notebook):
    notebook = open_notebook(lab, [SHOW_SMALL, "%load_ext notebookviz\n%netron model torch.zeros(5, 6)"])
    notebook.run(0)
    notebook.run(1)
    panel = PanelView(notebook, cell=1, variable="__import__('notebookviz.panel', fromlist=['x']).open_panels()[-1]")
    graph = panel.graph()
    panel.wait_drawn(graph)
    assert "5×6" in graph.data["input"]


def test_external_data_is_read_from_the_same_folder(lab, open_notebook):
    notebook = open_notebook(lab, [EXTERNAL])
    notebook.run(0)
    panel = PanelView(notebook)
    panel.inner.locator("svg g.node .node-argument").first.click()
    panel.inner.locator("#sidebar .sidebar-item-value-expander").first.click()
    text = panel.inner.locator("#sidebar pre", has_not_text=WAITS).last
    text.wait_for()
    numbers = [float(number) for number in re.findall(r"\d+", text.inner_text())]
    assert numbers[:3] == [0, 1, 2]
    assert numbers[-1] == 399


def test_truncated_file_is_refused_in_one_line(lab, open_notebook):
    (lab.work / "cut.onnx").write_bytes(tiny_onnx()[:-20])
    notebook = open_notebook(lab, ["%load_ext notebookviz\n%netron cut.onnx", "1 + 1"])
    outputs = notebook.run_anyhow(0)
    assert [output["output_type"] for output in outputs] == ["error"]
    assert "'cut.onnx' is truncated or damaged" in outputs[0]["evalue"]
    assert len("\n".join(outputs[0]["traceback"]).splitlines()) == 1
    assert notebook.run(1)[0]["data"]["text/plain"] == "2"


def test_saved_page_opens_offline_without_a_kernel(lab, open_notebook, browser, tmp_path):
    page_file = tmp_path / "saved.html"
    notebook = open_notebook(lab, [SHOW_SMALL, f"panel.save_html({str(page_file)!r})"])
    notebook.run(0)
    graph = PanelView(notebook).graph()
    notebook.run(1)

    context = browser.new_context(offline=True)
    errors, requests = [], []
    context.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    context.on("weberror", lambda error: errors.append(str(error.error)))
    context.on("request", lambda request: requests.append(request.url))
    try:
        notebook.page = context.new_page()
        notebook.page.goto(page_file.as_uri())
        saved = PanelView(notebook)
        opened = set(graph.data["opened"])
        saved.wait_drawn(graph, opened)
        block = graph.index_of("blocks.0")
        if block in opened:
            saved.close_module(block)
            opened.remove(block)
        else:
            saved.open_module(block)
            opened.add(block)
        saved.wait_drawn(graph, opened)
        assert [url for url in requests if not url.startswith(("data:", "blob:", "about:"))] == [page_file.as_uri()]
        assert errors == []
    finally:
        context.close()
