"""Losses and activations: slopes, what reaches the first layer, and two mistakes that raise nothing."""

from __future__ import annotations

import math
import re

import pytest


@pytest.mark.slow
def test_losses(run):
    ran = run("05-losses")
    said = ran.printed()
    assert "at w = 0 the slope is -18.67" in said
    assert "sigmoid  steepest 0.25" in said
    reached = dict(re.findall(r"(\w+) +first layer / last layer: (\S+)", said))
    assert float(reached["Sigmoid"]) < 1e-3
    assert float(reached["ReLU"]) > 0.1
    floor, wrong, mended = map(float, re.findall(r"\d\.\d+", ran.printed("min(wrong_losses) > floor")))
    assert floor == pytest.approx(math.log(math.e + 2) - 1, abs=1e-3)
    assert mended < 0.1 < floor < wrong
    assert "Target 1 is out of bounds." in said
    assert "all the losses there were: {0.0}" in said
    mended = re.findall(r"(two outputs|one output ): (\d\.\d+) right", said)
    assert len(mended) == 2
    assert all(float(part) > 0.95 for _, part in mended)
    assert ran.displayed("image/png") == 7
