from django.db import migrations, models

NAMES_AS_VALUES = """
ALTER TABLE "accounts_usergroup" NO FORCE ROW LEVEL SECURITY;
UPDATE "accounts_usergroup" g SET claim_value = g.name
 WHERE g.claim_value = '' AND g.origin = 'administrator' AND NOT EXISTS (
       SELECT 1 FROM "accounts_usergroup" o WHERE o.tenant_id = g.tenant_id AND o.claim_value = g.name);
ALTER TABLE "accounts_usergroup" FORCE ROW LEVEL SECURITY;
"""
"""Row-level security shows the owner no rows. Groups whose name was meant by claims are meant by them still."""


class Migration(migrations.Migration):
    """Claims make members by the value that a tenant administrator has set, no longer by a group's name."""

    dependencies = [("accounts", "0006_hashed_sessions")]

    operations = [
        migrations.RunSQL(NAMES_AS_VALUES, migrations.RunSQL.noop),
        migrations.AlterField(
            "usergroup",
            "claim_value",
            models.CharField(
                "name in the claim", blank=True, max_length=255,
                help_text="what the identity provider's claim says for this group, such as its name or an object id; empty: no claim makes members",
            ),
        ),
    ]  # fmt: skip
