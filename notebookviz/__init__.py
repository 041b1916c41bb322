"""See the PyTorch model you hold in memory, in Jupyter, in the real Netron viewer.

Example:
    >>> from notebookviz import show
    >>> show(model)  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from notebookviz.errors import (
    ExportError,
    InputError,
    LoadingError,
    MissingExtraError,
    NotebookvizError,
    ViewerError,
)

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from notebookviz.api import open_file, show, summary
    from notebookviz.finetune.augmenting import Augmented
    from notebookviz.finetune.evaluation import evaluate
    from notebookviz.finetune.freezing import freeze, train_only, unfreeze
    from notebookviz.finetune.head import replace_head
    from notebookviz.finetune.lora import add_lora
    from notebookviz.finetune.restoring import load_fine_tuned
    from notebookviz.finetune.trying import find_learning_rate, overfit_one_batch
    from notebookviz.finetune.tuning import fine_tune
    from notebookviz.finetune.weights import load_weights
    from notebookviz.panel import Panel
    from notebookviz.writing.cells import fine_tune_cells

__all__ = [
    "Augmented",
    "ExportError",
    "InputError",
    "LoadingError",
    "MissingExtraError",
    "NotebookvizError",
    "Panel",
    "ViewerError",
    "add_lora",
    "evaluate",
    "find_learning_rate",
    "fine_tune",
    "fine_tune_cells",
    "freeze",
    "load_fine_tuned",
    "load_weights",
    "open_file",
    "overfit_one_batch",
    "replace_head",
    "show",
    "summary",
    "train_only",
    "unfreeze",
]

_LAZY: Final = {
    "Augmented": "notebookviz.finetune.augmenting",
    "Panel": "notebookviz.panel",
    "add_lora": "notebookviz.finetune.lora",
    "evaluate": "notebookviz.finetune.evaluation",
    "find_learning_rate": "notebookviz.finetune.trying",
    "fine_tune": "notebookviz.finetune.tuning",
    "fine_tune_cells": "notebookviz.writing.cells",
    "freeze": "notebookviz.finetune.freezing",
    "load_fine_tuned": "notebookviz.finetune.restoring",
    "load_weights": "notebookviz.finetune.weights",
    "open_file": "notebookviz.api",
    "overfit_one_batch": "notebookviz.finetune.trying",
    "replace_head": "notebookviz.finetune.head",
    "show": "notebookviz.api",
    "summary": "notebookviz.api",
    "train_only": "notebookviz.finetune.freezing",
    "unfreeze": "notebookviz.finetune.freezing",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a function or a class
    """Load what needs torch or widgets only when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module 'notebookviz' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register ``%netron``: what ``%load_ext notebookviz`` does."""
    from notebookviz.magic import register

    register(shell)
