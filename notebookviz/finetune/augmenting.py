"""Augmentation with a generator of its own, seeded by epoch and sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.utils.data import Dataset

from notebookviz.finetune.rng import mixed, seed_all, undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable


class Augmented(Dataset[Any]):
    """A data set whose samples are changed at random, each anew in each epoch, and the same in every run.

    What is drawn for a sample depends on the seed, the epoch and the sample alone: not on the order, the batch size or
    the number of workers.  :func:`notebookviz.fine_tune` tells it the epoch.

    Args:
        data: A data set of pairs ``(input, label)``.
        augment: Changes an input, for example ``torchvision.transforms.RandomHorizontalFlip()``.
        seed: Of all that is drawn.

    Example:
        >>> import torch
        >>> from torch.utils.data import TensorDataset
        >>> data = TensorDataset(torch.zeros(4, 2), torch.arange(4))
        >>> noisy = Augmented(data, lambda x: x + torch.randn(2))
        >>> torch.equal(noisy[0][0], noisy[0][0]), torch.equal(noisy[0][0], noisy[1][0])
        (True, False)
    """

    def __init__(self, data: Any, augment: Callable[[Any], Any], seed: int = 0) -> None:  # noqa: ANN401 - a data set
        self.data = data
        self.augment = augment
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Change what is drawn."""
        self.epoch = epoch

    @property
    def classes(self) -> Any:  # noqa: ANN401 - names, where the data set has them
        """Names of the classes, where the data set has them."""
        return self.data.classes

    @property
    def targets(self) -> Any:  # noqa: ANN401 - labels, where the data set has them
        """All labels, where the data set has them."""
        return self.data.targets

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, at: int) -> tuple[Any, Any]:
        found, label = self.data[at]
        with undisturbed():
            seed_all(mixed(self.seed, self.epoch, at))
            return self.augment(found), label
