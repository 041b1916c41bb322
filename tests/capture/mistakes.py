"""Ten mistakes that beginners make, each in a small model with an input that meets it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (its usual name)


class Net(nn.Module):
    """Two convolutions and a linear layer; the sizes may be wrong."""

    def __init__(self, channels=6, features=6272):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3)
        self.conv2 = nn.Conv2d(channels, 8, 3)
        self.fc = nn.Linear(features, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = x.flatten(1)
        return self.fc(x)


class Doubles(nn.Module):
    """Computes in float64 half-way."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 8)
        self.fc2 = nn.Linear(8, 2)

    def forward(self, x):
        x = self.fc1(x).double()
        return self.fc2(x)


class Elsewhere(nn.Module):
    """Makes a tensor on another device."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        noise = torch.zeros(4, device="meta")
        return self.fc(x) + noise


class Headed(nn.Module):
    """The head does not fit the body."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(32, 5)

    def forward(self, x):
        features = self.body(x)
        return self.head(features)


class Joins(nn.Module):
    """Joins two pictures of different size."""

    def __init__(self):
        super().__init__()
        self.small = nn.Conv2d(3, 4, 3)
        self.large = nn.Conv2d(3, 4, 5)

    def forward(self, x):
        return torch.cat([self.small(x), self.large(x)], dim=1)


class Reads(nn.Module):
    """Wants (batch, time, features)."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(16, 8, batch_first=True)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.fc(out[:, -1])


class Loss(nn.Module):
    """Subtracts (N,) from (N, 1)."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 1)

    def forward(self, x, y):
        error = self.fc(x) - y
        return error.square().mean()


class Words(nn.Module):
    """Looks words up in a table of ten."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 8)
        self.fc = nn.Linear(8, 2)

    def forward(self, ids):
        vectors = self.table(ids)
        return self.fc(vectors.mean(1))


PICTURES = torch.zeros(2, 3, 32, 32)
FAILING = {
    "flatten": (Net(features=100), (PICTURES,)),
    "channels": (Net(channels=5), (PICTURES,)),
    "batch": (Net(), (PICTURES[0],)),
    "dtype": (Doubles(), (torch.zeros(2, 4),)),
    "device": (Elsewhere(), (torch.zeros(2, 4),)),
    "head": (Headed(), (PICTURES,)),
    "cat": (Joins(), (PICTURES,)),
    "sequence": (Reads(), (torch.zeros(2, 16, 20),)),
}
