"""Fine-tuning: another head, what learns, the training loop, and the way back from a file."""
