import django.core.validators
from django.db import migrations, models


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
    ]
