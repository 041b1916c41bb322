"""True ONNX: export in a child process, save, compare with PyTorch.

The names load on first use, so that a child that only checks a file does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notebookviz.onnx_export.exporter import export, needs_weights_bytes
    from notebookviz.onnx_export.process import ExportCancelledError
    from notebookviz.onnx_export.records import STAGES, Comparison, Difference, OnnxExport, OnnxWarning, SavedOnnx
    from notebookviz.onnx_export.saving import check, compare, external_bytes, regrouped, save, target_of

__all__ = [
    "STAGES",
    "Comparison",
    "Difference",
    "ExportCancelledError",
    "OnnxExport",
    "OnnxWarning",
    "SavedOnnx",
    "check",
    "compare",
    "export",
    "external_bytes",
    "needs_weights_bytes",
    "regrouped",
    "save",
    "target_of",
]
_HOMES = {
    "exporter": ("export", "needs_weights_bytes"),
    "process": ("ExportCancelledError",),
    "records": ("STAGES", "Comparison", "Difference", "OnnxExport", "OnnxWarning", "SavedOnnx"),
    "saving": ("check", "compare", "external_bytes", "regrouped", "save", "target_of"),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"notebookviz.onnx_export.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
