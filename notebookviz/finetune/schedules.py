"""Optimisers and learning rate schedules by name."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from notebookviz.errors import InputError
from notebookviz.finetune import raised
from notebookviz.finetune.groups import parameter_groups
from notebookviz.finetune.options import check

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


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
        check(optimizer=optimizer)
        groups = parameter_groups(model, **rates)
        if optimizer is not torch.optim.LBFGS:
            try:
                optimizer = (optimizer or torch.optim.AdamW)(groups)
            except Exception as error:
                raise raised.told(error, "What builds the optimiser", "before the first step") from error
    if optimizer is torch.optim.LBFGS or isinstance(optimizer, torch.optim.LBFGS):
        raise InputError("LBFGS runs the model several times in a step.", hint="Pass another, for example AdamW.")
    if not hasattr(optimizer, "param_groups"):
        raise InputError(
            f"What builds the optimiser returned {type(optimizer).__name__}; a torch.optim.Optimizer is wanted.",
            hint="For example optimizer=functools.partial(torch.optim.SGD, momentum=0.9).",
        )
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
        steps: Steps in all; None where they are unknown: then a part of them is none, and the rate stays constant
            after the warm-up.

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
    check(scheduler=schedule)
    if not isinstance(schedule, str):
        ready = schedule is None or (hasattr(schedule, "step") and not isinstance(schedule, type))
        made = schedule if ready else _built(schedule, optimizer)
        _check_own(made, optimizer)
        return made
    check(warmup=warmup)
    rising = round(warmup * (steps or 0)) if warmup < 1 else int(warmup)
    if schedule == "constant" and not rising:
        return None
    return torch.optim.lr_scheduler.LambdaLR(optimizer, _factor(schedule, rising, steps))


def _built(build: Any, optimizer: Any) -> Any:  # noqa: ANN401 - whatever the user passed
    try:
        made = build(optimizer)
    except Exception as error:
        raise raised.told(error, "What builds the scheduler", "before the first step") from error
    if not hasattr(made, "step"):
        raise InputError(
            f"What builds the scheduler returned {type(made).__name__}; a scheduler is wanted.",
            hint="For example scheduler=lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 1).",
        )
    return made


def check_steps(schedule: Any, steps: int | None, *, each_step: bool) -> None:  # noqa: ANN401 - a scheduler
    """Whether a schedule of the user's can go on as often as it is asked to.

    Args:
        schedule: The schedule.
        steps: How often it goes on; None where that is unknown.
        each_step: Whether it goes on at each step, and not at each epoch.

    Raises:
        InputError: It would raise in the middle of the training.
    """
    if each_step and isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
        raise InputError(
            "ReduceLROnPlateau looks at the loss of an epoch, so it can't go on at each step.",
            hint="Leave out scheduler_step.",
        )
    most = getattr(schedule, "total_steps", None)
    if steps is not None and isinstance(most, int) and most < steps:
        raise InputError(
            f"The scheduler {type(schedule).__name__} has {most:,} steps; this training asks it {steps:,} times.",
            hint=f"Give it total_steps={steps}.",
        )


def _check_own(schedule: Any, optimizer: Any) -> None:  # noqa: ANN401
    """A schedule that changes another optimiser would change nothing here."""
    owner = getattr(schedule, "optimizer", None)
    if isinstance(owner, torch.optim.Optimizer) and owner.param_groups is not optimizer.param_groups:
        raise InputError(
            f"The scheduler {type(schedule).__name__} belongs to another optimiser, so it would change nothing.",
            hint="Pass what builds it: scheduler=lambda optimizer: ….",
        )


def _factor(schedule: str, rising: int, steps: int | None) -> Callable[[int], float]:
    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        if steps is None or schedule == "constant":
            return 1.0
        part = min((step - rising) / max(steps - rising, 1), 1.0)
        return 1 - part if schedule == "linear" else (1 + math.cos(math.pi * part)) / 2

    return factor
