"""A model as a row of blocks, in the order they run: what 'the last two blocks' and 'earlier blocks' mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from torch import nn

from notebookviz.capture import capture, naming
from notebookviz.errors import InputError
from notebookviz.finetune.finding import find_heads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from notebookviz.graph.records import Recording

_STACKS: Final = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True, slots=True)
class Blocks:
    """A model's parameters by depth.

    Attributes:
        names: For each block the paths of its modules, in the order they run; the head is none of them.
        heads: Paths of the layers that make the class scores; empty where none was found.
        depth: For each parameter the index of its block; ``len(names)`` for those of heads, and of modules that only
            run in training.
    """

    names: tuple[tuple[str, ...], ...]
    heads: tuple[str, ...]
    depth: Mapping[str, int]


def find_blocks(model: nn.Module, recording: Recording | None = None) -> Blocks:
    """Divide a model into blocks.

    A block is a member of the model's outermost stacks (``Sequential``, ``ModuleList``): a residual block, a
    transformer layer.  Layers beside the stacks are blocks too; those without a matrix (norms, activations) belong to
    the block before them.  Parameters that belong to no block (position embeddings) count as the first's.

    Args:
        model: The model.
        recording: A forward pass of it; without one it is recorded.

    Returns:
        The blocks.

    Example:
        >>> blocks = find_blocks(nn.Sequential(nn.Linear(8, 4), nn.LayerNorm(4), nn.Linear(4, 4), nn.Linear(4, 2)))
        >>> blocks.names, blocks.heads
        ((('0', '1'), ('2',)), ('3',))
    """
    recording = recording or capture(model)
    try:
        heads = tuple(head.path for head in find_heads(recording))
    except InputError:
        heads = ()
    order: dict[str, int] = {}
    for node in recording.nodes:
        if node.kind == "module" and "uncalled" not in node.marks:
            order.setdefault(node.path, node.index)
    units = [(path, module) for path, module in _units("", naming.unwrap(model), heads) if path not in heads]
    idle = [path for path, _ in units if order and path not in order]
    units.sort(key=lambda unit: order.get(unit[0], 0))
    names: list[list[str]] = []
    for path, module in units:
        if path in idle:
            continue
        if not names or _matrices(module):
            names.append([path])
        else:
            names[-1].append(path)
    return Blocks(tuple(map(tuple, names)), heads, _depths(model, names, [*heads, *idle]))


def _depths(model: nn.Module, names: list[list[str]], beside: list[str]) -> dict[str, int]:
    owners = {path: at for at, paths in enumerate(names) for path in paths} | dict.fromkeys(beside, len(names))
    depth = {}
    for name, _ in model.named_parameters():
        above = name.replace("_orig_mod.", "")
        while above and above not in owners:
            above = above.rpartition(".")[0]
        depth[name] = owners.get(above, 0)
    return depth


def _units(path: str, module: nn.Module, heads: tuple[str, ...]) -> Iterator[tuple[str, nn.Module]]:
    """The parts of a model that are not taken apart further."""
    children = list(naming.children(module))
    inside = any(head == path or head.startswith(f"{path}.") for head in heads) if path else True
    if not children or not (inside or isinstance(module, _STACKS) or _has_stack(module)):
        yield path, module
        return
    for name, child in children:
        at = naming.join(path, name)
        within = any(head == at or head.startswith(f"{at}.") for head in heads)
        if isinstance(module, _STACKS) and not isinstance(child, _STACKS) and not within:
            yield at, child
        else:
            yield from _units(at, child, heads)


def _has_stack(module: nn.Module) -> bool:
    """Whether somewhere below there are several modules of one class, of several matrices each, in a row."""
    for inner in module.modules():
        if isinstance(inner, _STACKS):
            kinds = [type(child) for child in inner.children() if _matrices(child) > 1]
            if len(kinds) > len(set(kinds)):
                return True
    return False


def _matrices(module: nn.Module) -> int:
    return sum(parameter.dim() > 1 for parameter in module.parameters())
