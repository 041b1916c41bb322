"""What is read of a model while it trains in another thread is that of one step."""

from __future__ import annotations

import threading
import time

import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import notebookviz
from notebookviz.finetune.checkpoint import Checkpoint
from notebookviz.turns import lock_of

WIDTH = 256


class Twins(nn.Module):
    """Layers that begin alike and get the same gradients: alike after each step, and not within one."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        first = nn.Linear(WIDTH, WIDTH, bias=False)
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(24))
        for layer in self.layers:
            layer.load_state_dict(first.state_dict())

    def forward(self, x):
        return sum(layer(x) for layer in self.layers)


@pytest.fixture
def training(tmp_path):
    """A model that trains in a thread of its own until the test is over, and its folder."""
    model, stop = Twins(), threading.Event()
    loader = DataLoader(TensorDataset(torch.randn(64, WIDTH), torch.randn(64, WIDTH)), batch_size=8)
    options = {"lr": 1e-4, "epochs": 100_000, "stop": stop, "verbose": False, "folder": tmp_path / "run"}
    run = threading.Thread(target=lambda: notebookviz.fine_tune(model, loader, save_every=3, **options))
    start = model.layers[0].weight.detach().clone()
    run.start()
    deadline = time.monotonic() + 60
    while torch.equal(start, model.layers[0].weight) and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield model, tmp_path
    finally:
        stop.set()
        run.join(60)


def alike(tensors):
    """Whether all are equal."""
    first, *others = tensors
    return bool(others) and all(torch.equal(first, other) for other in others)


def test_an_export_a_checkpoint_and_a_refresh_are_those_of_one_step(training):
    model, folder = training
    panel = notebookviz.show(model, torch.randn(1, WIDTH))
    seen = []
    try:
        for at in range(2):
            panel.save_onnx(folder / f"{at}.onnx")
            graph = onnx.load(folder / f"{at}.onnx").graph
            weights = [torch.tensor(numpy_helper.to_array(item)) for item in graph.initializer]
            weights = [item for item in weights if item.shape == (WIDTH, WIDTH)]
            assert len(weights) == len(model.layers)
            assert alike(weights)
            seen.append(weights[0])
            panel.refresh()
            kept = Checkpoint.read(folder / "run" / "last")
            assert alike(list(kept.model.values()))
            with lock_of(model):
                assert alike([layer.weight for layer in model.layers])
        assert not torch.equal(*seen), "it did not train meanwhile: this proves nothing"
    finally:
        panel.close()
