"""Forward passes that need values: what is known without them, when real tensors are used, and that nothing changes."""

from __future__ import annotations

import collections
import ctypes
import random
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from notebookviz.capture import capture, real
from tests.capture.test_unchanged import surroundings

ROW = torch.ones(2, 4)


class Computes(nn.Module):
    """A linear layer, and something that needs values."""

    def __init__(self, function):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        nn.init.eye_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.function = function

    def forward(self, x):
        return self.function(self.linear(x))


class Signs(torch.autograd.Function):
    """A custom function that looks at values."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.relu() if x.sum().item() > 0 else x.neg()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


@torch.library.custom_op("notebookviz_tests::halve", mutates_args=())
def halve(x: torch.Tensor) -> torch.Tensor:
    return x / 2


def branches(x):
    if x.sum() > 0:
        return x.relu()
    return x.tanh()


def scales(x):
    return x * x.mean().item()


def leaves(x):
    return torch.from_numpy(np.abs(x.numpy())) + 1


def lists(x):
    return x[:, : int(x.tolist()[0][0]) + 1]


def points(x):
    return x * ctypes.c_float.from_address(x.data_ptr()).value


READING = {
    branches: "forward reads values (test_real.py, line {line}: if x.sum() > 0:)",
    scales: "forward reads values (test_real.py, line {line}: return x * x.mean().item())",
    leaves: (
        "forward hands values to numpy (test_real.py, line {line}: return torch.from_numpy(np.abs(x.numpy())) + 1)"
    ),
    lists: "forward reads values (test_real.py, line {line}: return x[:, : int(x.tolist()[0][0]) + 1])",
    points: (
        "forward hands values to code outside PyTorch "
        "(test_real.py, line {line}: return x * ctypes.c_float.from_address(x.data_ptr()).value)"
    ),
    Signs.apply: (
        "forward reads values (test_real.py, line {line}: return x.relu() if x.sum().item() > 0 else x.neg())"
    ),
    halve: "notebookviz_tests.halve can't run without values",
}


@pytest.mark.parametrize("function", READING, ids=lambda function: getattr(function, "__name__", "halve"))
def test_real_tensors_are_used_where_values_are_needed(function):
    model = Computes(function)
    recording = capture(model, (ROW,))
    assert recording.failure is None
    assert recording.tensors == "real"
    note = recording.notes[0]
    code = getattr(function, "__code__", Signs.forward.__code__)
    line = code.co_firstlineno + (3 if code is Signs.forward.__code__ else 1)
    said = READING[function].format(line=line)
    assert note.startswith(f"Ran with real tensors on your input, because {said}")
    assert note.endswith("The path that this input took is shown.") == ("forward reads" in said)
    (output,) = recording.outputs[0].values
    with torch.no_grad():
        assert recording.values[output].type.shape == model(ROW).shape


@pytest.mark.parametrize(("given", "expected"), [(ROW, "relu"), (-ROW, "tanh")])
def test_the_path_that_this_input_took_is_shown(given, expected):
    recording = capture(Computes(branches), (given,))
    assert recording.nodes[-1].type == expected


def test_without_an_input_a_random_one_is_used():
    recording = capture(Computes(branches))
    assert (recording.tensors, recording.input_inferred) == ("real", True)
    assert recording.notes[0].startswith("Ran with real tensors on a random input, because forward reads values")


def test_on_meta_the_values_are_assumed_and_that_is_said():
    recording = capture(Computes(branches).to("meta"))
    assert recording.tensors == "fake"
    assert recording.failure is None
    line = branches.__code__.co_firstlineno + 1
    where = f"forward reads values (test_real.py, line {line}: if x.sum() > 0:)"
    assert recording.notes == (
        f"Could not run with real tensors, since weights or input are on the meta device, although {where}.",
        f"{where}, which were assumed: another path may be taken.",
    )


class Masks(nn.Module):
    """Decides by its inputs alone."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 4)
        self.register_buffer("positions", torch.arange(8))

    def forward(self, ids, mask):
        if mask.all():
            return self.table(ids)
        ids = ids[mask] + self.positions[: mask.sum()] * 0
        for _ in range(int(ids.max())):
            ids = ids + 0
        return self.table(ids)


