"""Code of cells that several tests run."""

from __future__ import annotations

from typing import Final

RESNET: Final = """
import torch, torchvision
from notebookviz import show
model = torchvision.models.resnet50()
panel = show(model)
"""

# Small enough to be quick; two levels, a skip connection, a module that is called twice, and one that is never called.
SMALL: Final = """
import torch
from torch import nn
from notebookviz import show

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(self.norm(x))))

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.blocks = nn.Sequential(Block(8), Block(8))
        self.shared = nn.GELU()
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        return self.shared(self.blocks(self.shared(self.first(x)))).mean(-1)

torch.manual_seed(0)
model = Small()
"""
SHOW_SMALL: Final = SMALL + "panel = show(model, torch.zeros(2, 6))\n"
