"""What a recording says about a forward pass, in the form in which ``plain.py`` says it of a real one."""

from __future__ import annotations

from torch import nn


def calls(recording):
    """Each module call in the order they began: (path, output shapes)."""
    return [
        (node.path, tuple(recording.values[value].type.shape for value in node.outputs))
        for node in recording.nodes
        if node.kind == "module" and "uncalled" not in node.marks
    ]


def operators(recording):
    """The operators in the order they ran."""
    return [node for node in recording.nodes if node.kind == "operator"]


def reachability(model, recording):
    """Pairs of leaf module calls joined by a path of operators, from the recording alone."""
    leaves = {
        name
        for name, module in model.named_modules()
        if not any(True for _ in module.children()) or isinstance(module, nn.MultiheadAttention)
    }
    owner = {}
    found = []
    for node in recording.nodes:
        inside = owner.get(node.parent)
        if inside is None and node.kind == "module" and node.path in leaves and "uncalled" not in node.marks:
            inside = len(found)
            found.append((node.path, node.call))
        owner[node.index] = inside
    reach = {}
    pairs = set()
    for node in operators(recording):
        above = set()
        for argument in node.inputs:
            for value in argument.values:
                above |= reach.get(value, set())
        inside = owner[node.index]
        if inside is not None:
            pairs |= {(item, inside) for item in above if item != inside}
            above = above | {inside}
        for value in node.outputs:
            reach[value] = reach.get(value, set()) | above
    return found, pairs
