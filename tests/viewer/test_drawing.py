"""The drawn graph, read from the SVG, equals what Python computes from the recording."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import pytest

from notebookviz.graph.encode import encode
from notebookviz.graph.fold import fold
from notebookviz.graph.records import Argument
from notebookviz.viewer.packer import FOLDER, own_text
from tests.graph import samples
from tests.graph.expected import drawn, openable

if TYPE_CHECKING:
    from collections.abc import Callable

    from notebookviz.graph.records import Recording
    from tests.viewer.harness.driver import Harness

pytestmark = pytest.mark.browser

SAMPLES = {
    "residual": samples.residual(),
    "failed": samples.failed(),
    "stopped": samples.stopped(),
    "tree": samples.tree(),
    "folded": fold(samples.residual(5)),
}


def settled(harness: Harness) -> None:
    """Wait until no change waits to be drawn: a picture is made after them."""
    harness.do("picture", lambda: harness.send({"type": "picture", "id": 1, "kind": "svg"}))


def check(harness: Harness, recording: Recording, opened: set[int]) -> None:
    nodes, edges = drawn(recording, opened)
    assert harness.drawn_nodes() == nodes
    assert harness.drawn_edges() == edges


@pytest.mark.parametrize("name", SAMPLES)
def test_opening_view_and_twenty_random_steps(harness: Harness, name: str) -> None:
    recording = SAMPLES[name]
    message = harness.show(recording)
    opened = set(encode(recording)["opened"])
    check(harness, recording, opened)
    assert set(message["nodes"]) == drawn(recording, opened)[0]
    assert message["edges"] == len(drawn(recording, opened)[1])
    chance = random.Random(3)
    for _ in range(20):
        opened ^= {chance.choice(sorted(openable(recording) - {0}))} if openable(recording) - {0} else set()
        harness.open(opened | {0})
        check(harness, recording, opened)


def test_changes_that_come_while_one_is_drawn_end_in_the_last(harness: Harness) -> None:
    recording = SAMPLES["residual"]
    harness.show(recording, opened=[0])
    every = openable(recording)
    harness.page.evaluate(
        "([all, none]) => { for (let i = 0; i < 9; i++) harness.open(i % 2 ? none : all); }", [list(every), [0]]
    )
    settled(harness)
    check(harness, recording, every)


def loop(length: int, inner: int = 0) -> Recording:
    """Operators one after the other; before the last of them a module that holds some."""
    build = samples.Builder()
    root = build.module(-1, "Loop", "")
    value = source = build.value(1)

    def run(parent: int, times: int) -> None:
        nonlocal value
        for _ in range(times):
            result = build.value(1)
            build.operator(parent, "relu", (value,), result)
            value = result

    run(root, length - 1)
    if inner:
        run(build.module(root, "Inner", "inner"), inner)
    run(root, 1)
    return build.recording((Argument("x", (source,)),), (Argument("", (value,)),))


def parts(harness: Harness, action: Callable[[], object]) -> tuple[int, int, int]:
    """The first box, how many are drawn, and of how many, after the next drawing."""
    message = harness.do("drawn", action)
    return message["from"], message["boxes"], message["total"]


def command(harness: Harness, name: str) -> None:
    harness.send({"type": "command", "name": name})


def test_a_long_loop_is_drawn_a_thousand_at_a_time(harness: Harness) -> None:
    assert parts(harness, lambda: harness.show(loop(1500))) == (0, 1000, 1500)
    assert harness.drawn_nodes() == set(range(1, 1001))
    chain = {(str(index), str(index + 1)) for index in range(1, 1500)}
    first = {(start, end) for start, end in chain if int(end) <= 1000}
    assert harness.drawn_edges() == first | {("input-0", "1")}
    ends = harness.frame.locator("[data-id^='input'], [data-id^='output']")
    assert [end.get_attribute("data-id") for end in ends.all()] == ["input-0"]
    assert parts(harness, lambda: command(harness, "next-part")) == (1000, 500, 1500)
    assert [end.get_attribute("data-id") for end in ends.all()] == ["output-0"]
    assert harness.drawn_nodes() == set(range(1001, 1501))
    last = {(start, end) for start, end in chain if int(start) > 1000}
    assert harness.drawn_edges() == last | {("1500", "output-0")}
    assert 0 <= rectangle(harness, "[data-id='1001']")["top"] < 200
    assert parts(harness, lambda: command(harness, "next-part")) == (1000, 500, 1500)
    assert parts(harness, lambda: command(harness, "previous-part")) == (0, 1000, 1500)
    assert harness.drawn_edges() == first | {("input-0", "1")}


def test_what_is_selected_in_another_part_is_drawn(harness: Harness) -> None:
    recording = loop(1200, inner=3)
    inner = next(node.index for node in recording.nodes if node.type == "Inner")
    harness.show(recording)
    for wanted in (inner, 7, inner + 1, 1190):
        select = {"type": "select", "id": wanted, "scroll": True, "sidebar": False}
        if wanted == inner + 1:
            assert parts(harness, lambda: harness.open([0, inner])) == (0, 1000, 1203)
        harness.send(select)
        harness.frame.wait_for_selector(f".select[data-id='{wanted}']")
        harness.frame.wait_for_function(
            """id => {
                const { top } = document.querySelector(`[data-id='${id}']`).getBoundingClientRect();
                return top > 0 && top < innerHeight;
            }""",
            arg=wanted,
        )
        harness.page.wait_for_function("start => harness.last('drawn').from === start", arg=0 if wanted == 7 else 1000)
    assert harness.last("select") is None
    harness.show(recording, opened=[0, inner], view=harness.last("view"))
    assert (harness.last("drawn") or {})["from"] == 1000
    assert f"{inner}" in harness.frame.locator(".cluster").evaluate_all("all => all.map(each => each.dataset.id)")


def test_closing_what_filled_several_parts_shows_what_is_left(harness: Harness) -> None:
    recording = loop(20, inner=1100)
    inner = next(node.index for node in recording.nodes if node.type == "Inner")
    harness.show(recording, opened=[0, inner])
    assert parts(harness, lambda: command(harness, "next-part")) == (1000, 120, 1120)
    assert parts(harness, lambda: harness.open([0])) == (0, 21, 21)
    assert 0 <= rectangle(harness, "[data-id='input-0']")["top"] < 60


def rectangle(harness: Harness, selector: str) -> dict[str, float]:
    found: dict[str, float] = harness.frame.evaluate(
        "s => document.querySelector(s).getBoundingClientRect().toJSON()", selector
    )
    return found


def test_a_click_opens_and_closes_in_place(harness: Harness) -> None:
    recording = SAMPLES["residual"]
    harness.show(recording, opened=[0])
    chance = random.Random(5)
    opened = {0}
    for _ in range(12):
        nodes, _ = drawn(recording, opened)
        index = chance.choice(sorted(nodes & openable(recording)))
        selector = f"[data-id='{index}'] .nbv-toggle, [data-id='{index}'] > .nbv-title > .nbv-title-toggle"
        harness.frame.locator(selector).first.scroll_into_view_if_needed()
        before = rectangle(harness, selector)
        assert before["width"] >= 24
        harness.do("drawn", lambda selector=selector: harness.frame.locator(selector).first.click())
        opened ^= {index}
        after = rectangle(harness, selector)
        assert abs(after["left"] - before["left"]) < 20
        assert abs(after["top"] - before["top"]) < 20
        check(harness, recording, opened)


def test_zoom_and_selection_stay(harness: Harness) -> None:
    recording = SAMPLES["residual"]
    harness.show(recording, opened=[0])
    layers = next(node.index for node in recording.nodes if node.path == "layers")
    harness.send({"type": "select", "id": 1})
    harness.send({"type": "command", "name": "zoom-in"})
    harness.open([0, layers], layers)
    assert (harness.last("view") or {})["zoom"] == pytest.approx(1.1)
    assert harness.frame.locator("[data-id='1'].select").count() == 1
    assert harness.last("select") is None


@pytest.mark.slow
def test_a_captured_resnet_is_drawn_whole(harness: Harness) -> None:
    import torchvision

    from notebookviz.capture import capture

    recording = capture(torchvision.models.resnet18())
    harness.show(recording)
    check(harness, recording, set(encode(recording)["opened"]))
    harness.open(openable(recording))
    check(harness, recording, openable(recording))


def test_lines_never_cross_titles(harness: Harness) -> None:
    recording = samples.residual(3)
    for options in ({}, {"direction": "horizontal"}):
        harness.show(recording, opened=openable(recording), options=options)
        crossed = harness.frame.evaluate(
            """() => {
                const titles = [...document.querySelectorAll('.nbv-title')].map((item) => item.getBoundingClientRect());
                const found = [];
                for (const path of document.querySelectorAll('[data-edge]')) {
                    const matrix = path.getScreenCTM();
                    for (let at = 0; at <= path.getTotalLength(); at += 2) {
                        const { x, y } = path.getPointAtLength(at).matrixTransform(matrix);
                        const title = titles.find((box) =>
                            x > box.left && x < box.right && y > box.top && y < box.bottom);
                        if (title) { found.push(path.dataset.edge); break; }
                    }
                }
                return [titles.length, found];
            }"""
        )
        assert crossed == [len(openable(recording)) - 1, []]


def test_children_lie_in_their_frames_and_boxes_never_overlap(harness: Harness) -> None:
    recording = SAMPLES["residual"]
    harness.show(recording, opened=openable(recording))
    boxes = harness.frame.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('#nodes > [data-id], .cluster')].map((item) =>
            [item.dataset.id, (item.querySelector(':scope > rect') || item).getBoundingClientRect().toJSON()]))"""
    )
    for index in drawn(recording, openable(recording))[0]:
        parent = recording.nodes[index].parent
        if parent:
            inner, outer = boxes[str(index)], boxes[str(parent)]
            assert outer["left"] < inner["left"] < inner["right"] < outer["right"], index
            assert outer["top"] < inner["top"] < inner["bottom"] < outer["bottom"], index
    flat = [(key, box) for key, box in boxes.items() if not key.isdigit() or int(key) not in openable(recording)]
    for position, (first, one) in enumerate(flat):
        for second, two in flat[position + 1 :]:
            apart = (
                one["right"] <= two["left"]
                or two["right"] <= one["left"]
                or one["bottom"] <= two["top"]
                or two["bottom"] <= one["top"]
            )
            assert apart, (first, second)


