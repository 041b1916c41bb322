"""A fixed, quick sample of what ``make coverage`` measures: no input given, confirmed by a real run."""

from __future__ import annotations

import os
import time

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from benchmarks.coverage import cases, pool, report
from benchmarks.coverage.check import Subject, check, compare, depending_on_assumed
from benchmarks.coverage.shrink import shrink
from notebookviz.capture import capture
from tests.capture import plain

TORCHVISION = ("squeezenet1_1", "lraspp_mobilenet_v3_large", "quantized_mobilenet_v2", "ssdlite320_mobilenet_v3_large")
TIMM = ("test_vit", "test_byobnet", "test_efficientnet", "test_convnext")
TRANSFORMERS = (
    "ASTForAudioClassification",
    "BrosModel",
    "GPT2LMHeadModel",
    "MobileBertForMultipleChoice",
    "MT5ForSequenceClassification",
    "Pix2StructForConditionalGeneration",
    "SiglipModel",
)


def built(group, name):
    torch.manual_seed(0)
    if group == "torchvision":
        return cases.build_torchvision(name).eval()
    if group == "timm":
        return cases.build_timm([name]).model
    return cases.build_transformers(name).eval()


@pytest.mark.parametrize(
    ("group", "name"),
    [
        *(("torchvision", name) for name in TORCHVISION),
        *(("timm", name) for name in TIMM),
        *(("transformers", name) for name in TRANSFORMERS),
    ],
)
def test_confirmed_without_any_input(group, name):
    result = check(Subject(built(group, name)))
    assert (result.outcome, result.problem) == ("confirmed", "")
    assert result.calls > 10


@pytest.mark.parametrize(
    ("group", "name"), [("torchvision", "squeezenet1_1"), ("timm", "test_vit"), ("transformers", "SiglipModel")]
)
def test_renaming_the_classes_changes_nothing(group, name):
    model = built(group, name)
    before = capture(model).input_text
    kinds = {kind for module in model.modules() for kind in type(module).__mro__}
    theirs = [kind for kind in kinds if kind.__module__.startswith(("torchvision", "timm", "transformers"))]
    names = [(kind, kind.__name__, kind.__module__) for kind in theirs]
    try:
        for number, kind in enumerate(theirs):
            kind.__name__, kind.__module__ = f"Renamed{number}", "elsewhere"
        recording = capture(model)
    finally:
        for kind, own, home in names:
            kind.__name__, kind.__module__ = own, home
    assert recording.root.type.startswith("Renamed")
    assert recording.failure is None
    assert (recording.input_text, recording.tensors) == (before, "fake")


class Halves(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.second(self.first(x))


def test_the_comparison_finds_what_differs():
    model = Halves()
    recording = capture(model)
    expected = plain.module_calls(model, (torch.zeros(1, 4),), {})
    registered = dict(model.named_modules())
    assert compare(recording, expected, registered) == (3, 0, "")
    wrong = [*expected[:2], ("second", ((1, 3),))]
    assert compare(recording, wrong, registered)[2] == "second returned [(1, 3)], recorded [(1, 2)]"
    assert compare(recording, expected[:2], registered)[2] == "2 module calls in the real run, 3 recorded"
    swapped = [expected[0], expected[2], expected[1]]
    assert compare(recording, swapped, registered)[2] == "call 1 is of first, in the real run of second"
    assert depending_on_assumed(recording) == set()


def test_only_what_rests_on_an_assumption_may_differ():
    class Picks(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.after = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            found = self.before(x)
            return self.after(found[found[:, 0] > 0])

    model = Picks()
    recording = capture(model, (torch.ones(5, 4),))
    registered = dict(model.named_modules())
    made_up = [("", ((3, 2),)), ("before", ((5, 4),)), ("after", ((3, 2),))]
    assert compare(recording, made_up, registered) == (3, 2, "")
    assert "returned" in compare(recording, [made_up[0], ("before", ((6, 4),)), made_up[2]], registered)[2]


def test_one_rule_shrinks_a_configuration():
    import transformers

    small = shrink(transformers.DeepseekV3Config())
    assert (small.num_hidden_layers, small.n_routed_experts, small.vocab_size) == (2, 4, 1024)
    assert small.hidden_size == transformers.DeepseekV3Config().hidden_size
    ids = shrink(transformers.LlavaConfig())
    assert 0 < ids.image_token_id < ids.text_config.vocab_size == 1024


def test_the_table_says_what_failed_and_why():
    line = {"group": "timm", "name": "good", "outcome": "confirmed", "input": "1×3×8×8 float32", "tensors": "fake"}
    line |= {"seconds": 0.1, "calls": 3, "assumed": 0, "problem": "", "total_seconds": 1.0}
    bad = {**line, "name": "bad", "outcome": "no shapes", "problem": "a | b < c"}
    page = report.table(
        [line, bad, {**line, "name": "out", "outcome": "excluded", "problem": "too large"}], "torch 9.9."
    )
    assert "| timm | 2 | 1 (50.0%) | 1 | 0 | 1 |" in page
    assert "\ntorch 9.9.\n" in page
    given = {**line, "input": "given: 1×3 float32", "outcome": "unconfirmed", "problem": "hooks can't tell"}
    assert "| timm | 2 | 2 (100.0%) | 1 | 1 | 0 |" in report.table([{**line, "built": "other"}, given], "")
    assert "| good (other in its place) | 1×3×8×8" in report.table([{**line, "built": "other"}], "")
    assert "| timm | bad | no shapes | a \\| b &lt; c |" in page
    assert "| timm | out | excluded | too large |" in page
    assert "| good | 1×3×8×8 float32 | 3 |  | fake |" in page


@pytest.mark.parametrize(
    ("does", "outcome", "problem"),
    [
        (lambda: {}["none"], "no shapes", "raised KeyError at test_coverage.py"),
        (lambda: os._exit(3), "no shapes", "the process ended with 3"),
        (lambda: time.sleep(60), "no shapes", "took more than 1 s"),
        (lambda: Subject(Sleeps()), "unconfirmed", "took more than 5 s"),
        (lambda: Subject(nn.Linear(2, 2)), "confirmed", ""),
    ],
)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_model_ends_with_its_process(does, outcome, problem, monkeypatch):
    monkeypatch.setattr(pool, "prepare", lambda: None)
    limit = float(problem.split()[3]) if "took" in problem else 60.0
    (line,) = pool.run([cases.Case("timm", "a", does)], 1, pool.Limits(limit, 64.0))
    assert line["outcome"] == outcome
    assert line["problem"].startswith(problem)


def test_an_input_is_given_only_where_none_can_be_inferred():
    class Wants(nn.Module):
        def forward(self, x):
            return x[:, 5] + x["no" if x.dim() != 3 else 0, 0]

    call = (torch.zeros(2, 6, 6),), {}
    assert check(Subject(Wants(), call)).input == "given: 2×6×6 float32"
    assert check(Subject(Halves(), ((torch.zeros(9, 4),), {}), compare=False)).input == "1×4 float32"


class Sleeps(Halves):
    """Never ends on real tensors."""

    def forward(self, x):
        if not isinstance(x, FakeTensor):
            time.sleep(60)
        return super().forward(x)
