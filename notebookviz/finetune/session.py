"""The Fine-tune tab's work: what there is to learn from, what a training would be, and the training itself."""

from __future__ import annotations

import enum
import math
import os
import threading
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from notebookviz.errors import InputError, NotebookvizError
from notebookviz.finetune import checks
from notebookviz.finetune.blocks import find_blocks
from notebookviz.finetune.evaluation import measure
from notebookviz.finetune.lora import Lora
from notebookviz.finetune.preparing import change_head, choose_learning, weightless
from notebookviz.finetune.preprocessing import (
    SIZED,
    Preprocessing,
    chosen_preprocessing,
    find_transforms,
    own_preprocessing,
    sized,
)
from notebookviz.finetune.running import is_training
from notebookviz.finetune.samples import mistaken, samples
from notebookviz.finetune.sources import Source, data_set_of, find_sources
from notebookviz.finetune.splitting import Classes, Data, classes_of, loaders
from notebookviz.finetune.stopping import LeftError, Stop
from notebookviz.finetune.tasks import split
from notebookviz.finetune.trying import LearningRates, find_learning_rate
from notebookviz.finetune.tuning import fine_tune
from notebookviz.finetune.waiting import Waiting
from notebookviz.turns import lock_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import nn

    from notebookviz.finetune.freezing import Learning
    from notebookviz.finetune.preparing import Head
    from notebookviz.finetune.result import Training
    from notebookviz.finetune.settings import Settings
    from notebookviz.finetune.story import Story

STOPPED: Final = "Stopped before the first step: the model is as it was."
_NICE: Final = 5
_SHOWN: Final = 30
_PATIENCE: Final = 10.0  # seconds for another request that reads


@dataclass(slots=True)
class Ready:
    """Data that was read once, for settings that say the same.

    Attributes:
        key: What it was made from.
        data: The loaders.
        first: The first batch.
        classes: What the labels ask of a head.
    """

    key: tuple[Any, ...]
    data: Data
    first: Any
    classes: Classes


