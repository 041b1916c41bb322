"""Trying out before training: which learning rate, and whether the model can learn at all."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import torch

from notebookviz.errors import InputError
from notebookviz.finetune import checks
from notebookviz.finetune.accelerating import accelerating
from notebookviz.finetune.events import Callback
from notebookviz.finetune.options import check, check_model
from notebookviz.finetune.plan import Plan
from notebookviz.finetune.running import training_of
from notebookviz.finetune.schedules import make_optimizer
from notebookviz.finetune.snapshot import restored
from notebookviz.finetune.trainer import Trainer
from notebookviz.turns import lock_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn

    from notebookviz.finetune.events import Step
    from notebookviz.finetune.tasks import Kind, Loss

_SMOOTH: Final = 0.9
_DIVERGED: Final = 4.0
_LEAST: Final = 10
_LEARNED: Final = 0.1


@dataclass(frozen=True, slots=True)
class LearningRates:
    """What a range test found; ``print`` it, or draw it by ``plots.learning_rates``.

    Attributes:
        rates: The learning rates tried, rising.
        losses: The loss at each.
        smoothed: The same as a moving average.
        suggestion: Where the smoothed loss falls fastest; None where it does not fall.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float | None

    def __str__(self) -> str:
        """One sentence."""
        tried = f"{len(self.rates)} rates from {self.rates[0]:.1e} to {self.rates[-1]:.1e}"
        if self.suggestion is None:
            return f"Of {tried} none lets the loss fall. Check the data, or whether the model can learn one batch."
        return f"Of {tried} the loss falls fastest at {self.suggestion:.1e}: try lr={self.suggestion:.1e}."


def find_learning_rate(  # noqa: PLR0913 - the options are keywords, and each is documented
    model: nn.Module,
    train_loader: Iterable[Any],
    *,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    task: Kind | None = None,
    loss: Loss | None = None,
    optimizer: Callable[..., Any] | None = None,
    weight_decay: float = 0.01,
    seed: int = 0,
) -> LearningRates:
    """Train for a moment with a rising learning rate, and see where the loss falls fastest.

    This is the range test of L. N. Smith, Cyclical Learning Rates for Training Neural Networks (WACV 2017).  It ends
    early when the smoothed loss grows beyond four times its best.  The model is put back bit for bit: weights, running
    statistics, gradients, modes, random generators.

    Args:
        model: The model.
        train_loader: As for :func:`notebookviz.fine_tune`.
        lowest: The first learning rate.
        highest: The last.
        steps: How many to try.
        task: As for ``fine_tune``.
        loss: As for ``fine_tune``.
        optimizer: What builds the optimiser from parameter groups; AdamW without it.
        weight_decay: As for ``fine_tune``.
        seed: As for ``fine_tune``.

    Returns:
        The rates, the losses, and a suggestion.

    Raises:
        InputError: Something is wrong with the model, the data or an option.

    Example:
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> x = torch.randn(256, 8)
        >>> loader = DataLoader(TensorDataset(x, (x.sum(1) > 0).long()), batch_size=32, shuffle=True)
        >>> found = find_learning_rate(torch.nn.Linear(8, 2), loader, steps=50)
        >>> 1e-6 < found.suggestion < 1
        True
    """
    check_model(model, "find_learning_rate")
    check(lowest=lowest, highest=highest, steps=steps, task=task, loss=loss, weight_decay=weight_decay, seed=seed)
    if not lowest < highest or steps < _LEAST:
        raise InputError(
            f"lowest is {lowest!r}, highest {highest!r}, steps {steps!r}.",
            hint=f"Wanted are lowest below highest, and at least {_LEAST} steps.",
        )
    growth = (highest / lowest) ** (1 / (steps - 1))
    watch = _Watch(steps, diverged=_DIVERGED)
    _try(
        model,
        train_loader,
        watch,
        optimizer=partial(make_optimizer, model, optimizer, lr=lowest, weight_decay=weight_decay),
        factor=lambda step: growth**step,
        task=task,
        loss=loss,
        seed=seed,
    )
    if not watch.steps:
        raise InputError(watch.ended or "Not one step could be made.")
    rates = tuple(step.lr for step in watch.steps)
    losses = tuple(step.loss for step in watch.steps)
    smoothed = _smooth(losses)
    return LearningRates(rates, losses, smoothed, _steepest(rates, smoothed))


@dataclass(frozen=True, slots=True)
class OneBatch:
    """Whether a model could learn one batch by heart; ``print`` it.

    Attributes:
        losses: The loss after each step.
        samples: Samples in the batch.
        learned: Whether the loss fell to a tenth.
    """

    losses: tuple[float, ...]
    samples: int
    learned: bool

    def __str__(self) -> str:
        """One or two sentences."""
        curve = (
            f"The loss of one batch of {self.samples} went from {self.losses[0]:.3g} to {self.losses[-1]:.3g} "
            f"in {len(self.losses)} steps"
        )
        if self.learned:
            return f"{curve}: the model can learn."
        if self.losses[-1] >= self.losses[0]:
            return (
                f"{curve}: it learns nothing. Check that labels belong to their inputs, what is frozen, and the loss; "
                "or lower lr."
            )
        return f"{curve}: it learns slowly. Try more steps, another lr, or unfreeze more."


