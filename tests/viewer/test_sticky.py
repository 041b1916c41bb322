"""The titles of frames that reach beyond the window stay in sight, inside their frames, and close them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from notebookviz.graph.records import Argument
from tests.graph import samples
from tests.viewer.test_behaviour import ZOOM
from tests.viewer.test_paint import COUNT_LAYOUTS, overlay

if TYPE_CHECKING:
    from notebookviz.graph.records import Recording
    from tests.viewer.harness.driver import Harness

pytestmark = pytest.mark.browser

OUTER, INNER = 1, 2
SEEN = """() => [...document.querySelectorAll('.nbv-sticky-title')].map((title) => {
    const box = title.getBoundingClientRect();
    const frame = document.querySelector(`.cluster[data-id='${title.dataset.id}'] > rect`).getBoundingClientRect();
    const inside = box.left >= frame.left - 1 && box.right <= frame.right + 1 && box.bottom <= frame.bottom + 1;
    const sign = title.lastChild.getBoundingClientRect();
    const top = document.elementFromPoint(sign.left + sign.width / 2, sign.top + sign.height / 2);
    const own = document.querySelector(`.cluster[data-id='${title.dataset.id}'] > .nbv-title`);
    return {id: Number(title.dataset.id), text: title.textContent, top: box.top, left: box.left, inside,
        above: title.contains(top), own: getComputedStyle(own).visibility};
}).sort((a, b) => a.id - b.id)"""


def tall(length: int = 12) -> Recording:
    """A module in a module, each taller than the window, and an operator after them."""
    build = samples.Builder()
    root = build.module(-1, "Net", "")
    outer = build.module(root, "Outer", "outer")
    inner = build.module(outer, "Inner", "outer.inner")
    value = source = build.value(1)
    for parent in (inner, outer, root):
        for _ in range(length):
            result = build.value(1)
            build.operator(parent, "relu", (value,), result)
            value = result
    assert (outer, inner) == (OUTER, INNER)
    return build.recording((Argument("x", (source,)),), (Argument("", (value,)),))


def seen(harness: Harness) -> list[dict[str, Any]]:
    """The titles that stick, once two frames have passed."""
    harness.pass_two_frames()
    found: list[dict[str, Any]] = harness.frame.evaluate(SEEN)
    return found


def scroll(harness: Harness, element: str, above: float) -> None:
    """So that the upper edge of an element stands so many pixels above the window's."""
    harness.frame.evaluate(
        "([s, above]) => { const area = document.getElementById('target'); "
        "area.scrollTop += document.querySelector(s).getBoundingClientRect().top + above; }",
        [element, above],
    )


@pytest.fixture
def opened(harness: Harness) -> Harness:
    """The page with both modules open."""
    harness.show(tall(), opened=[0, OUTER, INNER])
    return harness


def test_titles_stay_at_the_edge_inside_their_frames(opened: Harness) -> None:
    assert seen(opened) == []
    opened.frame.evaluate(COUNT_LAYOUTS)
    scroll(opened, f".cluster[data-id='{INNER}'] > rect", 200)
    titles = seen(opened)
    assert [(each["id"], each["text"]) for each in titles] == [(OUTER, "Outerouter−"), (INNER, "Innerinner−")]
    assert [each["top"] for each in titles] == [0, pytest.approx(23, abs=1)]
    assert all(each["inside"] and each["above"] and each["own"] == "hidden" for each in titles)
    for name in ("zoom-out", "zoom-in", "zoom-in"):
        before = opened.frame.evaluate(ZOOM)
        opened.send({"type": "command", "name": name})
        opened.frame.wait_for_function(f"before => {ZOOM} !== before", arg=before)
        titles = seen(opened)
        assert len(titles) == 2, name
        assert all(each["inside"] and each["above"] for each in titles), name
    assert opened.frame.evaluate("window.layouts") == 0
    scroll(opened, f".cluster[data-id='{OUTER}'] > rect", -300)
    assert seen(opened) == []
    own = f".cluster[data-id='{OUTER}'] > .nbv-title"
    assert opened.frame.locator(own).evaluate("title => getComputedStyle(title).visibility") == "visible"


def test_a_title_leaves_with_the_end_of_its_frame(opened: Harness) -> None:
    frame = opened.frame.locator(f".cluster[data-id='{INNER}'] > rect")
    height = frame.evaluate("rect => rect.getBoundingClientRect().height")
    scroll(opened, f".cluster[data-id='{INNER}'] > rect", height - 30)
    titles = {each["id"]: each for each in seen(opened)}
    assert titles[INNER]["inside"]
    assert titles[INNER]["top"] < titles[OUTER]["top"] + 23
    scroll(opened, f".cluster[data-id='{INNER}'] > rect", height + 10)
    assert [each["id"] for each in seen(opened)] == [OUTER]


@pytest.mark.parametrize("module", [OUTER, INNER])
def test_its_sign_closes_and_the_closed_module_is_where_it_was(opened: Harness, module: int) -> None:
    scroll(opened, f".cluster[data-id='{INNER}'] > rect", 250)
    before = seen(opened)
    sign = opened.frame.locator(f".nbv-sticky-title[data-id='{module}'] .nbv-sticky-close")
    place = sign.bounding_box()
    opened.do("drawn", sign.click)
    assert (opened.last("toggle") or {})["id"] == module
    after = opened.frame.locator(f"[data-id='{module}'] .nbv-toggle").bounding_box()
    assert place
    assert after
    assert abs(after["x"] - place["x"]) < 20
    assert abs(after["y"] - place["y"]) < 20
    assert len(before) == 2
    assert [each["id"] for each in seen(opened)] == [OUTER][: module - 1]


def test_a_click_selects_and_goes_to_where_the_frame_begins(opened: Harness) -> None:
    scroll(opened, f".cluster[data-id='{INNER}'] > rect", 250)
    name = opened.frame.locator(f".nbv-sticky-title[data-id='{INNER}'] .nbv-sticky-name")
    assert opened.do("select", name.click)["id"] == INNER
    name.wait_for(state="detached")
    own = opened.frame.locator(f".cluster[data-id='{INNER}'] > .nbv-title .nbv-title-name")
    assert 0 <= (own.bounding_box() or {"y": -1})["y"] < 700


def test_its_colour_and_value_are_the_overlays(opened: Harness) -> None:
    scroll(opened, f".cluster[data-id='{INNER}'] > rect", 250)
    opened.send(overlay({INNER: ("#0072b2", "#ffffff", "0.31")}))
    title = opened.frame.locator(f".nbv-sticky-title[data-id='{INNER}'].nbv-valued")
    title.wait_for()
    assert title.evaluate("title => getComputedStyle(title).backgroundColor") == "rgb(0, 114, 178)"
    assert title.text_content() == "Innerinner0.31−"
    opened.send({"type": "overlay", "overlay": None})
    opened.frame.locator(f".nbv-sticky-title[data-id='{INNER}']:not(.nbv-valued)", has_text="Innerinner−").wait_for()


def test_a_picture_has_the_titles_where_the_frames_begin(opened: Harness) -> None:
    scroll(opened, f".cluster[data-id='{INNER}'] > rect", 250)
    assert len(seen(opened)) == 2
    opened.do("picture", lambda: opened.send({"type": "picture", "id": 1, "kind": "svg"}))
    text = opened.page.evaluate("new TextDecoder().decode(harness.last('picture').bytes)")
    assert "nbv-title-name" in text
    assert 'class="nbv-title nbv-stuck"' not in text
