"""Models of the transformers library return no cache of keys and values while they are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notebookviz.capture import naming

if TYPE_CHECKING:
    from torch import nn


def turn_off_caches(model: nn.Module, original: nn.Module) -> None:
    """Have a copy return no cache of keys and values; the user's configuration objects are left alone."""
    theirs = {id(module.__dict__.get("config")) for _, module in naming.modules(original)}
    for _, module in naming.modules(model):
        config = module.__dict__.get("config")
        if config is None or id(config) in theirs:
            continue
        for item in (config, *getattr(config, "__dict__", {}).values()):
            if "use_cache" in getattr(item, "__dict__", {}):
                item.__dict__["use_cache"] = False
