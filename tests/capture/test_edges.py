"""Edges: each tensor with type, shape and device, whatever carries it from one module to the next."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch import nn

from notebookviz.capture import capture
from tests.capture import recorded
from tests.capture.awkward.case import Calls


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


@dataclass
class Record:
    first: torch.Tensor
    second: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class Frozen:
    first: torch.Tensor
    second: torch.Tensor


class Plain:
    def __init__(self, first, second):
        self.first = first
        self.second = second


def model_output(first, second):
    from transformers.modeling_outputs import BaseModelOutput

    return BaseModelOutput(last_hidden_state=first, hidden_states=(second,))


CARRIERS = {
    "tuple": (lambda a, b: (a, b), lambda c: (c[0], c[1])),
    "list": (lambda a, b: [a, b], lambda c: (c[0], c[1])),
    "dict": (lambda a, b: {"a": a, "b": b}, lambda c: (c["a"], c["b"])),
    "ordered dict": (lambda a, b: OrderedDict(a=a, b=b), lambda c: (c["a"], c["b"])),
    "deque": (lambda a, b: deque([a, b]), lambda c: (c[0], c[1])),
    "nested": (lambda a, b: {"a": [(a,)], "b": {"c": b}}, lambda c: (c["a"][0][0], c["b"]["c"])),
    "named tuple": (Pair, lambda c: (c.first, c.second)),
    "dataclass": (Record, lambda c: (c.first, c.second)),
    "frozen dataclass with slots": (Frozen, lambda c: (c.first, c.second)),
    "plain object": (Plain, lambda c: (c.first, c.second)),
    "ModelOutput": (model_output, lambda c: (c.last_hidden_state, c.hidden_states[0])),
    "generator": (lambda a, b: (item for item in (a, b)), tuple),
    "function": (lambda a, b: lambda: (a, b), lambda c: c()),
}
SEEN = set(CARRIERS) - {"generator", "function"}
"""Carriers whose tensors can be found without using them up."""


class Gives(nn.Module):
    def __init__(self, carry):
        super().__init__()
        self.carry = carry

    def forward(self, x):
        return self.carry(torch.sin(x).double(), torch.cos(x)[:1])


class Takes(nn.Module):
    def __init__(self, unpack):
        super().__init__()
        self.unpack = unpack

    def forward(self, carried):
        first, second = self.unpack(carried)
        return torch.tan(first), torch.exp(second)


@pytest.mark.parametrize("name", CARRIERS)
def test_tensors_keep_their_edges_in_whatever_carries_them(name):
    carry, unpack = CARRIERS[name]
    recording = capture(nn.Sequential(Gives(carry), Takes(unpack)), (torch.rand(2, 4),))
    assert (recording.failure, recording.tensors) == (None, "fake")
    by_type = {node.type: node for node in recorded.operators(recording)}
    assert by_type["torch.tan"].inputs[0].values == by_type["double"].outputs
    assert by_type["torch.exp"].inputs[0].values == by_type["[…]"].outputs
    types = [recording.values[by_type[kind].outputs[0]].type for kind in ("torch.tan", "torch.exp")]
    assert [(item.dtype, item.shape, item.device) for item in types] == [
        ("float64", (2, 4), "cpu"),
        ("float32", (1, 4), "cpu"),
    ]
    if name in SEEN:
        gives, takes = (node for node in recording.nodes if node.type in ("Gives", "Takes"))
        assert gives.outputs == (*by_type["double"].outputs, *by_type["[…]"].outputs)
        assert [item for argument in takes.inputs for item in argument.values] == list(gives.outputs)


@pytest.mark.parametrize("name", sorted(SEEN - {"tuple", "named tuple"}))  # as inputs these are unpacked
def test_inputs_and_outputs_in_whatever_carries_them(name):
    carry, unpack = CARRIERS[name]
    model = Calls(lambda _, carried: carry(*(item + 1 for item in unpack(carried))))
    given = carry(torch.rand(2, 4), torch.zeros(3, dtype=torch.int64))
    recording = capture(model, (given,))
    assert recording.failure is None
    kinds = [recording.values[item.values[0]].type for item in recording.inputs]
    assert [(kind.dtype, kind.shape) for kind in kinds] == [("float32", (2, 4)), ("int64", (3,))]
    assert len({item.name for item in recording.inputs}) == 2
    outputs = [value for node in recorded.operators(recording) for value in node.outputs]
    assert [item.values[0] for item in recording.outputs] == outputs


@pytest.mark.parametrize(
    ("view", "kind"),
    [
        (lambda y: y.view(-1), "view"),
        (lambda y: y[1:], "[…]"),
        (lambda y: y.T, ".T"),
        (lambda y: y.expand(2, -1, -1), "expand"),
        (lambda y: y.unbind(0)[1], "unbind"),
        (lambda y: y.chunk(2)[0], "chunk"),
        (lambda y: y.reshape(2, 8), "reshape"),
        (lambda y: y.detach(), "detach"),
        (lambda y: torch.split(y, 2)[1], "split"),
        (lambda y: y.diagonal(), "diagonal"),
        (lambda y: y.unfold(0, 2, 1), "unfold"),
        (lambda y: y.real, ".real"),
    ],
)
def test_a_view_is_an_operator_and_its_result_an_edge(view, kind):
    recording = capture(Calls(lambda _, x: torch.sin(view(torch.cos(x)))), (torch.rand(4, 4),))
    first, middle, last = recorded.operators(recording)
    assert middle.type in (kind, f"torch.{kind}")
    assert middle.inputs[0].values == first.outputs
    assert set(last.inputs[0].values) <= set(middle.outputs)


def test_only_the_outermost_name_is_shown():
    def body(m, x):
        y = nn.functional.interpolate(x[:, None], scale_factor=2)[:, 0]
        y = nn.functional.scaled_dot_product_attention(y, y, y)
        return nn.functional.gumbel_softmax(m.layer(y)) + torch.einsum("bij,bkj->bik", y, y)

    recording = capture(Calls(body, layer=nn.Linear(8, 4)), (torch.rand(1, 4, 4),))
    found = [node.type for node in recorded.operators(recording)]
    assert found == [
        "[…]", "F.interpolate", "[…]", "F.scaled_dot_product_attention", "F.linear", "F.gumbel_softmax",
        "torch.einsum", "+",
    ]  # fmt: skip


def test_each_operator_says_what_it_was_given():
    def body(m, x):
        y = torch.clamp(m.layer(x), min=-1.5, max=2)
        return nn.functional.pad(y, (1, 2), value=0.5).to(torch.float64)

    recording = capture(Calls(body, layer=nn.Linear(4, 4)), (torch.rand(2, 4),))
    linear, clamp, pad, to = recorded.operators(recording)
    assert [
        (item.name, [recording.initializers[at].name for at in item.initializers]) for item in linear.inputs[1:]
    ] == [
        ("weight", ["layer.weight"]),
        ("bias", ["layer.bias"]),
    ]
    shown = [{item.name: item.value for item in node.attributes} for node in (clamp, pad, to)]
    assert shown[0] == {"min": "-1.5", "max": "2"}
    assert shown[1] == {"pad": "(1, 2)", "mode": "constant", "value": "0.5"}
    assert shown[2]["dtype"] == "float64"


def test_each_call_says_the_line_of_the_user():
    def body(m, x):
        y = m.layers(x)  # line one
        z = nn.functional.relu(y)  # line two
        return y + z

    recording = capture(Calls(body, layers=nn.Sequential(nn.Linear(4, 4), nn.ReLU())), (torch.rand(2, 4),))
    lines = {(node.kind, node.type): node.source.code for node in recording.nodes[1:]}
    assert lines["module", "Sequential"] == lines["module", "Linear"] == "y = m.layers(x)  # line one"
    assert lines["operator", "F.linear"] == "y = m.layers(x)  # line one"
    assert lines["operator", "F.relu"] == "z = nn.functional.relu(y)  # line two"
    assert {node.source.file for node in recording.nodes[1:]} == {__file__}
    assert {node.source.function for node in recording.nodes[1:]} == {"body"}
