"""Tenants that were erased. Whoever serves requests reads the table and cannot write it: a row there ends a tenant."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0004_which_columns_requests_write")]

    operations = [
        migrations.CreateModel(
            name="Tombstone",
            fields=[
                ("id", models.UUIDField(editable=False, help_text="the tenant's", primary_key=True, serialize=False)),
                ("certificate_id", models.UUIDField()),
                ("began_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={"ordering": ("began_at",)},
        ),
        migrations.RunSQL(
            f'REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON tenants_tombstone FROM "{settings.OMNI_RUNTIME_ROLE}"',
            migrations.RunSQL.noop,
        ),
    ]
