"""What the tests of governance share: the way to real rows, as a worker has it."""

from datetime import datetime

from apps.connections.models import Connection
from apps.connections.selectors import open_source
from apps.governance.policy_tests.rows import RowsUnavailableError
from apps.semantic.compile import compile_query
from apps.semantic.model.types import Scalar, SemanticModel
from apps.semantic.query.types import SemanticQuery
from apps.semantic.scope import AccessScope
from apps.semantic.verify import verify
from apps.vault.errors import VaultError
from apps.warehouses.errors import WarehouseError
from apps.warehouses.types import Limits


def read_rows(
    query: SemanticQuery, *, connection: Connection, model: SemanticModel, scope: AccessScope, now: datetime
) -> list[tuple[Scalar, ...]]:
    """Compile, prove and run a question."""
    compiled = compile_query(query, model=model, scope=scope, today=now.date())
    verify(compiled, model=model, scope=scope)
    try:
        opened = open_source(connection)
    except (WarehouseError, VaultError) as error:
        raise RowsUnavailableError("the source does not answer") from error
    try:
        limits = Limits(compiled.row_limit + 1, connection.max_bytes, connection.timeout_s)
        table = opened.execute(compiled.sql, compiled.parameters, limits).table
    except WarehouseError as error:
        raise RowsUnavailableError("the source does not answer") from error
    finally:
        opened.close()
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
