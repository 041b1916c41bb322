"""Integers that index a table, or name a dimension, which fake tensors don't look at.

Those of a table are checked where their values are known.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from notebookviz.capture.modes import unseen

if TYPE_CHECKING:
    from collections.abc import Callable

    from notebookviz.capture.known import Known


class Stray(NamedTuple):
    """An index that its table does not hold.

    Attributes:
        value: The index.
        place: Where it stands among the indices.
        size: How many entries the table has.
        table: What the table is, in words.
    """

    value: int
    place: tuple[int, ...]
    size: int
    table: str


_AS_PYTORCH: dict[str, Callable[[Stray, int], Exception]] = {
    "embedding": lambda _, __: IndexError("index out of range in self"),
    "embedding_bag": lambda stray, _: RuntimeError(
        f"embedding_bag: Expected idx >= 0 && idx < num_embeddings but found idx to be {stray.value}"
    ),
    "index_select": lambda _, __: IndexError("index out of range in self"),
    "index": lambda stray, dim: IndexError(
        f"index {stray.value} is out of bounds for dimension {dim} with size {stray.size}"
    ),
    "gather": lambda stray, dim: RuntimeError(
        f"index {stray.value} is out of bounds for dimension {dim} with size {stray.size}"
    ),
    "target": lambda stray, _: IndexError(f"Target {stray.value} is out of bounds."),
    "one_hot": lambda stray, _: RuntimeError(
        "Class values must be non-negative." if stray.value < 0 else "Class values must be smaller than num_classes."
    ),
}


_Found = tuple[Exception, Stray | None] | None


def check(func: Any, args: tuple[Any, ...], known: Known) -> _Found:  # noqa: ANN401
    """Look up the integers of one dispatched operator, as far as their values are known.

    Args:
        func: The operator.
        args: Its arguments.
        known: Values of this pass.

    Returns:
        What PyTorch would raise, and the index of a table that is to blame; None where nothing is wrong.
    """
    found = _rule(func)
    return found(args, known) if found is not None else None


def check_classes(args: tuple[Any, ...], kwargs: dict[str, Any], known: Known) -> _Found:
    """The same for ``F.one_hot``, whose check is lost before an operator is dispatched."""
    index = args[0] if args else kwargs.get("input")
    classes = args[1] if len(args) > 1 else kwargs.get("num_classes", -1)
    if not isinstance(index, torch.Tensor) or not isinstance(classes, int) or classes <= 0:
        return None
    return _stray(index, classes, known, "one_hot", f"num_classes={classes}", low=0)


def _stray(  # noqa: PLR0913 (one fact each)
    index: Any,  # noqa: ANN401
    size: int,
    known: Known,
    kind: str,
    table: str,
    *,
    low: int,
    dim: int = 0,
    ignored: int | None = None,
) -> _Found:
    value = known.value(index) if isinstance(index, torch.Tensor) else None
    if value is None or value.dtype in (torch.bool, torch.uint8) or value.is_floating_point() or not value.numel():
        return None
    with unseen():
        wrong = (value < low) | (value >= size)
        if ignored is not None:
            wrong &= value != ignored
        places = wrong.nonzero()
        if not len(places):
            return None
        place = tuple(places[0].tolist())
        stray = Stray(int(value[place].item()), place, size, table)
    return _AS_PYTORCH[kind](stray, dim), stray


def _embedding(args: tuple[Any, ...], known: Known) -> _Found:
    rows = int(args[0].shape[0])
    return _stray(args[1], rows, known, "embedding", f"a table of {rows:,} rows", low=0)


def _bag(args: tuple[Any, ...], known: Known) -> _Found:
    rows = int(args[0].shape[0])
    return _stray(args[1], rows, known, "embedding_bag", f"a table of {rows:,} rows", low=0)


def _along(kind: str) -> Callable[[tuple[Any, ...], Known], _Found]:
    def along(args: tuple[Any, ...], known: Known) -> _Found:
        tensor, dim = args[0], int(args[1])
        if not tensor.dim():
            return None
        dim %= tensor.dim()
        size = int(tensor.shape[dim])
        return _stray(args[2], size, known, kind, f"dimension {dim} of size {size:,}", low=0, dim=dim)

    return along


def _index(args: tuple[Any, ...], known: Known) -> _Found:
    tensor = args[0]
    for dim, index in enumerate(args[1]):
        if isinstance(index, torch.Tensor) and dim < tensor.dim():
            size = int(tensor.shape[dim])
            found = _stray(index, size, known, "index", f"dimension {dim} of size {size:,}", low=-size, dim=dim)
            if found is not None:
                return found
            if index.dtype in (torch.bool, torch.uint8):
                return None
    return None


def _classes(args: tuple[Any, ...], known: Known) -> _Found:
    scores, target, ignored = args[0], args[1], int(args[4])
    size = int(scores.shape[1 if scores.dim() > 1 else 0])
    return _stray(target, size, known, "target", f"{size:,} classes", low=0, ignored=ignored)


def _dimension(args: tuple[Any, ...], _: Known) -> _Found:
    """These compute the result's sizes without a look at the dimension they work along."""
    dims = max(args[0].dim(), 1)
    if len(args) < 2 or not isinstance(args[1], int) or -dims <= args[1] < dims:  # noqa: PLR2004
        return None
    said = f"Dimension out of range (expected to be in range of [{-dims}, {dims - 1}], but got {args[1]})"
    return IndexError(said), None


@cache
def _rule(func: Any) -> Callable[[tuple[Any, ...], Known], _Found] | None:  # noqa: ANN401
    return _RULES.get(str(getattr(func, "overloadpacket", func)))


_RULES: dict[str, Callable[[tuple[Any, ...], Known], _Found]] = {
    "aten.embedding": _embedding,
    "aten._embedding_bag": _bag,
    "aten._embedding_bag_forward_only": _bag,
    "aten.index_select": _along("index_select"),
    "aten.gather": _along("gather"),
    "aten.scatter": _along("gather"),
    "aten.scatter_": _along("gather"),
    "aten.scatter_add": _along("gather"),
    "aten.scatter_add_": _along("gather"),
    "aten.index": _index,
    "aten.index_put": _index,
    "aten.index_put_": _index,
    "aten._softmax": _dimension,
    "aten.sort": _dimension,
    "aten.nll_loss_forward": _classes,
    "aten.nll_loss2d_forward": _classes,
}
