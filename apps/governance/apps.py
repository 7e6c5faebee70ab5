from importlib import import_module

from django.apps import AppConfig


class GovernanceConfig(AppConfig):
    name = "apps.governance"
    label = "governance"
    verbose_name = "Governance"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the gates before publishing, what stands beside them, what reviews say of a model, what uses attributes."""
        import_module("apps.governance.gates")
        import_module("apps.governance.panels")
        import_module("apps.governance.reviewed")
        import_module("apps.governance.uses")
