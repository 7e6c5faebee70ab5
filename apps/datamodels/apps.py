from importlib import import_module

from django.apps import AppConfig


class DatamodelsConfig(AppConfig):
    name = "apps.datamodels"
    label = "datamodels"
    verbose_name = "Data models"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the permissions on its objects."""
        import_module("apps.datamodels.rules")
