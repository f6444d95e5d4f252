"""What scripts take from PyTorch's launcher: multiprocessing.errors.record."""
