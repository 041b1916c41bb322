"""Trainings that are run by ``fine_tune`` and, as cells, in another process; the same code makes both start alike."""

from __future__ import annotations

import functools

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class TwoHeads(nn.Module):
    """Gives an auxiliary output while it trains."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU())
        self.fc = nn.Linear(16, 3)
        self.aux = nn.Linear(16, 3)

    def forward(self, x):
        body = self.body(x)
        return (self.fc(body), self.aux(body)) if self.training else self.fc(body)


class Words(nn.Module):
    """Scores for each word."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.fc = nn.Linear(8, 5)

    def forward(self, ids):
        return self.fc(self.embedding(ids))


def smooth(scores, targets):
    return torch.nn.functional.cross_entropy(scores, targets, label_smoothing=0.2)


def halving(optimizer):
    return torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)


def plain(outputs=3):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, outputs))


def normed():
    torch.manual_seed(1)
    first = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU())
    second = nn.Sequential(nn.Linear(16, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2))
    return nn.Sequential(first, second, nn.Linear(16, 3))


def seeded(kind):
    torch.manual_seed(1)
    return kind()


def numbers(count=70, width=8, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def classes(x):
    return (x[:, :3].argmax(1)).long()


x, more = numbers(), numbers(40, seed=1)
y, wanted = classes(x), classes(more)
void = torch.where(torch.arange(70) % 7 == 0, 255, y)
several = (x[:, :2] > 0).float()
sums = x.sum(1, keepdim=True)
ids = torch.randint(20, (70, 6), generator=torch.Generator().manual_seed(2))
words = torch.where(ids % 7 == 0, -100, ids % 5)


def loader(*tensors, **options):
    return DataLoader(TensorDataset(*tensors), **{"batch_size": 16, "shuffle": True, **options})


def trainings():
    """By name: the model, the two loaders, and the options."""
    val = loader(more, wanted, batch_size=32, shuffle=False)
    sgd = functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True)
    frozen = normed()
    frozen[0].requires_grad_(False)
    some_left_out = nn.CrossEntropyLoss(label_smoothing=0.1, ignore_index=255)
    own_order = loader(x, y, generator=torch.Generator())
    return {
        "plain": (plain(), loader(x, y), val, {}),
        "frozen norms, slower blocks": (frozen, loader(x, y), val, {"layer_decay": 0.5, "clip": 0.5, "seed": 3}),
        "accumulated": (plain(), loader(x, y), val, {"accumulate": 2, "clip": 1.0, "scheduler": "linear"}),
        "no validation": (plain(), own_order, None, {"scheduler": "constant", "warmup": 4}),
        "stops early": (plain(), loader(x, y), val, {"epochs": 9, "patience": 1, "lr": 0.5, "monitor": "val_accuracy"}),
        "bfloat16": (plain(), loader(x, y), val, {"precision": "bf16"}),
        "own optimiser": (plain(), loader(x, y), val, {"optimizer": sgd, "scheduler": halving, "lr": 0.05}),
        "loss by name": (plain(), loader(x, y), val, {"loss": smooth}),
        "loss of torch": (plain(), loader(x, void), loader(x, void), {"loss": some_left_out, "scheduler": None}),
        "several labels": (plain(2), loader(x, several), loader(x, several), {}),
        "numbers": (plain(1), loader(x, sums), loader(x, sums, shuffle=False), {}),
        "two heads": (seeded(TwoHeads), loader(x, y, drop_last=True), val, {"epochs": 2}),
        "two heads, bfloat16": (
            seeded(TwoHeads),
            loader(x, y, drop_last=True),
            val,
            {"epochs": 2, "precision": "bf16"},
        ),
        "words": (seeded(Words), loader(ids, words), loader(ids, words), {"lr": 0.01}),
    }
