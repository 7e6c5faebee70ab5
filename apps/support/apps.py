from django.apps import AppConfig
from django.utils.module_loading import import_string


class SupportConfig(AppConfig):
    name = "apps.support"
    label = "support"
    verbose_name = "Support access"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let tasks derive the actor of a support session without knowing this app."""
        register = import_string("apps.access.selectors.register_support_resolver")
        register(import_string("apps.support.selectors.resolve_actor"))
