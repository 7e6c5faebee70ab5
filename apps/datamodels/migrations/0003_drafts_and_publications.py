"""Drafts, and the history of what was published."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

import apps.tenants.binding
from apps.tenants.isolation import Isolate


class Migration(migrations.Migration):
    dependencies = (
        ("datamodels", "0002_isolation"),
        ("tenants", "0001_initial"),
    )

    operations = (
        migrations.CreateModel(
            name="ModelPublication",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("published_at", models.DateTimeField()),
                ("published_by", models.CharField(max_length=200)),
                (
                    "replaced_number",
                    models.PositiveIntegerField(help_text="the version that was current before", null=True),
                ),
            ],
            options={
                "ordering": ("-published_at",),
            },
        ),
        migrations.AddField(
            model_name="modelversion",
            name="author_id",
            field=models.UUIDField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="base_number",
            field=models.PositiveIntegerField(blank=True, help_text="the version that the draft began with", null=True),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="changed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="changed_by",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="discarded_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="origin",
            field=models.CharField(
                choices=[("edit", "edited here"), ("import", "imported"), ("refresh", "schema refresh")],
                default="import",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="modelversion",
            name="published_at",
            field=models.DateTimeField(blank=True, help_text="first published", null=True),
        ),
        migrations.AddConstraint(
            model_name="modelversion",
            constraint=models.CheckConstraint(
                condition=models.Q(("published_at", None), ("discarded_at", None), _connector="OR"),
                name="datamodels_published_stays",
            ),
        ),
        migrations.AddConstraint(
            model_name="modelversion",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_current", False), ("published_at__isnull", False), _connector="OR"),
                name="datamodels_current_is_published",
            ),
        ),
        migrations.AddField(
            model_name="modelpublication",
            name="tenant",
            field=models.ForeignKey(
                default=apps.tenants.binding.current_tenant_id,
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.tenant",
            ),
        ),
        migrations.AddField(
            model_name="modelpublication",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="publications", to="datamodels.modelversion"
            ),
        ),
        Isolate("modelpublication"),
    )
