"""Python's garbage collector, put off while something is drawn."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def put_off() -> Iterator[None]:
    """Collect no garbage until the end; it is collected after that.

    With torch loaded a full collection looks at half a million objects, which takes longer than all that ``show`` does,
    and the objects of one recording are enough to set it off.

    Example:
        >>> with put_off():
        ...     gc.isenabled()
        False
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
