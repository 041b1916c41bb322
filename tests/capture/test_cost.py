"""Multiply-adds: sums that can be done by hand (torchvision's published figures: test_published.py)."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from notebookviz.capture import capture
from notebookviz.capture.cost import Rule
from notebookviz.capture.draft import Entry
from notebookviz.capture.formulas import FORMULAS
from tests.capture.awkward import KINDS
from tests.capture.awkward.case import Calls


def macs(body, *args, **kwargs):
    """Multiply-adds of a function or a module, and what the recording says besides."""
    recording = capture(body if isinstance(body, nn.Module) else Calls(lambda _, *xs: body(*xs)), args, kwargs)
    assert recording.failure is None, recording.failure
    return recording.root.macs, recording.notes


def zeros(*shapes):
    return [torch.zeros(shape) for shape in shapes]


PRODUCTS = {
    "mm": (torch.mm, [(2, 3), (3, 5)], 2 * 3 * 5),
    "mv": (torch.mv, [(2, 3), (3,)], 2 * 3),
    "dot": (torch.dot, [(3,), (3,)], 3),
    "vdot": (torch.vdot, [(3,), (3,)], 3),
    "inner": (torch.inner, [(3,), (3,)], 3),
    "bmm": (torch.bmm, [(7, 2, 3), (7, 3, 5)], 7 * 2 * 3 * 5),
    "addmm": (torch.addmm, [(2, 5), (2, 3), (3, 5)], 2 * 3 * 5),
    "addmm in place": (lambda c, a, b: c.addmm_(a, b), [(2, 5), (2, 3), (3, 5)], 2 * 3 * 5),
    "addmv": (torch.addmv, [(2,), (2, 3), (3,)], 2 * 3),
    "baddbmm": (torch.baddbmm, [(7, 2, 5), (7, 2, 3), (7, 3, 5)], 7 * 2 * 3 * 5),
    "addbmm": (torch.addbmm, [(2, 5), (7, 2, 3), (7, 3, 5)], 7 * 2 * 3 * 5),
    "matmul of matrix and vector": (torch.matmul, [(2, 3), (3,)], 2 * 3),
    "matmul that broadcasts": (torch.matmul, [(3, 1, 4, 5), (2, 5, 6)], 3 * 2 * 4 * 5 * 6),
    "matmul of a batch and a vector": (torch.matmul, [(3, 4, 5), (5,)], 3 * 4 * 5),
    "tensordot": (lambda a, b: torch.tensordot(a, b, ([1], [0])), [(4, 5), (5, 8)], 4 * 5 * 8),
    "multi_dot": (lambda a, b: torch.linalg.multi_dot([a, b, b]), [(4, 5), (5, 5)], 2 * 4 * 5 * 5),
    "einsum as bmm": (lambda a, b: torch.einsum("bij,bjk->bik", a, b), [(7, 2, 3), (7, 3, 5)], 7 * 2 * 3 * 5),
    "einsum of attention": (lambda q, k: torch.einsum("bthd,bshd->bhts", q, k), [(2, 5, 3, 4), (2, 6, 3, 4)], 720),
    "einsum of three": (lambda a, b: torch.einsum("ij,jk,kl->il", a, b, b), [(4, 5), (5, 5)], 2 * 4 * 5 * 5),
    "einsum as dot": (lambda a, b: torch.einsum("bi,bi->b", a, b), [(4, 5), (4, 5)], 4 * 5),
    "linear": (F.linear, [(2, 3), (5, 3)], 2 * 3 * 5),
    "linear of a vector": (F.linear, [(3,), (5, 3)], 3 * 5),
    "linear of any rank": (F.linear, [(2, 7, 4, 3), (5, 3), (5,)], 2 * 7 * 4 * 3 * 5),
    "bilinear": (F.bilinear, [(2, 3), (2, 4), (5, 3, 4)], 2 * 3 * 4 * 5),
}
CONVOLUTIONS = {
    "one dimension": (F.conv1d, [(2, 4, 8), (6, 4, 3)], 2 * 6 * 6 * 4 * 3),
    "two dimensions": (F.conv2d, [(1, 4, 8, 8), (6, 4, 3, 3)], 6 * 36 * 4 * 9),
    "three dimensions": (F.conv3d, [(1, 2, 5, 5, 5), (3, 2, 3, 3, 3)], 3 * 27 * 2 * 27),
    "grouped": (lambda x, w: F.conv2d(x, w, groups=2), [(1, 4, 8, 8), (6, 2, 3, 3)], 6 * 36 * 2 * 9),
    "depthwise": (lambda x, w: F.conv2d(x, w, groups=4), [(1, 4, 8, 8), (4, 1, 3, 3)], 4 * 36 * 9),
    "dilated": (lambda x, w: F.conv2d(x, w, dilation=2), [(1, 4, 8, 8), (6, 4, 3, 3)], 6 * 16 * 4 * 9),
    "stride and padding": (lambda x, w: F.conv2d(x, w, None, 2, 1), [(1, 4, 8, 8), (6, 4, 3, 3)], 6 * 16 * 4 * 9),
    "transposed 1-D": (F.conv_transpose1d, [(1, 4, 8), (4, 6, 3)], 4 * 8 * 6 * 3),
    "transposed 2-D": (F.conv_transpose2d, [(1, 4, 8, 8), (4, 6, 3, 3)], 4 * 64 * 6 * 9),
    "transposed 3-D": (F.conv_transpose3d, [(1, 2, 3, 3, 3), (2, 5, 2, 2, 2)], 2 * 27 * 5 * 8),
    "transposed and grouped": (
        lambda x, w: F.conv_transpose2d(x, w, groups=2, stride=2),
        [(1, 4, 8, 8), (4, 3, 3, 3)],
        4 * 64 * 3 * 9,
    ),
    "over time first": (F.conv_tbc, [(6, 1, 4), (3, 4, 5), (5,)], 4 * 5 * 3 * 4),
}
ATTENTION = {
    "self-attention": ([(1, 2, 5, 8)] * 3, {}, 2 * 5 * 5 * (8 + 8)),
    "other lengths and widths": ([(3, 2, 5, 8), (3, 2, 7, 8), (3, 2, 7, 6)], {}, 3 * 2 * 5 * 7 * (8 + 6)),
    "without heads": ([(4, 5, 8)] * 3, {}, 4 * 5 * 5 * 16),
    "causal": ([(1, 2, 5, 8)] * 3, {"is_causal": True}, 2 * 5 * 5 * 16),
    "masked": ([(1, 2, 5, 8)] * 3, {"attn_mask": torch.ones(5, 5, dtype=torch.bool)}, 2 * 5 * 5 * 16),
    "grouped queries": ([(1, 4, 5, 8), (1, 2, 7, 8), (1, 2, 7, 8)], {"enable_gqa": True}, 4 * 5 * 7 * 16),
}
FREE = {
    "softmax": (lambda x: F.softmax(x, -1), [(2, 3)]),
    "activation": (F.gelu, [(2, 3)]),
    "layer norm": (lambda x: F.layer_norm(x, (3,)), [(2, 3)]),
    "batch norm": (F.batch_norm, [(2, 3), (3,), (3,)]),
    "group norm": (lambda x: F.group_norm(x, 2), [(2, 4, 8)]),
    "RMS norm": (lambda x: F.rms_norm(x, (3,)), [(2, 3)]),
    "instance norm": (F.instance_norm, [(2, 4, 8)]),
    "pooling": (lambda x: F.adaptive_avg_pool2d(F.max_pool2d(x, 2), 1), [(1, 2, 8, 8)]),
    "interpolation": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), [(1, 2, 8, 8)]),
    "embedding": (lambda w: F.embedding(torch.arange(3), w), [(5, 4)]),
    "embedding bag": (lambda w: F.embedding_bag(torch.arange(3)[None], w), [(5, 4)]),
    "multiplication by elements": (lambda x: x * x + x.sum(), [(5, 4)]),
    "outer": (torch.outer, [(5,), (4,)]),
}
ALL = {**PRODUCTS, **CONVOLUTIONS}


@pytest.mark.parametrize(("body", "shapes", "expected"), ALL.values(), ids=ALL)
def test_by_hand(body, shapes, expected):
    assert macs(body, *zeros(*shapes)) == (expected, ())


@pytest.mark.parametrize(("shapes", "options", "expected"), ATTENTION.values(), ids=ATTENTION)
def test_attention_by_hand(shapes, options, expected):
    def attend(query, key, value):
        return F.scaled_dot_product_attention(query, key, value, **options)

    assert macs(attend, *zeros(*shapes)) == (expected, ())


@pytest.mark.parametrize(("body", "shapes"), FREE.values(), ids=FREE)
def test_what_counts_nothing(body, shapes):
    assert macs(body, *zeros(*shapes)) == (0, ())


def test_every_fused_attention_has_the_same_formula():
    aten = torch.ops.aten
    heads_first = [torch.zeros(1, 4, 5, 8, device="meta")] + [torch.zeros(1, 2, 7, 8, device="meta")] * 2
    heads_last = [item.transpose(1, 2) for item in heads_first]
    expected = 4 * 5 * 7 * 16
    fused = [name for name in FORMULAS if "scaled_dot_product" in name or name == "aten::_cudnn_attention_forward"]
    assert len(fused) >= 8
    assert {FORMULAS[name](heads_first, None) for name in fused} == {expected}
    for name in ("_flash_attention_forward", "_efficient_attention_forward"):
        assert hasattr(aten, name)
        assert FORMULAS[f"aten::{name}"](heads_last, None) == expected


def test_flex_attention():
    from torch.nn.attention.flex_attention import flex_attention

    assert macs(flex_attention, *zeros(*[(1, 2, 5, 8)] * 3)) == (2 * 5 * 5 * 16, ())


def test_deformable_convolution():
    from torchvision.ops import deform_conv2d

    found = macs(deform_conv2d, *zeros((1, 4, 8, 8), (1, 18, 6, 6), (6, 4, 3, 3)))
    assert found == (6 * 36 * 4 * 9, ())


def test_grouped_products_of_a_mixture_of_experts():
    rows, weights = torch.zeros(6, 16).bfloat16(), torch.zeros(2, 16, 8).bfloat16()
    ends = torch.tensor([2, 6], dtype=torch.int32)
    assert macs(lambda x, w: torch._grouped_mm(x, w, offs=ends), rows, weights) == (6 * 16 * 8, ())


@pytest.mark.parametrize("inference", [False, True])
def test_inference_mode_hides_nothing(inference):
    model = nn.Sequential(nn.Linear(4, 8), nn.Unflatten(1, (2, 4)), nn.Conv1d(2, 3, 3), nn.LSTM(2, 5))

    def body(x):
        with torch.inference_mode(inference):
            return model(x)

    assert macs(body, torch.zeros(2, 4))[0] == 2 * 4 * 8 + 2 * 3 * 2 * 2 * 3 + 2 * 3 * 20 * (2 + 5)


def test_an_operator_of_ones_own_is_unknown_and_said():
    with torch.library._scoped_library("notebookviz_test", "DEF") as library:
        library.define("attend(Tensor x) -> Tensor")
        library.impl("attend", lambda x: x @ x, "CPU")
        library.impl("attend", torch.empty_like, "Meta")

        def body(x):
            for _ in range(2):
                x = torch.ops.notebookviz_test.attend(x) + torch.linalg.inv(x)
            return x @ x

        recording = capture(Calls(lambda _, x: body(x)), (torch.eye(3),))
    assert recording.root.macs == 27
    assert recording.notes == ("MACs leave out notebookviz_test.attend ×2, torch.linalg.inv ×2: no formula is known.",)
    marked = [node.type for node in recording.nodes if "uncounted" in node.marks]
    assert marked == ["notebookviz_test.attend", "torch.linalg.inv"] * 2


def test_arguments_that_a_formula_does_not_know_are_said():
    assert Rule(torch.ops.aten.mm.default).costs
    entry = Entry(0, -1)
    Rule(torch.ops.aten.mm.default).charge(entry, (), None)
    assert (entry.macs, entry.marks) == (0, {"uncounted"})


def test_a_module_counts_all_that_it_calls():
    recording = capture(nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.Linear(8, 2), nn.ReLU())))
    macs = {node.path: node.macs for node in recording.nodes if node.kind == "module"}
    assert macs == {"": 48, "0": 32, "1": 16, "1.0": 16, "1.1": 0}


def test_attention_is_counted_in_both_modes():
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    x = torch.zeros(1, 5, 16)
    projections, attention, feed = 5 * 16 * 48 + 5 * 16 * 16, 2 * 5 * 5 * 16, 2 * 5 * 16 * 32
    for mode in ("eval", "train"):
        assert capture(layer, (x,), mode=mode).root.macs == projections + attention + feed


RECURRENT = {
    "LSTM": (nn.LSTM(10, 20), 6 * 80 * (10 + 20)),
    "LSTM of two layers both ways": (
        nn.LSTM(10, 20, 2, bidirectional=True),
        6 * 2 * 80 * (10 + 20) + 6 * 2 * 80 * (40 + 20),
    ),
    "LSTM with projection": (nn.LSTM(10, 20, proj_size=5), 6 * (80 * (10 + 5) + 20 * 5)),
    "LSTM without bias, batch first": (nn.LSTM(10, 20, bias=False, batch_first=True), 6 * 80 * (10 + 20)),
    "GRU": (nn.GRU(10, 20), 6 * 60 * (10 + 20)),
    "GRU of two layers both ways": (
        nn.GRU(10, 20, 2, bidirectional=True),
        6 * 2 * 60 * (10 + 20) + 6 * 2 * 60 * (40 + 20),
    ),
    "RNN": (nn.RNN(10, 20), 6 * 20 * (10 + 20)),
}
CELLS = {
    "LSTMCell": (nn.LSTMCell(10, 20), 80),
    "GRUCell": (nn.GRUCell(10, 20), 60),
    "RNNCell": (nn.RNNCell(10, 20), 20),
}


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize(("layer", "expected"), RECURRENT.values(), ids=RECURRENT)
def test_recurrent_layers_count_both_matrices_at_each_step(layer, expected, mode):
    assert capture(layer, (torch.zeros(3, 2, 10),), mode=mode).root.macs == expected


@pytest.mark.parametrize(("cell", "rows"), CELLS.values(), ids=CELLS)
def test_recurrent_cells_count_both_matrices(cell, rows):
    assert macs(cell, torch.zeros(2, 10)) == (2 * rows * (10 + 20), ())


@pytest.mark.parametrize(
    ("name", "packed_at"), [("aten::_cudnn_rnn", 1), ("aten::miopen_rnn", 1), ("aten::_lstm_mps", 2)]
)
def test_recurrent_operators_of_other_devices(name, packed_at):
    layer = nn.LSTM(10, 20, 2, bidirectional=True)
    args = [torch.zeros(3, 2, 10), None, None]
    args[packed_at] = list(layer.parameters())
    assert FORMULAS[name](tuple(args), None) == RECURRENT["LSTM of two layers both ways"][1]


@pytest.mark.parametrize("dtype", [torch.qint8, torch.float16])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_dynamically_quantised_layers_count_what_they_counted_before(dtype):
    kinds = (nn.Linear, nn.LSTM, nn.GRU, nn.LSTMCell, nn.GRUCell, nn.RNNCell)
    layers = [nn.Linear(10, 20), nn.LSTM(10, 20, 2, bidirectional=True), nn.GRU(10, 20, 2)]
    layers += [nn.LSTMCell(10, 20), nn.GRUCell(10, 20), nn.RNNCell(10, 20)]
    for layer in layers:
        x = torch.zeros(2, 10) if isinstance(layer, nn.RNNCellBase) else torch.zeros(3, 2, 10)
        expected, _ = macs(nn.Sequential(layer), x)
        quantised = torch.ao.quantization.quantize_dynamic(nn.Sequential(layer).eval(), set(kinds), dtype=dtype)
        assert type(quantised[0]) is not type(layer)
        assert macs(quantised, x)[0] == expected, layer


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_a_statically_quantised_model_counts_what_it_counted_before():
    case = KINDS["statically quantised"]()
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))
    assert macs(case.model, *case.args)[0] == macs(plain, *case.args)[0] == 4 * 36 * 3 * 9 + 4 * 36 * 5


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_scripted_model_shows_and_counts_each_operator_once():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 10))
    scripted = capture(torch.jit.script(model), (torch.zeros(1, 1, 8, 8),))
    types = [node.type for node in scripted.nodes if node.kind == "operator"]
    assert types.count("aten.convolution") == 1
    assert types.count("aten.addmm") == 1
    assert scripted.root.macs == capture(model, (torch.zeros(1, 1, 8, 8),)).root.macs


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_scripted_encoder_layer_counts_although_its_fast_path_is_one_operator():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    x = torch.zeros(2, 5, 8)
    scripted = capture(torch.jit.script(layer), (x,))
    assert [node.type for node in scripted.nodes if node.kind == "operator"] == ["aten._transformer_encoder_layer_fwd"]
    assert scripted.root.macs == capture(layer, (x,)).root.macs


def test_gradients_inside_count_as_their_products():
    class Penalty(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(2, 3, 3)

        def forward(self, x):
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                return torch.autograd.grad(self.conv(x).sum(), x)[0]

    forward = 3 * 6 * 2 * 3
    assert macs(Penalty(), torch.zeros(1, 2, 8)) == (2 * forward, ())
