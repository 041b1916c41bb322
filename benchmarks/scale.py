"""``make bench``, second part: large models in the page, and the flat layout of the same graph beside it.

For each model: what is sent, the time until its first view is painted, the boxes of that view, and the page's heap.
Then what a click costs, from the mouse button to the painted graph, with at least 100 and at least 300 boxes drawn.
Last a model of 10,000 operators: its first view beside the same graph as a flat ONNX file, drawn by Netron's reader,
grapher and dagre in this browser.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from chromium import ARGUMENTS, find_browser  # noqa: E402 - the folders must be on the path first

from tests.viewer.harness.driver import Harness  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser
    from torch import nn

    from notebookviz.graph.records import Recording

CLICKS = 24
GOALS = {100: 300, 300: 600}  # boxes that are drawn at least: milliseconds that nineteen of twenty clicks take at most
OPERATORS = 10_000


def main() -> int:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--output", type=Path, default=ROOT / "artifacts" / "scale.json")
    parser.add_argument("--quick", action="store_true", help="as little as shows that it runs; writes nothing")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    count, operators = (2, 500) if options.quick else (CLICKS, OPERATORS)
    results: dict[str, Any] = {"models": {}}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_browser(), args=[*ARGUMENTS, "--enable-precise-memory-info"]
        )
        for name in options.models[: 1 if options.quick else None]:
            results["models"][name] = row = first_view(browser, *looked(*MODELS[name]()))
            print(f"{name:14} {describe(row)}", flush=True)
        results["click_ms"] = {str(boxes): clicks(browser, boxes, count) for boxes in GOALS}
        for boxes, goal in GOALS.items():
            row = results["click_ms"][str(boxes)]
            drawn = f"click with {row['least']:.0f} to {row['most']:.0f} boxes drawn"
            figures = f"median {row['median']:.0f} ms, p95 {row['p95']:.0f} ms of {count} (goal: {goal} ms)"
            print(f"{drawn}: {figures}")
        recording, seconds = looked(*synthetic(operators))
        results["synthetic"] = row = first_view(browser, recording, seconds)
        row["flat_ms"], row["flat_boxes"] = flat(browser, recording)
        print(f"{'synthetic':14} {describe(row)}")
        times = row["flat_ms"] / row["ms"]
        print(f"{'':14} flat: {row['flat_boxes']} boxes in {row['flat_ms'] / 1000:.1f} s, {times:.0f} times as long")
        browser.close()
    if options.quick:
        return 0
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    print(f"Written to {options.output}")
    return 0


def describe(row: dict[str, Any]) -> str:
    """One line of the table."""
    return (
        f"{row['nodes']:6} nodes, traced {row['traced_s']:5.2f} s, folded and packed {row['packed_s']:5.2f} s, "
        f"sent {row['sent_kb']:5.0f} kB ({row['json_kb']:5.0f} kB of JSON), "
        f"first view {row['boxes']:3} boxes in {row['ms']:5.0f} ms, heap {row['heap_mb']:5.1f} MB"
    )


def looked(model: nn.Module, inputs: tuple[Any, ...]) -> tuple[Recording, float]:
    """A model's recording, and how long the pass took."""
    from notebookviz.capture import capture

    start = time.perf_counter()
    recording = capture(model, inputs)
    return recording, time.perf_counter() - start


def first_view(browser: Browser, recording: Recording, traced: float) -> dict[str, Any]:
    """What the page gets, and how soon it has drawn it."""
    from notebookviz.graph.encode import pack
    from notebookviz.graph.fold import fold

    start = time.perf_counter()
    recording = fold(recording)
    packed = pack(recording)
    packing = time.perf_counter() - start
    harness = Harness(browser.new_page(viewport={"width": 1000, "height": 700}))
    harness.show(looked(*towers(1))[0])  # the page has started, and Netron with it
    milliseconds = send(harness, packed, "kind: 'structure', recording: bytes")
    message = harness.last("drawn") or {}
    found = {
        "nodes": len(recording.nodes),
        "traced_s": traced,
        "packed_s": packing,
        "sent_kb": len(packed) / 1000,
        "json_kb": len(gzip.decompress(packed)) / 1000,
        "boxes": message["boxes"],
        "ms": milliseconds,
        "heap_mb": harness.frame.evaluate("performance.memory.usedJSHeapSize") / 1e6,
    }
    harness.page.close()
    return found


