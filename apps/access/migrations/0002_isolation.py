"""The database's locks on this app's tenant-owned tables."""

from django.db import migrations

from apps.tenants.isolation import Isolate


class Migration(migrations.Migration):
    dependencies = (
        ("access", "0001_initial"),
        ("accounts", "0002_isolation"),
    )

    operations = (Isolate(),)
