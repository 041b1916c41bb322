"""In the export process: the model again, with fake tensors or with today's values."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import os
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from notebookviz.onnx_export.carry import unpack
from notebookviz.onnx_export.tensors import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch._subclasses.fake_tensor import FakeTensorMode


class Rebuilt:
    """The model and its call, as they arrived from the kernel.

    Attributes:
        model: The copy, in eval mode.
        args: Positional arguments.
        kwargs: Keyword arguments.
        extra: What else the task carried.
        specs: Description of each tensor.
        tensors: The tensors made, by index.
    """

    def __init__(self, task: dict[str, Any], pickled: bytes, make: Callable[[TensorSpec], torch.Tensor]) -> None:
        self.specs = [TensorSpec.from_json(item) for item in task["specs"]]
        self.tensors: dict[int, torch.Tensor] = {}

        def tensor(index: int) -> torch.Tensor:
            made = make(self.specs[index])
            self.tensors[index] = made
            return made

        with torch.enable_grad():
            self.model, (self.args, self.kwargs, self.extra) = unpack(pickled, tensor)
        self.model.eval()
        torch.backends.mha.set_fastpath_enabled(False)
        self._without_cache()

    def names(self) -> dict[int, str]:
        """Live name by identity of the tensor made."""
        return {id(tensor): self.specs[index].name for index, tensor in self.tensors.items() if self.specs[index].name}

    def _without_cache(self) -> None:
        """Ask transformers models for no cache: its objects are not tensors, and ONNX has no place for them."""
        found = False
        for module in self.model.modules():
            config = getattr(module, "config", None)
            if config is not None and getattr(config, "use_cache", None) is True:
                with contextlib.suppress(AttributeError, TypeError):
                    config.use_cache = False
                    found = True
        if (found or self.kwargs.get("use_cache")) and "use_cache" in parameter_names(self.model):
            self.kwargs["use_cache"] = False


def parameter_names(model: torch.nn.Module) -> list[str]:
    """Names of forward's parameters; empty where they can't be known."""
    try:
        return list(inspect.signature(model.forward).parameters)
    except (TypeError, ValueError):
        return []


def bound_arguments(model: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The call's arguments by the names of forward's parameters, as ``torch.export`` wants them."""
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):  # a TorchScript method has none
        return {**{f"input_{index}": item for index, item in enumerate(args)}, **kwargs}
    bound = signature.bind(*args, **kwargs).arguments
    result: dict[str, Any] = {}
    for name, value in bound.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            result.update(value)
        else:
            result[name] = value
    return result


def fake_maker(mode: FakeTensorMode, values: bytes) -> Callable[[TensorSpec], torch.Tensor]:
    """Tensors without memory, except the small ones whose values travelled."""

    def make(spec: TensorSpec) -> torch.Tensor:
        if spec.offset >= 0:
            return _dressed(_value(spec, values), spec)
        with mode:
            return _dressed(torch.empty_strided(spec.shape, spec.stride, dtype=spec.torch_dtype), spec)

    return make


def real_maker(snapshot: str, offsets: dict[str, int], values: bytes) -> Callable[[TensorSpec], torch.Tensor]:
    """Tensors over the snapshot file, mapped privately: pages are read when used and can be dropped again."""
    size = os.path.getsize(snapshot)  # noqa: PTH202
    # A private mapping: the file stays as it is, whatever the model does to its copy.
    whole = torch.from_file(snapshot, shared=False, size=size, dtype=torch.uint8) if size else None
    generator = torch.Generator().manual_seed(0)
    known: dict[str, torch.Tensor] = {}

    def make(spec: TensorSpec) -> torch.Tensor:
        if spec.name in offsets and whole is not None:
            if spec.name not in known:
                piece = whole[offsets[spec.name] : offsets[spec.name] + spec.nbytes]
                known[spec.name] = piece.view(spec.torch_dtype).reshape(spec.shape)
            return _dressed(known[spec.name], spec)
        if spec.offset >= 0:
            return _dressed(_value(spec, values), spec)
        return _dressed(_random(spec, generator), spec)

    return make


def _value(spec: TensorSpec, values: bytes) -> torch.Tensor:
    if not spec.nbytes:
        return torch.empty(spec.shape, dtype=spec.torch_dtype)
    piece = bytearray(values[spec.offset : spec.offset + spec.nbytes])
    dense = torch.frombuffer(piece, dtype=torch.uint8).view(spec.torch_dtype).reshape(spec.shape)
    if dense.stride() == spec.stride or 0 in spec.stride:
        return dense
    return torch.empty_strided(spec.shape, spec.stride, dtype=spec.torch_dtype).copy_(dense)


def _random(spec: TensorSpec, generator: torch.Generator) -> torch.Tensor:
    if spec.torch_dtype.is_floating_point:
        return torch.randn(spec.shape, generator=generator).to(spec.torch_dtype)
    return torch.zeros(spec.shape, dtype=spec.torch_dtype)


