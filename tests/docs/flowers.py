"""What a newcomer has: pictures in folders by class, and weights that torchvision has downloaded before.

The weights are made here, since no test has a network: a file of the right name, shapes and types. What its layers look
for is random; its statistics fit pictures, so that colours reach the head.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import torch
import torchvision

if TYPE_CHECKING:
    from PIL import Image

COLOURS = {"daisy": torch.tensor([0.95, 0.95, 0.3]), "rose": torch.tensor([0.6, 0.0, 0.1])}


def plant(folder: Path) -> dict[str, str]:
    """Write ``flowers/`` and ``rose.jpg`` into a folder; returns what the environment needs besides."""
    torch.manual_seed(0)
    for part, count in (("train", 16), ("val", 4)):
        for kind, colour in COLOURS.items():
            place = folder / "flowers" / part / kind
            place.mkdir(parents=True)
            for number in range(count):
                _picture(colour).save(place / f"{number}.jpg")
    _picture(COLOURS["rose"]).save(folder / "rose.jpg")
    name = Path(urlsplit(torchvision.models.ResNet18_Weights.DEFAULT.url).path).name
    checkpoints = folder / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.save(_body().state_dict(), checkpoints / name)
    return {"TORCH_HOME": str(folder / "torch")}


def _body() -> torch.nn.Module:
    prepare = torchvision.models.ResNet18_Weights.DEFAULT.transforms()
    body = torchvision.models.resnet18()
    for module in body.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean of all that was seen
    with torch.no_grad():
        body(torch.stack([prepare(_picture(torch.rand(3))) for _ in range(8)]))
    return body


def _picture(colour: torch.Tensor) -> Image.Image:
    pixels = (colour[:, None, None] + 0.2 * torch.randn(3, 64, 64)).clamp(0, 1)
    return torchvision.transforms.functional.to_pil_image(pixels)
