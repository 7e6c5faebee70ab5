"""Print figures as one JSON object: ratios against a floor that is measured in the same run.

The app runs as in production: gunicorn with two workers, a query worker, JSON over loopback. The person
measured has the row policy ``region = 'EUROPE'`` on TPC-H scale 0.5 in PostgreSQL. Targets are asked in turns.

``python -m tests.bench compile cached`` measures these sections alone. Each is written to standard error when it is
done, and all of a run to ``bench-history.jsonl`` in the state directory.
"""

import sys

import tests.bench.environment  # noqa: F401  (settings and services first)
from tests.bench.run import main

if __name__ == "__main__":
    main(sys.argv[1:])
