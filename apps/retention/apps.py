import resource

from django.apps import AppConfig


class RetentionConfig(AppConfig):
    name = "apps.retention"
    label = "retention"
    verbose_name = "Erasure"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have no process of ours write its memory, with what customers asked for in it, to a file when it dies."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
