"""What the processes of an installation use: processor time and memory, as the kernel counts them."""

import os
from pathlib import Path

from django.conf import settings

PROC = Path("/proc")
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


def own_processes() -> list[int]:
    """Return the web, worker, beat, database and Redis processes of this installation, and not the one that measures."""
    mark = f"OMNI_STATE_DIR={settings.OMNI_STATE_DIR}\0".encode()
    return [pid for pid in _all() if pid != os.getpid() and mark in _read(pid, "environ") + b"\0"]


def cpu_ms(pids: list[int]) -> float:
    """Return the processor time of processes so far, in milliseconds; the clock ticks every ten."""
    ticks = 0
    for pid in pids:
        fields = _read(pid, "stat").rpartition(b")")[2].split()
        ticks += int(fields[11]) + int(fields[12]) if fields else 0
    return ticks * TICK_MS


def web_memory_mb(port: int) -> dict[str, list[int]]:
    """Return the memory of each web worker in MB: resident, and its share of it where processes share pages."""
    masters = [pid for pid in own_processes() if f"127.0.0.1:{port}".encode() in _read(pid, "cmdline")]
    workers = [pid for pid in masters if _parent(pid) in masters]
    found = [_rollup(pid) for pid in workers]
    return {"resident": sorted(item["Rss"] for item in found), "proportional": sorted(item["Pss"] for item in found)}


def _rollup(pid: int) -> dict[str, int]:
    lines = (line.split() for line in _read(pid, "smaps_rollup").decode().splitlines()[1:])
    return {name.rstrip(":"): int(kilobytes) // 1024 for name, kilobytes, *_ in lines}


def _parent(pid: int) -> int:
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0


def _all() -> list[int]:
    return [int(item.name) for item in PROC.iterdir() if item.name.isdigit()]


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""
