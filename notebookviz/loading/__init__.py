"""The only place that reads model files from disk; nothing in them is executed or unpickled."""

from notebookviz.loading.files import MODEL_SUFFIXES, ModelFile, read_model_file
from notebookviz.loading.tensors import read_json, read_tensors

__all__ = ["MODEL_SUFFIXES", "ModelFile", "read_json", "read_model_file", "read_tensors"]
