"""Loaded before Django's settings: a state directory and services of the bench's own."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omni.settings.local")
os.environ.setdefault("OMNI_STATE_DIR", str(ROOT / "var" / "bench"))
os.environ.setdefault("OMNI_RATE_API", "1000000/minute")  # counted as always; one person asks far more than people do
sys.path.insert(0, str(ROOT))

from apps.embedded import provide  # noqa: E402  (the state directory must be set first)

provide(os.environ)

import django  # noqa: E402  # the settings come first

django.setup()
