"""Tests: as local, with tasks run in the calling process unless a test starts a worker."""

from omni.settings.local import *

CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
