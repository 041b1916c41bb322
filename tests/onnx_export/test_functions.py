"""Graphs regrouped into functions: one for each module, nested, and they compute the same."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torchvision.models import ResNet, VisionTransformer
from torchvision.models.resnet import BasicBlock

from notebookviz.onnx_export import export, save
from notebookviz.onnx_export.functions import regroup
from tests.onnx_export.models import Branches

FLOAT = onnx.TensorProto.FLOAT


class Shared(nn.Module):
    """Modules that are called twice in a row, one of them with another width the second time."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.act = nn.ReLU()
        self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def forward(self, x):
        x = self.fc(self.fc(x))
        x = self.act(x)
        y = self.act(x[:, :2])
        return self.block(self.block(x)) + y.sum()


class Chooses(nn.Module):
    """A branch in the graph that uses what is around it."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        y = self.fc(x)
        return torch.cond(y.sum() > 0, lambda each: torch.relu(each) + y, lambda each: each * 2 - y, (x,))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.choose = Chooses()

    def forward(self, x):
        return self.choose(self.choose(x))


MODELS = {
    "resnet": lambda: (ResNet(BasicBlock, [1, 1, 1, 1], num_classes=5), torch.randn(1, 3, 32, 32)),
    "transformer": lambda: (VisionTransformer(16, 8, 2, 2, 16, 32, num_classes=5), torch.randn(1, 3, 16, 16)),
    "shared": lambda: (Shared(), torch.randn(2, 4)),
    "branch": lambda: (Twice(), torch.randn(2, 4)),
}


def calls(model):
    """Every call of a function as (name of the node, name of the function), outermost first."""
    functions = {(item.domain, item.name): item for item in model.functions}
    found = []

    def visit(nodes):
        for node in nodes:
            if (node.domain, node.op_type) in functions:
                found.append((node.name, node.op_type))
                visit(functions[node.domain, node.op_type].node)

    visit(model.graph.node)
    return found


def operators(model):
    """The operators in the order in which they run, functions opened, constants aside."""
    functions = {(item.domain, item.name): item for item in model.functions}

    def visit(nodes):
        for node in nodes:
            inner = functions.get((node.domain, node.op_type))
            if inner is not None:
                yield from visit(inner.node)
            elif node.op_type != "Constant":
                yield node.op_type

    return list(visit(model.graph.node))


def outputs(path, x):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    return session.run(None, {session.get_inputs()[0].name: x.numpy()})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Flat and grouped file of a model, made once."""
    made = {}

    def get(name):
        if name not in made:
            torch.manual_seed(0)
            model, x = MODELS[name]()
            folder = tmp_path_factory.mktemp(name)
            result = export(model.eval(), (x,))
            flat = save(result, model, folder / "flat.onnx")
            grouped = save(result, model, folder / "grouped.onnx", functions=True, compare=True)
            made[name] = flat, grouped, x
        return made[name]

    return get


@pytest.mark.parametrize("name", MODELS)
def test_it_computes_the_same(request, saved, name):
    if name != "branch":  # torch.cond meets what earlier traces of a process left behind
        request.getfixturevalue("in_process")
    flat, grouped, x = saved(name)
    assert grouped.check.verdict == "agrees"
    assert [note for note in grouped.notes if "flat" in note or "pieces" in note] == []
    for wanted, got in zip(outputs(flat.path, x), outputs(grouped.path, x), strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5)
    model = onnx.load(grouped.path)
    onnx.checker.check_model(model, full_check=True)
    assert operators(model) == [item for item in operators(onnx.load(flat.path)) if item != "Constant"]


@pytest.mark.parametrize("name", ["resnet", "transformer"])
def test_each_module_that_runs_is_a_function_in_the_one_that_holds_it(in_process, saved, name):
    _, grouped, x = saved(name)
    ran = []
    model, _ = MODELS[name]()
    for path, module in model.eval().named_modules():
        kind = type(module).__name__
        if path and kind not in {"Dropout", "Identity"}:  # they compute nothing
            module.register_forward_hook(lambda *_, what=f"{path}.{kind}": ran.append(what))
    model(x)
    found = calls(onnx.load(grouped.path))
    assert {function for _, function in found} == set(ran)
    for function in onnx.load(grouped.path).functions:
        path = {item.key: item.value for item in function.metadata_props}["module"]
        assert all(node.name.startswith(f"{path}.") for node in function.node if node.domain.startswith("pkg."))


def test_weights_are_inputs_named_like_the_initializers(in_process, saved):
    model = onnx.load(saved("resnet")[1].path)
    held = {item.name for item in model.graph.initializer}
    functions = {item.name: item for item in model.functions}
    assert list(functions["layer1.0.conv1.Conv2d"].input)[1:] == ["layer1.0.conv1.weight"]
    assert set(list(functions["layer1.0.BasicBlock"].input)[1:]) == {
        name for name in held if name.startswith("layer1.0.")
    }
    assert {"conv1.weight", "fc.bias"} < held


