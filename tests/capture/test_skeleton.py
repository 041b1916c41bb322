"""The weightless copy."""

from __future__ import annotations

import functools
import threading

import pytest
import torch
from torch import nn

from notebookviz.capture.skeleton import Skeleton


class Config:
    def __init__(self):
        self.flag = True
        self.inner = {"x": [1]}


class Owner(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.config = Config()
        self.lock = threading.Lock()
        self.method = self.helper
        self.part = functools.partial(self.helper, 2)
        self.again = [self.linear, self.linear.weight]
        self.view = self.linear.weight.detach()[:2]
        self.made = self.linear.weight * 2

    def helper(self, x):
        return x

    def forward(self, x):
        return self.linear(x)


def test_objects_are_copied_and_refer_to_each_other_as_before():
    model = Owner()
    copy = Skeleton(model).model
    assert type(copy) is Owner
    assert copy is not model
    assert copy.again[0] is copy.linear
    assert copy.again[1] is copy.linear.weight
    assert copy.method.__self__ is copy
    assert copy.part.func.__self__ is copy
    assert copy.config is not model.config
    copy.config.inner["x"].append(2)
    assert model.config.inner == {"x": [1]}
    assert copy.lock is model.lock
    assert isinstance(copy.linear.weight, nn.Parameter)
    assert copy.linear.weight.requires_grad
    assert tuple(copy.view.shape) == (2, 4)


def test_one_tensor_has_one_stand_in():
    skeleton = Skeleton(nn.Linear(2, 2))
    x = torch.zeros(1, 2)
    first, second = skeleton.convert((x, x))
    assert first is second
    assert skeleton.originals[id(first)] is x


def test_a_tensor_keeps_what_was_set_on_it():
    model = nn.Linear(2, 2)
    model.weight.state = {"scale": torch.ones(2), "bits": 4}
    x = torch.zeros(1, 2)
    x.owner = model
    skeleton = Skeleton(model)
    (given,) = skeleton.convert((x,))
    assert given.owner is skeleton.model
    found = skeleton.model.weight.state
    assert found["bits"] == 4
    assert skeleton.originals[id(found["scale"])] is model.weight.state["scale"]


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_the_mode_is_set_on_the_copy_only(mode):
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    model[1].eval()
    copy = Skeleton(model, mode).model
    assert [item.training for item in copy.modules()] == [mode == "train"] * 3
    assert [item.training for item in model.modules()] == [True, True, False]


def test_it_weighs_nothing():
    model = nn.Linear(4000, 4000, device="meta").to_empty(device="cpu")
    copy = Skeleton(model).model
    assert copy.weight.untyped_storage().device.type == "meta"
    assert str(copy.weight.device) == "cpu"
    assert (copy.weight.dtype, copy.weight.stride()) == (model.weight.dtype, model.weight.stride())


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(3, dtype=torch.complex64),
        torch.zeros(3, dtype=torch.bfloat16),
        torch.zeros(2, 3).t(),
        torch.zeros(2, 3).to_sparse(),
        torch.zeros(0),
        torch.zeros(()),
    ],
    ids=lambda tensor: f"{tensor.dtype} {tensor.layout} {tensor.device}",
)
def test_unusual_tensors_keep_type_and_shape(tensor):
    model = nn.Module()
    model.register_buffer("odd", tensor)
    found = Skeleton(model).model.odd
    assert (found.dtype, found.shape, found.layout, found.device) == (
        tensor.dtype,
        tensor.shape,
        tensor.layout,
        tensor.device,
    )


def test_tensors_on_meta_stand_where_the_others_are_if_none_of_the_parameters_has_values():
    model = nn.Sequential(nn.Linear(2, 3, device="meta"), nn.BatchNorm1d(3, affine=False))
    copy = Skeleton(model)
    assert {str(tensor.device) for tensor in copy.model.state_dict().values()} == {"cpu"}
    assert not copy.weightless
    assert str(model[0].weight.device) == "meta"


def test_tensors_on_meta_stay_there_if_others_have_values():
    copy = Skeleton(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4, device="meta")))
    assert [str(tensor.device) for tensor in copy.model.parameters()] == ["cpu", "cpu", "meta", "meta"]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_quantised_tensors_stay_what_they_are():
    model = nn.Module()
    model.register_buffer("odd", torch.quantize_per_tensor(torch.zeros(2, 2), 0.1, 0, torch.qint8))
    assert Skeleton(model).model.odd is model.odd
