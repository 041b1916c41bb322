"""The quickstart, run by ``make demo``: what it prints and the files that it leaves."""

from __future__ import annotations

import subprocess

import pytest

from tests.docs.pages import ROOT
from tests.docs.shell import HERE, MAKE, NO_NETWORK


@pytest.mark.slow
def test_quickstart(examine, timed):
    with timed("01-quickstart"):
        done = subprocess.run(
            [*MAKE, "demo"],
            cwd=ROOT,
            env={**HERE, **NO_NETWORK},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert str(ROOT / "artifacts" / "resnet50.html") in done.stdout
    ran = examine(ROOT / "artifacts" / "01-quickstart.ipynb")
    said = ran.printed()
    assert "25,557,032 parameters" in said
    assert "4.09 billion multiplications" in said
    assert ran.printed("row.params > 2_000_000").count("layer4.") == 4
    assert ran.printed("saved.check.sentence").startswith("Agrees with PyTorch on 3 inputs")
    assert "2.2 times smaller" in said
    assert (ran.folder / "resnet50.html").stat().st_size > 100_000
    assert (ran.folder / "resnet50.onnx").stat().st_size > 90_000_000
