"""Every kind of model: what is recorded is what plain hooks see on a real run, and the model stays as it was."""

from __future__ import annotations

import pytest

from notebookviz.capture import capture
from tests.capture import plain, recorded
from tests.capture.awkward import KINDS
from tests.capture.test_unchanged import state_of, surroundings

REAL = {"nested tensors in forward", "packed sequence", "statically quantised", "tensor subclass made in forward"}
"""Kinds that fake tensors can't run."""
CUT = {
    "dynamically quantised", "dynamically quantised lstm", "statically quantised", "functional call", "gradient inside",
    "compiled", "compiled in place", "compiled child", "checkpointed the old way", "index and scatter", "on meta",
    "packed sequence", "counter in a buffer", "a parameter as output", "no tensor as output", "on two devices",
}  # fmt: skip
"""Kinds whose autograd graph can't be compared: cut somewhere, or of other modules than those shown."""


@pytest.fixture(scope="module", params=KINDS)
def shown(request):
    case = KINDS[request.param]()
    before = state_of(case.model), surroundings()
    recording = capture(case.model, case.args, case.kwargs)
    return request.param, case, recording, before, (state_of(case.model), surroundings())


def unwrapped(path):
    """The path without the wrapper of ``torch.compile``."""
    return ".".join(part for part in path.split(".") if part != "_orig_mod")


def test_it_runs_to_its_end(shown):
    name, _, recording, _, _ = shown
    assert recording.failure is None
    assert recording.tensors == ("real" if name in REAL else "fake")


def test_nothing_of_the_model_has_changed(shown):
    _, _, _, before, after = shown
    assert after == before


def test_a_module_call_has_one_identity(shown):
    _, _, recording, _, _ = shown
    calls = [(node.path, node.call) for node in recording.nodes if node.kind == "module"]
    assert len(set(calls)) == len(calls)


def test_module_calls_and_shapes_are_those_of_a_real_run(shown):
    _, case, recording, _, _ = shown
    if not case.compare:
        pytest.skip("plain hooks can't tell")
    expected = plain.module_calls(case.real or case.model, case.args, case.kwargs)
    found = recorded.calls(recording)
    assert [path for path, _ in found] == [unwrapped(path) for path, _ in expected]
    for (path, got), (_, wanted) in zip(found, expected, strict=True):
        assert sorted(set(got)) == sorted(set(wanted)), path


def test_paths_are_those_of_autograd(shown):
    name, case, recording, _, _ = shown
    if not case.compare or name in CUT or name in REAL:
        pytest.skip("autograd can't tell")
    calls, expected, followed = plain.leaf_reachability(case.model, case.args, case.kwargs)
    found_calls, found = recorded.reachability(case.model, recording)
    assert found_calls == calls
    found, expected = ({pair for pair in pairs if followed.issuperset(pair)} for pairs in (found, expected))
    assert found == expected
