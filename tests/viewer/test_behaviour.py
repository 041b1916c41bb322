"""The page as a guest in the notebook: wheel, keys, focus, theme, policy, errors, files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from notebookviz.errors import LoadingError
from notebookviz.viewer.page import page_html
from tests.graph import samples
from tests.graph.expected import openable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.viewer.harness.driver import Harness

pytestmark = pytest.mark.browser


def background(harness: Harness, wanted: str) -> None:
    harness.frame.wait_for_function("colour => getComputedStyle(document.body).backgroundColor === colour", arg=wanted)


def test_theme_changes_at_run_time(harness: Harness) -> None:
    harness.show(samples.residual(), theme="light")
    background(harness, "rgb(255, 255, 255)")
    harness.send({"type": "theme", "theme": "dark"})
    background(harness, "rgb(27, 29, 33)")
    harness.send({"type": "theme", "theme": "dark", "background": "rgb(17, 17, 17)"})
    background(harness, "rgb(17, 17, 17)")
    assert harness.frame.evaluate("getComputedStyle(document.getElementById('target')).backgroundColor") == (
        "rgb(17, 17, 17)"
    )
    harness.send({"type": "theme", "theme": "light", "background": "url(x)"})
    background(harness, "rgb(255, 255, 255)")


CONTRAST = """() => {
    const number = (text) => text.match(/[\\d.]+/g).map(Number);
    const linear = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const light = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => sum + w * linear(colour[i] / 255), 0);
    const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3]));
    const mix = (top, under) => (top.length < 4 ? top : over(top, under));
    const page = number(getComputedStyle(document.body).backgroundColor);
    const found = [];
    const boxes = '.node-item, .node-argument-list, .nbv-title-name, .nbv-title-toggle';
    for (const item of document.querySelectorAll(boxes)) {
        const fill = getComputedStyle(item.querySelector('path')).fill;
        for (const text of item.querySelectorAll('tspan, text')) {
            if (!text.textContent.trim() || text.querySelector('tspan')) continue;
            const back = mix(number(fill), page);
            const [a, b] = [light(mix(number(getComputedStyle(text).fill), back)), light(back)];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (ratio < 4.5) found.push(`${text.textContent}: ${ratio.toFixed(2)}`);
        }
    }
    for (const text of document.querySelectorAll('.edge-label')) {
        const [a, b] = [light(number(getComputedStyle(text).fill)), light(page)];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) found.push(`${text.textContent}: ${ratio.toFixed(2)}`);
    }
    return found;
}"""


@pytest.mark.parametrize(
    ("theme", "background"),
    [("light", None), ("light", "rgb(245, 245, 240)"), ("dark", None), ("dark", "rgb(17, 17, 17)")],
)
def test_all_text_in_the_graph_has_contrast(harness: Harness, theme: str, background: str | None) -> None:
    for recording in (samples.residual(), samples.failed()):
        harness.show(recording, opened=openable(recording), theme=theme, background=background)
        harness.page.mouse.move(2, 2)
        assert harness.frame.evaluate(CONTRAST) == []


def test_wheel_is_the_notebooks_until_the_graph_is_clicked(harness: Harness) -> None:
    harness.show(samples.residual(6), opened=openable(samples.residual(6)))
    top = "document.getElementById('target').scrollTop"
    start = harness.frame.evaluate(top)
    harness.page.mouse.move(300, 300)
    harness.page.evaluate("document.body.style.minHeight = '3000px'")
    harness.page.mouse.wheel(0, 120)
    harness.page.wait_for_function("() => scrollY === 120")
    assert harness.frame.evaluate(top) == start
    assert harness.do("focus", lambda: harness.page.mouse.click(60, 300))["inside"] is True
    before = (harness.last("view") or {})["y"]
    harness.pass_two_frames()  # the browser scrolls what it has drawn, and the graph scrolls from now on
    harness.page.mouse.wheel(0, 120)
    harness.page.wait_for_function("y => harness.last('view').y !== y", arg=before)
    harness.frame.wait_for_function(f"wanted => {top} === wanted", arg=start + 120)
    assert harness.page.evaluate("scrollY") == 120
    assert harness.do("focus", lambda: harness.page.keyboard.press("Escape"))["inside"] is False


def test_keys_stay_in_the_page_and_two_of_them_go_to_the_panel(harness: Harness) -> None:
    harness.show(samples.residual(), opened=[0])
    harness.page.evaluate("window.keys = []; addEventListener('keydown', (event) => window.keys.push(event.key))")
    harness.do("select", harness.frame.locator("[data-id='1'] .node-item").first.click)
    for key in ("a", "b", "x", "d", "d", "0", "0", "Shift"):
        harness.page.keyboard.press(key)
    assert harness.page.evaluate("window.keys") == []
    assert harness.last("select")["id"] == 1  # type: ignore[index]
    assert harness.do("key", lambda: harness.page.keyboard.press("/"))["key"] == "/"
    harness.frame.locator("#sidebar-closebutton").click()
    assert harness.do("key", lambda: harness.page.keyboard.press("Escape"))["key"] == "Escape"


def test_policy_forbids_requests_and_foreign_scripts(harness: Harness) -> None:
    harness.show(samples.residual())
    outcome = harness.frame.evaluate(
        """async () => {
            const done = [];
            await fetch('data:text/plain,hello').then(() => done.push('fetch'), () => {});
            const script = document.createElement('script');
            script.textContent = 'window.ran = true';
            document.body.append(script);
            document.body.insertAdjacentHTML('beforeend', '<i onclick="window.ran = true">i</i>');
            document.querySelector('body > i:last-child').click();
            return [done, window.ran ?? null, window.origin];
        }"""
    )
    assert outcome == [[], None, "null"]
    assert all("Content Security Policy" in text for text in harness.console)
    assert len(harness.console) >= 3
    harness.console.clear()


def test_reduced_motion_moves_nothing(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness(reduced_motion="reduce")
    recording = samples.residual()
    harness.show(recording, opened=[0])
    harness.open(openable(recording))
    first = harness.frame.evaluate(
        "[...document.querySelectorAll('#nodes > .node')].map((item) => item.getAttribute('transform'))"
    )
    harness.page.wait_for_timeout(350)
    assert first == harness.frame.evaluate(
        "[...document.querySelectorAll('#nodes > .node')].map((item) => item.getAttribute('transform'))"
    )


def test_a_recording_of_another_format_gives_one_sentence(harness: Harness) -> None:
    error = harness.do(
        "error", lambda: harness.send({"type": "open", "kind": "structure", "recording": {"format": 99}})
    )
    assert error["what"] == "This recording was made by another version of notebookviz. Show the model again."
    assert harness.frame.locator(".nbv-notice p").inner_text() == error["what"]


def test_a_broken_module_gives_one_sentence(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness(page_html().replace("globalThis.notebookvizNetron =", "const broken ="))
    said = "Netron's modules can't be run in this browser."
    harness.frame.locator(".nbv-notice p", has_text=said).wait_for()
    harness.send({"type": "open", "kind": "structure", "recording": {}})
    assert harness.last("error") == {**(harness.last("error") or {}), "type": "error", "what": said, "hint": ""}


def test_opens_an_onnx_file_with_netrons_reader(harness: Harness) -> None:
    import onnx
    from onnx import TensorProto, helper

    node = helper.make_node("Relu", ["x"], ["y"], name="act")
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    model = helper.make_model(helper.make_graph([node], "graph", value[:1], value[1:]))
    harness.file("tiny.onnx", model.SerializeToString())
    assert harness.frame.locator("#nodes .node-item-type-activation", has_text="Relu").count() == 1
    asked = dict(harness.asked)
    assert asked["metadata"]["name"] == "onnx-metadata.json"
    assert "Relu" in asked["metadata"]["types"]
    assert onnx.__version__
    harness.show(samples.residual(), opened=[0])
    assert "Conv2d" in (harness.frame.locator("[data-id='1']").text_content() or "")


def test_a_file_of_no_known_kind_gives_one_sentence(harness: Harness) -> None:
    error = harness.file("notes.xyz", b"just some words", answer="error")
    assert error["what"] == "Unsupported file content."
    assert harness.frame.locator(".nbv-notice p").inner_text() == error["what"]


def test_a_file_whose_parts_are_missing_says_once_what_to_do(harness: Harness) -> None:
    def missing(params: dict[str, Any]) -> tuple[Any, list[bytes]]:
        raise LoadingError(f"{params['name']} is missing.", hint="Put it there.")

    harness.answers["external"] = missing
    index = json.dumps({"metadata": {}, "weight_map": {"a.weight": "part.safetensors"}}).encode()
    error = harness.file("model.safetensors.index.json", index, answer="error")
    assert (error["what"], error["hint"]) == ("part.safetensors is missing.", "Put it there.")
    assert harness.frame.locator(".nbv-notice p").inner_text() == "part.safetensors is missing. Put it there."


def test_find_lights_hits(harness: Harness) -> None:
    harness.show(samples.residual(), opened=[0])
    harness.send({"type": "find", "ids": [1, 3], "current": 1})
    harness.frame.locator("[data-id='1'].nbv-hit.nbv-current").wait_for()
    assert harness.frame.locator(".nbv-hit").count() == 2


def test_selecting_from_the_panel_is_no_echo(harness: Harness) -> None:
    recording = samples.residual(6)
    harness.show(recording, opened=openable(recording))
    last = len(recording.nodes) - 2
    harness.send({"type": "select", "id": last, "scroll": True, "sidebar": True})
    harness.frame.locator(f"[data-id='{last}'].select").wait_for()
    harness.frame.locator("#sidebar-title", has_text="Node Properties").wait_for()
    harness.frame.wait_for_function(
        """id => {
            const { top } = document.querySelector(`[data-id='${id}']`).getBoundingClientRect();
            return top > 0 && top < 700;
        }""",
        arg=last,
    )
    harness.page.wait_for_timeout(300)  # in which an echo would come
    assert harness.last("select") is None


def test_a_first_double_click_opens_though_the_sidebar_moves_the_graph(harness: Harness) -> None:
    harness.page.set_viewport_size({"width": 700, "height": 700})
    harness.show(samples.residual(), opened=[0])
    node = harness.frame.locator("[data-id='3'] .node-item").first
    box = node.bounding_box()
    assert box is not None
    mouse = harness.page.mouse
    mouse.move(box["x"] + 6, box["y"] + box["height"] / 2)
    mouse.down(click_count=1)
    mouse.up(click_count=1)
    harness.frame.wait_for_function(
        """([top, height]) => {
            const now = document.querySelector("[data-id='3'] .node-item").getBoundingClientRect().top;
            return Math.abs(now - top) > height;
        }""",
        arg=[box["y"], box["height"]],
    )

    def again() -> None:
        mouse.down(click_count=2)
        mouse.up(click_count=2)

    assert harness.do("toggle", again)["id"] == 3
    harness.frame.locator(".cluster[data-id='3']").wait_for()
    assert harness.page.evaluate("harness.count('toggle')") == 1
    harness.frame.wait_for_function("() => Number(document.getElementById('sidebar').style.opacity) === 0")
    assert harness.frame.evaluate("String(getSelection())") == ""
    harness.frame.locator(".cluster.select[data-id='3']").wait_for()
    assert harness.last("select")["id"] == 3


def test_the_sidebar_of_a_node_follows_the_panels_selection(harness: Harness) -> None:
    harness.show(samples.residual(), opened=[0])
    harness.do("select", harness.frame.locator("[data-id='1'] .node-item").first.click)
    inputs = "[...document.querySelectorAll('#sidebar-content input')].map(each => each.value)"
    name = f"document.querySelector('#sidebar-content').innerText + {inputs}"
    harness.frame.wait_for_function(f"() => ({name}).includes('Conv2d')")
    harness.send({"type": "select", "id": 3, "scroll": False, "sidebar": False})
    harness.frame.wait_for_function(f"() => ({name}).includes('Sequential') && !({name}).includes('Conv2d(3, 4)')")
    harness.frame.locator(".graph-node.select[data-id='3']").wait_for()
    harness.send({"type": "select", "id": None, "scroll": False, "sidebar": False})
    harness.frame.wait_for_function("() => document.getElementById('sidebar').style.opacity === '0'")
    harness.page.wait_for_timeout(100)
    assert harness.last("select")["id"] == 1  # type: ignore[index]


def test_opening_again_keeps_the_selection_and_tells_no_other(harness: Harness) -> None:
    harness.show(samples.residual(), opened=[0])
    harness.do("select", harness.frame.locator("[data-id='1'] .node-item").first.click)
    harness.show(samples.residual(), opened=[0], selected=1)
    harness.frame.locator(".graph-node.select[data-id='1']").wait_for()
    assert harness.last("select")["id"] == 1  # type: ignore[index]
    harness.show(samples.residual(), opened=[0], selected=None)
    assert harness.frame.locator(".graph-node.select").count() == 0


def test_the_zoom_buttons_are_the_panels(harness: Harness) -> None:
    harness.show(samples.residual())
    assert harness.frame.locator("#zoom-in-button, #zoom-out-button").evaluate_all(
        "all => all.map(each => getComputedStyle(each).display)"
    ) == ["none", "none"]
    harness.frame.locator("#sidebar-model-button").click()
    harness.frame.locator("#sidebar-title", has_text="Model Properties").wait_for()


def test_escape_closes_the_about_page_and_nothing_else(harness: Harness) -> None:
    harness.show(samples.residual())
    harness.frame.locator("#menu-button").click()
    harness.frame.locator(".menu-command", has_text="About").click()
    harness.frame.locator("body.about").wait_for()
    harness.page.keyboard.press("Escape")
    harness.frame.locator("body:not(.about)").wait_for()
    assert harness.last("key") is None
    assert harness.do("key", lambda: harness.page.keyboard.press("Escape"))["key"] == "Escape"


ZOOM = "document.getElementById('origin').getScreenCTM().a"
INSIDE = """([selector, x, y]) => {
    const element = document.querySelector(selector);
    const { left, top, width, height } = element.getBoundingClientRect();
    return element.contains(document.elementFromPoint(left + x * width, top + y * height));
}"""


@pytest.mark.parametrize("width", [1000, 420, 320])
def test_netrons_buttons_cover_nothing_that_is_drawn(harness: Harness, width: int) -> None:
    harness.page.set_viewport_size({"width": width, "height": 300})
    harness.show(samples.residual(6), opened=openable(samples.residual(6)))
    frame = harness.frame
    right = frame.evaluate("document.getElementById('target').getBoundingClientRect().right")
    assert right >= width - 40
    buttons = ("#menu-button", "#sidebar-model-button", "#sidebar-target-button")
    for button in buttons:
        box = frame.locator(button).bounding_box()
        assert box is not None
        assert right <= box["x"] < box["x"] + box["width"] <= width, button
        assert 0 <= box["y"] < box["y"] + box["height"] <= 300, button
        assert frame.evaluate(INSIDE, [button, 0.5, 0.5]), button
    frame.locator("#menu-button").click()
    frame.wait_for_function("() => document.getElementById('menu').getBoundingClientRect().right <= innerWidth")
    assert frame.evaluate(INSIDE, ["#menu", 0.99, 0.5])
    frame.locator("#menu-button").click()
    frame.wait_for_function("() => document.getElementById('menu').getBoundingClientRect().left >= innerWidth")
    frame.locator("#sidebar-model-button").click()
    frame.wait_for_function(
        """() => {
            const place = (id) => document.getElementById(id).getBoundingClientRect();
            return Math.abs(place('target').right - place('sidebar').left) < 2;
        }"""
    )
    for control in ("#sidebar-closebutton", *buttons):
        assert frame.evaluate(INSIDE, [control, 0.5, 0.5]), control
    frame.locator("#sidebar-closebutton").click()


def centre_of(harness: Harness) -> tuple[float, float]:
    view = harness.frame.evaluate(
        """() => {
            const matrix = document.getElementById('origin').getScreenCTM();
            return [(innerWidth / 2 - matrix.e) / matrix.a, -matrix.f / matrix.d];
        }"""
    )
    return view[0], view[1]


def resize(harness: Harness, width: int, height: int) -> None:
    """Give the window another size, and wait until the page has drawn in it."""
    harness.page.set_viewport_size({"width": width, "height": height})
    harness.frame.wait_for_function("size => String([innerWidth, innerHeight]) === size", arg=f"{width},{height}")
    harness.pass_two_frames()


def test_what_is_seen_stays_in_the_middle_when_the_window_changes(harness: Harness) -> None:
    recording = samples.residual(6)
    harness.show(recording, opened=openable(recording), view={"zoom": 1, "x": 10.0, "y": 300.0})
    before = centre_of(harness)
    for width, height in ((420, 700), (700, 400), (1000, 700)):
        resize(harness, width, height)
        assert centre_of(harness) == pytest.approx(before, abs=3), (width, height)


def test_a_graph_that_was_fitted_fits_again(harness: Harness) -> None:
    recording = samples.residual(6)
    harness.show(recording, opened=openable(recording))
    before, place = harness.frame.evaluate(ZOOM), centre_of(harness)
    resize(harness, 380, 700)
    narrow = harness.frame.evaluate(ZOOM)
    boxes = harness.frame.evaluate(
        "[...document.querySelectorAll('#origin [data-id]')].map(each => each.getBoundingClientRect().toJSON())"
    )
    assert narrow < before or max(each["right"] for each in boxes) <= 380
    assert min(each["top"] for each in boxes) > 0
    resize(harness, 1000, 700)
    assert harness.frame.evaluate(ZOOM) == pytest.approx(before, abs=0.001)
    assert centre_of(harness) == pytest.approx(place, abs=1.5)
