"""What is shown of ten classic mistakes: module, shapes that met, PyTorch's words, the user's line, the next step."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (its usual name)

from notebookviz.capture import broadcast, capture
from tests.capture import mistakes, models

SHOWN = {
    "flatten": (
        "fc",
        "F.linear",
        (("input", "2×6272"), ("weight", "10×100"), ("bias", "10")),
        "return self.fc(x)",
        (
            "Linear fc takes 100 features and got 6272: "
            "set in_features=6272 there, or make the layer before it return 100."
        ),
    ),
    "channels": (
        "conv2",
        "F.conv2d",
        (("input", "2×6×30×30"), ("weight", "8×5×3×3"), ("bias", "8")),
        "x = F.relu(self.conv2(x))",
        "Conv2d conv2 takes 5 channels and got 6: set in_channels=6 there, or make the layer before it return 5.",
    ),
    "batch": (
        "fc",
        "F.linear",
        (("input", "8×784"), ("weight", "10×6272"), ("bias", "10")),
        "return self.fc(x)",
        "Conv2d got 3×32×32, which has no batch dimension: pass x.unsqueeze(0), which is 1×3×32×32.",
    ),
    "dtype": (
        "fc2",
        "F.linear",
        (("input", "2×8 float64"), ("weight", "2×8 float32"), ("bias", "2 float32")),
        "return self.fc2(x)",
        "Linear fc2 got float64 where its weight is float32: convert what goes in with .to(torch.float32).",
    ),
    "device": (
        "",
        "+",
        (("input", "2×4 on cpu"), ("other", "4 on meta")),
        "return self.fc(x) + noise",
        (
            "The operator + got input on cpu, other on meta: "
            "move them together with .to(device), and make new tensors there (device=)."
        ),
    ),
    "head": (
        "head",
        "F.linear",
        (("input", "2×16"), ("weight", "5×32"), ("bias", "5")),
        "return self.head(features)",
        "Linear head takes 32 features and got 16: set in_features=16 there, or make the layer before it return 32.",
    ),
    "cat": (
        "",
        "torch.cat",
        (("tensors", "2×4×30×30, 2×4×28×28"),),
        "return torch.cat([self.small(x), self.large(x)], dim=1)",
        (
            "torch.cat along dimension 1 got 2×4×30×30 and 2×4×28×28: "
            "all other dimensions must be equal, and dimension 2 is 30 and 28."
        ),
    ),
    "sequence": (
        "lstm",
        "LSTM",
        (("input", "2×16×20"),),
        "out, _ = self.lstm(x)",
        "LSTM lstm takes 16 features last and got 2×16×20; dimension 1 has 16: put it last with x.transpose(1, 2).",
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_mistake_is_shown_with_all_that_is_needed_to_mend_it(name):
    path, operator, shapes, line, hint = SHOWN[name]
    model, inputs = mistakes.FAILING[name]
    recording = capture(model, inputs)
    failure = recording.failure
    failed = recording.nodes[failure.node]
    assert (failed.type, failed.path) == (operator, path)
    inner = failed if failed.kind == "module" else recording.nodes[failed.parent]
    assert inner.path == path
    assert {"failed"} == failed.marks == inner.marks
    assert (failure.shapes or failure.received) == shapes
    assert (failure.source.code, failure.source.file) == (line, mistakes.__file__)
    assert failure.hint == hint
    with pytest.raises(RuntimeError) as raised:
        model(*inputs)
    assert (failure.kind, failure.message) == (type(raised.value).__name__, str(raised.value))
    assert recording.tensors == "fake"


def test_an_index_out_of_range_fails_as_in_pytorch():
    model = mistakes.Words()
    recording = capture(model, (torch.tensor([[1, 2, 3], [4, 12, 5]]),))
    failure = recording.failure
    failed = recording.nodes[failure.node]
    assert (failed.type, failed.path) == ("F.embedding", "table")
    assert (failure.kind, failure.message) == ("IndexError", "index out of range in self")
    assert failure.shapes == (("input", "2×3 int64"), ("weight", "10×8 float32"))
    assert failure.source.code == "vectors = self.table(ids)"
    assert failure.hint == (
        "Embedding table: a table of 10 rows takes 0 to 9, and the index at [1, 1] is 12: "
        "set num_embeddings=13 there, or correct the input."
    )
    assert capture(model, (torch.tensor([[1, 2, 9]]),)).failure is None


class Looks(nn.Module):
    """Runs one function that takes integers."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.table = nn.Parameter(torch.zeros(4, 3))

    def forward(self, ids):
        return self.function(self.table, ids)


