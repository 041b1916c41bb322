"""Looking never changes the model, the random states, or what three training steps give."""

from __future__ import annotations

import copy
import random
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch._dynamo import eval_frame
from torch.nn.parameter import is_lazy

from notebookviz.capture import capture
from tests.capture import models

TRAINED = (
    *models.TRANSFORMERS,
    *(name for name in models.TORCHVISION if name not in ("inception_v3", "maxvit_t", "mobilenet_v2", "vgg11")),
)
SLOW = ("densenet121", "vit_b_32", "convnext_tiny")
SIDES = {"alexnet": 64, "googlenet": 64, "squeezenet1_1": 64, "swin_t": 64}


def hook(module, args, output=None):
    """A user's hook."""


def state_of(model):
    """All that a look must leave alone, as something that can be compared."""
    found = {}
    for name, module in model.named_modules():
        found[name] = (
            id(module),
            type(module),
            module.training,
            sorted(module.__dict__),
            {key: id(value) for key, value in module.__dict__.items() if key not in ("_parameters", "_buffers")},
            {key: (id(value), len(value)) for key, value in module.__dict__.items() if isinstance(value, dict)},
            [(key, id(value)) for key, value in module._forward_hooks.items()],
            [(key, id(value)) for key, value in module._forward_pre_hooks.items()],
        )
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        found["tensor", name] = (
            id(tensor),
            None if is_lazy(tensor) else tensor._version,
            tensor.requires_grad,
            None if is_lazy(tensor) or tensor.grad is None else (id(tensor.grad), tensor.grad.sum().item()),
            None if is_lazy(tensor) or tensor.is_meta else tensor.detach().to(torch.complex128).sum().item(),
        )
    return found


def surroundings():
    """Random states, defaults and global registers."""
    return (
        random.getstate(),
        tuple(part.tobytes() if hasattr(part, "tobytes") else part for part in np.random.get_state()),  # noqa: NPY002 (the global state is what users share)
        torch.get_rng_state().numpy().tobytes(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.is_autocast_enabled("cpu"),
        len(nn.modules.module._global_forward_hooks),
        len(nn.modules.module._global_forward_pre_hooks),
        eval_frame._stance,
    )


def three_steps(model, args, kwargs):
    """Three steps of SGD; the losses and all parameters and buffers afterwards."""
    torch.manual_seed(1)
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for _ in range(3):
        optimiser.zero_grad()
        output = model(*args, **kwargs)
        output = getattr(output, "logits", output)
        loss = output.float().square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses, {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in TRAINED]
)
def test_training_after_a_look_is_bit_identical(name):
    size = {"image_size": 32} if name == "vit_b_32" else {}
    model, args, kwargs = models.build(name, **size)
    side = SIDES.get(name, 32)
    small = tuple(torch.rand(2, 3, side, side) for _ in args)
    other = copy.deepcopy(model)
    before = state_of(model)
    around = surroundings()
    for mode in ("eval", "train"):
        assert capture(model, small, kwargs, mode=mode).failure is None
    assert capture(model).tensors == "fake"
    assert state_of(model) == before
    assert surroundings() == around
    losses, tensors = three_steps(model, small, kwargs)
    expected_losses, expected = three_steps(other, small, kwargs)
    assert losses == expected_losses
    assert all(torch.equal(tensors[key], expected[key]) for key in expected)


class Waits(nn.Module):
    """Waits in code that no exception reaches."""

    def __init__(self):
        super().__init__()
        self.begun, self.end = threading.Event(), threading.Event()

    def forward(self, x):
        self.begun.set()
        self.end.wait(60)
        return x


def test_a_pass_that_can_not_be_ended_leaves_nothing_set():
    model = Waits()
    around = surroundings()
    recording = capture(model, (torch.zeros(2, 4),), seconds_limit=1)
    try:
        assert model.begun.is_set()
        assert recording.failure.kind == "timeout"
        assert surroundings() == around
    finally:
        model.end.set()


