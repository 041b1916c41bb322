"""torchvision's published figures: a fixed sample of its 121 models, one or more of each family."""

from __future__ import annotations

import pytest

from notebookviz.capture import capture
from tests.capture import published

SAMPLE = (
    "alexnet",
    "convnext_tiny",
    "deeplabv3_mobilenet_v3_large",
    "densenet121",
    "efficientnet_b0",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fcos_resnet50_fpn",
    "googlenet",
    "keypointrcnn_resnet50_fpn",
    "lraspp_mobilenet_v3_large",
    "maskrcnn_resnet50_fpn_v2",
    "mnasnet0_5",
    "mobilenet_v3_small",
    "mvit_v2_s",
    "quantized_inception_v3",
    "r2plus1d_18",
    "raft_small",
    "regnet_y_400mf",
    "resnet50",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "ssdlite320_mobilenet_v3_large",
    "swin_v2_t",
    "vgg11",
    "vit_b_16",
)


@pytest.mark.parametrize("name", SAMPLE)
def test_parameters_match_exactly_and_macs_within_one_percent(name):
    found = published.check([name], say=lambda _: None)
    assert found
    for item in found:
        assert item.params == item.published_params, item
        assert item.holds, item


def test_the_published_figure_that_is_rounded_by_hand():
    """0.04 is published; the architecture's own arithmetic: 3×3 depthwise and 1×1 convolutions of half the channels."""
    total = 112 * 112 * 24 * 3 * 9
    side, taken = 56, 24
    for width, repeats in ((48, 4), (96, 8), (192, 4)):
        half, area = width // 2, (side // 2) ** 2
        total += area * taken * 9 + area * taken * half
        total += side * side * taken * half + area * half * 9 + area * half * half
        total += (repeats - 1) * (2 * area * half * half + area * half * 9)
        side, taken = side // 2, width
    total += 7 * 7 * 192 * 1024 + 1024 * 1000
    assert [item.macs for item in published.check(["shufflenet_v2_x0_5"], say=lambda _: None)] == [total]
    assert round(total / 1e9, 2) == 0.04


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_a_model_that_is_really_quantised_costs_what_is_published_without_an_input_given():
    import torchvision

    model = torchvision.models.get_model("quantized_mobilenet_v2", quantize=True)
    recording = capture(model)
    assert (recording.failure, recording.tensors, recording.input_inferred) == (None, "real", True)
    assert recording.root.macs / 1e9 == pytest.approx(0.301, rel=0.01)


def test_every_model_has_an_entry():
    assert len({name for name, _ in published.entries()}) >= 121
    assert len(published.ROUNDED) <= 3
