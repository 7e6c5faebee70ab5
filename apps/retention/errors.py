"""Errors of retention."""


class PurgeIncompleteError(RuntimeError):
    """Some tenant's temporary data could not be purged; the log says why."""
