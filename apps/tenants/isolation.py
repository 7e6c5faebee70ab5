"""The database's two locks on a tenant-owned table, as one migration operation.

``Isolate()`` goes at the end of a migration that creates tenant-owned tables. For each
table of the app it forces row-level security with a policy per command, makes
``(tenant_id, id)`` a key, and ties every foreign key to a tenant-owned table to that
pair, so that a row cannot point into another tenant even by a statement that got
around the first lock.
"""

from typing import Any

from django.apps.registry import Apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation, OperationCategory
from django.db.migrations.state import ProjectState

CURRENT = "NULLIF(current_setting('omni.tenant_id', true), '')::uuid"
COMMANDS = {
    "select": "USING ({rule})",
    "insert": "WITH CHECK ({rule})",
    "update": "USING ({rule}) WITH CHECK ({rule})",
    "delete": "USING ({rule})",
}


def is_tenant_owned(model: type[models.Model]) -> bool:
    """Say whether the model's own table has a tenant column."""
    return any(field.name == "tenant" for field in model._meta.local_fields)


def lock_statements(model: type[models.Model]) -> list[str]:
    """Return the statements that lock one table."""
    table = model._meta.db_table
    rule = f"tenant_id = {CURRENT}"
    statements = [f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY', f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY']
    statements += [
        f'CREATE POLICY "tenant_{command}" ON "{table}" FOR {command.upper()} ' + clause.format(rule=rule)
        for command, clause in COMMANDS.items()
    ]
    key = model._meta.pk.column
    statements.append(f'ALTER TABLE "{table}" ADD CONSTRAINT "{table}_tenant_key" UNIQUE (tenant_id, "{key}")')
    return statements


def tie_statements(model: type[models.Model]) -> list[str]:
    """Return the statements that tie the table's foreign keys to their tenant."""
    table = model._meta.db_table
    statements = []
    for field in model._meta.local_fields:
        target = field.related_model
        if not isinstance(target, type) or field.name == "tenant" or not is_tenant_owned(target):
            continue
        other, key = target._meta.db_table, target._meta.pk.column
        statements.append(
            f'ALTER TABLE "{table}" ADD CONSTRAINT "{table}_{field.column}_tenant" '
            f'FOREIGN KEY (tenant_id, "{field.column}") REFERENCES "{other}" (tenant_id, "{key}") '
            "DEFERRABLE INITIALLY DEFERRED"
        )
    return statements


class Isolate(Operation):
    """Lock the named models' tables, or all tenant-owned tables of the app."""

    reduces_to_sql = True
    reversible = False
    category = OperationCategory.SQL

    def __init__(self, *names: str) -> None:
        self.names = tuple(name.lower() for name in names)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return (self.__class__.__qualname__, list(self.names), {})

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change nothing in Django's view of the tables."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        apps: Apps = to_state.apps
        owned = [
            model
            for model in apps.get_app_config(app_label).get_models(include_auto_created=True)
            if is_tenant_owned(model) and (not self.names or model._meta.model_name in self.names)
        ]
        for statements in (lock_statements, tie_statements):
            for model in owned:
                for statement in statements(model):
                    schema_editor.execute(statement)

    def describe(self) -> str:
        return "Lock tenant-owned tables: forced row-level security and composite keys"


LONE_KEYS = """
SELECT format('ALTER TABLE %I DROP CONSTRAINT %I', s.relname, f.conname) FROM pg_constraint f
  JOIN pg_class s ON s.oid = f.conrelid AND s.relnamespace = 'public'::regnamespace
  JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attname = 'tenant_id'
 WHERE f.contype = 'f' AND cardinality(f.conkey) = 1 AND f.conkey[1] <> a.attnum
   AND EXISTS (SELECT 1 FROM pg_constraint g WHERE g.contype = 'f' AND g.conrelid = f.conrelid AND g.confrelid = f.confrelid
     AND g.conkey = ARRAY[a.attnum] || f.conkey)
"""


def drop_lone_keys(connection: BaseDatabaseWrapper) -> int:
    """Drop Django's foreign keys on one column where one with the tenant stands beside it; return how many.

    With both, an id that exists in another tenant breaks one key and an id that exists nowhere breaks the other: the
    error would tell the two apart. Django makes its own at the end of each migration, hence after all of them.
    """
    with connection.cursor() as cursor:
        cursor.execute(LONE_KEYS)
        statements = [row[0] for row in cursor.fetchall()]
        for statement in statements:
            cursor.execute(statement)
    return len(statements)
