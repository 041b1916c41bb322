"""One forward pass of a skeleton, observed: module calls, operators, and the tensors between them."""

from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext
from time import perf_counter
from types import MethodType
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from notebookviz.capture import (
    assumed,
    broadcast,
    cost,
    flow,
    genuine,
    kernels,
    lazy,
    naming,
    operators,
    ranges,
    shortcuts,
    source,
    wholes,
)
from notebookviz.capture.calls import forward_names, run_forward
from notebookviz.capture.draft import Draft, Entry, Flow
from notebookviz.capture.known import Known
from notebookviz.capture.ledger import Ledger
from notebookviz.capture.modes import Dispatch, Functions, uncompiled, unseen
from notebookviz.capture.real import RealCopy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from torch import nn

    from notebookviz.capture.operators import Operator
    from notebookviz.capture.skeleton import Skeleton

_NUMBERS = (int, float, bool, str, type(None))
LONGEST_MESSAGE = 1000
MOST_CALLS = 50_000


class Stopped(BaseException):
    """The pass is to end now: its time is up or the user interrupted it."""


class Crowded(Stopped):
    """The pass is to end now: it has made more calls than can be drawn."""


class Tracer:
    """Observes one forward pass of a skeleton.

    Args:
        skeleton: The copy that will run, weightless or real.
        truth: What is assumed of a condition on data that is not there.
        own: Whether the input is the user's own, so that its values mean something.

    Attributes:
        draft: What has been seen so far; complete at any moment.
        deadline: When the pass must end, on the clock of ``perf_counter``.
        stopped: Set from outside: end at the next call.
    """

    def __init__(self, skeleton: Skeleton, *, truth: bool = False, own: bool = False) -> None:
        self.skeleton = skeleton
        self.real = skeleton if isinstance(skeleton, RealCopy) else None
        self.own = own
        self.known = Known(skeleton)
        self.draft = Draft()
        self.ledger = Ledger(skeleton, self.draft, real=self.real is not None)
        self.deadline = float("inf")
        self.stopped = False
        self.truth = truth
        self.thread = 0
        self.current: Entry | None = None
        self.quiet = False
        self._stack: list[int] = []
        self._calls: dict[int, int] = {}
        self._writing: list[torch.Tensor] = []
        self._flowing: set[int] = set()
        self._supposed: set[int] = set()
        self._genuine: BaseException | None = None
        self._stray: ranges.Stray | None = None

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Call the model; what happened is in ``draft``, whatever it raised too."""
        self.thread = threading.get_ident()
        model = self.skeleton.model
        given = self.skeleton.convert(args)
        named = {name: self.skeleton.convert(value) for name, value in kwargs.items()}
        for module in self.skeleton.modules:
            module.__dict__["_compiled_call_impl"] = MethodType(self.call, module)
        if self.own:
            self.known.give((given, named))
        self._introduce(model, given, named)
        with torch.no_grad(), self._tensors_are(), self._strangers(), uncompiled(), Dispatch(self), Functions(self):
            try:
                result = model(*given, **named)
            except BaseException as error:  # noqa: BLE001 (SystemExit too is only a failed pass)
                self._fail(error)
                return
            self.draft.outputs = self._named(result, "")
            self.draft.error, self.draft.failed = None, -1

    def call(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Run one module's forward in place of ``Module.__call__``."""
        if threading.get_ident() != self.thread:
            return run_forward(module, args, kwargs)
        self.check()
        with torch._C.DisableTorchFunction():  # noqa: SLF001 (what is asked of tensors here is not the model's doing)
            entry = self._open(module, args, kwargs)
            before = {id(tensor): self.ledger.refer(tensor) for tensor in flow.tensors((args, kwargs))}
        if lazy.waits(module):
            with self._aside():
                for old, new in lazy.initialise(module, args, kwargs):
                    self.ledger.renew(old, new)
        try:
            if module.__dict__["_forward_pre_hooks"] or module.__dict__["_forward_hooks"]:
                result = run_forward(module, args, kwargs)
            else:
                result = module.forward(*args, **kwargs)
        except BaseException as error:
            self._fail(error, entry)
            raise
        finally:
            self._stack.pop()
        with torch._C.DisableTorchFunction():  # noqa: SLF001
            result = self._pass_through(entry, result, before)
            self._return(entry, result)
        return result

    @contextmanager
    def _strangers(self) -> Iterator[None]:
        """Watch modules that are no part of the copy: global ones, and those that forward makes itself."""

        def ours(module: nn.Module) -> bool:
            return threading.get_ident() == self.thread and not isinstance(module, torch.jit.ScriptModule)

        def before(module: nn.Module, args: tuple[Any, ...]) -> None:
            if ours(module):
                self._open(module, args, {})

        def after(module: nn.Module, _: Any, result: Any) -> None:  # noqa: ANN401
            if ours(module):
                self._return(self.draft.entries[self._stack.pop()], result)

        handles = (register_module_forward_pre_hook(before), register_module_forward_hook(after, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _return(self, entry: Entry, result: Any) -> None:  # noqa: ANN401
        """Note what a module call gave."""
        for tensor in flow.tensors(result):
            values, _ = self.ledger.refer(tensor)
            entry.outputs.extend(value for value in values[-1:] if value not in entry.outputs)

    def _tensors_are(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.real is not None else self.skeleton.fake

    def give_up(self, error: BaseException) -> None:
        """Say that the pass did not come back from the innermost module call that is open."""
        self.draft.error = error
        if self.draft.failed < 0 and self._stack:
            self.draft.failed = self._stack[-1]

    def check(self) -> None:
        """End the pass where its time is up, or where it does not seem to end.

        Raises:
            Stopped: It is.
        """
        if len(self.draft.entries) >= MOST_CALLS:
            raise Crowded
        if self.stopped or perf_counter() > self.deadline:
            raise Stopped

    def function(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        """Run one user-level function and write it down if it returned a tensor."""
        self.check()
        outer, self.current = self.current, Entry(-1, self._stack[-1] if self._stack else 0)
        entry = self.current
        writing, self._writing = self._writing, []
        try:
            args, kwargs = self._own(args, kwargs)
            result = self._call(entry, func, args, kwargs)
            return self._done(entry, func, args, kwargs, result)
        except BaseException as error:
            if self.draft.error is None or not _same(self.draft.error, error):
                self._begin(entry, operators.operator(func), args, kwargs)
                entry.place = source.here()
                self._fail(error, entry)
            raise
        finally:
            self.current = outer
            self._writing = writing

    def _call(self, entry: Entry, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        """Call a function; where fake tensors can't answer, assume; where they fail, say what PyTorch itself says."""
        name = assumed.name_of(func)
        if self.real is not None:
            return func(*self.real.guarded(name, args), **kwargs)
        if name in ("numpy", "__array__", "data_ptr"):
            return self._hand_out(name, args)
        whole = wholes.answer(func, args, kwargs)
        if whole is not None:
            entry.macs += whole[1]
            return whole[0]
        try:
            if name == "one_hot":
                self._refuse(ranges.check_classes(args, kwargs, self.known))
            return func(*args, **kwargs)
        except assumed.UNKNOWN as error:
            return self._assume(entry, func, args, kwargs, error)
        except Exception as error:
            if error is self._genuine or (self.draft.error is not None and _same(self.draft.error, error)):
                raise
            said = genuine.error_of(func, args, kwargs, self.known)
            if said is None:
                raise
            self._genuine, self._stray = said, None
            raise said from error

    def _assume(
        self,
        entry: Entry,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        error: Exception,
    ) -> Any:  # noqa: ANN401
        """What a function would return that asks for values; a size is marked, a value that Python reads is noted."""
        result = assumed.result(func, args, kwargs, truth=self.truth, known=self.known)
        if result is assumed.NONE:
            raise error from None
        if assumed.reads(func):
            if self.known.stored(args[0]) is not None:
                return result
            if not self._supposed.isdisjoint(self.ledger.refer(args[0])[0]):
                self.draft.assumed += 1  # of boxes that are assumed themselves
            else:
                self.draft.reads.append(source.here())
        elif not assumed.is_exact(func, args, self.known):
            self.draft.assumed += 1
            entry.marks.add("assumed")
        return result

    def _hand_out(self, name: str, args: tuple[Any, ...]) -> Any:  # noqa: ANN401
        """A tensor's values as an array, where they are known."""
        value = self.known.stored(args[0])
        if value is None or name == "data_ptr":
            raise RuntimeError(f"A fake tensor has no memory to give to {name}().")
        with unseen():
            return value.detach().clone().numpy()

    def _refuse(self, found: tuple[Exception, ranges.Stray | None] | None) -> None:
        """Raise what PyTorch would, where an index is out of range."""
        if found is not None:
            self._genuine, self._stray = found
            raise found[0]

    def _run(self, func: Any, rule: cost.Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        """Run one dispatched operator on real tensors without harm, or on fake ones with what is known of them."""
        if self.real is not None:
            return self.real.run(func, rule.written, args, kwargs)
        self._refuse(ranges.check(func, args, self.known))
        refused = kernels.check(func, args, kwargs)
        if refused is not None:
            self._refuse((refused, None))
        try:
            result = shortcuts.answer(func, args, kwargs)
            if result is NotImplemented:
                result = func(*args, **kwargs)
        except assumed.UNKNOWN:
            result = self.known.answer(func, args, kwargs)
            if result is NotImplemented:
                raise
        else:
            self.known.follow(func, args, kwargs, result, self._targets(rule, args, kwargs))
        return result

    def _targets(self, rule: cost.Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[torch.Tensor]:
        """The tensors that an operator writes to."""
        found: list[torch.Tensor] = []
        for at, name in rule.written:
            found.extend(flow.tensors(args[at] if at < len(args) else kwargs.get(name)))
        return found

    def dispatched(self, func: Any, rule: cost.Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        """Run one dispatched operator: count it, note what it writes; alone (TorchScript) it is an operator itself."""
        self.check()
        if rule.same_dtype:
            cost.check_dtypes(args)
        entry = self.current
        alone = entry is None and not self.quiet and bool(self._stack)
        if alone:
            with torch._C.DisableTorchFunction():  # noqa: SLF001 (else it comes back as a function, and counts twice)
                result = self._run(func, rule, args, kwargs)
        else:
            result = self._run(func, rule, args, kwargs)
        writing = self._writing
        if alone:
            args, kwargs = self._own(args, kwargs)
            entry, self._writing = Entry(-1, self._stack[-1]), []
        if entry is not None and rule.costs:
            rule.charge(entry, args, result)
        if rule.written:
            self._writing.extend(self._targets(rule, args, kwargs))
        if alone and entry is not None:
            try:
                result = self._done(entry, func, args, kwargs, result)
            finally:
                self._writing = writing
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
        if not found:
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

    def _own(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Swap tensors from elsewhere (a closure's, a global module's) for stand-ins, which may be written."""
        for item in (*args, *kwargs.values()):
            if isinstance(item, (list, tuple)):
                if any(isinstance(part, torch.Tensor) and self._foreign(part) for part in item):
                    break
            elif isinstance(item, torch.Tensor) and self._foreign(item):
                break
        else:
            return args, kwargs
        return tuple(self._swap(item) for item in args), {name: self._swap(item) for name, item in kwargs.items()}

    def _foreign(self, tensor: torch.Tensor) -> bool:
        if flow.inner(tensor) is not None:
            return False
        if self.real is not None:
            return self.ledger.is_new(tensor) and id(tensor) not in self.real.originals
        return getattr(tensor, "fake_mode", None) is not self.skeleton.fake

    def _swap(self, item: Any) -> Any:  # noqa: ANN401
        if isinstance(item, torch.Tensor) and self._foreign(item):
            with torch._C.DisableTorchFunction():  # noqa: SLF001 (this is not the model's doing)
                return self.skeleton.tensor(item)
        if type(item) in (list, tuple):
            return type(item)(self._swap(part) for part in item)
        return item

    def _fail(self, error: BaseException, entry: Entry | None = None) -> None:
        """Remember where an exception was first seen; outer calls it passes through did not finish."""
        draft = self.draft
        if entry is None:
            draft.error = error
            return
        if draft.error is None or not _same(draft.error, error):
            draft.failed = entry.index
            entry.marks.add("failed")
            entry.message = naming.cut(message(error), LONGEST_MESSAGE)
        else:
            entry.marks.add("unfinished")
        draft.error = error
        draft.genuine = self._genuine is not None and _same(self._genuine, error)
        draft.stray = self._stray if draft.genuine else None

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


def message(error: BaseException) -> str:
    """What an exception says, or its type where it says nothing."""
    try:
        said = str(error).strip()
    except Exception:  # noqa: BLE001 (an exception's own __str__ may fail)
        said = ""
    return said or type(error).__name__


def _same(first: BaseException, second: BaseException) -> bool:
    """Whether the second exception is the first one or was raised because of it."""
    seen: BaseException | None = second
    for _ in range(32):
        if seen is None:
            return False
        if seen is first:
            return True
        seen = seen.__cause__ or seen.__context__
    return False
