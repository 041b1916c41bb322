"""The next step to try when a forward pass fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notebookviz.capture import flow, naming

if TYPE_CHECKING:
    from notebookviz.capture.draft import Draft, Entry
    from notebookviz.capture.skeleton import Skeleton


def hint(entry: Entry, error: BaseException, draft: Draft, skeleton: Skeleton) -> str:
    """One sentence on what to try, or ``""`` where nothing useful can be said.

    Args:
        entry: The operator or module call that failed.
        error: What it raised.
        draft: What the pass left behind.
        skeleton: The copy that ran.

    Returns:
        A sentence, for instance that ``in_features`` should be 64.
    """
    if isinstance(error, NotImplementedError) and entry.module is not None:
        return f"Define forward() in {type(entry.module).__name__}."
    if entry.operator is None:
        return ""
    shapes = {
        name: [draft.values[value].shape for value in values] + [draft.stored[index].type.shape for index in stored]
        for name, values, stored in entry.inputs
    }
    given = next(iter(shapes.get("input", [])), None)
    weight = next(iter(shapes.get("weight", [])), None)
    where = _owner(entry, draft, skeleton)
    if given is None:
        return _shapes(entry, draft)
    if entry.operator.name == "linear" and weight is not None and given and given[-1] != weight[-1]:
        return (
            f"{where} takes {weight[-1]} features and got {given[-1]}: set in_features={given[-1]} there, "
            f"or make the layer before it return {weight[-1]}."
        )
    if entry.operator.name.startswith("conv") and weight is not None and len(given) >= len(weight) - 1:
        channels = given[len(given) - len(weight) + 1]
        groups = dict(entry.attributes).get("groups", "1")
        wanted = weight[1] * int(groups) if "transpose" not in entry.operator.name and groups.isdigit() else weight[0]
        if channels != wanted:
            return (
                f"{where} takes {wanted} channels and got {channels}: set in_channels={channels} there, "
                f"or make the layer before it return {wanted}."
            )
    return _shapes(entry, draft)


def _owner(entry: Entry, draft: Draft, skeleton: Skeleton) -> str:
    module = draft.entries[entry.parent].module if entry.parent >= 0 else None
    if module is None:
        return "The operator"
    for name, child in naming.modules(skeleton.model):
        if child is module and name:
            return f"{type(module).__name__} {name}"
    return type(module).__name__


def _shapes(entry: Entry, draft: Draft) -> str:
    parts = [
        flow.shape_text(kind.shape)
        for _, values, stored in entry.inputs
        for kind in [draft.values[value] for value in values] + [draft.stored[index].type for index in stored]
    ]
    return f"{entry.type} got {', '.join(parts[:8])}." if parts else ""
