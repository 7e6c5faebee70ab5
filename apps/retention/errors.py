"""Errors of retention."""


class PurgeIncompleteError(RuntimeError):
    """Some tenant's temporary data could not be purged; the log says why."""


class ErasureError(RuntimeError):
    """A tenant cannot be erased, or not now; the message says why and what to do."""


class OrderRefusedError(Exception):
    """An administrator's request for erasure cannot be made or changed now; ``text`` is a sentence for them."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class WrongNameError(OrderRefusedError):
    """The name that was typed is not the tenant's."""


class CertificateError(ValueError):
    """A file is no certificate of erasure that holds here; the message says why."""
