"""scikit-learn's digits, and small networks for them."""

from __future__ import annotations

import functools

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

HELD_OUT = 357


@functools.cache
def tensors():
    """All images (1,797 × 1 × 8 × 8, from 0 to 1) and their digits."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return torch.tensor(data.images, dtype=torch.float32)[:, None] / 16, torch.tensor(data.target)


def data(seed=0, digits=range(10)):
    """Training and held-out data of some digits, numbered from 0."""
    images, labels = tensors()
    chosen = torch.isin(labels, torch.tensor(list(digits)))
    images, labels = images[chosen], labels[chosen] - min(digits)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    cut = len(images) - HELD_OUT * len(images) // 1797
    parts = [order[:cut], order[cut:]]
    return [TensorDataset(images[part], labels[part]) for part in parts]


def loaders(seed=0, digits=range(10), batch_size=64):
    train, held_out = data(seed, digits)
    return DataLoader(train, batch_size=batch_size, shuffle=True), DataLoader(held_out, batch_size=256)


def network(classes=10, seed=0):
    """A small convolutional network with BatchNorm."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
        nn.Linear(512, classes),
    )


def plain(classes=10, seed=0):
    """A small network with dropout and without BatchNorm."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, classes))


def accuracy(model, loader):
    model.eval()
    with torch.no_grad():
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in loader)
    return right / len(loader.dataset)
