"""Images are prepared as the model's weights want them, in the tab, in the checkpoint and when it predicts."""

from __future__ import annotations

import threading

import pytest
import timm
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision import transforms
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

from notebookviz import load_fine_tuned
from notebookviz.finetune.preprocessing import find_transforms, own_preprocessing
from notebookviz.finetune.recipes import build_transform, transform_recipe
from notebookviz.finetune.session import Session
from notebookviz.finetune.settings import Settings
from notebookviz.finetune.story import Story

WEIGHTS = torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1
IMAGE = (3, 224, 224)


def picture(seed=0, width=90, height=60):
    pixels = torch.randint(256, (height, width, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return Image.fromarray(pixels.numpy())


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    for label in ("cat", "dog"):
        (folder / label).mkdir()
        for number in range(4):
            picture(number).save(folder / label / f"{number}.png")
    return folder


def tiny(size=32):
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=size, patch_size=8
    )
    return ViTForImageClassification(config)


def session(model, image=IMAGE, **variables):
    return Session(lambda: model, lambda: variables, lambda: image, Story(lambda _: None))


def same(one, other):
    return torch.equal(one(picture()), other(picture()))


def test_weights_that_a_variable_names_say_how():
    model = torchvision.models.shufflenet_v2_x0_5()
    names = {"weights": WEIGHTS, "others": torchvision.models.ResNet50_Weights.IMAGENET1K_V2}
    found = own_preprocessing(model, IMAGE, names)
    assert found.text == "Images are prepared by ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1.transforms()."
    assert same(found.transform, WEIGHTS.transforms())
    assert own_preprocessing(model, IMAGE, {}) is None
    assert own_preprocessing(model, (1, 28, 28), names) is None, "published preprocessing is for colours"


def test_of_several_weights_those_of_this_model_are_taken():
    names = {
        "small": torchvision.models.ResNet18_Weights.IMAGENET1K_V1,
        "large": torchvision.models.ResNet50_Weights.IMAGENET1K_V2,
    }
    found = own_preprocessing(torchvision.models.resnet50(), IMAGE, names)
    assert found.origin is torchvision.models.ResNet50_Weights.IMAGENET1K_V2
    both = names | {"old": torchvision.models.ResNet50_Weights.IMAGENET1K_V1}
    assert own_preprocessing(torchvision.models.resnet50(), IMAGE, both) is None, "nobody knows which"


def test_weights_that_were_downloaded_are_recognised_and_stay_known_when_they_change(tmp_path, pets, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    model = torchvision.models.shufflenet_v2_x0_5()
    torch.save(model.state_dict(), tmp_path / "checkpoints" / WEIGHTS.url.rpartition("/")[2])
    found = session(model, place=str(pets))
    wanted = "Images are prepared by ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1.transforms()."
    assert found.plan(Settings(source="place", batch=2, share=0.5))["data"]["text"].endswith(wanted)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    assert own_preprocessing(model, IMAGE, {}) is None
    found.known()
    assert found.plan(Settings(source="place", batch=4, share=0.5))["data"]["text"].endswith(wanted)


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "inception_v4", "mobilenetv3_small_050"])
def test_a_model_of_timm_carries_its_own(name):
    model = timm.create_model(name, pretrained=False)
    found = own_preprocessing(model, None, {})
    assert found.text.startswith(f"Images are prepared as timm does for {name}")
    wanted = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    assert same(found.transform, wanted)
    assert same(build_transform(transform_recipe(found.transform)), wanted)


def test_a_timm_model_of_another_size_than_its_weights_gets_its_size():
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, img_size=64)
    found = own_preprocessing(model, (3, 64, 64), {})
    assert found.transform(picture()).shape == (3, 64, 64)
    assert found.text.endswith("64×64.")


