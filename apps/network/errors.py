"""Errors of reaching somewhere, in words that name no host and no address."""

MESSAGES = {
    "odd_host": "The host is not a plain host name or address.",
    "unreachable": "The host cannot be reached.",
    "refused_address": "Private and local addresses are not allowed by the operator.",
    "redirected": "The answer leads to another address; only the address itself is asked.",
    "too_large": "The answer is larger than any that belongs here.",
    "timed_out": "The answer took too long.",
}


class AddressError(Exception):
    """A host is not one to connect to, or did not resolve; ``code`` is one of :data:`MESSAGES`."""

    def __init__(self, code: str) -> None:
        super().__init__(MESSAGES[code])
        self.code = code
        self.message = MESSAGES[code]
