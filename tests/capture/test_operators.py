"""Names of operators and of their arguments, and edges through writes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from notebookviz.capture import capture
from notebookviz.capture.scribe import message
from tests.capture import recorded
from tests.capture.awkward import python
from tests.capture.awkward.case import Calls

X = torch.zeros(4, 4)


class Runs(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body
        self.weight = nn.Parameter(torch.zeros(4, 4))
        self.register_buffer("state", torch.zeros(4))
        self.plain = torch.ones(4)
        self.nested = {"list": [torch.ones(4)]}

    def forward(self, x):
        return self.body(self, x)


def operators(body, x=X):
    recording = capture(Runs(body), (x,))
    assert recording.failure is None, recording.failure
    return recording, [node for node in recording.nodes if node.kind == "operator"]


@pytest.mark.parametrize(
    ("body", "kind", "qualified", "inputs", "attributes"),
    [
        (lambda _, x: x + 1, "+", "torch.Tensor.add", ["input"], {"other": "1"}),
        (lambda _, x: 1 - x, "-", "torch.Tensor.__rsub__", ["other"], {"input": "1"}),
        (lambda m, x: x @ m.weight, "@", "torch.Tensor.matmul", ["input", "other"], {}),
        (lambda _, x: x[:, 0], "[…]", "torch.Tensor.__getitem__", ["input"], {"index": ":, 0"}),
        (lambda _, x: x[..., None, :2], "[…]", "torch.Tensor.__getitem__", ["input"], {"index": "..., None, :2"}),
        (lambda _, x: x.view(2, -1), "view", "torch.Tensor.view", ["input"], {"size": "(2, -1)"}),
        (lambda _, x: x.permute(1, 0), "permute", "torch.Tensor.permute", ["input"], {"dims": "(1, 0)"}),
        (lambda _, x: x.expand(2, -1, -1), "expand", "torch.Tensor.expand", ["input"], {"size": "(2, -1, -1)"}),
        (lambda _, x: x.transpose(0, 1), "transpose", "torch.Tensor.transpose", ["input"], {"dim0": "0", "dim1": "1"}),
        (lambda _, x: x.to(torch.float16), "to", "torch.Tensor.to", ["input"], {"dtype": "float16"}),
        (lambda _, x: x.T, ".T", "torch.Tensor.T", ["input"], {}),
        (lambda _, x: torch.cat([x, x + 0], 1), "torch.cat", "torch.cat", ["tensors"], {"dim": "1"}),
        (
            lambda m, x: torch.einsum("ij,jk", x, m.weight),
            "torch.einsum",
            "torch.einsum",
            ["operands"],
            {"equation": "ij,jk"},
        ),
        (lambda _, x: F.relu(x), "F.relu", "torch.nn.functional.relu", ["input"], {"inplace": "False"}),
        (lambda _, x: torch.relu(x), "torch.relu", "torch.relu", ["input"], {}),
        (
            lambda m, x: F.linear(x, m.weight, m.state),
            "F.linear",
            "torch.nn.functional.linear",
            ["input", "weight", "bias"],
            {},
        ),
        (lambda _, x: F.softmax(x, -1), "F.softmax", "torch.nn.functional.softmax", ["input"], {"dim": "-1"}),
        (
            lambda _, x: F.scaled_dot_product_attention(x, x * 1, x * 2, is_causal=True),
            "F.scaled_dot_product_attention",
            "torch.nn.functional.scaled_dot_product_attention",
            ["query", "key", "value"],
            {"is_causal": "True"},
        ),
        (
            lambda _, x: F.max_pool2d(x[None], 2),
            "F.max_pool2d",
            "torch.nn.functional.max_pool2d",
            ["input"],
            {"kernel_size": "2"},
        ),
    ],
)
def test_names(body, kind, qualified, inputs, attributes):
    _, found = operators(body)
    last = found[-1]
    assert (last.type, last.qualified) == (kind, qualified)
    assert [item.name for item in last.inputs] == inputs
    shown = {item.name: item.value for item in last.attributes}
    assert {name: shown.get(name) for name in attributes} == attributes
    assert all(len(item.value) <= 200 for item in last.attributes)


def test_documentation_is_one_plain_paragraph():
    _, found = operators(lambda _, x: F.relu(x))
    assert (
        found[0].doc == "Applies the rectified linear unit function element-wise. See torch.nn.ReLU for more details."
    )


def test_initializers_are_listed_with_what_they_are():
    recording, found = operators(lambda m, x: x * m.plain + m.nested["list"][0] + m.state + m.weight)
    kinds = {item.name: item.kind for item in recording.initializers}
    assert kinds == {"weight": "parameter", "state": "buffer", "plain": "constant", "nested.list.0": "constant"}
    used = [
        recording.initializers[item.initializers[0]].name for node in found for item in node.inputs if item.initializers
    ]
    assert used == ["plain", "nested.list.0", "state", "weight"]


def test_tied_tensors_are_one_initializer_with_aliases():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    recording = capture(model)
    tied = next(item for item in recording.initializers if item.aliases)
    assert (tied.name, tied.aliases) == ("0.weight", ("1.weight",))
    assert len(recording.initializers) == 3
    modules = [node for node in recording.nodes if node.path in ("0", "1") and node.kind == "module"]
    assert all(tied.index in node.initializers for node in modules)


def producer(recording, value):
    return next(node.type for node in recording.nodes if node.kind == "operator" and value in node.outputs)


def test_a_write_is_read_by_what_comes_later():
    def body(_, x):
        y = x.clone()
        y[0] = 1
        y.mul_(2)
        y += 1
        return y - 3

    recording, found = operators(body)
    assert [node.type for node in found] == ["clone", "[…]=", "*=", "+=", "-"]
    assert [producer(recording, node.inputs[0].values[0]) for node in found[1:]] == ["clone", "[…]=", "*=", "+="]
    assert [("in-place" in node.marks) for node in found] == [False, True, True, True, False]


def test_a_write_through_a_view_reaches_the_whole():
    def body(_, x):
        y = x.clone()
        y[0].add_(5)
        return y * 2

    recording, found = operators(body)
    assert [node.type for node in found] == ["clone", "[…]", "+=", "*"]
    assert {producer(recording, value) for value in found[-1].inputs[0].values} == {"clone", "+="}


def test_a_view_reads_a_write_to_the_whole():
    def body(_, x):
        y = x.clone()
        view = y.view(16)
        y.add_(1)
        return view * 2

    recording, found = operators(body)
    assert {producer(recording, value) for value in found[-1].inputs[0].values} == {"view", "+="}


def test_out_is_a_write():
    def body(_, x):
        target = torch.empty(4, 4)
        torch.add(x, x, out=target)
        return target * 2

    recording, found = operators(body)
    assert [producer(recording, value) for value in found[-1].inputs[0].values] == ["torch.add"]


def test_an_operator_that_returns_nothing_writes_what_it_is_given():
    with torch.library._scoped_library("notebookviz_fill", "DEF") as library:
        library.define("fill(Tensor x, Tensor(a!) out) -> ()")
        library.impl("fill", lambda x, out: out.copy_(x) and None, "CPU")
        library.impl("fill", lambda x, out: None, "Meta")

        def body(_, x):
            target = torch.empty(4, 4)
            torch.ops.notebookviz_fill.fill(x + 1, target)
            return target * 2

        recording, found = operators(body)
    assert [node.type for node in found] == ["torch.empty", "+", "notebookviz_fill.fill", "*"]
    assert [producer(recording, value) for value in found[-1].inputs[0].values] == ["notebookviz_fill.fill"]
    assert found[2].marks == {"in-place", "uncounted"}


def test_a_buffer_that_forward_updates():
    def body(m, x):
        m.state += 1
        return x + m.state

    recording, found = operators(body)
    assert [node.type for node in found] == ["+=", "+"]
    assert [producer(recording, value) for value in found[1].inputs[1].values] == ["+="]
    assert "unused" not in found[0].marks


def test_a_result_nobody_uses_is_kept_and_marked():
    def body(_, x):
        torch.sigmoid(x)
        if x.sum() > 0:
            return x * 2
        return x + 1

    _, found = operators(body)
    assert {node.type: ("unused" in node.marks) for node in found} == {
        "torch.sigmoid": True,
        "sum": False,
        ">": False,
        "+": False,
    }


def test_an_identity_module_does_not_capture_its_neighbours_edges():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.skip = nn.Identity()
            self.linear = nn.Linear(4, 4)

        def forward(self, x):
            skip = self.skip(x)
            return self.linear(x) + skip

    recording = capture(Residual(), (X,))
    by_type = {node.type: node for node in recording.nodes if node.kind == "operator"}
    assert by_type["F.linear"].inputs[0].values == recording.inputs[0].values
    assert by_type["+"].inputs[1].values == by_type["identity"].outputs


def test_dropout_in_eval_is_a_node_of_its_own():
    recording = capture(nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 4)))
    linears = [node for node in recording.nodes if node.type == "F.linear"]
    dropout = next(node for node in recording.nodes if node.type == "F.dropout")
    assert dropout.inputs[0].values == linears[0].outputs
    assert linears[1].inputs[0].values == dropout.outputs


def test_an_operator_that_returns_its_input_does_not_capture_its_neighbours_edges():
    recording, found = operators(lambda _, x: (F.dropout(x, training=False), x.float(), x * 2)[2])
    assert [node.type for node in found] == ["F.dropout", "float", "*"]
    assert [node.inputs[0].values for node in found] == [recording.inputs[0].values] * 3


def test_a_shared_module_counts_its_calls():
    relu = nn.ReLU()
    recording = capture(nn.Sequential(nn.Linear(4, 4), relu, nn.Linear(4, 4), relu))
    assert [(node.path, node.call) for node in recording.nodes if node.type == "ReLU"] == [("1", 0), ("1", 1)]


def test_real_values_of_buffers_steer_the_pass():
    class Steered(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.register_buffer("count", torch.tensor(value))

        def forward(self, x):
            for _ in range(int(self.count)):
                x = x + 1
            return x * 2 if self.count.item() == 3 else x

    recording = capture(Steered(3), (X,))
    assert [node.type for node in recording.nodes[1:]] == ["+", "+", "+", "*"]
    assert recording.notes == ()


def test_a_size_that_depends_on_the_given_input_alone_is_not_assumed():
    recording, found = operators(lambda _, x: x[x > 0] * 2)
    assert [(node.type, node.marks) for node in found] == [(">", set()), ("[…]", set()), ("*", set())]
    assert recording.notes == ()


def test_a_torchscript_child_shows_its_operators():
    class Holds(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 4)
            self.scripted = torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))

        def forward(self, x):
            return self.scripted(self.first(x))

    with pytest.warns(FutureWarning):
        model = Holds()
    recording = capture(model, (X,))
    assert recording.failure is None
    assert recording.root.macs == 2 * 4 * 4 * 4
    inside = [node.type for node in recording.nodes if node.path == "scripted" and node.kind == "operator"]
    assert "aten.relu" in inside


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_where_torchscript_fails_is_one_line():
    model, x = torch.jit.script(nn.Sequential(nn.Linear(4, 2))), torch.zeros(1, 3)
    recording = capture(model, (x,))
    assert recording.failure.message == "TorchScript failed at: return F.linear(input, self.weight, self.bias)"
    with pytest.raises(RuntimeError) as caught:
        model(x)
    assert message(caught.value) == "addmm: mat1 and mat2 shapes cannot be multiplied (1x3 and 4x2)"


def test_module_nodes_say_what_they_are():
    class Block(nn.Sequential):
        """Does `two` things.

        And more.
        """

    recording = capture(Block(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU()), (torch.zeros(1, 3, 8, 8),))
    root, conv = recording.nodes[0], recording.nodes[1]
    assert root.doc == "Does two things."
    assert root.repr.splitlines()[1] == "  (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2))"
    assert conv.qualified == "torch.nn.modules.conv.Conv2d"
    settings = {item.name: item.value for item in conv.attributes}
    assert (settings["stride"], settings["in_channels"], settings["bias"]) == ("(2, 2)", "3", "True")
    assert [recording.initializers[item].name for item in conv.initializers] == ["0.weight", "0.bias"]


def test_a_write_through_a_view_leaves_the_whole_with_its_own_sizes():
    def body(_, x):
        whole = torch.zeros(2, 4, 4)
        whole[1].copy_(x)
        return whole

    recording, found = operators(body)
    copy = next(node for node in found if node.type == "copy_")
    assert [recording.values[value].type.shape for value in copy.outputs] == [(4, 4), (2, 4, 4)]
    assert recording.outputs[0].values == (copy.outputs[1],)


def test_gradients_taken_in_forward_are_operators_that_cost():
    recording = capture(python.KINDS["backward in forward"]().model, (torch.rand(2, 4),))
    found = {node.type: node for node in recording.nodes if node.kind == "operator"}
    assert recording.failure is None
    assert found["F.linear"].macs == 2 * 4 * 4
    assert found["backward"].macs == 2 * 2 * 4 * 4, "of the input and of the weight"
    recording = capture(python.KINDS["gradients taken in forward"]().model, (torch.rand(2, 4),))
    (grad,) = (node for node in recording.nodes if node.type == "torch.autograd.grad")
    assert grad.macs == 2 * 4 * 4


def test_a_nested_tensor_has_the_sizes_of_its_largest_parts():
    recording = capture(python.KINDS["nested tensors in forward"]().model, (torch.rand(2, 5, 4),))
    (layer,) = (node for node in recording.nodes if node.type == "Linear")
    assert [recording.values[value].type.shape for value in layer.outputs] == [(2, 5, 4)]


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_a_nested_tensor_as_input(layout):
    x = torch.nested.nested_tensor([torch.rand(3, 8), torch.rand(5, 8)], layout=layout)
    recording = capture(Calls(lambda m, x: m.layer(x).to_padded_tensor(0.0), layer=nn.Linear(8, 4)), (x,))
    assert recording.failure is None
    assert recording.input_text == "2×5×8 float32"
    (layer,) = (node for node in recording.nodes if node.type == "Linear")
    assert [recording.values[value].type.shape for value in layer.outputs] == [(2, 5, 4)]


def test_what_vmap_gives_back_has_the_sizes_of_the_whole():
    def body(m, x):
        return torch.func.vmap(torch.func.jacrev(m.layer))(x).sum(1)

    recording = capture(Calls(body, layer=nn.Linear(4, 3)), (torch.rand(2, 4),))
    (layer,) = (node for node in recording.nodes if node.type == "Linear")
    assert [recording.values[value].type.shape for value in layer.outputs] == [(3,)]
    last = recorded.operators(recording)[-1]
    assert [recording.values[value].type.shape for value in last.inputs[0].values] == [(2, 3, 4)]
    assert [recording.values[value].type.shape for value in recording.outputs[0].values] == [(2, 4)]
