"""What a web process loads before it is forked."""

import os
import subprocess
import sys

from tests.architecture.test_guards import ROOT

CODE = """
import sys
import omni.serving
import pyarrow as pa
assert pa.table({"n": [1, None], "t": ["a", "b"]}).to_pylist() == [{"n": 1, "t": "a"}, {"n": None, "t": "b"}]
assert omni.serving.control_socket_disable
print(sorted({"numpy", "pandas"} & {*sys.modules}))
import numpy
print(numpy.__name__)
"""


def test_arrow_is_loaded_alone_and_numpy_is_there_for_whoever_asks() -> None:
    elsewhere = {"OMNI_DATABASE_URL": "postgresql://nobody@localhost/nothing", "OMNI_REDIS_URL": "redis://localhost"}
    found = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, env=os.environ | elsewhere, capture_output=True, text=True, check=True
    )  # nothing is reached, and no server of ours started for it
    assert found.stdout.split("\n")[:2] == ["[]", "numpy"]
