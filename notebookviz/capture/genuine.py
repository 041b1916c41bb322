"""Asks PyTorch itself whether an operator that failed on fake tensors fails, and in which words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from notebookviz.capture import flow
from notebookviz.capture.modes import unseen

if TYPE_CHECKING:
    from collections.abc import Callable

    from notebookviz.capture.known import Known

MOST_BYTES = 2**28
"""Memory that the zeros in place of the operands may take."""


class _Unclear(Exception):  # noqa: N818 (never leaves this file)
    """It can't be asked."""


def error_of(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], known: Known
) -> BaseException | None:
    """Run one function on zeros of its operands' shapes, dtypes and devices.

    Args:
        func: The function that failed.
        args: Its arguments, with fake tensors.
        kwargs: Its keyword arguments.
        known: Values to use instead of zeros.

    Returns:
        What PyTorch raises; None where it raises nothing or can't be asked.  A kernel that overlooks an operand on
        meta is spoken for.
    """
    try:
        with unseen():
            left = [MOST_BYTES]
            real = [_real(item, known, left) for item in args]
            named = {name: _real(item, known, left) for name, item in kwargs.items()}
    except Exception:  # noqa: BLE001 (a device that is not there, a tensor without strides)
        return None
    try:
        with unseen(), torch.no_grad():
            func(*real, **named)
    except Exception as error:  # noqa: BLE001 (what PyTorch raises is the answer)
        # Fake tensors don't tell quantised operands from plain ones: a real pass will.
        quantised = isinstance(error, NotImplementedError) and str(error).startswith("Could not run")
        return None if quantised else error.with_traceback(None)
    return _apart(args, kwargs)


def _apart(args: tuple[Any, ...], kwargs: dict[str, Any]) -> RuntimeError | None:
    devices = {str(flow.device(item)) for item in flow.tensors((args, kwargs))}
    if "meta" not in devices or len(devices) == 1:
        return None
    found = " and ".join(sorted(devices))
    return RuntimeError(f"Expected all tensors to be on the same device, but found at least two devices, {found}!")


def _real(item: Any, known: Known, left: list[int]) -> Any:  # noqa: ANN401
    if isinstance(item, FakeTensor):
        value = known.value(item)
        return _zeros(item, left) if value is None else value.clone()
    if isinstance(item, (list, tuple)):
        return type(item)(_real(part, known, left) for part in item)
    if isinstance(item, (torch.Tensor, nn.Module)) or (callable(item) and not isinstance(item, (type, torch.dtype))):
        raise _Unclear
    return item


def _zeros(fake: torch.Tensor, left: list[int]) -> torch.Tensor:
    extent = 1 + sum((size - 1) * stride for size, stride in zip(fake.shape, fake.stride(), strict=True))
    left[0] -= extent * fake.element_size()
    if left[0] < 0 or 0 in fake.shape:
        if left[0] < 0:
            raise _Unclear
        return torch.zeros(fake.shape, dtype=fake.dtype, device=fake.device)
    return torch.zeros(extent, dtype=fake.dtype, device=fake.device).as_strided(fake.shape, fake.stride())
