"""Errors of connections."""


class CredentialRequiredError(ValueError):
    """Another target needs its credential to be written again: the sealed one is bound to the old target."""

    def __init__(self) -> None:
        super().__init__("another target needs its password to be written again")
