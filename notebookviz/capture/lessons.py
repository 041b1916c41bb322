"""What a pass that failed on a made-up input tells about the input that is wanted."""

from __future__ import annotations

import linecache
import re
from typing import TYPE_CHECKING

import torch

from notebookviz.capture import flow, layer_inputs, named_inputs, naming
from notebookviz.capture.signature import Call, given_names, parameters, with_argument

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, TracebackType

    from notebookviz.capture.draft import Draft, Entry
    from notebookviz.capture.named_inputs import Kit

_USUAL = (28, 32, 48, 64, 84, 96, 112, 128, 150, 160, 192, 224, 227, 256, 299, 320, 384, 448, 512, 640, 1024)
_ALTERNATIVES = 2
_FLAT = 2
"""Dimensions of a batch of vectors; what has more has sides."""


class Lessons:
    """Learns from one failed pass after another.

    Args:
        kit: The model and its sizes.
    """

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._sizes: dict[int, list[tuple[int, float]]] = {}

    def learn(self, draft: Draft, call: Call) -> Iterator[Call]:
        """Yield calls to try next, the most promising first.

        Args:
            draft: What the failed pass left behind.
            call: Its arguments.
        """
        if draft.error is None:
            return
        name = missing(draft.error, self._absent(call))
        if name is not None:
            hint = next((item.hint for item in parameters(self._kit.model) if item.name == name), "")
            for value in (named_inputs.options(name, self._kit, hint) or self._suiting(draft))[:_ALTERNATIVES]:
                yield with_argument(self._kit.model, call, name, value)
        if "more than 1 value per channel" in str(draft.error):
            yield flow.replaced(call, {id(item): torch.cat([item, item]) for item in flow.tensors(call) if item.dim()})
        if draft.failed < 0:
            return
        yield from self._layer(draft, call)
        yield from self._side(draft, call)

    def _suiting(self, draft: Draft) -> list[torch.Tensor]:
        """What the layer that failed takes."""
        entry = _layer_of(draft)
        kinds = layer_inputs.shapes(entry.module) if entry is not None else ()
        return [layer_inputs.empty(kind, self._kit.dtype, self._kit.device) for kind in kinds]

    def _absent(self, call: Call) -> list[str]:
        given = given_names(self._kit.model, call)
        return [item.name for item in parameters(self._kit.model) if item.name not in given]

    def _layer(self, draft: Draft, call: Call) -> Iterator[Call]:
        """The layer that failed took one of the model's own inputs: give that input what the layer takes."""
        entry = _layer_of(draft)
        if entry is None:
            return
        own = {value: at for at, (_, values, _) in enumerate(draft.inputs) for value in values}
        taken = [own[value] for _, values, _ in entry.inputs for value in values if value in own]
        tensors = list(flow.tensors(call))
        for at in taken[:1]:
            if at >= len(tensors):
                return
            now = tensors[at]
            kinds = list(layer_inputs.shapes(entry.module))
            if any(shape == tuple(now.shape) and indices != now.is_floating_point() for shape, indices in kinds):
                continue
            for kind in kinds[:_ALTERNATIVES]:
                made = layer_inputs.empty(kind, self._kit.dtype, self._kit.device)
                if made.dim() != now.dim() or made.shape[1:2] != now.shape[1:2] or made.dtype != now.dtype:
                    yield flow.replaced(call, {id(now): made})

    def _side(self, draft: Draft, call: Call) -> Iterator[Call]:
        """A linear layer got another number of features, since picture or sound have the wrong size: solve for it."""
        counts = _features(draft)
        tensor = next((item for item in flow.tensors(call) if item.is_floating_point() and item.dim() > _FLAT), None)
        if counts is None or tensor is None or len(set(tensor.shape[2:])) != 1:
            return
        got, wanted = counts
        sides = tensor.dim() - 2
        known = self._sizes.setdefault(wanted, [])
        known.append((int(tensor.shape[2]), got ** (1 / sides)))
        side = _solved(known, wanted ** (1 / sides))
        if 0 < side <= max(_USUAL):
            yield flow.replaced(call, {id(tensor): tensor.new_zeros((*tensor.shape[:2], *(side,) * sides))})


def missing(error: BaseException, names: list[str]) -> str | None:
    """The argument that was not given and that the pass broke for want of.

    Args:
        error: What the pass ended with.
        names: Arguments of ``forward`` that were not given.

    Returns:
        The one that was None in the statement that failed, else the first one that the message names.
    """
    frames = []
    at: TracebackType | None = error.__traceback__
    while at is not None:
        frames.append(at)
        at = at.tb_next
    for frame in reversed(frames):
        values = frame.tb_frame.f_locals
        empty = [name for name in names if name in values and values[name] is None]
        if empty:
            text = _statement(frame.tb_frame.f_code, frame.tb_lasti, frame.tb_lineno)
            found = next((name for name in empty if re.search(rf"\b{re.escape(name)}\b", text)), None)
            if found is not None:
                return found
    said = naming.cut(str(error), 2000)
    places = [(place.start(), name) for name in names if (place := re.search(rf"\b{re.escape(name)}\b", said))]
    return min(places)[1] if places else None


def _statement(code: CodeType, instruction: int, line: int) -> str:
    """The source lines of one instruction, where they can be had."""
    last = line
    positions = getattr(code, "co_positions", None)
    if positions is not None:
        found = list(positions())
        if 0 <= instruction // 2 < len(found):
            last = max(line, found[instruction // 2][1] or line)
    return "".join(linecache.getline(code.co_filename, at) for at in range(line, min(last, line + 20) + 1))


def _layer_of(draft: Draft) -> Entry | None:
    """The innermost failed module call whose class says what goes in."""
    at = draft.failed
    while at >= 0:
        entry = draft.entries[at]
        if entry.module is not None:
            return entry if next(layer_inputs.shapes(entry.module), None) is not None else None
        at = entry.parent
    return None


def _features(draft: Draft) -> tuple[int, int] | None:
    """How many features a linear layer got, and how many it takes, where that is what failed."""
    entry = draft.entries[draft.failed]
    if entry.operator is None or entry.operator.name != "linear":
        return None
    shapes = {
        name: [draft.values[value].shape for value in values] + [draft.stored[index].type.shape for index in stored]
        for name, values, stored in entry.inputs
    }
    given, weight = next(iter(shapes.get("input", [])), None), next(iter(shapes.get("weight", [])), None)
    if not given or not weight or given[-1] == weight[-1]:
        return None
    return given[-1], weight[-1]


def _solved(known: list[tuple[int, float]], wanted: float) -> int:
    """The side that gives ``wanted``: what comes out grows evenly with the side, less what the borders cost."""
    side, got = known[-1]
    if len(known) == 1:
        least = side * wanted / got
        return next((usual for usual in _USUAL if usual >= least), round(least))
    other, before = min(known[:-1], key=lambda item: abs(item[1] - wanted))
    if before == got:
        return 0
    return round(side + (wanted - got) * (other - side) / (before - got))
