"""Errors of data models."""


class UnknownFileError(LookupError):
    """The model has no file of this name."""
