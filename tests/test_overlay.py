"""The user's overlays: what is taken, what is refused and how, what is kept."""

import json
import math
import re

import numpy as np
import pytest
import torch
from torch import nn

from notebookviz import show
from notebookviz.errors import InputError
from notebookviz.overlay import BUILT_IN
from notebookviz.viewer.packer import own_text


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2), nn.Tanh()))


@pytest.fixture
def panel(model):
    found = show(model, input_size=(1, 4), browser=False)
    yield found
    found.close()


def values(panel):
    (only,) = panel.overlays
    return only["values"]


def test_keys_are_paths_modules_or_names_of_parameters(panel, model):
    panel.overlay("gradient norm", {"0": 1, model[2]: 2.5, "2.0.weight": 3, model[1]: None}, unit="x", combine="sum")
    assert panel.overlays == [
        {
            "name": "gradient norm",
            "kind": "numbers",
            "unit": "x",
            "combine": "sum",
            "values": {"0": 1, "2": 2.5, "2.0.weight": 3},
        }
    ]
    assert panel.state["overlay"] == "own: gradient norm"


def test_a_name_may_be_long_but_not_endless(panel):
    panel.overlay("n" * 200, {"0": 1})
    panel.overlay("n" * 200, None)
    assert panel.overlays == []
    with pytest.raises(InputError, match=r"overlay\(\) got a name of 1,000 characters; it wants at most 200\."):
        panel.overlay("n" * 1000, {"0": 1})


def test_every_parameter_and_module_name_is_a_key(panel, model):
    panel.overlay("norm", {name: p.norm() for name, p in model.named_parameters()})
    assert len(values(panel)) == 4
    panel.overlay("norm", {name: len(name) for name, _ in model.named_modules()})
    assert len(values(panel)) == 6


def test_names_of_a_compiled_model_are_keys(model):
    compiled = torch.compile(model)
    found = show(compiled, input_size=(1, 4), browser=False)
    found.overlay("norm", {name: p.norm() for name, p in compiled.named_parameters()})
    assert set(values(found)) == {"0.weight", "0.bias", "2.0.weight", "2.0.bias"}
    found.overlay("norm", {compiled: 1, model[2]: 2})
    assert values(found) == {"": 1, "2": 2}
    found.close()


def test_numbers_of_any_library_and_those_that_json_lacks(panel):
    given = [torch.tensor(0.5), np.float32(1.5), math.nan, -math.inf, 1 << 60]
    panel.overlay("x", dict(zip(["0", "1", "2", "2.0", "2.1"], given, strict=True)))
    assert list(values(panel).values()) == [0.5, 1.5, "NaN", "-Infinity", float(1 << 60)]
    json.dumps(panel.overlays, allow_nan=False)


def test_words(panel):
    panel.overlay("owner", {"0": "ann", "2": "bob"})
    assert panel.overlays[0]["kind"] == "words"
    panel.overlay("done", {"0": True, "2": False})
    assert panel.overlays[1]["values"] == {"0": "yes", "2": "no"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"2.0.wieght": 1},
            "overlay() got '2.0.wieght', which is no module or parameter of this Sequential. Did you mean '2.0.we",
        ),
        ({"2.o": 1, "xy": 2}, "overlay() got '2.o' and 1 more that are no module or parameter"),
        ({nn.ReLU(): 1}, "overlay() got a ReLU, which is no module or parameter of this Sequential. Keys are modules"),
        ({"0": "a", "1": 1}, "The overlay 'x' mixes numbers and words. Leave a value out by giving None."),
        ({"0": [1]}, "overlay() got a value of type list; it wants numbers or words. Give float(value) or str(value)."),
        ({"0": torch.ones(3)}, "overlay() got a value of type Tensor; it wants numbers or words."),
        ([1, 2], "overlay() got list; it wants a dictionary of numbers or words by module or path."),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(panel, given, text):
    with pytest.raises(InputError, match=re.escape(text)):
        panel.overlay("x", given)
    assert panel.overlays == []
    assert not panel.state.get("overlay")


def test_names_and_options_that_are_refused(panel):
    with pytest.raises(InputError, match=r"the name 'MACs'; it wants a text that is not one of parameters, MACs,"):
        panel.overlay("MACs", {"0": 1})
    with pytest.raises(InputError, match=re.escape("combine='median'; it wants one of max, min, sum, mean.")):
        panel.overlay("x", {"0": 1}, combine="median")
    with pytest.raises(InputError, match=r"There is no overlay 'devices'; .*Did you mean 'device'\?"):
        panel.overlay("devices")


def test_choosing_replacing_and_removing(panel):
    panel.overlay("parameters")
    assert panel.state["overlay"] == "params"
    panel.overlay("a", {"0": 1})
    panel.overlay("b", {"0": 2})
    panel.overlay("a", {"0": 3})
    assert [(each["name"], each["values"]["0"]) for each in panel.overlays] == [("a", 3), ("b", 2)]
    panel.overlay("b", None)
    assert [each["name"] for each in panel.overlays] == ["a"]
    assert panel.state["overlay"] == "own: a"
    panel.overlay("a", None)
    assert panel.overlays == []
    assert panel.state["overlay"] == ""
    panel.overlay("dtype")
    panel.overlay(None)
    assert panel.state["overlay"] == ""


def test_the_page_has_the_same_overlays_as_python():
    text = own_text("overlay")
    found = dict(re.findall(r"^    (\w+): \{ name: '([^']+)'", text, re.MULTILINE))
    assert {name: key for key, name in found.items()} == BUILT_IN


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.act, self.once = nn.ReLU(), nn.Linear(4, 4)

    def forward(self, x):
        return self.act(self.once(self.act(x)))


def test_a_key_is_one_call_of_a_module():
    model = Twice()
    found = show(model, input_size=(1, 4), browser=False)
    found.overlay("time", {"act@1": 1, ("act", 2): 2, (model.once, 1): 3})
    assert values(found) == {"act@1": 1, "act@2": 2, "once@1": 3}
    for key, text in [
        (
            "act@3",
            "overlay() got call 3 of 'act', which is called 2 times in this pass. The first call is 'act@1'; 'act'",
        ),
        ("once@2", "overlay() got call 2 of 'once', which is called once in this pass."),
        (("act", 0), "overlay() got call 0 of 'act', which is called 2 times"),
        (("act", "2"), "overlay() got call '2' of 'act'"),
        ("act@x", "overlay() got 'act@x', which is no module or parameter"),
    ]:
        with pytest.raises(InputError, match=re.escape(text)):
            found.overlay("time", {key: 1})
    found.close()
