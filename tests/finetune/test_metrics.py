"""Metrics of an epoch."""

from __future__ import annotations

import pytest
import torch
from torchmetrics import classification

from notebookviz.finetune.metrics import Meter, default_metrics


def test_the_default_metrics_are_torchmetrics_own():
    """One count gives both; ignored targets and classes that never occur count for nothing."""
    scores, targets = torch.randn(200, 6), torch.randint(0, 5, (200,))
    targets[:20] = -100
    scores[:, 5] = -100.0
    meter = Meter(default_metrics("single-label", 6), "single-label")
    for at in range(0, 200, 50):
        meter.add(scores[at : at + 50], targets[at : at + 50])
    options = {"num_classes": 6, "ignore_index": -100}
    wanted = {
        "accuracy": classification.MulticlassAccuracy(average="micro", **options)(scores, targets),
        "f1": classification.MulticlassF1Score(average="macro", **options)(scores, targets),
    }
    assert meter.values() == pytest.approx({name: float(value) for name, value in wanted.items()}, abs=1e-6)


@pytest.mark.parametrize("classes_at", [1, -1])
def test_sequences_of_different_lengths_are_counted_together(classes_at):
    """Scores of (batch, classes, length) can't be put side by side when the length changes."""
    meter = Meter(default_metrics("single-label", 3), "single-label")
    for length in (4, 4, 7, 4):
        targets = torch.randint(0, 3, (2, length))
        meter.add(torch.nn.functional.one_hot(targets, 3).movedim(-1, classes_at).float(), targets)
    assert meter.values() == {"accuracy": 1.0, "f1": 1.0}
