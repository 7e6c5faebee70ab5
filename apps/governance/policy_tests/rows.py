"""The way to real rows, for tests that ask for it. What lies above governance provides it; without it no row is read."""

from datetime import datetime
from typing import Protocol

from apps.connections.models import Connection
from apps.semantic.model.types import Scalar, SemanticModel
from apps.semantic.query.types import SemanticQuery
from apps.semantic.scope import AccessScope


class RowsUnavailableError(Exception):
    """The source cannot be asked from here; the text says why, for people."""


class RowReader(Protocol):
    """Reads rows as for anybody who asks: compiled, proven, then run."""

    def __call__(
        self, query: SemanticQuery, *, connection: Connection, model: SemanticModel, scope: AccessScope, now: datetime
    ) -> list[tuple[Scalar, ...]]:
        """Return the rows.

        Raises:
            RowsUnavailableError: this process may not open the source, or the source does not answer.
            QueryError: the question cannot be asked in this scope.
        """
        ...


_readers: list[RowReader] = []


def register_row_reader(reader: RowReader) -> None:
    """Say how rows are read; a second one takes the first one's place."""
    _readers[:] = [reader]


def row_reader() -> RowReader | None:
    """Return the way to real rows, if there is one."""
    return _readers[0] if _readers else None
