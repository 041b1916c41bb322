"""Keys stay in the panel, axe finds nothing serious, and pictures of the panel in its sizes and themes."""

from __future__ import annotations

from pathlib import Path

import pytest
from cells import RESNET, SHOW_SMALL
from driver import wait_until
from panel_view import PanelView

pytestmark = [pytest.mark.browser, pytest.mark.jupyter, pytest.mark.slow]

SCREENSHOTS = Path(__file__).parents[2] / "artifacts" / "screenshots"


def test_keys_typed_in_the_panel_leave_the_notebook_unchanged(either, open_notebook):
    cells = [SHOW_SMALL, "1", "2", "3"]
    notebook = open_notebook(either, cells)
    notebook.run(0)
    panel = PanelView(notebook)
    graph = panel.graph()
    panel.wait_drawn(graph)
    for focus in (
        lambda: panel.click_row(graph.index_of("first")),
        lambda: select_in_graph(panel, graph.index_of("first")),
        panel.scope.get_by_role("searchbox").first.click,
        lambda: panel.scope.get_by_role("button", name="Full screen").focus(),
    ):
        focus()
        for key in ("a", "b", "x", "d", "d", "0", "0", "m", "y", "z", "Shift+Enter", "Control+Enter"):
            notebook.page.keyboard.press(key)
        assert notebook.sources() == cells
        assert notebook.ask("type(model).__name__") == "'Small'"
    counts = notebook.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.executionCount)"
    )
    assert counts == [1, None, None, None]


def select_in_graph(panel, index):
    """Click a box, and wait until the page has the keys."""
    panel.select_box(index)
    wait_until(lambda: panel.frame().evaluate("document.hasFocus()"), "the page has the focus")


def serious(target, **options):
    """What axe finds in a page or a frame that is serious."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(target, options={"resultTypes": ["violations"]}, **options).response
    assert found["passes"], "axe looked at nothing"
    return [
        f"{rule['id']}: {rule['help']}: {[node['target'] for node in rule['nodes']]}"
        for rule in found["violations"]
        if rule["impact"] in {"serious", "critical"}
    ]


def set_theme(notebook, *, dark):
    """Choose the notebook's own theme, as its settings menu does."""
    name = "JupyterLab Dark" if dark else "JupyterLab Light"
    notebook.page.evaluate(
        "async theme => { await window.jupyterapp.commands.execute('apputils:change-theme', {theme}); }", name
    )
    wait_until(
        lambda: notebook.page.evaluate("() => document.body.dataset.jpThemeLight") == str(not dark).lower(),
        "the notebook has changed its theme",
    )


# Boxes whose name reaches beyond them.
CRUSHED = """() => [...document.querySelectorAll('#nodes .node-item')].filter((item) => {
  const [text, box] = ['text', 'path'].map((tag) => item.querySelector(tag).getBoundingClientRect());
  return text.width > box.width || text.height > box.height;
}).map((item) => item.textContent)"""
RULER = """from IPython.display import HTML, display
display(HTML('<div class="ruler">&nbsp;</div>'))"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_screenshots_and_nothing_serious_found_by_axe(lab, open_notebook, dark):
    """Pictures to be looked at; here only that the panel is as wide as wanted, light or dark, texts in their boxes."""
    notebook = open_notebook(lab, [RULER, RESNET], dark=dark, width=1760, height=1000)
    set_theme(notebook, dark=dark)
    notebook.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    notebook.run(0)
    ruler = notebook.page.locator(".jp-OutputArea-output:has(.ruler)")
    for width in (1600, 900, 480):
        set_width(notebook, ruler, width)
        notebook.run(1)
        panel = PanelView(notebook)
        assert abs(pictured(panel, width, dark=dark) - width) < 16
        assert serious(notebook.page, context={"include": [[".notebookviz"]], "exclude": [["iframe"]]}) == []
        assert serious(panel.frame()) == []


def pictured(panel, width, *, dark):
    """Pictures of the opening view and of an opened block; how wide the panel is."""
    graph = panel.graph()
    panel.wait_drawn(graph)
    root = panel.scope.locator(".notebookviz").first
    chosen = [str(graph.index_of("layer1.0.conv2"))]
    for state in ("opening", "opened"):
        if state == "opened":
            panel.notebook.ask("panel.expand('layer1.0'), panel.select('layer1.0.conv2')")
            wait_until(lambda: panel.read()["selected"] == chosen, "it is selected")
        settle(panel.notebook)
        assert panel.frame().evaluate(CRUSHED) == []
        path = SCREENSHOTS / f"{state}-{width}-{'dark' if dark else 'light'}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        root.screenshot(path=path)
        assert brightness(path) < 0.4 if dark else brightness(path) > 0.6
    return root.bounding_box()["width"]


def set_width(notebook, ruler, width):
    """Make the browser as wide as it must be for a cell's output to have this width."""

    def fits():
        missing = width - ruler.bounding_box()["width"]
        size = notebook.page.viewport_size
        if abs(missing) >= 1:
            notebook.page.set_viewport_size({"width": int(size["width"] + missing), "height": size["height"]})
        return abs(missing) < 1

    wait_until(fits, f"the output is {width} px wide")


def settle(notebook):
    """Wait until the panel has stopped moving: two equal pictures in a row."""
    last = [b""]

    def same():
        now = notebook.page.screenshot()
        equal = now == last[0]
        last[0] = now
        return equal

    wait_until(same, "nothing moves any more")


def brightness(path):
    from PIL import Image

    grey = Image.open(path).convert("L").resize((50, 50))
    pixels = list(grey.tobytes())
    return sum(pixels) / len(pixels) / 255
