"""Sentences that a recording says about its pass, for the panel's status line and below the module table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from notebookviz.capture import hints, naming, operators

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notebookviz.capture.draft import Draft
    from notebookviz.capture.skeleton import Skeleton

_NAMED = 3


def remarks(draft: Draft, skeleton: Skeleton, registered: set[int]) -> Iterator[str]:
    """What is worth knowing of a pass: each as one sentence.

    Args:
        draft: What the tracer wrote down.
        skeleton: The copy that ran.
        registered: The ``id`` of each of its modules that it knows of.

    Yields:
        A sentence for costs that are not known, modules that were not followed, weights that are packed away, modules
        that are not registered, a forward that returns no tensor, lazy layers, hooks that were left out and lines that
        forward printed.
    """
    unknown = Counter(operators.label(entry.type) for entry in draft.entries if "uncounted" in entry.marks)
    if unknown:
        names = _listed([_times(name, count) for name, count in unknown.items()])
        yield f"MACs leave out {names}: no formula is known."
    places = [path or "the model" for path, module in naming.modules(skeleton.model) if id(module) in draft.elsewhere]
    if places:
        ran = "1 module ran" if len(places) == 1 else f"{len(places):,} modules ran"
        yield f"{ran} in threads that forward began ({_listed(places)}), so the graph and the MACs lack them."
    packed = sum(_is_packed(module) for module in skeleton.modules)
    if packed:
        holds = "1 quantised layer holds" if packed == 1 else f"{packed:,} quantised layers hold"
        yield f"{holds} packed weights, which are not parameters and not counted."
    yield from _unregistered(draft, skeleton, registered)
    if draft.returned and not draft.outputs:
        yield _returned(draft.returned)
    if draft.awaited:
        what = "tensor of a lazy layer has no shape" if draft.awaited == 1 else "tensors of lazy layers have no shape"
        yield f"{draft.awaited:,} {what} until the model is first called; shown is what this input gives."
    hooks = sum(skeleton.hooks.values())
    if hooks:
        yield f"{_number(hooks, 'hook')} of yours did not run while looking."
    if draft.printed.lines:
        lines, first = draft.printed.lines, naming.cut(draft.printed.first, 120)
        shown = f"which is not shown: {first}" if lines == 1 else f"which are not shown; the first: {first}"
        yield f"forward printed {_number(lines, 'line')}, {shown}"


def _unregistered(draft: Draft, skeleton: Skeleton, registered: set[int]) -> Iterator[str]:
    """Modules that run although the model does not know them, so that they are not trained, moved or saved with it."""
    called = {id(entry.module): entry.module for entry in draft.entries if entry.module is not None}
    strangers = [module for key, module in called.items() if key not in registered]
    made = [module for module in strangers if id(module) not in skeleton.unregistered and _is_new(module)]
    if made:
        names = _listed(list(dict.fromkeys(naming.clean(type(module).__name__) for module in made)))
        yield f"{names}: made anew in each forward pass, so never trained. Make it in __init__."
    held_by_it = skeleton.unregistered
    kept = [item for item in strangers if item not in made and (id(item) in held_by_it or _matters(item))]
    if not kept:
        return
    places = [skeleton.unregistered.get(id(module)) or naming.clean(type(module).__name__) for module in kept]
    parameters = {id(item): item for module in kept for item in naming.table(module, "_parameters").values()}
    held = sum(item.numel() for item in parameters.values() if item is not None)
    run, them = ("module runs but is", "it") if len(places) == 1 else ("modules run but are", "them")
    lacks = f": model.parameters() lacks {held:,} parameters" if held else ""
    yield (
        f"{len(places):,} {run} not registered ({_listed(places)}){lacks}. "
        f"Assign {them} to an attribute, an nn.ModuleList or an nn.ModuleDict."
    )


def _returned(kind: str) -> str:
    """What forward returned in place of a tensor."""
    if kind == "NoneType":
        return "forward returned None: is a return missing at its end?"
    hint = f" {hints.made_not_called(kind)}" if hints.is_layer(kind) else ""
    return f"forward returned {kind}, no tensor.{hint}"


def _is_packed(module: nn.Module) -> bool:
    """Whether a layer's weights are inside an object of C++, as those of quantised layers are."""
    return torch.ScriptObject in map(type, module.__dict__.values())


def _matters(module: nn.Module) -> bool:
    """Whether it counts that a module is not registered: it holds tensors, or does something else in another mode."""
    return any(True for _ in naming.tensors(module)) or isinstance(module, nn.modules.dropout._DropoutNd)  # noqa: SLF001


def _is_new(module: nn.Module) -> bool:
    """Whether forward itself has made a module: its parameters are fake."""
    held = [item for item in naming.table(module, "_parameters").values() if item is not None]
    return bool(held) and all(isinstance(item, FakeTensor) for item in held)


def _times(name: str, count: int) -> str:
    return f"{name} ×{count:,}" if count > 1 else name


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