def test_two_calls_of_a_module_in_a_row_stay_two(in_process, saved):
    model = onnx.load(saved("shared")[1].path)
    assert calls(model) == [
        ("fc", "fc.Linear"),
        ("fc@1", "fc.Linear"),
        ("act", "act.ReLU"),
        ("act@1", "act@1.ReLU"),  # of another shape
        ("block", "block.Sequential"),
        ("block.0", "block.0.Linear"),
        ("block.1", "block.1.ReLU"),
        ("block@1", "block.Sequential"),
        ("block.0", "block.0.Linear"),
        ("block.1", "block.1.ReLU"),
    ]
    assert sorted(item.name for item in model.functions) == [
        "act.ReLU", "act@1.ReLU", "block.0.Linear", "block.1.ReLU", "block.Sequential", "fc.Linear",
    ]  # fmt: skip


def test_a_branch_stays_whole_and_takes_what_it_uses(saved):
    model = onnx.load(saved("branch")[1].path)
    assert calls(model)[:2] == [("choose", "choose.Chooses"), ("choose.fc", "choose.fc.Linear")]
    assert calls(model)[2] == ("choose@1", "choose.Chooses")
    (function,) = (item for item in model.functions if item.name == "choose.Chooses")
    assert [node.op_type for node in function.node][-1] == "If"


# By hand: what torch.export does not give.


def node(kind, given, made, scopes=None, classes=None, **properties):
    attributes = {name: properties.pop(name) for name in ("body", "num_scan_inputs", "keepdims") if name in properties}
    result = onnx.helper.make_node(kind, given, made, f"node_{made[0]}", **attributes)
    if scopes is not None:
        properties["pkg.torch.onnx.name_scopes"] = repr(["", *scopes, made[0]])
        properties["pkg.torch.onnx.class_hierarchy"] = repr(["Net", *(classes or ["lib.Block"] * len(scopes)), "aten"])
    for key, value in properties.items():
        result.metadata_props.add(key=key.replace("_calls", "notebookviz.calls"), value=value)
    return result


def flat(nodes, output, initializers=()):
    values = [onnx.helper.make_tensor_value_info(name, FLOAT, [2]) for name in ("x", output)]
    graph = onnx.helper.make_graph(nodes, "flat", values[:1], values[1:], initializers)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)


def same(model, grouped):
    x = torch.tensor([-1.5, 2.0])
    sessions = [onnxruntime.InferenceSession(each.SerializeToString()) for each in (model, grouped)]
    wanted, got = (each.run(None, {"x": x.numpy()})[0] for each in sessions)
    return np.array_equal(wanted, got)


def test_calls_that_interleave_are_grouped_in_pieces():
    model = flat(
        [
            node("Neg", ["x"], ["a"], ["left"]),
            node("Abs", ["x"], ["b"], ["right"]),
            node("Exp", ["a"], ["c"], ["left"]),
            node("Mul", ["b", "c"], ["d"], ["right"]),
            node("Add", ["d", "a"], ["y"], []),
        ],
        "y",
    )
    grouped, notes = regroup(model)
    assert [item.name for item in grouped.graph.node] == [
        "left part 1",
        "right part 1",
        "left part 2",
        "right part 2",
        "node_y",
    ]
    assert notes == (
        "left is in 2 pieces: operators of another module run between its own.",
        "right is in 2 pieces: operators of another module run between its own.",
    )
    assert same(model, grouped)


def test_a_node_that_does_not_say_stands_where_its_neighbours_do():
    model = flat(
        [
            node("Neg", ["x"], ["a"]),
            node("Neg", ["a"], ["b"], ["top", "top.0"], ["lib.Top", "lib.Block"]),
            node("Abs", ["b"], ["c"], _calls="not a list", **{"pkg.torch.onnx.name_scopes": "["}),
            node("Neg", ["c"], ["d"], ["top", "top.1"], ["lib.Top", "lib.Block"]),
            node("Neg", ["d"], ["y"]),
        ],
        "y",
    )
    grouped, _ = regroup(model)
    assert calls(grouped) == [("top", "top.Top"), ("top.0", "top.0.Block"), ("top.1", "top.1.Block")]
    assert [item.op_type for item in grouped.graph.node] == ["Neg", "top.Top", "Neg"]
    assert [item.op_type for item in grouped.functions[-1].node] == ["top.0.Block", "Abs", "top.1.Block"]
    assert same(model, grouped)


