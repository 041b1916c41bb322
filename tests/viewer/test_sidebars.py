"""Sidebars, menus, saves and weights: what they show, and that nothing leaves the page."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from notebookviz.errors import NotebookvizError
from tests.graph import samples
from tests.graph.expected import openable

if TYPE_CHECKING:
    from tests.viewer.harness.driver import Harness

pytestmark = pytest.mark.browser


@pytest.fixture
def shown(harness: Harness) -> Harness:
    recording = samples.residual()
    harness.show(recording, opened=openable(recording))
    return harness


def number_of(path: str) -> int:
    return next(node.index for node in samples.residual().nodes if node.path == path)


def sidebar(harness: Harness) -> str:
    """The text of the sidebar, names included (they stand in input fields)."""
    return str(
        harness.frame.evaluate(
            "[...document.querySelectorAll('#sidebar-content input')].map(i => i.value).join('\\n') + '\\n' +"
            "document.getElementById('sidebar-content').innerText"
        )
    )


def menu(harness: Harness, label: str) -> None:
    harness.frame.locator("#menu-button").click()
    harness.frame.locator(".menu-command", has_text=label).click()


def open_weight(harness: Harness, node: int, name: str) -> None:
    harness.frame.locator(f"[data-id='{node}'] .node-argument", has_text=name).click()
    harness.frame.locator("#sidebar-title", has_text="Tensor Properties").wait_for()


def open_value(harness: Harness) -> str:
    harness.frame.locator(".sidebar-item", has=harness.frame.locator("input[value=value]")).locator(
        ".sidebar-item-value-expander"
    ).click()
    harness.frame.locator("#sidebar-content pre", has_not_text="\u23f3").wait_for()
    return harness.frame.locator("#sidebar-content pre").inner_text().removeprefix("💾")


def test_node_sidebar_says_what_is_known(shown: Harness) -> None:
    shown.do("select", shown.frame.locator("[data-id='1'] .node-item").first.click)
    found = shown.last("select")
    assert found is not None
    assert found["id"] == 1
    text = sidebar(shown)
    for part in (
        "Conv2d",
        "sample",
        "stem",
        "stride",
        "(1, 1)",
        "called in net.py, line 7, in forward",
        "x = self.stem(x)",
        "Conv2d(3, 4)",
        "stem.weight",
    ):
        assert part in text, part


def test_a_frame_opens_its_modules_sidebar(shown: Harness) -> None:
    layers = number_of("layers")
    found = shown.do(
        "select", lambda: shown.frame.locator(f"[data-id='{layers}'] > .nbv-title .nbv-title-name").click()
    )
    assert found["id"] == layers
    assert "Sequential" in sidebar(shown)
    assert shown.frame.locator(f".cluster.select[data-id='{layers}']").count() == 1


def test_values_are_fetched_once_for_each_sidebar_and_are_todays(shown: Harness) -> None:
    today = [1.0]

    def tensor(params: dict[str, Any]) -> tuple[Any, list[bytes]]:
        assert params == {"name": "stem.bias"}
        metrics = [["min", today[0]], ["max", today[0]], ["mean", today[0]], ["std", 0.0], ["sparsity", 0.25]]
        return {"dtype": "float32", "shape": [4], "metrics": metrics, "description": ""}, [
            struct.pack("<4f", *today * 4)
        ]

    shown.answers["tensor"] = tensor
    assert [method for method, _ in shown.asked] == []
    open_weight(shown, 1, "bias")
    assert "1" in open_value(shown)
    shown.frame.locator("#sidebar-content", has_text="25.0%").wait_for()
    assert [method for method, _ in shown.asked] == ["tensor"]
    today[0] = 2.5
    open_weight(shown, 1, "bias")
    assert "2.5" in open_value(shown)
    assert [method for method, _ in shown.asked] == ["tensor", "tensor"]


def test_bfloat16_is_read(shown: Harness) -> None:
    data = struct.pack("<4H", 0x3F80, 0x4000, 0xC040, 0)
    shown.answers["tensor"] = lambda _: ({"dtype": "bfloat16", "shape": [4], "metrics": []}, [data])
    open_weight(shown, 1, "bias")
    assert open_value(shown).replace("\n", " ").split() == ["[", "1,", "2,", "-3,", "0", "]"]


def test_a_refused_tensor_says_why(shown: Harness) -> None:
    def refuse(_: dict[str, Any]) -> Any:
        raise NotebookvizError("This view was saved without values.", hint="Run show(model) again.")

    shown.answers["tensor"] = refuse
    open_weight(shown, 1, "weight")
    remark = shown.frame.locator(".nbv-remark")
    remark.wait_for()
    assert remark.inner_text() == "This view was saved without values. Run show(model) again."
    assert open_value(shown) == "This view was saved without values. Run show(model) again."


def test_a_tensor_on_meta_says_so_at_once(shown: Harness) -> None:
    shown.answers["tensor"] = lambda _: (
        {"dtype": "float32", "shape": [10], "metrics": [], "description": "No values: meta."},
        [],
    )
    open_weight(shown, number_of("fc"), "bias")
    assert "On the meta device: shape and type only, no values." in sidebar(shown)


def test_saves_a_tensor_as_npy(shown: Harness) -> None:
    data = struct.pack("<4f", 1, 2, 3, 4)
    shown.answers["tensor"] = lambda _: ({"dtype": "float32", "shape": [4], "metrics": []}, [data])
    open_weight(shown, 1, "bias")
    open_value(shown)
    saved = shown.do("save", lambda: shown.frame.locator(".sidebar-item-value-button-context").click())
    content = bytes(saved["bytes"])
    assert saved["name"] == "stem_bias.npy"
    assert content[:6] == b"\x93NUMPY"
    assert content.endswith(data)


@pytest.mark.parametrize(("label", "start"), [("Export as SVG", b"<svg"), ("Export as PNG", b"\x89PNG")])
def test_exports_pictures_with_our_colours(shown: Harness, label: str, start: bytes) -> None:
    shown.send({"type": "theme", "theme": "dark", "background": "rgb(20, 30, 40)"})
    expect(shown.frame.locator("body")).to_have_css("background-color", "rgb(20, 30, 40)")
    saved = shown.do("save", lambda: menu(shown, label))
    content = bytes(saved["bytes"])
    assert content.startswith(start)
    if start == b"<svg":
        text = content.decode()
        assert "--nbv-title-fill: #3a4b6a" in text
        assert 'fill="rgb(20, 30, 40)"' in text
        assert "prefers-color-scheme" not in text


def test_menu_holds_what_makes_sense_here(shown: Harness) -> None:
    shown.frame.locator("#menu-button").click()
    expect(shown.frame.locator(".menu-command .menu-label")).to_have_text([
        "Export as PNG", "Export as SVG", "Find...", "Show Attributes", "Hide Weights", "Show Names", "Show Horizontal",
        "Mouse Wheel: Zoom", "Zoom In", "Zoom Out", "Actual Size", "Properties...", "About Netron",
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("label", "option"),
    [
        ("Show Attributes", {"attributes": True}),
        ("Hide Weights", {"weights": False}),
        ("Show Names", {"names": True}),
        ("Show Horizontal", {"direction": "horizontal"}),
    ],
)
def test_menu_options_redraw_and_are_kept(shown: Harness, label: str, option: dict[str, Any]) -> None:
    edges = shown.drawn_edges()
    shown.do("drawn", lambda: menu(shown, label))
    kept = shown.last("options")
    assert kept is not None
    assert kept["options"] == option
    assert shown.drawn_edges() == edges
    text = shown.frame.locator("[data-id='1']").text_content() or ""
    assert ("stride" in text) is ("attributes" in option)
    assert ("4×3×3×3" in text) is ("weights" not in option)


def test_nothing_leaves_the_page_while_everything_is_opened(shown: Harness) -> None:
    visit_everything(shown)
    assert [address for address in shown.network if not address.startswith(("file:", "blob:", "data:"))] == []
    assert {method for method, _ in shown.asked} <= {"tensor", "module"}


def visit_everything(shown: Harness) -> None:
    """Open each sidebar, menu item, documentation and weight."""
    frame = shown.frame
    for label in ("Find", "Properties", "About", "Zoom In", "Zoom Out", "Actual Size", "Mouse Wheel"):
        menu(shown, label)
        shown.page.wait_for_timeout(80)
        if label == "Find":
            shown.page.keyboard.type("a")
        if label == "About":
            frame.locator("body.about").wait_for(state="attached")
            frame.evaluate("document.body.click()")
    clicked = ("#nodes > .node .node-item", "#nodes .node-argument", "#edge-paths-hit-test path", ".nbv-title-name")
    expanders = (
        "document.querySelectorAll('#sidebar-content .sidebar-item-value-expander').forEach((item) => item.click())"
    )
    for selector in clicked:
        for index in range(frame.locator(selector).count()):
            element = frame.locator(selector).nth(index)
            if "nbv-toggle" not in (element.get_attribute("class") or ""):
                element.dispatch_event("click")
            frame.evaluate(expanders)
    shown.page.wait_for_timeout(300)


def test_find_lists_and_selects(shown: Harness) -> None:
    menu(shown, "Find")
    shown.frame.locator("#search").fill("stem")
    found = shown.do("select", shown.frame.locator(".sidebar-find-content li", has_text="stem").first.click)
    assert found["id"] == 1


def test_find_goes_through_closed_modules(harness: Harness) -> None:
    harness.show(samples.residual(), opened=[0])
    menu(harness, "Find")
    harness.frame.locator("#search").fill("layers.1.conv")
    first = harness.frame.locator(".sidebar-find-content li").first
    assert harness.do("reveal", first.click)["id"] == number_of("layers.1.conv")


@pytest.fixture
def poisoned(harness: Harness) -> Harness:
    recording = samples.hostile()
    harness.show(recording, opened=openable(recording))
    return harness


def test_hostile_names_are_shown_as_text_and_run_nothing(poisoned: Harness) -> None:
    visit_everything(poisoned)
    frame = poisoned.frame
    for _ in range(3):
        frame.evaluate("document.querySelectorAll('[title=\"Show Definition\"]').forEach((item) => item.click())")
        poisoned.page.wait_for_timeout(100)
    frame.locator("#nodes > .node .node-item").nth(1).dispatch_event("click")
    frame.locator("[title='Show Definition']").click()
    frame.locator(".sidebar-documentation h1").wait_for()
    assert "<img src=x onerror=" in frame.locator(".sidebar-documentation h1").inner_text()
    assert frame.evaluate("document.querySelectorAll('img, #sidebar-content script').length") == 0
    assert frame.evaluate("window.pwned") is None
    assert poisoned.page.evaluate("window.pwned") is None
    longest = frame.evaluate(
        "Math.max(...[...document.querySelectorAll('#origin text')].map((item) => item.textContent.length))"
    )
    assert longest < 200
    assert [address for address in poisoned.network if not address.startswith(("file:", "blob:", "data:"))] == []
