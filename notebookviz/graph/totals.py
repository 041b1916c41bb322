"""Parameters and memory of each module, counted once however often they are shared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notebookviz.graph.records import Recording


@dataclass(frozen=True, slots=True)
class Totals:
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
    held: dict[str, set[int]] = {}
    for initializer in recording.initializers:
        if initializer.kind == "constant":
            continue
        for name in (initializer.name, *initializer.aliases):
            for path in ancestors(name.rpartition(".")[0]):
                held.setdefault(path, set()).add(initializer.index)
    found = {}
    for path, indices in held.items():
        tensors = [recording.initializers[index] for index in indices]
        params = [tensor for tensor in tensors if tensor.kind == "parameter"]
        found[path] = Totals(
            params=sum(tensor.type.numel for tensor in params),
            trainable=sum(tensor.type.numel for tensor in params if tensor.trainable),
            param_bytes=sum(tensor.type.nbytes for tensor in tensors),
        )
    return found


def output_bytes(recording: Recording, index: int) -> int:
    """Bytes of the tensors that a node returned (a tensor returned twice counts once)."""
    return sum(recording.values[value].type.nbytes for value in set(recording.nodes[index].outputs))