def test_an_image_processor_of_a_variable_or_beside_the_weights_is_taken(tmp_path):
    processor = ViTImageProcessor(size={"height": 32, "width": 32}, image_mean=[0.1, 0.2, 0.3])
    wanted = processor(picture(), return_tensors="pt")["pixel_values"][0]
    assert own_preprocessing(tiny(), (3, 32, 32), {}) is None
    by_name = own_preprocessing(tiny(), (3, 32, 32), {"processor": processor})
    assert by_name.text == "Images are prepared by processor."
    assert torch.equal(by_name.transform(picture()), wanted)
    processor.save_pretrained(tmp_path)
    tiny().save_pretrained(tmp_path)
    beside = own_preprocessing(ViTForImageClassification.from_pretrained(tmp_path), (3, 32, 32), {})
    assert torch.equal(beside.transform(picture()), wanted)
    assert "ViTImageProcessor" in beside.text


def test_preprocessing_of_the_notebook_is_listed_and_can_be_chosen(pets):
    mine = transforms.Compose([transforms.Resize((16, 16)), transforms.ToTensor()])
    variables = {
        "place": str(pets),
        "mine": mine,
        "my_transform": lambda image: torch.zeros(3, 16, 16),
        "transformer": nn.Linear(2, 2),
        "weights": WEIGHTS,
        "Compose": transforms.Compose,
        "number": 3,
    }
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 2))
    found = session(model, (3, 16, 16), **variables)
    listed = [(each["key"], each["text"]) for each in found.known()["transforms"]]
    assert listed == [
        ("mine", "Compose"),
        ("my_transform", "function"),
        ("weights", "ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1"),
    ]
    assert [name for name, _ in find_transforms(variables)] == [name for name, _ in listed]

    def said(transform):
        return found.plan(Settings(source="place", batch=2, share=0.5, transform=transform))["data"]

    assert said("mine")["text"].endswith("to validate. Images are prepared by mine.")
    assert said("my_transform")["text"].endswith(
        "by my_transform. A checkpoint can't hold it: pass it again to load_fine_tuned(folder, transform=…)."
    )
    assert said("*")["text"].endswith("to validate. Images become 16×16, normalised as for ImageNet.")
    assert said("")["text"].endswith(
        "to validate. How its weights want images is not known. Images become 16×16, normalised as for ImageNet. Other "
        "preprocessing can be chosen: a variable with a transform, or with the weights."
    )
    assert (
        said("gone")["error"] == "'gone' is no preprocessing of this notebook any more. Look again, and choose another."
    )
    with found.tried(Settings(source="place", batch=2, share=0.5, transform="mine", head="keep")) as (_, data, _):
        assert data.train.dataset.dataset.transform is mine
    none = session(model, None, place=str(pets)).plan(Settings(source="place"))
    assert none["data"]["error"] == "place holds images; the model takes none. Choose other data."


def models():
    """By name: the model, its input, and the notebook's variables."""
    processor = ViTImageProcessor(size={"height": 32, "width": 32}, image_mean=[0.1, 0.2, 0.3])
    return {
        "torchvision": (torchvision.models.shufflenet_v2_x0_5(), IMAGE, {"weights": WEIGHTS}),
        "timm": (timm.create_model("mobilenetv3_small_050", pretrained=False), IMAGE, {}),
        "transformers": (tiny(), (3, 32, 32), {"processor": processor}),
    }


@pytest.mark.parametrize("name", ["torchvision", "timm", "transformers"])
def test_what_was_trained_predicts_with_the_same_preprocessing(name, pets, tmp_path):
    model, image, variables = models()[name]
    found = session(model, image, place=str(pets), **variables)
    folder = tmp_path / "run"
    settings = Settings(source="place", batch=3, share=0.25, epochs=1, folder=str(folder))
    found.run(settings, threading.Event(), lambda: None)
    own = own_preprocessing(model, image, variables)
    again = load_fine_tuned(folder, which="last")
    picture(9).save(tmp_path / "new.png")
    with torch.no_grad():
        scores = model.eval()(own.transform(picture(9))[None])
    scores = getattr(scores, "logits", scores)[0].softmax(0)
    said = dict(again.predict(tmp_path / "new.png"))
    assert set(said) == {"cat", "dog"}
    assert [said["cat"], said["dog"]] == pytest.approx(scores.tolist(), abs=1e-6)
