"""From ``show(resnet18())`` and a data set to a trained model, in the panel: by mouse, by keyboard, on both routes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest
from driver import wait_until
from test_routes import SOCKET, block

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.jupyter, pytest.mark.slow, pytest.mark.timeout(480)]

# Red and blue squares with noise: small and quickly learned.
SHOW: Final = """
import torch, torchvision
from torch.utils.data import DataLoader, TensorDataset
from notebookviz import fine_tune, show
torch.set_num_threads(1)
torch.manual_seed(0)
labels = torch.arange(160) % 2
red = torch.tensor([1.0, 0.0, 0.0])[:, None, None]
pictures = torch.rand(160, 3, 32, 32) * 0.2 + torch.where(labels[:, None, None, None] == 1, red, red.flip(0))
train_set = TensorDataset(pictures, labels)
model = torchvision.models.resnet18()
panel = show(model)
"""
IN_A_CELL: Final = """
training = fine_tune(model, DataLoader(train_set, batch_size=8), DataLoader(train_set, batch_size=80), epochs=3000)
"""
# Run by hand in the kernel: the very model that was shown, on data that it knows.
RIGHT: Final = "float((model.eval()(pictures).argmax(1) == labels).float().mean())"
FOCUSED: Final = """() => {
  let found = document.activeElement;
  while (found && found.shadowRoot && found.shadowRoot.activeElement) {
    found = found.shadowRoot.activeElement;
  }
  const label = found?.labels?.[0]?.textContent ?? '';
  return found?.getAttribute('aria-label') || label || found?.textContent?.trim().slice(0, 60) || '';
}"""


def tab_to(page: Page, name: str, most: int = 80) -> None:
    """Press Tab until what has this name has the focus."""
    seen = []
    for _ in range(most):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUSED))
        if seen[-1] == name:
            return
    message = f"Tab never came to {name!r}, but to {seen}."
    raise AssertionError(message)


def curve(page: Page, name: str, which: str) -> tuple[float, float]:
    """Where a curve begins and ends, as a reader of the screen is told."""
    said = page.locator(f'svg.curves[aria-label^="{name}"]').first.get_attribute("aria-label") or ""
    found = re.search(rf"{which} from (\S+) to ([^,\s]+)", said)
    assert found, said
    return float(found[1]), float(found[2])


def assert_trained(notebook) -> None:
    run = notebook.page.locator('.tuning-run[data-state="done"]')
    run.wait_for(timeout=240_000)
    first, last = curve(notebook.page, "accuracy", "validation")
    assert last > first
    assert last == 1.0
    assert notebook.ask_json("model.fc.out_features") == 2
    assert notebook.ask_json(RIGHT) == 1.0, "the kernel's model is another one than was trained"
    assert run.locator(".scores").inner_text().startswith("1 accuracy")
    assert run.locator("table.confusion td").count() == 5, "two by two, and the empty corner"


def test_by_mouse_over_the_port_and_after_a_reload(lab, open_notebook):
    notebook = open_notebook(lab, [SHOW])
    notebook.run(0)
    page = notebook.page
    page.get_by_role("button", name="Fine-tune").click()
    page.get_by_label("Learn from").select_option("train_set")
    page.locator(".samples li img").first.wait_for()
    page.get_by_label("Train", exact=True).select_option("last")
    page.get_by_text(re.compile("^4,721,666 of 11,177,538 parameters learn")).wait_for()
    assert notebook.ask_json("model.fc.out_features") == 1000, "something changed before Start"
    folder = page.get_by_label("Checkpoints in").input_value()
    page.get_by_role("button", name="Start", exact=True).click()
    page.locator('.tuning-run[data-state="running"]').wait_for(timeout=120_000)
    notebook.command("docmanager:save")
    notebook.load()
    page.locator(".tuning-run svg.curves").first.wait_for()
    assert_trained(notebook)
    assert folder in page.locator(".tuning-run .result code").first.inner_text()
    assert notebook.ask_json(f"(__import__('pathlib').Path({folder!r}) / 'best' / 'model.safetensors').is_file()")
    assert notebook.traffic.errors == []


def test_by_keyboard_over_the_comm_and_while_a_cell_trains(notebook7, open_notebook):
    blocked = []
    notebook = open_notebook(notebook7, [SHOW, IN_A_CELL], prepare=block(SOCKET, blocked))
    notebook.run(0)
    page = notebook.page
    page.locator(".root[data-route=comm]").wait_for()
    assert blocked, "the port was never tried, so nothing was proved"
    page.locator(".notebookviz .root").evaluate("root => root.focus()")
    keys = page.keyboard
    tab_to(page, "Fine-tune")
    keys.press("Enter")
    page.get_by_label("Learn from").locator("option").nth(1).wait_for(state="attached")
    tab_to(page, "Learn from")
    keys.type("train_set")
    page.locator(".samples li img").first.wait_for()
    tab_to(page, "Batch size")
    keys.press("Control+A")
    keys.type("16")
    tab_to(page, "Checkpoints in")
    keys.press("Control+A")
    keys.press("Delete")
    page.get_by_text(re.compile("^24 steps, 8 in each epoch")).wait_for()
    tab_to(page, "Start")
    keys.press("Enter")
    assert_trained(notebook)
    assert notebook.ask_json("len(In) - 1") == 1, "a key reached the notebook"

    notebook.start(1)
    page.locator('.tuning-run[data-state="running"]').wait_for(timeout=120_000)
    busy = page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".jp-InputPrompt").first
    first = page.locator("svg.curves polyline.train").first.get_attribute("points", timeout=60_000)
    wait_until(lambda: page.locator("svg.curves polyline.train").first.get_attribute("points") != first, "it moves")
    assert "*" in busy.inner_text(), "the cell had ended, so nothing was proved"
    assert page.get_by_role("button", name="Stop", exact=True).is_disabled()
    notebook.command("notebook:interrupt-kernel")
    page.locator('.tuning-run[data-state="stopped"]').wait_for(timeout=120_000)
    assert notebook.traffic.errors == []
