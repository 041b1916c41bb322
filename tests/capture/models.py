"""Small models of many families, with the input of a real run."""

from __future__ import annotations

import torch

TORCHVISION = (
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin_t",
    "vgg11",
    "vit_b_32",
)
TRANSFORMERS = ("gpt2", "bert", "vit", "llama")


def build(name, **settings):
    """A model with small random weights, in eval mode, and the keyword arguments of a real run."""
    torch.manual_seed(0)
    if name in TRANSFORMERS:
        model, kwargs = _transformer(name)
        return model.eval(), (), kwargs
    import torchvision

    extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model = torchvision.models.get_model(name, weights=None, **extra, **settings).eval()
    side = 224 if name in ("vit_b_32", "maxvit_t") else 96
    return model, (torch.rand(1, 3, side, side),), {}


def _transformer(name):
    import transformers

    ids = torch.arange(16).reshape(1, 16)
    small = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
    if name == "gpt2":
        config = transformers.GPT2Config(
            n_layer=2, n_embd=32, n_head=2, vocab_size=100, n_positions=64, bos_token_id=0, eos_token_id=0
        )
        return transformers.GPT2LMHeadModel(config), {"input_ids": ids, "use_cache": False}
    if name == "bert":
        config = transformers.BertConfig(**small, vocab_size=100)
        return transformers.BertForSequenceClassification(config), {"input_ids": ids}
    if name == "vit":
        config = transformers.ViTConfig(**small, image_size=32, patch_size=8)
        return transformers.ViTForImageClassification(config), {"pixel_values": torch.rand(1, 3, 32, 32)}
    config = transformers.LlamaConfig(**small, num_key_value_heads=1, vocab_size=100)
    return transformers.LlamaForCausalLM(config), {"input_ids": ids, "use_cache": False}
