"""A model put back exactly after it was tried out."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from notebookviz.finetune.rng import undisturbed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


@contextmanager
def restored(model: nn.Module) -> Iterator[None]:
    """Put weights, buffers, gradients, modes and random generators back at the end, bit for bit.

    Example:
        >>> from torch import nn
        >>> model = nn.Linear(2, 1)
        >>> before = model.weight.detach().clone()
        >>> with restored(model), torch.no_grad():
        ...     _ = model.weight.zero_()
        >>> bool((model.weight == before).all())
        True
    """
    kept = [(item, item.detach().clone()) for item in (*model.parameters(), *model.buffers())]
    gradients = [(item, item.grad) for item in model.parameters()]
    modes = [(module, module.training) for module in model.modules()]
    for parameter, _ in gradients:
        parameter.grad = None
    with undisturbed():
        try:
            yield
        finally:
            with torch.no_grad():
                for item, value in kept:
                    item.copy_(value)
            for parameter, gradient in gradients:
                parameter.grad = gradient
            for module, training in modes:
                module.training = training