def test_first_view_is_legible_at_the_top_and_selects_nothing(harness: Harness) -> None:
    message = harness.show(samples.residual(6), opened=[0])
    view = harness.last("view")
    assert message["milliseconds"] > 0
    assert view is not None
    assert 0.6 <= view["zoom"] <= 1.0
    assert 0 <= rectangle(harness, "[data-id='input-0']")["top"] < 60
    assert harness.last("select") is None
    assert harness.frame.locator("#origin .select").count() == 0
    assert not harness.frame.evaluate("document.hasFocus()")


def test_first_view_holds_the_whole_where_that_is_read_with_ease(harness: Harness) -> None:
    zooms = {}
    for length in (3, 14, 60):
        harness.show(loop(length))
        zooms[length] = (harness.last("view") or {})["zoom"]
        first, last = (rectangle(harness, f"[data-id='{end}-0']") for end in ("input", "output"))
        assert 0 < first["top"] < 60
        assert (last["bottom"] < 700) is (length < 60)
        window = rectangle(harness, "#target")
        assert first["left"] + first["right"] == pytest.approx(window["left"] + window["right"], abs=4)
    assert zooms[3] == 1
    assert 0.75 < zooms[14] < 1
    assert zooms[60] == 1


def test_the_kept_view_comes_back(harness: Harness) -> None:
    recording = samples.residual(6)
    every = sorted(openable(recording))
    harness.show(recording, opened=every, view={"zoom": 0.8, "x": 40.0, "y": 500.0}, selected=1)
    view = harness.last("view")
    assert view is not None
    assert (view["zoom"], view["x"], view["y"]) == (
        pytest.approx(0.8),
        pytest.approx(40, abs=2),
        pytest.approx(500, abs=2),
    )
    assert harness.frame.locator("[data-id='1'].select").count() == 1


