"""What learns: freezing by patterns, by blocks, or all but the head."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from torch import nn

from notebookviz.capture import naming
from notebookviz.errors import InputError
from notebookviz.finetune.blocks import find_blocks

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_LAST: Final = re.compile(r"last (\d+) blocks?")
_WORDS: Final = "'all', 'head', 'last 2 blocks', or patterns of paths such as 'layer4.*'"


@dataclass(slots=True)
class Learning:
    """What learns in a model after a change; ``print`` it.

    Attributes:
        learning: Numbers in parameters that learn.
        total: Numbers in all parameters.
        modules: Paths of the modules whose own parameters learn.
    """

    learning: int
    total: int
    modules: tuple[str, ...]
    _before: Mapping[nn.Parameter, bool] = field(default_factory=dict, repr=False)

    def undo(self) -> None:
        """Let everything learn, or not, as before the change."""
        for parameter, learns in self._before.items():
            parameter.requires_grad_(learns)

    def __str__(self) -> str:
        """One sentence."""
        where = naming.cut(", ".join(path or "the model itself" for path in self.modules), 200)
        return f"{self.learning:,} of {self.total:,} parameters learn" + (f": {where}." if where else ".")


def freeze(model: nn.Module, *patterns: str) -> Learning:
    """Let parameters learn no more.

    BatchNorm layers that are frozen keep their statistics while :func:`fine_tune` trains.

    Args:
        model: The model.
        *patterns: Paths of modules or parameters, with ``*``; all of it where none is given.

    Returns:
        What learns now; ``.undo()`` takes the change back.

    Raises:
        InputError: A pattern matches nothing.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 2))
        >>> print(freeze(model, "0"))
        10 of 46 parameters learn: 1.
    """
    return _set(model, _matching(model, patterns or ("*",)), learns=False)


def unfreeze(model: nn.Module, *patterns: str) -> Learning:
    """Let parameters learn again.

    Args:
        model: The model.
        *patterns: As for :func:`freeze`.

    Returns:
        What learns now.

    Raises:
        InputError: A pattern matches nothing.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 2)).requires_grad_(False)
        >>> print(unfreeze(model, "*.bias"))
        6 of 46 parameters learn: 0, 1.
    """
    return _set(model, _matching(model, patterns or ("*",)), learns=True)


def train_only(model: nn.Module, *what: str) -> Learning:
    """Choose all that learns; the rest is frozen.

    Args:
        model: The model.
        *what: ``"all"``, ``"head"``, ``"last 2 blocks"`` (they, what runs after them, and the head), or patterns as for
            :func:`freeze`.

    Returns:
        What learns now.

    Raises:
        InputError: The head was not found, or a pattern matches nothing.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 4), nn.Linear(4, 2))
        >>> print(train_only(model, "head"))
        10 of 66 parameters learn: 2.
        >>> print(train_only(model, "last 1 block"))
        30 of 66 parameters learn: 1, 2.
    """
    chosen: set[str] = set()
    for word in what:
        last = _LAST.fullmatch(str(word).strip().lower())
        if word == "all":
            chosen.update(name for name, _ in model.named_parameters())
        elif word == "head" or last:
            chosen.update(_deepest(model, int(last[1]) if last else 0))
        else:
            chosen.update(_matching(model, (word,)))
    if not chosen:
        raise InputError(f"train_only() got {what!r}; it wants {_WORDS}.")
    before = {parameter: parameter.requires_grad for parameter in model.parameters()}
    _set(model, {name for name, _ in model.named_parameters()}, learns=False)
    return _set(model, chosen, learns=True, before=before)


def train_exactly(model: nn.Module, names: Collection[str]) -> Learning:
    """Let exactly these parameters learn.

    Args:
        model: The model.
        names: Names of parameters, as ``named_parameters`` gives them.

    Returns:
        What learns now.

    Raises:
        InputError: There is no such parameter.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 2))
        >>> print(train_exactly(model, ["1.bias"]))
        2 of 46 parameters learn: 1.
    """
    known = {name for name, _ in model.named_parameters()}
    unknown = sorted(set(names) - known)
    if unknown:
        raise InputError(f"{unknown[0]!r} is no parameter of this model.", hint="Look at the model again: Refresh.")
    before = {parameter: parameter.requires_grad for parameter in model.parameters()}
    _set(model, known, learns=False)
    return _set(model, names, learns=True, before=before)


def _deepest(model: nn.Module, count: int) -> set[str]:
    """Parameters of the head and of the last blocks."""
    blocks = find_blocks(model)
    if not blocks.heads:
        raise InputError(
            "The head can't be found, so 'head' and 'last blocks' mean nothing here.",
            hint="Name what shall learn by a pattern: train_only(model, 'classifier.*').",
        )
    return {name for name, depth in blocks.depth.items() if depth >= len(blocks.names) - count}


def _matching(model: nn.Module, patterns: Collection[str]) -> set[str]:
    if not isinstance(model, nn.Module):
        raise InputError(f"Got {type(model).__name__}; a torch.nn.Module is wanted.")
    names = [name for name, _ in model.named_parameters()]
    found: set[str] = set()
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise InputError(f"A pattern is {pattern!r}; a text is wanted.", hint=f"It is {_WORDS}.")
        matching = {name for name in names if fits(name, pattern)}
        if not matching:
            tops = ", ".join(repr(name) for name, _ in model.named_children())
            raise InputError(
                f"{pattern!r} matches no parameter.",
                where=pattern,
                hint=f"The model's parts are {naming.cut(tops, 300)}; patterns are paths with *." if tops else "",
            )
        found |= matching
    return found


def fits(name: str, pattern: str) -> bool:
    """Whether a pattern means this path or a module above it.

    Example:
        >>> fits("layer4.0.conv1.weight", "layer4.*"), fits("fc.weight", "layer4")
        (True, False)
    """
    parts = name.split(".")
    return any(fnmatch.fnmatchcase(".".join(parts[:count]), pattern) for count in range(1, len(parts) + 1))


def _set(model: nn.Module, names: Collection[str], *, learns: bool, before: Any = None) -> Learning:  # noqa: ANN401
    parameters = dict(model.named_parameters())
    if before is None:
        before = {parameter: parameter.requires_grad for parameter in parameters.values()}
    for name in names:
        if learns and not (parameters[name].is_floating_point() or parameters[name].is_complex()):
            continue  # a quantized weight can't learn
        parameters[name].requires_grad_(learns)
    return learning(model, before)


def learning(model: nn.Module, before: Mapping[nn.Parameter, bool] | None = None) -> Learning:
    """What learns in a model as it is."""
    parameters = dict(model.named_parameters())
    learning = {name: parameter.numel() for name, parameter in parameters.items() if parameter.requires_grad}
    modules = tuple(dict.fromkeys(name.rpartition(".")[0] for name in learning))
    total = sum(parameter.numel() for parameter in parameters.values())
    return Learning(sum(learning.values()), total, modules, before or {})
