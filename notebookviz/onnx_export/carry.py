"""A model on its way into another process: its code and settings, without its weights.

The model is pickled as it stands, but each tensor is replaced by a :class:`TensorSpec` on the way, so no weight is
copied and nothing of the user's is touched.  Classes, lambdas and closures of notebook cells travel by value
(cloudpickle).  What can't travel (a socket, an open file) becomes a :class:`Missing`, which speaks up only if the
forward pass asks for it.
"""

from __future__ import annotations

import copyreg
import io
import pickle  # noqa: TID251  (the child reads only what its own parent wrote into the pipe it made)
import threading
import types
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import cloudpickle
import torch
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]

from notebookviz.capture import flow
from notebookviz.errors import ExportError
from notebookviz.onnx_export.tensors import TensorSpec, dtype_name, live_tensors, tensor_bytes, unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = 1 << 20
VALUES_LIMIT = 64 << 20
OWN_HOOKS = ("torch.", "accelerate.", "peft.")
HOOKS = (
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class CarryError(RuntimeError):
    """The forward pass asked for an object that could not be carried into the export process."""


class Missing:
    """Stands for an object that could not be carried; any use of it raises :class:`CarryError`."""

    def __init__(self, what: str) -> None:
        object.__setattr__(self, "_missing", what)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if name.startswith("__"):
            raise AttributeError(name)
        raise CarryError(object.__getattribute__(self, "_missing"))

    def __call__(self, *_args: object, **_kwargs: object) -> Any:  # noqa: ANN401
        """Raise :class:`CarryError`."""
        raise CarryError(object.__getattribute__(self, "_missing"))

    __iter__ = __next__ = __getitem__ = __contains__ = __enter__ = __exit__ = __call__
    __add__ = __radd__ = __mul__ = __rmul__ = __array__ = __call__


class Parcel:
    """The weightless copy, ready to send.

    Attributes:
        pickled: The objects, each tensor replaced by its index in ``specs``, and then what was set on these.
        specs: The tensors met, in order.
        values: Values of the small tensors that travel (inputs and constants).
        devices: Devices other than the CPU that were met.
        dropped: Number of the user's own forward hooks that were left out.
    """

    def __init__(self, model: torch.nn.Module, extra: object) -> None:
        model = unwrapped(model)
        names: dict[int, str] = {}
        registered: set[int] = set()
        buffer = io.BytesIO()
        try:
            for name, tensor, is_registered in live_tensors(model):
                names.setdefault(id(tensor), name)
                if is_registered:
                    registered.add(id(tensor))
            packer = _Packer(buffer, names, registered)
            packer.dump((model, extra))
            packer.dump(packer.attributes())
        except ExportError:
            raise
        except RecursionError as error:
            raise ExportError(
                f"{type(model).__name__} is nested too deeply to be copied into the export process.",
                hint="Put its modules into one Sequential instead of one inside the other.",
            ) from error
        except Exception as error:
            raise ExportError(
                f"{type(model).__name__} can't be copied into the export process: {error}",
                hint="Remove what can't be pickled from the model, or define its class in a file.",
            ) from error
        self.pickled = buffer.getvalue()
        self.specs = packer.specs
        self.values = packer.values.getvalue()
        self.devices = sorted(packer.devices)
        self.dropped = packer.dropped


class _Packer(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, file: io.BytesIO, names: dict[int, str], registered: set[int]) -> None:
        super().__init__(file, protocol=4)
        self.specs: list[TensorSpec] = []
        self.values = io.BytesIO()
        self.devices: set[str] = set()
        self.dropped = 0
        self._names = names
        self._registered = registered
        self._seen: dict[int, int] = {}
        self._kept: list[torch.Tensor] = []

    def attributes(self) -> dict[int, dict[str, Any]]:
        """What was set on the tensors that were met so far (``weight.scale``)."""
        return {at: dict(vars(item)) for at, item in enumerate(self._kept) if not _is_fake(item) and vars(item)}

    def persistent_id(self, obj: object) -> int | None:
        if not isinstance(obj, torch.Tensor) or not _is_plain(obj):
            return None
        index = self._seen.get(id(obj))
        if index is None:
            index = len(self.specs)
            self._seen[id(obj)] = index
            self._kept.append(obj)
            self.specs.append(self._describe(obj))
        return index

    def _describe(self, tensor: torch.Tensor) -> TensorSpec:
        if isinstance(tensor, UninitializedTensorMixin):
            name = self._names.get(id(tensor), "A parameter")
            raise ExportError(
                f"{name} has no shape yet: its module is lazy and never ran.",
                where=name,
                hint="Run the model once on an input, then export.",
            )
        if tensor.device.type not in ("cpu", "meta"):
            self.devices.add(tensor.device.type)
        name = self._names.get(id(tensor), "")
        offset = -1
        size = tensor.numel() * tensor.element_size()
        room = size <= SMALL if name else self.values.tell() + size <= VALUES_LIMIT
        if id(tensor) not in self._registered and room and not (tensor.is_meta or _is_fake(tensor)):
            offset = self.values.tell()
            self.values.write(tensor_bytes(tensor, name or "A tensor"))
        return TensorSpec.of(tensor, name, offset)

    def reducer_override(self, obj: Any) -> Any:  # noqa: ANN401, PLR0911
        if isinstance(obj, torch.device):
            if obj.type not in ("cpu", "meta"):
                self.devices.add(obj.type)
                return torch.device, ("cpu",)
            return NotImplemented
        if isinstance(obj, torch.nn.Module):
            return self._module(obj)
        if isinstance(obj, weakref.ref):
            return _Strong, (obj(),)
        if isinstance(obj, type | types.FunctionType | types.BuiltinFunctionType | types.ModuleType):
            return super().reducer_override(obj)
        if isinstance(obj, _LOCKS):
            return _lock, (type(obj).__name__,)
        if type(obj) in self.dispatch_table:
            return NotImplemented
        if _huge(obj):
            return Missing, (f"a {type(obj).__module__}.{type(obj).__name__} larger than {VALUES_LIMIT >> 20} MB",)
        try:
            return obj.__reduce_ex__(4)
        except Exception as error:  # noqa: BLE001  (any class may refuse in any way)
            return Missing, (f"a {type(obj).__module__}.{type(obj).__qualname__} ({error})",)

    def _module(self, module: torch.nn.Module) -> Any:  # noqa: ANN401
        inner = unwrapped(module)
        if inner is not module:
            return _same, (inner,)
        if isinstance(module, torch.jit.ScriptModule):
            return _load_script, (_script_bytes(module),)
        kind = type(module)
        if kind.__reduce__ is not object.__reduce__ or kind.__reduce_ex__ is not object.__reduce_ex__:
            return module.__reduce_ex__(4)
        state: Any = dict(vars(module))
        getstate: Callable[..., Any] | None = getattr(kind, "__getstate__", None)
        plain = (getattr(object, "__getstate__", None), getattr(torch.nn.Module, "__getstate__", None), None)
        if getstate not in plain and "parametrizations" not in module._modules:  # noqa: SLF001
            state = getstate(module) if getstate is not None else state
        if isinstance(state, dict):
            state = self._without_hooks(dict(state))
        slots = dict(flow.slots(module))
        if slots:
            return copyreg.__newobj__, (kind,), (state, slots), None, None, _fill  # type: ignore[attr-defined]
        return copyreg.__newobj__, (kind,), state  # type: ignore[attr-defined]

    def _without_hooks(self, state: dict[str, Any]) -> dict[str, Any]:
        state.pop("_compiled_call_impl", None)
        for key in HOOKS:
            if key in state:
                state[key] = OrderedDict()
        for key in ("_forward_hooks", "_forward_pre_hooks"):
            hooks = state.get(key)
            if hooks:
                kept = OrderedDict((number, hook) for number, hook in hooks.items() if _needed(hook))
                self.dropped += len(hooks) - len(kept)
                state[key] = kept
        return state


def unpack(pickled: bytes, tensor: Callable[[int], torch.Tensor]) -> Any:  # noqa: ANN401
    """Rebuild what a :class:`Parcel` holds.

    Args:
        pickled: Written by this program's own parent process, received over the pipe that the parent made.
        tensor: Makes the tensor with an index; called once for each.
    """
    unpacker = _Unpacker(pickled, tensor)
    found = unpacker.load()
    for index, attributes in unpacker.load().items():
        vars(unpacker.persistent_load(index)).update(attributes)
    return found


class _Unpacker(pickle.Unpickler):
    def __init__(self, pickled: bytes, tensor: Callable[[int], torch.Tensor]) -> None:
        super().__init__(io.BytesIO(pickled))
        self._make = tensor
        self._made: dict[int, torch.Tensor] = {}

    def persistent_load(self, pid: int) -> torch.Tensor:
        if pid not in self._made:
            self._made[pid] = self._make(pid)
        return self._made[pid]


_LOCKS = (type(threading.Lock()), type(threading.RLock()))


class _Strong:
    """Answers like a weak reference, but holds its object."""

    def __init__(self, obj: object) -> None:
        self._obj = obj

    def __call__(self) -> object:
        return self._obj


def _lock(kind: str) -> object:
    return threading.RLock() if "R" in kind else threading.Lock()


def _fill(module: torch.nn.Module, state: tuple[Any, dict[str, Any]]) -> None:
    """Give a module its state, and what it keeps in slots."""
    attributes, slots = state
    module.__setstate__(attributes)  # type: ignore[no-untyped-call]
    for name, item in slots.items():
        object.__setattr__(module, name, item)


def _same(module: torch.nn.Module) -> torch.nn.Module:
    return module


def _script_bytes(module: torch.jit.ScriptModule) -> bytes:
    size = sum(item.numel() * item.element_size() for item in (*module.parameters(), *module.buffers()))
    if size > VALUES_LIMIT:
        raise ExportError(
            f"A TorchScript module of {size / 1e6:.0f} MB can't be carried without its weights.",
            hint="Export the Python module that it was made from.",
        )
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    return buffer.getvalue()


def _load_script(data: bytes) -> Any:  # noqa: ANN401
    return torch.jit.load(io.BytesIO(data), map_location="cpu")  # type: ignore[no-untyped-call]


def _is_fake(tensor: torch.Tensor) -> bool:
    return type(tensor).__name__ == "FakeTensor"


def _is_plain(tensor: torch.Tensor) -> bool:
    if _is_fake(tensor):
        return True
    if isinstance(tensor, UninitializedTensorMixin):
        return True
    known = type(tensor) in (torch.Tensor, torch.nn.Parameter) or getattr(tensor, "_is_buffer", False) is True
    return (
        known
        and tensor.layout is torch.strided
        and not tensor.is_quantized
        and hasattr(torch, dtype_name(tensor.dtype))
    )


def _needed(hook: object) -> bool:
    module = getattr(hook, "__module__", None) or type(hook).__module__
    return f"{module}.".startswith(OWN_HOOKS)


def _huge(obj: object) -> bool:
    size = getattr(obj, "nbytes", 0) if type(obj).__module__.partition(".")[0] in ("numpy", "cupy", "jax") else 0
    return isinstance(size, int) and size > VALUES_LIMIT
