"""Errors of identity."""


class SignInError(Exception):
    """A sign-in is refused; ``code`` goes to the log, the message to the person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NotInvitedError(SignInError):
    """Nobody with this identity may enter: unknown, disabled and unverified answer alike."""

    def __init__(self) -> None:
        super().__init__("not_invited", "Your identity was confirmed, but nobody has invited you here.")


class AttributeTypeError(ValueError):
    """A value does not have the type of its attribute."""


class SamlError(SignInError):
    """A SAML document is refused. The message says why, in words for whoever set the provider up."""


class ProviderError(ValueError):
    """What was written about an identity provider cannot be used; the message says why."""
