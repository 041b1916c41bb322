"""Which module calls a node of an ONNX graph belongs to, as torch.onnx notes it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

    Chain = tuple["ModuleCall", ...]

SCOPES: Final = "pkg.torch.onnx.name_scopes"
CLASSES: Final = "pkg.torch.onnx.class_hierarchy"
CALLS: Final = "notebookviz.calls"


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """One call of one module.

    Attributes:
        path: The module's path: ``"layer1.0"``.
        type: Its class with the Python module: ``"torch.nn.modules.linear.Linear"``.
        number: 0 for its first call, 1 for its second.
    """

    path: str
    type: str
    number: int

    @property
    def name(self) -> str:
        """The path; later calls are numbered: ``"act@1"``."""
        return f"{self.path}@{self.number}" if self.number else self.path

    @property
    def domain(self) -> str:
        """Domain of its function: the Python module of its class, ``"pkg.torch.nn.modules.linear"``."""
        return f"pkg.{self.type.rpartition('.')[0] or 'python'}"

    def function(self, part: str = "") -> str:
        """Name of its function: the path, then the class, which alone is what Netron writes on a node."""
        return f"{self.name}{part}.{self.type.rpartition('.')[2] or 'Module'}"


def chains(nodes: Sequence[onnx.NodeProto]) -> list[Chain]:
    """For each node the calls that it belongs to, outermost first, without that of the model itself.

    A node that does not say belongs where both its neighbours do.

    Args:
        nodes: In the order in which they run.
    """
    known = [_chain(node) for node in nodes]
    before = _filled(known)
    after = _filled(known[::-1])[::-1]
    return [
        _shared(left, right) if chain is None else chain
        for chain, left, right in zip(known, before, after, strict=True)
    ]


def _chain(node: onnx.NodeProto) -> Chain | None:
    properties = {item.key: item.value for item in node.metadata_props}
    try:
        scopes, classes = (ast.literal_eval(properties[key])[:-1] for key in (SCOPES, CLASSES))
        numbers = ast.literal_eval(properties[CALLS]) if CALLS in properties else [0] * len(scopes)
        calls = list(zip(scopes, classes, numbers, strict=True))
        if calls and calls[0][0]:  # what torch.export adds by itself is outside of any module
            return None
        return tuple(ModuleCall(str(path), str(kind), int(number)) for path, kind, number in calls[1:])
    except (KeyError, ValueError, SyntaxError, TypeError):
        return None


def _filled(chains: Sequence[Chain | None]) -> list[Chain]:
    last: Chain = ()
    found = []
    for chain in chains:
        last = last if chain is None else chain
        found.append(last)
    return found


def _shared(left: Chain, right: Chain) -> Chain:
    length = next((index for index, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), None)
    return left[: min(len(left), len(right)) if length is None else length]
