"""Opening by depth, stepping into a module and out again, folds in table and graph: the panel in a real browser."""

import re

import pytest
import torch
import torchvision
from playwright.sync_api import expect
from torch import nn

from notebookviz import api
from tests.panel.conftest import Block, wait

pytestmark = pytest.mark.browser


@pytest.fixture
def deep(monkeypatch):
    """A panel of four equal blocks between two layers, served."""
    monkeypatch.setattr(api.webbrowser, "open", lambda _: False)
    model = nn.Sequential(nn.Linear(6, 8), nn.Sequential(*(Block(8) for _ in range(4))), nn.Tanh())
    found = api.show(model, torch.zeros(2, 6))
    yield found
    found.close()


def row(page, name):
    return page.locator(".body .row", has=page.locator(f'.text:text-is("{name}")')).first


def frame(page):
    return page.frame_locator("iframe.netron")


def nodes(page):
    return frame(page).locator("#nodes > .node[data-id]")


def test_a_fold_is_one_row_and_one_node_and_opens_in_both(tab, deep, drawn):
    tab.goto(deep.url)
    drawn(tab)
    expect(nodes(tab)).to_have_count(5)
    row(tab, "4 × Block").locator(".twist").click()
    expect(frame(tab).locator(".cluster")).to_have_count(2)
    expect(nodes(tab)).to_have_count(8)
    expect(row(tab, "3")).to_be_visible()
    folded = len(deep.recording.nodes)
    frame(tab).locator(f".cluster[data-id='{folded}'] .nbv-title-toggle").click()
    expect(nodes(tab)).to_have_count(5)
    expect(row(tab, "3")).to_have_count(0)


def test_python_opens_what_is_folded(tab, deep, drawn):
    tab.goto(deep.url)
    drawn(tab)
    deep.expand("1.2")
    expect(frame(tab).locator(".cluster")).to_have_count(3)
    expect(row(tab, "up")).to_be_visible()
    deep.select("1.2.up")
    expect(tab.locator(".row.selected .text")).to_have_text("up")
    assert deep.selected.out_features == 16
    deep.collapse("1.2")
    expect(frame(tab).locator(".cluster")).to_have_count(2)


def test_the_menu_opens_and_closes_by_depth(tab, deep, drawn):
    tab.goto(deep.url)
    drawn(tab)
    menu = tab.get_by_role("button", name="Open and close by depth")
    menu.click()
    tab.get_by_role("menuitem", name="Close all").click()
    expect(frame(tab).locator(".cluster")).to_have_count(0)
    expect(nodes(tab)).to_have_count(5)
    menu.click()
    items = tab.get_by_role("menuitem")
    expect(items.last).to_have_text("Open all18 nodes")
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("Enter")
    expect(frame(tab).locator(".cluster")).to_have_count(6)


def test_one_module_fills_the_canvas_and_stays_so_over_a_reload(tab, deep, drawn):
    tab.goto(deep.url)
    drawn(tab)
    tab.get_by_role("treegrid", name="Modules").focus()
    row(tab, "4 × Block").dblclick()
    expect(frame(tab).locator(".cluster")).to_have_count(2)
    row(tab, "2").click()
    tab.keyboard.press("Shift+Enter")
    back = tab.get_by_role("button", name="Back to 1 (Backspace)")
    expect(back).to_be_visible()
    expect(nodes(tab)).to_have_count(6)
    expect(frame(tab).locator("[data-id='input-0'] text").first).to_have_text("x")
    wait(tab, lambda: deep.state.get("inside"), "Python was told what fills the canvas")
    tab.reload()
    drawn(tab)
    expect(back).to_be_visible()
    expect(nodes(tab)).to_have_count(6)
    tab.locator(".path .step", has_text="Sequential").first.click()
    expect(back).to_be_hidden()
    expect(frame(tab).locator(".cluster")).to_have_count(2)
    row(tab, "2").click()
    tab.keyboard.press("Shift+Enter")
    expect(back).to_be_visible()
    tab.keyboard.press("Backspace")
    expect(tab.get_by_role("button", name="Back to Sequential (Backspace)")).to_be_visible()
    tab.keyboard.press("Backspace")
    expect(tab.get_by_role("button", name="Back")).to_be_hidden()


def test_what_opens_modules_is_absent_in_the_onnx_view_whatever_is_chosen_in_the_table(tab, deep, drawn):
    tab.goto(deep.url)
    drawn(tab)
    opens = tab.get_by_role("button", name="Open and close by depth")
    only = tab.get_by_role("button", name=re.compile("^Show only"))
    tab.get_by_role("button", name="ONNX", exact=True).click()
    expect(opens).to_be_hidden()
    row(tab, "1").click()
    tab.keyboard.press("Shift+Enter")
    expect(tab.locator(".path")).to_have_text("Sequential›1")
    for each in (opens, only, tab.get_by_role("button", name=re.compile("^Back to"))):
        expect(each).to_be_hidden()
    tab.get_by_role("button", name="Structure", exact=True).click()
    for each in (opens, only, tab.get_by_role("button", name="Back to Sequential (Backspace)")):
        expect(each).to_be_visible()


