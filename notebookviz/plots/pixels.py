"""Tensors as pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def picture(image: Tensor) -> Any:  # noqa: ANN401 - a NumPy array
    """An image (channels, height, width), stretched to 0 … 1 and with the channels last.

    Example:
        >>> import torch
        >>> picture(torch.tensor([[[-1.0, 1.0]]])).tolist()
        [[0.0, 1.0]]
    """
    values = image.detach().float().nan_to_num()
    low, high = values.min(), values.max()
    stretched = (values - low) / (high - low).clamp(min=1e-12)
    return stretched[0].numpy() if len(stretched) == 1 else stretched.movedim(0, -1).numpy()
