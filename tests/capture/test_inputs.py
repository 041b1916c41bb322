"""Inputs: what is inferred, and how what is given is read."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from notebookviz.capture import capture, inputs
from tests.capture import models

CASES = [
    (lambda: nn.Linear(8, 2), "1×8 float32"),
    (lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), "1×784 float32"),
    (lambda: nn.Conv2d(3, 4, 3), "1×3×224×224 float32"),
    (lambda: nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(8 * 26 * 26, 10)), "1×1×28×28 float32"),
    (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 30 * 30, 10)), "1×3×32×32 float32"),
    (lambda: nn.Conv1d(2, 4, 3), "1×2×1024 float32"),
    (lambda: nn.Conv3d(2, 4, 3), "1×2×16×112×112 float32"),
    (lambda: nn.Sequential(nn.Embedding(9, 4), nn.LSTM(4, 4, batch_first=True)), "1×16 int64"),
    (lambda: nn.GRU(8, 4), "1×16×8 float32"),
    (lambda: nn.GRUCell(8, 4), "1×8 float32"),
    (lambda: nn.MultiheadAttention(8, 2), "1×16×8 float32, 1×16×8 float32, 1×16×8 float32"),
    (lambda: nn.TransformerEncoderLayer(8, 2, 16), "1×16×8 float32"),
    (lambda: nn.BatchNorm2d(5), "1×5×32×32 float32"),
    (lambda: nn.Linear(4, 4).half(), "1×4 float16"),
    (lambda: nn.Linear(4, 4, device="meta"), "1×4 float32"),
    (nn.ReLU, "1×3×224×224 float32"),
]


@pytest.mark.parametrize(("make", "text"), CASES, ids=[text for _, text in CASES])
def test_ordinary_models_need_no_input(make, text):
    recording = capture(make())
    assert recording.failure is None
    assert (recording.input_text, recording.input_inferred) == (text, True)


@pytest.mark.parametrize("name", models.TRANSFORMERS)
def test_transformers_need_no_input_and_keep_their_configuration(name):
    model, _, _ = models.build(name)
    caches = getattr(model.config, "use_cache", None)
    recording = capture(model)
    assert recording.failure is None
    assert recording.input_text.endswith(("int64", "float32"))
    assert [item.name for item in recording.outputs] == ["logits"]
    assert getattr(model.config, "use_cache", None) is caches


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("inception_v3", "1×3×299×299 float32"),
        ("r3d_18", "1×3×16×224×224 float32"),
        ("raft_small", "1×3×512×512 float32, 1×3×512×512 float32"),
        ("lraspp_mobilenet_v3_large", "1×3×520×520 float32"),
        ("ssdlite320_mobilenet_v3_large", "3×800×800 float32"),
    ],
)
def test_each_kind_of_torchvision_model(name, text):
    import torchvision

    extra = {"init_weights": False} if name == "inception_v3" else {}
    if "mobilenet" in name:
        extra = {"weights_backbone": None}
    recording = capture(torchvision.models.get_model(name, weights=None, **extra))
    assert recording.failure is None
    assert recording.input_text == text


def test_the_ladder_is_short_and_differs():
    texts = [text for _, _, text in inputs.infer(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(8, 8)))]
    assert len(texts) == len(set(texts)) <= inputs.LADDER


class Two(nn.Module):
    def forward(self, x, y=None, *, z=None):
        return x if y is None else x + y


class One(nn.Module):
    def forward(self, things):
        self.seen = type(things)
        return things[0] if isinstance(things, list) else things["q"]


X = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("args", "kwargs", "names"),
    [
        ((X,), None, ["x"]),
        ((X, X.clone()), None, ["x", "y"]),
        (((X, X.clone()),), None, ["x", "y"]),
        (({"x": X, "y": X.clone()},), None, ["x", "y"]),
        ((X,), {"y": X.clone()}, ["x", "y"]),
        (({"x": X, "z": X.clone()},), None, ["x", "z"]),
    ],
)
def test_how_arguments_are_read(args, kwargs, names):
    recording = capture(Two(), args, kwargs)
    assert recording.failure is None
    assert [item.name for item in recording.inputs] == names
    assert recording.input_inferred is False


@pytest.mark.parametrize("thing", [[X], {"q": X}])
def test_a_list_or_another_dict_is_one_argument(thing):
    recording = capture(One(), (thing,))
    assert recording.failure is None
    assert [item.name for item in recording.inputs] == ["things[0]" if isinstance(thing, list) else "things.q"]


@pytest.mark.parametrize(
    ("model", "size", "dtypes", "text"),
    [
        (nn.Linear(4, 2), (3, 4), None, "3×4 float32"),
        (nn.Bilinear(3, 4, 5), [(1, 3), (1, 4)], None, "1×3 float32, 1×4 float32"),
        (nn.Embedding(9, 2), (1, 7), None, "1×7 int64"),
        (nn.Identity(), (1, 7), torch.uint8, "1×7 uint8"),
    ],
)
def test_input_size(model, size, dtypes, text):
    recording = capture(model, input_size=size, dtypes=dtypes)
    assert recording.failure is None
    assert recording.input_text == text
