"""The cells give the losses of fine_tune to the bit, in a process that has no notebookviz."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from notebookviz import fine_tune, fine_tune_cells
from tests.writing import training

RUNNER = Path(__file__).with_name("running.py")
NAMES = list(training.trainings())


def above(index):
    """What stands in the notebook above the cells."""
    return f"{inspect.getsource(training)}\nmodel, train_loader, val_loader, options = trainings()[{index!r}]"


def run(jobs, folder):
    (folder / "jobs.json").write_text(json.dumps(jobs))
    command = [sys.executable, str(RUNNER), str(folder / "jobs.json"), str(folder / "results.json")]
    subprocess.run(command, cwd=folder, check=True, timeout=240)
    return json.loads((folder / "results.json").read_text())


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """By name: the epochs of fine_tune, and what the cells did."""
    folder = tmp_path_factory.mktemp("cells")
    jobs, epochs = {}, {}
    for number, (name, (model, train, val, options)) in enumerate(training.trainings().items()):
        names = {**vars(training), "model": model, "train_loader": train, "val_loader": val}
        cells = fine_tune_cells(model, train, val, names=names, start=folder / f"{number}.safetensors", **options)
        jobs[name] = [above(name), *cells]
        epochs[name] = fine_tune(model, train, val, verbose=False, **options).epochs
    return epochs, run(jobs, folder)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_to_the_bit(pairs, name):
    epochs, ran = pairs[0][name], pairs[1][name]
    assert not ran["error"], ran["error"]
    assert [row["train_loss"] for row in ran["history"]] == [epoch.train_loss.hex() for epoch in epochs]
    if epochs[0].val_loss is not None:
        assert [row["val_loss"] for row in ran["history"]] == [epoch.val_loss.hex() for epoch in epochs]
    assert "notebookviz is not installed here, so the model is not drawn." in ran["said"]
    for row, epoch in zip(ran["history"], epochs, strict=True):
        for key, value in epoch.metrics.items():
            if key.startswith("val_"):
                assert float.fromhex(row[key]) == pytest.approx(value, abs=1e-5), key


def test_nothing_is_trained_and_nothing_drawn(tmp_path):
    model, train, val, _ = training.trainings()["plain"]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    names = {**vars(training), "model": model}
    fine_tune_cells(model, train, val, names=names, start=tmp_path / "start.safetensors")
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
