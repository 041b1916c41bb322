"""The models that coverage is measured on: which, and how each is built with random weights."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.coverage.check import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

EVERY = 16
"""Of transformers' model classes every so many-th is taken."""
LARGEST = 350_000_000
"""Parameters of the largest timm model that is taken where its family has a smaller one."""
LARGE_FAMILY = 14
"""A timm family of so many names is looked at twice."""


class Excluded(Exception):  # noqa: N818 (not an error: the reason why a model is not counted)
    """The model can't be built here, for a reason that lies outside of notebookviz."""


@dataclass(frozen=True)
class Case:
    """One model: its library, its name there, and what builds it."""

    group: str
    name: str
    build: Callable[[], nn.Module | Subject]

    def subject(self) -> Subject:
        """What is looked at, in eval mode unless it was made on purpose in another."""
        built = self.build()
        return built if isinstance(built, Subject) else Subject(built.eval())


def all_cases() -> Iterator[Case]:
    """All models of all groups."""
    yield from torchvision_cases()
    yield from timm_cases()
    yield from transformers_cases()
    yield from diffusers_cases()
    yield from awkward_cases()


def torchvision_cases() -> Iterator[Case]:
    """All names that torchvision lists."""
    import torchvision

    for name in torchvision.models.list_models():
        yield Case("torchvision", name, lambda name=name: build_torchvision(name))


def build_torchvision(name: str) -> nn.Module:
    """The model without weights, and without those of its backbone."""
    import torchvision

    builder = torchvision.models.get_model_builder(name)
    extra: dict[str, Any] = {}
    if "weights_backbone" in inspect.signature(builder).parameters:
        extra["weights_backbone"] = None
    if name in ("googlenet", "inception_v3"):
        extra["init_weights"] = False  # minutes of drawing from a truncated normal distribution
    return builder(weights=None, **extra)


def timm_cases() -> Iterator[Case]:
    """The first name of each family, and the last one of each large family.

    A family is what one source file of timm offers under names that start with the same word.
    """
    import timm
    from timm.models import _registry

    families: dict[tuple[str, str], list[str]] = {}
    for name in timm.list_models():
        key = _registry._model_to_module[name], re.split(r"[_\d]", name)[0]  # noqa: SLF001 (timm tells it nowhere else)
        families.setdefault(key, []).append(name)
    for names in families.values():
        names.sort()
        yield Case("timm", names[0], lambda names=names: build_timm(names))
        if len(names) >= LARGE_FAMILY:
            yield Case("timm", names[-1], lambda names=names: build_timm(names[::-1]))


def build_timm(names: list[str]) -> Subject:
    """The first of these models that is not too large to be run; where all are too large the smallest."""
    import timm

    sizes: dict[str, int] = {}
    for name in names:
        with torch.device("meta"):
            sizes[name] = sum(item.numel() for item in timm.create_model(name, pretrained=False).parameters())
        if sizes[name] <= LARGEST:
            break
    chosen = min(sizes, key=sizes.__getitem__)
    return Subject(timm.create_model(chosen, pretrained=False).eval(), built=chosen)


def transformers_cases() -> Iterator[Case]:
    """Every ``EVERY``-th of the sorted list of model classes that transformers' auto classes know."""
    from transformers.models.auto import modeling_auto

    names: set[str] = set()
    for variable, mapping in vars(modeling_auto).items():
        if variable.startswith("MODEL_") and variable.endswith("MAPPING_NAMES"):
            for found in mapping.values():
                names.update((found,) if isinstance(found, str) else found)
    for name in sorted(names)[::EVERY]:
        yield Case("transformers", name, lambda name=name: build_transformers(name))


def build_transformers(name: str) -> nn.Module:
    """The model class with its own default configuration, shrunk."""
    import transformers

    from benchmarks.coverage.shrink import shrink

    kind = getattr(transformers, name, None)
    if kind is None:
        raise Excluded("transformers does not export it")
    if getattr(kind, "config_class", None) is None:
        raise Excluded("it has no configuration class")
    try:
        return kind(shrink(kind.config_class()))
    except ImportError as error:
        raise Excluded(f"needs another library: {str(error).strip().splitlines()[0]}") from error
    except Exception as error:
        try:
            with torch.device("meta"):
                kind(kind.config_class())
        except Exception:  # noqa: BLE001 (whatever a configuration raises)
            raise Excluded(f"its own default configuration can't be built: {error}") from error
        raise


def diffusers_cases() -> Iterator[Case]:
    """The two kinds of network that denoise: a U-Net and a transformer; and an autoencoder."""
    yield Case("diffusers", "UNet2DConditionModel", _unet)
    yield Case("diffusers", "UNet2DModel", _plain_unet)
    yield Case("diffusers", "AutoencoderKL", _autoencoder)
    yield Case("diffusers", "DiTTransformer2DModel", _dit)
    yield Case("diffusers", "FluxTransformer2DModel", _flux)
    yield Case("diffusers", "SD3Transformer2DModel", _sd3)


def _unet() -> nn.Module:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(block_out_channels=(32, 64, 64, 64), cross_attention_dim=64, sample_size=32)


def _plain_unet() -> nn.Module:
    from diffusers import UNet2DModel

    return UNet2DModel(sample_size=32, block_out_channels=(32, 64, 64, 64))


def _autoencoder() -> nn.Module:
    from diffusers import AutoencoderKL

    return AutoencoderKL(block_out_channels=(32,), sample_size=32)


def _dit() -> nn.Module:
    from diffusers import DiTTransformer2DModel

    return DiTTransformer2DModel(num_attention_heads=2, attention_head_dim=16, num_layers=2, sample_size=16)


def _flux() -> nn.Module:
    from diffusers import FluxTransformer2DModel

    return FluxTransformer2DModel(num_layers=1, num_single_layers=1, num_attention_heads=2)


def _sd3() -> nn.Module:
    from diffusers import SD3Transformer2DModel

    return SD3Transformer2DModel(num_layers=2, num_attention_heads=2, caption_projection_dim=128)


def awkward_cases() -> Iterator[Case]:
    """The hand-written models of every awkward kind; these have an input of their own."""
    from tests.capture.awkward import KINDS

    def build(name: str) -> Subject:
        case = KINDS[name]()
        return Subject(case.model, (case.args, case.kwargs), case.real, case.compare)

    for name in KINDS:
        yield Case("awkward", name, lambda name=name: build(name))


def of_group(*groups: str) -> Iterator[Case]:
    """The cases of these groups, of all where none is named."""
    return (case for case in all_cases() if not groups or case.group in groups)
