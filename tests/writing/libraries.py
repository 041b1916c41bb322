"""Models of libraries, and images in folders: cells that need nothing from the cells above them."""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader, Subset

from notebookviz import Augmented, add_lora, replace_head, train_only

WEIGHTS = "shufflenetv2_x0.5-f707e7126e.pth"  # where torchvision keeps what it has downloaded


def make_folder(folder):
    """Twelve images of two classes, and "downloaded" weights."""
    import torchvision
    from PIL import Image

    for label in ("cat", "dog"):
        (folder / "pets" / label).mkdir(parents=True)
        for number in range(6):
            pixels = torch.randint(256, (40, 40, 3), generator=torch.Generator().manual_seed(number), dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(folder / "pets" / label / f"{number}.png")
    torch.manual_seed(5)
    home = folder / "home" / "hub" / "checkpoints"
    home.mkdir(parents=True)
    torch.save(torchvision.models.shufflenet_v2_x0_5().state_dict(), home / WEIGHTS)


def pictures(folder):
    """A pre-trained model of torchvision with a new head, on augmented images."""
    import torchvision
    from torchvision.transforms import v2

    torch.hub.set_dir(folder / "home" / "hub")
    weights = torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1
    model = torchvision.models.shufflenet_v2_x0_5(weights=weights)
    replace_head(model, 2, seed=3)
    train_only(model, "head", "conv5")
    data = torchvision.datasets.ImageFolder(str(folder / "pets"), transform=weights.transforms())
    order = torch.randperm(12, generator=torch.Generator().manual_seed(3)).tolist()
    change = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomErasing(p=0.5)])
    train = Augmented(Subset(data, sorted(order[4:])), change, seed=1)
    val = Subset(data, sorted(order[:4]))
    options = {"epochs": 2, "seed": 3, "layer_decay": 0.5}
    return model, DataLoader(train, batch_size=4, shuffle=True), DataLoader(val, batch_size=4), options


def folders(folder):
    """Models whose own preprocessing the Fine-tune tab finds for images in a folder: by name, with their variables."""
    import timm
    import torchvision
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    place = {"place": str(folder / "pets")}
    torch.manual_seed(4)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8
    )
    vit = folder / "vit"
    ViTForImageClassification(config).save_pretrained(vit)
    ViTImageProcessor(size={"height": 32, "width": 32}, image_mean=[0.1, 0.2, 0.3]).save_pretrained(vit)
    weights = torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1
    return {
        "folder, torchvision": (torchvision.models.shufflenet_v2_x0_5(), {**place, "wanted": weights}),
        "folder, timm": (timm.create_model("mobilenetv3_small_050", pretrained=False), place),
        "folder, transformers": (ViTForImageClassification.from_pretrained(vit), place),
    }


def beside():
    """A model of transformers with LoRA whose first values no seed gives."""
    model, train, val, options, rows = sentences()
    torch.manual_seed(77)
    add_lora(model, "*query", "*value", rank=2)
    return model, train, val, options, rows


def sentences():
    """A model of transformers that makes its own loss."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(2)
    config = BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, num_labels=3
    )
    model = BertForSequenceClassification(config)
    rows = [{"input_ids": torch.randint(30, (6,)), "labels": torch.tensor(number % 3)} for number in range(12)]
    return model, DataLoader(rows, batch_size=4, shuffle=True), None, {"epochs": 2}, rows
