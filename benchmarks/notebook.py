"""``make bench``, third part: a notebook of many panels in JupyterLab, as it is run, saved, and opened again.

The size of the file; then, with its kernel and without, the time from opening it until the first panel is drawn and
answers, and from scrolling to the last until that is drawn.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(ROOT / "tests" / "browser")]

from cells import SHOW_SMALL  # noqa: E402 - the folders must be on the path first
from chromium import ARGUMENTS, find_browser  # noqa: E402
from driver import Notebook, Traffic, open_context, wait_until  # noqa: E402
from jupyter_server import JupyterServer  # noqa: E402

PANELS = 20
DRAWN = """cell => {
  const place = document.querySelector(`.jp-Notebook .jp-Cell[data-windowed-list-index='${cell}']`);
  place?.scrollIntoView({ block: 'start' });
  return Boolean(place?.querySelector('.notebookviz')?.shadowRoot.querySelector('.root[data-drawn]'));
}"""


def main() -> int:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panels", type=int, default=PANELS)
    parser.add_argument("--output", type=Path, default=ROOT / "artifacts" / "notebook.json")
    parser.add_argument("--quick", action="store_true", help="as little as shows that it runs; writes nothing")
    options = parser.parse_args()
    panels = 2 if options.quick else options.panels
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        tempfile.TemporaryDirectory() as folder,
        JupyterServer("lab", Path(folder)) as server,
    ):
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(ARGUMENTS))
        results = measured(Notebook(server, open_context(browser), Traffic()), panels)
        browser.close()
    told = ", ".join(f"{name} {value:.2f}" for name, value in results.items())
    print(f"{panels} panels in a notebook: {told}")
    if options.quick:
        return 0
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def measured(notebook: Notebook, panels: int) -> dict[str, float]:
    """Run it, save it, open it with its kernel and without."""
    first, again = SHOW_SMALL, "panel = show(model, torch.zeros(2, 6))"
    notebook.open([first, *[again] * (panels - 1)])
    start = time.perf_counter()
    for cell in range(panels):
        notebook.run(cell)
    drawn(notebook, panels - 1)
    found = {"run_s": time.perf_counter() - start}
    notebook.page.wait_for_timeout(5000)
    notebook.command("docmanager:save")
    found["file_mb"] = (notebook.server.work / notebook.name).stat().st_size / 1e6
    for kernel in ("with", "without"):
        if kernel == "without":
            notebook.server.end_kernels()
        start = time.perf_counter()
        notebook.load()
        drawn(notebook, 0)
        found[f"first_{kernel}_kernel_s"] = time.perf_counter() - start
        start = time.perf_counter()
        drawn(notebook, panels - 1)
        found[f"last_{kernel}_kernel_s"] = time.perf_counter() - start
    return found


def drawn(notebook: Notebook, cell: int) -> Any:  # noqa: ANN401 - the driver's own
    """Scroll to a cell until its panel is drawn."""
    return wait_until(lambda: notebook.page.evaluate(DRAWN, cell), f"the panel of cell {cell} is drawn", 90)


if __name__ == "__main__":
    sys.exit(main())
