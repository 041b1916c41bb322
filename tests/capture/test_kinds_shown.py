"""Kinds of models: what the recording says of those whose inside is easily missed."""

from __future__ import annotations

import linecache
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.nn.parameter import is_lazy

from notebookviz.capture import capture
from notebookviz.graph.totals import module_totals
from tests.capture import recorded
from tests.capture.awkward import KINDS
from tests.capture.awkward.case import Calls

X = torch.rand(2, 4)
GLOBAL = nn.Linear(4, 4)


def show(name, **options):
    case = KINDS[name]()
    recording = capture(case.model, case.args, case.kwargs, **options)
    assert recording.failure is None
    return case, recording


def types(recording):
    return [node.type for node in recorded.operators(recording)]


def producer(recording, value):
    return next(node for node in recorded.operators(recording) if value in node.outputs)


def test_the_fast_path_of_an_encoder_hides_nothing():
    _, shown = show("transformer encoder")
    _, trained = show("transformer encoder", mode="train")
    assert types(shown) == types(trained)
    assert types(shown).count("F.multi_head_attention_forward") == 2
    assert [node.path for node in shown.nodes if node.type == "Linear"][:2] == ["layers.0.linear1", "layers.0.linear2"]
    assert shown.root.macs == trained.root.macs > 0


@pytest.mark.parametrize("name", ["compiled", "compiled in place", "compiled child"])
def test_compiled_models_have_the_paths_they_had_before(name):
    case, recording = show(name)
    names = [node.path for node in recording.nodes] + [item.name for item in recording.initializers]
    assert not any("_orig_mod" in name for name in names)
    real = case.real
    assert [node.path for node in recording.nodes if node.kind == "module"] == [
        path for path, _ in real.named_modules()
    ]
    assert {item.name for item in recording.initializers} == {name for name, _ in real.named_parameters()}


def test_a_compiled_function_that_allows_no_break():
    doubled = torch.compile(lambda x: torch.relu(x) * 2, fullgraph=True, backend="eager")
    recording = capture(Calls(lambda _, x: doubled(x) + 1), (X,))
    assert (recording.failure, recording.tensors, types(recording)) == (None, "fake", ["torch.relu", "*", "+"])


def test_lazy_layers_stay_lazy_and_show_their_shapes():
    case, recording = show("lazy layers")
    held = [*case.model.parameters(), *case.model.buffers()]
    assert sum(map(is_lazy, held)) == 8
    assert len(case.model[0]._forward_pre_hooks) == 1
    shapes = {item.name: item.type.shape for item in recording.initializers}
    assert (shapes["0.weight"], shapes["1.running_mean"], shapes["3.weight"]) == ((4, 3, 3, 3), (4,), (5, 144))
    assert [node.type for node in recording.nodes if node.kind == "module"] == [
        "Sequential", "Conv2d", "BatchNorm2d", "Flatten", "Linear",
    ]  # fmt: skip
    assert "kaiming_uniform_" not in types(recording)
    assert recording.root.user_hooks == 0
    assert recording.notes == (
        "8 tensors of lazy layers have no shape until the model is first called; shown is what this input gives.",
    )
    case.model(*case.args)
    assert tuple(case.model[3].weight.shape) == (5, 144)


def test_hooks_of_the_user_do_not_run_and_are_counted():
    case = KINDS["user hook that reads values"]()
    recording = capture(case.model, case.args)
    seen = next(iter(case.model[0]._forward_hooks.values())).__closure__[0].cell_contents
    assert seen == []
    assert [node.user_hooks for node in recording.nodes if node.kind == "module"] == [1, 1, 1, 0]
    assert recording.notes == ("3 hooks of yours did not run while looking.",)


@pytest.mark.parametrize(
    ("name", "operator"),
    [
        ("old weight norm", "torch._weight_norm"),
        ("old spectral norm", "torch.mv"),
        ("accelerate hook", "to"),
        ("pruned", "*"),
    ],
)
def test_hooks_that_make_a_module_work_do_run(name, operator):
    _, recording = show(name)
    assert operator in types(recording)
    assert recording.notes == ()


