"""The statement of every question: a data set that somebody may query, its published model, and the tenant's key.

By hand for the reasons of :mod:`apps.access.statements`; a test compares it with what the ORM and guardian answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection, models

from apps.access.deciding import counting
from apps.access.rules import rule_of
from apps.access.statements import holds_sql
from apps.access.types import Actor
from apps.connections.models import Connection
from apps.datamodels.models import DataModel, Dataset, ModelVersion
from apps.datamodels.rules import QUERY
from apps.tenants.binding import bound_tenant_id
from apps.vault.services import KEY, hold_key

LEFT_OUT: dict[type[models.Model], tuple[str, ...]] = {
    DataModel: ("created_at",),
    Connection: (
        "options", "excess_rights", "sealed_credential", "pending_credential", "health_text", "health", "checked_at",
        "refresh_every_h", "refresh_due_at", "created_at",
    ),
    ModelVersion: (
        "origin", "base_number", "created_at", "created_by", "author_id", "changed_at", "changed_by",
        "discarded_at",
    ),
}  # fmt: skip
"""columns that no question needs; whoever asks a row for one of them reads it then"""
TO_OPEN = ("options", "sealed_credential")
"""those of them that a worker needs, which opens the source"""
PARTS: tuple[tuple[str, type[models.Model]], ...] = (
    ("d", Dataset), ("m", DataModel), ("c", Connection), ("v", ModelVersion),
)  # fmt: skip
Permitted = tuple[Dataset, ModelVersion | None]


def _fields(model: type[models.Model], *, opens: bool) -> list[Any]:
    left_out = {*LEFT_OUT.get(model, ())} - ({*TO_OPEN} if opens else set())
    return [field for field in model._meta.concrete_fields if field.name not in left_out]


@cache
def _widths(opens: bool) -> tuple[tuple[type[models.Model], list[str]], ...]:
    return tuple((model, [field.attname for field in _fields(model, opens=opens)]) for _, model in PARTS)


@cache
def permitted_sql(opens: bool = False) -> str:
    """Return the statement; parameters are ``tenant``, ``name`` and ``person``. For one who ``opens`` the source it reads more."""
    columns = ", ".join(
        f'{letter}."{field.column}"' + ("::json" if opens and field.name == "options" else "")
        for letter, model in PARTS
        for field in _fields(model, opens=opens)
    )
    held = holds_sql(counting(rule_of(Dataset, QUERY)), "d.id")
    return f"""
SELECT {columns}, {KEY}
  FROM datamodels_dataset d JOIN datamodels_datamodel m ON m.id = d.data_model_id
  JOIN connections_connection c ON c.id = m.connection_id
  LEFT JOIN datamodels_modelversion v ON v.data_model_id = m.id AND v.is_current
 WHERE d.tenant_id = %(tenant)s AND d.name = %(name)s AND d.is_published AND {held}
"""


def read_permitted(actor: Actor, name: str) -> Permitted | None:
    """Return the published data set of this name with its model's current version; None where there is none for the actor.

    Only for those who hold permissions by grants of their own: people and tokens, not seeing as somebody else.
    """
    return ask_permitted(actor.subject_id, name, opens=False).read()


@dataclass(frozen=True, slots=True)
class Asked:
    """What :func:`read_permitted` returns, asked of the database for a person and not read yet."""

    tenant_id: UUID
    person_id: UUID | None
    name: str
    read: Callable[[], Permitted | None]

    def is_of(self, actor: Actor, name: str) -> bool:
        """Say whether this is the answer for the actor."""
        mine = (actor.tenant_id, actor.subject_id, name)
        return self.person_id is not None and (self.tenant_id, self.person_id, self.name) == mine


def ask_permitted(person_id: UUID | None, name: str, *, opens: bool) -> Asked:
    """Ask as :func:`read_permitted` does. Within ``connection.one_message()`` it is read after that."""
    params = {"tenant": bound_tenant_id(), "name": name, "person": person_id}
    cursor = connection.prepared_cursor()  # type: ignore[attr-defined]  # our own backend's
    cursor.execute(permitted_sql(opens), params)

    def read() -> Permitted | None:
        with cursor:
            row = cursor.fetchone()
        return _permitted(row, opens=opens) if row is not None else None

    return Asked(bound_tenant_id(), person_id, name, read)


def _permitted(row: tuple[Any, ...], *, opens: bool) -> Permitted:
    hold_key(row[-1])
    found: list[Any] = []
    start = 0
    for model, names in _widths(opens):
        values = row[start : start + len(names)]
        found.append(model.from_db(connection.alias, names, values) if values[0] is not None else None)
        start += len(names)
    dataset, data_model, source, version = found
    data_model.connection = source
    dataset.data_model = data_model
    if version is not None:
        version.data_model = data_model
    return dataset, version