def test_what_lies_elsewhere_is_stepped_out_to(tab, deep, drawn):
    tab.goto(deep.url)
    drawn(tab)
    tab.get_by_role("treegrid", name="Modules").focus()
    row(tab, "1").click()
    tab.get_by_role("button", name="Show only 1 (Shift+Enter)").click()
    expect(tab.get_by_role("button", name="Back to Sequential (Backspace)")).to_be_visible()
    deep.select("2")
    expect(tab.get_by_role("button", name="Back to Sequential (Backspace)")).to_be_hidden()
    expect(frame(tab).locator(".node.select")).to_have_count(1)
    row(tab, "1").click()
    tab.get_by_role("button", name="Show only 1 (Shift+Enter)").click()
    tab.get_by_role("searchbox", name="Find").fill("type:Tanh")
    tab.keyboard.press("Enter")
    expect(frame(tab).locator(".node.select .node-item text").first).to_have_text("Tanh")


def test_keys_stay_with_the_panel_when_a_button_vanishes_under_its_click(tab, deep, drawn):
    tab.goto(deep.url)
    drawn(tab)
    owns = "() => document.activeElement.className === 'notebookviz'"
    row(tab, "1").click()
    tab.get_by_role("button", name="Show only 1 (Shift+Enter)").click()
    back = tab.get_by_role("button", name="Back to Sequential (Backspace)")
    expect(back).to_be_visible()
    tab.wait_for_function(owns)
    tab.keyboard.press("Backspace")
    expect(back).to_be_hidden()
    tab.locator(".path .step", has_text="Sequential").first.click()
    expect(tab.locator(".row.selected .text")).to_have_text("Sequential")
    expect(frame(tab).locator(".node.select, .cluster.select")).to_have_count(0)
    tab.wait_for_function(owns)
    tab.keyboard.press("/")
    expect(tab.get_by_role("searchbox", name="Find")).to_be_focused()


def test_more_nodes_than_are_drawn_at_a_time_are_turned_to(tab, drawn):
    # Of Thue and Morse's sequence nothing comes three times in a row, so nothing is folded.
    model = nn.Sequential(*(nn.Tanh() if number.bit_count() % 2 else nn.ReLU() for number in range(1100)))
    panel = api.show(model, torch.zeros(1, 2), browser=False)
    tab.goto(panel.url)
    drawn(tab)
    which = tab.locator(".part").get_by_role("status")
    before, after = (tab.get_by_role("button", name=f"Draw the nodes {where}") for where in ("before", "after"))
    expect(which).to_have_text("Nodes 1 to 1,000 of 1,100")
    expect(before).to_be_disabled()
    after.click()
    expect(which).to_have_text("Nodes 1,001 to 1,100 of 1,100")
    expect(after).to_be_disabled()
    expect(nodes(tab)).to_have_count(101)  # with the output
    selected = frame(tab).locator(".node.select .nbv-caption tspan").first
    panel.select("7")
    expect(which).to_have_text("Nodes 1 to 1,000 of 1,100")
    expect(selected).to_have_text("7")
    tab.get_by_role("treegrid", name="Modules").press("End")
    expect(which).to_have_text("Nodes 1,001 to 1,100 of 1,100")
    expect(selected).to_have_text("1099")
    wait(tab, lambda: panel.selected is model[1099], "Python was told")
    before.click()
    expect(which).to_have_text("Nodes 1 to 1,000 of 1,100")
    expect(selected).to_have_count(0)
    after.click()
    expect(selected).to_have_text("1099")
    tab.get_by_role("searchbox", name="Find").fill("path:55")
    tab.keyboard.press("Enter")
    expect(selected).to_have_text("55")
    expect(which).to_have_text("Nodes 1 to 1,000 of 1,100")
    tab.get_by_role("button", name="Open and close by depth").click()
    expect(tab.get_by_role("menuitem")).to_have_text("Close all1,100 nodes, 1,000 at a time")
    panel.close()


def test_titles_stay_in_sight_when_python_opens_and_selects_at_once(tab, drawn):
    """Two drawings follow each other: the titles are those of the last."""
    panel = api.show(torchvision.models.resnet50(), browser=False)
    tab.goto(panel.url)
    drawn(tab)
    panel.expand("layer1.0")
    panel.select("layer1.0.conv2")
    expect(frame(tab).locator(".nbv-sticky-title .nbv-sticky-path")).to_have_text(["layer1", "0"])
    panel.close()
