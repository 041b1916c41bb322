"""Take the README's pictures of the panel, light and dark, in a real JupyterLab (``make picture``)."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "browser")]

from chromium import ARGUMENTS, find_browser  # noqa: E402 - the folders must be on the path first
from driver import Notebook, Traffic, wait_until  # noqa: E402
from jupyter_server import JupyterServer  # noqa: E402
from panel_view import PanelView  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, sync_playwright  # noqa: E402

FOLDER = ROOT / "docs" / "_static"
CELLS = [
    "import torchvision\nfrom notebookviz import show\n\nmodel = torchvision.models.resnet50()\npanel = show(model)",
    'panel.expand("layer1.0")\npanel.select("layer1.0.conv1")',
]
LARGEST = 200_000
# A scale of Playwright's own does not reach the frame of the drawing: the graph would be blurred.
SCREEN = ("--force-device-scale-factor=1.5", "--window-size=1180,1040")


def take(browser: Browser, server: JupyterServer, *, dark: bool) -> Path:
    """Run the cells and take a picture of the first and its panel."""
    context = browser.new_context(no_viewport=True, color_scheme="dark" if dark else "light")
    notebook = Notebook(server, context, Traffic()).open(CELLS)
    theme = "JupyterLab Dark" if dark else "JupyterLab Light"
    notebook.page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
    notebook.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    notebook.run(0)
    panel = PanelView(notebook)
    panel.wait_drawn(panel.graph())
    notebook.run(1)
    wait_until(lambda: panel.read()["selected"], "the module is selected")
    notebook.page.wait_for_timeout(1000)  # the drawing moves to where the module is
    shot = notebook.page.locator(".jp-Notebook .jp-CodeCell").first.screenshot()
    context.close()
    path = FOLDER / f"panel-{'dark' if dark else 'light'}.webp"
    Image.open(io.BytesIO(shot)).convert("RGB").save(path, quality=88, method=6)
    return path


def main() -> int:
    """Take both."""
    with (
        tempfile.TemporaryDirectory() as folder,
        JupyterServer("lab", Path(folder)) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_browser(), args=[*ARGUMENTS, *SCREEN])
        for dark in (False, True):
            path = take(browser, server, dark=dark)
            size = path.stat().st_size
            print(f"{path.relative_to(ROOT)}: {size / 1000:.0f} kB")
            if size > LARGEST:
                print(f"A picture is at most {LARGEST / 1000:.0f} kB.", file=sys.stderr)
                return 1
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
