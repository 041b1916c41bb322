"""Writes down what happens in one forward pass: module calls, operators, and the tensors between them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from notebookviz.capture import assumed, broadcast, flow, naming, operators, source
from notebookviz.capture.calls import forward_names
from notebookviz.capture.draft import Draft, Entry, Flow
from notebookviz.capture.known import Known
from notebookviz.capture.ledger import Ledger
from notebookviz.capture.real import RealCopy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from notebookviz.capture.operators import Operator
    from notebookviz.capture.ranges import Stray
    from notebookviz.capture.skeleton import Skeleton

LONGEST_MESSAGE = 1000
_TORCHSCRIPT = "The following operation failed in the TorchScript interpreter."
_HERE = "<--- HERE\n"

_NUMBERS = (int, float, bool, str, type(None))


class Scribe:
    """Keeps the draft of one pass: what began, what it took and gave, where it broke.

    Args:
        skeleton: The copy that will run, weightless or real.

    Attributes:
        draft: What has been seen so far; complete at any moment.
        ledger: Which value each tensor object holds.
        known: Values that are known without the weights.
        current: The operator that runs now.
        quiet: Whether what runs now is not the model's doing.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self.real = skeleton if isinstance(skeleton, RealCopy) else None
        self.known = Known(skeleton)
        self.draft = Draft()
        self.ledger = Ledger(skeleton, self.draft, real=self.real is not None)
        self.current: Entry | None = None
        self.quiet = False
        self._stack: list[int] = []
        self._calls: dict[int, int] = {}
        self._writing: list[torch.Tensor] = []
        self._flowing: set[int] = set()
        self._supposed: set[int] = set()
        self._genuine: BaseException | None = None
        self._stray: Stray | None = None

    def give_up(self, error: BaseException) -> None:
        """Say that the pass did not come back from the innermost module call that is open."""
        self.draft.error = error
        if self.draft.failed < 0 and self._stack:
            self.draft.failed = self._stack[-1]

    def _open(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Entry:
        call = self._calls.get(id(module), 0)
        self._calls[id(module)] = call + 1
        parent = self._stack[-1] if self._stack else -1
        entry = Entry(len(self.draft.entries), parent, module=module, call=call, place=source.here())
        self.draft.entries.append(entry)
        self._stack.append(entry.index)
        names = forward_names(type(module))
        for at, value in enumerate(args):
            self._tensors(entry, names[at] if at < len(names) else f"input{at}" if at else "input", value)
        for name, value in kwargs.items():
            self._tensors(entry, name, value)
        return entry

    def _return(self, entry: Entry, result: Any) -> None:  # noqa: ANN401
        """Note what a module call gave."""
        for tensor in flow.tensors(result):
            values, _ = self.ledger.refer(tensor)
            entry.outputs.extend(value for value in values[-1:] if value not in entry.outputs)

    def _pass_through(self, entry: Entry, result: Any, before: dict[int, Any]) -> Any:  # noqa: ANN401
        """Put an identity operator into a module that returned only what it received or holds, for its edges."""
        found = list(flow.tensors(result))
        known = [self.ledger.refer(tensor) for tensor in found]
        if not found or any(
            values and before.get(id(tensor)) != (values, stored)
            for tensor, (values, stored) in zip(found, known, strict=True)
        ):
            return result
        identity = Entry(len(self.draft.entries), entry.index, type="identity")
        identity.marks.add("passthrough")
        self.draft.entries.append(identity)
        fresh: dict[int, torch.Tensor] = {}
        for tensor in found:
            if id(tensor) not in fresh:
                identity.inputs.append((f"input{len(fresh)}" if fresh else "input", *self.ledger.refer(tensor)))
                fresh[id(tensor)] = self._alias(tensor)
        result = flow.replaced(result, fresh)
        for tensor in flow.tensors(result):
            identity.outputs.append(self.ledger.produce(tensor))
        taken = {value for _, values, _ in identity.inputs for value in values}
        for following in (self._flowing, self._supposed):
            if not following.isdisjoint(taken):
                following.update(identity.outputs)
        return result

    def _done(
        self,
        entry: Entry,
        func: Any,  # noqa: ANN401
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        result: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Write a finished operator down, unless it only told something about a tensor (its shape)."""
        found = list(flow.tensors(result))
        op = operators.operator(func)
        written = {flow.storage(tensor) for tensor in self._writing} if self._writing else set()
        if written and not found and op.name == "__setitem__":
            found = [args[0]]
        elif written and not found:  # an operator of one's own that fills a tensor it is given
            found = [tensor for tensor in flow.tensors((args, kwargs)) if flow.storage(tensor) in written]
        told = not found and not entry.macs  # backward() returns nothing, but computes
        if told or op.name == "requires_grad_":  # the very tensor: gradients are asked of it by name
            self.ledger.touch(args)
            return result
        self._begin(entry, op, args, kwargs)
        entry.place = source.here()
        given = {id(tensor): tensor for tensor in flow.tensors((args, kwargs))}
        if id(result) in given and flow.storage(result) not in written:
            result = self._alias(result)
            found = [result]
        seen: dict[int, int] = {}
        for tensor in found:
            if id(tensor) in given and flow.storage(tensor) in written:
                entry.marks.add("in-place")
            if id(tensor) not in seen:
                seen[id(tensor)] = self.ledger.produce(tensor)
            entry.outputs.append(seen[id(tensor)])
        if written:
            self.ledger.note_writes(entry, given, seen, self._writing)
        self._follow(entry, func, args)
        return result

    def _follow(self, entry: Entry, func: Any, args: tuple[Any, ...]) -> None:  # noqa: ANN401
        """Follow what comes from the input, and from assumed sizes; note a broadcast that is rarely meant."""
        taken = [value for _, values, _ in entry.inputs for value in values]
        if "assumed" in entry.marks or not self._supposed.isdisjoint(taken):
            self._supposed.update(entry.outputs)
        flowing = [not self._flowing.isdisjoint(values) for _, values, _ in entry.inputs]
        if any(flowing):
            self._flowing.update(entry.outputs)
        found = broadcast.grown(assumed.name_of(func), args)
        if found is None or not any(flowing):
            return
        unknown = all(flowing[:2]) and all(self.known.value(item) is None for item in args[:2])
        if found.alike or unknown:
            self.draft.grown.append((entry.index, found))

    def _begin(self, entry: Entry, op: Operator, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Give an operator its place in the list, its tensor arguments and its attributes."""
        entry.index = len(self.draft.entries)
        entry.operator = op
        entry.type = op.type
        self.draft.entries.append(entry)
        for name, value in operators.arguments(op, args, kwargs):
            if isinstance(value, torch.Tensor):
                entry.inputs.append((name, *self.ledger.refer(value)))
            elif isinstance(value, _NUMBERS):
                if value is not None:
                    entry.attributes.append((name, operators.text(value)))
            else:
                self._argument(entry, name, value)

    def _argument(self, entry: Entry, name: str, value: Any) -> None:  # noqa: ANN401
        held = self._tensors(entry, name, value)
        if entry.type in ("[]", "[]=") and name == "index":
            entry.attributes.append((name, operators.index_text(value)))
        elif not held:
            entry.attributes.append((name, operators.text(value)))

    def _tensors(self, entry: Entry, name: str, value: Any) -> bool:  # noqa: ANN401
        """Note the tensors of one argument as inputs; whether there are any."""
        values: list[int] = []
        stored: list[int] = []
        for tensor in flow.tensors(value):
            more, also = self.ledger.refer(tensor)
            values.extend(more)
            stored.extend(also)
        if values or stored:
            entry.inputs.append((name, values, stored))
        return bool(values or stored)

    def _alias(self, tensor: torch.Tensor) -> torch.Tensor:
        """Another tensor object on the same storage, so that what follows the one can be told from the other's."""
        try:
            with self._aside():
                # A chain of views takes quadratic time, one of detached tensors does not; gradients need the view.
                make = torch.ops.aten.alias if tensor.requires_grad else torch.ops.aten.detach
                return make.default(tensor)  # type: ignore[no-any-return]
        except Exception:  # noqa: BLE001 (a subclass without aliases keeps its object)
            return tensor

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """What runs inside is not the model's doing, and is not written down."""
        kept = self.quiet, self.current, self._writing
        self.quiet, self.current, self._writing = True, None, []
        try:
            with torch._C.DisableTorchFunction():  # noqa: SLF001 (no other way to keep functions out of sight)
                yield
        finally:
            self.quiet, self.current, self._writing = kept

    def _introduce(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Give the model's inputs their values."""
        names = forward_names(type(model))
        given = [
            (names[at] if at < len(names) else f"input{at}" if at else "input", item) for at, item in enumerate(args)
        ]
        for name, thing in (*given, *kwargs.items()):
            for place, tensor in flow.named(thing, name):
                if self.ledger.is_new(tensor):
                    self.draft.inputs.append((naming.clean(place), [self.ledger.produce(tensor)], []))
                    if tensor.is_floating_point():
                        self._flowing.update(self.draft.inputs[-1][1])

    def _named(self, result: Any, name: str) -> list[Flow]:  # noqa: ANN401
        found: list[Flow] = []
        for place, tensor in flow.named(result, name):
            values, stored = self.ledger.refer(tensor)
            found.append((naming.clean(place), values[-1:], stored if not values else []))
        return found

    def _fail(self, error: BaseException, entry: Entry | None = None) -> None:
        """Remember where an exception was first seen; outer calls it passes through did not finish."""
        draft = self.draft
        if entry is None:
            draft.error = error
            return
        if draft.error is None or not same(draft.error, error):
            draft.failed = entry.index
            entry.marks.add("failed")
            entry.message = naming.cut(message(error), LONGEST_MESSAGE)
        else:
            entry.marks.add("unfinished")
        draft.error = error
        draft.genuine = self._genuine is not None and same(self._genuine, error)
        draft.stray = self._stray if draft.genuine else None


def message(error: BaseException) -> str:
    """What an exception says, or its type where it says nothing; of TorchScript's traceback its end."""
    try:
        said = str(error).strip()
    except Exception:  # noqa: BLE001 (an exception's own __str__ may fail)
        said = ""
    if said.startswith(_TORCHSCRIPT):
        shown, _, reason = said.rpartition(_HERE)
        lines = shown.splitlines()[-2:]  # the user's line, and what points at a part of it
        said = reason.partition(":")[2].strip() or f"TorchScript failed at: {' '.join(lines[:1]).strip()}"
    return said or type(error).__name__


def same(first: BaseException, second: BaseException) -> bool:
    """Whether the second exception is the first one or was raised because of it."""
    seen: BaseException | None = second
    for _ in range(32):
        if seen is None:
            return False
        if seen is first:
            return True
        seen = seen.__cause__ or seen.__context__
    return False
