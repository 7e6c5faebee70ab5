"""A Spark Connect server on this machine: the one inside pyspark's wheel, with a little memory and one core."""

import atexit
import importlib.util
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

START_S = 180
OPENED = (
    "lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "util", "util.concurrent", "util.concurrent.atomic",
)  # fmt: skip
HOW = "to run this on Spark: .venv/bin/pip install -r requirements-spark.txt, and Java 17 or newer"


def why_not() -> str:
    """Return why there is no Spark here; nothing when there is."""
    if importlib.util.find_spec("pyspark") is None or importlib.util.find_spec("grpc") is None:
        return HOW
    return "" if shutil.which("java") else HOW


@contextmanager
def spark_server(folder: Path, *settings: str) -> Iterator[int]:
    """Start a server that keeps its tables in ``folder``, and return its port; it is gone afterwards."""
    if reason := why_not():
        pytest.skip(reason)
    port = _free_port()
    log = folder / "server.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            _command(folder, port, settings),
            stdout=said,
            stderr=said,
            cwd=folder,
            env=_environment(),
            start_new_session=True,
        )
    try:
        _wait(process, port, log)
        yield port
    finally:
        process.kill()
        process.wait()


_kept = ExitStack()
_ports: list[int] = []


def started_spark() -> int:
    """Return the port of a server that all tests of this process share; it ends with the process."""
    if not _ports:
        folder = _kept.enter_context(TemporaryDirectory(prefix="omni-spark-"))
        _ports.append(_kept.enter_context(spark_server(Path(folder))))
        atexit.register(_kept.close)
    return _ports[0]


def _command(folder: Path, port: int, settings: tuple[str, ...]) -> list[str]:
    known = (
        "spark.master=local[1]", "spark.app.name=omni-tests", "spark.ui.enabled=false", "spark.driver.host=127.0.0.1",
        "spark.driver.bindAddress=127.0.0.1", "spark.connect.grpc.binding.address=127.0.0.1",
        f"spark.connect.grpc.binding.port={port}", f"spark.sql.warehouse.dir={folder / 'tables'}",
        f"spark.local.dir={folder / 'scratch'}", "spark.sql.shuffle.partitions=1", "spark.default.parallelism=1",
        "spark.sql.adaptive.enabled=false", "spark.sql.codegen.factoryMode=NO_CODEGEN",
        # so that answers are taken up again, and what nobody takes up ends, while a test waits
        "spark.connect.execute.reattachable.senderMaxStreamDuration=2s", "spark.connect.execute.reattachable.senderMaxStreamSize=1m",
        "spark.connect.execute.manager.detachedTimeout=5s", "spark.connect.execute.manager.maintenanceInterval=2s",
        *settings,
    )  # fmt: skip
    return [
        "java", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dio.netty.tryReflectionSetAccessible=true",
        *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in OPENED),
        *(f"--add-opens=java.base/sun.{name}=ALL-UNNAMED" for name in ("nio.ch", "nio.cs", "security.action", "util.calendar")),
        "-cp", str(_home() / "jars" / "*"), *(f"-D{setting}" for setting in known),
        "org.apache.spark.sql.connect.service.SparkConnectServer",
    ]  # fmt: skip


def _home() -> Path:
    found = importlib.util.find_spec("pyspark")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def _environment() -> dict[str, str]:
    known = {name: os.environ[name] for name in ("PATH", "JAVA_HOME", "LANG") if name in os.environ}
    return known | {"SPARK_HOME": str(_home()), "SPARK_LOCAL_IP": "127.0.0.1"}


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        return int(found.getsockname()[1])


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("Spark did not start:\n" + log.read_text(errors="replace")[-2000:])


class Owner:
    """Somebody who may send anything: what the adapter never does."""

    def __init__(self, port: int) -> None:
        import grpc
        from pyspark.sql.connect.proto.base_pb2_grpc import SparkConnectServiceStub

        self.channel = grpc.insecure_channel(f"ipv4:127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)])
        self.stub = SparkConnectServiceStub(self.channel)
        self.session, self.user = str(uuid.uuid4()), "owner"

    def tell(self, statement: str) -> None:
        """Run a command."""
        from pyspark.sql.connect.proto import base_pb2, commands_pb2, relations_pb2

        query = relations_pb2.Relation(sql=relations_pb2.SQL(query=statement))
        plan = base_pb2.Plan(command=commands_pb2.Command(sql_command=commands_pb2.SqlCommand(input=query)))
        user = base_pb2.UserContext(user_id=self.user)
        request: Any = base_pb2.ExecutePlanRequest(session_id=self.session, user_context=user, plan=plan)
        for _ in self.stub.ExecutePlan(request, timeout=120):
            pass

    def close(self) -> None:
        self.channel.close()
