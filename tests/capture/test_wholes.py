"""Functions that are known whole give and cost what their parts do."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.nn import functional as F  # noqa: N812 (its usual name)
from torchvision.models import VisionTransformer

from notebookviz.capture import capture, wholes
from tests.capture.awkward.case import Calls

WIDE = torch.rand(2, 3, 8)
TABLE = torch.rand(4, 8)
HELD = (torch.rand(24, 8), torch.rand(24))
OUT = (torch.rand(8, 8), torch.rand(8))


def attended(query, key, held=HELD, out=OUT, **options):
    return F.multi_head_attention_forward, (query, key, key, 8, 2, *held, None, None, False, 0.0, *out), options


ANSWERED = {
    "linear": (F.linear, (WIDE, TABLE, torch.rand(4)), {}),
    "linear of a row": (F.linear, (torch.rand(8), TABLE), {}),
    "linear by name": (F.linear, (torch.rand(5, 2, 3, 8),), {"weight": TABLE, "bias": torch.rand(4)}),
    "layer norm": (F.layer_norm, (WIDE, (3, 8)), {"weight": torch.rand(3, 8), "bias": torch.rand(3, 8)}),
    "layer norm without weights": (F.layer_norm, (WIDE, [8]), {}),
    "dropout": (F.dropout, (WIDE, 0.5, False), {}),
    "self-attention": attended(WIDE, WIDE),
    "attention to others": attended(WIDE, torch.rand(5, 3, 8), need_weights=False),
    "weights of each head": attended(WIDE, torch.rand(5, 3, 8), average_attn_weights=False),
    "attention without bias": attended(WIDE, WIDE, (HELD[0], None), (OUT[0], None)),
}
RUN = {
    "linear of other features": (F.linear, (torch.rand(2, 7), TABLE), {}),
    "linear of another type": (F.linear, (WIDE.double(), TABLE), {}),
    "linear of another device": (F.linear, (WIDE, TABLE.to("meta")), {}),
    "linear of nothing": (F.linear, (torch.rand(0, 8), TABLE), {}),
    "linear of what is turned": (F.linear, (torch.rand(3, 2, 8).transpose(0, 1), TABLE), {}),
    "linear with a bias too long": (F.linear, (WIDE, TABLE, torch.rand(5)), {}),
    "linear of small floats": (F.linear, (WIDE.to(torch.float8_e4m3fn), TABLE.to(torch.float8_e4m3fn)), {}),
    "layer norm of another size": (F.layer_norm, (WIDE, (4,)), {}),
    "layer norm of a number": (F.layer_norm, (WIDE, 8), {}),
    "layer norm with other weights": (F.layer_norm, (WIDE, (8,)), {"weight": torch.rand(4)}),
    "dropout that drops": (F.dropout, (WIDE,), {}),
    "dropout of too much": (F.dropout, (WIDE, 1.5, False), {}),
    "attention with a mask": attended(WIDE, WIDE, attn_mask=torch.zeros(2, 2)),
    "attention to another batch": attended(WIDE, torch.rand(5, 4, 8)),
    "attention of one item": attended(WIDE[:, 0], WIDE[:, 0]),
    "causal attention without a mask": attended(WIDE, WIDE, is_causal=True),
}


def answered(case):
    func, args, kwargs = case
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, torch.no_grad():
        fake = lambda item: mode.from_tensor(item) if isinstance(item, torch.Tensor) else item  # noqa: E731
        args, kwargs = tuple(map(fake, args)), {name: fake(item) for name, item in kwargs.items()}
        found = wholes.answer(func, args, kwargs)
        return found, func(*args, **kwargs) if found is not None else None


def facts(result):
    results = result if isinstance(result, tuple) else (result,)
    return [
        (type(item), item.shape, item.stride(), item.dtype, item.device, item.requires_grad)
        if isinstance(item, FakeTensor)
        else item
        for item in results
    ]


@pytest.mark.parametrize("name", ANSWERED)
def test_it_gives_what_running_it_gives(name):
    found, wanted = answered(ANSWERED[name])
    assert facts(found[0]) == facts(wanted)


@pytest.mark.parametrize("name", RUN)
def test_what_is_unusual_is_run(name):
    assert answered(RUN[name])[0] is None


def test_gradients_and_autocast_are_run():
    func, args, _ = ANSWERED["linear"]
    assert wholes.answer(func, args, {}) is None
    with torch.no_grad(), torch.autocast("cpu"):
        assert wholes.answer(func, args, {}) is None


MODELS = {
    "vision transformer": lambda: (VisionTransformer(32, 16, 2, 2, 8, 16), (torch.rand(1, 3, 32, 32),)),
    "encoder": lambda: (
        nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2, enable_nested_tensor=False),
        (torch.rand(5, 3, 8),),
    ),
    "transformer": lambda: (nn.Transformer(8, 2, 1, 1, 16, batch_first=True), (WIDE, torch.rand(2, 5, 8))),
    "weights of attention": lambda: (
        Calls(lambda m, x: m.attention(x, x, x, average_attn_weights=False), attention=nn.MultiheadAttention(8, 4)),
        (WIDE,),
    ),
    "one item": lambda: (Calls(lambda m, x: m.a(x, x, x), a=nn.MultiheadAttention(8, 4)), (WIDE[0],)),
    "other keys": lambda: (
        Calls(lambda m, x, y: m.a(x, y, y), a=nn.MultiheadAttention(8, 4, kdim=6, vdim=6)),
        (WIDE, torch.rand(4, 3, 6)),
    ),
    "layers": lambda: (
        nn.Sequential(nn.Linear(8, 4), nn.Dropout(), nn.LayerNorm(4), nn.Linear(4, 2, bias=False)),
        (WIDE,),
    ),
}


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", MODELS)
def test_recordings_are_the_same_without_it(name, mode, monkeypatch):
    model, inputs = MODELS[name]()
    asked = []
    whole = wholes.answer
    monkeypatch.setattr(wholes, "answer", lambda *given: asked.append(whole(*given)) or asked[-1])
    quick = capture(model, inputs, mode=mode)
    monkeypatch.setattr(wholes, "answer", lambda *_: None)
    slow = capture(model, inputs, mode=mode)
    assert any(asked) == (name not in ("one item", "other keys"))
    assert quick.failure is slow.failure is None
    assert [(node.type, node.macs, node.marks, node.inputs, node.outputs) for node in quick.nodes] == [
        (node.type, node.macs, node.marks, node.inputs, node.outputs) for node in slow.nodes
    ]
    assert quick.values == slow.values
