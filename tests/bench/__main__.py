"""Print figures as one JSON object: ratios against a floor that is measured in the same run.

The app runs as in production: gunicorn with two workers, a query worker, JSON over loopback. The person
measured has the row policy ``region = 'EUROPE'`` on TPC-H scale 0.5 in PostgreSQL. Targets are asked in turns.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omni.settings.local")
os.environ.setdefault("OMNI_STATE_DIR", str(ROOT / "var" / "bench"))
sys.path.insert(0, str(ROOT))

from apps.embedded import provide  # noqa: E402  (the state directory must be set first)

provide(os.environ)

import django  # noqa: E402

django.setup()

from tests.bench.run import main  # noqa: E402

if __name__ == "__main__":
    main()
