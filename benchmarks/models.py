"""The models that the benchmarks in a browser look at, as cells of a notebook."""

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
LARGE: Final = {
    "llama-3-8b": """
import torch, transformers
config = transformers.LlamaConfig(
    vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
    num_key_value_heads=8, max_position_embeddings=8192,
)
with torch.device("meta"):
    model = transformers.LlamaForCausalLM(config).eval()
""",
}
"""Shown only: the old road takes their weights."""
