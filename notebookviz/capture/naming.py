"""Names of modules and tensors: one walk that everything else agrees with.

Names come from the user's model and may hold anything, so each is made safe to store (no lone surrogates, at most
``LONGEST`` characters, still unique among its siblings).  Wrappers of ``torch.compile`` are seen through.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST = 200


def clean(text: str, limit: int = LONGEST) -> str:
    """Make a text safe to store: no lone surrogates, at most ``limit`` characters; cut texts stay distinct.

    Example:
        >>> clean("layer1")
        'layer1'
        >>> len(clean("a" * 10_000))
        200
    """
    if len(text) <= limit and text.isascii():
        return text
    safe = text.encode("utf-8", "replace").decode("utf-8")
    if len(safe) <= limit and safe == text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe[: limit - 10]}…~{digest}"


def cut(text: str, limit: int) -> str:
    """Shorten a text for display; lone surrogates are replaced."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return shown if shown.isascii() else shown.encode("utf-8", "replace").decode("utf-8")


def unwrap(module: nn.Module) -> nn.Module:
    """See through the wrapper that ``torch.compile`` puts round a module."""
    seen = 0
    while seen < 16:  # noqa: PLR2004 (nobody compiles a module more often, a cycle would never end)
        inner = table(module, "_modules").get("_orig_mod")
        if inner is None or not isinstance(inner, nn.Module):
            return module
        module = inner
        seen += 1
    return module


def join(path: str, name: str) -> str:
    """Put a name behind a path (``""`` is the root)."""
    return f"{path}.{name}" if path else name


def recorded(path: str) -> str:
    """The path of a recording for one that PyTorch gives, as ``named_modules`` and ``named_parameters`` do.

    Example:
        >>> recorded("_orig_mod.layer1.0")
        'layer1.0'
    """
    return ".".join(clean(name) for name in path.split(".") if name != "_orig_mod")


def modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Each distinct module once with its first path, parents before children, in the order of registration."""
    root = unwrap(model)
    seen = {id(root)}
    stack = [("", root)]
    while stack:
        path, module = stack.pop()
        yield path, module
        fresh = []
        for name, child in children(module):
            if id(child) not in seen:
                seen.add(id(child))
                fresh.append((join(path, name), child))
        stack.extend(reversed(fresh))


def children(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Direct children with their safe names, wrappers seen through."""
    for name, child in table(module, "_modules").items():
        if isinstance(child, nn.Module):
            yield clean(str(name)), unwrap(child)


def table(module: nn.Module, name: str) -> dict[str, Any]:
    """One of a module's registers (``_modules``, ``_parameters``, ``_buffers``) as a dictionary."""
    found = module.__dict__.get(name)
    if isinstance(found, dict):
        return found
    return _SCRIPTED[name](module) if isinstance(module, torch.jit.ScriptModule) else {}


_SCRIPTED: dict[str, Callable[[nn.Module], dict[str, Any]]] = {
    "_modules": lambda module: dict(module.named_children()),
    "_parameters": lambda module: dict(module.named_parameters(recurse=False)),
    "_buffers": lambda module: dict(module.named_buffers(recurse=False)),
}


def tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor, str]]:
    """Each registered parameter and buffer as (name, tensor, kind); a tied one comes once for each of its names."""
    for path, module in modules(model):
        for kind, register in (("parameter", "_parameters"), ("buffer", "_buffers")):
            for name, tensor in table(module, register).items():
                if tensor is not None:
                    yield join(path, clean(str(name))), tensor, kind
