"""Colours, find and the way to code in a real browser, served, as a widget and saved."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.panel.conftest import wait

pytestmark = pytest.mark.browser


def row(page, name):
    return page.locator(".body .row", has=page.locator(f'.text:text-is("{name}")')).first


def frame(page):
    return page.frame_locator("iframe.netron")


def choose(page, name):
    page.get_by_label("Colour by").select_option(label=name)


def painted(page, name):
    return row(page, name).locator(".painted")


def test_python_and_the_panel_colour_by_the_same(served, panel, model, drawn):
    panel.overlay("gradient norm", {"first": 0.5, model.blocks[0]: 2, "blocks.1.up.weight": 30}, unit="x")
    expect(painted(served, "first")).to_have_text("0.5 x")
    expect(painted(served, "blocks")).to_have_text("30 x")
    expect(served.locator(".legend")).to_contain_text("gradient norm")
    expect(served.locator(".legend .range")).to_have_text("0.5 x30 x")
    expect(frame(served).locator(".nbv-value", has_text="0.5 x")).to_have_count(1)
    expect(served.get_by_label("Colour by")).to_have_value("own: gradient norm")
    served.get_by_role("columnheader", name="gradient norm").click()
    expect(served.locator(".body .row .text").nth(1)).to_have_text("blocks")
    choose(served, "parameters")
    expect(painted(served, "first")).to_have_text("56")
    expect(served.locator(".legend")).to_contain_text("shared ones count once")
    light = painted(served, "first").evaluate("cell => cell.style.background")
    served.emulate_media(color_scheme="dark")
    expect(painted(served, "first")).not_to_have_css("background-color", light)
    served.emulate_media(color_scheme="light")
    expect(painted(served, "first")).to_have_css("background-color", light)
    choose(served, "trainable")
    expect(painted(served, "blocks")).to_have_text("trainable")
    choose(served, "gradient norm")
    wait(served, lambda: panel.state["overlay"] == "own: gradient norm", "Python was told")
    served.reload()
    drawn(served)
    expect(painted(served, "first")).to_have_text("0.5 x")
    expect(frame(served).locator(".nbv-value", has_text="0.5 x")).to_have_count(1)
    panel.overlay("time", {"act@1": 1, "act@2": 4}, unit="ms", combine="sum")
    expect(painted(served, "act")).to_have_text("1 ms")
    expect(painted(served, "act (call 2)")).to_have_text("4 ms")
    expect(served.locator(".legend .range")).to_have_text("1 ms4 ms")
    panel.overlay("time", {"blocks.0.up@1": 1, "blocks.1.up@1": 4, "act": 2}, unit="ms", combine="sum")
    expect(painted(served, "blocks")).to_have_text("5 ms")
    expect(painted(served, "act (call 2)")).to_have_text("2 ms")
    panel.overlay("time", None)
    panel.overlay("gradient norm", {"first": float("nan")})
    expect(served.locator(".legend")).to_contain_text("NaN or infinite: 1")
    expect(frame(served).locator(".nbv-odd")).to_have_count(1)
    served.get_by_role("button", name="No colours").click()
    expect(served.locator(".painted")).to_have_count(0)
    expect(frame(served).locator(".nbv-value")).to_have_count(0)
    panel.overlay("gradient norm", None)
    expect(served.get_by_label("Colour by").locator("optgroup")).to_have_count(0)


def test_a_saved_page_keeps_colours_and_names_are_text(tab, panel, tmp_path, drawn):
    name = "<img src=x onerror=alert(1)>"
    panel.overlay(name, {"first": name, "act": "b"})
    panel.save_html(tmp_path / "small.html")
    tab.goto((tmp_path / "small.html").as_uri())
    drawn(tab)
    expect(painted(tab, "first")).to_have_text(name)
    expect(tab.locator(".legend b")).to_have_text(name)
    assert tab.locator("img").count() == 0
    choose(tab, "MACs")
    expect(painted(tab, "first")).to_have_text("96")
    row(tab, "first").click()
    expect(tab.get_by_role("button", name="Copy model.first")).to_be_visible()


def test_filters_hits_and_mistakes(served):
    field = served.get_by_role("searchbox", name="Find")
    field.fill("type:linear params>130")
    expect(served.locator(".count")).to_have_text("6 found")
    field.fill("params>x<img src=x>")
    expect(served.get_by_role("alert")).to_have_text("“x<img” is no number. Write it like params>1M.")
    assert served.locator("img").count() == 0
    for query in ("x" * 10_000 + ":", "params>" + "x" * 10_000, "shape:" + "x" * 10_000):
        field.fill(query)
        expect(served.get_by_role("alert")).to_contain_text("…x")
        assert served.get_by_role("alert").evaluate("said => said.getBoundingClientRect().height") < 100
    for query in (".*", "(((", "[a-", "\\", "params>", "name:", '"', "-", "×"):
        field.fill(query)
        expect(served.locator(".count")).to_have_text("" if query in {"params>", "name:", '"'} else "none")
        expect(served.get_by_role("alert")).to_be_hidden()
    served.get_by_role("button", name="What can be found").click()
    listed = served.get_by_role("dialog", name="What can be found")
    results = Axe().run(served, options={"resultTypes": ["violations"]})
    assert [each["id"] for each in results.response["violations"] if each["impact"] in {"serious", "critical"}] == []
    listed.get_by_role("button", name="trainable", exact=True).click()
    expect(field).to_have_value("trainable")
    expect(served.get_by_role("alert")).to_be_hidden()
    expect(served.locator(".count")).to_have_text(re.compile(r"^\d+ found$"))
    if row(served, "blocks").get_attribute("aria-expanded") == "true":
        row(served, "blocks").locator(".twist").click()
    field.fill("tanh")
    expect(row(served, "blocks")).to_have_class(re.compile(r"\bwithin\b"))
    expect(frame(served).locator(".node.nbv-within")).to_have_count(1)
    field.press("Enter")
    expect(served.locator(".path [aria-current]")).to_have_text("1")
    expect(frame(served).locator(".nbv-within")).to_have_count(0)
    expect(frame(served).locator(".nbv-current")).to_have_count(1)
    field.press("Shift+Enter")
    expect(served.locator(".count")).to_have_text("1/1")
    narrowed = served.get_by_role("searchbox", name="Filter modules")
    narrowed.fill("kind:x")
    expect(served.locator(".empty")).to_have_text(re.compile("There is no filter “kind:”"))
    narrowed.fill("type:tanh")
    expect(served.locator(".body .row .text").last).to_have_text("1")


def test_a_selection_reaches_python_at_once_and_is_copied(tab, panel, model, mount):
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    mount(tab, panel)
    # Told in the click's own task: a timer may come after a cell that is run next.
    tab.evaluate(
        """async () => {
            const root = document.querySelector('.notebookviz').shadowRoot;
            [...root.querySelectorAll('.body .row .text')].find((name) => name.textContent === 'first').click();
            await null;
            window.told = window.model.get('state').selected;
        }"""
    )
    assert panel.recording.nodes[tab.evaluate("window.told")].path == "first"
    tab.get_by_role("button", name="Copy model.first").click()
    expect(tab.locator(".status .text")).to_have_text("Copied model.first")
    assert tab.evaluate("navigator.clipboard.readText()") == "model.first"
    assert panel.selected is model.first
    panel.select(model.blocks[2][0].up)
    expect(frame(tab).locator(".select[data-id]")).to_have_count(1)
    frame(tab).locator(".node.select .node-item").first.click()
    code = frame(tab).locator(".nbv-code")
    expect(code.locator("code")).to_have_text("model.blocks[2][0].up")
    expect(code).to_contain_text("self.down(torch.relu(self.up(x)))")
    code.get_by_role("button", name="Copy").click()
    expect(code.get_by_role("button", name="Copied")).to_be_visible()
    assert tab.evaluate("navigator.clipboard.readText()") == "model.blocks[2][0].up"
    tab.deaf = True  # a kernel that is busy
    choose(tab, "MACs")
    expect(painted(tab, "first")).to_have_text("96")
    expect(frame(tab).locator(".nbv-value", has_text="96")).to_have_count(1)
