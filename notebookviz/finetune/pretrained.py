"""Which published weights a model has."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from notebookviz.loading import read_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Pretrained:
    """Weights of torchvision that a model has.

    Attributes:
        entry: The member of the weights' enumeration.
        tensors: The values that the model still has of them.
    """

    entry: Any
    tensors: Mapping[str, Tensor]


def recognised(recipe: Mapping[str, Any] | None, state: Mapping[str, Tensor]) -> Pretrained | None:
    """Weights of torchvision that lie in the download folder and are those of the model, but for its head.

    Args:
        recipe: How the model is built (:func:`notebookviz.finetune.recipes.model_recipe`).
        state: The model's tensors by name.
    """
    if recipe is None or recipe["library"] != "torchvision":
        return None
    from torchvision.models import get_model_weights

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    for entry in get_model_weights(recipe["name"]):
        path = folder / str(entry.url).rpartition("/")[2]
        if not path.is_file():
            continue
        tensors = read_tensors(path)
        same = [key for key, value in tensors.items() if key in state and equal(value, state[key])]
        if len(same) > len(state) // 2:
            return Pretrained(entry, {key: tensors[key] for key in same})
    return None


def public_name(entry: Any) -> str:  # noqa: ANN401 - a member of one of torchvision's enumerations
    """Where ``import torchvision`` finds a member.

    Example:
        >>> from torchvision.models import segmentation
        >>> public_name(segmentation.FCN_ResNet50_Weights.DEFAULT)
        'torchvision.models.segmentation.FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1'
    """
    kind = type(entry)
    places = ("torchvision.models", kind.__module__.rpartition(".")[0])
    place = next(each for each in places if getattr(importlib.import_module(each), kind.__name__, None) is kind)
    return f"{place}.{kind.__name__}.{entry.name}"


def equal(one: Tensor | None, other: Tensor) -> bool:
    """Whether two tensors are the same, wherever the second one is."""
    return one is not None and one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other.cpu())
