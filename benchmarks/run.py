"""``make bench``: ``show(model)`` in JupyterLab beside the road it replaces, in one run.

Measured from the request to run the cell to the graph drawn and laid out in the browser, in a fresh kernel with torch
imported and the model built: cold is the first time in that kernel, with each road's own imports; warm is the second.
Another kernel has shown a model before, once since the installation.
The old road is ``torch.onnx.export`` with ``dynamo=True``, saving, Netron's own server and page.  Memory is the
kernel's peak above what it held before.  Both roads take turns; each figure is the median of its turns.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "browser"), str(ROOT / "benchmarks")]

from chromium import ARGUMENTS, find_browser  # noqa: E402 - the folders must be on the path first
from drawing import Drawings  # noqa: E402
from driver import Notebook, Traffic, open_context  # noqa: E402
from jupyter_server import JupyterServer  # noqa: E402
from models import LARGE, MODELS  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable

    from playwright.sync_api import Browser

MEMORY = """
def memory(key):
    lines = dict(line.split(":") for line in open("/proc/self/status") if line.startswith("Vm"))
    return int(lines[key].split()[0]) / 1024

def forget_peak():
    try:
        open("/proc/self/clear_refs", "w").write("5")
    except OSError:
        pass
    return memory("VmRSS")
"""
EXPORT = """
torch.onnx.export(model, (x,), "{name}.onnx", dynamo=True, verbose=False)
address = netron.start("{name}.onnx", browse=False)
"""
ROADS = {
    "new": [
        "held = forget_peak()\nfrom notebookviz import show\nfirst = show(model{inputs})",
        "second = show(model{inputs})",
    ],
    "old": ["held = forget_peak()\nimport netron" + EXPORT.format(name="first"), EXPORT.format(name="second")],
}
TORCHVISTA = """
import time, torchvista
from notebookviz.capture import capture
times = {"torchvista": [], "notebookviz": []}
roads = {"torchvista": lambda: torchvista.trace_model(model, x), "notebookviz": lambda: capture(model, (x,), {})}
for _ in range(2):
    for name, trace in roads.items():
        start = time.perf_counter()
        trace()
        times[name].append(time.perf_counter() - start)
"""
IMPORT_TIME = """
import time
start = time.perf_counter()
import notebookviz
print((time.perf_counter() - start) * 1000)
"""


def main() -> int:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--output", type=Path, default=ROOT / "artifacts" / "bench.json")
    parser.add_argument("--quick", action="store_true", help="as little as shows that it runs; writes nothing")
    options = parser.parse_args()
    turns = 1 if options.quick else options.turns
    from playwright.sync_api import sync_playwright

    from notebookviz.viewer.bundle import smallest

    # pip leaves an installed package compiled, as the old road's are; this one runs from its source tree.
    compileall.compile_dir(str(ROOT / "notebookviz"), quiet=1)
    results: dict[str, Any] = {"machine": describe_machine(), "import_ms": import_milliseconds(), "models": {}}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        # The user's first kernel leaves the packed page for the next ones; what is measured is one of those.
        os.environ["XDG_CACHE_HOME"] = folder
        smallest()
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(ARGUMENTS))
        with JupyterServer("lab", Path(folder)) as server:
            for name in options.models[: 1 if options.quick else None]:
                results["models"][name] = take_turns(server, browser, name, ROADS, turns)
                print_row(name, results["models"][name])
                if importlib.util.find_spec("torchvista"):
                    results["models"][name]["trace"] = measure_trace(server, browser, name)
                    print(f"{'':10} trace: {results['models'][name]['trace']}")
            for name in () if options.quick else LARGE:
                results["models"][name] = take_turns(server, browser, name, ("new",), turns)
                print_beside(name, results["models"])
        browser.close()
    print(f"import notebookviz: {results['import_ms']:.0f} ms")
    if options.quick:
        return 0
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    print(f"Written to {options.output}")
    return 0


def take_turns(server: JupyterServer, browser: Browser, name: str, roads: Iterable[str], turns: int) -> dict[str, Any]:
    """The roads for one model, one after the other, so often; the medians, and each turn's seconds."""
    found: dict[str, list[dict[str, Any]]] = {road: [] for road in roads}
    for _ in range(turns):
        for road, each in found.items():
            each.append(measure(server, browser, name, road))
    return {road: middle(each) for road, each in found.items()}


