"""When Python looks for garbage, in processes that live long and answer questions."""

import gc

YOUNG, MIDDLE, OLD = 20_000, 20, 50
"""objects more than were freed before the youngest are looked at; how often those that survive are looked at with them.
A question makes some thousand objects of a tree, which die with it: looking at them in between finds nothing."""


def freeze() -> None:
    """Keep what is loaded out of the collector's sight: it stays, and processes that are forked share it."""
    gc.collect()
    gc.freeze()


def collect_rarely() -> None:
    """Look more rarely than a script would."""
    gc.set_threshold(YOUNG, MIDDLE, OLD)
