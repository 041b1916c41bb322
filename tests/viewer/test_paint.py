"""An overlay on the drawing: nothing is laid out or drawn again, values can be read, the sidebar has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from notebookviz.graph.encode import encode
from notebookviz.viewer.packer import join_es_modules
from tests.graph import samples
from tests.graph.expected import openable
from tests.viewer.test_behaviour import CONTRAST

if TYPE_CHECKING:
    from tests.viewer.harness.driver import Harness

pytestmark = pytest.mark.browser

PLACES = """() => [...document.querySelectorAll('#origin [data-id], #origin [data-edge]')].map((item) => {
    const box = item.querySelector('path, rect') ?? item;
    const { x, y, width, height } = box.getBoundingClientRect();
    return [item.dataset.id ?? item.dataset.edge, x, y, width, height];
})"""
COUNT_LAYOUTS = """() => {
    window.layouts = 0;
    const { postMessage } = Worker.prototype;
    Worker.prototype.postMessage = function counted(...all) {
        window.layouts += 1;
        postMessage.apply(this, all);
    };
}"""
FILL = "element => getComputedStyle(element.querySelector('path')).fill"
RAMP = join_es_modules("palette").replace("export default", "")


def overlay(marks: dict[int, tuple[str, str, str]], name: str = "norm") -> dict[str, Any]:
    rows = [[index, fill, ink, text, f"{text} in full", text == "NaN"] for index, (fill, ink, text) in marks.items()]
    return {"type": "overlay", "overlay": {"name": name, "marks": rows}}


def test_colours_come_and_go_without_a_layout(harness: Harness) -> None:
    recording = samples.residual()
    opened = openable(recording)
    harness.show(recording, opened=opened)
    frame = harness.frame
    places, drawn = frame.evaluate(PLACES), harness.page.evaluate("harness.count('drawn')")
    frame.evaluate(COUNT_LAYOUTS)
    before = frame.locator("[data-id='1'] .node-item").first.evaluate(FILL)
    cluster = next(index for index in opened if index)
    other = max(harness.drawn_nodes())
    marks = {1: ("#0072b2", "#ffffff", "0.31"), other: ("#f0e442", "#000000", "NaN")}
    marks[cluster] = ("#f4f0b6", "#000000", "9")
    harness.send(overlay(marks))
    frame.locator("[data-id='1'] .nbv-value", has_text="0.31").wait_for(state="attached")
    assert frame.locator("[data-id='1'] .node-item").first.evaluate(FILL) == "rgb(0, 114, 178)"
    assert frame.locator(f".cluster[data-id='{cluster}'] .nbv-title-name").evaluate(FILL) == "rgb(244, 240, 182)"
    assert frame.locator(".nbv-value").count() == 3
    assert frame.locator("[data-id='1'] .nbv-value title").text_content() == "norm: 0.31 in full"
    assert frame.locator(".nbv-odd").get_attribute("data-id") == str(other)
    assert frame.evaluate(PLACES) == places
    harness.send({"type": "overlay", "overlay": None})
    frame.locator(".nbv-value").first.wait_for(state="detached")
    assert frame.locator("[data-id='1'] .node-item").first.evaluate(FILL) == before
    assert frame.evaluate("window.layouts") == 0
    assert harness.page.evaluate("harness.count('drawn')") == drawn
    harness.open([0])
    assert frame.evaluate("window.layouts") > 0


def test_colours_stay_when_modules_open_and_stand_in_the_sidebar(harness: Harness) -> None:
    recording = samples.residual()
    harness.show(recording, opened=[0])
    harness.send(overlay(dict.fromkeys(range(len(recording.nodes)), ("#0072b2", "#ffffff", "0.31"))))
    harness.do("select", harness.frame.locator("[data-id='1'] .node-item").first.click)
    rows = harness.frame.locator("#sidebar-content .sidebar-item")
    assert rows.filter(has=harness.frame.locator("input[value='norm']")).inner_text().strip() == "0.31 in full"
    harness.send(overlay({1: ("#000000", "#ffffff", "7")}, "other"))
    harness.frame.locator("#sidebar-content input[value='other']").wait_for()
    assert harness.frame.locator("#sidebar-content input[value='norm']").count() == 0
    harness.open(openable(recording))
    harness.open([0])
    assert harness.frame.locator("[data-id='1'] .node-item").first.evaluate(FILL) == "rgb(0, 0, 0)"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_on_colours_can_be_read(harness: Harness, theme: str) -> None:
    recording = samples.residual()
    harness.show(recording, opened=openable(recording), theme=theme)
    colours = harness.page.evaluate(
        f"theme => {{ {RAMP}; const {{ ramp, ink }} = _palette; "
        "const fills = [...Array(12).keys()].map((step) => ramp(step / 11, theme)); "
        "return fills.map((fill, step) => [fill, ink(fill), `${step}`]); }",
        theme,
    )
    marks = {index: tuple(colours[index % 12]) for index in range(0, len(recording.nodes), 2)}
    harness.send(overlay(marks))
    harness.frame.locator(".nbv-value").first.wait_for(state="attached")
    harness.page.mouse.move(2, 2)
    assert harness.frame.evaluate(CONTRAST) == []


def test_the_code_of_a_node_is_copied_by_the_panel(harness: Harness) -> None:
    harness.show(samples.residual(), opened=[0], variable="net")
    harness.do("select", harness.frame.locator("[data-id='1'] .node-item").first.click)
    section = harness.frame.locator(".nbv-code")
    assert "called in net.py, line 7, in forward" in section.inner_text()
    assert "x = self.stem(x)" in section.inner_text()
    # This recording was made without a model, so nothing is known to give the module.
    assert section.locator(".nbv-copy").count() == 0
    recording = samples.residual()
    expressions = {node.path: f".{node.path}" for node in recording.nodes}
    opening = {"type": "open", "kind": "structure", "recording": encode(recording, expressions), "opened": [0]}
    harness.do("drawn", lambda: harness.send({**opening, "theme": "light", "variable": "net"}))
    harness.do("select", harness.frame.locator("[data-id='1'] .node-item").first.click)
    assert section.locator("code").inner_text() == "net.stem"
    assert harness.do("copy", section.locator(".nbv-copy").click)["text"] == "net.stem"
    harness.send({"type": "copied"})
    section.locator(".nbv-copy", has_text="Copied").wait_for()


@pytest.mark.parametrize(
    ("legend", "words"),
    [
        ({"title": "norm, log scale", "stops": ["#fff", "#000"], "low": "0.1", "high": "9", "odd": 2}, ["0.1", "9"]),
        ({"title": "owner", "entries": [{"word": "ann", "fill": "#56b4e9"}], "others": 3, "odd": 0}, ["ann"]),
    ],
)
def test_a_picture_says_what_its_colours_mean(harness: Harness, legend: dict[str, Any], words: list[str]) -> None:
    harness.show(samples.residual(), opened=[0])
    message = overlay({1: ("#0072b2", "#ffffff", "0.31")})
    message["overlay"]["legend"] = legend
    harness.send(message)
    found = {}
    for kind in ("svg", "png"):
        ask = {"type": "picture", "id": 1, "kind": kind}
        harness.do("picture", lambda ask=ask: harness.send(ask))
        found[kind] = harness.page.evaluate("Array.from(harness.last('picture').bytes)")
    text = bytes(found["svg"]).decode()
    key = text[text.index('class="nbv-legend"') :]
    others = ["NaN or infinite: 2"] if legend["odd"] else ["3 other words"]
    assert all(f">{each}</text>" in key for each in [legend["title"], *words, *others])
    assert harness.page.evaluate(INSIDE, text) == []
    harness.send({"type": "overlay", "overlay": None})
    harness.do("picture", lambda: harness.send({"type": "picture", "id": 2, "kind": "png"}))
    plain = harness.page.evaluate("Array.from(harness.last('picture').bytes)")
    assert height(bytes(found["png"])) > height(bytes(plain)) + 60


def test_a_picture_can_be_read_whatever_the_words_are(harness: Harness) -> None:
    harness.show(samples.hostile(), opened=openable(samples.hostile()))
    word = "<b>&amp;\x1b[31m\x00\ufffe]]>" + "𝔞" * 40
    message = overlay({1: ("#0072b2", "#ffffff", word)}, word)
    message["overlay"]["legend"] = {
        "title": word,
        "entries": [{"word": word, "fill": "#56b4e9"}],
        "others": 0,
        "odd": 0,
    }
    harness.send(message)
    harness.do("picture", lambda: harness.send({"type": "picture", "id": 1, "kind": "svg"}))
    names, text = harness.page.evaluate(
        """() => {
            const text = new TextDecoder().decode(harness.last('picture').bytes);
            const read = new DOMParser().parseFromString(text, 'image/svg+xml');
            return [[...read.querySelectorAll('*')].map((each) => each.localName), text];
        }"""
    )
    assert "path" in names
    assert not {"script", "img", "b", "parsererror"} & set(names)
    assert "𝔞…𝔞" in text


def height(png: bytes) -> int:
    return int.from_bytes(png[20:24], "big")


INSIDE = """async (text) => {
    const holder = document.createElement('div');
    holder.innerHTML = text;
    document.body.append(holder);
    const outer = holder.querySelector('svg').getBoundingClientRect();
    const out = [...holder.querySelectorAll('.nbv-legend :is(text, rect)')].filter((each) => {
        const box = each.getBoundingClientRect();
        return box.width === 0 || box.left < outer.left || box.right > outer.right || box.bottom > outer.bottom;
    });
    holder.remove();
    return out.map((each) => each.outerHTML);
}"""
