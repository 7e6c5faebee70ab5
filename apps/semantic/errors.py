"""What can be wrong with a model or a query. Messages are for the person who wrote it and name nothing they may not see."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a model file; line and column count from 1."""

    file: str
    line: int
    column: int
    message: str
    is_warning: bool = False

    def __str__(self) -> str:
        kind = "warning: " if self.is_warning else ""
        return f"{self.file}:{self.line}:{self.column}: {kind}{self.message}"


class SemanticError(Exception):
    """Base of everything this package raises."""


class ModelError(SemanticError):
    """The files do not make a model; carries every problem found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class QueryError(SemanticError):
    """The query cannot be answered; ``path`` says where in the request the fault is, e.g. ``filters.orders.status``."""

    code = "invalid_query"

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class UnreadableModelError(ModelError, QueryError):
    """A model that was published once has faults by today's rules: nothing of it can be asked until it is repaired."""

    code = "unreadable_model"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        ModelError.__init__(self, problems)
        self.message = (
            "This data cannot be asked at the moment: its data team has to repair the model that describes it."
        )
        self.path = "dataset"


class MalformedQueryError(QueryError):
    """Unknown key, wrong type, unknown operator."""

    code = "malformed_query"


class UnknownFieldError(QueryError):
    """A name is not in the model, or not in the scope: the caller cannot tell which."""

    code = "unknown_field"


class UnknownDatasetError(QueryError):
    """There is no such data set, or none the actor may query: the caller cannot tell which."""

    code = "unknown_dataset"


class MissingAttributeError(QueryError):
    """A row policy needs a user attribute that the actor does not have."""

    code = "missing_attribute"

    def __init__(self, attribute: str, *, has_several: bool = False, is_unsure: bool = False) -> None:
        fault = "several values" if has_several else "no value"
        text = (
            f"Your account has {fault} for “{attribute}”, which decides the rows you may see. "
            "Ask your administrator to set it."
        )
        if is_unsure:
            text = (
                f"“{attribute}” decides the rows you may see, and what it is compared with has no type in the model. "
                "Ask your administrator to give the column a type."
            )
        super().__init__(text)
        self.attribute = attribute


class FanOutError(QueryError):
    """A join would multiply rows and give wrong totals."""

    code = "fan_out"


class UnprovenSqlError(SemanticError):
    """``verify`` could not prove the scope on the finished SQL; it must not run."""
