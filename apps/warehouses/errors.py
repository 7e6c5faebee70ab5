"""Errors of sources, in words that name no host, no secret and no SQL."""

MESSAGES = {
    "unreachable": "The database cannot be reached.",
    "refused_credentials": "The database refused the user name or password.",
    "unsafe_sign_in": "The database asks for the password in a way that would give it away. Use TLS with sslmode=verify-full.",
    "refused_target": "This target is not allowed here.",
    "timed_out": "The database took longer than the connection allows.",
    "cancelled": "The query was cancelled.",
    "too_large": "The answer is larger than the connection allows.",
    "crashed": "The database ended in the middle of the query; nothing else was harmed.",
    "nonsense": "The database answered in a way that its protocol does not know.",
    "bad_value": "A calculation of the query failed on a value: nothing to divide by, a number out of range, a text that is none.",
    "not_there": "The database has no table or column of a name in the query, or its user may not read it.",
    "query_failed": "The database could not run the query.",
}


HINTS = {
    "": "",
    "name": "Its host name is not known here.",
    "refused": "Nothing listens at that address and port.",
    "silent": "Nothing answered in time: a firewall, or another address.",
    "certificate": "Its certificate is not trusted here, has expired, or is for another name.",
    "no_tls": "It does not offer TLS.",
    "no_database": "There is no database of that name.",
    "no_entry": "Its access list does not let this user in from here.",
}
"""what an administrator who checks a connection is told besides; it names nothing either"""


class WarehouseError(Exception):
    """A source did not do what was asked; ``code`` is one of :data:`MESSAGES`, ``hint`` one of :data:`HINTS`."""

    def __init__(self, code: str, message: str = "", *, hint: str = "") -> None:
        super().__init__(message or MESSAGES[code])
        self.hint = HINTS[hint]
        self.code = code
        self.message = message or MESSAGES[code]
