"""How images become what a model takes: as its weights want it, by what the notebook has, or by size alone."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import torch

from notebookviz.capture import naming
from notebookviz.errors import InputError
from notebookviz.finetune import recipes
from notebookviz.finetune.pretrained import public_name, recognised
from notebookviz.finetune.processed import Processed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

SIZED: Final = "*"  # chosen as preprocessing: by size alone; no variable is called so
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as models of torchvision want it
_TELLING: Final = re.compile(r"transform(?!er)|preprocess|prepare", re.IGNORECASE)
_HOMES: Final = ("torchvision.transforms.", "timm.data.transforms")
_COLOURS: Final = 3


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What turns a PIL image into a tensor.

    Attributes:
        transform: It.
        text: How images are prepared, as a sentence.
        origin: What plain code makes it from: the weights' enumeration member, or ``timm.data.create_transform``.
        settings: What ``origin`` is called with.
    """

    transform: Any
    text: str
    origin: Any = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def own_preprocessing(
    model: nn.Module, image: tuple[int, int, int] | None, namespace: Mapping[str, Any]
) -> Preprocessing | None:
    """What a model's weights want, where that can be known; no code of the user's runs.

    Known are: weights of torchvision that a variable of the notebook names, or that lie in the download folder; the
    settings that a model of timm carries; the image processor of transformers that a variable holds, or that lies
    beside the model's weights.

    Args:
        model: The model.
        image: Channels, height and width that it was traced with; None where it took no image.
        namespace: The notebook's variables.

    Example:
        >>> import torchvision
        >>> names = {"weights": torchvision.models.ResNet18_Weights.DEFAULT}
        >>> own_preprocessing(torchvision.models.resnet18(), None, names).text
        'Images are prepared by ResNet18_Weights.IMAGENET1K_V1.transforms().'
    """
    if image is not None and image[0] != _COLOURS:
        return None  # published preprocessing is for colours
    model = naming.unwrap(model)
    return _of_torchvision(model, namespace) or _of_timm(model, image) or _of_transformers(model, namespace)


def sized(image: tuple[int, int, int]) -> Preprocessing:
    """By size alone: as wide as the model takes images, with ImageNet's mean and deviation.

    Args:
        image: Channels, height and width.

    Example:
        >>> sized((1, 28, 28)).text
        'Images become grey, 28×28.'
    """
    from torchvision import transforms

    channels, height, width = image
    steps = [transforms.Resize((height, width)), transforms.ToTensor()]
    if channels == 1:
        steps.insert(0, transforms.Grayscale())
    else:
        steps.append(transforms.Normalize(_MEAN, _STD))
    done = f"grey, {height}×{width}" if channels == 1 else f"{height}×{width}, normalised as for ImageNet"
    return Preprocessing(transforms.Compose(steps), f"Images become {done}.")


