"""A training's cells are inserted into a stock JupyterLab and a stock Notebook 7, below the cell that wrote them."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from driver import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.jupyter, pytest.mark.slow]

SHOW = """
import torch
from torch import nn
from notebookviz import show
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
x = torch.randn(64, 4)
y = (x.sum(1) > 0).long()
panel = show(model, x[:2])
"""
WRITE = """
from torch.utils.data import DataLoader, TensorDataset
from notebookviz import fine_tune_cells
fine_tune_cells(model, DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True), epochs=2)
"""


def test_inserted_below(stock, open_notebook):
    notebook = open_notebook(stock, [SHOW, WRITE])
    page = notebook.page

    def saved(count):
        def look():
            page.get_by_role("button", name="Save").first.click()
            with suppress(ValueError):  # it is being written
                cells = json.loads((stock.work / notebook.name).read_text())["cells"]
                return len(cells) == count and ["".join(cell["source"]) for cell in cells]
            return []

        return wait_until(look, f"{count} cells are saved")

    # From the panel's Fine-tune tab, between two cells.
    notebook.run_by_hand(0)
    panel = page.locator(".jp-Notebook .jp-CodeCell").first.locator(".notebookviz")
    panel.get_by_role("button", name="Fine-tune").click()
    panel.get_by_label("Learn from").select_option("x, y")
    panel.get_by_role("button", name="Insert as cells").click()
    panel.get_by_text("Inserted 10 cells below.").wait_for()
    first, *written, last = saved(12)
    assert (first, last) == (SHOW, WRITE)
    assert [cell.partition("\n")[0][:4] for cell in written if cell.startswith("# ")] == [
        "# 1.", "# 2.", "# Th", "# 3.", "# 4.", "# 5.", "# 6.", "# 7.", "# 8.", "# 9."
    ]  # fmt: skip

    # From a cell, below the last one.
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(11)
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")  # no cell is added
    button = cell.get_by_role("button", name="Insert 10 cells below")
    button.wait_for()
    listed = cell.locator(".cells pre").all_inner_texts()
    button.click()
    assert saved(22) == [SHOW, *written, WRITE, *listed]
    assert not notebook.traffic.errors
