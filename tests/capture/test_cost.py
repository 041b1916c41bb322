"""Multiply-adds: sums that can be done by hand (torchvision's published figures: test_published.py)."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from notebookviz.capture import capture


class Calls(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, *xs):
        return self.body(*xs)


@pytest.mark.parametrize(
    ("body", "shapes", "macs"),
    [
        (torch.mm, [(2, 3), (3, 5)], 30),
        (torch.mv, [(2, 3), (3,)], 6),
        (torch.bmm, [(7, 2, 3), (7, 3, 5)], 210),
        (torch.addmm, [(2, 5), (2, 3), (3, 5)], 30),
        (torch.baddbmm, [(7, 2, 5), (7, 2, 3), (7, 3, 5)], 210),
        (lambda x, y: torch.einsum("bij,bjk->bik", x, y), [(7, 2, 3), (7, 3, 5)], 210),
        (F.conv2d, [(1, 4, 8, 8), (6, 4, 3, 3)], 6 * 6 * 6 * 4 * 9),
        (lambda x, w: F.conv2d(x, w, groups=4), [(1, 4, 8, 8), (4, 1, 3, 3)], 4 * 6 * 6 * 9),
        (F.conv_transpose2d, [(1, 4, 8, 8), (4, 6, 3, 3)], 4 * 8 * 8 * 6 * 9),
        (F.scaled_dot_product_attention, [(1, 2, 5, 8), (1, 2, 7, 8), (1, 2, 7, 8)], 2 * 5 * 7 * 16),
        (F.softmax, [(2, 3)], 0),
    ],
)
def test_by_hand(body, shapes, macs):
    recording = capture(Calls(body), tuple(torch.zeros(shape) for shape in shapes))
    assert recording.failure is None
    assert recording.root.macs == macs


def test_a_module_counts_all_that_it_calls():
    recording = capture(nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.Linear(8, 2), nn.ReLU())))
    macs = {node.path: node.macs for node in recording.nodes if node.kind == "module"}
    assert macs == {"": 48, "0": 32, "1": 16, "1.0": 16, "1.1": 0}


def test_attention_is_counted_in_both_modes():
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    x = torch.zeros(1, 5, 16)
    projections, attention, feed = 5 * 16 * 48 + 5 * 16 * 16, 2 * 5 * 5 * 16, 2 * 5 * 16 * 32
    for mode in ("eval", "train"):
        assert capture(layer, (x,), mode=mode).root.macs == projections + attention + feed


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (nn.LSTM(10, 20), 6 * 80 * (10 + 20)),
        (nn.LSTM(10, 20, 2, bidirectional=True), 6 * 2 * 80 * (10 + 20) + 6 * 2 * 80 * (40 + 20)),
        (nn.LSTM(10, 20, proj_size=5), 6 * (80 * (10 + 5) + 20 * 5)),
        (nn.GRU(10, 20), 6 * 60 * (10 + 20)),
        (nn.RNN(10, 20), 6 * 20 * (10 + 20)),
    ],
    ids=["lstm", "two layers both ways", "projection", "gru", "rnn"],
)
def test_recurrent_layers_count_both_matrices_at_each_step(layer, macs):
    assert capture(layer, (torch.zeros(3, 2, 10),)).root.macs == macs


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_scripted_model_shows_and_counts_each_operator_once():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 10))
    scripted = capture(torch.jit.script(model), (torch.zeros(1, 1, 8, 8),))
    types = [node.type for node in scripted.nodes if node.kind == "operator"]
    assert types.count("aten.convolution") == 1
    assert types.count("aten.addmm") == 1
    assert scripted.root.macs == capture(model, (torch.zeros(1, 1, 8, 8),)).root.macs
