"""The training loop."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

import torch

from notebookviz.errors import InputError, NotebookvizError
from notebookviz.finetune import nonfinite, raised, sharing
from notebookviz.finetune.events import Epoch, Step
from notebookviz.finetune.memory import peak_memory
from notebookviz.finetune.metrics import Meter, lower_is_better, not_measured
from notebookviz.finetune.modes import Modes
from notebookviz.finetune.plan import Plan, Progress
from notebookviz.finetune.result import Best, Training
from notebookviz.finetune.rng import Order, RandomState, mixed, seed_all, undisturbed
from notebookviz.finetune.stopping import LeftError, Stop
from notebookviz.finetune.tasks import Batch, Task, size_of, split
from notebookviz.finetune.waiting import Waiting
from notebookviz.turns import Turn

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import nn

    from notebookviz.finetune.events import Callback


_SYNCED: Final = nullcontext()
_METRIC: Final = "The metric"
_OPTIMIZER: Final = "The optimiser"


class NotFiniteError(Exception):
    """The loss is NaN or infinite (the trainer's own signal)."""


class Trainer:
    """Runs the loop on what accelerate has prepared.

    ``scheduler`` and ``progress`` may be set before :meth:`run`.

    Args:
        model: The user's model.
        accelerator: accelerate's own.
        loaders: The training loader and the validation loader.
        task: How a batch is learned from.
        optimizer: The optimiser.
        metrics: torchmetrics by name.
        plan: The numbers.
        callbacks: Who is told.
        stop: Set by whoever wants it to end after the step.
        lock: Held during each step.
        keep: Writes a checkpoint: called with the trainer and ``"best"`` or ``"last"``.
    """

    def __init__(  # noqa: PLR0913 - the parts that fine_tune joins
        self,
        model: nn.Module,
        *,
        accelerator: Any,  # noqa: ANN401 - accelerate's Accelerator
        loaders: tuple[Iterable[Any], Iterable[Any] | None],
        task: Task,
        optimizer: torch.optim.Optimizer,
        metrics: Mapping[str, Any],
        plan: Plan,
        callbacks: Sequence[Callback] = (),
        stop: threading.Event | None = None,
        lock: Turn | None = None,
        keep: Callable[[Trainer, str], Path | None] = lambda *_: None,
    ) -> None:
        self.model = model
        self.accelerator = accelerator
        self.loader, self.val_loader = loaders
        size = getattr(self.loader, "batch_size", None)
        self.batch_size = size if isinstance(size, int) else None
        self.task = task
        # accelerate's wrappers cost as much as a small layer, and do nothing in one process without loss scaling.
        alone = accelerator.distributed_type == "NO" and accelerator.scaler is None
        self._processes = accelerator.num_processes
        self._moves = accelerator.device.type != "cpu"
        self.optimizer: Any = optimizer if alone else accelerator.prepare_optimizer(optimizer)
        self._backward: Any = torch.Tensor.backward if alone else accelerator.backward
        self.scheduler: Any = None
        self.metrics = metrics
        self.meter = Meter(metrics, task.judged)
        self.plan = plan
        self.progress = Progress()
        self.resumed: RandomState | None = None
        self._callbacks = callbacks
        self._stop = Stop(stop)
        self._waiting = Waiting(self._stop, self._say_awaited)
        self._lock = lock or Turn()
        self._keep = keep
        self._runner = model
        self._learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._guard = nonfinite.Guard(model)
        self._steps: int | None = None
        self._calls: Any = ""  # whose code runs now, should it raise: in words, or a callback
        self._method = ""
        self._when = ""

    @property
    def steps_per_epoch(self) -> int | None:
        """Steps of the optimiser in an epoch; None where the loader has no length."""
        try:
            batches = len(self.loader)  # type: ignore[arg-type]
        except TypeError:  # a DataLoader has __len__ also where its data set has none
            return None
        return math.ceil(batches / self.plan.accumulate)

    def run(self) -> Training:
        """Train until the end, a stop, an interrupt or a loss that is not finite; whatever happens, tidy up."""
        modes = Modes(self.model)
        attributes = dict(vars(self.model))
        order = Order(self.loader, self.plan.seed)
        last: Path | None = None
        with undisturbed(), self._stop:
            try:
                self._prepare()
                stopped, finished = self._epochs(modes, order)
                last = self._keep(self, "last")
            except NotebookvizError:
                raise
            except Exception as error:
                if not self._is_calling:
                    raise
                raise self._told(error) from error
            finally:
                modes.restore()
                order.release()
                _put_back(self.model, attributes)
                self._forget_gradients()
        now = self.progress
        training = Training(tuple(now.records), stopped, finished, now.step, now.best, last, self.task.kind)
        self._when = "at the end"
        try:
            self._call("on_end", training)
        except NotebookvizError:
            raise
        except Exception as error:
            raise self._told(error) from error
        return training

    def _call(self, method: str, fact: Any) -> None:  # noqa: ANN401 - a Step, an Epoch, a Training
        """Tell all callbacks."""
        self._method = method
        for callback in self._callbacks:
            self._calls = callback
            getattr(callback, method)(fact)
        self._calls = ""

    def _say_awaited(self, what: str) -> None:
        for callback in self._callbacks:
            getattr(callback, "on_wait", lambda _: None)(what)

    @property
    def _is_calling(self) -> bool:
        """Whether it is the user's code that runs."""
        return not isinstance(self._calls, str) or bool(self._calls)

    def _told(self, error: Exception) -> InputError:
        """What the user's code raised, in a sentence."""
        calls, now = self._calls, self.progress
        when = self._when or f"in step {now.step + 1:,}, epoch {now.epoch + 1} of {self.plan.epochs}"
        if not isinstance(calls, str):
            what = f"{type(calls).__name__}.{self._method}"
            if self._method == "on_step":
                when = f"after step {now.step:,}, in epoch {now.epoch + 1} of {self.plan.epochs}"
        else:
            what = f"The metric {self.meter.current!r}" if calls == _METRIC else calls
        if calls == _OPTIMIZER:
            state = "The weights may hold a part of this step."
        else:
            state = f"The weights are those after step {now.step:,}." if now.step else "The weights are as they were."
        return raised.told(error, what, when, state)

    def _prepare(self) -> None:
        self._runner = self.accelerator.prepare_model(self.model)
        self._forget_gradients()
        if self._processes > 1:
            self.loader = sharing.shared(self.loader, self.accelerator, even=True)
            self.val_loader = self.val_loader and sharing.shared(self.val_loader, self.accelerator, even=False)
        for metric in self.metrics.values():
            metric.to(self.accelerator.device)

    def _forget_gradients(self) -> None:
        for parameter in self._learning:
            parameter.grad = None

    def _epochs(self, modes: Modes, order: Order) -> tuple[str, bool]:
        now = self.progress
        while now.epoch < self.plan.epochs:
            try:
                modes.train()
                whole = self._train(order)
                modes.eval()
                whole = whole and self._close_epoch()
            except NotFiniteError as error:
                return str(error), False
            except LeftError as error:
                return f"{self._stopped()} {error}", False
            if not whole:
                return self._stopped(), False
            best = now.best
            if self.plan.patience is not None and best and now.epoch - best.epoch >= self.plan.patience:
                said = f"{best.name} has not improved for {self.plan.patience} epochs"
                return f"{said}: it was {best.value:.4g} in epoch {best.epoch}.", True
        return f"All {self.plan.epochs} epochs are done." if self.plan.epochs > 1 else "The epoch is done.", True

    def _stopped(self) -> str:
        now = self.progress
        return f"Stopped after step {now.step:,}, in epoch {now.epoch + 1} of {self.plan.epochs}."

    def _train(self, order: Order) -> bool:
        """One pass over the training data from where it stands; False when it was asked to stop."""
        now = self.progress
        per_epoch = self.steps_per_epoch
        self._steps = None if per_epoch is None else per_epoch * self.plan.epochs
        order.start(now.epoch + 1)
        self._when = ""
        self._calls = "train_loader"
        batches = self._waiting.batches(self.loader, "train_loader")
        for _ in range(now.batches):
            next(batches)
        if self.resumed is not None and now.batches:
            self.resumed.restore()
        elif self._processes > 1:
            seed_all(mixed(self.plan.seed, now.epoch + 1, self.accelerator.process_index))
        self.resumed = None
        began = time.perf_counter()
        for window in _windows(batches, self.plan.accumulate):
            try:
                loss, lr, samples, norm = self._step(window)
            except Exception:
                self._guard.back()
                raise
            now.step += 1
            now.batches += len(window)
            now.loss_sum += loss * samples
            now.samples += samples
            seconds = time.perf_counter() - began
            began += seconds
            now.epoch_seconds += seconds
            now.seconds += seconds
            self._call("on_step", Step(now.step, self._steps, now.epoch + 1, loss, lr, samples, now.seconds, norm))
            if self.plan.save_every and now.step % self.plan.save_every == 0:
                self._keep(self, "last")
            if self._stop.asked:
                return False
            self._calls = "train_loader"
        self._calls = ""
        return True

    def _step(self, window: list[Any]) -> tuple[float, float, int, float | None]:
        """One step of the optimiser: its loss, learning rate, samples, and the norm of clipped gradients."""
        lr = self.optimizer.param_groups[-1]["lr"]
        norm = None
        with self._lock:
            self._guard.remember()
            # Not after the step: memory that is free between two steps goes back to the system, page by page.
            self._calls = _OPTIMIZER
            self.optimizer.zero_grad()
            self._calls = "train_loader"
            loss, samples = self._gradients(window)
            if self.plan.clip is not None:
                norm = float(self.accelerator.clip_grad_norm_(self._learning, self.plan.clip))
            self._calls = _OPTIMIZER
            self.optimizer.step()
            if self.scheduler is not None and not self.plan.step_per_epoch:
                self._calls = "The scheduler"
                self.scheduler.step()
            self._calls = ""
        return loss, lr, samples, norm

    def _gradients(self, window: list[Any]) -> tuple[float, int]:
        """Forward and backward of each batch of a step; the loss over all of its samples, and their number."""
        sizes = [size_of(batch) for batch in window]
        mean, seen, most = 0.0, 0, sum(sizes)
        for batch, size in zip(window, sizes, strict=True):
            part = self._part(batch)
            with _SYNCED if batch is window[-1] else self.accelerator.no_sync(self._runner):
                self._calls = "The model"
                outputs = self._runner(*part.args, **part.kwargs)
                self._calls = "The loss"
                loss = self.task.losses(outputs, part.targets)
                if not isinstance(loss, torch.Tensor) or loss.dim() or not loss.requires_grad:
                    raise _no_loss(loss)
                value, samples = loss.item(), size
                if self._processes > 1:
                    value, samples = self._everywhere(value, samples)
                if not math.isfinite(value):
                    self._explain(part, value)
                share = size / most
                self._calls = "The backward pass"
                self._backward(loss if share == 1 else loss * share)
            self._calls = _METRIC
            self.meter.add(outputs, part.targets)
            self._calls = ""
            mean += value * share
            seen += samples
        return mean, seen

    def _part(self, batch: Any) -> Batch:  # noqa: ANN401 - whatever the loader yields
        if self._moves:
            from accelerate.utils import send_to_device

            batch = send_to_device(batch, self.accelerator.device)
        return split(batch, keep_labels=self.task.loss is None)

    def _everywhere(self, loss: float, samples: int) -> tuple[float, int]:
        """The mean over all processes: they must agree on a loss that is not finite, and on a stop."""
        total, count, stops = sharing.summed(self.accelerator, loss * samples, samples, self._stop.asked)
        if stops:
            self._stop.ask()
        return total / count, int(count)

    def _explain(self, part: Batch, value: float) -> None:
        """Say where the first value came from that is not finite; the model is as it was before the step."""
        where = self._guard.explain(part)
        self._forget_gradients()
        word = "NaN" if math.isnan(value) else "infinite"
        now = self.progress
        raise NotFiniteError(
            f"The loss became {word} at step {now.step + 1:,}, in epoch {now.epoch + 1}: {where} "
            "The weights are those of the step before."
        )

    def _close_epoch(self) -> bool:
        """Validate, record, keep; False when it was asked to stop meanwhile."""
        now = self.progress
        began = time.perf_counter()
        self._when, self._calls = f"after epoch {now.epoch + 1} of {self.plan.epochs}", _METRIC
        metrics = {f"train_{name}": value for name, value in self.meter.values().items()}
        val_loss = None
        if self.val_loader is not None:
            state = self.meter.state()
            self.meter.reset()
            try:
                val_loss = self._validate(self.val_loader)
            except LeftError:
                self.meter.load(state)
                raise
            if val_loss is None:
                self.meter.load(state)
                return False
            self._calls = _METRIC
            metrics |= {f"val_{name}": value for name, value in self.meter.values().items()}
        self.meter.reset()
        now.epoch += 1
        train_loss = now.loss_sum / max(now.samples, 1)
        self._calls = "The scheduler"
        self._step_schedule(train_loss if val_loss is None else val_loss)
        self._calls = ""
        spent = time.perf_counter() - began
        now.seconds += spent
        record = Epoch(
            epoch=now.epoch,
            epochs=self.plan.epochs,
            step=now.step,
            train_loss=train_loss,
            val_loss=val_loss,
            metrics=metrics,
            lr=self.optimizer.param_groups[-1]["lr"],
            seconds=now.epoch_seconds + spent,
            samples_per_second=now.samples / max(now.epoch_seconds, 1e-9),
            memory=peak_memory(self.accelerator.device),
        )
        now.records.append(record)
        now.batches, now.loss_sum, now.samples, now.epoch_seconds = 0, 0.0, 0, 0.0
        self._judge(record)
        if now.epoch < self.plan.epochs:
            self._keep(self, "last")
        self._call("on_epoch", record)
        return not (self._stop.asked and now.epoch < self.plan.epochs)

    def _validate(self, loader: Iterable[Any]) -> float | None:
        """The loss over the validation data; None when it was asked to stop."""
        total, count = 0.0, 0
        with undisturbed(), torch.no_grad():
            seed_all(mixed(self.plan.seed, self.progress.epoch, -1))
            self._calls = "val_loader"
            for batch in self._waiting.batches(loader, "val_loader"):
                part = self._part(batch)
                with self._lock:
                    self._calls = "The model"
                    outputs = self.model(*part.args, **part.kwargs)
                    self._calls = "The loss"
                    loss = float(self.task.losses(outputs, part.targets))
                    self._calls = _METRIC
                    self.meter.add(outputs, part.targets)
                self._calls = "val_loader"
                total += loss * part.size
                count += part.size
                if self._stop.asked and self._processes == 1:
                    return None
        self._calls = ""
        mean = total / max(count, 1)
        return mean if self._processes == 1 else self._everywhere(mean, count)[0]

    def _step_schedule(self, loss: float) -> None:
        if self.scheduler is None or not self.plan.step_per_epoch:
            return
        plateau = isinstance(self.scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
        self.scheduler.step(*((loss,) if plateau else ()))

    def _judge(self, record: Epoch) -> None:
        """Keep the epoch if it is the best so far."""
        name, now = self.plan.monitor, self.progress
        values = {"train_loss": record.train_loss, "val_loss": record.val_loss, **record.metrics}
        value = values.get(name)
        if value is None:
            raise not_measured(name, [key for key, found in values.items() if found is not None])
        better = now.best is None or (
            value < now.best.value if lower_is_better(name, self.metrics) else value > now.best.value
        )
        if better and not math.isnan(value):
            now.best = Best(now.epoch, name, value)
            now.best = Best(now.epoch, name, value, self._keep(self, "best"))


def _no_loss(loss: Any) -> InputError:  # noqa: ANN401 - whatever the user's function returned
    """Why nothing can be learned from a loss."""
    if not isinstance(loss, torch.Tensor):
        said, hint = f"is {type(loss).__name__}; a tensor is wanted", "Return it, and don't call item()"
    elif loss.dim():
        said, hint = f"has the shape {tuple(loss.shape)}; one number is wanted", "Return its mean"
    else:
        said, hint = "does not depend on what learns", "Compute it from the outputs, without detach() and no_grad()"
    return InputError(f"The loss {said}.", hint=f"{hint}: loss=lambda outputs, targets: ….mean().")


def _windows(batches: Iterator[Any], size: int) -> Iterator[list[Any]]:
    window: list[Any] = []
    for batch in batches:
        window.append(batch)
        if len(window) == size:
            yield window
            window = []
    if window:
        yield window


def _put_back(model: nn.Module, before: Mapping[str, Any]) -> None:
    """Take off what accelerate leaves on a model."""
    state = vars(model)
    for name in ("forward", "_original_forward", "_is_accelerate_prepared"):
        if name in before:
            state[name] = before[name]
        else:
            state.pop(name, None)