def test_a_fold_says_how_many_of_what_and_opens_to_the_list(harness: Harness) -> None:
    recording = SAMPLES["folded"]
    folded = len(recording.nodes)
    layers = next(node.index for node in recording.nodes if node.path == "layers")
    harness.show(recording)
    texts = harness.frame.locator(f"[data-id='{folded}'] :is(.node-item text, .nbv-caption tspan)").all_text_contents()
    assert [text for text in texts if text] == ["5 × Block", "+", "0 … 4"]
    harness.open([0, layers, folded], folded)
    title = harness.frame.locator(f".cluster[data-id='{folded}'] .nbv-title-name tspan").all_text_contents()
    assert title == ["5 × Block", "0 … 4"]
    assert harness.frame.locator("#nodes > .node", has_text="Block").count() == 5


def test_names_are_relative_and_shapes_stand_once(harness: Harness) -> None:
    recording = SAMPLES["residual"]
    harness.show(recording, opened=openable(recording))
    norm = next(node.index for node in recording.nodes if node.path == "layers.0.norm")
    lines = harness.frame.locator(f"[data-id='{norm}'] tspan").all_text_contents()
    assert lines == ["norm", "", "weight", " 4", "running_mean", " 4"]
    assert "call 2" in (harness.frame.locator("#nodes .node", has_text="act · call 2").first.text_content() or "")
    labels = harness.frame.locator("#edge-labels text").all_text_contents()
    values = {start for start, _ in harness.drawn_edges()}
    assert len(labels) <= len(values)
    assert labels[0] == "1×3×8×8"


