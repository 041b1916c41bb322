"""Small models for the export tests, each with one peculiarity."""

from __future__ import annotations

import threading
import types

import torch
from torch import nn


class Closures(nn.Module):
    """Lambdas, a lock, a generator, a plain tensor attribute; returns a dictionary with an input in it."""

    def __init__(self):
        super().__init__()
        factor = 2.0
        self.fc = nn.Linear(4, 4)
        self.scale = lambda x: x * factor
        self.lock = threading.Lock()
        self.numbers = (i for i in range(3))
        self.table = torch.arange(4.0)

    def forward(self, x):
        with self.lock:
            return {"y": self.scale(self.fc(x)) + self.table, "seen": [x, None, 3]}


class UsesGenerator(Closures):
    def forward(self, x):
        return x * next(self.numbers)


class Gate(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x * 2
        return x - 1


class Decides(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.gate = Gate()

    def forward(self, x):
        return self.gate(self.fc(x))


class WrongWidth(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(nn.Linear(4, 8), nn.Linear(4, 4))

    def forward(self, x):
        return self.blocks(x)


class Unsupported(nn.Module):
    def __init__(self):
        super().__init__()
        self.middle = nn.Sequential(Factor())

    def forward(self, x):
        return self.middle(x)


class Factor(nn.Module):
    def forward(self, x):
        return torch.linalg.qr(x)[0]


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.mix = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
        self.out = nn.Linear(4, 10, bias=False)
        self.out.weight = self.embed.weight
        self.again = self.embed
        self.register_forward_hook(lambda *_: 1 / 0)

    def forward(self, ids):
        return self.out(self.mix(self.embed(ids)))


class FixedBatch(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(12, 2))

    def forward(self, x):
        return x.reshape(1, 12) @ self.weight


class OnAccelerator(nn.Module):
    def __init__(self):
        super().__init__()
        self.device = torch.device("cuda")
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return self.fc(x.to(self.device)) + torch.ones(4, device="cuda") + torch.zeros(4, device=self.device).cuda()


class Images(nn.Module):
    """Takes a list of images, like a detection model."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)

    def forward(self, images):
        return [{"score": self.conv(image[None]).mean((2, 3))} for image in images]


class Swapped(nn.Module):
    """Two weights of the same shape, to plant a mistake in."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x):
        return self.norm(self.second(torch.relu(self.first(x))))


class Random(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return self.fc(x) + torch.rand(4)


class Stops(nn.Module):
    def forward(self, x):
        raise SystemExit(3)


class Slow(nn.Module):
    """Keeps the export process busy for a minute."""

    def forward(self, x):
        import time

        end = time.monotonic() + 60
        while time.monotonic() < end:
            sum(range(1000))
        return x


class Complex(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("phase", torch.randn(4, dtype=torch.complex64))

    def forward(self, x):
        return torch.view_as_real(torch.view_as_complex(x) * self.phase)


class Experts(nn.Module):
    """Has a configuration as transformers' mixtures of experts have."""

    def __init__(self):
        super().__init__()
        self.config = types.SimpleNamespace(_experts_implementation="grouped_mm", use_cache=True)

    def forward(self, x, use_cache=True):
        if self.config._experts_implementation != "batched_mm":
            raise RuntimeError("grouped")
        return {"y": x * 2, "cache": [x * 3] if use_cache else None}


class Branches(nn.Module):
    """Only the TorchScript exporter can do it, and it keeps the example's branch."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.b = nn.Linear(4, 4)

    def forward(self, x):
        y = self.a(x)
        if y.sum().item() > self.floor:
            y = self.b(y)
        return y

    floor = 0.0


class Logs(nn.Module):
    def forward(self, x):
        return torch.log(x)
