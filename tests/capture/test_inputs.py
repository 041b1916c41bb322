"""Inputs: what is inferred, and how what is given is read."""

from __future__ import annotations

import re
from collections import UserDict

import pytest
import torch
from torch import nn

from notebookviz.capture import capture, flow, inputs
from notebookviz.capture.typed_input import typed
from notebookviz.errors import InputError
from tests.capture import models
from tests.capture.awkward.wrapped import KINDS

CASES = [
    (lambda: nn.Linear(8, 2), "1×8 float32"),
    (lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), "1×784 float32"),
    (lambda: nn.Conv2d(3, 4, 3), "1×3×224×224 float32"),
    (lambda: nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(8 * 26 * 26, 10)), "1×1×28×28 float32"),
    (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 30 * 30, 10)), "1×3×32×32 float32"),
    (lambda: nn.Conv1d(2, 4, 3), "1×2×1024 float32"),
    (lambda: nn.Conv3d(2, 4, 3), "1×2×32×32×32 float32"),
    (lambda: nn.Sequential(nn.Embedding(9, 4), nn.LSTM(4, 4, batch_first=True)), "1×16 int64"),
    (lambda: nn.GRU(8, 4), "1×16×8 float32"),
    (lambda: nn.GRUCell(8, 4), "1×8 float32"),
    (lambda: nn.MultiheadAttention(8, 2), "1×16×8 float32, 1×16×8 float32, 1×16×8 float32"),
    (lambda: nn.TransformerEncoderLayer(8, 2, 16), "1×16×8 float32"),
    (lambda: nn.BatchNorm2d(5), "1×5×32×32 float32"),
    (lambda: nn.Linear(4, 4).half(), "1×4 float16"),
    (lambda: nn.Linear(4, 4, device="meta"), "1×4 float32"),
    (nn.ReLU, "1×3×224×224 float32"),
    (lambda: KINDS["dynamically quantised"]().model, "1×4 float32"),
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
        ("inception_v3", "1×3×224×224 float32"),
        ("r3d_18", "1×3×16×224×224 float32"),
        ("raft_small", "1×3×224×224 float32, 1×3×224×224 float32"),
        ("lraspp_mobilenet_v3_large", "1×3×224×224 float32"),
        ("ssdlite320_mobilenet_v3_large", "3×320×320 float32"),
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


def test_what_failed_passes_tell_leaves_a_turn_to_what_the_model_itself_offers():
    class Endless:
        """Each failed pass tells of a longer input."""

        def learn(self, _draft, now):
            yield (torch.zeros(1, now[0][0].shape[-1] + 1),), {}

    ladder = inputs.Ladder(nn.Linear(8, 2))
    ladder._calls = lambda: iter([((torch.zeros(1, 8),), {}), ((torch.zeros(1, 99),), {})])
    ladder._lessons = Endless()
    texts = []
    for _, _, text in ladder:
        texts.append(text)
        ladder.learn(None)
    assert len(texts) == inputs.LADDER
    assert texts.index("1×99 float32") == inputs.PURSUED + 1


def test_the_ladder_is_short_and_differs():
    texts = [text for _, _, text in inputs.Ladder(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(8, 8)))]
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
        ((UserDict({"x": X, "y": X.clone()}),), None, ["x", "y"]),
    ],
)
def test_how_arguments_are_read(args, kwargs, names):
    recording = capture(Two(), args, kwargs)
    assert recording.failure is None
    assert [item.name for item in recording.inputs] == names
    assert recording.input_inferred is False


def test_a_forward_that_takes_any_names_takes_a_dict_as_them():
    class Batch(nn.Module):
        def forward(self, **batch):
            return batch["x"] + batch["y"]

    recording = capture(Batch(), ({"x": X, "y": X.clone()},))
    assert recording.failure is None
    assert [item.name for item in recording.inputs] == ["x", "y"]


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


class ByName(nn.Module):
    def __init__(self):
        super().__init__()
        self.image_encoder, self.text_embedding = nn.Conv2d(3, 4, 3), nn.Embedding(9, 4)
        self.numbers = nn.Linear(7, 4)

    def forward(self, text, image, numbers, scale: float):
        found = self.image_encoder(image).mean((2, 3)) + self.text_embedding(text).mean(1)
        return found * scale + self.numbers(numbers)


