"""The Celery application; the worker starts the embedded services when no other is configured."""

import os
from typing import Any

from celery import Celery
from celery.signals import task_prerun, worker_process_init
from django.db import close_old_connections
from kombu.transport import TRANSPORT_ALIASES

from apps.embedded import provide
from omni.collecting import collect_rarely, freeze

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omni.settings.local")
provide(os.environ)

TRANSPORT_ALIASES |= {"redis": "omni.broker:Transport", "rediss": "omni.broker:Transport"}
app = Celery("omni")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def spare_the_collector(**_: Any) -> None:
    """Look for garbage as web processes do."""
    freeze()
    collect_rarely()


@task_prerun.connect
def look_at_connections(sender: Any = None, **_: Any) -> None:
    """Close what is too old or broken, as Django does before a request; the others are used again."""
    if not sender.request.is_eager:
        close_old_connections()
