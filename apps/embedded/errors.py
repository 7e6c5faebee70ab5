"""Errors of the embedded services."""


class EmbeddedServiceError(RuntimeError):
    """An embedded service cannot be started; the message says what to do."""
