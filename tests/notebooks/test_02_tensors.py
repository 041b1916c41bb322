"""Tensors and shapes: what the tutorial prints."""

from __future__ import annotations

import pytest


@pytest.mark.slow
def test_tensors(run):
    ran = run("02-tensors")
    said = ran.printed()
    assert "(600, 512, 3) torch.uint8" in said
    assert "(8, 8) instead of eight differences" in said
    assert ran.printed("for path, output in steps").splitlines()[-2:] == ["avgpool  1×2048×1×1", "fc       1×1000"]
    assert ran.printed("attempts = {").count("has no attribute") == 2
    assert "['diagflat', 'flatten', 'unflatten']" in said
    assert ran.displayed("image/png") == 4