class Late(nn.Module):
    """Registered in another order than called, and a size that is none of the usual ones."""

    def __init__(self):
        super().__init__()
        self.head, self.conv = nn.Linear(10, 2), nn.Conv2d(1, 4, 5)
        self.flat = nn.Linear(4 * 39 * 39, 10)

    def forward(self, x):
        return self.head(self.flat(self.conv(x).flatten(1)))


class Optional(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(10, 2), nn.Linear(3, 2)

    def forward(self, x, mask=None, other=None):
        first = self.a(x) if mask is None else mask
        return first + self.b(
            other,
        )


class Configured(nn.Module):
    def __init__(self):
        super().__init__()
        self.config = {"model": {"block_size": 24}}
        self.embed = nn.Embedding(50, 8)

    def forward(self, idx, targets=None):
        return self.embed(idx)


class Latent(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(100, 8, 4)

    def forward(self, z, steps: int):
        return self.up(z) * steps


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (ByName, "1×16 int64, 1×3×224×224 float32, 1×7 float32"),
        (Late, "1×1×43×43 float32"),
        (Optional, "1×10 float32, other 1×3 float32"),
        (Configured, "idx 1×24 int64"),
        (Latent, "1×100×1×1 float32"),
    ],
)
def test_names_settings_and_failed_passes_tell_what_goes_in(make, text):
    recording = capture(make())
    assert recording.failure is None
    assert (recording.input_text, recording.input_inferred) == (text, True)


class Holder(nn.Module):
    """A picture's channels and size are stated by its configuration, by an inner layer otherwise."""

    def __init__(self, **sizes):
        super().__init__()
        self.config = sizes
        self.vision = nn.Sequential(nn.ReLU(), nn.Conv2d(64, 8, 1))

    def forward(self, pixel_values):
        return pixel_values * 2


def test_the_configuration_outranks_an_inner_layer():
    text = capture(Holder(backbone={"num_channels": 3}, max_img_size=48)).input_text
    assert text == "pixel_values 1×3×48×48 float32"


def test_a_stated_size_takes_no_more_memory_than_an_input_should():
    (tensor,) = inputs.inferred(model := Holder(image_size=10**6, num_channels=3), capture(model).input_text)[
        1
    ].values()
    assert 2**20 < tensor.numel() <= 2**26
    assert tensor.shape[:2] == (1, 3)


def test_what_was_inferred_is_remembered_as_long_as_the_model_lives():
    model = nn.Linear(8, 2)
    text = capture(model).input_text
    args, kwargs = inputs.inferred(model, text)
    assert tuple(args[0].shape) == (1, 8)
    assert kwargs == {}
    assert inputs.inferred(model, "another") is None
    assert inputs.inferred(nn.Linear(8, 2), text) is None


GIVEN = ((torch.full((1, 4), 7),), {"y": torch.ones(2, 2)})


@pytest.mark.parametrize(
    ("text", "call", "shown"),
    [
        ("3x5", None, "3×5 float32"),
        ("x 3×5 float64, y 2×2", None, "x 3×5 float64, y 2×2 float32"),
        ("1*6, 2×2", GIVEN, "1×6 int64, y 2×2 float32"),
        ("1×4, y 2×3 float16", GIVEN, "1×4 int64, y 2×3 float16"),
        ("scalar", None, "scalar float32"),
    ],
)
def test_typed_inputs(text, call, shown):
    args, kwargs = typed(Two(), text, call)
    assert flow.input_text(args, kwargs) == shown


def test_typed_inputs_keep_values_and_containers():
    (listed,), _ = typed(One(), "2×3, 4×4", (([X, torch.ones(2, 2)],), {}))
    assert listed[0] is X
    assert tuple(listed[1].shape) == (4, 4)
    (ids,), _ = typed(Two(), "1×6, 2×2", GIVEN)
    assert ids.tolist() == [[7] * 6]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("what", "“what” is no size. Write it like 1×3×224×224."),
        ("", "“” is no size. Write it like 1×3×224×224."),
        ("1×4 float99", "“float99” is no dtype of torch. Write for instance float32 or int64."),
        ("1×4, q 1×4", "forward has no argument “q”. It takes x, y, z."),
        ("1×4, x 1×4", "“x” is given twice. Type it once."),
        ("99999×99999", "“99999×99999” has more than 2,147,483,648 numbers. Type a smaller size."),
    ],
)
def test_a_wrong_typed_input_is_one_sentence(text, said):
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"):
        typed(Two(), text, None)
