"""Of a tenant's row only what its administrators decide is written by requests: not its name, its slug, nor whether it is active.

The row's policies say whose row it is, and cannot tell columns apart; rights on columns can. Those of the table go first,
since they hold for every column. Whoever stops or renames a tenant does so as the owner.
"""

from django.conf import settings
from django.db import migrations

COLUMNS = (
    "session_idle_min", "session_lifetime_min", "token_max_days", "confirm_within_min", "networks_people",
    "networks_tokens", "networks_scim",
)  # fmt: skip
ROLE = f'"{settings.OMNI_RUNTIME_ROLE}"'


class Migration(migrations.Migration):
    dependencies = (("tenants", "0003_who_writes_tenants"),)

    operations = (
        migrations.RunSQL(
            [
                f"REVOKE UPDATE ON tenants_tenant FROM {ROLE}",
                f"GRANT UPDATE ({', '.join(COLUMNS)}) ON tenants_tenant TO {ROLE}",
            ],
            f"GRANT UPDATE ON tenants_tenant TO {ROLE}",
        ),
    )
