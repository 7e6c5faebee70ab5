"""Settings of the soak's own processes: as local, with its addresses."""

from omni.settings.local import *  # noqa: F403  (settings build on each other)

TENANT_URLCONF = ROOT_URLCONF = "tests.soak.urls"
LOGGING = {"version": 1, "disable_existing_loggers": True}
