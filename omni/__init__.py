"""Wiring only: settings, addresses, the Celery application."""

from omni.celery import app as celery_app

__all__ = ["celery_app"]
