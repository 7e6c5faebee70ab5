from django.db import migrations, models
from django.db.models.functions import Upper

from apps.accounts.models.groups import Composed

NUMBER_NAMESAKES = """
ALTER TABLE "accounts_usergroup" NO FORCE ROW LEVEL SECURITY;
UPDATE "accounts_usergroup" g SET namesake = n.place - 1
  FROM (SELECT id, row_number() OVER (PARTITION BY tenant_id, upper(normalize(name, NFC)) ORDER BY created_at, id) AS place
          FROM "accounts_usergroup") n
 WHERE n.id = g.id AND n.place > 1;
ALTER TABLE "accounts_usergroup" FORCE ROW LEVEL SECURITY;
"""
"""Row-level security shows the owner no rows. Nobody is renamed: rules of data models may go by the names of groups."""


class Migration(migrations.Migration):
    """Names of groups are one of a kind in the database too; those that were alike before keep theirs."""

    dependencies = [("accounts", "0008_refused_from_outside"), ("tenants", "0005_tombstones")]

    operations = [
        migrations.AddField(
            "usergroup",
            "namesake",
            models.PositiveSmallIntegerField(
                default=0, db_default=0, editable=False, help_text="not 0: had its name, in other capitals, before names were one of a kind"
            ),
        ),
        migrations.RunSQL(NUMBER_NAMESAKES, migrations.RunSQL.noop),
        migrations.AddConstraint(
            "usergroup",
            models.UniqueConstraint(
                models.F("tenant"), Upper(Composed("name")), models.F("namesake"), name="accounts_group_name_alike"
            ),
        ),
    ]  # fmt: skip
