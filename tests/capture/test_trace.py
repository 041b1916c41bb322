"""The recording against plain PyTorch: module calls, shapes, and who depends on whom."""

from __future__ import annotations

import pytest
from torch import nn

from notebookviz.capture import capture
from tests.capture import models, plain

NAMES = (*models.TRANSFORMERS, *models.TORCHVISION)


@pytest.fixture(scope="module", params=NAMES)
def traced(request):
    model, args, kwargs = models.build(request.param)
    return model, args, kwargs, capture(model, args, kwargs)


def recorded_calls(recording):
    return [
        (node.path, tuple(recording.values[value].type.shape for value in node.outputs))
        for node in recording.nodes
        if node.kind == "module" and "uncalled" not in node.marks
    ]


def recorded_reachability(model, recording):
    """Pairs of leaf module calls joined by a path of operators, from the recording alone."""
    leaves = {
        name
        for name, module in model.named_modules()
        if not any(True for _ in module.children()) or isinstance(module, nn.MultiheadAttention)
    }
    owner = {}
    calls = []
    for node in recording.nodes:
        inside = owner.get(node.parent)
        if inside is None and node.kind == "module" and node.path in leaves and "uncalled" not in node.marks:
            inside = len(calls)
            calls.append((node.path, node.call))
        owner[node.index] = inside
    reach = {}
    pairs = set()
    for node in recording.nodes:
        if node.kind != "operator":
            continue
        above = set()
        for argument in node.inputs:
            for value in argument.values:
                above |= reach.get(value, set())
        inside = owner[node.index]
        if inside is not None:
            pairs |= {(item, inside) for item in above if item != inside}
            above = above | {inside}
        for value in node.outputs:
            reach[value] = reach.get(value, set()) | above
    return calls, pairs


def test_each_module_call_once_in_order_with_its_shape(traced):
    model, args, kwargs, recording = traced
    assert recording.failure is None
    expected = plain.module_calls(model, args, kwargs)
    assert [path for path, _ in recorded_calls(recording)] == [path for path, _ in expected]
    for (path, got), (_, wanted) in zip(recorded_calls(recording), expected, strict=True):
        assert sorted(set(got)) == sorted(set(wanted)), path


def test_a_path_exactly_where_autograd_has_one(traced):
    model, args, kwargs, recording = traced
    calls, expected, followed = plain.leaf_reachability(model, args, kwargs)
    found_calls, found = recorded_reachability(model, recording)
    assert found_calls == calls
    found, expected = ({pair for pair in pairs if followed.issuperset(pair)} for pairs in (found, expected))
    assert found == expected
    assert len(expected) > len(calls)