def test_a_label_that_can_not_be_measured_has_a_place_all_the_same(harness: Harness) -> None:
    """As in a frame that is not rendered; the harness fails on the console's errors."""
    harness.frame.evaluate(
        """() => {
          const drawable = SVGGraphicsElement.prototype;
          const measure = drawable.getBBox;
          drawable.getBBox = function() {
            return this.closest('#edge-labels') ? new DOMRect() : measure.call(this);
          };
        }"""
    )
    harness.show(SAMPLES["residual"])
    places = harness.frame.locator("#edge-labels text").evaluate_all("all => all.map(e => e.getAttribute('transform'))")
    assert places
    assert all("NaN" not in place for place in places)


# No text has a size in a page that is not rendered.
UNSEEN = """() => {
    const [canvas, text] = ['svg', 'text'].map((name) => document.createElementNS('http://www.w3.org/2000/svg', name));
    canvas.append(text);
    text.textContent = 'x';
    document.body.append(canvas);
    const { width } = text.getBBox();
    canvas.remove();
    return width === 0;
}"""


def test_what_comes_while_the_page_is_not_rendered_is_drawn_once_it_is(harness: Harness) -> None:
    recording = SAMPLES["residual"]
    display = "display => { harness.frame.style.display = display; }"
    layers = next(node.index for node in recording.nodes if node.path == "layers")
    message = {"type": "open", "kind": "structure", "recording": encode(recording), "opened": [0], "theme": "light"}
    sizes = {}
    for name, action, selector in (
        ("opened", lambda: harness.send(message), "[data-id='1'] > .node-border"),
        ("changed", lambda: harness.page.evaluate("ids => harness.open(ids)", [0, layers]), ".cluster > rect"),
    ):
        harness.page.evaluate(display, "none")
        harness.frame.wait_for_function(UNSEEN, polling=50)
        drawings = harness.page.evaluate("harness.count('drawn')")
        action()
        harness.page.wait_for_timeout(400)
        assert harness.page.evaluate("harness.count('drawn')") == drawings
        harness.do("drawn", lambda: harness.page.evaluate(display, "block"))
        sizes[name] = rectangle(harness, selector)
    harness.show(recording, opened=[0])
    assert sizes["opened"]["width"] == rectangle(harness, "[data-id='1'] > .node-border")["width"] > 40
    harness.open([0, layers])
    assert sizes["changed"]["height"] == pytest.approx(rectangle(harness, ".cluster > rect")["height"], abs=2)


