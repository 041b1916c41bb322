"""The tensors of a live model by name, their bytes, and a snapshot of them on disk."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from notebookviz.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What stands for a tensor in the weightless copy.

    Attributes:
        dtype: Its data type: ``float32``.
        shape: Its shape.
        stride: Its strides in elements.
        parameter: Whether it is a ``torch.nn.Parameter``.
        trainable: Its ``requires_grad``.
        name: Its name in the model; ``""`` for an input or a tensor met elsewhere.
        offset: Where its value starts in the values or the snapshot; -1 when no value travels.
    """

    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    parameter: bool = False
    trainable: bool = False
    name: str = ""
    offset: int = -1

    @classmethod
    def of(cls, tensor: torch.Tensor, name: str = "", offset: int = -1) -> TensorSpec:
        """Describe a tensor; its value is not read."""
        return cls(
            dtype_name(tensor.dtype),
            tuple(tensor.shape),
            tuple(tensor.stride()),
            isinstance(tensor, torch.nn.Parameter),
            tensor.requires_grad,
            name,
            offset,
        )

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TensorSpec:
        """Read what :meth:`to_json` wrote."""
        return cls(**{**data, "shape": tuple(data["shape"]), "stride": tuple(data["stride"])})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)

    @property
    def torch_dtype(self) -> torch.dtype:
        """The data type as torch names it."""
        found = getattr(torch, self.dtype)
        if not isinstance(found, torch.dtype):
            raise TypeError(f"{self.dtype!r} is not a torch dtype.")
        return found

    @property
    def nbytes(self) -> int:
        """Bytes of the dense value."""
        count = 1
        for size in self.shape:
            count *= size
        return count * self.torch_dtype.itemsize


def dtype_name(dtype: torch.dtype) -> str:
    """``float32`` for ``torch.float32``."""
    return str(dtype).removeprefix("torch.")


def unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    """The module itself, without the wrapper of ``torch.compile`` or data parallelism around it."""
    while True:
        kind = type(module)
        inner = None
        if kind.__name__ == "OptimizedModule" and kind.__module__.startswith("torch."):
            inner = module._modules.get("_orig_mod")  # noqa: SLF001
        elif kind.__name__ in ("DataParallel", "DistributedDataParallel") and kind.__module__.startswith("torch."):
            inner = module._modules.get("module")  # noqa: SLF001
        if inner is None:
            return module
        module = inner


def live_tensors(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor, bool]]:
    """Name, tensor, and whether it is registered, for each tensor that a module of the model holds.

    A tensor that is held under several names comes once for each.
    """
    for path, module in model.named_modules(remove_duplicate=True):
        prefix = f"{path}." if path else ""
        for registered, holder in (
            (True, module._parameters),  # noqa: SLF001
            (True, module._buffers),  # noqa: SLF001
            (False, dict(vars(module))),
        ):
            for name, tensor in list(holder.items()):
                if isinstance(tensor, torch.Tensor):
                    yield prefix + name, tensor, registered


def by_name(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Today's tensors of the model by name."""
    return {name: tensor for name, tensor, _ in live_tensors(unwrapped(model))}


def tensor_bytes(tensor: torch.Tensor, name: str) -> memoryview:
    """Today's value as little-endian bytes, contiguous, row by row.

    Args:
        tensor: A tensor on any device.
        name: Its name, for the error.

    Raises:
        ExportError: The tensor holds no values that can be written.
    """
    if tensor.is_meta:
        raise ExportError(
            f"{name} is on the meta device: it has a shape but no values.",
            where=name,
            hint="Load the weights first: model.to_empty(device='cpu') and model.load_state_dict(...).",
        )
    if tensor.layout is not torch.strided or tensor.is_quantized:
        kind = "quantised" if tensor.is_quantized else str(tensor.layout).removeprefix("torch.")
        raise ExportError(f"{name} is a {kind} tensor, which can't be written as an ONNX initializer.", where=name)
    with torch.no_grad():
        plain = tensor.detach().to("cpu").resolve_conj().resolve_neg()
        if plain.is_complex():
            plain = torch.view_as_real(plain)
        flat = plain.contiguous().reshape(-1)
        array: Any = flat.view(torch.uint8).numpy()
    if sys.byteorder == "big" and plain.dtype.itemsize > 1:
        array = array.reshape(-1, plain.dtype.itemsize)[:, ::-1].reshape(-1).copy()
    return memoryview(array)


def write_snapshot(
    tensors: dict[str, torch.Tensor], path: Path, check: Callable[[], object] = lambda: None
) -> dict[str, int]:
    """Write today's values of the tensors into one file, one after the other.

    Args:
        tensors: By name.
        path: The file to write.
        check: Called before each tensor; it may raise to stop.

    Returns:
        For each name the offset of its value.  A tensor that has several names is written once.
    """
    offsets: dict[str, int] = {}
    written: dict[object, int] = {}
    with path.open("wb") as file:
        for name, tensor in tensors.items():
            check()
            key = (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tuple(tensor.stride()))
            if not tensor.numel() or key not in written:
                file.write(b"\0" * (-file.tell() % ALIGNMENT))
                written[key] = file.tell()
                file.write(tensor_bytes(tensor, name))
            offsets[name] = written[key]
    return offsets
