"""A training's cells are inserted into a stock JupyterLab and a stock Notebook 7, below the cell that wrote them."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from driver import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.jupyter, pytest.mark.slow]

WRITE = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from notebookviz import fine_tune_cells
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
x = torch.randn(64, 4)
y = (x.sum(1) > 0).long()
fine_tune_cells(model, DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True), epochs=2)
"""


def test_inserted_below(stock, open_notebook):
    notebook = open_notebook(stock, [WRITE, WRITE])

    def insert(place):
        cell = notebook.page.locator(".jp-Notebook .jp-CodeCell").nth(place)
        view = cell.locator(".notebookviz .cells")
        button = view.get_by_role("button", name="Insert 10 cells below")
        button.wait_for()
        written = view.locator(".cell pre").all_inner_texts()
        button.click()
        view.get_by_text("Inserted 10 cells below.").wait_for()
        return written

    def saved():
        notebook.page.get_by_role("button", name="Save").first.click()
        with suppress(ValueError):  # it is being written
            return ["".join(cell["source"]) for cell in json.loads((stock.work / notebook.name).read_text())["cells"]]
        return []

    notebook.run_by_hand(0)
    written = insert(0)
    assert len(written) == 10
    wait_until(lambda: len(saved()) == 12, "the cells are saved")
    assert saved() == [WRITE, *written, WRITE]
    notebook.page.locator(".jp-Notebook .jp-CodeCell").nth(11).locator(".cm-content").click()
    notebook.page.keyboard.press("Control+Enter")  # no cell is added below the last
    assert insert(11) == written
    wait_until(lambda: len(saved()) == 22, "those below the last cell are saved too")
    assert saved() == [WRITE, *written, WRITE, *written]
    assert not notebook.traffic.errors
