"""What the Fine-tune tab asks: methods for a panel, and the threads in which a model trains."""

from __future__ import annotations

import math
import sys
import threading
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from notebookviz.errors import NotebookvizError
from notebookviz.finetune.running import is_training, stop_training
from notebookviz.finetune.story import Story
from notebookviz.finetune.watching import watch
from notebookviz.serving.protocol import Answer, Method

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from notebookviz.finetune.session import Session
    from notebookviz.finetune.settings import Settings
    from notebookviz.graph.records import Recording


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
        self._story = Story(lambda run: self._tell("training", {"run": run}))
        watch(model(), self._story)
        self._busy = threading.Lock()
        self._stop = threading.Event()
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

    def writing(self, write: Callable[[Session, Settings], Mapping[str, Any]]) -> Method:
        """A method that writes the training as cells, by a function of the session and what was set."""

        def cells(params: Mapping[str, Any]) -> Answer:
            from notebookviz.finetune.settings import Settings

            return Answer(write(self._session, Settings.read(params)))

        return cells

    def release(self) -> None:
        """Let go of the data."""
        self.__dict__.pop("_session", None)

    @cached_property
    def _session(self) -> Session:
        from notebookviz.finetune.session import Session

        return Session(self._model, variables, lambda: image_of(self._recording()), self._story)

    def _plan(self, params: Mapping[str, Any]) -> Answer:
        from notebookviz.finetune.settings import Settings

        return Answer(self._session.plan(Settings.read(params)))

    def _train(self, params: Mapping[str, Any]) -> Answer:
        from notebookviz.finetune.settings import Settings

        settings = Settings.read(params)

        def train() -> Callable[[], None]:
            facts = self._session.run(settings, self._stop, self._draw_again)
            return partial(self._story.finish, **facts)

        self._start("training", train)
        return Answer()

    def _rates(self, params: Mapping[str, Any]) -> Answer:
        from notebookviz.finetune.settings import Settings

        settings = Settings.read(params)

        def find() -> Callable[[], object]:
            found: dict[str, Any]
            try:
                rates = self._session.rates(settings)
                rows = zip(rates.rates, rates.losses, rates.smoothed, strict=True)
                points = [row for row in rows if all(map(math.isfinite, row))]  # JSON has no others
                found = {"text": str(rates), "suggestion": rates.suggestion, "rates": [row[0] for row in points]}
                found |= {"losses": [row[1] for row in points], "smoothed": [row[2] for row in points]}
            except BaseException as error:  # noqa: BLE001 - told to the person who clicked
                found = {"error": _sentence(error)}
            return lambda: self._tell("rates", found)

        self._start("search for a learning rate", find)
        return Answer()

    def _halt(self, _: Mapping[str, Any]) -> Answer:
        stopping = stop_training(self._model())
        preparing = self._busy.locked()
        if preparing:
            self._stop.set()
        return Answer({"stopping": stopping or preparing})

    def _start(self, what: str, work: Callable[[], Callable[[], object]]) -> None:
        """Work in a thread of its own; what it returns is called when another may start."""
        if is_training(self._model()) or not self._busy.acquire(blocking=False):
            raise NotebookvizError("This model is already training.", hint="Wait for that training, or stop it.")

        self._stop = threading.Event()

        def run() -> None:
            try:
                end = work()
            except BaseException as error:  # noqa: BLE001 - told to the person who clicked
                end = partial(self._story.fail, error)
            self._busy.release()
            end()

        threading.Thread(target=run, name=f"notebookviz-{what.partition(' ')[0]}", daemon=True).start()

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
