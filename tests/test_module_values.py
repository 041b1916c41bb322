"""Numbers, histograms and filters of a module's own tensors."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from notebookviz import module_values as values
from notebookviz.module_values import module_values, tensor_values


def numbers(tensor):
    return dict(tensor_values(tensor, "x", "parameter").numbers)


def test_numbers_are_those_of_the_tensor():
    torch.manual_seed(0)
    tensor = torch.randn(40, 50)
    tensor[0, :20] = 0
    found = numbers(tensor)
    assert float(found["mean"]) == pytest.approx(float(tensor.mean()), abs=1e-6)
    assert float(found["std"]) == pytest.approx(float(tensor.std(correction=0)), rel=1e-4)
    assert (float(found["min"]), float(found["max"])) == pytest.approx(
        (float(tensor.min()), float(tensor.max())), rel=1e-5
    )
    assert found["zeros"] == "1.00%"
    assert "NaN" not in found


def test_what_is_not_finite_is_counted_and_left_out():
    tensor = torch.tensor([1.0, 2.0, float("nan"), float("inf"), float("-inf")])
    found = tensor_values(tensor, "x", "buffer")
    assert dict(found.numbers) == {
        "min": "1",
        "max": "2",
        "mean": "1.5",
        "std": "0.5",
        "zeros": "0",
        "NaN": "1",
        "Inf": "2",
    }
    assert (found.histogram.low, found.histogram.high, sum(found.histogram.counts)) == (1.0, 2.0, 2)
    assert tensor_values(torch.full((3,), float("nan")), "x", "buffer").histogram is None


def test_the_histogram_counts_all_values():
    tensor = torch.cat([torch.zeros(100), torch.ones(70)])
    counts = tensor_values(tensor, "x", "parameter").histogram.counts
    assert (len(counts), counts[0], counts[-1]) == (values.BINS, 100, 70)
    assert len(tensor_values(torch.arange(8.0), "x", "parameter").histogram.counts) == 5  # few values, few bars
    assert tensor_values(torch.ones(4), "x", "parameter").histogram.counts == (4,)


def test_of_a_large_tensor_some_values_are_looked_at_and_that_is_said(monkeypatch):
    monkeypatch.setattr(values, "SAMPLE", 100)
    found = tensor_values(torch.arange(950.0), "x", "parameter")
    assert found.said == "Of 95 of its 950 values, evenly spread."
    assert sum(found.histogram.counts) == 95
    assert dict(found.numbers)["max"] == "940"


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (
            torch.zeros(2, 3, device="meta"),
            "It is on the meta device: shape and type only, no values. Load the weights",
        ),
        (nn.LazyLinear(2).weight, "It is not initialised yet: its shape is not known. Run the model once"),
        (torch.zeros(2, dtype=torch.complex64), "It holds complex numbers"),
        (torch.zeros(0), "It is empty."),
    ],
)
def test_what_has_no_values_says_so(tensor, said):
    found = tensor_values(tensor, "x", "parameter")
    assert found.said.startswith(said)
    assert found.histogram is None


def test_of_a_module_its_own_tensors_and_the_number_of_those_inside():
    facts, pixels = module_values(nn.BatchNorm2d(4))
    assert [(each["name"], each["kind"]) for each in facts["tensors"]] == [
        ("weight", "parameter"),
        ("bias", "parameter"),
        ("running_mean", "buffer"),
        ("running_var", "buffer"),
        ("num_batches_tracked", "buffer"),
    ]
    assert not pixels
    facts, _ = module_values(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
    assert (facts["tensors"], facts["inside"]) == ([], 7)
    assert dict(tensor_values(torch.tensor([True, False, True]), "mask", "buffer").numbers) == {
        "True": "2",
        "False": "1",
    }


def test_filters_are_colours():
    layer = nn.Conv2d(3, 70, 3)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, 0, 0, 0], layer.weight[1] = 1.0, -1.0
    facts, pixels = module_values(layer)
    assert facts["filters"] == {"count": 64, "height": 3, "width": 3, "of": 70}
    drawn = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).reshape(64, 3, 3, 3)
    assert drawn[0, 0, 0].tolist() == [255, 128, 128]
    assert drawn[1].unique().tolist() == [0]
    grey = values.filters(nn.Conv2d(8, 2, 5))
    assert grey.shape == (2, 5, 5, 3)
    assert bool((grey[..., 0] == grey[..., 2]).all())
    assert values.filters(nn.Conv2d(8, 2, 1)) is None
    assert values.filters(nn.Conv2d(8, 2, 3, device="meta")) is None


def test_nothing_of_the_module_changes():
    layer = nn.Conv2d(3, 4, 3)
    before = layer.weight.detach().clone()
    module_values(layer)
    assert torch.equal(layer.weight, before)
    assert layer.weight.grad is None


class Stubborn(torch.Tensor):
    """A tensor that refuses everything."""

    @classmethod
    def __torch_function__(cls, *_):
        raise RuntimeError("no")


def released():
    tensor = torch.ones(3)
    tensor.untyped_storage().resize_(0)
    return tensor


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "It is nested"),
        (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged), "It is nested"),
        (released, "Its values can't be read"),
        (lambda: torch.ones(3).as_subclass(Stubborn), "Its values can't be read"),
    ],
)
def test_one_tensor_that_cannot_be_read_hides_no_other(tensor, said):
    module = nn.Linear(2, 2)
    module._buffers["odd"] = tensor()
    facts, _ = module_values(module)
    json.dumps(facts, allow_nan=False)
    assert [each["name"] for each in facts["tensors"]] == ["weight", "bias", "odd"]
    assert facts["tensors"][0]["numbers"]
    assert facts["tensors"][2]["said"].startswith(said)


@pytest.mark.parametrize("dtype", [torch.uint16, torch.uint32, torch.uint64])
def test_numbers_without_a_sign(dtype):
    assert numbers(torch.tensor([1, 2, 60_000], dtype=dtype))["max"] == "60000"


def test_a_range_wider_than_numbers_go_has_a_histogram():
    found = tensor_values(torch.tensor([-1e308, 0.0, 1e308], dtype=torch.float64), "x", "buffer").histogram
    assert (found.low, found.high, sum(found.counts)) == (-1e308, 1e308, 3)


@pytest.mark.parametrize("shape", [(0, 3, 3, 3), (2, 0, 3, 3), (2, 3, 0, 3)])
def test_no_filters_no_picture(shape):
    module = nn.Module()
    module.weight = nn.Parameter(torch.zeros(shape))
    facts, pixels = module_values(module)
    assert "filters" not in facts
    assert pixels == b""


def test_a_weight_that_raises_is_no_filter():
    class Own(nn.Module):
        @property
        def weight(self):
            raise ValueError("no weight")

    assert module_values(Own())[0]["tensors"] == []
