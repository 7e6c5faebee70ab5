import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import apps.accounts.models
import apps.tenants.binding
from apps.tenants.isolation import Isolate

TENANT = {
    "default": apps.tenants.binding.current_tenant_id,
    "editable": False,
    "on_delete": django.db.models.deletion.PROTECT,
    "related_name": "+",
    "to": "tenants.tenant",
}
SESSION_KINDS = [("provider", "identity provider"), ("recovery", "recovery link")]
SCOPES = [
    ("read", "read: data sets, fields and explanations, no rows"),
    ("query", "query: read, and run queries"),
    ("admin", "admin: query, and administer tokens and sessions"),
]
OWNER_OF_THE_TENANT = (
    'ALTER TABLE "accounts_user" ADD CONSTRAINT "accounts_user_owner_id_tenant" '
    'FOREIGN KEY (tenant_id, "owner_id") REFERENCES "accounts_user" (tenant_id, "id") DEFERRABLE INITIALLY DEFERRED'
)


class Migration(migrations.Migration):
    """Everybody signs in again afterwards: a session has more to say about itself than the old rows hold."""

    dependencies = [("accounts", "0004_scim"), ("tenants", "0002_sign_in_settings")]

    operations = [
        migrations.AddField(
            "user",
            "kind",
            models.CharField(
                choices=[("person", "Person"), ("service", "service account")],
                default="person",
                editable=False,
                max_length=10,
            ),
        ),
        migrations.AddField(
            "user",
            "owner",
            models.ForeignKey(
                blank=True,
                help_text="the person who answers for it",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="service_accounts",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            "user",
            models.CheckConstraint(
                condition=models.Q(kind="person", owner=None)
                | models.Q(kind="service", owner__isnull=False, subject=None, is_tenant_admin=False),
                name="accounts_service_signs_in_nowhere",
            ),
        ),
        migrations.CreateModel(
            name="ServiceAccount",
            fields=[],
            options={"verbose_name": "service account", "proxy": True, "indexes": [], "constraints": []},
            bases=("accounts.user",),
            managers=[("objects", apps.accounts.models.UserManager())],
        ),
        migrations.AddField(
            "apitoken", "scope", models.CharField(choices=SCOPES, default="query", max_length=10)
        ),
        migrations.DeleteModel("UserSession"),
        migrations.CreateModel(
            name="UserSession",
            fields=[
                ("session_data", models.TextField(verbose_name="session data")),
                ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("session_key", models.CharField(editable=False, max_length=40, unique=True)),
                ("kind", models.CharField(choices=SESSION_KINDS, default="provider", max_length=10)),
                (
                    "provider",
                    models.ForeignKey(
                        help_text="by which the person came in",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.identityprovider",
                    ),
                ),
                ("provider_name", models.CharField(blank=True, max_length=80)),
                ("started_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "last_seen_at",
                    models.DateTimeField(default=django.utils.timezone.now, help_text="written at most once a minute"),
                ),
                ("address", models.CharField(blank=True, max_length=45)),
                (
                    "browser",
                    models.CharField(blank=True, help_text="what the browser says of itself", max_length=300),
                ),
                ("tenant", models.ForeignKey(**TENANT)),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sessions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "session",
                "ordering": ("-last_seen_at",),
                "indexes": [models.Index(fields=["tenant", "expire_date"], name="accounts_us_tenant__d1d972_idx")],
            },
        ),
        migrations.CreateModel(
            name="RecoveryLink",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("digest", models.BinaryField(unique=True)),
                ("issued_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                ("tenant", models.ForeignKey(**TENANT)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={"ordering": ("-issued_at",)},
        ),
        migrations.RunSQL(OWNER_OF_THE_TENANT),
        Isolate("UserSession", "RecoveryLink"),
    ]
