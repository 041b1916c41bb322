"""The quickstart: what it prints and the files that it leaves."""

from __future__ import annotations

import pytest


@pytest.mark.slow
def test_quickstart(run):
    ran = run("01-quickstart")
    assert "25,557,032 parameters" in ran.printed()
    assert (ran.folder / "resnet50.html").stat().st_size > 100_000
    assert (ran.folder / "resnet50.onnx").stat().st_size > 90_000_000
