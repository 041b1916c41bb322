"""The values of one module's own parameters and buffers: numbers, a histogram, and filters as pixels."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from notebookviz.capture import naming
from notebookviz.tensor_bytes import figures, why_not

if TYPE_CHECKING:
    from torch import Tensor, nn

SAMPLE: Final = 1 << 20
BINS: Final = 40
FILTERS: Final = 64
_LARGEST: Final = 31  # pixels of a filter's side
WIDER: Final = {torch.uint16: torch.int32, torch.uint32: torch.int64, torch.uint64: torch.float64}


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often values between ``low`` and ``high`` fall into intervals of one width."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TensorValues:
    """One tensor of a module.

    Attributes:
        name: Its name in the module.
        kind: ``"parameter"`` or ``"buffer"``.
        dtype: Its data type without ``torch.``.
        shape: Size of each dimension.
        learns: Whether it is trained.
        numbers: Names and values of its figures, as text.
        histogram: Of its finite values; None where there are none.
        said: What else is to be known, as a sentence.
    """

    name: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    learns: bool
    numbers: tuple[tuple[str, str], ...] = ()
    histogram: Histogram | None = None
    said: str = ""


def module_values(module: nn.Module) -> tuple[dict[str, Any], bytes]:
    """What a module itself holds, as JSON; of a convolution the filters as pixels beside it.

    Example:
        >>> facts, pixels = module_values(torch.nn.Conv2d(3, 8, 5))
        >>> [each["name"] for each in facts["tensors"]], facts["filters"]["count"], len(pixels)
        (['weight', 'bias'], 8, 600)
    """
    found = []
    for kind, register in (("parameter", "_parameters"), ("buffer", "_buffers")):
        for name, tensor in naming.table(module, register).items():
            if tensor is not None:
                found.append(_readable_values(tensor, naming.clean(str(name)), kind))
    inside = len([1 for child in module.children() for _ in (*child.parameters(), *child.buffers())])
    facts: dict[str, Any] = {
        "type": type(module).__name__,
        "tensors": [asdict(each) for each in found],
        "inside": inside,
    }
    try:
        drawn = filters(module)
        if drawn is None:
            return facts, b""
        count, height, width, _ = drawn.shape
        whole = len(module.weight)  # type: ignore[arg-type]
        pixels = drawn.numpy().tobytes()
    except Exception:  # noqa: BLE001 - a weight that code of the user's makes; the tensors are told of all the same
        return facts, b""
    facts["filters"] = {"count": count, "height": height, "width": width, "of": whole}
    return facts, pixels


def _readable_values(tensor: Tensor, name: str, kind: str) -> TensorValues:
    """The figures of one tensor; of one that can't be read, why: the others are shown all the same."""
    try:
        return tensor_values(tensor, name, kind)
    except Exception as error:  # noqa: BLE001 - nested, fake and released tensors, subclasses of the user's
        with torch._C.DisableTorchFunctionSubclass():  # noqa: SLF001 - there is no other way
            dtype, learns = str(tensor.dtype).removeprefix("torch."), bool(tensor.requires_grad)
        said = f"Its values can't be read: {type(error).__name__}."
        return TensorValues(name, kind, dtype, (), learns, said=said)


def tensor_values(tensor: Tensor, name: str, kind: str) -> TensorValues:
    """The figures of one tensor; of a large one those of values evenly spread over it.

    Example:
        >>> found = tensor_values(torch.tensor([0.0, 1.0, float("nan")]), "weight", "parameter")
        >>> dict(found.numbers)["NaN"], found.histogram.counts[0], found.histogram.counts[-1]
        ('1', 1, 1)
    """
    dtype = str(tensor.dtype).removeprefix("torch.")
    reason = why_not(tensor)
    if reason is not None:
        lazy = torch.nn.parameter.is_lazy(tensor)
        shape = () if lazy or tensor.is_nested else tuple(tensor.shape)
        said = f"It {reason[0]} {reason[1]}"
        return TensorValues(name, kind, dtype, shape, tensor.requires_grad, said=said)
    known = TensorValues(name, kind, dtype, tuple(tensor.shape), tensor.requires_grad)
    flat = tensor.detach().reshape(-1)
    step = max(1, math.ceil(flat.numel() / SAMPLE))
    some = flat[::step].to("cpu", copy=True)
    if type(some) is not torch.Tensor:
        some = some.as_subclass(torch.Tensor)
    if some.dtype in WIDER:  # numbers without a sign can't be compared by PyTorch
        some = some.to(WIDER[some.dtype])
    said = "" if step == 1 else f"Of {some.numel():,} of its {flat.numel():,} values, evenly spread."
    if some.dtype == torch.bool:
        numbers: tuple[tuple[str, str], ...] = (("True", f"{int(some.sum()):,}"), ("False", f"{int((~some).sum()):,}"))
        return _with(known, numbers, None, said)
    numbers = tuple(
        ("zeros", f"{value:.3g}" if value in (0, 1) else f"{value:.2%}") if label == "sparsity" else (label, str(value))
        for label, value in figures(some)
    )
    return _with(known, numbers, _histogram(some), said or ("" if some.numel() else "It is empty."))


def filters(module: nn.Module) -> Tensor | None:
    """The first filters of a convolution of images as colours (count, height, width, 3) from 0 to 255.

    Those of three channels are stretched together from the darkest to the brightest value; of others the mean over the
    channels is shown in grey, zero in the middle.
    """
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor) or why_not(weight) is not None or weight.dim() != 4:  # noqa: PLR2004
        return None
    if not weight.numel() or not 1 < max(weight.shape[2:]) <= _LARGEST or not weight.is_floating_point():
        return None
    shown = weight.detach()[:FILTERS].to("cpu", copy=True).double().nan_to_num().clamp(-1e300, 1e300)
    if shown.shape[1] == 3:  # noqa: PLR2004 - red, green, blue
        low, high = shown.min(), shown.max()
    else:
        shown = shown.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        high = shown.abs().max()
        low = -high
    stretched = (shown - low) / (high - low).clamp(min=1e-12)
    return (stretched * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _with(
    known: TensorValues, numbers: tuple[tuple[str, str], ...], histogram: Histogram | None, said: str
) -> TensorValues:
    return TensorValues(known.name, known.kind, known.dtype, known.shape, known.learns, numbers, histogram, said)


def _histogram(values: Tensor) -> Histogram | None:
    finite = values.double()
    finite = finite[finite.isfinite()]
    if not finite.numel():
        return None
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        return Histogram(low, high, (finite.numel(),))
    if not math.isfinite(high - low):  # the width has no number; the shape is the same at half the size
        half = _histogram(finite / 2)
        return half and Histogram(low, high, half.counts)
    counts = torch.histc(finite, min(BINS, max(5, finite.numel() // 4)), low, high)
    return Histogram(low, high, tuple(int(count) for count in counts))
