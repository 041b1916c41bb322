"""The recording against plain PyTorch: module calls, shapes, and who depends on whom."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

import notebookviz.capture as capturing
from notebookviz.capture import capture
from tests.capture import models, plain, recorded

NAMES = (*models.TRANSFORMERS, *models.TORCHVISION)


@pytest.fixture(scope="module", params=NAMES)
def traced(request):
    model, args, kwargs = models.build(request.param)
    return model, args, kwargs, capture(model, args, kwargs)


def test_each_module_call_once_in_order_with_its_shape(traced):
    model, args, kwargs, recording = traced
    assert recording.failure is None
    expected = plain.module_calls(model, args, kwargs)
    assert [path for path, _ in recorded.calls(recording)] == [path for path, _ in expected]
    for (path, got), (_, wanted) in zip(recorded.calls(recording), expected, strict=True):
        assert sorted(set(got)) == sorted(set(wanted)), path


def test_a_path_exactly_where_autograd_has_one(traced):
    model, args, kwargs, recording = traced
    calls, expected, followed = plain.leaf_reachability(model, args, kwargs)
    found_calls, found = recorded.reachability(model, recording)
    assert found_calls == calls
    found, expected = ({pair for pair in pairs if followed.issuperset(pair)} for pairs in (found, expected))
    assert found == expected
    assert len(expected) > len(calls)


class GradientInside(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.same = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.same(leaf).square().sum(), leaf)
        return gradient


def test_gradients_flow_through_a_pass_through_module():
    recording = capture(GradientInside(), (torch.ones(2, 3),))
    assert recording.failure is None
    (output,) = recording.outputs[0].values
    assert recording.values[output].type.shape == (2, 3)
    assert [node.path for node in recording.nodes if node.kind == "module"] == ["", "same"]


def test_the_seconds_are_those_of_the_traced_pass(monkeypatch):
    made = capturing.Skeleton

    def slow(*args):
        time.sleep(0.4)
        return made(*args)

    monkeypatch.setattr(capturing, "Skeleton", slow)
    began = time.perf_counter()
    recording = capture(nn.Linear(4, 4))
    assert 0 < recording.seconds < time.perf_counter() - began - 0.4
