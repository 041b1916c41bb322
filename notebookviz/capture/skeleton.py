"""A weightless copy of a model: module objects copied one by one, each tensor replaced by a fake one.

The copy shares no container with the original, so whatever a forward pass assigns stays in the copy.  Parameters and
buffers cost a few microseconds each and no memory.
"""

from __future__ import annotations

import sys
from collections import OrderedDict, deque
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from notebookviz.capture import closures, flow, naming
from notebookviz.capture.standins import Scripted, blank, detached, empty_like, fake_of
from notebookviz.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

DEEPEST = 300
LIBRARIES = ("torch.nn.utils", "torch.ao", "accelerate", "peft", "transformers")
"""Hooks of these packages are part of how a module works; all others are the user's and are left out."""

_FORWARD_HOOKS = ("_forward_pre_hooks", "_forward_hooks")
_OTHER_HOOKS = ("_backward_hooks", "_backward_pre_hooks")
_FLAGS = ("_forward_pre_hooks_with_kwargs", "_forward_hooks_with_kwargs", "_forward_hooks_always_called")
_PLAIN = (str, int, float, bool, bytes, type(None), type, torch.dtype, torch.device)
_REGISTER_TYPES = (dict, OrderedDict, set)
_REGISTERS = frozenset(name for name, value in vars(nn.Module()).items() if type(value) in _REGISTER_TYPES)


