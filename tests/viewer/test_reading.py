"""Reading a large graph: one module at a time, what depends on what, borders that are seen, lines to follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import nn

from notebookviz.capture import capture
from notebookviz.graph.fold import fold
from notebookviz.graph.records import Argument
from tests.graph import samples
from tests.graph.expected import openable

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from notebookviz.graph.records import Recording
    from tests.viewer.harness.driver import Harness

pytestmark = pytest.mark.browser


def index_of(recording: Recording, path: str) -> int:
    return next(node.index for node in recording.nodes if node.path == path)


def masked(blocks: int = 5) -> Recording:
    """Blocks one after the other that all take the same mask."""
    build = samples.Builder()
    root = build.module(-1, "Net", "", (0, 1))
    value, mask = build.value(1, 8), build.value(1, 1)
    for block in range(blocks):
        index = build.module(root, "Block", f"h.{block}", (value, mask))
        inner = build.layer(index, "Linear", "F.linear", f"h.{block}.fc", value, (1, 8))
        after = build.value(1, 8)
        build.operator(index, "*", (inner, mask), after)
        build.nodes[index]["inputs"] = (Argument("x", (value,)), Argument("mask", (mask,)))
        build.nodes[index]["outputs"] = (after,)
        value = after
    return fold(build.recording((Argument("x", (0,)), Argument("mask", (1,))), (Argument("", (value,)),)))


def place(harness: Harness) -> list[float]:
    view = harness.last("view") or {}
    return [view["zoom"], view["x"], view["y"]]


LIT = "[...document.querySelectorAll('.nbv-lit')].map((item) => item.dataset.id || item.dataset.edge).filter(Boolean)"


def lit(harness: Harness) -> set[str]:
    return set(harness.frame.evaluate(LIT))


def none_lit(harness: Harness) -> None:
    """Wait until the page knows that the mouse has left."""
    harness.frame.wait_for_function(f"() => {LIT}.length === 0")


def point(harness: Harness, node: Locator) -> set[str]:
    """What is lit while the mouse points at a box."""
    node.hover()
    harness.frame.wait_for_function(f"() => {LIT}.length > 0")
    return lit(harness)


def test_one_module_fills_the_canvas_with_its_values_at_the_border(harness: Harness) -> None:
    recording = masked()
    harness.show(recording, opened=[0])
    block = index_of(recording, "h.2")
    harness.do("drawn", lambda: harness.send({"type": "opened", "ids": [0], "root": block, "anchor": None}))
    assert harness.drawn_nodes() == {block + 1, block + 3}
    assert harness.drawn_edges() == {
        ("input-0", str(block + 1)),
        ("input-1", str(block + 3)),
        (str(block + 1), str(block + 3)),
        (str(block + 3), "output-0"),
    }
    assert harness.frame.locator("[data-id='input-1'] text").first.text_content() == "mask"
    view = place(harness)
    harness.do("drawn", lambda: harness.send({"type": "opened", "ids": [0], "root": 0, "anchor": None}))
    assert harness.drawn_nodes() == {len(recording.nodes)}
    harness.do("drawn", lambda: harness.send({"type": "opened", "ids": [0], "root": block, "anchor": None}))
    assert place(harness) == view


def test_a_view_opens_inside_the_module_where_it_was(harness: Harness) -> None:
    recording = masked()
    block = index_of(recording, "h.2")
    harness.show(recording, opened=[0], root=block)
    assert harness.drawn_nodes() == {block + 1, block + 3}


def test_pointing_lights_the_direct_neighbours_and_their_lines(harness: Harness) -> None:
    recording = samples.residual()
    harness.show(recording, opened=openable(recording))
    conv = index_of(recording, "layers.0.conv")
    before, after = conv - 2, conv + 2
    frames = {str(index_of(recording, path)) for path in ("layers", "layers.0")}
    found = point(harness, harness.frame.locator(f"[data-id='{conv}'] .node-item").first)
    assert found == {str(conv), str(before), str(after), f"{before}>{conv}", f"{conv}>{after}", *frames}
    opacity = "getComputedStyle(document.querySelector(\"[data-id='input-0']\")).opacity"
    assert float(harness.frame.evaluate(opacity)) < 0.5
    harness.page.mouse.move(1, 1)
    none_lit(harness)


def test_a_line_that_is_selected_while_it_is_lit_goes_on_as_before(harness: Harness) -> None:
    harness.show(samples.residual(), opened=[0])
    stem = harness.frame.locator("[data-id='1'] .node-item").first
    lines = harness.frame.locator("path[data-edge]").evaluate_all("all => all.map(each => each.dataset.edge)")
    assert "1>3" in point(harness, stem)
    harness.frame.locator("#edge-paths-hit-test path").nth(lines.index("1>3")).dispatch_event("click")
    harness.frame.wait_for_selector("[data-edge='1>3'].select", state="attached")
    harness.page.mouse.move(1, 1)
    none_lit(harness)
    assert {"input-0>1", "1>3"} <= point(harness, stem)


def test_keys_light_all_ancestors_or_descendants(harness: Harness) -> None:
    recording = samples.residual()
    harness.show(recording, opened=[0])
    stem, layers = index_of(recording, "stem"), index_of(recording, "layers")
    harness.do("select", harness.frame.locator(f"[data-id='{layers}'] .node-item").first.click)
    harness.page.mouse.move(1, 1)
    none_lit(harness)
    harness.page.keyboard.press("a")
    assert lit(harness) == {"input-0", str(stem), str(layers), f"input-0>{stem}", f"{stem}>{layers}"}
    harness.page.keyboard.press("d")
    found = lit(harness)
    assert {str(layers), "output-0", str(index_of(recording, "fc"))} <= found
    assert str(stem) not in found
    harness.page.keyboard.press("d")
    assert lit(harness) == set()
    harness.page.keyboard.press("a")
    harness.page.keyboard.press("Escape")
    assert lit(harness) == set()
    assert harness.last("focus") is None or harness.last("focus")["inside"] is True  # type: ignore[index]


def test_enter_and_backspace_go_to_the_panel(harness: Harness) -> None:
    recording = samples.residual()
    harness.show(recording, opened=[0])
    layers = index_of(recording, "layers")
    harness.do("select", harness.frame.locator(f"[data-id='{layers}'] .node-item").first.click)
    press = harness.do("press", lambda: harness.page.keyboard.press("Enter"))
    assert (press["id"], press["only"]) == (layers, False)
    assert harness.do("press", lambda: harness.page.keyboard.press("Shift+Enter"))["only"] is True
    harness.do("leave", lambda: harness.page.keyboard.press("Backspace"))


def test_a_double_click_on_a_title_closes(harness: Harness) -> None:
    recording = samples.residual()
    layers = index_of(recording, "layers")
    harness.show(recording, opened=[0, layers])
    title = harness.frame.locator(f".cluster[data-id='{layers}'] .nbv-title-name")
    assert harness.do("toggle", title.dblclick)["id"] == layers


def test_what_many_take_runs_along_one_rail(harness: Harness) -> None:
    recording = masked(9)
    folded = len(recording.nodes)
    harness.show(recording, opened=[0, folded])
    blocks = [str(index_of(recording, f"h.{number}")) for number in range(9)]
    rails = harness.frame.evaluate(
        """(ends) => ends.map((end) => {
            const path = document.querySelector(`[data-edge='input-1>${end}']`);
            const xs = [];
            for (let at = 0; at < path.getTotalLength(); at += 4) xs.push(path.getPointAtLength(at).x);
            return Math.min(...xs);
        })""",
        blocks[4:],
    )
    assert max(rails) - min(rails) < 2
    box = harness.frame.locator(f".cluster[data-id='{folded}'] > rect").bounding_box()
    assert box is not None
    assert box["width"] < 450


THROUGH = """() => {
    const ctm = document.getElementById('origin').getScreenCTM();
    const boxes = [...document.querySelectorAll('#nodes > [data-id]')].map((element) => (
        [element.dataset.id, element.querySelector('.node-border').getBoundingClientRect()]
    ));
    const found = new Set();
    for (const path of document.querySelectorAll('[data-edge]')) {
        const ends = path.dataset.edge.split('>');
        for (let at = 0; at < path.getTotalLength(); at += 3) {
            const { x, y } = path.getPointAtLength(at).matrixTransform(ctm);
            for (const [id, box] of boxes.filter(([id]) => !ends.includes(id))) {
                if (x > box.left + 2 && x < box.right - 2 && y > box.top + 2 && y < box.bottom - 2) {
                    found.add(`${path.dataset.edge} crosses ${id}`);
                }
            }
        }
    }
    return [...found];
}"""


def test_a_rail_leaves_below_what_stands_beside_its_source(harness: Harness) -> None:
    build = samples.Builder()
    root = build.module(-1, "Net", "", (0, 1))
    value, time = build.value(1, 8), build.value(1, 1)
    tall = tuple(build.weight(f"stem.{name}", 4) for name in ("weight", "bias", "running_mean", "running_var", "more"))
    stem = build.layer(root, "Stem", "F.linear", "stem", value, (1, 8), tall)
    low = build.value(1, 8)
    build.operator(root, "sin", (time,), low)
    value = stem
    for block in range(6):
        after = build.value(1, 8)
        build.operator(root, "mul" if block % 2 else "add", (value, low), after)
        value = after
    harness.show(build.recording((Argument("x", (0,)), Argument("t", (1,))), (Argument("", (value,)),)))
    assert harness.frame.evaluate(THROUGH) == []


BORDERS = """() => {
    const number = (text) => text.match(/[\\d.]+/g).map(Number);
    const linear = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const light = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => sum + w * linear(colour[i] / 255), 0);
    const page = light(number(getComputedStyle(document.body).backgroundColor));
    const lines = '.node > .node-border, .cluster > rect, path[data-edge]';
    return [...document.querySelectorAll(lines)].map((item) => {
        const line = light(number(getComputedStyle(item).stroke));
        return (Math.max(line, page) + 0.05) / (Math.min(line, page) + 0.05);
    });
}"""


@pytest.mark.parametrize(
    ("theme", "background"), [("light", "rgb(255, 255, 255)"), ("dark", None), ("dark", "rgb(17, 17, 17)")]
)
def test_borders_and_lines_stand_out(harness: Harness, theme: str, background: str | None) -> None:
    recording = samples.residual()
    harness.show(recording, opened=openable(recording), theme=theme, background=background, selected=1)
    found = harness.frame.evaluate(BORDERS)
    assert len(found) > 20
    assert min(found) >= 3
    width = "parseFloat(getComputedStyle(document.querySelector('.node.select > .node-border')).strokeWidth)"
    assert harness.frame.evaluate(width) >= 3


def test_a_name_in_the_header_is_not_repeated_below(harness: Harness) -> None:
    recording = samples.residual()
    harness.show(recording, opened=[0], options={"names": True})
    stem = index_of(recording, "stem")
    texts = harness.frame.locator(f"[data-id='{stem}'] :is(.node-item text, .nbv-caption tspan)").all_text_contents()
    assert [text for text in texts if text] == ["stem", "Conv2d"]


class Residual(nn.Module):
    """A convolution and a way past it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.relu(self.norm(self.conv(x)))


