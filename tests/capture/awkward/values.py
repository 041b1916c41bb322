"""What goes in and what comes out."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from tests.capture.awkward.case import Calls, Case, Kinds, register

KINDS: Kinds = {}
kind = register(KINDS)


class Pair(NamedTuple):
    """Two tensors that go together."""

    first: torch.Tensor
    second: torch.Tensor


@dataclass
class Output:
    """What a model returns."""

    hidden: torch.Tensor
    score: torch.Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """What a model takes."""

    features: torch.Tensor
    weights: torch.Tensor


@kind
def several_inputs():
    parts = {"left": nn.Linear(4, 2), "right": nn.Linear(3, 2)}
    return Case(Calls(lambda m, a, b: m.left(a) + m.right(b), **parts), (torch.rand(2, 4), torch.rand(2, 3)))


@kind
def keyword_only_inputs():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, *, values, mask=None, scale=2.0):
            out = self.layer(values) * scale
            return out if mask is None else out * mask

    return Case(Named(), (), {"values": torch.rand(2, 4), "mask": torch.ones(2, 1)})


@kind
def a_dict_as_input():
    layer = nn.Linear(4, 2)
    return Case(
        Calls(lambda m, batch: {"logits": m.layer(batch["x"]) + batch["shift"]}, layer=layer),
        ({"x": torch.rand(2, 4), "shift": torch.rand(2)},),
    )


@kind
def a_list_of_images():
    def body(m, images):
        return [m.layer(image.mean((1, 2))) for image in images]

    return Case(Calls(body, layer=nn.Linear(3, 2)), ([torch.rand(3, 8, 8), torch.rand(3, 6, 9)],))


@kind
def a_dataclass_in_and_out():
    def body(m, batch):
        hidden = m.layer(batch.features)
        return Output(hidden, (hidden * batch.weights).sum())

    return Case(Calls(body, layer=nn.Linear(4, 2)), (Batch(torch.rand(2, 4), torch.rand(2, 1)),))


@kind
def no_input_at_all():
    class Made(nn.Module):
        def __init__(self):
            super().__init__()
            self.start = nn.Parameter(torch.rand(1, 4))
            self.layer = nn.Linear(4, 2)

        def forward(self):
            return self.layer(self.start)

    return Case(Made())


@kind
def a_named_tuple_between_modules():
    class Splits(nn.Module):
        def forward(self, x):
            return Pair(*x.chunk(2, -1))

    class Joins(nn.Module):
        def forward(self, pair):
            return pair.first * pair.second

    return Case(nn.Sequential(nn.Linear(4, 4), Splits(), Joins()), (torch.rand(2, 4),))


@kind
def a_model_output():
    from transformers.modeling_outputs import BaseModelOutput

    def body(m, x):
        hidden = m.layer(x)
        return BaseModelOutput(last_hidden_state=hidden, hidden_states=(x, hidden))

    return Case(Calls(body, layer=nn.Linear(4, 4)), (torch.rand(2, 4),))


@kind
def nested_outputs():
    def body(m, x):
        y = m.layer(x)
        return OrderedDict(a=[y, (y * 2, None)], b={"c": y.sum(), "d": "text", "e": 3})

    return Case(Calls(body, layer=nn.Linear(4, 4)), (torch.rand(2, 4),))


@kind
def the_input_itself_as_output():
    return Case(Calls(lambda m, x: (x, m.layer(x)), layer=nn.Linear(4, 4)), (torch.rand(2, 4),))


@kind
def a_parameter_as_output():
    return Case(Calls(lambda m, x: m.layer.weight, layer=nn.Linear(4, 4)), (torch.rand(2, 4),))


@kind
def no_tensor_as_output():
    return Case(Calls(lambda m, x: "done", layer=nn.Linear(4, 4)), (torch.rand(2, 4),))


@kind
def optional_inputs_left_out():
    class Optional(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x, mask=None, *rest, scale=1.0, **more):
            return self.layer(x) * scale

    return Case(Optional(), (torch.rand(2, 4), None), {"scale": 0.5})
