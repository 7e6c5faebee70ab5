"""The database's locks on this app's tenant-owned tables."""

from django.conf import settings
from django.db import migrations

from apps.tenants.isolation import Isolate


class Migration(migrations.Migration):
    dependencies = (("audit", "0001_initial"),)

    operations = (
        Isolate(),
        migrations.RunSQL(f'REVOKE UPDATE, DELETE, TRUNCATE ON audit_auditevent FROM "{settings.OMNI_RUNTIME_ROLE}"'),
    )