class UNet(nn.Module):
    """Down and up again, with a way across at each size."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Sequential(Residual(4), Residual(4)) for _ in range(3))
        self.up = nn.ModuleList(nn.Sequential(nn.Conv2d(8, 4, 1), Residual(4)) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = []
        for block in self.down:
            x = block(x)
            kept.append(x)
            x = F.avg_pool2d(x, 2)
        for block in self.up:
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0), kept.pop()], 1))
        return x


def attention() -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)


CROSSED = """() => {
    const titles = [...document.querySelectorAll('.nbv-title')].map((item) => item.getBoundingClientRect());
    const found = [...document.querySelectorAll('[data-edge]')].filter((path) => {
        const matrix = path.getScreenCTM();
        for (let at = 0; at <= path.getTotalLength(); at += 3) {
            const { x, y } = path.getPointAtLength(at).matrixTransform(matrix);
            if (titles.some((box) => x > box.left && x < box.right && y > box.top && y < box.bottom)) return true;
        }
        return false;
    });
    return [titles.length, found.map((path) => path.dataset.edge)];
}"""


@pytest.mark.parametrize("name", ["unet", "transformer", "mask"])
def test_no_line_of_a_captured_model_crosses_a_title(harness: Harness, name: str) -> None:
    models = {
        "unet": lambda: fold(capture(UNet().eval(), (torch.zeros(1, 4, 16, 16),))),
        "transformer": lambda: fold(capture(attention().train(), (torch.zeros(1, 5, 8),), mode="train")),
        "mask": masked,
    }
    recording = models[name]()
    harness.show(recording, opened=openable(recording))
    titles, crossed = harness.frame.evaluate(CROSSED)
    assert titles == len(openable(recording)) - 1
    assert crossed == []


class Branches(nn.Module):
    """Branches side by side, no two of them equal."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 4)) for width in range(3, 15)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.branches], -1)


