"""Who a tenant is and which host names it has is written with nobody bound: no request of a customer's can.

Both tables are read before a tenant is bound, so everybody may read them. A request may change its own tenant's row.
"""

from django.db import migrations

from apps.tenants.isolation import CURRENT

NOBODY = f"{CURRENT} IS NULL"
RULES = {"tenants_tenant": f"{NOBODY} OR id = {CURRENT}", "tenants_tenantdomain": NOBODY}


def statements() -> list[str]:
    """An update of another tenant's row fails aloud rather than changing nothing."""
    made = []
    for table, rule in RULES.items():
        made += [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY platform_select ON {table} FOR SELECT USING (true)",
            f"CREATE POLICY platform_insert ON {table} FOR INSERT WITH CHECK ({NOBODY})",
            f"CREATE POLICY platform_update ON {table} FOR UPDATE USING (true) WITH CHECK ({rule})",
            f"CREATE POLICY platform_delete ON {table} FOR DELETE USING ({NOBODY})",
        ]
    return made


class Migration(migrations.Migration):
    dependencies = (("tenants", "0002_sign_in_settings"),)

    operations = (migrations.RunSQL(statements()),)