def send(harness: Harness, content: bytes, how: str) -> float:
    """Milliseconds from sending bytes to the page until they are drawn."""
    before = harness.page.evaluate("harness.count('drawn')")
    start = harness.page.evaluate(
        f"""(text) => {{
            const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
            const start = performance.now();
            harness.send({{type: 'open', theme: 'light', {how}}});
            return start;
        }}""",
        base64.b64encode(content).decode(),
    )
    harness.page.wait_for_function("before => harness.count('drawn') > before", arg=before)
    found: float = harness.page.evaluate("harness.last('drawn').time") - start
    return found


def clicks(browser: Browser, boxes: int, count: int) -> dict[str, float]:
    """Closing and opening modules with at least so many boxes drawn, by real clicks."""
    from notebookviz.graph.fold import fold

    recording = fold(looked(*towers(boxes // 11 + 3))[0])
    modules = [node.index for node in recording.nodes if node.type == "Tower"]
    harness = Harness(browser.new_page(viewport={"width": 1000, "height": 700}))
    harness.show(recording, opened=[0, *modules])
    harness.frame.evaluate(
        "addEventListener('pointerdown', () => { window.pressed = performance.timeOrigin + performance.now(); }, true)"
    )
    origin = harness.page.evaluate("performance.timeOrigin")
    times, drawn = [], [harness.last("drawn")["boxes"]]
    for position in range(count):
        index = modules[(7 * (position // 2)) % len(modules)]  # closed by one click, opened again by the next
        sign = harness.frame.locator(
            f"[data-id='{index}'] .nbv-toggle, [data-id='{index}'] > .nbv-title > .nbv-title-toggle"
        ).first
        sign.scroll_into_view_if_needed()
        message = harness.do("drawn", sign.click)
        times.append(origin + message["time"] - harness.frame.evaluate("window.pressed"))
        drawn.append(message["boxes"])
        harness.page.wait_for_timeout(450)
    harness.page.close()
    if min(drawn) < boxes:
        message = f"{min(drawn)} boxes were drawn where at least {boxes} are wanted: add towers."
        raise ValueError(message)
    return {
        "median": statistics.median(times),
        "p95": sorted(times)[int(0.95 * len(times))],
        "least": min(drawn),
        "most": max(drawn),
    }


def flat(browser: Browser, recording: Recording) -> tuple[float, int]:
    """The same operators as one flat ONNX graph: milliseconds until all is drawn, and how many boxes that is."""
    harness = Harness(browser.new_page(viewport={"width": 1000, "height": 700}))
    harness.page.set_default_timeout(300_000)
    milliseconds = send(harness, onnx_file(recording), "kind: 'file', name: 'flat.onnx', bytes")
    boxes = harness.frame.evaluate("document.querySelectorAll('#nodes > .node').length")
    harness.page.close()
    return milliseconds, boxes


def onnx_file(recording: Recording) -> bytes:
    """The operators of a recording and their values as an ONNX file."""
    import onnx

    operators = [node for node in recording.nodes if node.kind == "operator"]
    nodes = [
        onnx.helper.make_node(
            node.type.rpartition(".")[2].replace("+", "Add"),
            [f"v{value}" for item in node.inputs for value in item.values],
            [f"v{value}" for value in node.outputs],
        )
        for node in operators
    ]
    named = {
        side: [onnx.helper.make_tensor_value_info(f"v{value}", 1, None) for item in items for value in item.values]
        for side, items in (("inputs", recording.inputs), ("outputs", recording.outputs))
    }
    graph = onnx.helper.make_graph(nodes, "flat", named["inputs"], named["outputs"])
    found: bytes = onnx.helper.make_model(graph).SerializeToString()
    return found


def towers(number: int) -> tuple[nn.Module, tuple[Any, ...]]:
    """So many modules of eleven operators, no two of them equal, so that none are folded."""
    import torch
    from torch import nn

    class Tower(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.layers = nn.ModuleList(
                nn.Linear(8 if step == 0 else width, 8 if step == 4 else width) for step in range(5)
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found = x
            for layer in self.layers:
                found = torch.relu(layer(found))
            return x + found

    return nn.Sequential(*(Tower(width) for width in range(3, 3 + number))).eval(), (torch.zeros(1, 8),)


def synthetic(operators: int) -> tuple[nn.Module, tuple[Any, ...]]:
    """Operators in three levels; only neighbours of the lowest level are equal."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.up, self.down = nn.Linear(8, width), nn.Linear(width, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.down(torch.relu(self.up(torch.tanh(x))))

    stages = [
        nn.Sequential(
            *(nn.Sequential(*(Block(3 + (stage + part + step) % 3) for step in range(10))) for part in range(10))
        )
        for stage in range(operators // 500)
    ]
    return nn.Sequential(*stages).eval(), (torch.zeros(1, 8),)


def resnet50() -> tuple[nn.Module, tuple[Any, ...]]:
    """ResNet-50."""
    return vision("resnet50", 224)


def densenet201() -> tuple[nn.Module, tuple[Any, ...]]:
    """Each layer of a dense block takes the results of all before it."""
    return vision("densenet201", 224)


def swin_v2_b() -> tuple[nn.Module, tuple[Any, ...]]:
    """Windows and shifted windows in turn."""
    return vision("swin_v2_b", 256)


def vision(name: str, size: int) -> tuple[nn.Module, tuple[Any, ...]]:
    """A model of torchvision without weights."""
    import torch
    import torchvision

    return torchvision.models.get_model(name).eval(), (torch.zeros(1, 3, size, size),)


def llama_3_8b() -> tuple[nn.Module, tuple[Any, ...]]:
    """The configuration of Llama-3-8B, on meta."""
    return language(
        "Llama", vocab_size=128_256, num_key_value_heads=8, intermediate_size=14_336, max_position_embeddings=8192
    )


def mixtral() -> tuple[nn.Module, tuple[Any, ...]]:
    """The configuration of Mixtral-8x7B, on meta: eight experts in one tensor."""
    return language("Mixtral")


def language(kind: str, **settings: Any) -> tuple[nn.Module, tuple[Any, ...]]:  # noqa: ANN401 - the configuration's own
    """A language model of transformers on meta."""
    import torch
    import transformers

    config = getattr(transformers, f"{kind}Config")(use_cache=False, **settings)
    with torch.device("meta"):
        return getattr(transformers, f"{kind}ForCausalLM")(config).eval(), (
            torch.zeros(1, 128, dtype=torch.int64, device="meta"),
        )


def unet() -> tuple[nn.Module, tuple[Any, ...]]:
    """The UNet of Stable Diffusion 1.5, on meta."""
    import diffusers
    import torch

    with torch.device("meta"):
        model = diffusers.UNet2DConditionModel(cross_attention_dim=768).eval()
        return model, (torch.zeros(1, 4, 64, 64), torch.tensor(1), torch.zeros(1, 77, 768))


MODELS: dict[str, Callable[[], tuple[nn.Module, tuple[Any, ...]]]] = {
    "resnet50": resnet50,
    "llama-3-8b": llama_3_8b,
    "mixtral-8x7b": mixtral,
    "sd-unet": unet,
    "swin_v2_b": swin_v2_b,
    "densenet201": densenet201,
}


if __name__ == "__main__":
    sys.exit(main())
