"""The three models that every benchmark looks at, as cells of a notebook."""

from __future__ import annotations

from typing import Final

MODELS: Final = {
    "resnet50": """
import torch, torchvision
model = torchvision.models.resnet50().eval()
x = torch.randn(1, 3, 224, 224)
""",
    "vit_b_16": """
import torch, torchvision
model = torchvision.models.vit_b_16().eval()
x = torch.randn(1, 3, 224, 224)
""",
    "gpt2": """
import torch, transformers
model = transformers.GPT2Model(transformers.GPT2Config(use_cache=False)).eval()
x = torch.randint(0, 50257, (1, 128))
""",
}
