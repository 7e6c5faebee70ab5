"""Tests: as local, with tasks run in the calling process unless a test starts a worker."""

from omni.settings.local import *  # noqa: F403  (settings modules build on each other)

CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
