"""A private copy of a model that computes with real tensors.

Small tensors are copied.  Large ones are shared with the model until something is about to write to them: such a write
goes to a copy that is thrown away, is remembered, and the pass is run again with that tensor copied.  So a model of any
size takes little memory, and nothing of the user's is ever written.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from notebookviz.capture import flow, naming
from notebookviz.capture.modes import unseen
from notebookviz.capture.skeleton import Skeleton
from notebookviz.capture.standins import Scripted, unshaped

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL_BYTES = 2**20
_RAW = frozenset({"numpy", "__array__", "__dlpack__", "data_ptr", "untyped_storage", "storage", "share_memory_"})
"""Functions that hand out memory, which can be written without PyTorch knowing."""
_HIDDEN = {f"aten.{name}_batch_norm.default": (3, 4) for name in ("native", "cudnn", "miopen")}
"""Arguments that an operator writes although its schema does not say so."""


class Unreal(Exception):  # noqa: N818 (not an error: the pass goes on without values)
    """Real tensors can't be used: values are missing."""


class RealCopy(Skeleton):
    """A copy of ``model`` whose tensors hold the model's values.

    Args:
        model: The model to copy; nothing of it is changed.
        mode: ``"eval"`` or ``"train"``, set on the copy only.
        copied: Storages that an earlier pass tried to write; their tensors are copied whatever their size.

    Attributes:
        written: Storages of the user's that this pass tried to write.

    Raises:
        Unreal: A tensor of the model holds no values (the meta device).

    Example:
        >>> model = nn.Linear(2, 3)
        >>> twin = RealCopy(model, "eval").model
        >>> torch.equal(twin.weight, model.weight), twin.weight is model.weight
        (True, False)
    """

    def __init__(
        self, model: nn.Module, mode: Literal["eval", "train"] | None = None, copied: frozenset[int] = frozenset()
    ) -> None:
        self.copied = copied
        self.written: set[int] = set()
        self._shared: set[int] = set()
        super().__init__(model, mode)
        for _, module in naming.modules(self.model):
            if isinstance(module, Scripted):
                self._shared.update(
                    flow.storage(tensor) for _, tensor, _ in naming.tensors(module.__dict__["scripted"])
                )

    def tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        """What stands for ``tensor``: the same one each time."""
        found = self._memo.get(id(tensor))
        if found is None:
            with unseen():
                found = self._stand_in(tensor)
                self._keep_tensor(tensor, found)
        return found

    def run(self, func: Any, written: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        """Run a dispatched operator; what it would write to shared memory goes to a copy.

        Args:
            func: The operator.
            written: Position and name of each argument that it writes.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Returns:
            Its result.
        """
        hidden = _HIDDEN.get(str(func), ())
        swapped: dict[int, torch.Tensor] = {}
        positional, named = list(args), dict(kwargs)
        for at, name in (*written, *((at, "") for at in hidden)):
            if at < len(positional):
                positional[at] = self._scratch(positional[at], swapped)
            elif name in named:
                named[name] = self._scratch(named[name], swapped)
        result = func(*positional, **named)
        return _put_back(result, swapped) if swapped else result

    def guarded(self, name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Arguments of a function, with a copy in place of shared memory where it would hand that out."""
        if name in _RAW and args and isinstance(args[0], torch.Tensor):
            return (self._scratch(args[0], {}), *args[1:])
        return args

    def _scratch(self, item: Any, swapped: dict[int, torch.Tensor]) -> Any:  # noqa: ANN401
        if isinstance(item, (list, tuple)):
            return type(item)(self._scratch(part, swapped) for part in item)
        if not isinstance(item, torch.Tensor) or flow.storage(item) not in self._shared:
            return item
        self.written.add(flow.storage(item))
        with unseen():
            other = item.detach().clone()
        swapped[id(other)] = item
        return other

    def _stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        if isinstance(tensor, FakeTensor) or tensor.is_meta:
            raise Unreal
        if isinstance(tensor, (UninitializedParameter, UninitializedBuffer)):
            return unshaped(tensor, tensor.device)
        if type(tensor) not in (torch.Tensor, nn.Parameter):
            return _copied(tensor)
        found = tensor.data  # unlike detach(), it has a version of its own
        large = tensor.layout is torch.strided and tensor.numel() * tensor.element_size() > SMALL_BYTES
        if large and flow.storage(tensor) not in self.copied:
            self._shared.add(flow.storage(tensor))
        else:
            found = found.clone()
        if isinstance(tensor, nn.Parameter):
            return nn.Parameter(found, requires_grad=tensor.requires_grad)
        return found.requires_grad_(tensor.requires_grad and tensor.is_leaf)


def filled(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Random numbers in place of the zeros of an input that was made up; integers stay, since they may be indices."""

    def fill(tensor: torch.Tensor) -> torch.Tensor:
        return torch.rand(tensor.shape, device=tensor.device).to(tensor.dtype) if tensor.is_floating_point() else tensor

    return _mapped(args, fill), {name: _mapped(item, fill) for name, item in kwargs.items()}


def _mapped(thing: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:  # noqa: ANN401
    if isinstance(thing, torch.Tensor):
        return change(thing)
    if type(thing) in (list, tuple):
        return type(thing)(_mapped(item, change) for item in thing)
    if type(thing) is dict:
        return {key: _mapped(item, change) for key, item in thing.items()}
    return thing


def _put_back(result: Any, swapped: dict[int, torch.Tensor]) -> Any:  # noqa: ANN401
    return _mapped(result, lambda tensor: swapped.get(id(tensor), tensor))


def _copied(tensor: torch.Tensor) -> torch.Tensor:
    try:
        return copy.deepcopy(tensor)
    except Exception:  # noqa: BLE001 (a subclass may copy itself in any way)
        return tensor.detach().clone()
