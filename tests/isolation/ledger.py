"""What the database holds, house by house: to see that nothing has changed, and that nobody has taken another's ids."""

import psycopg
from django.apps import apps

from apps.tenants.binding import bound
from apps.tenants.models import TenantOwnedModel
from tests import databases
from tests.environment import WORKER
from tests.isolation.houses import House

TABLES = """SELECT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE a.attname = 'tenant_id' AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1"""
OTHERS = ("tenants_tenant", "auth_permission", "django_content_type", "django_migrations", "django_admin_log")


class Ledger:
    """What the whole database holds, table by table and tenant by tenant, seen by a superuser."""

    def __init__(self) -> None:
        self.connection = psycopg.connect(databases.admin_url(f"omni_test_{WORKER}"), autocommit=True)
        owned = [name for (name,) in self.connection.execute(TABLES)]
        parts = [(name, "tenant_id::text") for name in owned] + [(name, "''") for name in OTHERS]
        self.statement = " UNION ALL ".join(
            f"SELECT '{name}', {tenant}, count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {name} t GROUP BY 2"
            for name, tenant in parts
        )
        self.texts = " UNION ALL ".join(
            f"SELECT '{name}', t::text FROM {name} t WHERE tenant_id = %(tenant)s" for name in owned
        )

    def read(self) -> dict[tuple[str, str], tuple[int, str]]:
        """Return (table, tenant) → (number of rows, digest of them)."""
        return {
            (table, tenant): (count, digest) for table, tenant, count, digest in self.connection.execute(self.statement)
        }

    def mentions(self, house: House, texts: set[str], *, but: frozenset[str]) -> list[str]:
        """Return the tables of a house that hold any of the texts."""
        rows = self.connection.execute(self.texts, {"tenant": house.tenant.id})
        return sorted({table for table, text in rows if table not in but and any(known in text for known in texts)})

    def ids(self, house: House) -> set[str]:
        """Return the id of every row of a house."""
        found: set[str] = set()
        for model in apps.get_models():
            if issubclass(model, TenantOwnedModel):
                with bound(house.tenant.id):
                    found |= {str(pk) for pk in model.objects.values_list("pk", flat=True)}
        return found

    def close(self) -> None:
        self.connection.close()


def changed(
    before: dict[tuple[str, str], tuple[int, str]], after: dict[tuple[str, str], tuple[int, str]], *houses: House
) -> set[str]:
    """Return the tables that changed, those of the named houses and of nobody."""
    tenants = {"", *(str(house.tenant.id) for house in houses)}
    return {
        table
        for table, tenant in {*before, *after}
        if tenant in tenants and before.get((table, tenant)) != after.get((table, tenant))
    }