class Skeleton:
    """A weightless copy of ``model``.

    Args:
        model: The model to copy; nothing of it is changed.
        mode: ``"eval"`` or ``"train"``, set on the copy only; None keeps each module's own.
        fake: The fake mode the copy's tensors belong to; one is made where none is given.

    Attributes:
        model: The copy.
        modules: All modules that were copied, also those that are not registered.
        fake: The fake mode.
        originals: For the ``id`` of each of the copy's tensors, the tensor it stands for.
        places: For the ``id`` of each plain tensor attribute of the copy, its path.
        unregistered: For the ``id`` of each module that the copy holds in a list, a closure..., its path.
        home: The device that tensors on meta stand on: that of the model's first tensor that is elsewhere.
        weightless: Whether all of the model's tensors are on meta.
        absent: Whether tensors on meta only wait for their values: all parameters do, or accelerate keeps them.
        hooks: For the ``id`` of each module of the copy, how many of the user's own hooks were left out.

    Example:
        >>> copy = Skeleton(nn.Linear(2, 3), mode="eval")
        >>> tuple(copy.model.weight.shape), copy.model.training
        ((3, 2), False)
    """

    def __init__(
        self, model: nn.Module, mode: Literal["eval", "train"] | None = None, fake: FakeTensorMode | None = None
    ) -> None:
        check_depth(model)
        self.fake = fake if fake is not None else FakeTensorMode(allow_non_fake_inputs=True)
        self.originals: dict[int, torch.Tensor] = {}
        self.places: dict[int, str] = {}
        self.unregistered: dict[int, str] = {}
        self.hooks: dict[int, int] = {}
        self.modules: list[nn.Module] = []
        held = [(tensor, kind) for _, tensor, kind in naming.tensors(model)]
        self.home = next((tensor.device for tensor, _ in held if not tensor.is_meta), torch.device("cpu"))
        self.weightless = bool(held) and all(tensor.is_meta for tensor, _ in held)
        own = [tensor.is_meta for tensor, kind in held if kind == "parameter"]
        self.absent = self.weightless or (bool(own) and all(own)) or _is_offloaded(model)
        self._memo: dict[int, Any] = {}
        self._cells: closures.Cells = {}
        self._kept: list[Any] = []
        self.model: nn.Module = self._model(naming.unwrap(model))
        if mode is not None:
            set_mode(self.model, mode)

    def tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        """The fake tensor that stands for ``tensor``: the same one each time."""
        found = self._memo.get(id(tensor))
        if found is None:
            device = self.home if tensor.is_meta and self.absent else tensor.device
            found = fake_of(self.fake, tensor, device)
            self._keep_tensor(tensor, found)
        return found

    def convert(self, thing: Any) -> Any:  # noqa: ANN401 (any argument of a forward pass)
        """Replace each tensor in nested containers by the fake one that stands for it.

        An input on meta stays there, unless the weights are there too: PyTorch would refuse it.
        """
        for tensor in flow.tensors(thing) if not self.absent else ():
            if tensor.is_meta and id(tensor) not in self._memo:
                self._keep_tensor(tensor, fake_of(self.fake, tensor, tensor.device))
        return self._value(thing, "")

    def _keep(self, original: Any, copy: Any) -> Any:  # noqa: ANN401
        self._memo[id(original)] = copy
        self._kept.append(original)
        return copy

    def _keep_tensor(self, original: torch.Tensor, copy: torch.Tensor) -> None:
        """Let a tensor stand for another one, with the attributes that were set on that."""
        self._keep(original, copy)
        self.originals[id(copy)] = original
        if copy is not original:
            for name, value in vars(original).items():
                if name not in copy.__dict__:
                    copy.__dict__[name] = self._value(value, "")

    def _model(self, root: nn.Module, place: str = "") -> nn.Module:
        """Copy the module objects first, so that any reference among them finds its copy, then fill them."""
        copies = []
        for path, module in naming.modules(root):
            if id(module) in self._memo:
                continue
            copy = blank(module)
            where = naming.join(place, path) if path else place
            copies.append((where, module, copy))
            self.modules.append(copy)
            self._keep(module, copy)
            if place:
                self.unregistered[id(copy)] = where
        for path, module, copy in copies:
            if isinstance(copy, Scripted):
                for name in ("_modules", "_parameters", "_buffers"):
                    copy.__dict__[name] = self._attribute(name, naming.table(module, name), path)
            else:
                self._fill(path, module, copy)
            if place:
                for name, tensor in (
                    *naming.table(copy, "_parameters").items(),
                    *naming.table(copy, "_buffers").items(),
                ):
                    self.places.setdefault(id(tensor), naming.join(path, naming.clean(str(name))))
        return self._memo[id(root)]  # type: ignore[no-any-return]

    def _fill(self, path: str, module: nn.Module, copy: nn.Module) -> None:
        state = module.__dict__
        target = copy.__dict__
        dropped = 0
        for name in _FORWARD_HOOKS:
            hooks = state.get(name) or {}
            kept = OrderedDict((key, self._value(hook, path)) for key, hook in hooks.items() if _of_library(hook))
            dropped += sum(not (_of_library(hook) or _of_torch(hook)) for hook in hooks.values())
            target[name] = kept
        for name in _OTHER_HOOKS:
            dropped += len(state.get(name) or {})
            target[name] = OrderedDict()
        for name in _FLAGS:
            target[name] = OrderedDict(state.get(name) or {})
        for name, value in state.items():
            if name in target:
                continue
            if isinstance(value, _PLAIN):
                target[name] = value
            elif name in _REGISTERS and type(value) in _REGISTER_TYPES and not value:
                target[name] = type(value)()
            else:
                target[name] = self._attribute(name, value, path)
        self._fill_slots(path, module, copy)
        target["_compiled_call_impl"] = None
        if isinstance(copy, nn.DataParallel):
            target["device_ids"] = []
        if dropped:
            self.hooks[id(copy)] = dropped

    def _fill_slots(self, place: str, value: Any, copy: Any) -> None:  # noqa: ANN401
        for name, item in flow.slots(value):
            object.__setattr__(copy, name, self._value(item, naming.join(place, naming.clean(name))))

    def _attribute(self, name: str, value: Any, path: str) -> Any:  # noqa: ANN401
        if name in ("_parameters", "_buffers"):
            return {key: None if item is None else self.tensor(item) for key, item in value.items()}
        if name == "_modules":
            return {
                key: self._memo[id(naming.unwrap(item))] if isinstance(item, nn.Module) else item
                for key, item in value.items()
            }
        return self._value(value, naming.join(path, naming.clean(str(name))))

    def _value(self, value: Any, place: str) -> Any:  # noqa: ANN401, PLR0911, C901 (one branch for each kind)
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, nn.Module):
            value = naming.unwrap(value)
        known = self._memo.get(id(value))
        if known is not None:
            return known
        if isinstance(value, torch.Tensor):
            fake = self.tensor(value)
            if place:
                self.places.setdefault(id(fake), place)
            return fake
        if isinstance(value, nn.Module):
            return self._model(value, place or naming.clean(type(value).__name__))
        if isinstance(value, dict):
            return self._dict(value, place)
        if isinstance(value, (list, deque)):
            items = self._keep(value, list() if type(value) is list else empty_like(value))  # noqa: C408
            items.extend(self._value(item, naming.join(place, str(at))) for at, item in enumerate(value))
            return items
        if isinstance(value, (tuple, set)):
            return self._sequence(value, place)
        if isinstance(value, MethodType):
            owner = self._value(value.__self__, place)
            return value if owner is value.__self__ else MethodType(value.__func__, owner)
        if isinstance(value, partial):
            return partial(
                self._value(value.func, place), *self._value(value.args, place), **self._value(value.keywords, place)
            )
        if isinstance(value, FunctionType):
            return self._keep(value, closures.copied(value, place, self._value, self._cells))
        return self._object(value, place)

    def _dict(self, value: dict[Any, Any], place: str) -> Any:  # noqa: ANN401
        copy = self._keep(value, {} if type(value) is dict else empty_like(value))
        if copy is value:
            return value
        for key, item in value.items():
            copy[key] = self._value(item, naming.join(place, naming.clean(str(key))))
        if hasattr(value, "__dict__") and hasattr(copy, "__dict__"):
            for key, item in vars(value).items():
                copy.__dict__.setdefault(key, item)
        return copy

    def _sequence(self, value: Any, place: str) -> Any:  # noqa: ANN401
        items = [self._value(item, naming.join(place, str(at))) for at, item in enumerate(value)]
        if isinstance(value, set):
            return set(items) if type(value) is set else value
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        if type(value) is tuple:
            return tuple(items)
        make: Callable[..., Any] | None = getattr(type(value), "_make", None)
        return make(items) if make is not None else value

    def _object(self, value: Any, place: str) -> Any:  # noqa: ANN401
        kind = type(value)
        package = str(getattr(kind, "__module__", "")).partition(".")[0]
        plain = (
            getattr(kind, "__new__", None) is object.__new__
            and package not in sys.stdlib_module_names.difference(("__main__",))
            and package not in ("torch", "numpy")
        )
        if not plain:
            found = detached(value)
            return value if found is value else self._keep(value, found)
        try:
            copy = object.__new__(kind)
        except TypeError:
            return value
        self._keep(value, copy)
        for key, item in getattr(value, "__dict__", {}).items():
            copy.__dict__[key] = self._value(item, naming.join(place, naming.clean(str(key))))
        self._fill_slots(place, value, copy)
        if package == "accelerate" and hasattr(copy, "offload"):
            copy.offload = False  # the weights it would load are here already
        return copy


