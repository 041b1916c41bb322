"""Training a network and saving it."""

from __future__ import annotations

import pytest


@pytest.mark.slow
def test_training(run):
    ran = run("06-training")
    assert "Linear fc1 takes 2048 features and got 512" in ran.printed("failing.recording.failure.hint")
    accuracy = ran.printed("history = fit(net, train").removeprefix("held-out accuracy: ")
    assert float(accuracy.rstrip("%\n")) > 96
    helped = ran.printed("for name, one in found.items()").splitlines()
    assert [line.split()[0] for line in helped] == ["no", "L2", "dropout"]
    losses = [float(line.split(" loss ")[1].split(",")[0]) for line in helped]
    assert losses[0] == max(losses)
    assert "has no attribute 'state_dict'" in ran.printed("said = str(error)")
    assert "I-was-here has appeared" in ran.printed("never do this")
    refused = ran.printed("weights_only=True is the default") + ran.printed("refuses everything else")
    assert "Weights only load failed" in refused
    assert "to read it would run code from the file" in refused
    left = {path.name: path.stat().st_size for path in ran.folder.iterdir()}
    assert {"digits.pth", "digits-full.pt", "digits.safetensors", "free-model.pt"} == set(left)
    assert left["digits.safetensors"] < left["digits.pth"] < left["digits-full.pt"]
