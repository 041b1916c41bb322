"""User-level names of operators and of their arguments."""

from __future__ import annotations

import inspect
import re
from types import FunctionType
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)

from notebookviz.capture.naming import clean, cut

SYMBOLS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "true_divide": "/", "floor_divide": "//", "remainder": "%",
    "pow": "**", "matmul": "@", "and": "&", "or": "|", "xor": "^", "lshift": "<<", "rshift": ">>",
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "invert": "~",
    "truediv": "/", "floordiv": "//", "mod": "%", "getitem": "[]", "setitem": "[]=",
}  # fmt: skip
LABELS = {"[]": "[…]", "[]=": "[…]="}  # two brackets alone look like the box of a missing letter
REFLECTED = frozenset(
    {"__radd__", "__rsub__", "__rmul__", "__rtruediv__", "__rdiv__", "__rfloordiv__", "__rmod__", "__rpow__"}
    | {"__rmatmul__", "__rand__", "__ror__", "__rxor__", "__rlshift__", "__rrshift__"}
)
_FUNCTIONAL = re.compile(
    r"(max_pool|avg_pool|adaptive_|batch_norm|group_norm|layer_norm|instance_norm|rms_norm|embedding|ctc_loss|conv|pixel_)"
)
_ROLE = re.compile(r":\w+(?::\w+)?:`~?([^`<]*?)(?:\s*<[^`]*>)?`")
_MARKUP = re.compile(r"``|`|\*\*|\\\\?")
_SURPLUS = {
    "einsum": ("equation", "operands"),
    "block_diag": ("tensors",),
    "broadcast_tensors": ("tensors",),
    "cartesian_prod": ("tensors",),
    "meshgrid": ("tensors",),
}
_LISTS = frozenset({"size", "shape", "dims", "repeats", "sizes"})
LONGEST_TEXT = 200
LONGEST_DOC = 600


class Operator:
    """Name and documentation of one function that PyTorch runs."""

    __slots__ = ("attribute", "doc", "func", "name", "parameters", "qualified", "type")

    def __init__(self, func: Any) -> None:  # noqa: ANN401
        self.func = func
        self.attribute = False
        raw = getattr(func, "__name__", None) or str(func)
        owner = getattr(func, "__objclass__", None)
        module = getattr(func, "__module__", None) or ""
        if raw == "__get__":
            self.attribute = True
            raw = str(getattr(func.__self__, "__name__", "attribute"))
            self.type, self.qualified = f".{raw}", f"torch.Tensor.{raw}"
            func = func.__self__
        elif isinstance(func, (torch._ops.OpOverload, torch._ops.OpOverloadPacket)):  # noqa: SLF001
            self.type = str(func).removesuffix(".default")
            self.qualified = f"torch.ops.{func}"
        elif owner is not None or module == "torch._tensor":
            self.type, self.qualified = symbol(raw) or raw.strip("_"), f"torch.Tensor.{raw}"
            if raw.endswith("_") and not raw.startswith("_") and not symbol(raw):
                self.type = raw
        elif getattr(F, raw, None) is func or module == "torch.nn.functional":
            self.type, self.qualified = f"F.{raw}", f"torch.nn.functional.{raw}"
        elif module in ("torch", "torch.functional", "torch._C._VariableFunctions", ""):
            functional = hasattr(F, raw) and _FUNCTIONAL.match(raw)
            self.type = f"F.{raw}" if functional else f"torch.{raw}"
            self.qualified = f"torch.nn.functional.{raw}" if functional else f"torch.{raw}"
        else:
            self.type, self.qualified = raw, f"{module}.{raw}"
            if module.startswith("torch.") and "._" not in module:
                self.type = self.qualified
            if module.startswith("torch._C._"):
                package = module.removeprefix("torch._C._")
                self.type = self.qualified = f"torch.{package}.{raw.removeprefix('_').removeprefix(f'{package}_')}"
        self.name = raw
        self.type, self.qualified = clean(self.type), clean(self.qualified)
        self.doc = first_paragraph(getattr(func, "__doc__", None))
        self.parameters = _python_parameters(func)


def symbol(method: str) -> str:
    """How a tensor method is written as an operator, or ``""``.

    Example:
        >>> [symbol(name) for name in ("add", "__rsub__", "mul_", "relu")]
        ['+', '-', '*=', '']
    """
    plain = method.strip("_")
    if plain in SYMBOLS:
        in_place = method.endswith("_") and not method.startswith("_")
        return SYMBOLS[plain] + ("=" if in_place else "")
    if method.startswith("__") and plain[:1] in "ri" and plain[1:] in SYMBOLS:
        return SYMBOLS[plain[1:]] + ("=" if plain[0] == "i" else "")
    return ""


_OPERATORS: dict[Any, Operator] = {}
_NAMES: dict[Any, tuple[str, ...]] = {}


def label(name: str) -> str:
    """An operator's name as it is shown.

    Example:
        >>> label("[]"), label("[]="), label("F.relu")
        ('[…]', '[…]=', 'F.relu')
    """
    return LABELS.get(name, name)


def operator(func: Any) -> Operator:  # noqa: ANN401
    """Name and documentation of a function (kept for the next time)."""
    key = ("get", func.__self__) if getattr(func, "__name__", "") == "__get__" else func
    try:
        found = _OPERATORS.get(key)
    except TypeError:
        return Operator(func)
    if found is None:
        found = _OPERATORS[key] = Operator(func)
    return found


