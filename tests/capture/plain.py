"""What plain PyTorch says about a real forward pass: the yardstick for the recording."""

from __future__ import annotations

import torch
from torch import nn


def shapes(thing):
    """Shapes of the tensors in nested containers, in order."""
    if isinstance(thing, torch.Tensor):
        return [tuple(thing.shape)]
    if isinstance(thing, (list, tuple)):
        return [shape for item in thing for shape in shapes(item)]
    if isinstance(thing, dict):
        return [shape for item in thing.values() for shape in shapes(item)]
    if hasattr(thing, "__dict__") and not callable(thing):
        return [shape for item in vars(thing).values() for shape in shapes(item)]
    return []


def module_calls(model, args, kwargs):
    """Each module call of a real run in the order they began: (path, output shapes)."""
    names = {module: name for name, module in model.named_modules()}
    calls = []
    stack = []
    handles = []

    def before(module, _args):
        stack.append(len(calls))
        calls.append([names[module], None])

    def after(module, _args, output):
        calls[stack.pop()][1] = shapes(output)

    for module in names:
        handles.append(module.register_forward_pre_hook(before))
        handles.append(module.register_forward_hook(after))
    try:
        with torch.no_grad():
            model(*args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return [(path, tuple(found)) for path, found in calls]


def leaf_reachability(model, args, kwargs):  # noqa: C901 (hooks share its state)
    """Which leaf module calls depend on which others, read from the autograd graph of a real run.

    Each floating output of a leaf module call is replaced by an alias of its own, whose node in the autograd graph then
    names the call; a walk from a call's inputs meets the calls it depends on directly.

    Returns:
        The calls (path, number of the call), the pairs (earlier, later) of calls joined by a path, and the numbers of
        the calls whose output autograd follows (indices and what is made under ``no_grad`` it does not).
    """
    names = {module: name for name, module in model.named_modules()}
    counts: dict[str, int] = {}
    calls = []
    owner = {}
    entering = {}
    stack = []
    handles = []
    kept = []

    def leaf(module):
        return not any(True for _ in module.children()) or isinstance(module, nn.MultiheadAttention)

    def inside_leaf():
        return any(leaf(module) for module in stack[:-1])

    def before(module, given, named):
        stack.append(module)
        if not leaf(module) or inside_leaf():
            return None
        at = len(calls)
        path = names[module]
        calls.append((path, counts.get(path, 0)))
        counts[path] = counts.get(path, 0) + 1
        given, named = _renew(given), _renew(named)
        entering[at] = [item.grad_fn for item in _tensors((given, named)) if item.grad_fn is not None]
        module._call_number = at
        return given, named

    def after(module, _given, _named, output):
        stack.pop()
        if not leaf(module) or any(leaf(item) for item in stack):
            return None
        output = _renew(output)
        for item in _tensors(output):
            if item.grad_fn is not None:
                owner[item.grad_fn] = module._call_number
        return output

    def _renew(thing):
        if isinstance(thing, torch.Tensor):
            if not thing.is_floating_point() or not thing.requires_grad:
                return thing
            fresh = thing.clone()
            kept.append(fresh)
            return fresh
        if type(thing) in (list, tuple):
            return type(thing)(_renew(item) for item in thing)
        if isinstance(thing, dict):
            renewed = {key: _renew(item) for key, item in thing.items()}
            return renewed if type(thing) is dict else type(thing)(**renewed)
        return thing

    for module in names:
        handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
        handles.append(module.register_forward_hook(after, with_kwargs=True))
    try:
        with torch.enable_grad():
            given = tuple(
                item.clone().requires_grad_() if isinstance(item, torch.Tensor) and item.is_floating_point() else item
                for item in args
            )
            named = {
                key: item.clone().requires_grad_()
                if isinstance(item, torch.Tensor) and item.is_floating_point()
                else item
                for key, item in kwargs.items()
            }
            kept.append(model(*given, **named))
    finally:
        for handle in handles:
            handle.remove()
        for module in names:
            module.__dict__.pop("_call_number", None)
    direct = {at: _met(starts, owner) for at, starts in entering.items()}
    return calls, _closure(direct), set(owner.values())


def _followed(item):
    """An input that autograd follows."""
    if isinstance(item, torch.Tensor) and item.is_floating_point():
        return item.clone().requires_grad_()
    return item


def _tensors(thing):
    if isinstance(thing, torch.Tensor):
        return [thing]
    if isinstance(thing, (list, tuple)):
        return [found for item in thing for found in _tensors(item)]
    if isinstance(thing, dict):
        return [found for item in thing.values() for found in _tensors(item)]
    return []


def _met(starts, owner):
    """Calls whose outputs a walk up the autograd graph meets first."""
    seen = set()
    met = set()
    waiting = list(starts)
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node in owner:
            met.add(owner[node])
            continue
        waiting.extend(parent for parent, _ in node.next_functions if parent is not None)
    return met


def _closure(direct):
    """Pairs (earlier, later) joined by a path; an earlier call has a smaller number."""
    above = {}
    for at in sorted(direct):
        above[at] = set(direct[at]).union(*(above[item] for item in direct[at]))
    return {(early, late) for late, found in above.items() for early in found}
