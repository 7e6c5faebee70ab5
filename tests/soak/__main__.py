"""``make soak``: 200,000 requests and tasks on two tenants, many connections, random aborts. Prints one JSON object.

``SOAK_REQUESTS`` is how many; ``SOAK_SECONDS`` ends it earlier. Nine in ten go through the application in this process, the
rest over HTTP to gunicorn, with sockets that are cut, and through a worker. Exit code 1 when anything crossed over.
"""

import json
import logging
import os
import sys
import time

import tests.environment  # noqa: F401  (the state directory and services come first)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omni.settings.test")

import django

django.setup()

from tests import databases  # noqa: E402  # the settings come first
from tests.soak import outside  # noqa: E402  # the settings come first
from tests.soak.driving import Tally, drive, handlers  # noqa: E402  # the settings come first
from tests.soak.sides import make_side  # noqa: E402  # the settings come first

REQUESTS = int(os.environ.get("SOAK_REQUESTS", "200000"))
SECONDS = float(os.environ.get("SOAK_SECONDS", "3600"))
THREADS = int(os.environ.get("SOAK_THREADS", "16"))


def main() -> int:
    """Soak, and say what was done and what crossed over."""
    logging.disable(logging.CRITICAL)  # each of the many aborts would be written down
    started = time.monotonic()
    databases.use_copy("soak")
    try:
        sides = (make_side("acme"), make_side("globex"))
        over_http = outside.requests(sides, count=REQUESTS // 20, seconds=SECONDS / 6)
        in_worker = outside.tasks(sides, count=REQUESTS // 20, seconds=SECONDS / 6)
        with handlers() as application:
            left = max(60.0, SECONDS - (time.monotonic() - started))
            inside = drive(application, sides, count=REQUESTS * 9 // 10, threads=THREADS, seed=1, seconds=left)
    finally:
        databases.drop_copy("soak")
    return told((over_http, in_worker, inside), time.monotonic() - started)


def told(found: tuple[Tally, ...], elapsed_s: float) -> int:
    """Print the one object; return the exit code."""
    crossings = [text for tally in found for text in tally.crossings]
    left = [text for tally in found for text in tally.left_bound]
    done = {name: count for tally in found for name, count in sorted(tally.done.items())}
    total = sum(count for name, count in done.items() if name != "looked at what is left")
    body = {"asked_for": REQUESTS, "done": total, "of": done, "crossings": len(crossings), "left_bound": len(left), "seconds": round(elapsed_s, 1), "threads": THREADS, "examples": (crossings + left)[:10]}  # fmt: skip
    json.dump(body, sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 1 if crossings or left else 0


if __name__ == "__main__":
    sys.exit(main())
