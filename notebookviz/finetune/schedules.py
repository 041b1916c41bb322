"""Optimisers and learning rate schedules by name."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import torch

from notebookviz.errors import InputError
from notebookviz.finetune.groups import parameter_groups

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

SCHEDULES: Final = ("cosine", "linear", "constant")


def make_optimizer(model: nn.Module, optimizer: Any, **rates: float) -> Any:  # noqa: ANN401 - an optimiser
    """The optimiser: the user's own, or one built from parameter groups.

    Args:
        model: The model.
        optimizer: An optimiser, or what builds one from parameter groups; None is AdamW.
        **rates: ``lr``, ``layer_decay`` and ``weight_decay`` of :func:`parameter_groups`.

    Raises:
        InputError: The optimiser holds nothing of what learns.

    Example:
        >>> from torch import nn
        >>> type(make_optimizer(nn.Linear(2, 1), torch.optim.SGD, lr=0.1)).__name__
        'SGD'
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        groups = parameter_groups(model, **rates)
        return (optimizer or torch.optim.AdamW)(groups)
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    missing = [
        name for name, parameter in model.named_parameters() if parameter.requires_grad and id(parameter) not in held
    ]
    if missing:
        raise InputError(
            f"The optimiser does not hold {len(missing)} of the parameters that learn, for example {missing[0]!r}: it "
            "was made before the model changed.",
            hint="Make it again, or pass what builds it: optimizer=functools.partial(torch.optim.SGD, momentum=0.9).",
        )
    return optimizer


def make_schedule(optimizer: Any, schedule: Any, *, warmup: float, steps: int | None) -> Any:  # noqa: ANN401
    """The schedule: by name, built by the user's function of the optimiser, or the user's own; None for constant.

    Args:
        optimizer: The optimiser.
        schedule: ``"cosine"``, ``"linear"``, ``"constant"``, a function, or a scheduler.
        warmup: Steps, or below 1 the part of all steps, in which the rate grows from 0.
        steps: Steps in all; None where they are unknown: then the rate stays constant after the warm-up.

    Raises:
        InputError: There is no such schedule.

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> schedule = make_schedule(optimizer, "linear", warmup=2, steps=6)
        >>> rates = []
        >>> for _ in range(6):
        ...     rates.append(schedule.get_last_lr()[0])
        ...     optimizer.step()
        ...     schedule.step()
        >>> rates
        [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    if not isinstance(schedule, str):
        if schedule is None or hasattr(schedule, "step"):
            return schedule
        return schedule(optimizer)
    if schedule not in SCHEDULES:
        raise InputError(f"scheduler is {schedule!r}.", hint=f"Known are {', '.join(map(repr, SCHEDULES))}.")
    if warmup < 0 or (warmup < 1 and steps is None and warmup > 0):
        raise InputError(
            f"warmup is {warmup!r}; it is a number of steps, or below 1 a part of all steps where these are known.",
            hint="For example warmup=100.",
        )
    rising = round(warmup * (steps or 0)) if warmup < 1 else int(warmup)
    if schedule == "constant" and not rising:
        return None
    return torch.optim.lr_scheduler.LambdaLR(optimizer, _factor(schedule, rising, steps))


def _factor(schedule: str, rising: int, steps: int | None) -> Callable[[int], float]:
    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        if steps is None or schedule == "constant":
            return 1.0
        part = min((step - rising) / max(steps - rising, 1), 1.0)
        return 1 - part if schedule == "linear" else (1 + math.cos(math.pi * part)) / 2

    return factor
