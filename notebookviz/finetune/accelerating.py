"""accelerate, for one training."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from notebookviz.errors import InputError, MissingExtraError
from notebookviz.finetune import checks

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def accelerating(given: Any, precision: str | None) -> Iterator[Any]:  # noqa: ANN401 - accelerate's Accelerator
    """The user's accelerator, or one for this training only: accelerate remembers the precision of the first.

    Raises:
        MissingExtraError: accelerate is not installed.
        InputError: Two precisions were asked for.

    Example:
        >>> with accelerating(None, "bf16") as accelerator:
        ...     accelerator.mixed_precision
        'bf16'
    """
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
    except ImportError as error:
        raise MissingExtraError("accelerate", extra="train") from error
    if given is not None:
        if precision is not None:
            raise InputError(
                "precision was passed beside an accelerator, which has its own.",
                hint="Pass Accelerator(mixed_precision=…) alone.",
            )
        yield given
        return
    ours = not AcceleratorState._shared_state  # noqa: SLF001 - there is no public way to ask
    try:
        made = Accelerator(mixed_precision=precision)
    except ValueError as error:
        if ours:
            AcceleratorState._reset_state()  # noqa: SLF001 - it is half made
        raise InputError(
            f"precision={precision!r} is not possible here: {error}", hint="Pass an Accelerator: accelerator=…."
        ) from error
    if precision == "fp16" and made.device.type == "cpu":
        warnings.warn(
            "float16 with a scaled loss wants a GPU: on this CPU all is computed in full precision.",
            checks.TrainingWarning,
            stacklevel=4,
        )
    try:
        yield made
    finally:
        made.free_memory()
        if ours:
            AcceleratorState._reset_state()  # noqa: SLF001 - else the next training could not choose its precision
