"""The next step to try when a forward pass fails, where the mistake is a classic one."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from torch import nn

from notebookviz.capture import flow, naming, shape_hints, signature
from notebookviz.capture.case import Case, operands, speaks_of_dtypes

if TYPE_CHECKING:
    from collections.abc import Callable

    from notebookviz.capture.draft import Draft, Entry
    from notebookviz.capture.skeleton import Skeleton


def hint(entry: Entry, error: BaseException, draft: Draft, skeleton: Skeleton) -> str:
    """One or two sentences on what to try, or ``""`` where nothing useful can be said.

    Args:
        entry: The operator or module call that failed.
        error: What it raised.
        draft: What the pass left behind.
        skeleton: The copy that ran.

    Returns:
        For instance that ``in_features`` should be 64.
    """
    case = Case(entry, str(error), draft, skeleton)
    if isinstance(error, NotImplementedError) and entry.module is not None:
        return _lacks_forward(entry.module)
    if isinstance(error, TypeError) and entry.module is not None:
        return _call(entry, entry.module, str(error), skeleton) or _no_tensor(case)
    if entry.operator is not None:
        case.name = entry.operator.name.strip("_")
        case.operands = operands(entry, draft)
    return next((found for rule in _RULES if (found := rule(case))), "")


def _stray(case: Case) -> str:
    stray = case.draft.stray
    if stray is None:
        return ""
    place = ", ".join(map(str, stray.place))
    where = f" at [{place}]" if stray.place else ""
    fix = {
        "F.embedding": f"set num_embeddings={stray.value + 1} there, or correct the input",
        "F.cross_entropy": f"make the model return {stray.value + 1} scores, or count the classes from 0",
        "F.one_hot": f"pass num_classes={stray.value + 1}, or correct the input",
    }.get(case.entry.type, "correct the index")
    if stray.value < 0:
        fix = "an index must not be negative here: correct the input"
    return (
        f"{case.owner()}: {stray.table} takes 0 to {stray.size - 1:,}, and the index{where} is {stray.value:,}: {fix}."
    )


def _call(entry: Entry, module: nn.Module, said: str, skeleton: Skeleton) -> str:
    """A module's forward was called without an argument, or with one that it doesn't take."""
    if not said.startswith(f"{getattr(module.forward, '__qualname__', '')}() "):
        return ""
    missing = re.search(r"missing \d+ required .*?arguments?: (.*)", said)
    names = re.findall(r"'(\w+)'", missing[1]) if missing else []
    if entry.parent < 0:
        what = f"forward was called without {_listed(module, names)}. " if names else ""
        return f"{what}{signature.wanted(module)}"
    path = next((path for path, child in naming.modules(skeleton.model) if child is module), "")
    owner = f"{naming.clean(type(module).__name__)} {path}".rstrip()
    if names:
        return f"{owner} was called without {_listed(module, names)}: pass that in this line too."
    return f"{owner} takes {_listed(module, [item.name for item in signature.parameters(module)])}."


def _lacks_forward(module: nn.Module) -> str:
    kind = type(module).__name__
    if not is_layer(kind):
        return f"Define forward() in {kind}."
    return f"{kind} only holds layers: call those one by one, or make it an nn.Sequential."


def is_layer(kind: str) -> bool:
    """Whether a class of this name is one of PyTorch's own layers."""
    found = getattr(nn, kind, None)
    return isinstance(found, type) and issubclass(found, nn.Module)


def made_not_called(kind: str) -> str:
    """What to do about ``nn.ReLU(x)``."""
    return f"nn.{kind}(…) makes a layer; it is called by a second pair of brackets: nn.{kind}()(x)."


def _no_tensor(case: Case) -> str:
    """What the module call before returned was used as it is, and is no tensor."""
    match = re.search(r"must be Tensor, not (\w+)|'(\w+)' object has no attribute", case.said)
    entry = case.entry
    if match is not None and match[1] and is_layer(match[1]):
        return made_not_called(match[1])
    before = [
        item
        for item in case.draft.entries
        if item.module is not None and item is not entry and item.parent in (entry.parent, entry.index)
    ]
    if match is None or not before:
        return ""
    kind, last = match[1] or match[2], before[-1]
    owner = Case(last, case.said, case.draft, case.skeleton).owner()
    if kind == "NoneType":
        return "" if last.outputs else f"{owner} returns nothing: is a return missing at the end of its forward()?"
    if kind == "dict" or (kind in ("tuple", "list") and len(last.outputs) > 1):
        shapes = ", ".join(flow.shape_text(case.draft.values[value].shape) for value in last.outputs[:4])
        key = '["name"]' if kind == "dict" else "[0]"
        return f"{owner} returns a {kind} ({shapes}): take one of its tensors, as in …{key}."
    if "Output" in kind:
        return f"{owner} returns a {kind}: take one of its tensors, such as .logits or .last_hidden_state."
    return ""


