"""One awkward model and what is expected of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn


@dataclass
class Case:
    """A model and the input of a real run.

    Attributes:
        model: What is shown.
        args: Its inputs.
        kwargs: Its keyword inputs.
        real: What runs in its place under plain hooks where hooks don't reach the model itself (compiled, scripted).
        compare: Whether plain hooks can tell what happens at all.
        assumed: Whether sizes depend on data, so that shapes can't be compared.
    """

    model: nn.Module
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    real: nn.Module | None = None
    compare: bool = True
    assumed: bool = False


@contextmanager
def quiet() -> Iterator[None]:
    """Building old kinds of models warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


Kinds = dict[str, Callable[[], Case]]


def register(kinds: Kinds) -> Callable[[Callable[[], Case]], Callable[[], Case]]:
    """A decorator that lists a function under its name, words parted by blanks."""

    def add(build: Callable[[], Case]) -> Callable[[], Case]:
        def seeded() -> Case:
            torch.manual_seed(0)
            case = build()
            if type(case.model).train is nn.Module.train and "train" not in vars(case.model):
                case.model.eval()
            return case

        kinds[build.__name__.replace("_", " ")] = seeded
        return build

    return add


class Calls(nn.Module):
    """Runs a function that is given the module and the inputs; ``parts`` become its children and tensors."""

    def __init__(self, body: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.body = body
        for name, part in parts.items():
            if isinstance(part, torch.Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.body(self, *args, **kwargs)
