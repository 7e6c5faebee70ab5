"""Errors of access."""


class UnknownPermissionError(LookupError):
    """Objects of this kind have no such permission."""