def set_mode(model: nn.Module, mode: Literal["eval", "train"]) -> None:
    """Set train or eval mode on a copy, through its own ``train`` where that works."""
    wanted = mode == "train"
    try:
        model.train(wanted)
    except Exception:  # noqa: BLE001 (a model's own train() may do anything)
        for _, module in naming.modules(model):
            module.__dict__["training"] = wanted


def check_depth(model: nn.Module) -> None:
    """Refuse a model that nests more modules inside each other than Python can call.

    Raises:
        InputError: The nesting is deeper than ``DEEPEST``.
    """
    root = naming.unwrap(model)
    deepest = 0
    seen = {id(root)}
    level = [root]
    while level:
        following = []
        for module in level:
            for _, child in naming.children(module):
                if id(child) not in seen:
                    seen.add(id(child))
                    following.append(child)
        level = following
        deepest += bool(level)
    if deepest > DEEPEST:
        raise InputError(
            f"{naming.clean(type(root).__name__)} nests {deepest:,} modules inside each other; "
            f"at most {DEEPEST} can be run and drawn.",
            hint="Show one of its inner modules, or put the modules side by side in one Sequential.",
        )


def _is_offloaded(model: nn.Module) -> bool:
    """Whether accelerate fetches weights when a module is called, so that those on meta are somewhere else."""
    return any("_hf_hook" in module.__dict__ for _, module in naming.modules(model))


def _of_library(hook: Any) -> bool:  # noqa: ANN401
    while isinstance(hook, partial):
        hook = hook.func
    owner = getattr(hook, "__module__", None) or type(hook).__module__
    return str(owner).startswith(LIBRARIES)


def _of_torch(hook: Any) -> bool:  # noqa: ANN401
    """Whether a hook is PyTorch's own: how a lazy module waits for its input, how an exported one checks it."""
    return str(getattr(hook, "__module__", "")).startswith("torch.")