def test_what_follows_from_integers_that_were_given_needs_no_real_pass():
    ids = torch.tensor([1, 2, 3, 2])
    recording = capture(Masks(), (ids, torch.tensor([True, True, True, False])))
    assert (recording.tensors, recording.notes) == ("fake", ())
    assert recording.values[recording.outputs[0].values[0]].type.shape == (3, 4)
    assert sum(node.type == "+" for node in recording.nodes) == 4
    assert not any("assumed" in node.marks for node in recording.nodes)
    whole = capture(Masks(), (ids, torch.ones(4, dtype=torch.bool)))
    assert [node.type for node in whole.nodes if node.kind == "operator"] == ["all", "F.embedding"]


def test_an_integer_that_was_overwritten_is_no_longer_known():
    class Overwrites(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)
            self.register_buffer("count", torch.zeros(2, dtype=torch.int64))

        def forward(self, x):
            self.count[:1].copy_(self.linear(x).sum() * 0 + 5)
            return x.relu() if self.count.sum() > 3 else x.tanh()

    recording = capture(Overwrites(), (ROW,))
    assert (recording.tensors, recording.nodes[-1].type) == ("real", "relu")


class Keeps(nn.Module):
    """Counts, caches, draws and writes wherever a module can, and needs values."""

    def __init__(self, fails):
        super().__init__()
        self.fails = fails
        self.linear = nn.Linear(8, 8)
        self.norm = nn.BatchNorm1d(8)
        self.dropout = nn.Dropout(0.5)
        self.large = nn.Parameter(torch.zeros(600, 600))
        self.alias = self.large.data
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.number = 0
        self.cache = {}
        self.list = []
        self.counted = collections.Counter()
        self.scale = torch.ones(8)
        self.array = np.zeros(3)
        self.random = random.Random(1)
        self.torch_generator = torch.Generator().manual_seed(3)
        self.numpy_generator = np.random.default_rng(0)

    def forward(self, x):
        self.calls += 1
        self.number += 1
        self.cache["x"] = x
        self.list.append(x)
        self.counted["x"] += 1
        self.scale.mul_(2)
        self.array[0] += 1
        x += torch.rand(8, generator=self.torch_generator) + torch.rand(8)
        x = x * self.random.random() * random.random() * float(self.numpy_generator.random())
        x = x * float(np.random.rand())  # noqa: NPY002 (the global state is what is tested)
        x = self.dropout(self.norm(self.linear(x)))
        self.last = x
        self.large.data.add_(1)
        self.alias.mul_(3)
        self.large.data.numpy()[0, 0] = 7
        with torch.no_grad():
            self.large.copy_(torch.ones(600, 600))
        if x.sum() > -1e9 and self.fails:
            raise ValueError("on purpose")
        return x * self.large.mean()

    def state(self):
        return {
            **{name: (tensor.tolist(), tensor._version) for name, tensor in self.state_dict(keep_vars=True).items()},
            "attributes": sorted(self.__dict__),
            "plain": (self.number, self.cache, self.list, dict(self.counted), self.scale.tolist(), self.array.tolist()),
            "modes": [module.training for module in self.modules()],
            "random": self.random.getstate(),
            "torch": self.torch_generator.get_state().tolist(),
            "numpy": str(self.numpy_generator.bit_generator.state),
        }


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_pass_with_real_tensors_changes_nothing(fails, mode):
    model = Keeps(fails)
    model.norm.eval()
    given = torch.ones(4, 8)
    large = torch.ones(40_000, 8)
    before, around = model.state(), surroundings()
    for inputs in (given, large):
        recording = capture(model, (inputs,), mode=mode)
        assert (recording.failure is not None) == fails
        assert recording.tensors == "real"
    assert model.state() == before
    assert surroundings() == around
    assert given.sum() == 32
    assert large.sum() == large.numel()
    assert (given._version, large._version) == (0, 0)


