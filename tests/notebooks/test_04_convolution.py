"""Convolution by hand: what its loops count, its gradients, and which rotations are wrong."""

from __future__ import annotations

import re

import pytest


@pytest.mark.slow
def test_convolution(run):
    ran = run("04-convolution")
    assert "sum: 12.0" in ran.printed()
    assert "3,456 multiplications" in ran.printed()
    checked = re.findall(r"(\w+) +largest difference (\S+)", ran.printed('("bias", dbias, layer.bias.grad)'))
    assert [name for name, _ in checked] == ["bias", "weight", "input"]
    assert max(float(difference) for _, difference in checked) < 1e-12
    verdicts = ran.printed("def input_gradient").splitlines()
    assert [line.split()[-1] for line in verdicts] == ["WRONG", "WRONG", "WRONG", "right"]
    wrong, mended = map(float, re.findall(r"difference (\S+)", ran.printed("mended = ")))
    assert wrong > 1
    assert mended < 1e-12
    assert "64 times fewer" in ran.printed()
    assert ran.displayed("image/png") == 2
