"""Training on real data reaches what it should."""

from __future__ import annotations

import functools
import itertools

import pytest
import torch
from torch import nn

from notebookviz import fine_tune, replace_head
from tests.finetune import digits


@pytest.mark.parametrize("seed", range(3))
def test_digits_reach_97_percent_on_held_out_data(seed):
    train, held_out = digits.loaders(seed)
    model = digits.network(seed=seed)
    training = fine_tune(model, train, held_out, epochs=4, lr=5e-3, seed=seed, verbose=False)
    assert digits.accuracy(model, held_out) >= 0.97
    assert training.history["val_accuracy"].iloc[-1] == pytest.approx(digits.accuracy(model, held_out))


def _steps_to(accuracy, training):
    return next((item.step for item in training.epochs if item.metrics["val_accuracy"] >= accuracy), None)


class FirstBatches:
    """The first batches of each epoch of a loader, so that an epoch is short and its curve fine."""

    def __init__(self, loader, count):
        self.loader, self.count, self.sampler = loader, count, loader.sampler

    def __len__(self):
        return self.count

    def __iter__(self):
        return itertools.islice(self.loader, self.count)


def body(classes, seed):
    """Six convolutions without norms, which start slowly from random weights."""
    torch.manual_seed(seed)
    layers = [nn.Conv2d(1, 32, 3, padding=1), nn.ReLU()]
    for pool in (False, True, False, True, False):
        layers += [nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), *([nn.MaxPool2d(2)] if pool else [])]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, classes))


def steps_to(accuracy, training):
    return next((item.step for item in training.epochs if item.metrics["val_accuracy"] >= accuracy), None)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_trained_body_learns_new_digits_in_half_the_steps(seed, record_property):
    """Digits 0 to 4 first, then 5 to 9 with a new head, beside a random body under the same schedule."""
    trained = body(5, seed)
    fine_tune(trained, digits.loaders(seed, range(5))[0], epochs=10, lr=2e-3, seed=seed, verbose=False, metrics={})
    replace_head(trained, 5)
    few, held_out = digits.loaders(seed, range(5, 10), batch_size=32)
    sgd = functools.partial(torch.optim.SGD, momentum=0.9)
    curves = [
        fine_tune(
            model, FirstBatches(few, 10), held_out, epochs=epochs, lr=0.01, optimizer=sgd, clip=1.0,
            scheduler="constant", warmup=0, seed=seed, verbose=False,
        )
        for model, epochs in ((trained, 10), (body(5, seed + 100), 20))
    ]  # fmt: skip
    for name, curve in zip(("trained", "random"), curves, strict=True):
        record_property(name, [(item.step, item.metrics["val_accuracy"]) for item in curve.epochs])
    first, second = (steps_to(0.9, curve) for curve in curves)
    assert first is not None
    assert second is None or first <= second / 2, (first, second)
    assert first <= 100  # the random body had twice as many
