"""The learning rate finder."""

from __future__ import annotations

import math

import pytest
import torch

from notebookviz import InputError, find_learning_rate, fine_tune
from tests.finetune import digits


def test_the_suggestion_trains_and_the_model_is_put_back():
    model = digits.network().eval()
    model[0][0].weight.grad = torch.ones_like(model[0][0].weight)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random, modes = torch.get_rng_state(), [module.training for module in model.modules()]
    train, held_out = digits.loaders()
    found = find_learning_rate(model, train, steps=60)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert [module.training for module in model.modules()] == modes
    assert bool((model[0][0].weight.grad == 1).all())
    assert found.rates[0] == pytest.approx(1e-6)
    assert list(found.rates) == sorted(found.rates)
    assert 1e-5 < found.suggestion < 0.2
    assert str(found).endswith(f"the loss falls fastest at {found.suggestion:.1e}: try lr={found.suggestion:.1e}.")
    training = fine_tune(model, train, held_out, epochs=3, lr=found.suggestion, verbose=False)
    assert training.epochs[-1].metrics["val_accuracy"] > 0.9


def test_it_ends_early_when_the_loss_leaves_all_bounds():
    found = find_learning_rate(digits.plain(), digits.loaders()[0], highest=1e4, optimizer=torch.optim.SGD)
    assert len(found.rates) < 100
    assert max(found.losses[:-1]) < 5 * min(found.losses) or math.isfinite(found.losses[-1])


def test_a_loss_that_never_falls_gives_no_suggestion():
    found = find_learning_rate(
        digits.plain(), digits.loaders()[0], steps=10, lowest=1e-12, highest=2e-12, loss=lambda out, y: -(out * 0).sum()
    )
    assert found.suggestion is None
    assert "none lets the loss fall" in str(found)


def test_options_are_checked():
    with pytest.raises(InputError, match=r"^lowest is 1, highest 0\.1, steps 100\. Wanted are lowest below highest"):
        find_learning_rate(digits.plain(), digits.loaders()[0], lowest=1, highest=0.1)
