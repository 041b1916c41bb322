"""Inputs for models of the transformers library, from their configuration alone (the library is not imported)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from notebookviz.capture import naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

TOKENS = 128


def calls(model: nn.Module, device: torch.device, dtype: torch.dtype) -> Iterator[dict[str, Any]]:
    """Yield keyword arguments that suit the model, the likeliest first; nothing for any other library's model."""
    if not any(kind.__name__ == "PreTrainedModel" for kind in type(model).__mro__):
        return
    config = model.__dict__.get("config")
    if config is None:
        return
    main = str(getattr(model, "main_input_name", "input_ids"))
    makers = {
        "input_ids": lambda: _ids(config, device),
        "pixel_values": lambda: _pixels(config, device, dtype),
        "input_values": lambda: torch.zeros(1, 16000, dtype=dtype, device=device),
        "input_features": lambda: _features(config, device, dtype),
    }
    first = {main: makers.get(main, makers["input_ids"])()}
    if getattr(config, "is_encoder_decoder", False) and not main.startswith("decoder"):
        first["decoder_input_ids"] = _ids(config, device)
    yield first
    both = {**first, "input_ids": makers["input_ids"](), "pixel_values": makers["pixel_values"]()}
    yield both
    yield {**both, "decoder_input_ids": _ids(config, device)}


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


def _setting(config: Any, *names: str) -> Any:  # noqa: ANN401
    """The first of these settings that the configuration or its text or vision part has."""
    parts = [config, *(getattr(config, name, None) for name in ("text_config", "vision_config", "encoder", "decoder"))]
    for part in parts:
        for name in names:
            found = getattr(part, name, None)
            if isinstance(found, (int, list, tuple)) and found is not None and not isinstance(found, bool):
                return found
    return None


def _ids(config: Any, device: torch.device) -> torch.Tensor:  # noqa: ANN401
    longest = _setting(config, "max_position_embeddings", "n_positions", "max_target_positions")
    length = min(TOKENS, longest) if isinstance(longest, int) and longest > 0 else TOKENS
    if isinstance(longest, int) and getattr(config, "pad_token_id", None) and longest in (130, 514, 1026):
        length = min(length, longest - 2)
    return torch.zeros(1, length, dtype=torch.int64, device=device)


def _pixels(config: Any, device: torch.device, dtype: torch.dtype) -> torch.Tensor:  # noqa: ANN401
    size = _setting(config, "image_size")
    height, width = (size, size) if isinstance(size, int) else tuple(size)[-2:] if size else (224, 224)
    channels = _setting(config, "num_channels")
    shape: tuple[int, ...] = (1, channels if isinstance(channels, int) else 3, int(height), int(width))
    frames = _setting(config, "num_frames")
    if isinstance(frames, int):
        shape = (1, frames, *shape[1:])
    return torch.zeros(shape, dtype=dtype, device=device)


def _features(config: Any, device: torch.device, dtype: torch.dtype) -> torch.Tensor:  # noqa: ANN401
    bins = _setting(config, "num_mel_bins")
    longest = _setting(config, "max_source_positions")
    return torch.zeros(
        1,
        bins if isinstance(bins, int) else 80,
        2 * longest if isinstance(longest, int) else 3000,
        dtype=dtype,
        device=device,
    )
