"""What scripts take from the launcher: multiprocessing.errors.record."""
