"""Promises about access."""

from django.db import connection

from apps.tenants.types import Control, ControlResult


def _no_generic_grants() -> ControlResult:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM access_genericuserpermission) + (SELECT count(*) FROM access_genericgrouppermission)"
        )
        row = cursor.fetchone()
    count = row[0] if row else 0
    return ControlResult(count == 0, f"{count} grants outside the direct tables")


CONTROLS = (
    Control(
        "access.direct_grants",
        "P1",
        "Permissions are held on single objects, in tables of the tenant",
        _no_generic_grants,
    ),
)
