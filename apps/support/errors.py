"""Errors of support access."""


class SupportError(Exception):
    """Base of everything this app raises; the text may be shown."""


class NotPermittedError(SupportError):
    """The actor may not do this. Views answer as if the object did not exist."""


class UnknownCustomerError(SupportError):
    """No customer can be asked under this name; nobody learns why."""

    def __init__(self) -> None:
        super().__init__("This request cannot be sent. Check the name of the tenant.")


class RequestStateError(SupportError):
    """The request has been decided, withdrawn or ended, or its time is over."""


class TicketError(SupportError):
    """The one-time ticket is unknown, used, expired, or of another tenant."""

    def __init__(self) -> None:
        super().__init__("This way in has been used or has expired. Press Enter again.")