def test_what_forward_prints_is_said_and_not_shown(capsys):
    _, recording = show("prints in forward")
    assert recording.notes == ("forward printed 2 lines, which are not shown; the first: shape torch.Size([2, 4])",)
    one = capture(Calls(lambda _, x: (print("<b>once</b>", end=""), x)[1]), (X,))  # noqa: T201
    assert one.notes == ()
    one = capture(Calls(lambda _, x: (print("<b>once</b>"), x)[1]), (X,))  # noqa: T201
    assert one.notes == ("forward printed 1 line, which is not shown: <b>once</b>",)
    assert capsys.readouterr().out == ""


def test_modules_in_threads_of_forward_are_said_to_be_missing():
    def apart(model, x):
        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(lambda layer: layer(x), (model.left, model.right)))

    recording = capture(Calls(apart, left=nn.Linear(4, 4), right=nn.Linear(4, 4)), (X,))
    assert recording.failure is None
    sentence = "2 modules ran in threads that forward began (left, right), so the graph and the MACs lack them."
    assert sentence in recording.notes


def test_modules_in_a_plain_list_have_names_and_are_said_to_be_missing():
    case, recording = show("modules in a plain list")
    assert [node.path for node in recording.nodes if node.kind == "module"] == ["", "plain.0", "plain.1", "head"]
    (note,) = recording.notes
    assert note == (
        "2 modules run but are not registered (plain.0, plain.1): model.parameters() lacks 20 parameters. "
        "Assign them to an attribute, an nn.ModuleList or an nn.ModuleDict."
    )
    linear = next(node for node in recording.nodes if node.path == "plain.0" and node.kind == "module")
    names = [recording.initializers[index].name for index in linear.initializers]
    assert names == ["plain.0.weight", "plain.0.bias"]
    assert module_totals(recording)[""].params == sum(item.numel() for item in case.model.parameters())


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("closure over a module", "body.hidden"),
        ("module in a slot", "held.layer"),
        ("modules in a plain dict", "table.a"),
    ],
)
def test_modules_held_elsewhere_have_names(name, path):
    _, recording = show(name)
    assert path in [node.path for node in recording.nodes if node.kind == "module"]
    assert f"1 module runs but is not registered ({path})" in recording.notes[0]


def test_modules_that_are_no_part_of_the_model():
    recording = capture(Calls(lambda m, x: nn.LayerNorm(4)(GLOBAL(m.inner(GLOBAL(x)))), inner=nn.Linear(4, 4)), (X,))
    calls = [(node.path, node.call) for node in recording.nodes if node.kind == "module"]
    assert calls == [("", 0), ("(Linear)", 0), ("inner", 0), ("(Linear)", 1), ("(LayerNorm)", 0)]
    made, kept = recording.notes
    assert made == "LayerNorm: made anew in each forward pass, so never trained. Make it in __init__."
    assert kept.startswith("1 module runs but is not registered (Linear): model.parameters() lacks 20 parameters.")
    assert not nn.modules.module._global_forward_hooks
    assert not nn.modules.module._global_forward_pre_hooks


def test_a_loss_made_in_forward_is_nothing_to_register_but_dropout_is():
    layer = nn.Linear(4, 4)
    loss = capture(Calls(lambda m, x: nn.MSELoss()(m.layer(x), x), layer=layer), (X,))
    assert [node.path for node in loss.nodes if node.kind == "module"] == ["", "layer", "(MSELoss)"]
    assert loss.notes == ()
    (note,) = capture(Calls(lambda m, x: nn.Dropout()(m.layer(x)), layer=layer), (X,)).notes
    assert note.startswith("1 module runs but is not registered (Dropout).")


def test_modules_that_a_function_holds_are_those_of_the_model():
    _, recording = show("functions that hold modules")
    assert recording.notes == ()
    assert [(node.path, node.call) for node in recording.nodes if node.kind == "module"] == [
        ("", 0), ("layer", 0), ("layer", 1), ("layer", 2), ("layer", 3),
    ]  # fmt: skip


def test_a_model_on_meta_says_so_whatever_the_input():
    for name in ("on meta", "on meta with an input on cpu"):
        _, recording = show(name)
        assert {value.type.device for value in recording.values} == {"meta"}
        assert {item.type.device for item in recording.initializers} == {"meta"}


