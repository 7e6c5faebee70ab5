"""Errors of asking another administrator."""


class UnknownRequestError(LookupError):
    """There is no such request here, or the actor is no administrator in person: they cannot tell which."""


class RequestRefusedError(Exception):
    """It cannot be done now; ``text`` is a sentence for the administrator who tried."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
