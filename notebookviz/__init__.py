"""See the PyTorch model you hold in memory, in Jupyter, in the real Netron viewer."""
