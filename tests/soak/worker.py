"""The Celery application of the soak's worker."""

from omni.celery import app

app.conf.imports = ("tests.soak.views",)

__all__ = ["app"]
