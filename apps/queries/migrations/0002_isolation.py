"""The database's locks on this app's tenant-owned tables."""

from django.db import migrations

from apps.tenants.isolation import Isolate


class Migration(migrations.Migration):
    dependencies = (
        ("queries", "0001_initial"),
        ("datamodels", "0002_isolation"),
    )

    operations = (
        Isolate(),
        # never in the write-ahead log, a replica or a backup
        migrations.RunSQL("ALTER TABLE queries_cachedresult SET UNLOGGED"),
    )
