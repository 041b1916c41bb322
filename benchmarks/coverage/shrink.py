"""One rule that makes any configuration of the transformers library small: by names of settings, never of models."""

from __future__ import annotations

import re
from typing import Any

PICTURE_TOKENS = ("image_token_id", "image_token_index")
MOST_LAYERS = 2
VOCABULARY = 1024
LAYERS = re.compile(r"(^|_)layers?$|^depth$")
INDICES = re.compile(r"(index|indexes|indices|idxs|layer_ids)$")
MOST = (
    (LAYERS, MOST_LAYERS),
    (re.compile(r"experts$"), 4),
    (re.compile(r"(experts_per_tok(en)?|top_?k|topk_group|n_group)$"), 1),
    (re.compile(r"(intermediate_size|ffn_dim|ffn_size|d_ff|n_inner|ff_dim|ffn_hidden_size|mlp_dim)$"), 256),
    (re.compile(r"vocab_size$"), VOCABULARY),
)
"""Settings whose name ends like this are at most so large."""


def shrink(config: Any) -> Any:  # noqa: ANN401 (any configuration)
    """Make a configuration small in place: few layers and experts, narrow inner layers, few tokens.

    Special tokens whose numbers no longer exist get new ones, each its own.
    """
    tokens: dict[int, int] = {}
    for part in parts(config):
        settings = vars(part)
        if "depths" in settings:
            # It counts in stages, whose lists belong together: only the layers within each stage become fewer.
            part.depths = [min(item, 1) for item in settings["depths"]]
            continue
        counts = {value for name, value in settings.items() if LAYERS.search(name) and _many(value, MOST_LAYERS)}
        for name in PICTURE_TOKENS:
            if settings.get(name, 0) is None:  # left to the tokenizer, which is not there
                setattr(part, name, VOCABULARY)
        for name, value in list(vars(part).items()):
            small = _smaller(name, value, counts, tokens)
            if small is not value:
                setattr(part, name, small)
    return config


def parts(config: Any, seen: set[int] | None = None) -> list[Any]:  # noqa: ANN401
    """A configuration and those inside it."""
    seen = set() if seen is None else seen
    if id(config) in seen or not hasattr(config, "to_dict"):
        return []
    seen.add(id(config))
    return [config, *(part for value in vars(config).values() for part in parts(value, seen))]


def _smaller(name: str, value: Any, counts: set[int], tokens: dict[int, int]) -> Any:  # noqa: ANN401
    if isinstance(value, (list, tuple)):
        return _shorter(name, value, counts)
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if name.endswith(("token_id", "token_index")) and value >= VOCABULARY - len(tokens):
        return tokens.setdefault(value, VOCABULARY - 1 - len(tokens))
    most = next((most for pattern, most in MOST if pattern.search(name)), value)
    return min(value, most)


def _shorter(name: str, value: Any, counts: set[int]) -> Any:  # noqa: ANN401
    if len(value) in counts and len(value) > MOST_LAYERS:
        return shortened(value)
    if INDICES.search(name) and all(isinstance(item, int) for item in value) and counts:
        return type(value)(min(item, MOST_LAYERS - 1) for item in value)
    return value


def shortened(kinds: Any) -> Any:  # noqa: ANN401
    """So many entries as there are layers: one of each kind where there are several kinds."""
    if not all(isinstance(item, str) for item in kinds):
        return kinds[:MOST_LAYERS]
    each = list(dict.fromkeys(kinds))[:MOST_LAYERS]
    return type(kinds)((each * MOST_LAYERS)[:MOST_LAYERS] if len(each) > 1 else kinds[:MOST_LAYERS])


def _many(value: Any, most: int) -> bool:  # noqa: ANN401
    return isinstance(value, int) and not isinstance(value, bool) and value > most
