from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("support", "0002_isolation")]

    operations = [
        migrations.AddField(
            model_name="supportsession",
            name="staff_version",
            field=models.PositiveIntegerField(
                default=0,
                editable=False,
                help_text="of the staff member's own sessions when it began: what ends those ends it",
            ),
        ),
    ]