def find_transforms(namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The notebook's own preprocessing: transforms, weights, image processors, and functions whose name says so.

    Example:
        >>> dict(find_transforms({"number": 3, "my_transform": len}))
        {'my_transform': <built-in function len>}
    """
    for name, value in list(namespace.items()):
        if not isinstance(name, str) or name.startswith("_"):
            continue
        kind = type(value)
        home = f"{kind.__module__}."
        telling = _TELLING.search(name) is not None and callable(value) and not issubclass(kind, type)
        known = home.startswith(_HOMES) and callable(value)
        if telling or known or _is_weights(kind) or _is_processor(kind):
            yield name, value


def chosen_preprocessing(name: str, namespace: Mapping[str, Any]) -> Preprocessing:
    """What a variable of the notebook prepares.

    Raises:
        InputError: There is no such variable any more.
    """
    for each, value in find_transforms(namespace):
        if each == name:
            kind = type(value)
            if _is_weights(kind):
                return Preprocessing(value.transforms(), f"Images are prepared by {name}.transforms().", value)
            transform = Processed(value) if _is_processor(kind) else value
            lost = (
                ""
                if recipes.transform_recipe(transform)
                else (" A checkpoint can't hold it: pass it again to load_fine_tuned(folder, transform=…).")
            )
            return Preprocessing(transform, f"Images are prepared by {name}.{lost}")
    raise InputError(f"{name!r} is no preprocessing of this notebook any more.", hint="Look again, and choose another.")


def _is_weights(kind: type) -> bool:
    models = sys.modules.get("torchvision.models")
    return models is not None and issubclass(kind, models.WeightsEnum)


def _is_processor(kind: type) -> bool:
    base = sys.modules.get("transformers.image_processing_base")
    return base is not None and issubclass(kind, base.ImageProcessingMixin)


def _of_torchvision(model: nn.Module, namespace: Mapping[str, Any]) -> Preprocessing | None:
    homes = {type(module).__module__ for module in model.modules()}
    if not any(home.startswith("torchvision.models.") for home in homes):
        return None
    values = [value for value in list(namespace.values()) if _is_weights(type(value))]
    named = list(dict.fromkeys(value for value in values if type(value).__module__ in homes))
    if len(named) == 1:
        return _by_entry(named[0])
    recipe = recipes.model_recipe(model)
    if recipe is None:
        return None
    from torchvision.models import get_model_weights

    named = [entry for entry in named if isinstance(entry, get_model_weights(recipe["name"]))]
    if len(named) == 1:
        return _by_entry(named[0])
    state = {key: value for key, value in model.state_dict().items() if isinstance(value, torch.Tensor)}
    found = recognised(recipe, state)
    return None if found is None else _by_entry(found.entry)


def _by_entry(entry: Any) -> Preprocessing:  # noqa: ANN401 - a member of an enumeration
    name = public_name(entry).rpartition("models.")[2]
    return Preprocessing(entry.transforms(), f"Images are prepared by {name}.transforms().", entry)


def _of_timm(model: nn.Module, image: tuple[int, int, int] | None) -> Preprocessing | None:
    """A model of timm carries its settings (``pretrained_cfg``)."""
    carried = getattr(model, "pretrained_cfg", None)
    if "timm" not in sys.modules or not isinstance(carried, Mapping) or "input_size" not in carried:
        return None
    data: Any = importlib.import_module("timm.data")
    given: dict[str, Any] = {}
    if image is not None and carried.get("fixed_input_size") and tuple(carried["input_size"]) != image:
        given["input_size"] = image  # it was built for another size than its weights
    settings = data.resolve_data_config(given, pretrained_cfg=dict(carried))
    name = ".".join(str(carried[key]) for key in ("architecture", "tag") if carried.get(key))
    height, width = settings["input_size"][1:]
    text = f"Images are prepared as timm does for {name or type(model).__name__}: {height}×{width}."
    return Preprocessing(data.create_transform(**settings), text, data.create_transform, settings)


def _of_transformers(model: nn.Module, namespace: Mapping[str, Any]) -> Preprocessing | None:
    if not type(model).__module__.startswith("transformers.") and not hasattr(model, "config"):
        return None
    held = {id(value): name for name, value in list(namespace.items()) if _is_processor(type(value))}
    if len(held) == 1:
        name = next(iter(held.values()))
        return Preprocessing(Processed(namespace[name]), f"Images are prepared by {name}.")
    place = getattr(getattr(model, "config", None), "_name_or_path", "")
    if not isinstance(place, str) or not place:
        return None
    with suppress(Exception):  # there is none, or one of another library
        loader: Any = importlib.import_module("transformers").AutoImageProcessor
        # What was downloaded with the weights; nothing is fetched, and no code of the repository runs.
        processor = loader.from_pretrained(place, local_files_only=True, trust_remote_code=False)
        return Preprocessing(Processed(processor), f"Images are prepared by {type(processor).__name__} of {place!r}.")
    return None
