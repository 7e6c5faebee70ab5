import django.core.validators
from django.db import migrations, models

from apps.tenants.isolation import CURRENT

# The table is read before a tenant is known and a new tenant is inserted by nobody in particular; a row that is there
# can be changed only while its own tenant is bound, and is deleted by nobody.
LOCK = f"""
ALTER TABLE "tenants_tenant" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "tenants_tenant" FORCE ROW LEVEL SECURITY;
CREATE POLICY "tenant_select" ON "tenants_tenant" FOR SELECT USING (true);
CREATE POLICY "tenant_insert" ON "tenants_tenant" FOR INSERT WITH CHECK (true);
CREATE POLICY "tenant_update" ON "tenants_tenant" FOR UPDATE USING (id = {CURRENT}) WITH CHECK (id = {CURRENT});
CREATE POLICY "tenant_delete" ON "tenants_tenant" FOR DELETE USING (false);
"""


def minutes(default: int, least: int) -> models.PositiveIntegerField:
    return models.PositiveIntegerField(
        default=default, validators=[django.core.validators.MinValueValidator(least)]
    )


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]

    operations = [
        migrations.AddField("tenant", "session_idle_min", minutes(120, 5)),
        migrations.AddField("tenant", "session_lifetime_min", minutes(720, 15)),
        migrations.AddField("tenant", "token_max_days", minutes(366, 1)),
        migrations.AddField("tenant", "confirm_within_min", minutes(15, 1)),
        *(
            migrations.AddField("tenant", name, models.JSONField(blank=True, default=list))
            for name in ("networks_people", "networks_tokens", "networks_scim")
        ),
        migrations.CreateModel(
            name="SignInSettings",
            fields=[],
            options={
                "verbose_name": "sign-in and access",
                "verbose_name_plural": "sign-in and access",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("tenants.tenant",),
        ),
        migrations.RunSQL(LOCK),
    ]
