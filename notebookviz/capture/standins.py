"""What stands in a skeleton for a module, a container or a tensor of the model."""

from __future__ import annotations

import random
import sys
from collections import OrderedDict, defaultdict, deque
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, UnsupportedFakeTensorException
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

MOST_COPIED = 2**26
"""Bytes of an array; a larger one is lent for reading only."""


class Scripted(nn.Module):
    """Stands for a TorchScript module, which can't be copied: it is called as it is, its operators see fake tensors."""

    def __init__(self, scripted: nn.Module) -> None:
        super().__init__()
        self.__dict__["scripted"] = scripted

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Call the TorchScript module."""
        return self.__dict__["scripted"](*args, **kwargs)

    def extra_repr(self) -> str:
        """The class that was scripted."""
        return str(getattr(self.__dict__["scripted"], "original_name", ""))


def blank(module: nn.Module) -> nn.Module:
    """An empty object of the same class, or what stands for it where that can't be made."""
    if isinstance(module, torch.jit.ScriptModule):
        return Scripted(module)
    return object.__new__(type(module))


def empty_like(value: Any) -> Any:  # noqa: ANN401
    """An empty container of the same class, or the very same one where that can't be made."""
    if isinstance(value, defaultdict):
        return defaultdict(value.default_factory)
    if isinstance(value, deque):
        return deque(maxlen=value.maxlen)
    kind: Any = type(value)
    try:
        empty: Any = kind.__new__(kind)
        if isinstance(empty, OrderedDict):
            OrderedDict.__init__(empty)
    except Exception:  # noqa: BLE001 (any class may derive from dict or list)
        return {} if isinstance(value, dict) else []
    return empty


def unshaped(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Another parameter or buffer of a lazy module that has no shape yet."""
    kind: Any = type(tensor)
    made: torch.Tensor = kind(requires_grad=tensor.requires_grad, device=device, dtype=tensor.dtype)
    return made


def detached(value: Any) -> Any:  # noqa: ANN401
    """A copy of what holds state but is no tensor (generators of random numbers, arrays); others stay what they are."""
    if isinstance(value, torch.Generator):
        return value.clone_state()
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray) and value.nbytes > MOST_COPIED:
        view = value.view()
        view.flags.writeable = False
        return view
    arrays = (numpy.ndarray, numpy.random.Generator, numpy.random.RandomState) if numpy is not None else ()
    if not isinstance(value, (random.Random, bytearray, *arrays)):
        return value
    try:
        return deepcopy(value)
    except Exception:  # noqa: BLE001 (an array of objects may hold anything)
        return value


def fake_of(fake: FakeTensorMode, tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A fake tensor like ``tensor`` on a device; dense ones take a short cut that is seven times faster."""
    if isinstance(tensor, FakeTensor) and tensor.fake_mode is fake:
        return tensor
    if (
        type(tensor) in (torch.Tensor, nn.Parameter)
        and tensor.layout is torch.strided
        and not tensor.is_quantized
        and not tensor.is_nested
        and tensor.is_leaf
        and not tensor.is_conj()
        and not tensor.is_neg()
    ):
        meta = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
        copy: torch.Tensor = FakeTensor(fake, meta, device)
        if isinstance(tensor, nn.Parameter):
            copy._is_param = True  # noqa: SLF001 (as the converter does)
        if tensor.requires_grad:
            copy.requires_grad_()
        return copy
    if isinstance(tensor, (UninitializedParameter, UninitializedBuffer)):
        return unshaped(tensor, device)
    try:
        found: torch.Tensor = fake.from_tensor(tensor)
    except UnsupportedFakeTensorException:
        return tensor
    return found
