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
        lambda: panel.select_box(graph.index_of("first")),
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


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious(lab, open_notebook, dark):
    from axe_playwright_python.sync_playwright import Axe

    notebook = open_notebook(lab, [SHOW_SMALL], dark=dark)
    set_theme(notebook, dark=dark)
    notebook.run(0)
    panel = PanelView(notebook)
    panel.wait_drawn(panel.graph())
    context = {"include": [[".notebookviz"]]}
    found = Axe().run(notebook.page, context=context, options={"resultTypes": ["violations"]}).response
    assert found["passes"] or found["violations"], "axe looked at nothing"
    serious = [
        f"{rule['id']}: {rule['help']}: {[node['target'] for node in rule['nodes']]}"
        for rule in found["violations"]
        if rule["impact"] in {"serious", "critical"}
    ]
    assert serious == []


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


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_screenshots(lab, open_notebook, dark):
    """Pictures to be looked at; here only that the panel is as wide as wanted, and that it is light or dark."""
    notebook = open_notebook(lab, [RESNET], dark=dark, width=1900, height=1000)
    set_theme(notebook, dark=dark)
    notebook.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    notebook.run(0)
    panel = PanelView(notebook)
    graph = panel.graph()
    panel.wait_drawn(graph)
    root = panel.scope.locator(".notebookviz").first
    for width in (480, 900, 1600):
        set_width(notebook, root, width)
        for state in ("opening", "opened"):
            if state == "opened":
                panel.notebook.ask("panel.expand('layer1.0'), panel.select('layer1.0.conv2')")
            wait_until(panel.iframe.is_visible, "the graph is visible")
            settle(notebook)
            path = SCREENSHOTS / f"{state}-{width}-{'dark' if dark else 'light'}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            root.screenshot(path=path)
            assert brightness(path) < 0.4 if dark else brightness(path) > 0.6
        notebook.ask("panel.collapse('layer1.0'), panel.select(None)")


def set_width(notebook, root, width):
    """Make the browser as wide as the panel needs to have this width."""
    size = notebook.page.viewport_size
    now = root.bounding_box()["width"]
    notebook.page.set_viewport_size({"width": int(size["width"] + width - now), "height": size["height"]})
    wait_until(lambda: abs(root.bounding_box()["width"] - width) < 2, f"the panel is {width} px wide")


def settle(notebook):
    """Wait until the panel has stopped moving: two equal pictures in a row."""
    last = [b""]

    def same():
        now = notebook.page.screenshot()
        equal = now == last[0]
        last[0] = now
        return equal

    wait_until(same, "nothing moves any more", 20)


def brightness(path):
    from PIL import Image

    grey = Image.open(path).convert("L").resize((50, 50))
    pixels = list(grey.tobytes())
    return sum(pixels) / len(pixels) / 255