def _unknown_name(case: Case) -> str:
    """A module's attribute is misspelt, or was not made in ``__init__``."""
    match = re.search(r"'(\w+)' object has no attribute '(\w+)'", case.said)
    module = case.entry.module
    if match is None or module is None or type(module).__name__ != match[1]:
        return ""
    names = [naming.cut(name, 40) for name, _ in module.named_children()]
    near = difflib.get_close_matches(match[2], names, 1) or names[:6]
    there = f" It has {', '.join(near)}." if near else ""
    return f"Set self.{match[2]} in __init__() of {match[1]}, or correct the name.{there}"


def _listed(module: nn.Module, names: list[str]) -> str:
    """Arguments of forward with their type hints: ``mask (Tensor), scale``."""
    types = {item.name: item.hint for item in signature.parameters(module)}
    return ", ".join(
        naming.cut(f"{name} ({types[name].removeprefix('torch.')})" if types.get(name) else name, 80) for name in names
    )


def _own_input(case: Case) -> str:
    """An input of the model is of a dtype or on a device that the first operator it meets can't take."""
    own = {value: name for name, values, _ in case.draft.inputs for value in values}
    taken = [value for _, values, _ in case.entry.inputs for value in values if value in own]
    if not taken or case.entry.operator is None:
        return ""
    kind, weight = case.draft.values[taken[0]], case.weight()
    several, name = len(own) > 1, own[taken[0]]
    the_input, x = (f"The input {name}", name) if several and name.isidentifier() else ("The input", "x")
    if "device" in case.said:
        if weight is None or weight.device in (kind.device, "meta"):
            return ""
        where = f"the model's parameters are on {weight.device}"
        return f'{the_input} is on {kind.device}, {where}. Pass {x}.to("{weight.device}").'
    if not speaks_of_dtypes(case.said):
        return ""
    if "indices" in case.said:
        wanted, why = "int64", "its embedding takes int64 indices"
    else:
        wanted = weight.dtype if weight is not None else kind.dtype
        why = f"the model's parameters are {wanted}"
    return f"{the_input} is {kind.dtype}, {why}. Pass {x}.to(torch.{wanted})." if wanted != kind.dtype else ""


def _dtypes(case: Case) -> str:
    weight = case.weight()
    if not speaks_of_dtypes(case.said) or weight is None:
        return ""
    kinds = {name: kinds[0].dtype for name, kinds in case.operands.items()}
    given = next(iter(kinds.values()))
    wanted = "int64" if "indices" in case.said else weight.dtype
    if given == wanted:
        return ""
    takes = "where it takes int64 indices" if "indices" in case.said else f"where its weight is {wanted}"
    return f"{case.owner()} got {given} {takes}: convert what goes in with .to(torch.{wanted})."


def _unsupported(case: Case) -> str:
    """No kernel for such numbers."""
    kinds = [kinds[0].dtype for kinds in case.operands.values()]
    if ("not implemented for '" not in case.said and "could not infer output dtype" not in case.said) or not kinds:
        return ""
    return f"{case.called()} does not take {kinds[0]}: convert what goes in with .float()."


def _absent(case: Case) -> str:
    """A weight is still on the meta device while others have their values."""
    held = {index for _, _, stored in case.entry.inputs for index in stored}
    names = [item.name for at, item in enumerate(case.draft.stored) if at in held and item.type.device == "meta"]
    if not names or "device" not in case.said:
        return ""
    are = "is" if len(names) == 1 else "are"
    return f"{', '.join(names[:4])} {are} on the meta device, without values: load {'it' if are == 'is' else 'them'}."


def _devices(case: Case) -> str:
    devices = {kind.device for kinds in case.operands.values() for kind in kinds}
    if len(devices) < 2 or "device" not in case.said:  # noqa: PLR2004
        return ""
    each = {name: " and ".join(dict.fromkeys(kind.device for kind in kinds)) for name, kinds in case.operands.items()}
    parts = ", ".join(f"{name} on {where}" for name, where in each.items())
    return f"{case.called()} got {parts}: move them together with .to(device), and make new tensors there (device=)."


def _otherwise(case: Case) -> str:
    parts = [flow.shape_text(kind.shape) for kinds in case.operands.values() for kind in kinds]
    return f"{case.called()} got {', '.join(parts[:8])}." if parts else ""


_RULES: tuple[Callable[[Case], str], ...] = (
    _unknown_name,
    _no_tensor,
    _stray,
    _absent,
    _own_input,
    _devices,
    _dtypes,
    _unsupported,
    *shape_hints.RULES,
    _otherwise,
)