def test_tensors_stay_on_their_devices():
    _, recording = show("on two devices")
    assert {item.name: item.type.device for item in recording.initializers if item.kind == "parameter"} == {
        "near.weight": "cpu", "near.bias": "cpu", "far.weight": "meta", "far.bias": "meta",
    }  # fmt: skip
    assert [recording.values[node.outputs[0]].type.device for node in recorded.operators(recording)] == [
        "cpu", "meta", "meta", "cpu", "meta",
    ]  # fmt: skip


def test_what_is_mapped_over_a_batch_has_its_edges():
    _, recording = show("vmapped")
    (linear,) = recorded.operators(recording)
    assert linear.inputs[0].values == recording.inputs[0].values
    assert recording.outputs[0].values == linear.outputs[1:]
    assert [recording.values[value].type.shape for value in linear.outputs] == [(2,), (3, 2)]
    assert recording.root.macs == 3 * 4 * 2


def test_a_gradient_inside_has_its_edges():
    _, recording = show("gradient by func")
    assert recording.tensors == "fake"
    assert types(recording)[-5:] == ["F.linear", "F.relu", "F.linear", "sum", "torch.autograd.grad"]
    first = next(node for node in recorded.operators(recording) if node.type == "F.linear")
    assert [recording.initializers[item].name for item in first.inputs[1].initializers] == ["inner.0.weight"]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("bfloat16", "bfloat16"), ("float16", "float16"), ("float64", "float64"), ("complex64", "complex64")],
)
def test_number_types_are_shown_on_edges_and_weights(name, dtype):
    _, recording = show(name)
    first = next(node for node in recorded.operators(recording) if node.inputs[0].values)
    assert recording.values[first.outputs[0]].type.dtype == dtype
    assert recording.initializers[0].type.dtype == dtype
    assert recording.input_text.endswith(dtype)


def test_autocast_shows_the_type_that_each_layer_gives():
    _, recording = show("autocast inside")
    given = [recording.values[node.outputs[0]].type.dtype for node in recorded.operators(recording)]
    assert given == ["bfloat16"] * 3


@pytest.mark.parametrize("name", ["dynamically quantised", "statically quantised", "dynamically quantised lstm"])
def test_packed_weights_are_said_not_to_be_counted(name):
    _, recording = show(name)
    assert "2 quantised layers hold packed weights, which are not parameters and not counted." in recording.notes


def test_adapters_are_there_with_their_weights():
    case, recording = show("lora")
    names = {item.name for item in recording.initializers}
    assert "base_model.model.query.lora_A.default.weight" in names
    assert names == {name for name, _ in case.model.named_parameters()}
    assert module_totals(recording)[""].trainable == 2 * 4 + 4 * 2


def test_replicas_do_not_hide_the_model():
    _, recording = show("data parallel")
    assert [node.path for node in recording.nodes if node.kind == "module"] == [
        "", "module", "module.0", "module.1", "module.2",
    ]  # fmt: skip


def test_a_class_written_in_a_notebook_cell_shows_its_lines():
    code = (
        "from torch import nn\n"
        "class InCell(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layer = nn.Linear(4, 2)\n"
        "    def forward(self, x):\n"
        "        return self.layer(x) * 2\n"
    )
    name = "<ipython-input-7-0123456789ab>"
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    space = {"__name__": "__main__"}
    exec(compile(code, name, "exec"), space)  # noqa: S102 (as a notebook does)
    recording = capture(space["InCell"](), (X,))
    places = {node.type: (node.source.line, node.source.code) for node in recording.nodes[1:]}
    assert places == dict.fromkeys(("Linear", "F.linear", "*"), (7, "return self.layer(x) * 2"))
    assert {node.source.function for node in recording.nodes[1:]} == {"forward"}


def test_a_module_that_returns_its_own_weight_has_an_output():
    class Position(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(torch.rand(2, 4))

        def forward(self):
            return self.table

    recording = capture(Calls(lambda m, x: F.relu(x + m.position()), position=Position()), (X,))
    position = next(node for node in recording.nodes if node.path == "position" and node.kind == "module")
    added = next(node for node in recorded.operators(recording) if node.type == "+")
    assert added.inputs[1].values == position.outputs
    assert producer(recording, position.outputs[0]).type == "identity"
