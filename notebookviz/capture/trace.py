"""One forward pass of a skeleton: its modules and operators run here, and are written down on the way."""

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
from notebookviz.capture.calls import run_forward
from notebookviz.capture.draft import Entry
from notebookviz.capture.modes import Dispatch, Functions, uncompiled, unseen
from notebookviz.capture.scribe import Scribe, same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from torch import nn

    from notebookviz.capture.skeleton import Skeleton

MOST_CALLS = 50_000


class Stopped(BaseException):
    """The pass is to end now: its time is up or the user interrupted it."""


class Crowded(Stopped):
    """The pass is to end now: it has made more calls than can be drawn."""


class Tracer(Scribe):
    """Runs one forward pass of a skeleton, observed.

    Args:
        skeleton: The copy that will run, weightless or real.
        truth: What is assumed of a condition on data that is not there.
        own: Whether the input is the user's own, so that its values mean something.
        grad: Whether forward takes gradients itself; else none are kept, which is quicker.

    Attributes:
        deadline: When the pass must end, on the clock of ``perf_counter``.
        stopped: Set from outside: end at the next call.
    """

    def __init__(self, skeleton: Skeleton, *, truth: bool = False, own: bool = False, grad: bool = False) -> None:
        super().__init__(skeleton)
        self.own = own
        self.grad = grad
        self.deadline = float("inf")
        self.stopped = False
        self.truth = truth
        self.thread = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """What a pass sets for all threads; taken back also where its own thread can't be ended."""
        with self._strangers(), uncompiled():
            yield

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Call the model, inside :meth:`watching`; what happened is in ``draft``, whatever it raised too."""
        self.thread = threading.get_ident()
        model = self.skeleton.model
        given = self.skeleton.convert(args)
        named = {name: self.skeleton.convert(value) for name, value in kwargs.items()}
        for module in self.skeleton.modules:
            module.__dict__["_compiled_call_impl"] = MethodType(self.call, module)
        if self.own:
            self.known.give((given, named))
        self._introduce(model, given, named)
        with torch.set_grad_enabled(self.grad), self._tensors_are(), Dispatch(self), Functions(self):
            try:
                result = model(*given, **named)
            except BaseException as error:  # noqa: BLE001 (SystemExit too is only a failed pass)
                self._fail(error)
                return
            self.draft.outputs = self._named(result, "")
            self.draft.returned = naming.clean(type(result).__name__)
            self.draft.error, self.draft.failed = None, -1

    def call(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Run one module's forward in place of ``Module.__call__``."""
        if threading.get_ident() != self.thread:
            self.draft.elsewhere.add(id(module))
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

    def _tensors_are(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.real is not None else self.skeleton.fake

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
            if self.draft.error is None or not same(self.draft.error, error):
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
            if error is self._genuine or (self.draft.error is not None and same(self.draft.error, error)):
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
            taken = flow.tensors((args, kwargs))
            spread = any(self.known.value(item) is None and self.known.likely(item) is not None for item in taken)
            self.draft.spread = self.draft.spread or spread
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
                with torch._C.DisableTorchFunction():  # noqa: SLF001
                    result = self._done(entry, func, args, kwargs, result)
            finally:
                self._writing = writing
        return result

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
