"""Erasures that are under way; the owner's alone."""

import uuid

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("retention", "0002_isolation")]

    operations = [
        migrations.CreateModel(
            name="ErasureRequest",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, help_text="the certificate's too", primary_key=True, serialize=False)),
                ("erased_id", models.UUIDField(help_text="the tenant's")),
                ("slug", models.SlugField(max_length=40)),
                ("requested_by", models.CharField(max_length=200)),
                ("began_at", models.DateTimeField()),
                ("keys_destroyed_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("rows", models.JSONField(default=dict, help_text="table → how many of its rows were deleted")),
                ("facts", models.JSONField(default=dict, help_text="what else the certificate says")),
            ],
            options={"ordering": ("began_at",)},
        ),
        migrations.AddConstraint(
            "erasurerequest",
            models.UniqueConstraint(
                condition=models.Q(("ended_at", None)), fields=("erased_id",), name="retention_one_erasure"
            ),
        ),
        migrations.RunSQL(
            f'REVOKE ALL ON retention_erasurerequest FROM "{settings.OMNI_RUNTIME_ROLE}"', migrations.RunSQL.noop
        ),
    ]
