"""The recording: what one traced forward pass left behind, as named tuples.

A :class:`Recording` is a flat tuple of :class:`Node` in the order they started, so a node's index is its
position and a parent always comes before its children.  Module calls are inner nodes, operators are leaves.
Tensors that flow are :class:`Value`, tensors that are stored in the model are :class:`Initializer`.
Nothing here holds a tensor or a module, so a recording never keeps a model alive.
"""

from __future__ import annotations

import math
from typing import Final, Literal, NamedTuple

ITEM_BITS: Final = {
    "bool": 8,
    "uint8": 8,
    "int8": 8,
    "int16": 16,
    "uint16": 16,
    "int32": 32,
    "uint32": 32,
    "int64": 64,
    "uint64": 64,
    "float16": 16,
    "bfloat16": 16,
    "float32": 32,
    "float64": 64,
    "complex32": 32,
    "complex64": 64,
    "complex128": 128,
    "qint8": 8,
    "quint8": 8,
    "qint32": 32,
    "quint4x2": 4,
    "quint2x4": 2,
}


class TensorType(NamedTuple):
    """Data type, shape and device of a tensor.

    Example:
        >>> TensorType("float32", (1, 3, 224, 224)).nbytes
        602112
    """

    dtype: str
    shape: tuple[int, ...]
    device: str = "cpu"

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes the dense tensor takes (float8 and other unlisted types count one byte an element)."""
        return self.numel * ITEM_BITS.get(self.dtype, 8) // 8


class Value(NamedTuple):
    """A tensor that flows between operators."""

    index: int  # type: ignore[assignment]  # in place of the method of tuples
    type: TensorType


class Initializer(NamedTuple):
    """A tensor stored in the model: a parameter, a buffer, or a plain tensor met in forward.

    ``name`` is the ``state_dict`` style path (``layer1.0.conv1.weight``); ``aliases`` are the other names under which
    the very same tensor is registered (tied weights).
    """

    index: int  # type: ignore[assignment]  # in place of the method of tuples
    name: str
    kind: Literal["parameter", "buffer", "constant"]
    type: TensorType
    trainable: bool = False
    aliases: tuple[str, ...] = ()


class Argument(NamedTuple):
    """One named tensor argument: indices of values that flow in, or of initializers, or both (``torch.cat``)."""

    name: str
    values: tuple[int, ...] = ()
    initializers: tuple[int, ...] = ()


class Attribute(NamedTuple):
    """A scalar argument of an operator or a setting of a module, already turned into text."""

    name: str
    value: str


class Source(NamedTuple):
    """The line of the user's code that made a call."""

    file: str
    line: int
    function: str = ""
    code: str = ""


Mark = Literal[
    "failed", "unfinished", "unused", "assumed", "passthrough", "uncalled", "in-place", "uncounted", "broadcast"
]


class Node(NamedTuple):
    """A module call or an operator.

    Attributes:
        index: Position in ``Recording.nodes``; the root module call is 0.
        parent: Index of the enclosing module call; -1 for the root.
        kind: ``"module"`` or ``"operator"``.
        type: Class name (``Conv2d``) or user-level operator name (``F.relu``, ``torch.cat``, ``+``).
        qualified: Where the type lives: ``torch.nn.modules.conv.Conv2d``, ``torch.nn.functional.relu``.
        path: For a module its path (``layer1.0``; ``""`` is the root); for an operator its module call's path.
        call: Which call of this module this is, from 0.
        inputs: Tensor arguments.
        outputs: Indices of the values returned.
        attributes: Scalar arguments (operator) or constructor settings read from the instance (module).
        initializers: Modules only: the parameters and buffers registered directly on it.
        macs: Multiply-adds. An operator's own; a module's with all that it called.
        marks: What is special about it.
        message: Why it failed, in words (only with the mark ``failed``).
        repr: Modules only: ``repr(module)`` cut to a sensible length.
        doc: First paragraph of the type's docstring, as plain text.
        source: The line of user code that called it.
        user_hooks: Modules only: how many of the user's own hooks were left out while looking.
    """

    index: int  # type: ignore[assignment]  # in place of the method of tuples
    parent: int
    kind: Literal["module", "operator"]
    type: str
    qualified: str
    path: str
    call: int = 0
    inputs: tuple[Argument, ...] = ()
    outputs: tuple[int, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    initializers: tuple[int, ...] = ()
    macs: int = 0
    marks: frozenset[Mark] = frozenset()
    message: str = ""
    repr: str = ""
    doc: str = ""
    source: Source | None = None
    user_hooks: int = 0

    @property
    def name(self) -> str:
        """Last part of the path, or the type for the root and for operators."""
        if self.kind == "operator" or not self.path:
            return self.type
        return self.path.rpartition(".")[2]


class Fold(NamedTuple):
    """Neighbours that are drawn as one node (see ``fold.py``); it opens to what it holds.

    Attributes:
        parent: Index of the module call that encloses them.
        members: Indices of the nodes, in the order they ran.
        repeats: How many equal units they are; 0 for operators that stand together.
        type: What is drawn: ``12 × GPT2Block``, ``27 operators``.
        name: Which they are: ``h.0 … h.11``; for operators what their result is taken as.
        marks: What is special about all of them.
    """

    parent: int
    members: tuple[int, ...]
    repeats: int
    type: str
    name: str
    marks: frozenset[Mark] = frozenset()


class Failure(NamedTuple):
    """How a forward pass ended early.

    Attributes:
        node: Index of the operator or module call that failed.
        kind: The exception's class, or ``timeout``, ``limit``, ``interrupted``.
        message: What it said.
        source: The line of user code that ran.
        hint: What to try next.
        shapes: What met there, by argument, weights too: ``("weight", "48×10")``.
        received: What the innermost module call around it was given.
    """

    node: int
    kind: str
    message: str
    source: Source | None = None
    hint: str = ""
    shapes: tuple[tuple[str, str], ...] = ()
    received: tuple[tuple[str, str], ...] = ()


class Recording(NamedTuple):
    """One traced forward pass of one model.

    Attributes:
        nodes: Module calls and operators in the order they started.  Modules that were never called follow at the
            end with the mark ``uncalled``, so that parameters add up.
        values: Tensors that flow; ``Value.index`` is the position.
        initializers: Stored tensors; ``Initializer.index`` is the position.
        inputs: The model's tensor inputs by name.
        outputs: The model's tensor outputs by name (``""`` where there is only one).
        mode: ``"eval"`` or ``"train"``: the mode in which the forward pass was traced.
        input_text: The input as one line: ``1×3×224×224 float32``.
        input_inferred: Whether the input was inferred rather than given.
        tensors: ``"fake"`` (nothing was computed) or ``"real"``; ``"none"`` when no forward pass could be run.
        seconds: Wall-clock seconds of the traced pass.
        notes: Sentences for the panel's status line.
        failure: Set when the forward pass did not finish.
        folds: Neighbours that are drawn as one node; the index of the first follows that of the last node.
    """

    nodes: tuple[Node, ...]
    values: tuple[Value, ...] = ()
    initializers: tuple[Initializer, ...] = ()
    inputs: tuple[Argument, ...] = ()
    outputs: tuple[Argument, ...] = ()
    mode: Literal["eval", "train"] = "eval"
    input_text: str = ""
    input_inferred: bool = False
    tensors: Literal["fake", "real", "none"] = "fake"
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    failure: Failure | None = None
    folds: tuple[Fold, ...] = ()

    @property
    def root(self) -> Node:
        """The call of the model itself."""
        return self.nodes[0]
