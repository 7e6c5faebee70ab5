"""The Celery application; the worker starts the embedded services when no other is configured."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

from apps.embedded import provide

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omni.settings.local")
provide(os.environ)

TRANSPORT_ALIASES |= {"redis": "omni.broker:Transport", "rediss": "omni.broker:Transport"}
app = Celery("omni")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
