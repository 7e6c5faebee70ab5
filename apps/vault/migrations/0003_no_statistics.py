"""The planner samples no keys: its statistics hold values of rows, and keep them when the rows are gone."""

from django.db import migrations

KEYS = (("vault_tenantkey", "wrapped"), ("vault_timedkey", "wrapped"))


class Migration(migrations.Migration):
    dependencies = [("vault", "0002_isolation")]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0",
            f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS -1",
        )
        for table, column in KEYS
    ]
