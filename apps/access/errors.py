"""Errors of access."""


class UnknownPermissionError(LookupError):
    """Objects of this kind have no such permission."""


class UnknownPersonError(LookupError):
    """There is nobody whom the actor may see as: missing, of another tenant, an administrator, or not theirs to see."""


class ReviewChangedError(RuntimeError):
    """The list that somebody wants to sign off is not the one that they looked at any more."""
