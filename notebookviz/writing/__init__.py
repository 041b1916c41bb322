"""A training as plain PyTorch cells, which run without notebookviz."""
