"""Whether a model is still the one that was drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.parameter import is_lazy

if TYPE_CHECKING:
    from collections.abc import Hashable

    from torch import nn


def fingerprint(model: nn.Module) -> Hashable:
    """What changes when a module or a parameter is replaced, and not when values change.

    Args:
        model: Any module; it is only looked at.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(2, 2))
        >>> before = fingerprint(model)
        >>> model[0] = nn.Linear(2, 3)
        >>> fingerprint(model) == before
        False
    """
    found: list[Hashable] = []
    for name, module in model.named_modules(remove_duplicate=False):
        found.append((name, id(module), id(type(module))))
        for key, tensor in (*module._parameters.items(), *module._buffers.items()):  # noqa: SLF001 - no copies
            if tensor is None:
                found.append((key, None))
                continue
            shape = () if is_lazy(tensor) else tuple(tensor.shape)
            found.append((key, shape, tensor.dtype, tensor.requires_grad))
    return tuple(found)
