"""One model, looked at without an input, then run for real on the input that was inferred: do both tell the same?"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.coverage.shrink import parts
from notebookviz.capture import capture, inputs
from tests.capture import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from torch import nn

    from notebookviz.graph.records import Recording

Shape = tuple[int, ...]
Call = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass
class Result:
    """What became of one model.

    Attributes:
        outcome: ``"confirmed"`` (shapes, and the real run tells the same), ``"unconfirmed"`` (shapes, but the real run
            failed or tells otherwise) or ``"no shapes"``.
        input: The input that was inferred.
        tensors: Whether the pass ran on fake or real tensors.
        seconds: What :func:`capture` took.
        calls: Module calls that both saw.
        assumed: Sizes that were assumed and left out of the comparison.
        problem: Why it is not confirmed.
        built: Name of the model that was looked at, where it may be another than the one that was asked for.
    """

    outcome: str
    input: str = ""
    tensors: str = ""
    seconds: float = 0.0
    calls: int = 0
    assumed: int = 0
    problem: str = ""
    built: str = ""


@dataclass
class Subject:
    """What is looked at.

    Attributes:
        model: The model.
        call: The input it is given where it is not shown without one.
        runs: What is run for real in its place, where hooks don't reach the model itself.
        compare: Whether plain hooks can tell what happens.
        built: Its name, where it may be another than the one that was asked for.
    """

    model: nn.Module
    call: Call | None = None
    runs: nn.Module | None = None
    compare: bool = True
    built: str = ""


def check(subject: Subject, *, real: bool = True, shown: Callable[[Result], None] = lambda _: None) -> Result:
    """Look at a model without any input, where that fails with its own, and compare with a real run.

    Args:
        subject: What is looked at.
        real: Whether it is run for real.
        shown: Called with what is known once there are shapes, since the real run may never end.

    Returns:
        What became of it.
    """
    result = look(subject, None, real=real, shown=shown)
    enough = result.outcome == "confirmed" or (result.outcome == "unconfirmed" and not subject.compare)
    if enough or subject.call is None:
        return result
    given = look(subject, subject.call, real=real, shown=shown)
    given.input = f"given: {given.input}"
    return given


def look(subject: Subject, call: Call | None, *, real: bool, shown: Callable[[Result], None]) -> Result:
    """Look at a model, and compare with a real run where one is wanted."""
    began = perf_counter()
    recording = capture(subject.model) if call is None else capture(subject.model, *call)
    took = round(perf_counter() - began, 2)
    result = Result("no shapes", recording.input_text, recording.tensors, took, built=subject.built)
    if recording.failure is not None:
        at = recording.nodes[recording.failure.node]
        result.problem = f"{recording.failure.kind} in {at.path or 'the model'}: {recording.failure.message}"
        return result
    if recording.tensors == "none":
        result.problem = " ".join(recording.notes)
        return result
    result.outcome = "unconfirmed"
    shown(result)
    if not subject.compare:
        result.problem = "plain hooks can't tell what it calls"
    if not real or not subject.compare:
        return result
    if call is None:
        call = filled(inputs.inferred(subject.model, recording.input_text) or ((), {}))
    without_caches(subject.model)
    try:
        expected = plain.module_calls(subject.runs or subject.model, *call)
    except Exception as error:  # noqa: BLE001 (whatever a model raises)
        result.problem = f"the real run raised {type(error).__name__}: {error}"
        return result
    registered = {unwrapped(path) for path, _ in (subject.runs or subject.model).named_modules()}
    result.calls, result.assumed, result.problem = compare(recording, expected, registered)
    if not result.problem:
        result.outcome = "confirmed"
    return result


def without_caches(model: nn.Module) -> None:
    """Have a language model return no cache of keys and values in the real run either."""
    for module in model.modules():
        for part in parts(getattr(module, "config", None)):
            if "use_cache" in vars(part):
                part.use_cache = False


def filled(call: Call) -> Call:
    """The same call with random numbers in its floating tensors."""
    torch.manual_seed(0)

    def fill(thing: Any) -> Any:  # noqa: ANN401
        if isinstance(thing, torch.Tensor):
            return torch.rand_like(thing) if thing.is_floating_point() else thing.clone()
        if isinstance(thing, (list, tuple)):
            return type(thing)(fill(item) for item in thing)
        return {key: fill(item) for key, item in thing.items()} if type(thing) is dict else thing

    return fill(call[0]), fill(call[1])


def compare(
    recording: Recording, expected: Sequence[tuple[str, tuple[Shape, ...]]], registered: Collection[str]
) -> tuple[int, int, str]:
    """Calls of registered modules that agree, sizes that were only assumed, and the first disagreement in words.

    A module that forward makes itself is recorded too, but hooks that were set before don't see it.
    """
    guessed = depending_on_assumed(recording)
    called = (node for node in recording.nodes if node.kind == "module" and "uncalled" not in node.marks)
    found = [node for node in called if node.path in registered]
    assumed = 0
    for at, (node, (path, wanted)) in enumerate(zip(found, expected, strict=False)):
        if node.path != unwrapped(path):
            return at, assumed, f"call {at} is of {node.path or 'the model'}, in the real run of {path or 'the model'}"
        kinds = [(recording.values[value].type.shape, value in guessed) for value in node.outputs]
        got = {shape for shape, _ in kinds}
        if got == set(wanted):
            continue
        differing = assumed_sizes(kinds, wanted)
        if differing is None:
            return at, assumed, f"{path or 'the model'} returned {sorted(set(wanted))}, recorded {sorted(got)}"
        assumed += differing
    if len(found) != len(expected):
        return 0, assumed, f"{len(expected):,} module calls in the real run, {len(found):,} recorded"
    return len(found), assumed, ""


def unwrapped(path: str) -> str:
    """A path without the wrapper of ``torch.compile``."""
    return ".".join(part for part in path.split(".") if part != "_orig_mod")


def assumed_sizes(kinds: Sequence[tuple[Shape, bool]], wanted: Sequence[Shape]) -> int | None:
    """How many sizes differ where they depend on an assumption; None where one differs that does not."""
    firm = {shape for shape, guessed in kinds if not guessed}
    loose = [shape for shape, guessed in kinds if guessed and shape not in wanted]
    rest = [shape for shape in wanted if shape not in {known for known, _ in kinds}]
    if not firm.issubset(wanted) or len(loose) != len(rest):
        return None
    count = 0
    for shape, real in zip(loose, rest, strict=True):
        if len(shape) != len(real):
            return None
        count += sum(size != other for size, other in zip(shape, real, strict=True))
    return count


def depending_on_assumed(recording: Recording) -> set[int]:
    """Values whose sizes may rest on an assumption, by the operators between."""
    guessed: set[int] = set()
    for node in recording.nodes:
        if node.kind == "operator" and (
            "assumed" in node.marks or any(value in guessed for item in node.inputs for value in item.values)
        ):
            guessed.update(node.outputs)
    return guessed
