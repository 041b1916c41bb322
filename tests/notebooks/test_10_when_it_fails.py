"""Models that do not run, and those that run wrong."""

from __future__ import annotations

import pytest


@pytest.mark.slow
def test_when_it_fails(run):
    ran = run("10-when-it-fails")
    assert "where:   second.narrow" in ran.printed("panel.recording.failure")
    said = ran.printed("diagnose(")
    for hint in (
        "put the channels first with x.permute(0, 3, 1, 2).",
        "The input is uint8, the model's parameters are float32. Pass x.to(torch.float32).",
        "which has no batch dimension: pass x.unsqueeze(0)",
        "set in_features=8192 there",
        "takes 0 to 9, and the index at [0, 2] is 10",
        "The operator + got 1×8×16×16 and 1×16×8×8",
    ):
        assert hint in said
    assert "3 modules run but are not registered" in ran.printed("hidden.recording.notes")
    assert "Broadcasting: 8×1 - 8 gives 8×8" in ran.printed("broadcast.recording.notes")
    assert ran.printed("uncalled ==") == "['norm']\n"
    assert "the model can learn" in ran.printed("healthy, data")
    assert "it learns nothing" in ran.printed("Cut(healthy)")
