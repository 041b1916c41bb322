"""Models of the transformers library return no cache of keys and values while they are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notebookviz.capture import naming

if TYPE_CHECKING:
    from torch import nn


def turn_off_caches(copies: list[nn.Module], original: nn.Module) -> None:
    """Have a copy's modules return no cache of keys and values; the user's configuration objects are left alone."""
    configs = {id(config): config for module in copies if (config := module.__dict__.get("config")) is not None}
    theirs = {id(module.__dict__.get("config")) for _, module in naming.modules(original)} if configs else set()
    for key in configs.keys() - theirs:
        config = configs[key]
        for item in (config, *getattr(config, "__dict__", {}).values()):
            if "use_cache" in getattr(item, "__dict__", {}):
                item.__dict__["use_cache"] = False
