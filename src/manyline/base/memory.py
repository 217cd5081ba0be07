"""Telling Python's garbage collector what kind of process this is."""

import gc

# The default looks for cycles every 700 allocations, which a batch of documents makes at once.
ALLOCATIONS = 50_000


def settle_memory() -> None:
    """Call once everything is imported and built: what lives now is left out of every search."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 20, 20)
