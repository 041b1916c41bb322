"""What a dispatched operator costs, and which of its arguments it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from notebookviz.capture.formulas import FORMULAS, unknown

if TYPE_CHECKING:
    from notebookviz.capture.draft import Entry

_SAME_DTYPE = frozenset({"convolution", "mm", "addmm", "bmm", "baddbmm", "addmv", "mv", "_convolution"})
_STATISTICS = frozenset({"_native_batch_norm_legit", "native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm"})


class Rule:
    """What to do for one dispatched operator.

    Attributes:
        costs: Whether it may multiply and add.
        composite: Whether it is made of other operators (these come one by one, except in inference mode).
        same_dtype: Whether its arguments must agree in dtype.
        written: Positions and names of the arguments that it writes.
    """

    __slots__ = ("_formula", "composite", "costs", "same_dtype", "written")

    def __init__(self, func: Any) -> None:  # noqa: ANN401 (an OpOverload or a HigherOrderOperator)
        schema = getattr(func, "_schema", None)
        name = schema.name if schema is not None else f"higher_order::{func}"
        plain = name.partition("::")[2]
        self._formula = FORMULAS.get(name)
        self.costs = self._formula is not None or unknown(name)
        self.composite = (
            schema is not None
            and not name.startswith("prim::")
            and torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")  # noqa: SLF001
        )
        self.same_dtype = plain in _SAME_DTYPE
        self.written: tuple[tuple[int, str], ...] = ()
        if schema is not None and schema.is_mutable and plain not in _STATISTICS:
            self.written = tuple(
                (at, argument.name)
                for at, argument in enumerate(schema.arguments)
                if argument.alias_info is not None and argument.alias_info.is_write
            )

    def charge(self, entry: Entry, args: tuple[Any, ...], result: Any) -> None:  # noqa: ANN401
        """Add what one run of the operator costs, or mark that it can't be told."""
        if self._formula is not None:
            try:
                entry.macs += self._formula(args, result)
            except Exception:  # noqa: BLE001 (arguments of another form than the formula knows)
                entry.marks.add("uncounted")
        else:
            entry.marks.add("uncounted")


_RULES: dict[Any, Rule] = {}


def rule(func: Any) -> Rule:  # noqa: ANN401
    """The rule of an operator (kept for the next time)."""
    found = _RULES.get(func)
    if found is None:
        found = _RULES[func] = Rule(func)
    return found


def check_dtypes(args: tuple[Any, ...]) -> None:
    """Raise what a real kernel would where dtypes differ (fake tensors don't mind).

    Raises:
        RuntimeError: Two tensor arguments differ in dtype.
    """
    dtypes = {item.dtype for item in args[:3] if isinstance(item, torch.Tensor)}
    if len(dtypes) > 1:
        text = " and ".join(str(item.dtype) for item in args[:3] if isinstance(item, torch.Tensor))
        raise RuntimeError(f"Input and weight should have the same dtype, but got {text}")
