"""What is shown of ten classic mistakes: module, shapes that met, PyTorch's words, the user's line, the next step."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (its usual name)

from notebookviz.capture import broadcast, capture, flow
from tests.capture import mistakes, models
from tests.capture.awkward.case import Calls

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


LINEAR = nn.Linear(4, 2)
ROW = torch.zeros(1, 4)
WRONG_KINDS = [
    (LINEAR, ROW.long(), "The input is int64, the model's parameters are float32. Pass x.to(torch.float32)."),
    (LINEAR, ROW.double(), "The input is float64, the model's parameters are float32. Pass x.to(torch.float32)."),
    (
        nn.Conv2d(3, 4, 3),
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
        "The input is uint8, the model's parameters are float32. Pass x.to(torch.float32).",
    ),
    (
        nn.BatchNorm2d(3).eval(),
        torch.zeros(1, 3, 8, 8, dtype=torch.int64),
        "The input is int64, the model's parameters are float32. Pass x.to(torch.float32).",
    ),
    (
        nn.LayerNorm(4),
        ROW.double(),
        "The input is float64, the model's parameters are float32. Pass x.to(torch.float32).",
    ),
    (nn.Embedding(4, 4), ROW, "The input is float32, its embedding takes int64 indices. Pass x.to(torch.int64)."),
    (LINEAR, ROW.to("meta"), 'The input is on meta, the model\'s parameters are on cpu. Pass x.to("cpu").'),
    (nn.Softmax(-1), ROW.long(), "F.softmax does not take int64: convert what goes in with .float()."),
    (nn.LSTM(4, 2), ROW.double(), ""),
]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (lambda m, x: nn.Softmax(dim=2)(m.layer(x)), "F.softmax got 1×2: its dimensions are 0 to 1, or -1 to -2 from"),
        (lambda m, x: m.layer(x).sort(-3), "sort got 1×2: its dimensions are 0 to 1, or -1 to -2 from the end."),
        (lambda m, x: F.relu(nn.ReLU(m.layer(x))), "nn.ReLU(…) makes a layer; it is called by a second pair of "),
        (lambda m, x: m.layers(x), "ModuleList only holds layers: call those one by one, or make it an nn.Sequential."),
    ],
)
def test_what_is_no_layer_and_no_dimension(body, said):
    model = Calls(body, layer=LINEAR, layers=nn.ModuleList([LINEAR]))
    failure = capture(model, (ROW,)).failure
    with pytest.raises((IndexError, TypeError, NotImplementedError)) as raised:
        model(ROW)
    assert (failure.kind, failure.message) == (type(raised.value).__name__, str(raised.value))
    assert failure.hint.startswith(said)


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (lambda m, x: m.layer(x) and None, "forward returned None: is a return missing at its end?"),
        (
            lambda m, x: nn.ReLU(m.layer(x)),
            "forward returned ReLU, no tensor. nn.ReLU(…) makes a layer; it is called by a second pair of brackets",
        ),
        (lambda m, x: m.layer(x).shape[0], "forward returned int, no tensor."),
    ],
)
def test_a_forward_that_returns_no_tensor_is_told(body, note):
    recording = capture(Calls(body, layer=nn.Linear(4, 1)), (ROW,))
    assert recording.failure is None
    assert recording.notes[-1].startswith(note)


@pytest.mark.parametrize(("model", "given", "hint"), WRONG_KINDS)
def test_an_input_of_the_wrong_kind_is_shown_where_it_is_met(model, given, hint):
    failure = capture(model, (given,)).failure
    with pytest.raises((RuntimeError, ValueError)) as raised:
        model(given)
    assert (failure.kind, failure.message) == (type(raised.value).__name__, str(raised.value))
    assert failure.hint == hint
    assert flow.dtype_text(given.dtype) in dict(failure.shapes or failure.received)["input"] or given.is_meta
    assert (failure.source.file, failure.source.code) == (__file__, "failure = capture(model, (given,)).failure")


def test_of_several_inputs_the_wrong_one_is_named():
    class Adds(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, x, y):
            return self.left(x) + self.right(y)

    failure = capture(Adds(), (ROW, ROW.half())).failure
    assert failure.hint == "The input y is float16, the model's parameters are float32. Pass y.to(torch.float32)."


INSIDE = {
    "a whole number into a convolution": (
        lambda m, x: m.b(m.a(x).long()),
        {"a": nn.Conv2d(3, 4, 3), "b": nn.Conv2d(4, 4, 1)},
        torch.zeros(1, 3, 8, 8),
        "Conv2d b got int64 where its weight is float32: convert what goes in with .to(torch.float32).",
    ),
    "floats into an embedding": (
        lambda m, x: m.b(m.a(x)),
        {"a": nn.Linear(4, 4), "b": nn.Embedding(4, 2)},
        ROW,
        "Embedding b got float32 where it takes int64 indices: convert what goes in with .to(torch.int64).",
    ),
    "classes into a layer": (
        lambda m, x: m.b(m.a(x).argmax(1)),
        {"a": nn.Linear(4, 4), "b": nn.Linear(4, 2)},
        ROW,
        "Linear b got int64 where its weight is float32: convert what goes in with .to(torch.float32).",
    ),
    "a weight without values": (
        lambda m, x: m.b(m.a(x)),
        {"a": nn.Linear(4, 4), "b": nn.Linear(4, 2, device="meta")},
        ROW,
        "b.weight, b.bias are on the meta device, without values: load them.",
    ),
    "a norm without values": (
        lambda m, x: m.b(m.a(x)),
        {"a": nn.Linear(4, 4), "b": nn.LayerNorm(4, device="meta")},
        ROW,
        "b.weight, b.bias are on the meta device, without values: load them.",
    ),
    "joined from two devices": (
        lambda m, x: torch.cat([m.a(x), torch.zeros(1, 2, device="meta")]),
        {"a": LINEAR},
        ROW,
        (
            "torch.cat got tensors on cpu and meta: "
            "move them together with .to(device), and make new tensors there (device=)."
        ),
    ),
}


@pytest.mark.parametrize("name", INSIDE)
def test_types_and_devices_that_do_not_go_together_fail_as_in_pytorch(name):
    body, parts, given, hint = INSIDE[name]
    model = Calls(body, **parts).eval()
    failure = capture(model, (given,)).failure
    with pytest.raises(RuntimeError) as raised:
        model(given)
    assert (failure.kind, failure.message, failure.hint) == ("RuntimeError", str(raised.value), hint)


def test_a_number_on_the_cpu_goes_with_any_device():
    model = Calls(lambda m, x: m.a(x) * torch.tensor(2.0) + m.scale, a=nn.Linear(4, 2, device="meta"), scale=ROW[0, 0])
    assert capture(model, (ROW.to("meta"),)).failure is None


def test_a_kernel_that_overlooks_an_empty_weight_is_spoken_for():
    failure = capture(
        nn.Sequential(nn.Conv1d(2, 2, 1), nn.Conv1d(2, 2, 1, device="meta")), (torch.zeros(1, 2, 4),)
    ).failure
    assert failure.message == (
        "Expected all tensors to be on the same device, but found at least two devices, cpu and meta!"
    )


class Scaled(nn.Module):
    """Takes three inputs, one of them by name only."""

    def forward(self, x, y: torch.Tensor, *, scale: float):
        return x + y * scale


class Attends(nn.Module):
    """Forgets two inputs of its attention."""

    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(4, 2)

    def forward(self, x):
        return self.attn(x)


@pytest.mark.parametrize(
    ("model", "given", "hint"),
    [
        (
            Scaled(),
            (ROW,),
            (
                "forward was called without y (Tensor). "
                "forward takes x, y, scale: show(model, x, y, kwargs={'scale': scale})."
            ),
        ),
        (
            Scaled(),
            (ROW, ROW),
            (
                "forward was called without scale (float). "
                "forward takes x, y, scale: show(model, x, y, kwargs={'scale': scale})."
            ),
        ),
        (LINEAR, (ROW, ROW), "forward takes input: show(model, input) or input_size=(1, 3, 224, 224)."),
        (
            Attends(),
            (ROW,),
            "MultiheadAttention attn was called without key (Tensor), value (Tensor): pass that in this line too.",
        ),
    ],
)
def test_an_argument_that_is_missing_is_named(model, given, hint):
    failure = capture(model, given).failure
    with pytest.raises(TypeError) as raised:
        model(*given)
    assert (failure.kind, failure.message, failure.hint) == ("TypeError", str(raised.value), hint)


class Uses(nn.Module):
    """A layer and what is done with what it returns."""

    def __init__(self, layer, use):
        super().__init__()
        self.layer = layer
        self.use = use
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        return self.use(self, self.layer(x))


class Silent(nn.Module):
    def forward(self, x):
        x * 2


RECURRENT = "LSTM layer returns a tuple (5×1×8, 1×1×8, 1×1×8): take one of its tensors, as in …[0]."
USES = [
    (lambda m, found: m.fc(found), nn.LSTM(4, 8), RECURRENT),
    (lambda _, found: F.relu(found), nn.LSTM(4, 8), RECURRENT),
    (lambda _, found: found.mean(1), nn.LSTM(4, 8), RECURRENT),
    (
        lambda m, found: m.fc(found),
        Silent(),
        "Silent layer returns nothing: is a return missing at the end of its forward()?",
    ),
    (
        lambda m, found: m.fc1(found),
        nn.Linear(4, 8),
        "Set self.fc1 in __init__() of Uses, or correct the name. It has fc.",
    ),
]


@pytest.mark.parametrize(("use", "layer", "hint"), USES)
def test_what_a_layer_returned_is_no_tensor_or_a_name_is_wrong(use, layer, hint):
    failure = capture(Uses(layer, use), (torch.zeros(5, 1, 4),)).failure
    assert failure.hint == hint


def test_the_output_object_of_a_model_is_passed_on():
    class NetOutput(dict):
        pass

    layer = Calls(lambda m, x: NetOutput(logits=m.inner(x)), inner=nn.Linear(4, 8))
    failure = capture(Uses(layer, lambda m, found: m.fc(found)), (torch.zeros(5, 4),)).failure
    assert (
        failure.hint
        == "Calls layer returns a NetOutput: take one of its tensors, such as .logits or .last_hidden_state."
    )
