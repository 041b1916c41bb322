"""Expressions are run: each must give the very module whose path it was made from."""

from collections import OrderedDict

import pytest
import torch
import torchvision
from torch import nn

from notebookviz import cells, show
from notebookviz.capture import naming
from notebookviz.modules import Modules, path_of


class Odd(nn.Module):
    """Every kind of holder, and names that are no Python names."""

    shadowed = "a class attribute"

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(2)])
        self.heads = nn.ModuleDict({"main": nn.Linear(2, 2), "it's a-b": nn.Linear(2, 2)})
        self.turned = nn.Sequential(OrderedDict([("1", nn.Tanh()), ("0", nn.Linear(2, 2)), ("last", nn.GELU())]))
        self.add_module("my-layer", nn.Linear(2, 2))
        self.add_module("class", nn.Linear(2, 2))
        self.add_module("0", nn.Linear(2, 2))
        self._modules["shadowed"] = nn.Linear(2, 2)
        self.compiled = torch.compile(nn.Sequential(nn.Linear(2, 2)))
        self.plain = [nn.Linear(2, 2)]
        self.table = {"a": nn.Linear(2, 2)}


@pytest.mark.parametrize(
    ("path", "expression"),
    [
        ("", ""),
        ("blocks", ".blocks"),
        ("blocks.1.0", ".blocks[1][0]"),
        ("heads.main", ".heads['main']"),
        ("heads.it's a-b", '.heads["it\'s a-b"]'),
        ("turned.0", ".turned.get_submodule('0')"),
        ("turned.last", ".turned.last"),
        ("my-layer", ".get_submodule('my-layer')"),
        ("class", ".get_submodule('class')"),
        ("0", ".get_submodule('0')"),
        ("compiled.0", ".compiled._orig_mod[0]"),
        ("plain.0", ".plain[0]"),
        ("table.a", ".table['a']"),
    ],
)
def test_an_expression_gives_the_module_at_its_path(path, expression):
    model = Odd()
    found = Modules(model)
    assert found.expression(path) == expression
    assert eval(f"model{expression}") is found.at(path)  # noqa: S307 - what the user would do


def test_what_hides_a_module_is_not_taken_for_it():
    model = Odd()
    found = Modules(model)
    assert found.expression("shadowed") == ".get_submodule('shadowed')"
    assert found.at("shadowed") is model._modules["shadowed"]
    assert found.at("blocks.7") is None
    assert found.expression("nothing.here") == ""


def test_every_module_of_resnet50_by_its_expression():
    model = torchvision.models.resnet50(weights=None)
    found = Modules(model)
    for path, module in model.named_modules():
        assert eval(f"model{found.expression(path)}") is module  # noqa: S307
        assert path_of(model, module) == path
    assert found.expression("layer1.0.conv1") == ".layer1[0].conv1"
    assert path_of(model, nn.ReLU()) is None


def test_the_variable_is_one_of_the_notebook(monkeypatch):
    net = nn.Linear(2, 2)
    monkeypatch.setattr("__main__._hidden", net, raising=False)
    assert cells.variable(net) == ""
    monkeypatch.setattr("__main__.my_net", net, raising=False)
    assert cells.variable(net) == "my_net"
    panel = show(net, input_size=(1, 2), browser=False)
    assert panel.subject["variable"] == "my_net"
    panel.close()


def test_selected_is_the_module_itself_and_follows_a_refresh():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2), nn.Tanh()))
    panel = show(model, input_size=(1, 4), browser=False)
    assert panel.selected is None
    panel.select("2.1")
    assert panel.selected is model[2][1]
    panel.select(model[2][0])
    assert panel.selected is model[2][0]
    operator = next(node.index for node in panel.recording.nodes if node.type == "F.linear" and node.path == "2.0")
    panel._keep_state({"selected": operator})
    assert panel.selected is model[2][0]
    panel.select(model[2][0])
    model[0] = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    panel.refresh()
    assert panel.selected is model[2][0]
    panel.select(None)
    assert panel.selected is None
    panel.close()


def test_every_name_that_pytorch_gives_selects_its_module():
    inner = nn.Sequential(
        OrderedDict([("a" * 300, nn.Linear(4, 4)), ("last", torch.compile(nn.Sequential(nn.Tanh())))])
    )
    model = torch.compile(inner)
    panel = show(model, input_size=(1, 4), browser=False)
    for name, _ in model.named_modules():
        panel.select(name)
        assert panel.selected is naming.unwrap(model.get_submodule(name))
    panel.overlay("length", {name: len(name) for name, _ in model.named_modules()})
    panel.close()
