"""One live tensor as bytes for the page: little-endian, contiguous, with a few figures computed in torch."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from notebookviz.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT: Final = 256 << 20
_BLOCK: Final = 1 << 24

_READABLE: Final = {
    torch.bool: "bool",
    torch.uint8: "uint8",
    torch.int8: "int8",
    torch.int16: "int16",
    torch.int32: "int32",
    torch.int64: "int64",
    torch.float16: "float16",
    torch.bfloat16: "bfloat16",
    torch.float32: "float32",
    torch.float64: "float64",
}
_UNSIGNED: Final = {
    kind: name for name in ("uint16", "uint32", "uint64") if (kind := getattr(torch, name, None)) is not None
}


@dataclass(frozen=True, slots=True)
class TensorBytes:
    """The values of one tensor.

    Attributes:
        dtype: Name of the data type without ``torch.``.
        shape: Size of each dimension.
        metrics: Names and values of a few figures: text, and for ``sparsity`` the share of zeros as a number.
        description: A sentence for a person.
        data: The values in row-major order, little-endian.
    """

    dtype: str
    shape: tuple[int, ...]
    metrics: tuple[tuple[str, str | float], ...]
    description: str
    data: bytes


def tensor_bytes(tensor: torch.Tensor, *, name: str = "", limit: int = LIMIT) -> TensorBytes:
    """Copy one tensor as it is now.

    Args:
        tensor: Any tensor; it is not changed, and only this one is copied to the CPU.
        name: How to call it in errors.
        limit: Most bytes to copy.

    Returns:
        Its bytes and figures.

    Raises:
        InputError: It has no values that can be shown; the text says why.

    Example:
        >>> tensor_bytes(torch.tensor([1.0, 2.0], dtype=torch.float16)).data.hex()
        '003c0040'
    """
    label = f"{name!r}" if name else "This tensor"
    reason = why_not(tensor)
    if reason is not None:
        raise InputError(f"{label} {reason[0]}", where=name, hint=reason[1])
    size = tensor.numel() * tensor.element_size()
    if size > limit:
        raise InputError(
            f"{label} takes {_megabytes(size)}; values are shown up to {_megabytes(limit)}.",
            where=name,
            hint="Look at a part of it in a cell.",
        )
    with torch.no_grad():
        try:
            copy = tensor.detach().to("cpu").resolve_neg().contiguous()
            if type(copy) is not torch.Tensor:
                copy = copy.as_subclass(torch.Tensor)
            data = _little_endian(copy)
        except (RuntimeError, TypeError, NotImplementedError, ValueError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{label} can't be read: {first}", where=name) from error
        metrics = () if copy.dtype in _UNSIGNED else figures(copy)
    return TensorBytes(
        dtype={**_READABLE, **_UNSIGNED}[copy.dtype],
        shape=tuple(copy.shape),
        metrics=metrics,
        description="" if copy.numel() else "This tensor is empty: one of its dimensions is 0.",
        data=data,
    )


def figures(tensor: torch.Tensor) -> tuple[tuple[str, str | float], ...]:
    """Minimum, maximum, mean, standard deviation, sparsity, and how many are not finite.

    NaN and infinite values are counted and left out of the other figures.

    Example:
        >>> dict(figures(torch.tensor([0.0, 2.0, float("nan")])))["max"]
        '2'
    """
    if tensor.numel() == 0 or tensor.dtype == torch.bool:
        return ()
    flat = tensor.reshape(-1)
    count = nans = infinite = zeros = 0
    low, high = math.inf, -math.inf
    mean = squares = 0.0
    for start in range(0, flat.numel(), _BLOCK):
        block = flat[start : start + _BLOCK]
        zeros += int((block == 0).sum())
        finite = block
        if block.is_floating_point():
            nan, endless = torch.isnan(block), torch.isinf(block)
            nans += int(nan.sum())
            infinite += int(endless.sum())
            finite = block[~(nan | endless)]
        if not finite.numel():
            continue
        low, high = min(low, finite.min().item()), max(high, finite.max().item())
        wide = finite.to(torch.float64)
        here, size = wide.mean().item(), wide.numel()
        shift = here - mean
        squares += ((wide - here) ** 2).sum().item() + shift * shift * count * size / (count + size)
        mean += shift * size / (count + size)
        count += size
    found: list[tuple[str, str | float]] = []
    if count:
        found += [("min", f"{low:.6g}"), ("max", f"{high:.6g}"), ("mean", f"{mean:.6g}")]
        found.append(("std", f"{math.sqrt(squares / count):.6g}"))
    found.append(("sparsity", zeros / tensor.numel()))
    found += [(label, f"{number:,}") for label, number in (("NaN", nans), ("Inf", infinite)) if number]
    return tuple(found)


def why_not(tensor: torch.Tensor) -> tuple[str, str] | None:
    """Why a tensor has no values that can be shown, and what to do about it; None when it has."""
    checks: list[tuple[Callable[[], Any], str, str]] = [
        (
            lambda: torch.nn.parameter.is_lazy(tensor),
            "is not initialised yet: its shape is not known.",
            "Run the model once, then open it again.",
        ),
        (
            lambda: tensor.is_meta,
            "is on the meta device: shape and type only, no values.",
            "Load the weights to see values.",
        ),
        (lambda: tensor.is_nested, "is nested: only dense tensors are shown.", "Look at .unbind() of it in a cell."),
        (lambda: tensor.is_quantized, "is quantised: its values are packed.", "Look at .dequantize() in a cell."),
        (
            lambda: tensor.layout != torch.strided,
            f"is stored as {str(tensor.layout).removeprefix('torch.')}: only dense tensors are shown.",
            "Look at .to_dense() in a cell.",
        ),
        (
            tensor.is_complex,
            "holds complex numbers, which Netron can't show.",
            "Look at torch.view_as_real() of it in a cell.",
        ),
        (
            lambda: tensor.dtype not in _READABLE and tensor.dtype not in _UNSIGNED,
            f"has the data type {str(tensor.dtype).removeprefix('torch.')}, whose values Netron can't show.",
            "Look at .float() of it in a cell.",
        ),
    ]
    return next(((what, hint) for true, what, hint in checks if true()), None)


def _little_endian(tensor: torch.Tensor) -> bytes:
    raw = tensor.reshape(-1).view(torch.uint8).numpy()
    if sys.byteorder == "big" and tensor.element_size() > 1:
        raw = raw.reshape(-1, tensor.element_size())[:, ::-1]
    data: bytes = raw.tobytes()
    return data


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):.4g} MB"