# How far the lines between a box and many others rise or fall on their way across.
SLOPE = """([box, others]) => others.flatMap((other) => {
    const path = document.querySelector(`[data-edge='${box}>${other}'], [data-edge='${other}>${box}']`);
    const points = [];
    for (let at = 0; at < path.getTotalLength(); at += 2) points.push(path.getPointAtLength(at));
    const [left, right] = [Math.min, Math.max].map((pick) => pick(...points.map(({ x }) => x)));
    const ys = points.filter(({ x }) => x > left + 16 && x < right - 16).map(({ y }) => y);
    return ys.length ? [Math.max(...ys) - Math.min(...ys)] : [];
})"""


@pytest.mark.parametrize("opened", [[], [4]], ids=["all closed", "one open"])
def test_lines_to_and_from_many_side_by_side_go_across_at_one_height(harness: Harness, opened: list[int]) -> None:
    recording = fold(capture(Branches().eval(), (torch.zeros(1, 4),)))
    branches = [index_of(recording, f"branches.{number}") for number in range(12)]
    inner = [branches[number] for number in opened]
    harness.show(recording, opened=[0, *inner])
    joined = next(node.index for node in recording.nodes if "cat" in node.type)
    closed = [branch for branch in branches if branch not in inner]
    for box in ("input-0", str(joined)):
        slopes = harness.frame.evaluate(SLOPE, [box, closed])
        assert len(slopes) > 8
        assert max(slopes) < 3, box
    assert harness.frame.evaluate(CROSSED) == [len(inner), []]
    assert harness.frame.evaluate(THROUGH) == []


