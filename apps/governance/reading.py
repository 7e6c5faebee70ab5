"""The statement of every question: a data set that somebody may query, its published model, and the tenant's key.

By hand for the reasons of :mod:`apps.access.statements`; a test compares it with what the ORM and guardian answer.
"""

from functools import cache
from typing import Any

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
    Connection: ("options", "excess_rights", "sealed_credential", "pending_credential", "health_text"),
}
"""columns that no question needs; whoever asks a row for one of them reads it then"""
PARTS: tuple[tuple[str, type[models.Model]], ...] = (
    ("d", Dataset), ("m", DataModel), ("c", Connection), ("v", ModelVersion),
)  # fmt: skip


def _fields(model: type[models.Model]) -> list[Any]:
    return [field for field in model._meta.concrete_fields if field.name not in LEFT_OUT.get(model, ())]


WIDTHS = tuple((model, [field.attname for field in _fields(model)]) for _, model in PARTS)


@cache
def permitted_sql() -> str:
    """Return the statement; parameters are ``tenant``, ``name`` and ``person``."""
    columns = ", ".join(f'{letter}."{field.column}"' for letter, model in PARTS for field in _fields(model))
    held = holds_sql(counting(rule_of(Dataset, QUERY)), "d.id")
    return f"""
SELECT {columns}, {KEY}
  FROM datamodels_dataset d JOIN datamodels_datamodel m ON m.id = d.data_model_id
  JOIN connections_connection c ON c.id = m.connection_id
  LEFT JOIN datamodels_modelversion v ON v.data_model_id = m.id AND v.is_current
 WHERE d.tenant_id = %(tenant)s AND d.name = %(name)s AND d.is_published AND {held}
"""


def read_permitted(actor: Actor, name: str) -> tuple[Dataset, ModelVersion | None] | None:
    """Return the published data set of this name with its model's current version; None where there is none for the actor.

    Only for those who hold permissions by grants of their own: people and tokens, not seeing as somebody else.
    """
    params = {"tenant": bound_tenant_id(), "name": name, "person": actor.subject_id}
    with connection.prepared_cursor() as cursor:  # type: ignore[attr-defined]  # our own backend's
        cursor.execute(permitted_sql(), params)
        row = cursor.fetchone()
    if row is None:
        return None
    hold_key(row[-1])
    found: list[Any] = []
    start = 0
    for model, names in WIDTHS:
        values = row[start : start + len(names)]
        found.append(model.from_db(connection.alias, names, values) if values[0] is not None else None)
        start += len(names)
    dataset, data_model, source, version = found
    data_model.connection = source
    dataset.data_model = data_model
    if version is not None:
        version.data_model = data_model
    return dataset, version
