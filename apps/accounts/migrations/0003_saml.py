"""SAML providers, e-mail domains, spent assertions, and by which provider a session began."""

import uuid

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import apps.tenants.binding
from apps.tenants.isolation import Isolate


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_isolation"),
        ("tenants", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="identityprovider",
            name="allows_unsolicited",
            field=models.BooleanField(
                default=False,
                help_text="accept people who start at the provider's own page. Such an answer is bound to no browser of ours: leave it off unless you need it",
                verbose_name="may start sign-ins",
            ),
        ),
        migrations.AddField(
            model_name="identityprovider",
            name="certificates",
            field=models.JSONField(blank=True, default=list, help_text="that the provider signs with; the key counts"),
        ),
        migrations.AddField(
            model_name="identityprovider",
            name="email_attribute",
            field=models.CharField(
                blank=True,
                help_text="attribute that holds the e-mail address; empty for the usual names",
                max_length=200,
                verbose_name="e-mail attribute",
            ),
        ),
        migrations.AddField(
            model_name="identityprovider",
            name="name_id_format",
            field=models.CharField(
                choices=[
                    ("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", "persistent (recommended)"),
                    ("urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified", "unspecified"),
                    ("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress", "e-mail address"),
                ],
                default="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
                help_text="how the provider names people. An address or a login name may belong to somebody else one day",
                max_length=80,
                verbose_name="NameID format",
            ),
        ),
        migrations.AddField(
            model_name="identityprovider",
            name="sso_url",
            field=models.CharField(
                blank=True,
                help_text="where people are sent (binding HTTP-Redirect)",
                max_length=500,
                verbose_name="sign-in address",
            ),
        ),
        migrations.AddField(
            model_name="usersession",
            name="provider",
            field=models.ForeignKey(
                help_text="by which the person came in",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.identityprovider",
            ),
        ),
        migrations.AlterField(
            model_name="identityprovider",
            name="client_id",
            field=models.CharField(blank=True, help_text="as the provider shows it", max_length=255),
        ),
        migrations.AlterField(
            model_name="identityprovider",
            name="is_enabled",
            field=models.BooleanField(
                default=True,
                help_text="switched off, nobody signs in by it, and those who have are out at their next click",
            ),
        ),
        migrations.AlterField(
            model_name="identityprovider",
            name="issuer",
            field=models.CharField(
                blank=True,
                help_text="what the provider calls itself; it must say exactly this in every answer",
                max_length=255,
                verbose_name="issuer or entity id",
            ),
        ),
        migrations.AlterField(
            model_name="identityprovider",
            name="protocol",
            field=models.CharField(
                choices=[("oidc", "OpenID Connect"), ("saml", "SAML 2.0")], default="oidc", max_length=10
            ),
        ),
        migrations.AlterField(
            model_name="identityprovider",
            name="required_amr",
            field=models.CharField(
                blank=True,
                help_text="authentication method the provider must confirm, e.g. mfa (OpenID Connect: amr; SAML: the context class)",
                max_length=120,
                verbose_name="required method",
            ),
        ),
        migrations.AlterField(
            model_name="identityprovider",
            name="sealed_client_secret",
            field=models.BinaryField(default=bytes),
        ),
        migrations.AlterField(
            model_name="identityprovider",
            name="slug",
            field=models.SlugField(
                help_text="part of the addresses that you enter at the provider: choose it once", max_length=40, verbose_name="short name"
            ),
        ),
        migrations.CreateModel(
            name="EmailDomain",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "domain",
                    models.CharField(
                        help_text="in small letters, e.g. acme.example",
                        max_length=253,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^(?=.{3,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$"
                            )
                        ],
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="domains",
                        to="accounts.identityprovider",
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
                "verbose_name": "e-mail domain",
                "ordering": ("domain",),
                "constraints": [models.UniqueConstraint(fields=("tenant", "domain"), name="accounts_domain_once")],
            },
        ),
        migrations.CreateModel(
            name="SpentAssertion",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("digest", models.BinaryField()),
                ("expires_at", models.DateTimeField(db_index=True)),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.identityprovider"
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
                "constraints": [models.UniqueConstraint(fields=("provider", "digest"), name="accounts_assertion_once")],
            },
        ),
        Isolate("EmailDomain", "SpentAssertion"),
        migrations.RunSQL(
            'ALTER TABLE "accounts_usersession" ADD CONSTRAINT "accounts_usersession_provider_id_tenant" '
            'FOREIGN KEY (tenant_id, "provider_id") REFERENCES "accounts_identityprovider" (tenant_id, "id") '
            "DEFERRABLE INITIALLY DEFERRED"
        ),
    ]
