"""The same layer with another number of outputs."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from torch.nn.utils import parametrize

from notebookviz.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import nn

_OUTPUTS: Final = ("out_features", "out_channels", "nf")
_INPUTS: Final = ("in_features", "in_channels", "nx")


def outputs_of(layer: nn.Module) -> int | None:
    """How many outputs a layer has; None where it has no such number.

    Example:
        >>> from torch import nn
        >>> outputs_of(nn.Conv2d(3, 8, 1)), outputs_of(nn.ReLU())
        (8, None)
    """
    return _number(layer, _OUTPUTS)


def inputs_of(layer: nn.Module) -> int | None:
    """How many inputs a layer has; None where it has no such number."""
    return _number(layer, _INPUTS)


def with_outputs(layer: nn.Module, count: int, *, path: str) -> nn.Module:
    """A new layer like this one, with another number of outputs.

    It is built by the layer's own class from the settings that its instance holds, so it starts from that class's own
    initialisation; data type, device and mode are those of the layer.

    Args:
        layer: A linear layer or a convolution, or a subclass whose settings can be read back.
        count: Number of outputs.
        path: Where it is, for errors.

    Returns:
        The new layer; the old one is untouched.

    Raises:
        InputError: The layer can't be built again.

    Example:
        >>> from torch import nn
        >>> with_outputs(nn.Linear(8, 1000, bias=False), 10, path="fc")
        Linear(in_features=8, out_features=10, bias=False)
    """
    weight = _own_weight(layer, path)
    settings = _settings(layer, count, path)
    accepted = inspect.signature(type(layer).__init__).parameters
    place = {"device": weight.device, "dtype": weight.dtype}
    try:
        made: nn.Module = type(layer)(**settings, **{name: value for name, value in place.items() if name in accepted})
    except (TypeError, ValueError, RuntimeError) as error:  # the last one: there is not so much memory
        raise InputError(
            f"{path!r} ({type(layer).__name__}) can't be built with {count:,} outputs: {error}.",
            where=path,
            hint=_YOURSELF,
        ) from error
    return made.to(weight.device, weight.dtype).train(layer.training)


_YOURSELF: Final = "Build the layer yourself and assign it to the model."


def _number(layer: nn.Module, names: tuple[str, ...]) -> int | None:
    found = next((getattr(layer, name) for name in names if hasattr(layer, name)), None)
    return found if isinstance(found, int) else None


def _own_weight(layer: nn.Module, path: str) -> torch.Tensor:
    kind = type(layer).__name__
    if parametrize.is_parametrized(layer) or layer._parameters.get("weight") is None:  # noqa: SLF001 - its register
        raise InputError(
            f"{path or 'the model itself'!r} ({kind}) has no weight of its own: it is computed from others "
            "(weight_norm, another parametrization, or a wrapper such as LoRA's).",
            where=path,
            hint="Replace the head before these are added, or build the layer yourself and assign it to the model.",
        )
    weight: torch.Tensor = layer._parameters["weight"]  # type: ignore[assignment]  # noqa: SLF001
    if not weight.is_floating_point():
        raise InputError(f"{path!r} ({kind}) has a quantized weight ({weight.dtype}).", where=path, hint=_YOURSELF)
    return weight


def _settings(layer: nn.Module, count: int, path: str) -> dict[str, Any]:
    """Arguments for the layer's constructor, read back from the instance."""
    kind = type(layer)
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    outputs = next((item.name for item in parameters if item.name in _OUTPUTS), None)
    unknown = [
        item.name
        for item in parameters
        if item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD)
        or (item.default is item.empty and not hasattr(layer, item.name))
    ]
    if outputs is None or unknown:
        raise InputError(
            f"{path!r} is a {kind.__name__}, whose settings can't be read back"
            f"{': ' + ', '.join(unknown) if unknown else ''}; a linear layer or a convolution is wanted.",
            where=path,
            hint=_YOURSELF,
        )
    settings = {
        item.name: getattr(layer, item.name)
        for item in parameters
        if item.name not in ("device", "dtype") and hasattr(layer, item.name)
    }
    if "bias" in settings:
        settings["bias"] = layer.bias is not None
    settings[outputs] = count
    return settings
