"""A few samples of a batch with their labels, as small pictures or numbers."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

from notebookviz.finetune.tasks import size_of, split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notebookviz.finetune.evaluation import Mistake

SAMPLES: Final = 12
_SIDE: Final = 96
_NUMBERS: Final = 6
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


def samples(batch: Any, names: Sequence[str] = ()) -> list[dict[str, str]]:  # noqa: ANN401 - what a loader yields
    """The first samples of a batch: ``label``, and ``picture`` (a data URL) or ``text``.

    Args:
        batch: What the loader yields.
        names: Names of the classes.

    Raises:
        InputError: It has no labels.

    Example:
        >>> samples((torch.tensor([[1.0, 2.5]]), torch.tensor([1])), ["cat", "dog"])
        [{'label': 'dog', 'text': '1, 2.5'}]
    """
    part = split(batch, keep_labels=False)
    inputs = part.args[0] if part.args else next(iter(part.kwargs.values()), None)
    count = min(SAMPLES, size_of(batch))
    return [{"label": _label(part.targets, at, names), **_shown(inputs, at)} for at in range(count)]


def mistaken(mistakes: Sequence[Mistake]) -> list[dict[str, str]]:
    """The worst mistakes, as :func:`samples` shows samples; the label says what it is and what the model says.

    Example:
        >>> from notebookviz.finetune.evaluation import Mistake
        >>> mistaken([Mistake(3, torch.tensor([2.5]), "cat", "dog", 0.9)])
        [{'label': 'cat, not dog', 'text': '2.5'}]
    """
    return [
        {"label": f"{each.label[:20]}, not {each.predicted[:20]}", **_shown([each.input], 0)}
        for each in mistakes[:SAMPLES]
    ]


def _shown(inputs: Any, at: int) -> dict[str, str]:  # noqa: ANN401
    one = inputs[at] if isinstance(inputs, (torch.Tensor, list, tuple)) else inputs
    if isinstance(one, torch.Tensor):
        one = one.detach().cpu()
        if one.dim() == 3 and one.shape[0] in (1, 3) and min(one.shape[1:]) > 1:  # noqa: PLR2004 - an image
            encoded = base64.b64encode(png(one)).decode()
            return {"picture": f"data:image/png;base64,{encoded}"}
        some = one.flatten()[:_NUMBERS].tolist()
        text = ", ".join(f"{item:.3g}" if isinstance(item, float) else str(item) for item in some)
        return {"text": text + (", …" if one.numel() > _NUMBERS else "")}
    return {"text": str(one)[:80] if isinstance(one, (str, int, float)) else type(one).__name__}


def _label(targets: Any, at: int, names: Sequence[str]) -> str:  # noqa: ANN401
    one = targets[at] if isinstance(targets, (torch.Tensor, list, tuple)) and at < len(targets) else targets
    if not isinstance(one, torch.Tensor):
        return str(one)[:40]
    if one.dim() == 0:
        value = one.item()
        if isinstance(value, int) and 0 <= value < len(names):
            return names[value][:40]
        return f"{value:.4g}" if isinstance(value, float) else str(value)
    if one.dim() == 1 and bool(((one == 0) | (one == 1)).all()):
        found = [names[at] if at < len(names) else str(at) for at in one.nonzero().flatten().tolist()]
        return (", ".join(found) or "none")[:40]
    return "×".join(map(str, one.shape))


def png(image: torch.Tensor) -> bytes:
    r"""An image of (1 or 3, height, width) as PNG; its smallest value is black, its largest white.

    Example:
        >>> png(torch.rand(3, 4, 5))[:4]
        b'\x89PNG'
    """
    found = image.float().nan_to_num()
    largest = max(found.shape[1:])
    if largest > _SIDE:
        size = [max(1, round(side * _SIDE / largest)) for side in found.shape[1:]]
        found = F.interpolate(found[None], size, mode="area")[0]
    low, high = float(found.min()), float(found.max())
    scaled = (found - low) / (high - low) if high > low else torch.zeros_like(found)
    pixels = (scaled * 255).round().to(torch.uint8).permute(1, 2, 0)
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + bytes(row.flatten().tolist()) for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels > 1 else 0, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