def arguments(op: Operator, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[str, Any]]:
    """Pair each argument with its name; surplus numbers (``x.view(1, -1)``) are joined as PyTorch joins them."""
    if op.name in REFLECTED and len(args) > 1:
        args = (args[1], args[0], *args[2:])
    if op.name in _SURPLUS:
        names = _SURPLUS[op.name]
    elif op.parameters is not None:
        names = op.parameters
    else:
        key = (op.name, len(args), tuple([isinstance(item, torch.Tensor) for item in args]), tuple(kwargs))
        found = _NAMES.get(key)
        names = found if found is not None else _NAMES.setdefault(key, _schema_names(*key))
    at = next((at for at, name in enumerate(names[: len(args)]) if name in _LISTS), len(names) - 1)
    if len(args) > len(names) or (0 <= at < len(args) - 1 and isinstance(args[at], int) and op.parameters is None):
        if not names:
            return [(f"argument{at}", item) for at, item in enumerate(args)] + list(kwargs.items())
        args = (*args[:at], args[at:])
    pairs = [
        ("dtype" if isinstance(item, torch.dtype) else name, item)
        for name, item in zip(names, args, strict=False)
        if not name.startswith("_")
    ]
    pairs.extend((name, item) for name, item in kwargs.items() if not name.startswith("_"))
    return pairs


def text(value: Any) -> str:  # noqa: ANN401, PLR0911 (one line for each kind)
    """A scalar argument as text, at most ``LONGEST_TEXT`` characters."""
    if isinstance(value, (bool, int, float, type(None))):
        return str(value)
    if isinstance(value, str):
        return cut(value, LONGEST_TEXT)
    if isinstance(value, (torch.dtype, torch.device, torch.layout, torch.memory_format)):
        return str(value).removeprefix("torch.")
    if isinstance(value, slice):
        start, stop = ("" if item is None else text(item) for item in (value.start, value.stop))
        return f"{start}:{stop}" + (f":{text(value.step)}" if value.step is not None else "")
    if value is Ellipsis:
        return "..."
    if isinstance(value, torch.Tensor):
        return "tensor"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(text(item) for item in value[:32]) + (", …" if len(value) > 32 else "")  # noqa: PLR2004
        comma = "," if len(value) == 1 and isinstance(value, tuple) else ""
        return cut(f"[{inner}]" if isinstance(value, list) else f"({inner}{comma})", LONGEST_TEXT)
    if isinstance(value, type) or callable(value):
        return cut(str(getattr(value, "__name__", type(value).__name__)), LONGEST_TEXT)
    return cut(type(value).__name__, LONGEST_TEXT)


def index_text(value: Any) -> str:  # noqa: ANN401
    """The index of ``x[...]`` as it was written."""
    if isinstance(value, tuple):
        return cut(", ".join(text(item) for item in value), LONGEST_TEXT)
    return text(value)


def first_paragraph(doc: Any) -> str:  # noqa: ANN401
    """First paragraph of a docstring that is not a signature, as plain text."""
    if not isinstance(doc, str):
        return ""
    for block in re.split(r"\n\s*\n", inspect.cleandoc(doc[:4000])):
        line = " ".join(block.split())
        if not line or line.startswith((".. ", ">>>")) or re.match(r"^[\w.]+\(.*\)\s*(->|$)", line):
            continue
        return cut(_MARKUP.sub("", _ROLE.sub(r"\1", line)), LONGEST_DOC)
    return ""


def _python_parameters(func: Any) -> tuple[str, ...] | None:  # noqa: ANN401
    if not isinstance(func, FunctionType):
        return None
    code = func.__code__
    if code.co_flags & inspect.CO_VARARGS:
        return None
    names = code.co_varnames[: code.co_argcount]
    return tuple("input" if name == "self" else name for name in names)


def _schema_names(name: str, count: int, are: tuple[bool, ...], given: tuple[str, ...]) -> tuple[str, ...]:
    """Argument names from the first ATen schema that fits the call."""
    if name in ("__getitem__", "__setitem__"):
        return ("input", "index", "value")
    plain = name.strip("_") if name.startswith("__") else name
    if name.startswith("__") and plain[:1] in "ri" and plain[1:] in (*SYMBOLS, "div"):
        plain = plain[1:]
    plain = {"truediv": "div", "floordiv": "floor_divide", "mod": "remainder"}.get(plain, plain)
    best: tuple[str, ...] = ()
    for candidate in dict.fromkeys((plain, plain.rstrip("_"))):
        for schema in torch._C._jit_get_schemas_for_operator(f"aten::{candidate}"):  # noqa: SLF001
            names = tuple("input" if item.name == "self" else item.name for item in schema.arguments)
            tensor = [("Tensor" in str(item.type)) for item in schema.arguments]
            fits = all(known or not is_tensor for is_tensor, known in zip(are, tensor, strict=False))
            if fits and len(names) >= count and set(given) <= {item.name for item in schema.arguments}:
                return names
            if fits and len(names) > len(best):
                best = names
    if best:
        return best
    return ("input", "other")[:count] + tuple(f"argument{at}" for at in range(2, count))
