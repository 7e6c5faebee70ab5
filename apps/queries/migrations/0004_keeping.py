"""How long answers are kept. What was kept before is forgotten: nothing says under which policy it was made."""

import apps.queries.models
import apps.tenants.binding
import django.core.validators
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from apps.tenants.isolation import Isolate


# PostgreSQL 17 and later let a role that owns nothing vacuum a table; before, its owner's autovacuum does it alone.
VACUUM = f"""
DO $$ BEGIN
    IF current_setting('server_version_num')::int >= 170000 THEN
        EXECUTE 'GRANT MAINTAIN ON queries_cachedresult TO "{settings.OMNI_RUNTIME_ROLE}"';
    END IF;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("datamodels", "0004_published_stays"),
        ("queries", "0003_run_in_a_view"),
        ("tenants", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL("TRUNCATE queries_cachedresult"),
        migrations.AddField(
            model_name="cachedresult",
            name="cache_policy",
            field=models.CharField(blank=True, help_text="the model's policy it is kept under", max_length=120),
        ),
        migrations.AddField(
            model_name="cachedresult",
            name="data_model_id",
            field=models.UUIDField(default=uuid.UUID("ce16391b-a80b-4ce7-bb05-5547cb0a4d9b")),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="cachedresult",
            name="is_handover",
            field=models.BooleanField(default=False, help_text="not kept: only for those who wait for it"),
        ),
        migrations.CreateModel(
            name="KeepingLimit",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "max_age_s",
                    models.PositiveIntegerField(
                        help_text="0 keeps nothing: every question goes to its source. At most 2,592,000 (30 days).",
                        validators=[
                            django.core.validators.MaxValueValidator(
                                apps.queries.models._ceiling_s, "At most 30 days (2,592,000 seconds)."
                            )
                        ],
                        verbose_name="longest time, in seconds",
                    ),
                ),
                ("changed_at", models.DateTimeField(editable=False)),
                (
                    "tenant",
                    models.ForeignKey(
                        default=apps.tenants.binding.current_tenant_id,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "verbose_name": "longest time",
                "constraints": [models.UniqueConstraint(fields=("tenant",), name="queries_one_keeping_limit")],
            },
        ),
        migrations.CreateModel(
            name="PolicyReset",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("policy", models.CharField(blank=True, max_length=120)),
                ("reset_at", models.DateTimeField()),
                (
                    "data_model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="datamodels.datamodel"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        default=apps.tenants.binding.current_tenant_id,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("data_model", "policy"), name="queries_one_reset_per_policy")
                ],
            },
        ),
        Isolate("KeepingLimit", "PolicyReset"),
        migrations.RunSQL(VACUUM),
    ]