def test_marks_are_words(harness: Harness) -> None:
    harness.show(SAMPLES["failed"], opened=openable(SAMPLES["failed"]))
    bad = next(node.index for node in SAMPLES["failed"].nodes if "failed" in node.marks)
    assert "failed" in (harness.frame.locator(f"[data-id='{bad}'] .nbv-caption").text_content() or "")
    stroke = "i => getComputedStyle(document.querySelector(`[data-id='${i}'] > .node-border`)).stroke"
    assert harness.frame.evaluate(stroke, bad) == "rgb(200, 30, 30)"
    harness.show(SAMPLES["residual"], opened=[0])
    captions = " ".join(harness.frame.locator(".nbv-caption").all_text_contents())
    assert "skip · passthrough" in captions
    assert "unused" in captions


def test_a_tied_weight_goes_by_its_name_where_it_stands(harness: Harness) -> None:
    build = samples.Builder()
    root = build.module(-1, "Net", "", (0,))
    source = build.value(1, 4)
    tied = build.weight("embedding.weight", 9, 4, aliases=("head.weight", "last.bias"))
    for path in ("embedding", "head", "last", "other"):
        build.layer(root, "Linear", "F.linear", path, source, (1, 9), (tied,))
    harness.show(build.recording((), ()), opened=[0])
    names = [
        harness.frame.locator(f"[data-id='{node}'] .node-argument tspan").nth(2).text_content() for node in (1, 3, 5, 7)
    ]
    assert names == ["weight", "weight", "bias", "embedding.weight"]


def test_modules_without_lines_stand_in_order(harness: Harness) -> None:
    recording = samples.tree()
    harness.show(recording)
    tops = [rectangle(harness, f"[data-id='{node}']")["top"] for node in range(1, len(recording.nodes))]
    assert tops == sorted(tops)
    assert len(set(tops)) == 4
    frame, inner = (rectangle(harness, f"[data-id='{node}'] > {tag}") for node, tag in ((1, "rect"), (2, "path")))
    assert frame["left"] + frame["right"] == pytest.approx(inner["left"] + inner["right"], abs=4)
    assert "uncalled" not in " ".join(harness.frame.locator("#origin text").all_text_contents())


def test_frames_inside_frames_stand_in_order_too(harness: Harness) -> None:
    build = samples.Builder()
    outer = build.module(build.module(-1, "Net", ""), "Sequential", "outer")
    inner = build.module(outer, "Sequential", "outer.0")
    build.module(inner, "ReLU", "outer.0.0")
    build.module(inner, "ReLU", "outer.0.1")
    build.module(outer, "ReLU", "outer.1")
    build.module(0, "Linear", "last")
    recording = build.recording((), (), tensors="none")
    harness.show(recording, opened=[0, outer, inner])
    tops = [rectangle(harness, f"[data-id='{node}']")["top"] for node in range(1, len(recording.nodes))]
    assert tops == sorted(tops)


def test_digits_stand_in_groups_without_the_browser_s_tables(harness: Harness) -> None:
    load = "async (text) => import(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })))"
    numbers = [0, 999, 1000, 25_557_032, -1_234_567, 1234.5]
    found = harness.page.evaluate(
        f"async ([text, numbers]) => {{ const {{ digits }} = await ({load})(text); return numbers.map(digits); }}",
        [own_text("format"), numbers],
    )
    assert found == ["0", "999", "1,000", "25,557,032", "-1,234,567", "1,234.5"]
    assert not [path.name for path in FOLDER.glob("*.js") if re.search(r"\bIntl\b|\.toLocale", path.read_text())]
