"""Read a long answer in a process of its own, and print rows, peak memory before and after (MB), and seconds."""

import json
import sys
import time
from pathlib import Path

from apps.warehouses.opening import open_warehouse
from apps.warehouses.targets import Allowed
from apps.warehouses.types import Limits, Target


def peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def main(target: str, secret: str, statement: str) -> None:
    fields = json.loads(target)
    fields["data_dir"] = Path(fields["data_dir"]) if fields["data_dir"] else None
    source = open_warehouse(Target(**fields), secret, allowed=Allowed(("*local*",)))
    source.check()
    before, begun, rows = peak_mb(), time.monotonic(), 0
    with source.stream(statement, (), Limits(50_000_000, 100 * 1024**3, 600)) as answer:
        for batch in answer:
            rows += batch.num_rows
    print(json.dumps({"rows": rows, "before": before, "after": peak_mb(), "seconds": time.monotonic() - begun}))
    source.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
