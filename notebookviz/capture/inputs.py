"""Inputs for a model that was given none: a short ladder of candidates, the likeliest first."""

from __future__ import annotations

import inspect
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from notebookviz.capture import flow, naming, transformer_inputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LADDER = 12
Candidate = tuple[tuple[Any, ...], dict[str, Any], str]
Shape = tuple[int, ...]

_TIMES = frozenset({"t", "timestep", "timesteps", "time", "step", "sigma", "noise_level"})
_IDS = ("ids", "token", "index", "indices", "idx", "user", "item", "src", "tgt", "label", "word")
_CONVOLUTIONS: dict[Any, int] = {
    nn.Conv1d: 1,
    nn.Conv2d: 2,
    nn.Conv3d: 3,
    nn.ConvTranspose1d: 1,
    nn.ConvTranspose2d: 2,
    nn.ConvTranspose3d: 3,
}
_SIDES: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((1024,), (128,), (16000,)),
    2: ((224, 224), (32, 32), (64, 64), (28, 28), (256, 256), (96, 96), (128, 128), (512, 512)),
    3: ((16, 112, 112), (16, 64, 64), (32, 32, 32), (16, 16, 16)),
}


def infer(model: nn.Module) -> Iterator[Candidate]:
    """Yield candidate inputs, the likeliest first, at most ``LADDER`` of them.

    Args:
        model: Any model.

    Yields:
        Positional arguments, keyword arguments, and both as one line of text.

    Example:
        >>> next(infer(nn.Linear(8, 2)))[2]
        '1×8 float32'
    """
    seen = set()
    for args, kwargs in islice(_calls(naming.unwrap(model)), 4 * LADDER):
        text = flow.input_text(args, kwargs)
        if text not in seen:
            seen.add(text)
            yield args, kwargs, text
        if len(seen) >= LADDER:
            return


def placement(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device of the model's first parameter and its first floating dtype."""
    device = None
    for _, tensor, _ in naming.tensors(model):
        device = device if device is not None else tensor.device
        if tensor.dtype.is_floating_point and tensor.dtype.itemsize > 1:
            return device, tensor.dtype
    return device or torch.device("cpu"), torch.float32


def wants_indices(model: nn.Module) -> bool:
    """Whether the first layer that holds parameters is an embedding."""
    first = _first_layer(model)
    return isinstance(first, (nn.Embedding, nn.EmbeddingBag))


def _calls(model: nn.Module) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    device, dtype = placement(model)
    example = model.__dict__.get("example_input_array")
    if isinstance(example, torch.Tensor):
        yield (example,), {}
    elif isinstance(example, tuple):
        yield example, {}
    elif isinstance(example, dict):
        yield (), example
    yield from (((), named) for named in transformer_inputs.calls(model, device, dtype))
    required, by_name = _required(model), _required_by_name(model)
    for shape in _published(model):
        yield _repeated(model, required, by_name, torch.zeros(shape, dtype=dtype, device=device))
    if _module_of(model).startswith("torchvision.models.detection"):
        yield ([torch.zeros(3, 800, 800, dtype=dtype, device=device)],), {}
        return
    if not required and not by_name and not _variadic(model):
        yield (), {}
        return
    for tensor in _generic(model, device, dtype):
        yield _repeated(model, required, by_name, tensor)


def _published(model: nn.Module) -> Iterator[Shape]:
    """Sizes that the model or its library states."""
    for name in ("pretrained_cfg", "default_cfg"):
        settings = model.__dict__.get(name)
        size = settings.get("input_size") if isinstance(settings, dict) else None
        if isinstance(size, (tuple, list)) and size and all(isinstance(item, int) for item in size):
            yield (1, *size)
    home = _module_of(model)
    if not home.startswith("torchvision.models.") or home.startswith("torchvision.models.detection"):
        return
    if home.startswith("torchvision.models.video"):
        yield from ((1, 3, 16, 224, 224), (1, 3, 16, 112, 112))
    elif home.startswith("torchvision.models.optical_flow"):
        yield from ((1, 3, 512, 512), (1, 3, 128, 128))
    elif home.startswith("torchvision.models.segmentation"):
        yield (1, 3, 520, 520)
    elif type(model).__name__.endswith("Inception3"):
        yield (1, 3, 299, 299)
    size = model.__dict__.get("image_size", 224)
    if isinstance(size, int) and not home.startswith(("torchvision.models.video", "torchvision.models.optical_flow")):
        yield (1, 3, size, size)


def _generic(model: nn.Module, device: torch.device, dtype: torch.dtype) -> Iterator[torch.Tensor]:
    """Sizes that suit the first layer that holds parameters."""
    for shape, indices in _shapes(_first_layer(model)):
        yield torch.zeros(shape, dtype=torch.int64 if indices else dtype, device=device)
    for layer in islice(_layers(model), 1, 4):
        for shape, indices in islice(_shapes(layer), 2):
            yield torch.zeros(shape, dtype=torch.int64 if indices else dtype, device=device)


def _shapes(layer: Any) -> Iterator[tuple[Shape, bool]]:  # noqa: ANN401, C901, PLR0912 (one branch for each layer)
    for kind, dimensions in _CONVOLUTIONS.items():
        if isinstance(layer, kind):
            channels = int(layer.in_channels)
            sides: Iterable[tuple[int, ...]] = _SIDES[dimensions]
            if dimensions == 2 and channels == 1:  # noqa: PLR2004
                sides = ((28, 28), *_SIDES[2])
            yield from (((1, channels, *side), False) for side in sides)
            return
    if isinstance(layer, (nn.Embedding, nn.EmbeddingBag)):
        yield from (((1, 16), True), ((1, 64), True), ((1,), True), ((16, 1), True))
    elif isinstance(layer, nn.Linear):
        width = int(layer.in_features)
        yield from (((1, width), False), ((1, 16, width), False))
        side = int(width**0.5)
        if side * side == width:
            yield (1, 1, side, side), False
        side = int((width / 3) ** 0.5)
        if 3 * side * side == width:
            yield (1, 3, side, side), False
    elif isinstance(layer, nn.RNNBase):
        yield from (((1, 16, int(layer.input_size)), False), ((16, 1, int(layer.input_size)), False))
    elif isinstance(layer, (nn.RNNCellBase, nn.Bilinear)):
        yield (1, _width(layer)), False
    elif isinstance(layer, nn.MultiheadAttention):
        yield (1, 16, int(layer.embed_dim)), False
    elif isinstance(layer, (nn.LayerNorm, nn.RMSNorm)):
        yield from (((1, *layer.normalized_shape), False), ((1, 16, *layer.normalized_shape), False))
    elif isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm2d)):
        width = int(layer.num_features)
        yield from (((2, width), False), ((1, width, 32, 32), False), ((1, width, 64), False))
    elif isinstance(layer, nn.GroupNorm):
        yield (1, int(layer.num_channels), 32, 32), False
    elif layer is None:
        yield from (((1, 3, 224, 224), False), ((1, 16), False))


