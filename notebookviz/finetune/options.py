"""The options of a training, looked at before anything else happens."""

from __future__ import annotations

import inspect
import math
import numbers
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from notebookviz.capture.naming import cut
from notebookviz.errors import InputError
from notebookviz.finetune.tasks import KINDS

SCHEDULES: Final = ("cosine", "linear", "constant")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an option may be.

    Attributes:
        fits: Whether a value is that.
        words: The same in words.
        hint: What to pass.
        optional: Whether None is allowed.
    """

    fits: Callable[[Any], bool]
    words: str
    hint: str = ""
    optional: bool = False


def check(**options: Any) -> None:  # noqa: ANN401 - whatever the user passed
    """Compare options with what they may be; those that nothing is known of are left alone.

    Raises:
        InputError: One of them is something else.

    Example:
        >>> check(lr=0.1, epochs=3)
        >>> check(epochs=0)
        Traceback (most recent call last):
        ...
        notebookviz.errors.InputError: epochs is 0; it is a whole number, at least 1.
    """
    for name, value in options.items():
        wanted = _WANTED.get(name)
        if wanted is None or (value is None and wanted.optional):
            continue
        try:
            fits = wanted.fits(value)
        except Exception:  # noqa: BLE001 - arrays, and whatever else can't be compared
            fits = False
        if not fits:
            raise InputError(f"{name} is {cut(repr(value), 80)}; {wanted.words}.", hint=wanted.hint)


def check_model(model: object, caller: str) -> None:
    """Whether something is a model with values.

    Args:
        model: What was passed.
        caller: The function that wants a model.

    Raises:
        InputError: It is none, or some of its values are not there.

    Example:
        >>> check_model(nn.Linear(2, 1), "fine_tune")
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"{caller}() got {type(model).__name__}; it wants a torch.nn.Module.")
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            raise InputError(
                f"{name!r} has no shape yet (a lazy layer).",
                where=name,
                hint="Run the model once on a batch: model(x).",
            )
        if tensor.is_meta:
            raise InputError(
                f"{name!r} is on the meta device, without values.",
                where=name,
                hint="Build the model on a device, or model.to_empty(device=…) and load_weights(model, file).",
            )


def _is_whole(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _whole(least: int, *, optional: bool = False) -> Wanted:
    return Wanted(
        lambda value: _is_whole(value) and value >= least, f"it is a whole number, at least {least}", "", optional
    )


def _number(test: Callable[[float], bool], words: str, hint: str = "", *, optional: bool = False) -> Wanted:
    def fits(value: Any) -> bool:  # noqa: ANN401
        return not isinstance(value, (str, bytes, bool)) and test(float(value))

    return Wanted(fits, words, hint, optional)


def _one_of(*known: object) -> Wanted:
    return Wanted(lambda value: any(value == each for each in known), f"known are {', '.join(map(repr, known))}")


def _is_folder(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, (str, os.PathLike)) and not Path(value).expanduser().is_file()


def _is_function(value: Any) -> bool:  # noqa: ANN401
    """Whether it can be called with outputs and targets: a class of ``torch.nn`` can't, its instance can."""
    return callable(value) and not (inspect.isclass(value) and issubclass(value, nn.Module))


def _are_names(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(each, str) for each in value)


def _are_callbacks(value: Any) -> bool:  # noqa: ANN401
    methods = ("on_step", "on_epoch", "on_end")
    return isinstance(value, Iterable) and all(
        not inspect.isclass(each) and callable(getattr(each, method, None)) for each in value for method in methods
    )


_WANTED: Final = {
    "epochs": _whole(1),
    "accumulate": _whole(1),
    "patience": _whole(1, optional=True),
    "save_every": _whole(1, optional=True),
    "steps": _whole(1),
    "worst": _whole(0),
    "rank": _whole(1),
    "seed": Wanted(_is_whole, "it is a whole number", optional=True),
    "lr": _number(lambda value: 0 < value < math.inf, "it is a number above 0", "For example lr=1e-3."),
    "lowest": _number(lambda value: 0 < value < math.inf, "it is a number above 0", "For example lowest=1e-6."),
    "highest": _number(lambda value: 0 < value < math.inf, "it is a number above 0", "For example highest=1.0."),
    "alpha": _number(lambda value: 0 < value < math.inf, "it is a number above 0"),
    "dropout": _number(lambda value: 0 <= value < 1, "it is at least 0 and below 1"),
    "layer_decay": _number(lambda value: 0 < value <= 1, "it is above 0 and at most 1", "For example layer_decay=0.8."),
    "weight_decay": _number(lambda value: value >= 0, "it is at least 0", "For example weight_decay=0.01."),
    "warmup": _number(
        lambda value: 0 <= value < math.inf,
        "it is a number of steps, or below 1 a part of all steps",
        "For example warmup=100.",
    ),
    "clip": _number(
        lambda value: value > 0, "it is a norm of gradients, above 0", "For example clip=1.0.", optional=True
    ),
    "task": _one_of(None, *KINDS),
    "precision": _one_of(None, "no", "bf16", "fp16"),
    "scheduler_step": _one_of(None, "step", "epoch"),
    "which": _one_of("best", "last"),
    "folder": Wanted(_is_folder, "a folder is wanted", "Name one that is not there yet.", optional=True),
    "loss": Wanted(
        _is_function,
        "a function of (outputs, targets) is wanted",
        "For example loss=torch.nn.CrossEntropyLoss().",
        optional=True,
    ),
    "labels": Wanted(_are_names, "a list of names is wanted", "For example labels=['cat', 'dog'].", optional=True),
    "transform": Wanted(callable, "a function of an image is wanted", optional=True),
    "optimizer": Wanted(
        lambda value: callable(value) or isinstance(value, torch.optim.Optimizer),
        "an optimiser is wanted, or what builds one",
        "For example optimizer=torch.optim.SGD.",
        optional=True,
    ),
    "scheduler": Wanted(
        lambda value: value in SCHEDULES if isinstance(value, str) else callable(value) or hasattr(value, "step"),
        "a scheduler is wanted, what builds one from the optimiser, or a name",
        f"Known names are {', '.join(map(repr, SCHEDULES))}.",
        optional=True,
    ),
    "monitor": Wanted(lambda value: isinstance(value, str), "the name of a value is wanted", optional=True),
    "callbacks": Wanted(
        _are_callbacks,
        "a list of Callback objects is wanted",
        "Subclass notebookviz.finetune.events.Callback, and pass an instance of it in a list.",
    ),
    "stop": Wanted(
        lambda value: callable(value.is_set) and callable(value.set), "a threading.Event is wanted", optional=True
    ),
    "accelerator": Wanted(
        lambda value: callable(value.prepare_model), "an accelerate.Accelerator is wanted", optional=True
    ),
}
