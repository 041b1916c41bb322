"""What the name of one of forward's arguments says about it, with the sizes that the model states."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from notebookviz.capture import layer_inputs, naming

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from notebookviz.capture.settings import Settings

TOKENS = 128
WORDS = 16
PATCHES = 256
SECOND = 16000
MELS = 80
SIDE = 224
FRAMES = 8
_MOST_NUMBERS = 2**26
"""No input that is made up is larger, whatever sizes a model states."""


@dataclass
class Kit:
    """A model with what is needed to make an argument for it."""

    model: nn.Module
    settings: Settings
    device: torch.device
    dtype: torch.dtype

    def floats(self, *shape: int) -> torch.Tensor:
        """Zeros in the model's own type."""
        return torch.zeros(_fitting(shape), dtype=self.dtype, device=self.device)

    def whole(self, *shape: int, value: int = 0) -> torch.Tensor:
        """Whole numbers."""
        return torch.full(_fitting(shape), value, dtype=torch.int64, device=self.device)

    def length(self) -> int:
        """How many tokens go in."""
        if not self.settings.configured:
            return WORDS
        longest = self.settings.number(
            "max_position_embeddings",
            "n_positions",
            "max_target_positions",
            "max_seq_len",
            "block_size",
            "n_ctx",
            near="text",
        )
        if longest is None or longest > TOKENS + 2:
            return TOKENS
        # Some number positions from behind the padding token, and can take no more than so many.
        padding = self.settings.number("pad_token_id", "padding_idx") or 0
        return min(TOKENS, max(longest - padding - 1 if 0 < padding < longest // 2 else longest, 1))


def _fitting(shape: tuple[int, ...]) -> list[int]:
    """The shape itself, or where it has too many numbers one whose largest sizes are halved until it has not."""
    sizes = list(shape)
    while math.prod(sizes) > _MOST_NUMBERS:
        at = sizes.index(max(sizes))
        sizes[at] //= 2
    return sizes


def options(name: str, kit: Kit, hint: str = "") -> list[Any]:
    """Values for the argument of that name, the likeliest first; none where the name says nothing.

    Args:
        name: Name of an argument of ``forward``.
        kit: The model and its sizes.
        hint: Its type hint as text.

    Example:
        >>> from notebookviz.capture.settings import Settings
        >>> kit = Kit(nn.Linear(2, 2), Settings(nn.Linear(2, 2)), torch.device("cpu"), torch.float32)
        >>> [tuple(value.shape) for value in options("timestep", kit)]
        [(1,)]
    """
    made = next((make(kit, name) for pattern, make in _RULES if re.fullmatch(pattern, name.lower())), [])
    found = [value for value in made if value is not None]
    if re.search(r"(?i)\b(list|sequence|iterable)\[.*tensor", hint):
        found = [[value[0]] for value in found if isinstance(value, torch.Tensor) and value.dim() > 1]
    return found


def _ids(kit: Kit, name: str) -> Sequence[Any]:
    length = kit.length()
    if not kit.settings.configured:
        return [kit.whole(1, length), kit.whole(1), kit.whole(length, 1)]
    ids = kit.whole(1, length)
    end, words = kit.settings.number("eos_token_id"), kit.settings.number("vocab_size", near="text")
    if end is not None and words is not None and end < words and "position" not in name and "type" not in name:
        ids[0, -1] = end
    return [ids, ids[None].repeat(1, 2, 1)]


def picture_size(kit: Kit, *names: str) -> tuple[int, int]:
    """Height and width of a picture that the model states, under one of these names or a usual one, else 224."""
    usual = ("image_size", "img_size", "sample_size", "input_size", "crop_size", "max_img_size", "max_image_size")
    size = kit.settings.find(*names, *usual, near="vision")
    if isinstance(size, (list, tuple)):
        return int(size[-2] if len(size) > 1 else size[0]), int(size[-1])
    return (size, size) if size else (SIDE, SIDE)


def _pictures(kit: Kit, name: str) -> Sequence[Any]:
    height, width = picture_size(kit)
    channels = kit.settings.number("num_channels", "in_channels", "in_chans", "num_input_channels", near="vision") or 3
    frames = kit.settings.number("num_frames", "sample_frames", near="vision")
    one = kit.floats(1, channels, height, width)
    several = kit.floats(1, frames or FRAMES, channels, height, width)
    if _stem(kit) == 3 and "video" not in name:  # noqa: PLR2004 (dimensions)
        return [kit.floats(1, channels, frames or FRAMES, height, width), several, one]
    return [several, one] if frames or "video" in name else [one, several]


def pictured_text(kit: Kit) -> list[torch.Tensor]:
    """Token numbers of a text that begins with a picture: its place is held by so many tokens of one number."""
    token = kit.settings.number("image_token_id", "image_token_index")
    if token is None:
        return []
    height, width = picture_size(kit)
    patch = kit.settings.number("patch_size", near="vision") or height
    stated = kit.settings.number("mm_tokens_per_image", "num_image_tokens", "image_seq_length", "num_query_tokens")
    counts = dict.fromkeys(count for count in (stated, (height // patch) * (width // patch)) if count)
    made = []
    for count in counts:
        ids = kit.whole(1, count + WORDS)
        ids[0, :count] = token
        made.append(ids)
    return made


def _stem(kit: Kit) -> int:
    """Over how many dimensions the first layer convolves."""
    layer = layer_inputs.first_layer(kit.model)
    return len(layer.kernel_size) if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)) else 0


def _mels(kit: Kit) -> int:
    names = ("num_mel_bins", "n_mels", "num_mels", "mel_bins", "feature_size", "input_feat_per_channel")
    return kit.settings.number(*names, near="audio") or MELS


def _sound(kit: Kit, name: str) -> Sequence[Any]:
    mels = kit.settings.number("num_mel_bins")
    if mels and name.startswith("decoder"):
        return [kit.floats(1, kit.length(), mels)]
    spectrum = kit.floats(1, kit.settings.number("max_length") or 1024, mels) if mels else None
    return [spectrum, kit.floats(1, SECOND), kit.floats(1, 1, SECOND)]


def _spectrum(kit: Kit, _: str) -> Sequence[Any]:
    longest = kit.settings.number("max_source_positions", near="audio")
    return [
        kit.floats(1, _mels(kit), 2 * longest if longest else 3000),
        kit.floats(1, 512, _mels(kit)),
        kit.floats(1, 1, 1024, _mels(kit)),
    ]


def _series(kit: Kit, _: str) -> Sequence[Any]:
    length = kit.settings.number("context_length", "context_len") or 512
    channels = kit.settings.number("num_input_channels", "input_size")
    return [kit.floats(1, length, channels) if channels else None, kit.floats(1, length), [kit.floats(length)]]


def _mask(kit: Kit, name: str) -> Sequence[Any]:
    if "pixel" in name or "image" in name:
        return [kit.whole(1, *picture_size(kit), value=1)]
    return [kit.whole(1, kit.length(), value=1)]


def _flat_patches(kit: Kit, _: str) -> Sequence[Any]:
    side = kit.settings.number("patch_size", near="vision") or 16
    channels = kit.settings.number("num_channels", near="vision") or 3
    # The row and the column of each patch stand before its pixels.
    return [kit.floats(1, PATCHES, 2 + side * side * channels)]


def _states(kit: Kit, _: str) -> Sequence[Any]:
    """What another network made of a text: one vector for each token."""
    names = ("cross_attention_dim", "joint_attention_dim", "text_embed_dim", "caption_channels", "text_dim")
    width = kit.settings.number(*names, "encoder_hid_dim", "hidden_size", "d_model")
    return [kit.floats(1, 77, width)] if width else []


def _hidden(kit: Kit, name: str) -> Sequence[Any]:
    """What a network that denoises works on: a picture, or patches of it in a row."""
    if _stem(kit):
        return _pictures(kit, name)
    width = kit.settings.number("in_channels", "hidden_size", "d_model")
    return [kit.floats(1, PATCHES, width)] if width else []


def _pooled(kit: Kit, _: str) -> Sequence[Any]:
    width = kit.settings.number("pooled_projection_dim", "projection_dim", "projection_class_embeddings_input_dim")
    return [kit.floats(1, width)] if width else []


def _embedded(kit: Kit, name: str) -> Sequence[Any]:
    own = kit.settings.number(f"{name.lower().rstrip('s')}_dim")
    if own:
        return [kit.floats(1, own)]
    width = kit.settings.number("hidden_size", "d_model", "n_embd", near="text")
    return [kit.floats(1, kit.length(), width)] if width else []


def _places(kit: Kit, name: str) -> Sequence[Any]:
    axes = kit.settings.find("axes_dims_rope", "axes_dim")
    count = len(axes) if isinstance(axes, (list, tuple)) else 3
    return [kit.floats(PATCHES if name.startswith("im") else 77, count)]


def _conditions(kit: Kit, _: str) -> Sequence[Any]:
    width = kit.settings.number("projection_class_embeddings_input_dim")
    each = kit.settings.number("addition_time_embed_dim")
    if not width or not each:
        return []
    return [{"text_embeds": kit.floats(1, width - 6 * each), "time_ids": kit.floats(1, 6)}]


def _state(kit: Kit, _: str) -> Sequence[Any]:
    """What a recurrent layer is given to begin with."""
    layer = next(
        (item for _, item in naming.modules(kit.model) if isinstance(item, (nn.RNNBase, nn.RNNCellBase))), None
    )
    if layer is None:
        return []
    size = int(layer.hidden_size)
    if isinstance(layer, nn.RNNCellBase):
        first = kit.floats(1, size)
        return [(first, first.clone()), first] if isinstance(layer, nn.LSTMCell) else [first]
    first = kit.floats(int(layer.num_layers) * (1 + bool(layer.bidirectional)), 1, size)
    return [(first, first.clone()), first] if isinstance(layer, nn.LSTM) else [first]


_RULES: tuple[tuple[str, Callable[[Kit, str], Sequence[Any]]], ...] = (
    (r"ts?|time_?steps?|time|step|sigmas?|noise_level|noise_labels|offsets", lambda kit, _: [kit.whole(1)]),
    (r"class_labels?", lambda kit, _: [kit.whole(1)]),
    (r"guidance(_scale)?", lambda kit, _: [kit.floats(1)]),
    (r"(.*_)?(lengths?|lens?)", lambda kit, _: [kit.whole(1, value=kit.length())]),
    (r"edge_index|edges", lambda kit, _: [kit.whole(2, WORDS)]),
    (r"(img|image|txt|text)_ids", _places),
    (r"(.*_)?(bbox|boxes|bboxes)", lambda kit, _: [kit.whole(1, kit.length(), 4)]),
    (r"(.*_)?masks?", _mask),
    (r"flattened_patches", _flat_patches),
    (r"pixel_values.*|sample|images?|imgs?|pixels|videos?", _pictures),
    (r"(.*_)?(input_values|waveforms?|audios?|wavs?)", _sound),
    (r"input_features|(.*_)?(spectrograms?|mels?)", _spectrum),
    (r"past_values", _series),
    (r"encoder_hidden_states|encoder_outputs|context", _states),
    (r"hidden_states|latents?", _hidden),
    (r"pooled_.*", _pooled),
    (r".*_embeds|.*_embeddings", _embedded),
    (r"added_cond_kwargs", _conditions),
    (r"hidden|h_?0?|hx|state", _state),
    (r".*(ids?|tokens?|index|indices|idx|user|item|src|tgt|labels?|words?)", _ids),
)