def _width(layer: Any) -> int:  # noqa: ANN401
    return int(layer.in1_features if isinstance(layer, nn.Bilinear) else layer.input_size)


def _layers(model: nn.Module) -> Iterator[nn.Module]:
    """Layers that hold parameters and whose class says what goes in, in the order of registration."""
    inside: tuple[str, ...] = ()
    for path, module in naming.modules(model):
        if inside and path.startswith(inside):
            continue
        if isinstance(module, (nn.MultiheadAttention, nn.RNNBase)):
            inside = (*inside, path + ".")
        if next(_shapes(module), None) is not None:
            yield module


def _first_layer(model: nn.Module) -> nn.Module | None:
    return next(_layers(model), None)


def _parameters(model: nn.Module) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        return [inspect.Parameter("input", inspect.Parameter.POSITIONAL_ONLY)]


def _required(model: nn.Module) -> list[str]:
    """Names of forward's positional arguments that have no default."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [item.name for item in _parameters(model) if item.default is item.empty and item.kind in kinds]


def _required_by_name(model: nn.Module) -> list[str]:
    """Names of forward's keyword-only arguments that have no default."""
    return [item.name for item in _parameters(model) if item.default is item.empty and item.kind is item.KEYWORD_ONLY]


def _variadic(model: nn.Module) -> bool:
    return any(item.kind is item.VAR_POSITIONAL for item in _parameters(model))


def _repeated(
    model: nn.Module, required: list[str], by_name: list[str], tensor: torch.Tensor
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The same input for each argument that forward wants; times and indices by their names."""
    embeds = wants_indices(model) or any(isinstance(item, nn.Embedding) for _, item in naming.modules(model))
    args: list[Any] = [tensor] if required or not by_name else []
    args.extend(_other(name, tensor, embeds=embeds) for name in required[1:])
    return tuple(args), {name: _other(name, tensor, embeds=embeds) for name in by_name}


def _other(name: str, tensor: torch.Tensor, *, embeds: bool) -> torch.Tensor:
    plain = name.lower()
    if plain in _TIMES:
        return torch.zeros(tensor.shape[:1], dtype=torch.int64, device=tensor.device)
    if embeds and tensor.dtype.is_floating_point and any(part in plain for part in _IDS):
        return torch.zeros((1, 16), dtype=torch.int64, device=tensor.device)
    return tensor.clone()


def _module_of(model: nn.Module) -> str:
    return str(type(model).__module__)
