"""A network by hand: its gradients, its training, and what gradients that are zeroed in the wrong place do."""

from __future__ import annotations

import re

import pytest


@pytest.mark.slow
def test_by_hand(run):
    ran = run("03-by-hand")
    assert "121 numbers to learn" in ran.printed()
    mine, tried = re.findall(r"-?\d+\.\d{6}", ran.printed("the trial above gave"))
    assert float(mine) == pytest.approx(float(tried), abs=1e-5)
    differences = re.findall(r"largest difference (\S+)", ran.printed("largest difference"))
    assert len(differences) == 6
    assert max(map(float, differences)) < 1e-12
    start, end = map(float, re.findall(r"\d+\.\d+", ran.printed("losses[0]:.3f")))
    assert end < 0.2 * start
    stuck = re.findall(r"\d+\.\d+", ran.printed("zeroed_too_late[0]:.3f"))
    assert stuck[0] == stuck[1] == f"{start:.3f}"
    wandering, right = map(float, re.findall(r"\d\.\d+", ran.printed("in the last 100 steps")))
    assert wandering > 2 * right
