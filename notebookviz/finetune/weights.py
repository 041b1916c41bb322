"""Weights from a file into a model, with what does not fit in words."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from notebookviz.capture import naming
from notebookviz.errors import InputError
from notebookviz.loading import read_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Loaded:
    """What :func:`load_weights` did; ``print`` it.

    Attributes:
        loaded: Names of the tensors that were loaded.
        missing: Names in the model that the file lacks.
        unexpected: Names in the file that the model lacks.
        mismatched: Names of tensors of another shape, with the shape in the file and in the model.
        prefix: What was taken off the file's names: ``"module."``.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    prefix: str = ""

    @property
    def complete(self) -> bool:
        """Whether file and model fit without rest."""
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        """One sentence for each kind."""
        parts = [f"{len(self.loaded):,} tensors fit."]
        if self.prefix:
            parts.append(f"The file's names began with {self.prefix!r}, which was taken off.")
        if self.missing:
            parts.append(f"The file lacks {_some(self.missing)}.")
        if self.unexpected:
            parts.append(f"The model lacks {_some(self.unexpected)}.")
        if self.mismatched:
            shapes = [f"{name} ({_shape(file)} in the file, {_shape(own)} here)" for name, file, own in self.mismatched]
            parts.append(f"Of another shape: {_some(shapes)}.")
        return " ".join(parts)


def load_weights(model: nn.Module, path: str | os.PathLike[str], *, partial: bool = False, key: str = "") -> Loaded:
    """Load a file of weights into a model; nothing in the file is executed or unpickled.

    The file is ``.safetensors``, or a ``state_dict`` saved by ``torch.save``, also inside a dictionary
    (``{"state_dict": …}``).  Prefixes that DataParallel (``module.``) and ``torch.compile`` (``_orig_mod.``) put before
    names are taken off.

    Args:
        model: The model.
        path: The file.
        partial: Load what fits, where not everything does.
        key: Which of several dictionaries in the file.

    Returns:
        What was loaded, and what was not.

    Raises:
        LoadingError: The file can't be read.
        InputError: Not everything fits; the model is as it was.

    Example:
        >>> load_weights(model, "weights.pth")  # doctest: +SKIP
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"load_weights() got {type(model).__name__}; it wants a torch.nn.Module.")
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"path is {type(path).__name__}; the path of a file is wanted.")
    return fit(model, read_tensors(path, key=key), partial=partial)


def fit(model: nn.Module, tensors: Mapping[str, Tensor], *, partial: bool = False) -> Loaded:
    """Load tensors by name into a model.

    Raises:
        InputError: Not everything fits, and ``partial`` was not asked for; the model is as it was.

    Example:
        >>> from torch import nn
        >>> print(fit(nn.Linear(2, 1), {"module." + name: t for name, t in nn.Linear(2, 1).state_dict().items()}))
        2 tensors fit. The file's names began with 'module.', which was taken off.
    """
    target = naming.unwrap(model)
    own = {name.replace("_orig_mod.", ""): name for name in target.state_dict()}
    plain = {name.replace("_orig_mod.", ""): tensor for name, tensor in tensors.items()}
    prefix = _prefix(plain, own)
    plain = {name.removeprefix(prefix): tensor for name, tensor in plain.items()}
    state = target.state_dict()
    mismatched = tuple(
        (name, tuple(tensor.shape), tuple(state[own[name]].shape))
        for name, tensor in plain.items()
        if name in own and tensor.shape != state[own[name]].shape
    )
    other = {name for name, _, _ in mismatched}
    fitting = {own[name]: tensor for name, tensor in plain.items() if name in own and name not in other}
    given = {state[name].data_ptr() for name in fitting if state[name].numel() and not state[name].is_meta}
    missing = tuple(
        name
        for name, original in own.items()
        if name not in plain and (state[original].is_meta or state[original].data_ptr() not in given)
    )
    unexpected = tuple(name for name in plain if name not in own)
    report = Loaded(tuple(fitting), missing, unexpected, mismatched, prefix)
    if not fitting or not (partial or report.complete):
        raise InputError(
            f"The weights don't fit the model: {report}",
            hint="Build the model as it was, replace its head, or pass partial=True to load what fits."
            if fitting
            else "It is the file of another model.",
        )
    target.load_state_dict(fitting, strict=False)
    return report


def _prefix(plain: Mapping[str, object], own: Mapping[str, str]) -> str:
    """What stands before all names of the file and before none of the model's."""
    prefix = ""
    names = list(plain)
    while names and not any(name in own for name in names):
        first = names[0].partition(".")[0] + "."
        if not all(name.startswith(first) for name in names) or names[0] == first:
            return ""
        prefix += first
        names = [name.removeprefix(first) for name in names]
    return prefix


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(naming.cut(name, 100) for name in names[:_SHOWN]) + more


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a number"