class Session:
    """What one panel's tab does with its model.

    Args:
        model: Gives the model.
        namespace: Gives the notebook's variables.
        image: Gives channels, height and width of the model's input; None where it takes no images.
        story: What watches the model.

    Attributes:
        reading: What stops the training, or the search, that reads its data now; None where none does.
    """

    def __init__(
        self,
        model: Callable[[], nn.Module],
        namespace: Callable[[], Mapping[str, Any]],
        image: Callable[[], tuple[int, int, int] | None],
        story: Story,
    ) -> None:
        self._model = model
        self.namespace = namespace
        self._image = image
        self._ready: Ready | None = None
        self._reading = threading.Lock()
        self.reading: threading.Event | None = None
        self._own: Preprocessing | None = None
        self._there: list[tuple[str, int]] | None = None
        self.story = story

    def known(self) -> dict[str, Any]:
        """What the tab shows at first: the notebook's data, and a training that runs or has run."""
        self._there = None
        sources = [{"key": each.key, "kind": each.kind, "text": each.text} for each in self._sources()]
        transforms = [{"key": name, "text": _kind(value)} for name, value in find_transforms(self.namespace())]
        return {
            "sources": sources,
            "transforms": transforms,
            "run": self.story.snapshot(),
            "folder": _free_folder(type(self._model()).__name__),
        }

    def plan(self, settings: Settings) -> dict[str, Any]:
        """What would be done, step by step, and what is wrong; nothing of the model changes.

        Returns:
            For each step ``text`` and ``error``; of what learns the names and counts, of the data some samples.
        """
        model = self._model()
        found: dict[str, Any] = {step: {"text": "", "error": ""} for step in ("head", "learn", "data", "run")}
        ready = None
        with _said(found["data"]):
            ready = self._read(settings)
            found["data"] |= {"text": ready.data.text if ready else "Choose what to learn from.", "chosen": bool(ready)}
            if ready is not None:
                found["samples"] = samples(ready.first, ready.classes.names)
        with lock_of(model):
            copy = weightless(model)
        part = split(ready.first, keep_labels=False) if ready is not None else None
        with _said(found["head"]):
            head = change_head(copy, settings, ready.classes if ready else None, part)
            found["head"] |= {"text": head.text, "path": head.path}
        with _said(found["learn"]):
            learning = _learning(choose_learning(copy, settings))
            blocks = len(find_blocks(copy).names) if settings.learn == "last" else 0
            names = [name for name, parameter in copy.named_parameters() if parameter.requires_grad]
            found["learn"] |= {
                "text": f"{learning.learning:,} of {learning.total:,} parameters learn.",
                "names": names,
                "blocks": blocks,
            }
        if ready is not None and not any(step["error"] for step in found.values() if isinstance(step, dict)):
            with _said(found["run"]), warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                checks.check(copy, ready.data.train, ready.data.validation, task=None, loss=None, labels=None)
                said = [str(each.message) for each in caught if issubclass(each.category, checks.TrainingWarning)]
                found["run"]["text"] = " ".join([*_steps(ready.data, settings), *said])
        return found

    def run(self, settings: Settings, stop: threading.Event, changed: Callable[[], None]) -> dict[str, Any]:
        """Do it: change the head, choose what learns, train, measure; what could not start is put back.

        Args:
            settings: The four steps.
            stop: Set it to end the training after its step.
            changed: Called when the model has its new head, before the first step, and at the end.

        Returns:
            What was measured at the end, for :meth:`notebookviz.finetune.story.Story.finish`.

        Raises:
            InputError: Something is wrong; the model is as it was.
        """
        model = self._model()
        if is_training(model):
            raise InputError("This model is already training.", hint="Wait for that training, or stop it.")
        self.story.begin("Preparing the model and the data.")
        ready = self._needed(settings, stop)
        with lock_of(model):
            head, learning = self._prepare(model, settings, ready)
        try:
            changed()
            _wanted_still(stop)
            with _quietly():
                options = _options(settings, ready)
                training = fine_tune(
                    model, ready.data.train, ready.data.validation, **options, stop=stop, verbose=False
                )
        except BaseException:
            with lock_of(model):
                if not self.story.snapshot().get("step"):
                    learning.undo()
                    head.undo()
                elif isinstance(learning, Lora):
                    learning.merge()  # what was learned so far stays
            changed()
            raise
        if isinstance(learning, Lora):
            with lock_of(model):
                learning.merge()
        changed()
        return self._measured(model, ready, training, stop)

    def _measured(self, model: nn.Module, ready: Ready, training: Training, stop: threading.Event) -> dict[str, Any]:
        """How good the model is on what it did not learn from."""
        if ready.data.validation is None or not training.epochs:
            return {}
        try:
            with _quietly():
                loader = ready.data.validation
                batches = Waiting(Stop(stop), self.story.on_wait).batches(loader, "the validation data")
                found = measure(model, loader, _until(stop, batches), labels=ready.classes.names)
        except (Exception, LeftError) as error:  # noqa: BLE001 - what was trained stays trained
            return {"unmeasured": f"It could not be measured: {error}"}
        measured = {name: value for name, value in found.metrics.items() if math.isfinite(value)}
        facts: dict[str, Any] = {"measured": measured, "mistakes": mistaken(found.mistakes)}
        if found.confusion is not None and len(found.confusion) <= _SHOWN:
            facts |= {"confusion": found.confusion.tolist(), "names": found.labels}
        return facts

    def rates(self, settings: Settings, stop: threading.Event) -> LearningRates:
        """Find a learning rate for the model as it would be trained; afterwards it is as it was.

        Raises:
            InputError: Something is wrong, or it was stopped.
        """
        with self.tried(settings, stop) as (model, data, _), _quietly():
            found = find_learning_rate(
                model, data.train, optimizer=getattr(torch.optim, settings.optimizer), seed=settings.seed
            )
            _wanted_still(stop)
            return found

    @contextmanager
    def tried(
        self, settings: Settings, stop: threading.Event | None = None
    ) -> Iterator[tuple[nn.Module, Data, dict[str, Any]]]:
        """The model as it would be trained, its data, and the options of ``fine_tune``; it is put back at the end.

        Raises:
            InputError: Something is wrong, or it was stopped while the data was read.
        """
        model = self._model()
        if is_training(model):
            raise InputError("This model is already training.", hint="Wait for that training, or stop it.")
        ready = self._needed(settings, stop or threading.Event())
        with lock_of(model):
            head, learning = self._prepare(model, settings, ready)
            try:
                yield model, ready.data, _options(settings, ready)
            finally:
                learning.undo()
                head.undo()

    def _prepare(self, model: nn.Module, settings: Settings, ready: Ready) -> tuple[Head, Learning | Lora]:
        head = change_head(model, settings, ready.classes, split(ready.first, keep_labels=False))
        try:
            return head, choose_learning(model, settings)
        except BaseException:
            head.undo()
            raise

    def _sources(self) -> list[Source]:
        return find_sources(self.namespace(), Path.cwd())

    def leave(self) -> None:
        """Wait no longer for data whose code does not come back: who reads next reads anew."""
        self._reading, self.reading = threading.Lock(), None

    def _needed(self, settings: Settings, stop: threading.Event) -> Ready:
        self._ready = None  # arrays may have changed in place since they were looked at
        self.reading = stop
        try:
            ready = self._read(settings)
        finally:
            if self.reading is stop:
                self.reading = None
        _wanted_still(stop)
        if ready is None:
            raise InputError("No data is chosen.", hint="Choose what to learn from in step 3.")
        return ready

    def _read(self, settings: Settings) -> Ready | None:
        """The data; what was read before for the same settings is not read again."""
        if not settings.source:
            return None
        sources = {each.key: each for each in self._sources()}
        wanted = [settings.source, *([] if settings.validation in ("split", "none") else [settings.validation])]
        for key in wanted:
            if key not in sources:
                raise InputError(f"{key!r} is not there any more.", hint="Look again, and choose other data.")
        folders = any(sources[each].kind == "folder" for each in wanted)
        prepared = self._preprocessing(settings.transform) if folders else None
        made_of = (
            *((each, _identity(sources[each].value)) for each in wanted),
            (settings.validation, settings.share, settings.batch, settings.seed),
            (settings.transform, id(self.namespace().get(settings.transform)), prepared and prepared.text),
        )
        lock = self._reading
        if not lock.acquire(timeout=_PATIENCE):
            raise InputError(
                "The data is still being read: its code has not come back.",
                hint="Wait, or restart the kernel if it hangs; num_workers=0 and fewer samples help to find out why.",
            )
        try:
            if self._ready is None or self._ready.key != made_of:
                transform = prepared and prepared.transform
                train, *other = (data_set_of(sources[each], transform) for each in wanted)
                share = settings.share if settings.validation == "split" else 0.0
                data = loaders(train, *other, share=share, batch=settings.batch, seed=settings.seed)
                data = replace(data, text=f"{data.text} {prepared.text}" if prepared else data.text)
                first = checks.first_batch(data.train, settings.source)
                split(first)
                self._ready = Ready(made_of, data, first, classes_of(data.train))
            return self._ready
        finally:
            lock.release()

    def _preprocessing(self, wanted: str) -> Preprocessing | None:
        """What prepares images; None for a model that takes none."""
        image = self._image()
        if wanted == SIZED:
            return None if image is None else sized(image)
        if wanted:
            return chosen_preprocessing(wanted, self.namespace())
        there = [(name, id(value)) for name, value in find_transforms(self.namespace())]
        if there != self._there:
            # A training changes the weights by which they were recognised: what was found once holds.
            self._own = own_preprocessing(self._model(), image, self.namespace()) or self._own
            self._there = there
        if self._own is not None or image is None:
            return self._own
        found = sized(image)
        return replace(
            found,
            text=f"How its weights want images is not known. {found.text} Other preprocessing can be chosen: a "
            "variable with a transform, or with the weights.",
        )

    def release(self) -> None:
        """Let go of the data."""
        self._ready = None


