"""What parameters look like: histograms, and the filters of convolutions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from notebookviz.errors import InputError
from notebookviz.finetune.freezing import fits
from notebookviz.plots.figure import BLUE, ORANGE, Plot, drawing, shown
from notebookviz.plots.pixels import picture

if TYPE_CHECKING:
    from torch import Tensor

MOST = 24
SAMPLE = 1 << 20
BINS = 60


def histograms(model: nn.Module, *patterns: str) -> Plot:
    """The values of parameters, a histogram for each.

    Of a tensor with more than a million values as many are looked at, evenly spread.

    Args:
        model: The model, or a part of it.
        *patterns: Paths of modules or parameters, with ``*``; all where none is given.

    Returns:
        A figure.

    Raises:
        InputError: Nothing matches, or there are more than 24.

    Example:
        >>> histograms(nn.Linear(4, 2))
        <Histograms of 2 parameters: weight, bias>
    """
    if not isinstance(model, nn.Module):
        raise InputError(
            f"histograms() got {type(model).__name__}; a model is wanted.", hint="For example histograms(model.layer1)."
        )
    parameters = dict(model.named_parameters())
    if not parameters:
        raise InputError(f"{type(model).__name__} has no parameters.", hint="Pass the model, or a layer that learns.")
    chosen = {
        name: parameter
        for name, parameter in parameters.items()
        if not patterns or any(fits(name, pattern) for pattern in patterns)
    }
    if not 0 < len(chosen) <= MOST:
        raise InputError(
            f"{len(chosen):,} of {len(parameters):,} parameters match; 1 to {MOST} are shown at once.",
            hint="Choose some by patterns: histograms(model, 'layer1.*').",
        )
    across = min(len(chosen), 4)
    said = f"Histograms of {len(chosen)} parameters: {shown(', '.join(chosen), 200)}"
    with drawing(said, math.ceil(len(chosen) / across), across, (2.9, 2.2)) as (figure, axes):
        for axis, (name, parameter) in zip(axes, chosen.items(), strict=False):
            values = sampled(parameter, name)
            axis.hist(
                values.numpy(),
                bins=min(BINS, max(8, math.isqrt(values.numel()))),
                color=BLUE if parameter.requires_grad else ORANGE,
                linewidth=0,
            )
            axis.set_title(shown(name, 30) + ("" if parameter.requires_grad else " (frozen)"), fontsize=9)
            axis.tick_params(labelsize=8)
        for axis in axes[len(chosen) :]:
            axis.remove()
    return figure


def filters(layer: nn.Module, count: int = 64) -> Plot:
    """The filters of a convolution as pictures.

    Filters of three channels are shown in their colours, stretched together; others in grey-blue to orange around
    zero, as the mean over their input channels.

    Args:
        layer: A ``Conv2d``.
        count: How many at most, the first ones.

    Returns:
        A figure.

    Raises:
        InputError: It is no such layer.

    Example:
        >>> filters(nn.Conv2d(3, 8, 5))
        <8 of 8 filters of 5×5 with 3 channels>
    """
    weight = getattr(layer, "weight", None)
    if not isinstance(weight, torch.Tensor) or weight.dim() != 4 or not weight.numel():  # noqa: PLR2004 - out, in, height, width
        raise InputError(
            f"filters() got {type(layer).__name__}; a convolution of images (Conv2d) is wanted.",
            hint="For example filters(model.conv1).",
        )
    some = sampled(weight, "weight", keep=True)[:count]
    across = min(len(some), 16)
    said = (
        f"{len(some)} of {len(weight)} filters of {weight.shape[2]}×{weight.shape[3]} with {weight.shape[1]} channels"
    )
    colours = weight.shape[1] == 3  # noqa: PLR2004 - red, green, blue
    most = float(some.mean(1).abs().max()) or 1.0
    with drawing(said, math.ceil(len(some) / across), across, (0.6, 0.6)) as (figure, axes):
        whole = picture(some.movedim(1, 0).reshape(some.shape[1], -1, some.shape[3])) if colours else None
        for at, axis in enumerate(axes[: len(some)]):
            if whole is not None:
                axis.imshow(whole[at * some.shape[2] : (at + 1) * some.shape[2]], interpolation="nearest")
            else:
                axis.imshow(some[at].mean(0).numpy(), cmap="PuOr", vmin=-most, vmax=most, interpolation="nearest")
        for axis in axes:
            axis.set_axis_off()
    return figure


def sampled(tensor: Tensor, name: str, *, keep: bool = False) -> Tensor:
    """Finite values of a tensor on the CPU, of a large one some; with ``keep`` all of it in its shape.

    Raises:
        InputError: It has no values, or not one for each place.
    """
    if tensor.is_meta or nn.parameter.is_lazy(tensor):
        raise InputError(f"{name!r} has no values: it is on the meta device.", hint="Load the weights to see them.")
    if tensor.layout is not torch.strided:
        raise InputError(f"{name!r} is sparse; only dense values are drawn.", hint="Look at its .values().")
    values = tensor.detach()
    if keep:
        return values.float().cpu()
    flat = values.reshape(-1)
    flat = flat[:: max(1, math.ceil(flat.numel() / SAMPLE))].float().cpu()
    return flat[flat.isfinite()]
