"""Lazy layers: the first input tells the copy its shapes; the user's model stays lazy."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedParameter, is_lazy

if TYPE_CHECKING:
    from collections.abc import Iterator


def waits(module: nn.Module) -> bool:
    """Whether a module's parameters have no shapes yet."""
    return isinstance(module, LazyModuleMixin) and bool(module.has_uninitialized_params())


def initialise(
    module: Any,  # noqa: ANN401 (a copy of a lazy module)
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Give a copy of a lazy module its shapes, and make it what it becomes.

    Args:
        module: The copy.
        args: What it is called with.
        kwargs: What it is called with by name.

    Yields:
        Each tensor that had no shape, and what stands in its place now.
    """
    waiting = [
        (table, name, tensor)
        for table in (module.__dict__["_parameters"], module.__dict__["_buffers"])
        for name, tensor in table.items()
        if is_lazy(tensor)
    ]
    for table, name, tensor in waiting:
        tensor.__dict__["materialize"] = partial(_materialise, table, name, tensor)
    module.initialize_parameters(*args, **kwargs)
    if module.cls_to_become is not None:
        module.__class__ = module.cls_to_become
    for table, name, tensor in waiting:
        yield tensor, table[name]


def _materialise(table: dict[str, Any], name: str, tensor: Any, shape: Any, **given: Any) -> None:  # noqa: ANN401
    """Put a tensor of that shape in place of the one without."""
    made = torch.empty(shape, device=given.get("device") or tensor.device, dtype=given.get("dtype") or tensor.dtype)
    table[name] = nn.Parameter(made, tensor.requires_grad) if isinstance(tensor, UninitializedParameter) else made