def _options(settings: Settings, ready: Ready) -> dict[str, Any]:
    """What ``fine_tune`` is told."""
    return {
        "epochs": settings.epochs,
        "optimizer": getattr(torch.optim, settings.optimizer),
        "lr": settings.lr,
        "scheduler": settings.schedule,
        "patience": settings.patience or None,
        "seed": settings.seed,
        "folder": settings.folder or None,
        "labels": ready.classes.names or None,
    }


def _wanted_still(stop: threading.Event) -> None:
    if stop.is_set():
        raise InputError(STOPPED)


def _until(stop: threading.Event, batches: Iterator[Any]) -> Iterator[Any]:
    """Batches until somebody stops that; a stop before the first one was meant for the training."""
    before = stop.is_set()
    for batch in batches:
        if stop.is_set() and not before:
            raise InputError("it was stopped.")
        yield batch


def _identity(value: Any) -> Any:  # noqa: ANN401
    return tuple(map(id, value)) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else id(value)


def _kind(value: Any) -> str:  # noqa: ANN401 - a transform
    """A transform in a word or two: the weights' name, or its class."""
    return f"{type(value).__name__}.{value.name}" if isinstance(value, enum.Enum) else type(value).__name__


def _learning(chosen: Learning | Lora) -> Learning:
    return chosen.learning if isinstance(chosen, Lora) else chosen


def _steps(data: Data, settings: Settings) -> Iterator[str]:
    with suppress(TypeError):  # a loader without a length
        yield f"{len(data.train) * settings.epochs:,} steps, {len(data.train):,} in each epoch."


def _free_folder(name: str) -> str:
    """Where the checkpoints of the next training can go."""
    number = 1
    while (Path("runs") / f"{name.lower()}-{number}").exists():
        number += 1
    return f"runs/{name.lower()}-{number}"


@contextmanager
def _said(step: dict[str, Any]) -> Iterator[None]:
    """What goes wrong is said beside the step."""
    try:
        yield
    except NotebookvizError as error:
        step["error"] = str(error)
    except Exception as error:  # noqa: BLE001 - data sets and models are the user's code
        step["error"] = f"{type(error).__name__}: {error}"[:1000]


@contextmanager
def _quietly() -> Iterator[None]:
    """Leave cells their speed, where this thread is not the one that runs them: half the cores, and less urgent."""
    if threading.current_thread() is threading.main_thread():
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // 2))
    with suppress(AttributeError, OSError):  # Linux knows threads by number; elsewhere half the cores must do
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
    try:
        yield
    finally:
        torch.set_num_threads(before)
