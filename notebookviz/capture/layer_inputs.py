"""What a layer takes: shapes that suit it, the likeliest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from notebookviz.capture import naming

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Shape = tuple[int, ...]
Kind = tuple[Shape, bool]
"""A shape, and whether it holds indices."""

COLOURS = 3
_CONVOLUTIONS: dict[Any, int] = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}
_TRANSPOSED: dict[Any, int] = {nn.ConvTranspose1d: 1, nn.ConvTranspose2d: 2, nn.ConvTranspose3d: 3}
_SIDES: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((1024,), (128,), (16000,)),
    2: ((224, 224), (32, 32), (64, 64), (28, 28), (256, 256), (299, 299), (96, 96), (128, 128), (512, 512)),
    3: ((32, 32, 32), (64, 64, 64), (16, 112, 112), (16, 16, 16)),
}
_VIDEO = ((16, 224, 224), (16, 112, 112), (16, 64, 64))
_GREY = ((28, 28), (32, 32), (224, 224), (64, 64), (128, 128))
_SEEDS = (1, 4, 7, 16)


def shapes(layer: Any) -> Iterator[Kind]:  # noqa: ANN401, C901, PLR0912 (one branch for each layer)
    """Yield shapes that a layer takes; nothing for a layer whose class does not say.

    Args:
        layer: A module, or None for a model without any layer that says.

    Yields:
        A shape, and whether it holds indices.

    Example:
        >>> next(shapes(nn.Conv2d(3, 8, 3)))
        ((1, 3, 224, 224), False)
    """
    for kind, dimensions in _CONVOLUTIONS.items():
        if isinstance(layer, kind) or _quantised(layer, dimensions):
            yield from (((1, int(layer.in_channels), *side), False) for side in _sides(dimensions, layer.in_channels))
            return
    for kind, dimensions in _TRANSPOSED.items():
        if isinstance(layer, kind):
            yield from (((1, int(layer.in_channels), *(side,) * dimensions), False) for side in _SEEDS)
            return
    if isinstance(layer, (nn.Embedding, nn.EmbeddingBag)):
        yield from (((1, 16), True), ((1, 64), True), ((1,), True), ((16, 1), True))
    elif isinstance(layer, nn.Linear) or _quantised(layer):
        width = int(layer.in_features)
        yield from (((1, width), False), ((1, 16, width), False))
        yield from ((shape, False) for shape in _pictures(width))
    elif isinstance(layer, nn.RNNBase):
        yield from (((1, 16, int(layer.input_size)), False), ((16, 1, int(layer.input_size)), False))
    elif isinstance(layer, nn.RNNCellBase):
        yield (1, int(layer.input_size)), False
    elif isinstance(layer, nn.Bilinear):
        yield (1, int(layer.in1_features)), False
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


def _quantised(layer: Any, dimensions: int = 0) -> bool:  # noqa: ANN401
    """Whether it is PyTorch's quantised form of a linear layer or of a convolution, which is no subclass of those."""
    if not type(layer).__module__.startswith("torch.ao."):
        return False
    if not dimensions:
        return hasattr(layer, "in_features")
    return hasattr(layer, "in_channels") and len(layer.kernel_size) == dimensions and not layer.transposed


def _sides(dimensions: int, channels: int) -> Iterable[tuple[int, ...]]:
    if dimensions == len(_VIDEO[0]) and channels == COLOURS:
        return _VIDEO + _SIDES[dimensions]
    if dimensions == len(_GREY[0]) and channels == 1:
        return _GREY
    return _SIDES[dimensions]


def _pictures(width: int) -> Iterator[Shape]:
    """Square pictures of so many numbers: they are flattened before the layer."""
    for channels in (1, COLOURS):
        side = int((width / channels) ** 0.5)
        if channels * side * side == width:
            yield (1, channels, side, side)


def layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Layers that hold parameters and whose class says what goes in, in the order of registration."""
    inside: tuple[str, ...] = ()
    for path, module in naming.modules(model):
        if inside and path.startswith(inside):
            continue
        if isinstance(module, (nn.MultiheadAttention, nn.RNNBase)):
            inside = (*inside, path + ".")
        if next(shapes(module), None) is not None:
            yield path, module


def first_layer(model: nn.Module) -> nn.Module | None:
    """The first of them."""
    return next((layer for _, layer in layers(model)), None)


def empty(kind: Kind, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Zeros of that shape."""
    shape, indices = kind
    return torch.zeros(shape, dtype=torch.int64 if indices else dtype, device=device)
