"""Augmentation is drawn by epoch and sample alone."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from notebookviz import Augmented, fine_tune


def noisy(x):
    return x + torch.randn(x.shape) + random.random() + float(np.random.rand())  # noqa: NPY002


def data(seed=0):
    return Augmented(TensorDataset(torch.zeros(8, 3), torch.arange(8) % 2), noisy, seed)


def test_what_is_drawn_depends_on_seed_epoch_and_sample():
    one, other = data(), data()
    torch.manual_seed(99)
    assert torch.equal(one[3][0], other[3][0])
    assert not torch.equal(one[3][0], one[4][0])
    assert not torch.equal(one[3][0], data(1)[3][0])
    other.set_epoch(1)
    assert not torch.equal(one[3][0], other[3][0])


def test_workers_and_order_change_nothing():
    alone = torch.cat([x for x, _ in DataLoader(data(), batch_size=3)])
    several = torch.cat([x for x, _ in DataLoader(data(), batch_size=2, num_workers=2)])
    assert torch.equal(alone, several)


def test_the_generators_stay_as_they_were():
    state = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    data()[0]
    now = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    assert torch.equal(state[0], now[0])
    assert state[1:] == now[1:]


def test_fine_tune_tells_the_epoch():
    seen = []

    class Watched(Augmented):
        def __getitem__(self, at):
            seen.append(self.epoch)
            return super().__getitem__(at)

    found = Watched(TensorDataset(torch.zeros(8, 3), torch.arange(8) % 2), noisy)
    fine_tune(nn.Linear(3, 2), DataLoader(found, batch_size=4), epochs=2, verbose=False)
    assert seen[-16:] == [1] * 8 + [2] * 8