def test_a_long_type_is_whole_in_the_header(harness: Harness) -> None:
    build = samples.Builder()
    root = build.module(-1, "Net", "", (0,))
    value = build.value(1, 8)
    for block in range(32):
        value = build.layer(root, "LlamaDecoderLayer", "F.linear", f"layers.{block}", value, (1, 8))
    recording = fold(build.recording((), ()))
    harness.show(recording)
    text = harness.frame.locator(f"[data-id='{len(recording.nodes)}'] .node-item text").first
    assert text.text_content() == "32 × LlamaDecoderLayer"


def test_a_closed_mixture_says_how_many_experts_it_holds_and_that_the_routing_was_assumed(harness: Harness) -> None:
    build = samples.Builder()
    root = build.module(-1, "Net", "")
    x, y, z = (build.value(6, 8) for _ in range(3))
    weights = (build.weight("mlp.experts.up", 4, 16, 8), build.weight("mlp.experts.down", 4, 8, 16))
    experts = build.module(root, "SomeExperts", "mlp.experts", initializers=weights)
    build.operator(experts, "nonzero", (x,), y, marks=frozenset({"assumed"}))
    build.operator(experts, "torch.bmm", (y,), z, weights)
    harness.show(build.recording((Argument("x", (x,)),), (Argument("", (z,)),)), opened=[0])
    box = harness.frame.locator(f"[data-id='{experts}']")
    box.locator(".nbv-caption", has_text="mlp.experts · 4 × 16×8 · assumed").wait_for()
    assert "nbv-assumed" in (box.get_attribute("class") or "")
