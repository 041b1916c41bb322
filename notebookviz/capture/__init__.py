"""One traced forward pass without computing: from a model to its recording."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from notebookviz.capture import arguments, build, flow, inputs, naming, runner, tensors, transformer_inputs
from notebookviz.capture.skeleton import Skeleton, check_depth
from notebookviz.capture.trace import Tracer, message
from notebookviz.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    from notebookviz.capture.draft import Draft
    from notebookviz.graph.records import Recording

__all__ = ["capture"]

Mode = Literal["eval", "train"]
WANTED = "Pass one to see the graph: show(model, x) or input_size=(1, 3, 224, 224)."


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
    check_depth(model)
    if mode not in ("eval", "train"):
        raise InputError(f"mode= got {naming.cut(repr(mode), 80)}.", hint='Pass mode="eval" or mode="train".')
    call = arguments.normalise(model, args, kwargs, input_size, dtypes)
    began = perf_counter()
    session = _Session(model, mode, began + seconds_limit, seconds_limit)
    attempt = session.given(call) if call is not None else session.inferred()
    if call is not None:
        _refuse_mismatch(model, call, attempt.draft)
    tensors.remember(model, attempt.draft.constants)
    return build.recording(attempt.draft, attempt.skeleton, attempt.header)


@dataclass
class _Attempt:
    draft: Draft
    skeleton: Skeleton
    header: build.Header


@dataclass
class _Session:
    """The passes of one capture, all within one time limit."""

    model: nn.Module
    mode: Mode
    until: float
    limit: float

    def given(self, call: arguments.Call) -> _Attempt:
        """The pass with the user's own input."""
        attempt = self._pass(call, flow.input_text(*call))
        if attempt.draft.error is not None and not attempt.draft.entries:
            return self._tree(f"The model can't be run: {message(attempt.draft.error)}", attempt)
        return attempt

    def inferred(self) -> _Attempt:
        """The first candidate that runs through, else the one that came furthest, else the module tree."""
        if _lacks_forward(self.model):
            return self._tree(
                f"{naming.clean(type(self.model).__name__)} has no forward(): its modules are listed.", None
            )
        best: _Attempt | None = None
        for candidate_args, candidate_kwargs, text in inputs.infer(self.model):
            attempt = self._pass((candidate_args, candidate_kwargs), text)
            attempt.header.inferred = True
            if attempt.draft.error is None or attempt.header.ended:
                return attempt
            if best is None or attempt.draft.finished() > best.draft.finished():
                best = attempt
            if perf_counter() > self.until:
                break
        if best is None or best.draft.finished() == 0:
            return self._tree(f"No input could be inferred{_tried(best)}. {WANTED}", best)
        return best

    def _pass(self, call: arguments.Call, text: str) -> _Attempt:
        attempt = self._once(call, text, truth=False)
        if attempt.draft.error is not None and attempt.draft.assumed and not attempt.header.ended:
            other = self._once(call, text, truth=True)
            if other.draft.error is None or other.draft.finished() > attempt.draft.finished():
                attempt = other
        if attempt.draft.assumed:
            attempt.header.notes.append(_assumed(attempt.draft.assumed))
        return attempt

    def _once(self, call: arguments.Call, text: str, *, truth: bool) -> _Attempt:
        header = build.Header(mode=self.mode, input_text=text, limit=self.limit)
        with runner.undisturbed():
            skeleton = Skeleton(self.model, self.mode)
            transformer_inputs.turn_off_caches(skeleton.model, self.model)
        tracer = Tracer(skeleton, truth=truth)
        began = perf_counter()
        header.ended = runner.run(tracer, *call, max(self.until - perf_counter(), 0.0))
        header.seconds = perf_counter() - began
        return _Attempt(tracer.draft, skeleton, header)

    def _tree(self, reason: str, failed: _Attempt | None) -> _Attempt:
        """The module tree without a graph, and one sentence that says what to pass."""
        skeleton = failed.skeleton if failed is not None else Skeleton(self.model, self.mode)
        tracer = Tracer(skeleton)
        header = build.Header(mode=self.mode, tensors="none")
        header.notes.append(reason)
        return _Attempt(tracer.draft, skeleton, header)


def _assumed(count: int) -> str:
    what = "1 result depends on data and was" if count == 1 else f"{count:,} results depend on data and were"
    return f"{what} assumed; marked in the graph."


def _lacks_forward(model: nn.Module) -> bool:
    forward = getattr(type(naming.unwrap(model)), "forward", None)
    return getattr(forward, "__name__", "") == "_forward_unimplemented" and "forward" not in model.__dict__


def _tried(best: _Attempt | None) -> str:
    if best is None or best.draft.error is None:
        return ""
    said = naming.cut(message(best.draft.error), 200).rstrip(".")
    return f" (tried {best.header.input_text}: {said})" if best.header.input_text else f" ({said})"


def _refuse_mismatch(model: nn.Module, call: arguments.Call, draft: Draft) -> None:
    """Refuse a user's input whose dtype or device is wrong for the very operator that takes it."""
    if draft.error is None or draft.failed < 0:
        return
    own = {value for _, values, _ in draft.inputs for value in values}
    taken = {value for _, values, _ in draft.entries[draft.failed].inputs for value in values}
    arguments.refuse_mismatch(model, call, str(draft.error), bool(own & taken))
