"""What the Fine-tune tab was told."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from notebookviz.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

CHOICES: Final = {
    "head": ("fit", "keep"),
    "learn": ("head", "last", "all", "lora", "ticks", "as is"),
    "optimizer": ("AdamW", "SGD"),
    "schedule": ("cosine", "linear", "constant"),
}
_LEAST: Final = {"classes": 0, "blocks": 1, "rank": 1, "batch": 1, "epochs": 1, "patience": 0, "seed": 0}
_MOST: Final = {"classes": 1_000_000, "rank": 4_096, "seed": 2**63 - 1}
_MOST_ELSE: Final = 1_000_000_000
_SHARES: Final = 0.9


@dataclass(frozen=True, slots=True)
class Settings:
    """The four steps of the tab.

    Attributes:
        head: ``"fit"`` gives the head as many classes as wanted, ``"keep"`` leaves it.
        classes: How many; 0 for as many as the data has.
        path: Where the head is; empty where it is found.
        learn: What learns.
        blocks: How many blocks, for ``"last"``.
        rank: Of LoRA's matrices.
        names: Parameters, for ``"ticks"``.
        source: Key of what is learned from.
        validation: Key of what is measured; ``"split"`` keeps ``share`` of the source, ``"none"`` nothing.
        share: Part that is kept for validation.
        transform: What prepares the images of a folder: a variable; ``"*"`` goes by size alone, empty is what the
            weights want, where that is known.
        batch: Samples in a batch.
        optimizer: Its class.
        lr: Learning rate.
        schedule: Of the learning rate.
        epochs: Passes over the data.
        patience: Epochs without a better one after which it ends; 0 for never.
        seed: Of all that is random.
        folder: Where checkpoints go; empty for none.
    """

    head: str = "fit"
    classes: int = 0
    path: str = ""
    learn: str = "head"
    blocks: int = 1
    rank: int = 8
    names: tuple[str, ...] = ()
    source: str = ""
    validation: str = "split"
    share: float = 0.2
    transform: str = ""
    batch: int = 32
    optimizer: str = "AdamW"
    lr: float = 1e-3
    schedule: str = "cosine"
    epochs: int = 3
    patience: int = 0
    seed: int = 0
    folder: str = ""

    @classmethod
    def read(cls, params: Mapping[str, Any]) -> Settings:
        """Take them from a message, which is not trusted.

        Raises:
            InputError: A value is of another type, or out of its range.

        Example:
            >>> Settings.read({"epochs": 5, "lr": 0.01}).epochs
            5
        """
        given: dict[str, Any] = {}
        for field in fields(cls):
            if params.get(field.name) is not None:
                given[field.name] = _value(field.name, str(field.type), params[field.name])
        return cls(**given)


def _value(name: str, kind: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    if kind.startswith("tuple") and isinstance(value, list):
        return tuple(map(str, value))
    if kind == "str" and isinstance(value, str):
        if name in CHOICES and value not in CHOICES[name]:
            raise InputError(f"{name} is {value[:40]!r}.", hint=f"Known are {', '.join(map(repr, CHOICES[name]))}.")
        return value
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    most = _MOST.get(name, _MOST_ELSE)
    if kind == "int" and number and _LEAST[name] <= value <= most and value == int(value):
        return int(value)
    if kind == "float" and number and 0 < value <= (_SHARES if name == "share" else 1e6):
        return float(value)
    wanted = f"a whole number, at least {_LEAST[name]} and at most {most:,}" if kind == "int" else "a number above 0"
    wanted += f" and at most {_SHARES}" if name == "share" else ""
    raise InputError(f"{name} is {str(value)[:40]!r}; it is {wanted if kind in ('int', 'float') else 'a text'}.")
