"""The weightless copy."""

from __future__ import annotations

import copy
import threading
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from notebookviz.errors import ExportError
from notebookviz.onnx_export.carry import CarryError, Parcel, unpack
from notebookviz.onnx_export.rebuilding import _value
from tests.onnx_export.models import Closures, Tied, UsesGenerator

CELL = """
import torch
k = 3
class Net(torch.nn.Module):
    def forward(self, x):
        return helper(x) * k
helper = lambda x: x + 1
"""


def carry(model, extra=None):
    """Send a model with the values of its live tensors, as a comparison does."""
    from notebookviz.onnx_export.tensors import by_name

    parcel = Parcel(model, extra)
    held = by_name(model)

    def tensor(index):
        spec = parcel.specs[index]
        if spec.offset >= 0:
            return _value(spec, parcel.values)
        made = held[spec.name].detach().clone()
        return nn.Parameter(made, spec.trainable) if spec.parameter else made

    return unpack(parcel.pickled, tensor)[0], parcel


def test_a_parcel_holds_no_weight():
    model = nn.Sequential(nn.Linear(1000, 1000), nn.BatchNorm1d(1000))
    parcel = Parcel(model, None)
    assert len(parcel.pickled) + len(parcel.values) < 10_000
    assert {spec.name for spec in parcel.specs} == {*dict(model.named_parameters()), *dict(model.named_buffers())}


def test_lambdas_locks_and_constants_travel():
    model = Closures()
    other, _ = carry(model)
    x = torch.randn(2, 4)
    assert torch.equal(other(x)["y"], model(x)["y"])


def test_what_cannot_travel_speaks_up_only_when_used():
    other, _ = carry(UsesGenerator())
    with pytest.raises(CarryError, match=r"a builtins.generator"):
        other(torch.ones(2))


def test_what_was_set_on_a_tensor_and_slots_travel():
    class Slotted(nn.Linear):
        __slots__ = ("shift",)

    model = Slotted(2, 2)
    model.shift = torch.ones(2)
    model.weight.owner, model.weight.state = model, {"scale": torch.full((2,), 3.0)}
    made, _ = carry(model)
    assert type(made).__slots__ == ("shift",)
    assert torch.equal(made.shift, model.shift)
    assert made.weight.owner is made
    assert torch.equal(made.weight.state["scale"], torch.full((2,), 3.0))


def test_tied_weights_stay_tied_and_parametrizations_work():
    model = Tied()
    other, parcel = carry(model)
    assert other.out.weight is other.embed.weight
    assert other.again is other.embed
    model._forward_hooks.clear()
    ids = torch.arange(6)
    assert torch.equal(other(ids), model(ids))
    assert parcel.dropped == 1


def test_a_class_made_on_the_fly_travels_by_value():
    space = {"__name__": "__main__"}
    exec(CELL, space)  # noqa: S102 - as a notebook does with a cell
    other, parcel = carry(space["Net"]())
    assert b"_make_skeleton_class" in parcel.pickled
    assert other(torch.tensor(1.0)).item() == 6


def test_compiled_and_parallel_wrappers_come_off():
    inner = nn.Linear(3, 2)
    compiled = torch.compile(nn.Sequential(torch.compile(inner), nn.DataParallel(nn.Linear(2, 1))))
    other, parcel = carry(compiled)
    assert [type(item) for item in other] == [nn.Linear, nn.Linear]
    assert {spec.name for spec in parcel.specs} == {
        "0._orig_mod.weight",
        "0._orig_mod.bias",
        "1.module.weight",
        "1.module.bias",
    }


def test_a_parcel_changes_nothing():
    model = Tied()
    hooks = dict(model._forward_hooks)
    before = {name: (id(tensor), tensor.clone()) for name, tensor in model.state_dict(keep_vars=True).items()}
    attributes = copy.copy(vars(model))
    Parcel(model, None)
    assert dict(model._forward_hooks) == hooks
    assert vars(model) == attributes
    for name, tensor in model.state_dict(keep_vars=True).items():
        assert id(tensor) == before[name][0]
        assert torch.equal(tensor, before[name][1])


def test_devices_become_the_cpu():
    model = nn.Identity()
    model.device = torch.device("cuda:1")
    other, parcel = carry(model)
    assert other.device == torch.device("cpu")
    assert parcel.devices == ["cuda"]


def test_large_arrays_and_weak_references():
    model = nn.Identity()
    model.data = np.zeros(9 << 20)
    model.back = weakref.ref(model)
    model.rlock = threading.RLock()
    other, parcel = carry(model)
    assert len(parcel.pickled) < 10_000
    assert other.back() is other
    with other.rlock, pytest.raises(CarryError, match=r"numpy.ndarray larger than 64 MB"):
        other.data.sum()


def test_a_lazy_model_is_refused():
    with pytest.raises(
        ExportError, match=r"^0.weight has no shape yet: its module is lazy and never ran. Run the model once"
    ):
        Parcel(nn.Sequential(nn.LazyLinear(3)), None)


def test_too_deep_a_model_is_refused():
    model = nn.Identity()
    for _ in range(5000):
        model = nn.Sequential(model)
    with pytest.raises(ExportError, match=r"^Sequential is nested too deeply to be copied"):
        Parcel(model, None)
