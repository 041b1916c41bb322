"""What several processes share: batches and sums."""

from __future__ import annotations

from typing import Any

import torch

from notebookviz.errors import InputError


def shared(loader: Any, accelerator: Any, *, even: bool) -> Any:  # noqa: ANN401 - a DataLoader, an Accelerator
    """A loader that gives each process its part of each batch, so that a batch stays as large as the user said.

    Args:
        loader: The user's loader.
        accelerator: accelerate's own.
        even: Fill up the last batch with samples from the beginning, so that all processes make as many steps.

    Raises:
        InputError: The batch can't be divided.
    """
    from accelerate.data_loader import prepare_data_loader

    size, count = getattr(loader, "batch_size", None), accelerator.num_processes
    if size is None or size % count:
        raise InputError(
            f"The loader's batch_size is {size}; {count} processes share each batch.",
            hint=f"Pass a multiple of {count}.",
        )
    return prepare_data_loader(
        loader,
        num_processes=count,
        process_index=accelerator.process_index,
        split_batches=True,
        even_batches=even,
        rng_types=["generator"],
    )


def summed(accelerator: Any, *numbers: float) -> list[float]:  # noqa: ANN401 - an Accelerator
    """Numbers added up over all processes."""
    found = accelerator.reduce(torch.tensor(numbers, device=accelerator.device, dtype=torch.float64), "sum")
    return [float(number) for number in found]
