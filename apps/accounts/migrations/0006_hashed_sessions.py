from django.db import migrations, models


class Migration(migrations.Migration):
    """Everybody signs in again afterwards: keys that lay here in clear, and in backups, open nothing any more."""

    dependencies = [("accounts", "0005_sessions")]

    operations = [
        # Not DELETE: row-level security shows the owner no rows.
        migrations.RunSQL('TRUNCATE TABLE "accounts_usersession"', migrations.RunSQL.noop),
        migrations.RemoveField("usersession", "session_key"),
        migrations.AddField("usersession", "digest", models.BinaryField(editable=False, unique=True)),
    ]