LOOKUPS = {
    "embedding": (lambda table, ids: F.embedding(ids, table), [[0, 4]]),
    "negative": (lambda table, ids: F.embedding(ids, table), [[0, -1]]),
    "derived": (lambda table, ids: F.embedding(ids.view(-1)[1:] + 1, table), [[0, 1, 3]]),
    "gather": (lambda table, ids: table.gather(1, ids), [[0, 3]]),
    "index_select": (lambda table, ids: table.index_select(0, ids), [0, 4]),
    "index": (lambda table, ids: table[ids], [0, -5]),
    "one_hot": (lambda _, ids: F.one_hot(ids, 3), [0, 3]),
    "cross_entropy": (F.cross_entropy, [0, 1, 2, 3]),
    "nll_loss": (F.nll_loss, [0, 1, 2, 3]),
    "scatter": (lambda table, ids: table.scatter(1, ids, 1.0), [[0, 3]]),
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_each_lookup_says_what_pytorch_says(name):
    function, ids = LOOKUPS[name]
    model = Looks(function)
    given = torch.tensor(ids)
    with pytest.raises((IndexError, RuntimeError)) as raised:
        model(given)
    failure = capture(model, (given,)).failure
    assert (failure.kind, failure.message) == (type(raised.value).__name__, str(raised.value))
    assert capture(model, (given.clamp(0, 2) * 0,)).failure is None


def test_ignored_targets_are_no_mistake():
    model = Looks(F.cross_entropy)
    assert capture(model, (torch.tensor([0, 1, 2, -100]),)).failure is None


def test_a_broadcast_that_makes_more_of_it_is_marked_and_told():
    recording = capture(mistakes.Loss(), (torch.zeros(5, 4), torch.zeros(5)))
    assert recording.failure is None
    marked = [(node.type, node.path) for node in recording.nodes if "broadcast" in node.marks]
    assert marked == [("Loss", ""), ("-", "")]
    line = next(node for node in recording.nodes if node.type == "-").source.line
    assert recording.notes == (
        (
            f"Broadcasting: 5×1 - 5 gives 5×5 (mistakes.py, line {line}: error = self.fc(x) - y). "
            "If that is not meant, give both the same shape with .squeeze(-1) on the first."
        ),
    )


@pytest.mark.parametrize(
    ("left", "right", "told"),
    [
        ((4, 1), (4,), True),
        ((2, 1, 3), (2, 3), True),
        ((4, 3), (3,), False),
        ((1, 3, 1, 1), (3, 5, 5), False),
        ((4, 1), (1, 4), False),
        ((2, 4, 4), (2, 1, 1, 4), True),
        ((), (4,), False),
    ],
)
def test_which_broadcasts_are_looked_at(left, right, told):
    found = broadcast.grown("add", (torch.zeros(left), torch.zeros(right)))
    assert (found is not None) == told


@pytest.mark.parametrize("name", ["swin_t", "maxvit_t", "efficientnet_b0", "gpt2", "bert", "llama"])
def test_models_that_broadcast_on_purpose_are_not_told_off(name):
    model, _, _ = models.build(name)
    recording = capture(model)
    assert not [note for note in recording.notes if "Broadcasting" in note]


def test_a_line_of_a_notebook_is_named_by_its_cell():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        shell.run_cell("class Bad(__import__('torch').nn.Linear):\n    def forward(self, x):\n        return x[7]")
        failure = capture(shell.user_ns["Bad"](4, 2), (torch.zeros(1, 4),)).failure
    finally:
        InteractiveShell.clear_instance()
    assert re.fullmatch(r"In \[\d+\]", failure.source.file)
    assert (failure.source.line, failure.source.code) == (3, "return x[7]")


def test_a_deep_model_is_open_at_what_failed():
    from torchvision.models import resnet18

    from notebookviz.graph.encode import encode

    model = resnet18()
    model.layer3[1].conv2 = nn.Conv2d(128, 256, 3, padding=1)
    recording = capture(model, (torch.zeros(1, 3, 64, 64),))
    assert recording.nodes[recording.failure.node].path == "layer3.1.conv2"
    opened = {recording.nodes[index].path for index in encode(recording)["opened"] if index < len(recording.nodes)}
    assert {"", "layer3", "layer3.1"} <= opened
