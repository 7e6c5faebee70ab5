import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import apps.tenants.binding
from apps.tenants.isolation import Isolate


class Migration(migrations.Migration):
    dependencies = (
        ("access", "0003_views_as_another_person"),
        ("accounts", "0002_isolation"),
        ("tenants", "0001_initial"),
    )

    operations = (
        migrations.CreateModel(
            name="Role",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80)),
                ("description", models.CharField(blank=True, max_length=200)),
                ("capabilities", models.JSONField(default=list, help_text="names of capabilities")),
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
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="RoleAssignment",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "built_in",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("viewer", "Viewer"),
                            ("querier", "Querier"),
                            ("modeler", "Modeler"),
                            ("connection_administrator", "Connection administrator"),
                        ],
                        max_length=30,
                    ),
                ),
                (
                    "group",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="role_assignments",
                        to="accounts.usergroup",
                    ),
                ),
                (
                    "role",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="assignments",
                        to="access.role",
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
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="role_assignments",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "role of somebody",
                "verbose_name_plural": "who has which role",
            },
        ),
        migrations.CreateModel(
            name="AccessReview",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("subject_kind", models.CharField(max_length=40)),
                ("subject_id", models.UUIDField()),
                ("subject_label", models.CharField(max_length=200)),
                ("digest", models.CharField(help_text="SHA-256 of the exported list as it was", max_length=64)),
                ("entries", models.PositiveIntegerField()),
                ("note", models.CharField(blank=True, max_length=500)),
                ("reviewed_by_label", models.CharField(max_length=200)),
                ("reviewed_at", models.DateTimeField()),
                (
                    "reviewed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
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
                "ordering": ("-reviewed_at",),
                "indexes": [
                    models.Index(fields=["tenant", "subject_kind", "subject_id"], name="access_acce_tenant__f067d7_idx")
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="role",
            constraint=models.UniqueConstraint(fields=("tenant", "name"), name="access_role_name"),
        ),
        migrations.AddConstraint(
            model_name="roleassignment",
            constraint=models.CheckConstraint(
                condition=models.Q(("user", None), ("group", None), _connector="OR"), name="access_role_of_one"
            ),
        ),
        migrations.AddConstraint(
            model_name="roleassignment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("built_in", ""), ("role__isnull", False)),
                    models.Q(models.Q(("built_in", ""), _negated=True), ("role", None)),
                    _connector="OR",
                ),
                name="access_role_one",
            ),
        ),
        migrations.AddConstraint(
            model_name="roleassignment",
            constraint=models.UniqueConstraint(
                fields=("tenant", "user", "group", "built_in", "role"), name="access_role_once", nulls_distinct=False
            ),
        ),
        Isolate("Role", "RoleAssignment", "AccessReview"),
    )
