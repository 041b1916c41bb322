"""Image processors of transformers as transforms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class Processed:
    """An image processor of transformers as a transform: an image becomes the tensor that the model takes.

    Args:
        processor: The processor.
    """

    def __init__(self, processor: Any) -> None:  # noqa: ANN401 - of transformers
        self.processor = processor

    def __call__(self, image: Any) -> Tensor:  # noqa: ANN401 - a PIL image
        """Prepare one image."""
        found: Tensor = self.processor(image, return_tensors="pt")["pixel_values"][0]
        return found
