"""Parameters and memory of each module, counted once however often they are shared."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from notebookviz.graph.records import Recording


class Totals(NamedTuple):
    """What one module holds, with all its children; shared tensors count once.

    Attributes:
        params: Number of parameter elements.
        trainable: Those of them whose ``requires_grad`` is true.
        param_bytes: Bytes of the parameters and buffers.
    """

    params: int = 0
    trainable: int = 0
    param_bytes: int = 0


def ancestors(path: str) -> list[str]:
    """The path itself and each path that contains it, up to the root ``""``.

    Example:
        >>> ancestors("layer1.0.conv1")
        ['layer1.0.conv1', 'layer1.0', 'layer1', '']
    """
    found = [path]
    while path:
        path = path.rpartition(".")[0]
        found.append(path)
    return found


def module_totals(recording: Recording) -> dict[str, Totals]:
    """Totals of each module path that holds a parameter or buffer.

    Args:
        recording: What capture returned.

    Returns:
        Totals by module path; a path that holds nothing is absent.
    """
    return {path: _totals(recording, indices) for path, indices in _held(recording).items()}


def fold_totals(recording: Recording) -> list[Totals]:
    """Totals of each fold: what its members hold together."""
    held = _held(recording) if recording.folds else {}
    return [
        _totals(
            recording,
            {
                item
                for member in fold.members
                if recording.nodes[member].kind == "module"
                for item in held.get(recording.nodes[member].path, ())
            },
        )
        for fold in recording.folds
    ]


def _held(recording: Recording) -> dict[str, set[int]]:
    """The parameters and buffers below each module path."""
    held: dict[str, set[int]] = {}
    for initializer in recording.initializers:
        if initializer.kind != "constant":
            for name in (initializer.name, *initializer.aliases):
                for path in ancestors(name.rpartition(".")[0]):
                    held.setdefault(path, set()).add(initializer.index)
    return held


def _totals(recording: Recording, indices: Iterable[int]) -> Totals:
    tensors = [recording.initializers[index] for index in indices]
    params = [tensor for tensor in tensors if tensor.kind == "parameter"]
    return Totals(
        params=sum(tensor.type.numel for tensor in params),
        trainable=sum(tensor.type.numel for tensor in params if tensor.trainable),
        param_bytes=sum(tensor.type.nbytes for tensor in tensors),
    )


def output_bytes(recording: Recording, index: int) -> int:
    """Bytes of the tensors that a node returned (a tensor returned twice counts once)."""
    return sum(recording.values[value].type.nbytes for value in set(recording.nodes[index].outputs))
