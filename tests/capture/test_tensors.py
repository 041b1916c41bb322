"""From an initializer's name to the live tensor."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import nn

from notebookviz.capture import capture
from notebookviz.capture.tensors import resolve
from notebookviz.errors import InputError


class Holds(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        self.inner[1].weight = self.inner[0].weight
        self.register_buffer("state", torch.ones(4))
        self.scale = torch.full((4,), 3.0)
        self.tables = {"deep": [torch.zeros(4), torch.full((4,), 5.0)]}
        hidden = torch.full((4,), 7.0)
        self.add = lambda x: x + hidden

    def forward(self, x):
        return self.add(self.inner(x) * self.scale + self.tables["deep"][1] + self.state)


def test_every_initializer_is_found_alive():
    model = Holds()
    recording = capture(model, (torch.zeros(1, 4),))
    assert recording.failure is None
    names = [item.name for item in recording.initializers]
    expected = ["state", "inner.0.weight", "inner.0.bias", "inner.1.bias", "scale", "tables.deep.1"]
    assert [name for name in names if not name.startswith(("add", "constant"))] == expected
    assert resolve(model, "inner.0.weight") is model.inner[0].weight
    assert resolve(model, "inner.1.weight") is model.inner[0].weight
    assert resolve(model, "state") is model.state
    assert resolve(model, "scale") is model.scale
    assert resolve(model, "tables.deep.1") is model.tables["deep"][1]
    for item in recording.initializers:
        assert tuple(resolve(model, item.name).shape) == item.type.shape
    closure = next(name for name in names if name.startswith(("add", "constant")))
    assert resolve(model, closure)[0] == 7


def test_values_are_todays():
    model = nn.Linear(2, 2)
    capture(model)
    with torch.no_grad():
        model.weight.fill_(9)
    assert resolve(model, "weight")[0, 0] == 9
    model.weight = nn.Parameter(torch.zeros(2, 2))
    assert resolve(model, "weight") is model.weight


def test_what_is_gone_is_said():
    model = nn.Sequential(nn.Linear(2, 2))
    capture(model)
    del model[0]
    gc.collect()
    with pytest.raises(InputError, match=r"Sequential holds no tensor '0.weight' any more. Refresh the view."):
        resolve(model, "0.weight")


def test_cut_names_find_their_tensor():
    model = nn.Sequential()
    model.add_module("a" * 10_000, nn.Linear(2, 2))
    model.add_module("a" * 9_999 + "b", nn.Linear(2, 2))
    recording = capture(model)
    found = [resolve(model, item.name) for item in recording.initializers]
    assert [id(tensor) for tensor in found] == [id(tensor) for tensor in model.parameters()]


@pytest.mark.parametrize("wrap", [torch.compile, lambda model: model])
def test_compiled_wrappers_are_seen_through(wrap):
    model = nn.Sequential(wrap(nn.Linear(2, 2)))
    recording = capture(model)
    assert [item.name for item in recording.initializers] == ["0.weight", "0.bias"]
    assert resolve(model, "0.bias").shape == (2,)
