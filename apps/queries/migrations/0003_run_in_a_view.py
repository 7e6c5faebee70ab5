from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("queries", "0002_isolation"),)

    operations = (
        migrations.AddField(model_name="queryrun", name="view_session_id", field=models.UUIDField(null=True)),
    )