def test_constants_stand_where_they_are_used_and_large_ones_are_passed():
    two = onnx.numpy_helper.from_array(np.array([2.0, 3.0], "float32"), "two")
    many = onnx.numpy_helper.from_array(np.ones(5000, "float32"), "many")
    model = flat(
        [
            node("Mul", ["x", "two"], ["a"], ["b1"]),
            node("ReduceSum", ["many"], ["s"], ["b2"]),
            node("Mul", ["a", "s"], ["b"], ["b2"]),
            node("Mul", ["b", "two"], ["y"], []),
        ],
        "y",
        [two, many],
    )
    grouped, _ = regroup(model)
    first, second = grouped.functions
    assert [item.op_type for item in first.node] == ["Constant", "Mul"]
    assert (list(first.input), list(second.input)) == (["x"], ["a", "many"])
    assert [item.name for item in grouped.graph.initializer] == ["two", "many"]
    assert same(model, grouped)


@pytest.mark.parametrize("kind", ["Loop", "Scan"])
def test_a_loop_stays_whole_with_what_its_body_takes_from_outside(kind):
    value = onnx.helper.make_tensor_value_info
    weight = onnx.numpy_helper.from_array(np.arange(5000, dtype="float32"), "weight")
    three = onnx.numpy_helper.from_array(np.array(3, "int64"), "three")
    state, made = value("s", FLOAT, [2]), value("t", FLOAT, [2])
    inside = [
        node("Add", ["s", "a"], ["u"], ["loop", "loop.step"]),
        node("ReduceMax", ["weight"], ["m"], ["loop", "loop.step"], keepdims=0),
        node("Div", ["u", "m"], ["t"], ["loop", "loop.step"]),
    ]
    if kind == "Loop":
        go = [value("i", onnx.TensorProto.INT64, []), value("go", onnx.TensorProto.BOOL, [])]
        inside.append(onnx.helper.make_node("Identity", ["go"], ["on"]))
        body = onnx.helper.make_graph(inside, "body", [*go, state], [value("on", onnx.TensorProto.BOOL, []), made])
        turn = node(kind, ["three", "", "b"], ["c"], ["loop"], body=body)
    else:
        inside.append(onnx.helper.make_node("Identity", ["e"], ["f"]))
        each = [value("e", FLOAT, []), value("f", FLOAT, [])]
        body = onnx.helper.make_graph(inside, "body", [state, each[0]], [made, each[1]])
        turn = node(kind, ["b", "x"], ["c", "d"], ["loop"], body=body, num_scan_inputs=1)
    steps = [node("Neg", ["x"], ["a"], ["pre"]), node("Abs", ["a"], ["b"], ["loop"]), turn]
    model = flat([*steps, node("Neg", ["c"], ["y"], ["post"])], "y", [weight, *([three] if kind == "Loop" else [])])
    grouped, notes = regroup(model)
    assert notes == ()
    assert calls(grouped) == [("pre", "pre.Block"), ("loop", "loop.Block"), ("post", "post.Block")]
    (function,) = (item for item in grouped.functions if item.name == "loop.Block")
    assert [item.op_type for item in function.node][-1] == kind
    assert {"a", "weight"} <= set(function.input)
    assert same(model, grouped)


def test_strange_names_are_kept():
    strange = '"]\n<b>(%'
    model = flat([node("Neg", ["x"], ["y"], [strange], [f"lib.{strange}"])], "y")
    grouped, _ = regroup(model)
    assert calls(grouped) == [(strange, f"{strange}.{strange}")]
    assert same(model, grouped)


def test_what_nobody_uses_is_left_out():
    model = flat([node("Neg", ["x"], ["a"], ["dead"]), node("Abs", ["x"], ["y"], ["live"])], "y")
    assert [item.name for item in regroup(model)[0].graph.node] == ["live"]


def test_the_torchscript_exporter_leaves_it_flat_and_says_why(in_process, tmp_path):
    model = Branches()
    result = export(model, (torch.ones(1, 4),))
    assert result.exporter == "TorchScript"
    saved = save(result, model, tmp_path / "m.onnx", functions=True)
    assert "The graph is flat: its exporter does not say which module an operator belongs to." in saved.sentence
    assert len(onnx.load(saved.path).functions) == 0


def test_a_grouping_that_fails_leaves_it_flat_and_says_why(in_process, swapped, monkeypatch, tmp_path):
    def broken(_):
        raise RuntimeError("a knot")

    monkeypatch.setattr("notebookviz.onnx_export.functions.regroup", broken)
    model, result = swapped
    saved = save(result, model, tmp_path / "m.onnx", functions=True)
    assert any(note.startswith("The graph is flat: ") and "a knot" in note for note in saved.notes)