class Keeps(nn.Module):
    """Assigns caches everywhere, draws random numbers, and may fail."""

    def __init__(self, fails=False):
        super().__init__()
        self.fails = fails
        self.norm = nn.BatchNorm1d(4)
        self.linear = nn.Linear(4, 4)
        self.register_buffer("steps", torch.zeros(()))
        self.cache = {"inner": [], "deep": {"list": []}}
        self.seen = []
        self.scale = torch.ones(4)

    def forward(self, x):
        x = self.linear(self.norm(x))
        self.last = x
        self.cache["inner"].append(x)
        self.cache["deep"]["list"].append(x)
        self.cache["new"] = x
        self.seen.append(x)
        self.linear.note = x
        self.steps += 1
        self.scale.mul_(2)
        self.linear.weight.data.add_(1)
        x = x * random.random() + torch.rand(4)
        x = x + float(np.random.rand())  # noqa: NPY002 (the global state is what is tested)
        torch.set_default_dtype(torch.float64)
        if self.fails:
            raise ValueError("on purpose")
        return x


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_what_forward_assigns_stays_in_the_copy(fails, mode):
    model = Keeps(fails)
    model.norm.eval()
    model.linear.register_forward_hook(hook)
    model.linear.weight.grad = torch.ones(4, 4)
    before = state_of(model)
    around = surroundings()
    recording = capture(model, (torch.zeros(2, 4),), mode=mode)
    assert (recording.failure is not None) == fails
    assert state_of(model) == before
    assert surroundings() == around
    assert not hasattr(model, "last")
    assert not hasattr(model.linear, "note")
    assert model.cache == {"inner": [], "deep": {"list": []}}
    assert model.seen == []
    assert torch.equal(model.scale, torch.ones(4))
    assert model.norm.training is False
    assert model.norm.num_batches_tracked.item() == 0


def test_real_modules_reached_by_closure_or_global_are_not_written():
    outside = nn.BatchNorm1d(4)

    class Reaches(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)
            self.closure = lambda x: outside(x)  # noqa: PLW0108 (a closure is what is tested)

        def forward(self, x):
            return self.closure(self.linear(x)) + GLOBAL(x)

    before = {name: tensor.clone() for name, tensor in (*outside.named_buffers(), *GLOBAL.named_buffers())}
    recording = capture(Reaches(), (torch.zeros(2, 4),), mode="train")
    assert recording.failure is None
    after = dict((*outside.named_buffers(), *GLOBAL.named_buffers()))
    assert all(torch.equal(before[name], after[name]) for name in before)


GLOBAL = nn.BatchNorm1d(4)


def test_what_the_functions_around_a_model_count_stays_as_it_was():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return self.linear(x)

    model, inner, log, number = Counts(), Counts(), [], 0
    plain = model.forward

    def forward(x, held=inner):
        nonlocal number
        number += 1
        log.append(number)
        return plain(held(x))

    model.forward = forward
    assert capture(model, (torch.zeros(2, 4),)).failure is None
    assert (model.calls, inner.calls, log, number) == (0, 0, [], 0)
    model(torch.zeros(2, 4))
    assert (model.calls, inner.calls, log, number) == (1, 1, [1], 1)


def test_a_variable_that_a_function_counts_in_stays_as_it_was():
    number = 0

    def count(x):
        nonlocal number
        number += 1
        return x

    model = nn.Identity()
    model.forward = count
    assert capture(model, (torch.zeros(2, 4),)).failure is None
    assert number == 0
    model(torch.zeros(2, 4))
    assert number == 1


def test_user_hooks_do_not_run_and_are_counted():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    ran = []
    model[0].register_forward_hook(lambda *_: ran.append(1))
    model[0].register_forward_pre_hook(lambda *_: ran.append(1))
    model[1].register_full_backward_hook(lambda *_: ran.append(1))
    handle = nn.modules.module.register_module_forward_hook(lambda *_: ran.append(1))
    try:
        recording = capture(model)
    finally:
        handle.remove()
    assert ran == []
    assert [node.user_hooks for node in recording.nodes if node.kind == "module"] == [0, 2, 1]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_hooks_that_make_a_module_work_still_run():
    model = nn.utils.weight_norm(nn.Linear(4, 4))
    recording = capture(model)
    assert recording.root.user_hooks == 0
    assert {"weight_g", "weight_v"} <= {item.name for item in recording.initializers}
    assert recording.failure is None
    assert any(node.type != "F.linear" for node in recording.nodes if node.kind == "operator")


@pytest.mark.parametrize("kind", ["meta", "default"])
def test_default_device_and_autocast_are_carried_over(kind):
    class Makes(nn.Module):
        def forward(self, x):
            return x @ torch.ones(4, 4, device=None if kind == "default" else x.device)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        recording = capture(Makes(), (torch.zeros(1, 4),))
    assert recording.values[recording.root.outputs[0]].type.dtype == "bfloat16"
    with torch.device("meta"):
        recording = capture(nn.Linear(4, 4), (torch.zeros(1, 4),))
    assert recording.failure is None
    assert recording.values[recording.root.outputs[0]].type.device == "meta"


def test_the_model_is_not_kept_alive():
    import gc
    import weakref

    model = nn.Sequential(nn.Linear(4, 4))
    recording = capture(model)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert recording.root.type == "Sequential"
