"""The garbage collector, where spans are decoded by the thousand."""

import gc

_COLLECT_AFTER = (100_000, 20, 50)


def spare_the_collector() -> None:
    """Let it look less often, and never at what there is now."""
    # Decoded spans are many and without cycles; walking them costs as much as normalising them.
    # What was imported stays for good: freezing it keeps it out of every later walk.
    gc.freeze()
    gc.enable()
    gc.set_threshold(*_COLLECT_AFTER)
