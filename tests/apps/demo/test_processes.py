"""The demo's processes get the addresses that are for them."""

import os
import socket
from pathlib import Path

import psutil
import pytest

from apps.demo.processes import Processes, start_web, start_worker

FOR_OWNERS = {"OMNI_DATABASE_OWNER_URL", "OMNI_DATABASE_ADMIN_URL"}


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes(tmp_path)


def held(processes: Processes, name: str) -> set[str]:
    """Return the names of the addresses that a running process was given."""
    given = psutil.Process(processes.running[name].pid).environ()
    assert "OMNI_DATABASE_URL" in given
    return {key for key in given if key.startswith("OMNI_DATABASE")}


def test_no_address_of_the_owner_is_given_to_web_nor_the_administrators_to_workers(processes: Processes) -> None:
    assert os.environ.keys() >= FOR_OWNERS  # the process that starts them has both
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    try:
        start_web(processes, port)
        start_worker(processes)
        assert held(processes, "web") & FOR_OWNERS == set()
        assert held(processes, "worker") & FOR_OWNERS == {"OMNI_DATABASE_OWNER_URL"}
    finally:
        processes.stop()
