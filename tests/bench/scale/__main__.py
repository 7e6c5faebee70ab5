"""``python -m tests.bench.scale``: the figures of rights alone, as one JSON object."""

import json

import tests.bench.environment  # noqa: F401  (settings and services first)
from tests.bench.scale.measuring import rights_figures

if __name__ == "__main__":
    print(json.dumps(rights_figures(), indent=2))
