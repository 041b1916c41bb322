"""What the user's own code raised while it was called by a training, in one sentence."""

from __future__ import annotations

import re
from typing import Final

from notebookviz.capture import source
from notebookviz.capture.naming import cut
from notebookviz.errors import InputError

_LONGEST: Final = 300
_LONELY: Final = "more than 1 value per channel"
_NO_SCORE: Final = re.compile(r"Target (-?\d+) is out of bounds")
_WORKER: Final = re.compile(r"^Caught \w+ in DataLoader worker process")


def told(error: BaseException, what: str, when: str, state: str = "") -> InputError:
    """An error of the user's code as a sentence: what raised it, when, and at which of the user's lines.

    Args:
        error: What was raised.
        what: What was called: ``"The loss"``.
        when: ``"in step 3, epoch 1 of 5"``.
        state: What the model is now, as a sentence.

    Example:
        >>> str(told(ZeroDivisionError("division by zero"), "The metric 'top3'", "in step 3"))
        "The metric 'top3' raised ZeroDivisionError in step 3: division by zero."
    """
    message = _last_line(str(error))
    if _LONELY in message:
        said = f"A batch of one sample came {when}, and BatchNorm can't take statistics of one.{_end(state)}"
        return InputError(said, hint=hint(message))
    missing = _NO_SCORE.search(message)
    if missing is not None:
        return InputError(
            f"{what} met the label {missing[1]} {when}, for which the model has no score.{_end(state)}",
            hint="Give the head as many scores as there are classes: replace_head(model, n); classes count from 0.",
        )
    line = _place(error)
    said = f": {cut(message.rstrip('.'), _LONGEST)}" if message else ""
    return InputError(f"{what} raised {type(error).__name__} {when}{said}{line}.{_end(state)}", hint=hint(message))


def hint(message: str) -> str:
    """What to do about an error of PyTorch's that training with other data or options avoids; ``""`` for others."""
    if _LONELY in message:
        return "BatchNorm in training needs two samples or more: a larger batch_size, and drop_last=True."
    if "unexpected keyword argument 'labels'" in message:
        return "Pass a loss, and the model gets no labels: loss=lambda outputs, targets: …."
    if "forward() takes" in message:
        return "A batch is (x, …, y): the model gets all but the last."
    if "found <class 'PIL." in message:
        return "Give the data set a transform that makes tensors, for example weights.transforms() or ToTensor()."
    return ""


def _place(error: BaseException) -> str:
    """The innermost line that is in no installed package; ``""`` where there is none."""
    place = source.own(error.__traceback__)
    found = source.record(place, {})
    return f" ({source.short(place[0])}, line {found.line}: {found.code})" if place and found and found.code else ""


def _last_line(message: str) -> str:
    """The message; of what a worker process passes on with its whole traceback, the last line."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return ""
    if _WORKER.search(lines[0]):
        return f"{lines[-1]} (in a worker process)"
    return " ".join(lines)


def _end(state: str) -> str:
    return f" {state}" if state else ""
