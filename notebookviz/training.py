"""What the Fine-tune tab asks: methods for a panel, and the threads in which a model trains."""

from __future__ import annotations

import math
import sys
import threading
import weakref
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from torch.utils.weak import WeakIdKeyDictionary

from notebookviz.errors import InputError, NotebookvizError
from notebookviz.finetune.running import is_training, stop_training
from notebookviz.finetune.story import Story
from notebookviz.finetune.watching import watch
from notebookviz.serving.protocol import Answer, Method

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

    from torch import nn

    from notebookviz.finetune.session import Session
    from notebookviz.finetune.settings import Settings
    from notebookviz.graph.records import Recording


class _Work(NamedTuple):
    """A training, or a search, in its thread."""

    stop: threading.Event
    fail: Callable[[BaseException], object]
    session: Session


class _Course:
    """What all panels of one model share: its story, and the work that goes on; it outlives the panel that began it."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.work: _Work | None = None
        self.tabs: weakref.WeakSet[TrainingTab] = weakref.WeakSet()
        self.story = Story(self._tell)

    def _tell(self, run: Mapping[str, Any]) -> None:
        for tab in list(self.tabs):
            tab.hear(run)


_courses: Final[MutableMapping[nn.Module, _Course]] = WeakIdKeyDictionary()
_guard: Final = threading.Lock()


def _course_of(model: nn.Module) -> _Course:
    with _guard:
        if model not in _courses:
            _courses[model] = _Course()
            watch(model, _courses[model].story)
        return _courses[model]


class TrainingTab:
    """The tab of one panel.

    Args:
        model: Gives the model.
        recording: Gives its recording.
    """

    def __init__(self, model: Callable[[], nn.Module], recording: Callable[[], Recording]) -> None:
        self._tell: Callable[[str, Mapping[str, Any]], object] = lambda *_: None
        self._changed: Callable[[], object] = lambda: None
        self._model = model
        self._recording = recording
        self._course = _course_of(model())
        self._course.tabs.add(self)
        self.methods: dict[str, Method] = {
            "tuning": lambda _: Answer(self._session.known()),
            "plan": self._plan,
            "train": self._train,
            "rates": self._rates,
            "halt": self._halt,
        }

    def attach(self, tell: Callable[[str, Mapping[str, Any]], object], changed: Callable[[], object]) -> None:
        """Name who is told of news, and what draws the model anew."""
        self._tell, self._changed = tell, changed

    def hear(self, run: Mapping[str, Any]) -> None:
        """Tell the panel how the training stands."""
        with suppress(Exception):  # a panel that was closed meanwhile ends no training
            self._tell("training", {"run": run})

    def writing(self, write: Callable[[Session, Settings], Mapping[str, Any]]) -> Method:
        """A method that writes the training as cells, by a function of the session and what was set."""

        def cells(params: Mapping[str, Any]) -> Answer:
            from notebookviz.finetune.settings import Settings

            return Answer(write(self._session, Settings.read(params)))

        return cells

    @property
    def busy(self) -> bool:
        """Whether a training or a search goes on that a panel of this model began."""
        return self._course.work is not None

    def release(self) -> None:
        """Let go of the data."""
        self.__dict__.pop("_session", None)

    @cached_property
    def _session(self) -> Session:
        from notebookviz.finetune.session import Session

        return Session(self._model, variables, lambda: image_of(self._recording()), self._course.story)

    def _plan(self, params: Mapping[str, Any]) -> Answer:
        from notebookviz.finetune.settings import Settings

        return Answer(self._session.plan(Settings.read(params)))

    def _train(self, params: Mapping[str, Any]) -> Answer:
        from notebookviz.finetune.settings import Settings

        settings = Settings.read(params)

        def train(stop: threading.Event) -> Callable[[], object]:
            facts = self._session.run(settings, stop, self._draw_again)
            return partial(self._course.story.finish, **facts)

        self._start("training", train, self._course.story.fail)
        return Answer()

    def _rates(self, params: Mapping[str, Any]) -> Answer:
        from notebookviz.finetune.settings import Settings

        settings = Settings.read(params)

        def find(stop: threading.Event) -> Callable[[], object]:
            rates = self._session.rates(settings, stop)
            rows = zip(rates.rates, rates.losses, rates.smoothed, strict=True)
            points = [row for row in rows if all(map(math.isfinite, row))]  # JSON has no others
            found = {"text": str(rates), "suggestion": rates.suggestion, "rates": [row[0] for row in points]}
            found |= {"losses": [row[1] for row in points], "smoothed": [row[2] for row in points]}
            return partial(self._tell, "rates", found)

        self._start("search", find, lambda error: self._tell("rates", {"error": _sentence(error)}))
        return Answer()

    def _halt(self, _: Mapping[str, Any]) -> Answer:
        from notebookviz.finetune.session import STOPPED

        stopping = stop_training(self._model())
        work = self._course.work
        if work is not None:
            work.stop.set()
            if work.session.reading is work.stop and self._end(work):
                work.session.leave()  # the data's code may never come back; its thread is left behind
                work.fail(InputError(STOPPED))
        return Answer({"stopping": stopping or work is not None})

    def _start(
        self,
        name: str,
        work: Callable[[threading.Event], Callable[[], object]],
        fail: Callable[[BaseException], object],
    ) -> None:
        """Work in a thread of its own; what it returns is called when another may start."""
        mine = _Work(threading.Event(), fail, self._session)
        with self._course.guard:
            if is_training(self._model()) or self._course.work is not None:
                raise NotebookvizError("This model is already training.", hint="Wait for that training, or stop it.")
            self._course.work = mine

        def run() -> None:
            try:
                end = work(mine.stop)
            except BaseException as error:  # noqa: BLE001 - told to the person who clicked
                end = partial(fail, error)
            if self._end(mine):
                end()

        threading.Thread(target=run, name=f"notebookviz-{name}", daemon=True).start()

    def _end(self, work: _Work) -> bool:
        """Another may start; False where this work was left behind."""
        with self._course.guard:
            there = self._course.work is work
            if there:
                self._course.work = None
        return there

    def _draw_again(self) -> None:
        try:
            self._changed()
        except Exception as error:  # noqa: BLE001 - the training goes on
            self._tell("notice", {"text": _sentence(error)})


def variables() -> dict[str, Any]:
    """The notebook's variables."""
    main = sys.modules.get("__main__")
    return dict(vars(main)) if main is not None else {}


def image_of(recording: Recording) -> tuple[int, int, int] | None:
    """Channels, height and width of a recording's input; None where it is no image."""
    for argument in recording.inputs[:1]:
        for value in argument.values[:1]:
            shape = recording.values[value].type.shape
            if len(shape) == 4 and shape[1] in (1, 3):  # noqa: PLR2004 - batch, channels, height, width
                return shape[1], shape[2], shape[3]
    return None


def _sentence(error: BaseException) -> str:
    return str(error) if isinstance(error, NotebookvizError) else f"{type(error).__name__}: {error}"