def _dressed(tensor: torch.Tensor, spec: TensorSpec) -> torch.Tensor:
    return torch.nn.Parameter(tensor, requires_grad=spec.trainable) if spec.parameter else tensor


class OnlyCpu(TorchFunctionMode):
    """The copy lives on the CPU: an accelerator that forward names as text is read as the CPU."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        kwargs = dict(kwargs or {})
        if "device" in kwargs:
            kwargs["device"] = _cpu(kwargs["device"])
        name = getattr(func, "__name__", "")
        if name == "to":
            args = tuple(_cpu(item) for item in args)
        elif name in ("cuda", "xpu"):
            return args[0]
        return func(*args, **kwargs)


def _cpu(item: Any) -> Any:  # noqa: ANN401
    if isinstance(item, str):
        try:
            item = torch.device(item)
        except RuntimeError:
            return item
    if isinstance(item, torch.device) and item.type not in ("cpu", "meta"):
        return torch.device("cpu")
    return item


class OpenModules:
    """Knows in which module a traced forward pass stopped.

    (An always-called forward hook would say so too, but torch.export doesn't run those on an exception.)
    """

    def __init__(self, model: torch.nn.Module) -> None:
        # torch.export runs the modules through proxies that share the module's dictionary and nothing else.
        self._paths = {id(vars(module)): (path, type(module).__name__) for path, module in model.named_modules()}
        self._open: list[tuple[str, str]] = []

    @property
    def innermost(self) -> tuple[str, str] | None:
        """Path and class of the innermost module that has begun and not ended, or None."""
        return self._open[-1] if self._open else None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the model runs."""

        def begin(module: torch.nn.Module, _inputs: object) -> None:
            place = self._paths.get(id(vars(module)))
            if place is not None:
                if not place[0]:
                    self._open.clear()
                self._open.append(place)

        def end(module: torch.nn.Module, _inputs: object, _output: object) -> None:
            place = self._paths.get(id(vars(module)))
            if place in self._open:
                del self._open[len(self._open) - 1 - self._open[::-1].index(place) :]

        hooks = torch.nn.modules.module
        handles = (hooks.register_module_forward_pre_hook(begin), hooks.register_module_forward_hook(end))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


class FlatOutputs:
    """Makes forward return plain tensors, and keeps their names.

    A dictionary, dataclass, ModelOutput, named tuple, list or tuple is taken apart; what holds no tensor (None,
    numbers, a cache) is left out.

    Attributes:
        names: Names of the outputs of the last call; ``""`` where there is only one.
        left_out: Types of what was left out.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self.names: list[str] = []
        self.left_out: set[str] = set()
        original = model.forward

        def forward(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            found = list(self._leaves("", original(*args, **kwargs), 0))
            self.names = [name for name, _ in found]
            if not found:
                raise RuntimeError("forward returned no tensor")
            given = {id(item) for item in pytree.tree_leaves((args, kwargs))}
            # An input that is returned as it came would be renamed like the output.
            tensors = [tensor.clone() if id(tensor) in given else tensor for _, tensor in found]
            return tensors[0] if len(tensors) == 1 else tuple(tensors)

        with contextlib.suppress(TypeError, ValueError):
            forward.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
        model.forward = forward

    def _leaves(self, name: str, item: Any, depth: int) -> Iterator[tuple[str, torch.Tensor]]:  # noqa: ANN401
        if isinstance(item, torch.Tensor):
            yield name, item
            return
        if item is None or isinstance(item, bool | int | float | str):
            return
        parts = _parts(item)
        if parts is None or depth > 16:  # noqa: PLR2004
            self.left_out.add(type(item).__name__)
            return
        for key, value in parts:
            yield from self._leaves(f"{name}.{key}" if name else key, value, depth + 1)


def _parts(item: Any) -> Iterator[tuple[str, Any]] | None:  # noqa: ANN401
    if isinstance(item, dict):
        return ((str(key), value) for key, value in item.items())
    if isinstance(item, tuple) and hasattr(item, "_fields"):
        return zip(item._fields, item, strict=True)
    if isinstance(item, list | tuple):
        return ((str(index), value) for index, value in enumerate(item))
    if hasattr(type(item), "__dataclass_fields__") and "cache" not in type(item).__name__.lower():
        return ((key, getattr(item, key)) for key in type(item).__dataclass_fields__)
    return None


def unique(names: list[str]) -> list[str]:
    """The names with a number behind those that occur again."""
    seen: set[str] = set()
    result = []
    for name in names:
        free = next(
            candidate
            for candidate in itertools.chain([name], (f"{name}_{i}" for i in itertools.count(1)))
            if candidate not in seen
        )
        seen.add(free)
        result.append(free)
    return result