def overfit_one_batch(  # noqa: PLR0913 - the options are keywords, and each is documented
    model: nn.Module,
    train_loader: Iterable[Any],
    *,
    steps: int = 50,
    lr: float = 1e-3,
    task: Kind | None = None,
    loss: Loss | None = None,
    optimizer: Callable[..., Any] | None = None,
) -> OneBatch:
    """Train on one batch only, to see that the model can learn at all; afterwards the model is put back bit for bit.

    Args:
        model: The model.
        train_loader: As for :func:`notebookviz.fine_tune`; its first batch is taken.
        steps: How often the batch is learned from.
        lr: Learning rate.
        task: As for ``fine_tune``.
        loss: As for ``fine_tune``.
        optimizer: What builds the optimiser from parameter groups; AdamW without it.

    Returns:
        The losses, and whether the batch was learned.

    Raises:
        InputError: Something is wrong with the model, the data or an option.

    Example:
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> loader = DataLoader(TensorDataset(torch.randn(16, 8), torch.arange(16) % 2), batch_size=16)
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2))
        >>> overfit_one_batch(model, loader, lr=0.02).learned
        True
    """
    check_model(model, "overfit_one_batch")
    check(steps=steps, lr=lr, task=task, loss=loss)
    watch = _Watch(steps)
    _try(
        model,
        train_loader,
        watch,
        optimizer=partial(make_optimizer, model, optimizer, lr=lr, weight_decay=0.0),
        factor=lambda _: 1.0,
        task=task,
        loss=loss,
        one_batch=True,
    )
    losses = tuple(step.loss for step in watch.steps)
    if not losses:
        raise InputError(watch.ended or "Not one step could be made.")
    return OneBatch(losses, watch.steps[0].samples, losses[-1] <= _LEARNED * losses[0])


class _Watch(Callback):
    """Collects the steps, and ends after so many or when the loss has left all bounds."""

    def __init__(self, count: int, diverged: float = math.inf) -> None:
        self.steps: list[Step] = []
        self.stop = threading.Event()
        self.ended = ""
        self._count = count
        self._diverged = diverged

    def on_step(self, step: Step) -> None:
        self.steps.append(step)
        smoothed = _smooth(tuple(item.loss for item in self.steps))
        left = len(self.steps) > _LEAST and smoothed[-1] > self._diverged * abs(min(smoothed))
        if len(self.steps) >= self._count or left:
            self.stop.set()

    def on_end(self, training: Any) -> None:  # noqa: ANN401 - a Training
        self.ended = training.stopped


def _try(  # noqa: PLR0913 - the parts of a training
    model: nn.Module,
    loader: Iterable[Any],
    watch: _Watch,
    *,
    optimizer: Callable[[], Any],
    factor: Callable[[int], float],
    task: Kind | None,
    loss: Loss | None,
    seed: int = 0,
    one_batch: bool = False,
) -> None:
    """Train under watch, and put the model back."""
    # What is tried out is nobody's to see: whoever reads the model waits until it is put back.
    with training_of(model, watch.stop), lock_of(model) as lock, accelerating(None, None) as accelerator:
        prospect = checks.check(model, loader, None, task=task, loss=loss, labels=None)
        model.to(accelerator.device)
        with restored(model):
            made = optimizer()
            trainer = Trainer(
                model,
                accelerator=accelerator,
                loaders=([checks.first_batch(loader, "train_loader")] if one_batch else loader, None),
                task=prospect.task,
                optimizer=made,
                metrics={},
                plan=Plan(epochs=1 << 30, seed=seed),
                callbacks=[watch],
                stop=watch.stop,
                lock=lock,
            )
            trainer.scheduler = torch.optim.lr_scheduler.LambdaLR(made, factor)
            trainer.run()


def _smooth(losses: tuple[float, ...]) -> tuple[float, ...]:
    """An exponential moving average without the bias of its start."""
    average, found = 0.0, []
    for at, loss in enumerate(losses, 1):
        average = _SMOOTH * average + (1 - _SMOOTH) * loss
        found.append(average / (1 - _SMOOTH**at))
    return tuple(found)


def _steepest(rates: tuple[float, ...], losses: tuple[float, ...]) -> float | None:
    """The rate at which the loss falls fastest over the logarithm of the rate, before its lowest point."""
    lowest = min(range(len(losses)), key=losses.__getitem__) if losses else 0
    slopes = {
        at: (losses[at + 1] - losses[at - 1]) / (math.log(rates[at + 1]) - math.log(rates[at - 1]))
        for at in range(1, min(lowest + 1, len(losses) - 1))
    }
    at = min(slopes, key=slopes.__getitem__, default=None)
    return None if at is None or slopes[at] >= 0 else rates[at]
