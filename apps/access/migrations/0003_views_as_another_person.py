import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import apps.tenants.binding
from apps.tenants.isolation import Isolate


class Migration(migrations.Migration):
    dependencies = (
        ("access", "0002_isolation"),
        ("accounts", "0002_isolation"),
        ("tenants", "0001_initial"),
    )

    operations = (
        migrations.CreateModel(
            name="ViewSession",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
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
                (
                    "viewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("viewer", models.F("person")), _negated=True),
                        name="access_view_not_oneself",
                    )
                ],
            },
        ),
        Isolate("ViewSession"),
    )
