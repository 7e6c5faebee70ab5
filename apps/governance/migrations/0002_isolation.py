"""The database's locks on this app's tenant-owned tables."""

from django.db import migrations

from apps.tenants.isolation import Isolate


class Migration(migrations.Migration):
    dependencies = (
        ("governance", "0001_initial"),
        ("datamodels", "0004_published_stays"),
    )

    operations = (Isolate(),)
