"""Functions that are known whole: what they give and cost, without running the operators that they are made of.

A linear layer is four operators, an attention layer thirty.  They are drawn as one, so where nothing about their
arguments is unusual the fake mode need not see the parts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional as F  # noqa: N812 (its usual name)

from notebookviz.capture import shortcuts

if TYPE_CHECKING:
    from collections.abc import Callable

_ATTENTION = F.multi_head_attention_forward.__code__
_ATTENTION_NAMES = _ATTENTION.co_varnames[: _ATTENTION.co_argcount]
_ATTENTION_PLAIN = {
    "bias_k": None,
    "bias_v": None,
    "add_zero_attn": False,
    "key_padding_mask": None,
    "attn_mask": None,
    "use_separate_proj_weight": False,
    "static_k": None,
    "static_v": None,
    "is_causal": False,
}

Answer = tuple[Any, int]
"""What a function gives, and its multiply-adds."""


def answer(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Answer | None:  # noqa: ANN401
    """The result and the cost of one user-level function on fake tensors, or None where it has to be run.

    Args:
        func: The function.
        args: Its arguments.
        kwargs: Its keyword arguments.

    Example:
        >>> from torch._subclasses.fake_tensor import FakeTensorMode
        >>> fake = FakeTensorMode().from_tensor
        >>> with torch.no_grad():
        ...     found = answer(F.linear, (fake(torch.zeros(2, 3, 8)), fake(torch.zeros(4, 8))), {})
        >>> tuple(found[0].shape), found[1]
        ((2, 3, 4), 192)
    """
    rule = _RULES.get(func)
    if rule is None or torch.is_grad_enabled() or torch._C._is_any_autocast_enabled():  # noqa: SLF001
        return None
    return rule(args, kwargs)


def _linear(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Answer | None:
    given, weight, bias = _bound(("input", "weight", "bias"), args, kwargs)
    if not _fits(given, weight, bias) or not given.is_contiguous():
        return None
    shape = (*given.shape[:-1], weight.shape[0])
    return shortcuts.fake(given, shape), given.numel() * weight.shape[0]


def _layer_norm(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Answer | None:
    given, sizes, weight, bias = _bound(("input", "normalized_shape", "weight", "bias"), args, kwargs)
    if type(given) is not FakeTensor or not shortcuts.norms(given, sizes, weight, bias):
        return None
    return shortcuts.fake(given, given.shape), 0


def _dropout(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Answer | None:
    given, share, training = _bound(("input", "p", "training"), args, {"p": 0.5, "training": True, **kwargs})
    switched_off = training is False and type(given) is FakeTensor and type(share) is float and 0 <= share <= 1
    return (given, 0) if switched_off else None


def _attention(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Answer | None:
    bound = {**dict(zip(_ATTENTION_NAMES, args, strict=False)), **kwargs}
    if any(bound.get(name, plain) is not plain for name, plain in _ATTENTION_PLAIN.items()):
        return None
    query, key, value = (bound[name] for name in ("query", "key", "value"))
    width, heads = bound["embed_dim_to_check"], bound["num_heads"]
    weight, bias = bound["in_proj_weight"], bound["in_proj_bias"]
    if not all(_fits(each, weight, bias) and each.dim() == 3 for each in (query, key, value)):  # noqa: PLR2004
        return None
    if not _fits(query, bound["out_proj_weight"], bound["out_proj_bias"]):
        return None
    (long, count, features), (keys, others, _) = query.shape, key.shape
    square = bound["out_proj_weight"].shape == (width, width) and weight.shape == (3 * width, width)
    if not square or features != width or width % heads or others != count or value.shape != key.shape:
        return None
    made = shortcuts.fake(query, (long, count, width))
    projected = 2 * count * width * width * (long + keys)
    macs = projected + 2 * count * long * keys * width
    if not bound.get("need_weights", True):
        return (made, None), macs
    shape = (count, long, keys) if bound.get("average_attn_weights", True) else (count, heads, long, keys)
    return (made, shortcuts.fake(query, shape)), macs


def _bound(names: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The arguments in this order; None for what was not given."""
    return [args[at] if at < len(args) else kwargs.get(name) for at, name in enumerate(names)]


def _fits(given: Any, weight: Any, bias: Any) -> bool:  # noqa: ANN401
    """Whether a matrix can be applied to what is given, with nothing unusual about either."""
    held = [weight] if bias is None else [weight, bias]
    return (
        type(given) is FakeTensor
        and all(shortcuts.of_one_kind(given, each) for each in held)
        and weight.dim() == 2  # noqa: PLR2004
        and given.dim() > 0
        and given.shape[-1] == weight.shape[1]
        and (bias is None or bias.shape == weight.shape[:1])
        and math.prod((*given.shape, *weight.shape)) > 0
    )


_RULES: dict[Any, Callable[[tuple[Any, ...], dict[str, Any]], Answer | None]] = {
    F.linear: _linear,
    F.layer_norm: _layer_norm,
    F.dropout: _dropout,
    F.multi_head_attention_forward: _attention,
}
