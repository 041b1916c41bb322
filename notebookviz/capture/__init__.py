"""One traced forward pass without computing: from a model to its recording."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from notebookviz.capture import (
    arguments,
    build,
    flow,
    inputs,
    naming,
    reasons,
    runner,
    signature,
    source,
    tensors,
    transformer_inputs,
)
from notebookviz.capture.real import RealCopy, Unreal, filled
from notebookviz.capture.scribe import message
from notebookviz.capture.skeleton import Skeleton
from notebookviz.capture.trace import Tracer
from notebookviz.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    from notebookviz.capture.draft import Draft
    from notebookviz.graph.records import Recording

__all__ = ["capture"]

Mode = Literal["eval", "train"]


def capture(  # noqa: PLR0913 (the options of show)
    model: nn.Module,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
    *,
    input_size: Any = None,  # noqa: ANN401 (one shape or a list of shapes; checked)
    dtypes: Any = None,  # noqa: ANN401 (a dtype or a list of them; checked)
    mode: Mode = "eval",
    seconds_limit: float = 60.0,
) -> Recording:
    """Trace one forward pass of a model without computing anything and without changing the model.

    Args:
        model: The model; it is not run itself, a weightless copy of it is.
        args: Inputs of the forward pass. Where none are given they are inferred.
        kwargs: Keyword inputs of the forward pass.
        input_size: In place of inputs: one shape or a list of shapes.
        dtypes: With ``input_size``: a ``torch.dtype`` or a list of them.
        mode: ``"eval"`` or ``"train"``, set on the copy only.
        seconds_limit: After so many seconds the pass is given up and the graph so far is returned.

    Returns:
        The recording. A forward pass that fails gives the graph up to the failure; where no input can be inferred the
        recording holds the module tree only.

    Raises:
        InputError: What was passed is not a model, or not an input.

    Example:
        >>> from torch import nn
        >>> recording = capture(nn.Sequential(nn.Linear(8, 4), nn.ReLU()))
        >>> [node.type for node in recording.nodes]
        ['Sequential', 'Linear', 'F.linear', 'ReLU', 'F.relu']
        >>> recording.input_text, recording.root.macs
        ('1×8 float32', 32)
    """
    arguments.check_model(model)
    if mode not in ("eval", "train"):
        raise InputError(f"mode= got {naming.cut(repr(mode), 80)}.", hint='Pass mode="eval" or mode="train".')
    call = arguments.normalise(model, args, kwargs, input_size, dtypes)
    began = perf_counter()
    session = _Session(model, mode, began + seconds_limit, seconds_limit, own=bool(args or kwargs))
    attempt = session.given(call) if call is not None else session.inferred()
    attempt.header.caller = source.caller()
    tensors.remember(model, attempt.draft.constants)
    return build.recording(attempt.draft, attempt.skeleton, attempt.header)


@dataclass
class _Attempt:
    draft: Draft
    skeleton: Skeleton
    header: build.Header

    def ran(self) -> bool:
        """Whether the pass came to its end."""
        return self.draft.error is None

    def called(self) -> int:
        """How many modules ran."""
        return len({id(entry.module) for entry in self.draft.entries if entry.module is not None})

    def beats(self, other: _Attempt) -> bool:
        """Whether this pass came further than another one."""
        return not other.ran() and (self.ran() or self.draft.finished() > other.draft.finished())


@dataclass
class _Session:
    """The passes of one capture, all within one time limit.

    The first is made with fake tensors; sizes that depend on data are assumed.  Where forward reads values, or where
    PyTorch itself would not fail as the fake tensors did, a second one is made with real tensors.
    """

    model: nn.Module
    mode: Mode
    until: float
    limit: float
    own: bool = False
    grad: bool = False

    def given(self, call: arguments.Call) -> _Attempt:
        """The pass with the user's own input."""
        attempt = self._pass(call, flow.input_text(*call))
        if not attempt.ran() and not attempt.draft.entries:
            return self._tree(f"The model can't be run: {_said(attempt)}", attempt)
        return attempt

    def inferred(self) -> _Attempt:
        """The first candidate that runs through, else the one that came furthest, else the module tree."""
        if _lacks_forward(self.model):
            return self._tree(
                f"{naming.clean(type(self.model).__name__)} has no forward(): its modules are listed.", None
            )
        ladder = inputs.Ladder(self.model)
        best: _Attempt | None = None
        chosen: arguments.Call = ((), {})
        for candidate_args, candidate_kwargs, text in ladder:
            call = (candidate_args, candidate_kwargs)
            attempt = self._fake(call, text)
            attempt.header.inferred = True
            if best is None or attempt.beats(best):
                best, chosen = attempt, call
            if attempt.ran() or attempt.header.ended or perf_counter() > self.until:
                break
            ladder.learn(attempt.draft)
        if best is not None:
            inputs.remember(self.model, best.header.input_text, chosen)
            best = self._checked(best, chosen)
        if best is None or (not best.ran() and best.draft.finished() == 0):
            return self._tree(f"No input could be inferred{_tried(best)}. {signature.wanted(self.model)}", best)
        return best

    def _pass(self, call: arguments.Call, text: str) -> _Attempt:
        return self._checked(self._fake(call, text), call)

    def _fake(self, call: arguments.Call, text: str) -> _Attempt:
        attempt = self._once(call, text, truth=False)
        if not attempt.ran() and not self.grad and reasons.takes_gradients(attempt.draft):
            self.grad = True
            attempt = self._once(call, text, truth=False)
        assumed = attempt.draft.assumed or attempt.draft.reads
        if not attempt.ran() and assumed and not attempt.header.ended and not attempt.draft.genuine:
            other = self._once(call, text, truth=True)
            if other.beats(attempt):
                attempt = other
        return attempt

    def _once(self, call: arguments.Call, text: str, *, truth: bool) -> _Attempt:
        with runner.undisturbed():
            skeleton = Skeleton(self.model, self.mode)
        return self._run(Tracer(skeleton, truth=truth, own=self.own, grad=self.grad), call, text)

    def _run(self, tracer: Tracer, call: arguments.Call, text: str) -> _Attempt:
        header = build.Header(mode=self.mode, input_text=text, limit=self.limit)
        with runner.undisturbed():
            transformer_inputs.turn_off_caches(tracer.skeleton.modules, self.model)
        began = perf_counter()
        header.ended = runner.run(tracer, *call, max(self.until - perf_counter(), 0.0))
        header.seconds = perf_counter() - began
        return _Attempt(tracer.draft, tracer.skeleton, header)

    def _checked(self, fake: _Attempt, call: arguments.Call) -> _Attempt:
        """The same pass with real tensors, where the one with fake tensors is in doubt and values can be had."""
        chosen = fake
        why = "" if fake.header.ended else reasons.doubt(fake.draft)
        if why:
            try:
                real = self._real(call, fake)
            except Unreal:
                chosen = fake = self._fuller(fake, call)
                chosen.header.notes.append(reasons.unreal(why))
            else:
                chosen = self._better(fake, real)
                if chosen is real:
                    chosen.header.notes.append(reasons.real(why, fake.draft, own=self.own))
        if chosen is fake:
            chosen.header.notes.extend(reasons.assumed(fake.draft))
        chosen.header.notes.extend(reasons.grown(chosen.draft))
        return chosen

    def _fuller(self, fake: _Attempt, call: arguments.Call) -> _Attempt:
        """The pass in which what is asked of data is true, where more modules run then: every expert of a mixture."""
        if not fake.draft.reads or not fake.ran():
            return fake
        other = self._once(call, fake.header.input_text, truth=True)
        other.header.inferred = fake.header.inferred
        return other if other.ran() and other.called() > fake.called() else fake

    def _better(self, fake: _Attempt, real: _Attempt) -> _Attempt:
        """What is to be shown: a failure on an input that was made up proves nothing, the same one needs no reason."""
        if real.ran():
            return real
        if fake.ran():
            return real if self.own and not real.header.ended else fake
        same = type(real.draft.error) is type(fake.draft.error) and _said(real) == _said(fake)
        further = real.draft.finished() >= fake.draft.finished()
        return real if not same and (further or (self.own and not real.header.ended)) else fake

    def _real(self, call: arguments.Call, fake: _Attempt) -> _Attempt:
        """A pass with real tensors, again where it has tried to write to memory of the user's."""
        copied: frozenset[int] = frozenset()
        with runner.undisturbed():
            given = call if self.own else filled(*call)
        while True:
            with runner.undisturbed():
                skeleton = RealCopy(self.model, self.mode, copied)
            attempt = self._run(Tracer(skeleton, grad=self.grad), given, fake.header.input_text)
            attempt.header.tensors, attempt.header.inferred = "real", fake.header.inferred
            if attempt.header.ended or skeleton.written <= copied:
                return attempt
            copied |= skeleton.written

    def _tree(self, reason: str, failed: _Attempt | None) -> _Attempt:
        """The module tree without a graph, and one sentence that says what to pass."""
        skeleton = failed.skeleton if failed is not None else Skeleton(self.model, self.mode)
        tracer = Tracer(skeleton)
        header = build.Header(mode=self.mode, tensors="none")
        header.notes.append(reason)
        return _Attempt(tracer.draft, skeleton, header)


def _lacks_forward(model: nn.Module) -> bool:
    forward = getattr(type(naming.unwrap(model)), "forward", None)
    return getattr(forward, "__name__", "") == "_forward_unimplemented" and "forward" not in model.__dict__


def _said(attempt: _Attempt) -> str:
    return message(attempt.draft.error) if attempt.draft.error is not None else ""


def _tried(best: _Attempt | None) -> str:
    if best is None or best.draft.error is None:
        return ""
    said = naming.cut(message(best.draft.error), 200).rstrip(".")
    return f" (tried {best.header.input_text}: {said})" if best.header.input_text else f" ({said})"
