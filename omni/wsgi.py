"""WSGI entry point."""

import os

from apps.embedded import provide

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omni.settings.local")
provide(os.environ)

from django.core.wsgi import get_wsgi_application  # noqa: E402  (after the addresses are known)

application = get_wsgi_application()
