"""A notebook that was saved: opened without its kernel, untrusted, exported; never an empty box."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
import torch
from cells import SHOW_SMALL
from driver import wait_until
from panel_view import PanelView
from safetensors.torch import save_file
from test_stock import tiny_onnx

from tests.viewer.model_files import SAMPLES

pytestmark = [pytest.mark.browser, pytest.mark.jupyter, pytest.mark.slow]

HEIGHTS = """() => Array.from(document.querySelectorAll('.jp-OutputArea-child'), child => child.offsetHeight)"""
LATE = """() => {
  const style = document.createElement('style');
  style.dataset.notebookvizLive = document.querySelector('[data-notebookviz-page]').dataset.notebookvizPage;
  document.head.append(style);
}"""
PICTURE = "img[alt='Graph of Small']"
NAMES = ("tiny.onnx", "weights.safetensors", "weights.pt", "tiny.tflite")
FILES = [sample for sample in SAMPLES if sample.name in NAMES]
NBCONVERTS_OWN = ("https://cdnjs.cloudflare.com/ajax/libs/", "https://unpkg.com/@jupyter-widgets/html-manager@")
LARGE = re.compile(r"^large\.safetensors, 2,\d{3},\d{3} bytes\. A notebook keeps files of up to 2 MB; run the cell")


def wait_for_picture(notebook):
    """Until the notebook holds the picture that the page has sent."""
    wait_until(
        lambda: any("<img alt" in output["data"].get("text/html", "") for output in notebook.outputs(0)),
        "the picture stands in the output",
    )


def shown_alone(notebook):
    """Wait until of a panel's three outputs the widget's is the one that takes room."""
    wait_until(lambda: [height >= 600 for height in heights(notebook)] == [True, False, False], "the widget is shown")
    assert heights(notebook)[1:] == [0, 0]


def heights(notebook):
    return notebook.page.evaluate(HEIGHTS)


def run_and_save(notebook):
    """Run and save a notebook; returns what the recording says."""
    notebook.run(0)
    panel = PanelView(notebook)
    graph = panel.graph()
    panel.wait_drawn(graph)
    wait_for_picture(notebook)
    shown_alone(notebook)
    notebook.command("docmanager:save")
    return graph


def goes_on(notebook, graph):
    """The panel draws, and its modules open and close."""
    panel = PanelView(notebook)
    opened = set(graph.data["opened"])
    panel.wait_drawn(graph, opened)
    panel.close_module(graph.index_of("blocks.0"))
    panel.wait_drawn(graph, opened - {graph.index_of("blocks.0")})


def test_with_its_kernel_the_widget_comes_back_alone_and_without_it_the_panel_opens_from_its_output(
    either, open_notebook
):
    notebook = open_notebook(either, [SHOW_SMALL])
    graph = run_and_save(notebook)
    notebook.load()
    PanelView(notebook).wait_drawn(graph)
    assert notebook.page.locator("iframe.netron").count() == 1
    shown_alone(notebook)

    notebook.server.end_kernels()
    notebook.load()
    notebook.page.locator(".jp-Cell-outputArea").first.scroll_into_view_if_needed()
    goes_on(notebook, graph)
    widget, picture, panel = heights(notebook)
    assert (widget, picture) == (0, 0)
    assert panel >= 600
    assert not notebook.page.get_by_text("Error displaying widget").is_visible()

    notebook.page.evaluate(LATE)  # as the loader of a widget does that comes after all
    wait_until(lambda: notebook.page.locator("iframe.netron").count() == 0, "the panel without a widget is gone")
    notebook.page.get_by_text("Error displaying widget").wait_for()


def test_untrusted_it_shows_picture_and_table_and_runs_no_script(lab, open_notebook):
    notebook = open_notebook(lab, [SHOW_SMALL])
    run_and_save(notebook)
    notebook.server.end_kernels()
    path = notebook.server.work / notebook.name
    content = json.loads(path.read_text())
    content["metadata"]["title"] = "changed by someone else"
    content["cells"][0]["source"] = [*content["cells"][0]["source"], "\n# changed"]
    content["cells"][0]["metadata"].pop("trusted", None)
    path.write_text(json.dumps(content))
    notebook.load()
    picture = notebook.page.locator(PICTURE)
    picture.wait_for()
    width, height = picture.evaluate("async each => { await each.decode(); return [each.width, each.height]; }")
    assert width > 200
    assert height > 400
    assert notebook.page.get_by_role("cell", name="blocks", exact=True).is_visible()
    assert notebook.page.locator("iframe.netron, script[data-notebookviz]").count() == 0
    wait_until(lambda: all(heights(notebook)), "all three outputs stand")


def test_exported_by_nbconvert(lab, open_notebook, browser, tmp_path):
    notebook = open_notebook(lab, [SHOW_SMALL])
    graph = run_and_save(notebook)
    source = notebook.server.work / notebook.name
    target = tmp_path / "exported.html"
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--output", str(target), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    assert "copyright (c) Lutz Roeder" in target.read_text()
    for scripts in (True, False):
        context = browser.new_context(
            offline=True, java_script_enabled=scripts, viewport={"width": 1200, "height": 1600}
        )
        try:
            notebook.page = context.new_page()
            notebook.page.goto(target.as_uri())
            if scripts:
                goes_on(notebook, graph)
                assert not notebook.page.locator(PICTURE).is_visible()
            else:
                assert notebook.page.locator(PICTURE).is_visible()
                assert notebook.page.get_by_role("cell", name="blocks", exact=True).is_visible()
        finally:
            context.close()


def test_a_file_and_a_second_panel_open_without_their_kernel_and_what_they_share_is_kept_once(lab, open_notebook):
    (lab.work / "tiny.onnx").write_bytes(tiny_onnx())
    notebook = open_notebook(lab, [SHOW_SMALL, "panel = show(model)", "%load_ext notebookviz\n%netron tiny.onnx"])
    for cell in range(3):
        notebook.run(cell)
        seen(notebook, cell)
    wait_until(lambda: any(len(script) > 5000 for script in scripts(notebook, 2)), "the file stands in the output")
    shared, *lean = [len(script) for cell in range(3) for script in scripts(notebook, cell)]
    assert shared > 250_000
    assert len(lean) == 2
    assert lean[0] < 40_000
    notebook.command("docmanager:save")
    notebook.server.end_kernels()
    notebook.load()
    for cell in (2, 1, 0):
        seen(notebook, cell)
    box = PanelView(notebook, cell=2).inner
    assert box.locator("svg g.node", has_text="Relu").count() > 0


@pytest.fixture(scope="module")
def executed(lab):
    """A notebook of files that nbconvert has run and no browser has drawn, trusted by the server."""
    for sample in FILES:
        (lab.work / sample.name).write_bytes(sample.make())
    save_file({"weight": torch.zeros(1 << 19)}, lab.work / "large.safetensors")
    names = [*(sample.name for sample in FILES), "large.safetensors"]
    name = lab.write_notebook(["%load_ext notebookviz", *(f"%netron {each}" for each in names)])
    places = {each: str(lab.folder / each.lower()) for each in ("HOME", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    for tool in (["nbconvert", "--to", "notebook", "--execute", "--inplace"], ["jupyter", "trust"]):
        command = [sys.executable, "-m", *tool, str(lab.work / name)]
        subprocess.run(command, check=True, capture_output=True, timeout=280, env={**os.environ, **places})
    return name


def drawn_files(page):
    """The names of the files whose graphs are drawn, one cell after the other, each when it is in sight."""
    found = []
    for number, sample in enumerate(FILES, 1):
        cell = page.locator(".jp-CodeCell").nth(number)
        cell.locator(".jp-OutputArea").scroll_into_view_if_needed()
        box = cell.frame_locator("iframe.netron").locator("svg g.node", has_text=sample.word).first
        box.wait_for()
        found += [sample.name] if box.evaluate("node => node.getBBox().width") > 20 else []
    return found


def test_files_that_no_browser_drew_are_drawn_without_a_kernel(executed, lab, open_notebook):
    notebook = open_notebook(lab, ["1"])
    notebook.name = executed
    notebook.load()
    assert drawn_files(notebook.page) == [sample.name for sample in FILES]
    assert [output["output_type"] for output in notebook.outputs(1)] == ["display_data"] * 3
    first, *others = [sum(map(len, scripts(notebook, number))) for number in range(1, len(FILES) + 1)]
    sizes = dict(zip([sample.name for sample in FILES], [first, *others], strict=True))
    assert sizes["weights.safetensors"] < 20_000
    assert sizes["tiny.tflite"] < 60_000
    assert sizes["weights.pt"] < 600_000


def test_files_that_no_browser_drew_are_drawn_in_an_exported_page(executed, lab, browser, tmp_path):
    target = tmp_path / "exported.html"
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--output", str(target), str(lab.work / executed)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    for scripts_run in (True, False):
        context = browser.new_context(offline=True, java_script_enabled=scripts_run)
        asked = []
        context.on("request", lambda request, asked=asked: asked.append(request.url))
        page = context.new_page()
        page.goto(target.as_uri())
        if scripts_run:
            assert drawn_files(page) == [sample.name for sample in FILES]
            assert page.locator("iframe.netron").count() == len(FILES)
            others = [url for url in asked if url.startswith("http") and not url.startswith(NBCONVERTS_OWN)]
            assert others == [], "a panel asks another host"
        words = page.get_by_text("It is drawn here where scripts run")
        assert [each.is_visible() for each in words.all()] == [not scripts_run] * len(FILES)
        assert page.get_by_text(LARGE).is_visible()
        context.close()


def seen(notebook, cell):
    """Scroll to the panel of a cell, and wait until it is drawn."""
    notebook.page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".jp-OutputArea").scroll_into_view_if_needed()
    PanelView(notebook, cell=cell).inner.locator("svg g.node").first.wait_for()


def scripts(notebook, cell):
    """The scripts that a cell's outputs hold."""
    found = (output.get("data", {}).get("application/javascript") for output in notebook.outputs(cell))
    return ["".join(script) for script in found if script]