def test_a_large_weight_is_shared_until_it_is_written(monkeypatch):
    clones = []
    clone = torch.Tensor.clone

    def counted(tensor, **options):
        clones.append(tensor.numel())
        return clone(tensor, **options)

    monkeypatch.setattr(torch.Tensor, "clone", counted)
    model = nn.Sequential(nn.Linear(4, 300_000, bias=False), Branching())
    assert capture(model, (ROW,)).tensors == "real"
    assert max(clones, default=0) < 4 * 300_000


class Branching(nn.Module):
    def forward(self, x):
        return branches(x)


def test_what_is_written_is_copied_and_read_again():
    class Writes(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(600, 600))

        def forward(self, x):
            self.weight.data.add_(1)
            return x.relu() if self.weight.sum() == 360_000 else x.tanh()

    model = Writes()
    recording = capture(model, (torch.ones(1),))
    assert recording.nodes[-1].type == "relu"
    assert model.weight.sum() == 0


def test_a_closure_and_a_global_module_are_not_written():
    outside = nn.BatchNorm1d(4)

    def uses(x):
        return branches(outside(x))

    before = {name: tensor.clone() for name, tensor in outside.state_dict().items()}
    outside.train()
    assert capture(Computes(uses), (ROW,), mode="train").tensors == "real"
    assert all(torch.equal(before[name], tensor) for name, tensor in outside.state_dict().items())


def test_a_real_pass_ends_with_the_time_limit():
    def sleeps(x):
        if x.sum() > 0:
            time.sleep(60)
        return x

    began = time.perf_counter()
    recording = capture(Computes(sleeps), (ROW,), seconds_limit=2)
    assert time.perf_counter() - began < 30
    assert recording.failure is None
    assert recording.tensors == "fake"
    assert "which were assumed: another path may be taken." in recording.notes[0]


def test_a_real_pass_can_be_interrupted():
    import _thread

    def spins(x):
        if x.sum() > 0 and not isinstance(x, FakeTensor):
            _thread.interrupt_main()
        while x.sum() > 0:
            pass
        return x

    recording = capture(Computes(spins), (ROW,), seconds_limit=200)
    assert recording.nodes[1].outputs


def test_activations_of_a_real_pass_are_let_go_of():
    import gc
    import weakref

    seen = SimpleNamespace(alive=5)  # no copy is made of it, as of a list

    def watches(x):
        made = []
        for _ in range(5):
            x = branches(x)
            made.append(weakref.ref(x))
        gc.collect()
        seen.alive = sum(item() is not None for item in made)
        return x

    assert capture(Computes(watches), (ROW,)).tensors == "real"
    assert seen.alive <= 2


def test_a_failure_with_real_tensors_is_that_of_the_users_input():
    def fails(x):
        if x.sum() > 0:
            raise ValueError("too large")
        return x

    assert capture(Computes(fails), (ROW,)).failure.message == "too large"
    assert capture(Computes(fails), (-ROW,)).failure is None
    assert capture(Computes(fails)).failure is None


def test_sizes_that_depend_on_data_are_assumed_and_marked():
    recording = capture(Computes(lambda x: x[x > 0] * 2), (ROW,))
    assert (recording.tensors, recording.failure) == ("fake", None)
    assert [node.type for node in recording.nodes if "assumed" in node.marks] == ["[…]"]
    (note,) = recording.notes
    assert note.startswith("1 size depends on data and was assumed; marked in the graph. MACs are those of the largest")


def test_integers_that_were_made_up_stay_in_range():
    floats, ids = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)
    (filled, same), named = real.filled((floats, ids), {"x": [floats]})
    assert same is ids
    assert filled.min() >= 0 < filled.max() <= 1
    assert named["x"][0].shape == (2, 3)
