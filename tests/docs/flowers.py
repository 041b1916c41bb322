"""What a newcomer has: pictures in folders by class, and weights that torchvision has downloaded before.

The weights are made here, since no test has a network: a file of the right name, shapes and types, with random values.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import torch
import torchvision

if TYPE_CHECKING:
    from PIL import Image

COLOURS = {"daisy": (0.95, 0.95, 0.3), "rose": (0.6, 0.0, 0.1)}


def plant(folder: Path) -> dict[str, str]:
    """Write ``flowers/`` and ``rose.jpg`` into a folder; returns what the environment needs besides."""
    torch.manual_seed(0)
    for part, count in (("train", 16), ("val", 4)):
        for kind in COLOURS:
            place = folder / "flowers" / part / kind
            place.mkdir(parents=True)
            for number in range(count):
                _picture(kind).save(place / f"{number}.jpg")
    _picture("rose").save(folder / "rose.jpg")
    name = Path(urlsplit(torchvision.models.ResNet18_Weights.DEFAULT.url).path).name
    checkpoints = folder / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.save(torchvision.models.resnet18().state_dict(), checkpoints / name)
    return {"TORCH_HOME": str(folder / "torch")}


def _picture(kind: str) -> Image.Image:
    colour = torch.tensor(COLOURS[kind])[:, None, None]
    pixels = (colour + 0.2 * torch.randn(3, 64, 64)).clamp(0, 1)
    return torchvision.transforms.functional.to_pil_image(pixels)
