"""``fine_tune``: where the parts of a training are joined."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from notebookviz.finetune import checks
from notebookviz.finetune.accelerating import accelerating
from notebookviz.finetune.events import Printer
from notebookviz.finetune.keeping import Keeper
from notebookviz.finetune.labels import class_names
from notebookviz.finetune.metrics import check_monitor, default_metrics, named_metrics
from notebookviz.finetune.options import check, check_model
from notebookviz.finetune.plan import Plan
from notebookviz.finetune.running import training_of
from notebookviz.finetune.schedules import check_steps, make_optimizer, make_schedule
from notebookviz.finetune.stopping import Stop
from notebookviz.finetune.trainer import Trainer
from notebookviz.finetune.waiting import Waiting
from notebookviz.finetune.watching import Start, watched
from notebookviz.turns import lock_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from torch import nn

    from notebookviz.finetune.events import Callback
    from notebookviz.finetune.result import Training
    from notebookviz.finetune.tasks import Kind, Loss
    from notebookviz.finetune.watching import Watcher

Precision = Literal["no", "bf16", "fp16"]


def fine_tune(  # noqa: PLR0913 - the options are keywords, and each is documented
    model: nn.Module,
    train_loader: Iterable[Any],
    val_loader: Iterable[Any] | None = None,
    *,
    epochs: int = 3,
    task: Kind | None = None,
    loss: Loss | None = None,
    optimizer: Any = None,  # noqa: ANN401 - an optimiser, or what builds one
    lr: float = 1e-3,
    layer_decay: float = 1.0,
    weight_decay: float = 0.01,
    scheduler: Any = "cosine",  # noqa: ANN401 - a name, a scheduler, or what builds one
    scheduler_step: Literal["step", "epoch"] | None = None,
    warmup: float = 0.05,
    metrics: Any = None,  # noqa: ANN401 - torchmetrics, or functions by name
    monitor: str | None = None,
    patience: int | None = None,
    accumulate: int = 1,
    clip: float | None = None,
    precision: Precision | None = None,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    save_every: int | None = None,
    labels: Sequence[str] | None = None,
    transform: Any = None,  # noqa: ANN401 - any preprocessing
    callbacks: Sequence[Callback] = (),
    stop: threading.Event | None = None,
    accelerator: Any = None,  # noqa: ANN401 - accelerate's Accelerator
    verbose: bool = True,
) -> Training:
    """Train a model on a loader's batches, on whatever accelerate finds: the CPU, a GPU, or several processes.

    A batch is ``(x, …, y)``, or a dictionary of ``forward``'s arguments with ``labels`` (models of ``transformers``,
    which make their own loss).  What the labels are is seen from them: class numbers, several 0/1 labels, or numbers.
    Before the first step the data and the model are checked, and what is wrong is said in words.  Interrupting the
    cell ends it after the step and returns what there is.

    Args:
        model: The model; it is trained in place, and at the end in the mode it was in.
        train_loader: What is learned from. In several processes each batch is divided among them.
        val_loader: What is measured after each epoch.
        epochs: How many passes over the training data.
        task: ``"single-label"``, ``"multi-label"`` or ``"regression"``, where the labels leave it open.
        loss: A function of (outputs, targets).
        optimizer: An optimiser, or what builds one from parameter groups; AdamW without it.
        lr: Learning rate.
        layer_decay: Below 1, earlier blocks learn slower (see :func:`notebookviz.finetune.groups.parameter_groups`).
        weight_decay: Weight decay of matrices.
        scheduler: ``"cosine"``, ``"linear"``, ``"constant"``, a scheduler, or what builds one from the optimiser.
        scheduler_step: When it goes on; by default one by name each step, one of yours each epoch.
        warmup: Steps (or below 1: part of all steps, where they are known) in which the rate of a schedule by name
            grows from 0.
        metrics: torchmetrics, or a dictionary of them and of functions of (scores, targets); by the task without it.
        monitor: The value that tells which epoch is best; ``"val_loss"``, or ``"train_loss"`` without validation.
        patience: After so many epochs without a better value it ends.
        accumulate: Batches for each step of the optimiser.
        clip: Largest norm of the gradients.
        precision: ``"bf16"`` or ``"fp16"`` for mixed precision.
        seed: Of the order of the data and of all that is random; the generators are put back afterwards.
        folder: Where the checkpoints ``last`` and ``best`` are kept.
        resume: Go on from the folder's last checkpoint; one that is not there yet is no error.
        save_every: Steps between checkpoints, besides one after each epoch.
        labels: Names of the classes, kept in the checkpoint; the data set's own without it.
        transform: The preprocessing, kept in the checkpoint; the data set's own without it.
        callbacks: :class:`notebookviz.finetune.events.Callback` objects.
        stop: Set it from another thread to end the training after its step.
        accelerator: An ``accelerate.Accelerator`` of your own, which then decides the precision.
        verbose: Print a line for each epoch.

    Returns:
        The epochs, why it ended, and where the best and the last checkpoint are.

    Raises:
        InputError: Something is wrong with the model, the data or an option; nothing was trained.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> data = TensorDataset(torch.randn(64, 8), torch.arange(64) % 2)
        >>> model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> training = fine_tune(model, DataLoader(data, batch_size=16, shuffle=True), epochs=2, verbose=False)
        >>> training.stopped, training.steps
        ('All 2 epochs are done.', 8)
    """
    given = dict(locals())
    check_model(given.pop("model"), "fine_tune")
    check(**given)
    with (
        training_of(model, stop) as asked,
        accelerating(accelerator, precision) as prepared,
        watched(model) as watchers,
    ):
        waiting = Waiting(Stop(asked), partial(_say_awaited, watchers))
        prospect = checks.check(model, train_loader, val_loader, task=task, loss=loss, labels=labels, waiting=waiting)
        model.to(prepared.device)
        rates = {"lr": float(lr), "layer_decay": float(layer_decay), "weight_decay": float(weight_decay)}
        plain = make_optimizer(model, optimizer, **rates)
        plan = Plan(
            epochs=int(epochs),
            accumulate=int(accumulate),
            clip=None if clip is None else float(clip),
            patience=patience,
            monitor=monitor or ("train_loss" if val_loader is None else "val_loss"),
            seed=int(seed),
            save_every=save_every,
            step_per_epoch=(scheduler_step or ("step" if isinstance(scheduler, str) else "epoch")) == "epoch",
        )
        measured = (
            default_metrics(prospect.task.judged, prospect.classes) if metrics is None else named_metrics(metrics)
        )
        check_monitor(plan.monitor, measured, validated=val_loader is not None)
        keeper = Keeper(None if folder is None else Path(folder), prospect, labels=labels, transform=transform)
        trainer = Trainer(
            model,
            accelerator=prepared,
            loaders=(train_loader, val_loader),
            task=prospect.task,
            optimizer=plain,
            metrics=measured,
            plan=plan,
            callbacks=[*callbacks, *watchers, *([Printer()] if verbose and prepared.is_main_process else [])],
            stop=asked,
            lock=lock_of(model),
            keep=keeper.save,
        )
        per_epoch = trainer.steps_per_epoch
        steps = None if per_epoch is None else per_epoch * epochs
        trainer.scheduler = make_schedule(plain, scheduler, warmup=warmup, steps=steps)
        check_steps(trainer.scheduler, epochs if plan.step_per_epoch else steps, each_step=not plan.step_per_epoch)
        keeper.start(trainer, resume=resume)
        start = Start(
            epochs=epochs,
            steps=steps,
            task=prospect.task.judged or prospect.task.kind,
            classes=prospect.classes,
            labels=tuple(labels or class_names(train_loader) or ()),
            validated=val_loader is not None,
            background=threading.current_thread() is not threading.main_thread(),
        )
        for watcher in watchers:
            watcher.on_start(start)
        return trainer.run()


def _say_awaited(watchers: Iterable[Watcher], what: str) -> None:
    for watcher in watchers:
        watcher.on_wait(what)