def middle(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """The medians of what several turns measured."""
    found: dict[str, Any] = {"peak_mb": median(each["peak_mb"] for each in turns)}
    for temperature in ("cold", "warm"):
        each = [turn[temperature] for turn in turns]
        seconds = [one["seconds"] for one in each]
        cell = median(one["cell"] for one in each)
        found[temperature] = {"seconds": median(seconds), "cell": cell, "boxes": each[0]["boxes"], "turns": seconds}
    return found


def measure(server: JupyterServer, browser: Browser, name: str, road: str) -> dict[str, Any]:
    """One road for one model, cold and warm, in a kernel and a browser context of its own."""
    inputs = ", x" if name == "gpt2" else ""
    steps = [code.format(inputs=inputs) for code in ROADS[road]]
    # Tall enough for both panels: the browser draws nothing in a frame that is out of sight.
    context = open_context(browser, height=2400)
    drawings = Drawings()
    drawings.watch(context)
    notebook = Notebook(server, context, Traffic())
    try:
        notebook.open([MEMORY + (MODELS | LARGE)[name], *steps])
        notebook.run(0)
        found: dict[str, Any] = {}
        for index, temperature in enumerate(("cold", "warm")):
            started = time.time()
            notebook.run(index + 1)
            returned = time.time()
            page = notebook.page
            if road == "old":
                page = context.new_page()
                host, port = notebook.ask_json("list(address)")
                page.goto(f"http://{host}:{port}")
                # The consent dialog stands in front of every first look; a later tab has the cookie.
                button = page.get_by_role("button", name="Accept")
                if index == 0:
                    button.click()
            drawn, boxes = drawings.wait_for(page, index + 1)
            found[temperature] = {"seconds": drawn - started, "cell": returned - started, "boxes": boxes}
            if index == 0:
                found["peak_mb"] = notebook.ask_json("memory('VmHWM') - held")
        return found
    finally:
        context.close()
        server.end_kernels()


def measure_trace(server: JupyterServer, browser: Browser, name: str) -> Any:  # noqa: ANN401 - seconds by tool
    """Capture beside torchvista's trace, where that is installed."""
    context = open_context(browser)
    notebook = Notebook(server, context, Traffic())
    try:
        notebook.open([MODELS[name], TORCHVISTA])
        notebook.run(0)
        notebook.run(1)
        return notebook.ask_json("times")
    finally:
        context.close()
        server.end_kernels()


def print_row(name: str, roads: dict[str, Any]) -> None:
    """One line for each temperature, with the ratio."""
    new, old = roads["new"], roads["old"]
    for temperature in ("cold", "warm"):
        seconds, before = new[temperature]["seconds"], old[temperature]["seconds"]
        print(
            f"{name:10} {temperature}: show {seconds:6.2f} s, export + Netron {before:6.2f} s, "
            f"ratio {before / seconds:5.1f}  ({new[temperature]['boxes']} and {old[temperature]['boxes']} boxes)",
            flush=True,
        )
    print(f"{name:10} peak: show +{new['peak_mb']:.0f} MB, export + Netron +{old['peak_mb']:.0f} MB", flush=True)


def print_beside(name: str, models: dict[str, Any]) -> None:
    """One line for each temperature of a model that only ``show`` is measured on, beside ResNet-50."""
    for temperature in ("cold", "warm"):
        found = models[name]["new"][temperature]
        line = f"{name:10} {temperature}: show {found['seconds']:6.2f} s ({found['boxes']} boxes)"
        if "resnet50" in models:
            line += f", {found['seconds'] / models['resnet50']['new'][temperature]['seconds']:.1f} times resnet50"
        print(line, flush=True)


def import_milliseconds() -> float:
    """The least of five imports, each in a fresh process."""
    times = [
        float(subprocess.run([sys.executable, "-c", IMPORT_TIME], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    return min(times)


def describe_machine() -> dict[str, str]:
    """What the figures depend on."""
    versions = {name: importlib.metadata.version(name) for name in ("torch", "netron", "jupyterlab", "notebookviz")}
    return {"python": platform.python_version(), "machine": platform.machine(), **versions}


if __name__ == "__main__":
    sys.exit(main())
