"""The Parameters tab in a real browser: live values on both routes, none in a saved page."""

import pytest
import torch
from playwright.sync_api import expect
from torch import nn

from notebookviz import api
from tests.panel.test_panel_browser import closed_port

pytestmark = pytest.mark.browser


@pytest.fixture
def shown(monkeypatch):
    """A panel of a convolution with a NaN, a norm and an activation, served."""
    monkeypatch.setattr(api.webbrowser, "open", lambda _: False)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 5), nn.BatchNorm2d(4), nn.ReLU())
    with torch.no_grad():
        model[0].weight[0, 0, 0, 0] = float("nan")
    found = api.show(model, torch.zeros(1, 3, 8, 8))
    yield found, model
    found.close()


def numbers(tensor):
    texts = tensor.locator("dl div")
    return dict(text.split("\n") for text in texts.all_inner_texts())


def test_the_selected_module_shows_its_values(tab, shown, drawn):
    panel, model = shown
    tab.goto(panel.url)
    drawn(tab)
    tab.get_by_role("button", name="Parameters", exact=True).click()
    values = tab.locator(".values")
    expect(values).to_contain_text(
        "This Sequential has no parameters or buffers of its own. The modules inside it hold 7"
    )
    panel.select("0")
    weight = values.get_by_role("article", name="weight")
    expect(weight).to_contain_text("4×3×5×5 float32, parameter, learns")
    assert numbers(weight)["NaN"] == "1"
    expect(weight.locator("rect")).to_have_count(40)
    expect(values.locator("canvas")).to_have_count(4)
    panel.select("1")
    expect(values.get_by_role("article", name="running_var")).to_contain_text("4 float32, buffer")
    with torch.no_grad():
        model[1].bias.fill_(2.5)
    values.get_by_role("button", name="Read the values again").click()
    expect(values.get_by_role("article", name="bias")).to_contain_text("mean")
    expect(values.get_by_role("article", name="bias").locator("dl")).to_contain_text("2.5")
    panel.select("2")
    expect(values).to_contain_text("This ReLU has no parameters or buffers of its own.")


def test_over_the_comm_too(tab, shown, mount):
    panel, _ = shown
    mount(tab, panel, port=closed_port())
    tab.get_by_role("button", name="Parameters", exact=True).click()
    tab.locator('.body .row .text:text-is("0")').click()
    expect(tab.locator(".values").get_by_role("article", name="bias")).to_contain_text("4 float32, parameter, learns")
    assert "parameters" in tab.asked
    tab.sockets_fail = True


def test_a_saved_page_says_that_there_is_no_kernel(tab, shown, drawn, tmp_path):
    panel, _ = shown
    panel.save_html(tmp_path / "small.html")
    tab.goto((tmp_path / "small.html").as_uri())
    drawn(tab)
    tab.get_by_role("button", name="Parameters", exact=True).click()
    expect(tab.locator(".values")).to_contain_text(
        "This is a saved view: without a kernel there are no values to read."
    )


def test_cells_are_shown_to_copy_where_no_notebook_takes_them(tab, drawn, monkeypatch, tmp_path):
    monkeypatch.setattr(api.webbrowser, "open", lambda _: False)
    monkeypatch.chdir(tmp_path)
    model, x, y = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 2)), torch.zeros(12, 6), torch.arange(12) % 2
    monkeypatch.setattr("notebookviz.training.variables", lambda: {"model": model, "x": x, "y": y})
    panel = api.show(model, x)
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.goto(panel.url)
    drawn(tab)
    tab.get_by_role("button", name="Fine-tune", exact=True).click()
    tab.get_by_label("Learn from").select_option("x, y")
    tab.get_by_role("button", name="Insert as cells").click()
    sheet = tab.get_by_role("dialog", name="Cells")
    expect(sheet.get_by_role("button", name="below")).to_have_count(0)
    sheet.get_by_role("button", name="Copy cell 1", exact=True).click()
    expect(sheet.get_by_role("status")).to_have_text("Copied cell 1.")
    assert tab.evaluate("navigator.clipboard.readText()").startswith("# 1. Load: model is what your own cell")
    tab.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    panel.close()
