"""Errors of running queries."""

from apps.semantic.errors import QueryError

TEXTS = {
    "unreachable": "The source database cannot be reached at the moment.",
    "refused_credentials": "The source database refused the connection's credentials.",
    "unsafe_sign_in": "The source database asks for its password in an unsafe way and was not given it.",
    "timed_out": "The query took longer than this connection allows and was stopped.",
    "cancelled": "The query was cancelled.",
    "too_large": "The answer is larger than this connection allows. Narrow the question.",
    "crashed": "The source database ended in the middle of this query. Nothing else was harmed; ask again, or for less.",
    "nonsense": "The source database answered in a way that its protocol does not know.",
    "bad_value": (
        "A calculation in this question failed on a value: a division by zero, a number out of range, or a text that is no "
        "number or date. Filter such rows out, or leave the field out that calculates."
    ),
    "not_there": (
        "The source database has no table or column that the data model names here, or does not let this connection read "
        "it. Your data team can compare the model with the database."
    ),
    "query_failed": "The source database could not answer this query.",
    "forbidden": "You may not ask this any more.",
    "changed": "Your access or the data model changed while the query was waiting. Ask again.",
    "no_queue": "Questions cannot be passed to a worker at the moment. What is kept is still shown; ask again shortly.",
    "too_many_waiting": "Too many queries are waiting already. Ask again when some of them have ended.",
    "no_space": "The answer could not be stored: there is no room for it at the moment.",
    "lost": "The worker that ran this query was lost. Ask again.",
}


class QueryFailedError(Exception):
    """A run did not end well; ``message`` is for the person who asked and names nothing of the source."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or TEXTS.get(code, TEXTS["query_failed"]))
        self.code = code
        self.message = message or TEXTS.get(code, TEXTS["query_failed"])


class SupersededError(Exception):
    """Another worker has this run by now, or it has ended: whoever holds it no longer says nothing about it."""


class UnknownCachePolicyError(LookupError):
    """The model has no cache policy of this name."""


class TokenScopeError(QueryError):
    """The token may look at data sets, and not have queries run."""

    code = "scope"

    def __init__(self) -> None:
        super().__init__("This token reads what data sets there are. Running queries needs one of scope query.")


class NoDownloadError(QueryError):
    """The data set is not offered for download."""

    code = "no_download"

    def __init__(self) -> None:
        super().__init__("This data set is not offered for download.")


class UnknownRunError(LookupError):
    """There is no such run, or none of the actor's: the caller cannot tell which."""
