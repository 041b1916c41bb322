"""True ONNX: export in a child process, save, compare with PyTorch."""

from notebookviz.onnx_export.exporter import export, needs_weights_bytes
from notebookviz.onnx_export.process import ExportCancelledError
from notebookviz.onnx_export.records import STAGES, Comparison, Difference, OnnxExport, SavedOnnx

__all__ = [
    "STAGES",
    "Comparison",
    "Difference",
    "ExportCancelledError",
    "OnnxExport",
    "SavedOnnx",
    "export",
    "needs_weights_bytes",
]
