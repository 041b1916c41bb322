"""Why a pass was made as it was, in one sentence for the panel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from notebookviz.capture import flow, naming, operators, source
from notebookviz.capture.scribe import message

if TYPE_CHECKING:
    from notebookviz.capture.draft import Draft
    from notebookviz.capture.source import Place

_GRADIENT = re.compile(r"requires?[ _]grad|require gradient")
_ENDS = (SystemExit, KeyboardInterrupt, RecursionError, MemoryError)


def doubt(draft: Draft) -> str:
    """Why a pass with fake tensors may not show what the model does.

    Args:
        draft: What the pass left behind.

    Returns:
        The second half of a sentence (``forward reads values (net.py, line 12: if x.sum() > 0:)``); ``""`` where
        there is no doubt.
    """
    if draft.genuine or isinstance(draft.error, _ENDS):
        return ""
    if draft.reads:
        return f"forward reads values{_at(draft.reads[0])}"
    if draft.error is None:
        return ""
    place = source.raised(draft.error.__traceback__)
    for name, what in (("numpy()", "numpy"), ("__array__()", "numpy"), ("data_ptr()", "code outside PyTorch")):
        if message(draft.error).endswith(f"to give to {name}."):
            return f"forward hands values to {what}{_at(place)}"
    failed = draft.entries[draft.failed] if draft.failed >= 0 else None
    what = failed.type if failed is not None and failed.operator is not None else "forward"
    return f"{what} can't run without values{_at(place)}"


def takes_gradients(draft: Draft) -> bool:
    """Whether a pass failed since forward itself asks for gradients, and none were kept."""
    return draft.error is not None and _GRADIENT.search(message(draft.error)) is not None


def real(why: str, draft: Draft, *, own: bool) -> str:
    """That real tensors were used, why, and what that means for what is shown."""
    source_of = "your input" if own else "a random input"
    path = " The path that this input took is shown." if draft.reads else ""
    return f"Ran with real tensors on {source_of}, because {why}.{path}"


def unreal(why: str) -> str:
    """That real tensors would have been used, had there been any."""
    return f"Could not run with real tensors, since weights or input are on the meta device, although {why}."


def assumed(draft: Draft) -> list[str]:
    """What was assumed of values that are not there."""
    found = []
    if draft.assumed:
        what = (
            "1 size depends on data and was"
            if draft.assumed == 1
            else f"{draft.assumed:,} sizes depend on data and were"
        )
        found.append(
            f"{what} assumed; marked in the graph. "
            + (
                "MACs hold if tokens are spread evenly over the experts."
                if draft.spread
                else "MACs are those of the largest sizes that can be."
            )
        )
    if draft.reads:
        found.append(f"forward reads values{_at(draft.reads[0])}, which were assumed: another path may be taken.")
    return found


def grown(draft: Draft) -> list[str]:
    """Broadcasts that are rarely meant, with their shapes and lines; of many the first three."""
    found = []
    for at, item in draft.grown[:3]:
        entry = draft.entries[at]
        left, right, result = (flow.shape_text(shape) for shape in (item.left, item.right, item.result))
        one = len(item.left) == len(item.right) + 1 and item.left[-1] == 1
        other = len(item.right) == len(item.left) + 1 and item.right[-1] == 1
        fix = " with .squeeze(-1) on the first" if one else " with .squeeze(-1) on the second" if other else ""
        name = operators.label(entry.type)
        done = f"{name}({left}, {right})" if name[:1].isalpha() else f"{left} {name} {right}"
        found.append(
            f"Broadcasting: {done} gives {result}{_at(entry.place)}. "
            f"If that is not meant, give both the same shape{fix}."
        )
    if len(draft.grown) > len(found):
        found.append(f"{len(draft.grown) - len(found):,} more such broadcasts are marked.")
    return found


def _at(place: Place | None) -> str:
    if place is None:
        return ""
    record = source.record(place, {})
    code = f": {naming.cut(record.code, 80)}" if record is not None and record.code else ""
    return f" ({source.short(place[0])}, line {place[1]}{code})"
