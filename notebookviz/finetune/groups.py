"""Parameter groups for an optimiser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notebookviz.errors import InputError
from notebookviz.finetune.blocks import find_blocks
from notebookviz.finetune.options import check

if TYPE_CHECKING:
    from torch import nn


def parameter_groups(
    model: nn.Module, *, lr: float, layer_decay: float = 1.0, weight_decay: float = 0.01
) -> list[dict[str, Any]]:
    """Sort the parameters that learn into groups for an optimiser.

    Weight decay is for matrices only: not for biases, and not for the vectors of norms.  With ``layer_decay`` below 1
    each block learns slower than the one after it: the head at ``lr``, the last block at ``lr × layer_decay``, the one
    before it at ``lr × layer_decay²``, …

    Args:
        model: The model.
        lr: Learning rate of the head, and of everything where ``layer_decay`` is 1.
        layer_decay: Factor from one block to the block before it; 0.65 to 0.9 is usual.
        weight_decay: Weight decay of matrices.

    Returns:
        Groups with ``params``, ``lr``, ``weight_decay`` and ``name``.

    Raises:
        InputError: Nothing learns, or a number is out of its range.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 4), nn.Linear(4, 2))
        >>> groups = parameter_groups(model, lr=0.1, layer_decay=0.5)
        >>> [(group["name"], group["lr"], group["weight_decay"]) for group in groups][:3]
        [('block 1', 0.025, 0.01), ('block 1, no decay', 0.025, 0.0), ('block 2', 0.05, 0.01)]
    """
    check(lr=lr, layer_decay=layer_decay, weight_decay=weight_decay)
    learning = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not learning:
        raise InputError(
            f"Nothing can learn: all {sum(1 for _ in model.parameters())} parameters are frozen.",
            hint="Unfreeze some: unfreeze(model, 'fc'), or train_only(model, 'head').",
        )
    blocks = find_blocks(model) if layer_decay < 1 else None
    groups: dict[str, dict[str, Any]] = {}
    for name, parameter in sorted(learning.items(), key=lambda item: blocks.depth[item[0]] if blocks else 0):
        rate, label = lr, "all"
        if blocks is not None:
            behind = len(blocks.names) - blocks.depth[name]
            rate, label = lr * layer_decay**behind, f"block {blocks.depth[name] + 1}" if behind else "head"
        decays = parameter.dim() > 1
        label = label if decays else f"{label}, no decay"
        group = groups.setdefault(
            label, {"params": [], "lr": rate, "weight_decay": weight_decay if decays else 0.0, "name": label}
        )
        group["params"].append(parameter)
    return list(groups.values())
