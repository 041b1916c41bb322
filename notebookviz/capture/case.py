"""What is known of a failed call when a next step is looked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from notebookviz.capture import naming, operators

if TYPE_CHECKING:
    from torch import nn

    from notebookviz.capture.draft import Draft, Entry
    from notebookviz.capture.skeleton import Skeleton
    from notebookviz.graph.records import TensorType

Shape = tuple[int, ...]


@dataclass
class Case:
    """What is known of a failure."""

    entry: Entry
    said: str
    draft: Draft
    skeleton: Skeleton
    name: str = ""
    operands: dict[str, list[TensorType]] = field(default_factory=dict)

    def shape(self, name: str) -> Shape | None:
        """Shape of the first tensor of an argument."""
        found = self.operands.get(name)
        return found[0].shape if found else None

    def weight(self) -> TensorType | None:
        """Type of the first operand that the model stores, or of the second operand."""
        stored = [index for _, _, indices in self.entry.inputs for index in indices]
        if stored:
            return self.draft.stored[stored[0]].type
        kinds = [kinds[0] for kinds in self.operands.values()]
        return kinds[1] if len(kinds) > 1 else None

    def module(self) -> nn.Module | None:
        """The innermost module call around the failure."""
        at = self.entry.index
        while at >= 0:
            found = self.draft.entries[at].module
            if found is not None:
                return found
            at = self.draft.entries[at].parent
        return None

    def owner(self) -> str:
        """Class and path of that module: ``Linear fc``."""
        module = self.module()
        if module is None:
            return "The operator"
        path = next((path for path, child in naming.modules(self.skeleton.model) if child is module), "")
        return f"{naming.clean(type(module).__name__)} {path}".rstrip()

    def called(self) -> str:
        """The operator as a sentence begins with it."""
        return self.entry.type if self.entry.type[:1].isalpha() else f"The operator {operators.label(self.entry.type)}"


def operands(entry: Entry, draft: Draft) -> dict[str, list[TensorType]]:
    """The tensors that met an operator or a module call, by the argument's name."""
    return {
        name: [draft.values[value] for value in values] + [draft.stored[index].type for index in stored]
        for name, values, stored in entry.inputs
    }


def speaks_of_dtypes(said: str) -> bool:
    """Whether a message is about types of numbers."""
    return any(part in said for part in ("dtype", "scalar type", "type (", "datatype", "not implemented for '"))
