"""A server of a library as a process of its own, and a client that keeps its connection."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from workshop import PROGRAM, MeasureError, Workshop

START_TIMEOUT_S: Final = 60.0
IDLE_TIMEOUT_S: Final = 600.0
_HOST: Final = "127.0.0.1"
_KEPT_S: Final = 30.0  # the server closes a connection that is idle for a minute
_SETTINGS: Final = 'index_every_min = 0\nverify_weekly_min = 0\nfull_index_at = "off"\n'
_SETTLED: Final = frozenset({"completed", "failed", "cancelled", "paused"})


@dataclass(slots=True)
class Server:
    """One that answers; `first_page_s`: from the start of its process to the first page."""

    process: subprocess.Popen[bytes]
    connection: http.client.HTTPConnection
    first_page_s: float = 0.0
    used_at: float = field(default_factory=time.monotonic)

    def request(
        self, path: str, *, method: str = "GET", body: object = None
    ) -> tuple[float, bytes]:
        """Seconds until the whole answer was there, and the answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        if time.monotonic() - self.used_at > _KEPT_S:
            self.connection.close()  # the next request opens it anew
        began = time.perf_counter()
        self.connection.request(method, path, data, headers)
        response = self.connection.getresponse()
        answer = response.read()
        seconds = time.perf_counter() - began
        self.used_at = time.monotonic()
        if response.status >= 400:
            raise MeasureError(f"{method} {path} answered {response.status}: {answer[:200]!r}")
        return seconds, answer

    def get_json(self, path: str) -> Any:
        return json.loads(self.request(path)[1])

    def star(self, photo_id: int, rating: int) -> float:
        """Seconds from the request to the answer, before which the file is safe on the disk."""
        body = {"rating": rating}
        return self.request(f"/api/photo/{photo_id}/favorite", method="POST", body=body)[0]

    def start_index(self) -> str:
        body = {"type": "update_index"}
        answer = self.request("/api/operations", method="POST", body=body)[1]
        return str(json.loads(answer)["operation_id"])

    def is_running(self, operation_id: str) -> bool:
        status = self.get_json(f"/api/operations/{operation_id}")["status"]
        return status not in _SETTLED

    def wait_until_idle(self) -> None:
        """Until the index of the start is done, and no picture is drawn ahead any more."""
        deadline = time.monotonic() + IDLE_TIMEOUT_S
        quiet = 0
        while quiet < 3:
            if time.monotonic() > deadline:
                raise MeasureError("The server did not come to rest.")
            time.sleep(0.2)
            operations = self.get_json("/api/operations")["operations"]
            works = any(one["status"] not in _SETTLED for one in operations)
            quiet = 0 if works or self._count_busy() else quiet + 1

    def _count_busy(self) -> float:
        """Workers at a job, and jobs that wait for one."""
        metrics = self.request("/metrics")[1].decode().splitlines()
        wanted = ('lightkeep_workers{state="busy"} ', "lightkeep_worker_queue ")
        return sum(float(line.split()[-1]) for line in metrics if line.startswith(wanted))

    def another(self) -> Self:
        """The same server, by a connection of its own."""
        return type(self)(self.process, _connect(self.connection.port))


@contextlib.contextmanager
def serving(workshop: Workshop, library: Path, data_dir: Path) -> Iterator[Server]:
    """Serve a library until the block ends. It indexes once, at its start, and never by itself."""
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / "settings.toml").write_text(_SETTINGS)
    port = _find_free_port()
    command = [*PROGRAM, "--data-dir", str(data_dir), "serve", str(library), "--port", str(port)]
    began = time.perf_counter()
    with open(data_dir / "served.log", "wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=workshop.environment
        )
    try:
        connection = _wait_for_connection(process, port)
        server = Server(process, connection)
        server.request("/")
        server.first_page_s = time.perf_counter() - began
        yield server
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_connection(process: subprocess.Popen[bytes], port: int) -> http.client.HTTPConnection:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        connection = _connect(port)
        with contextlib.suppress(ConnectionError):
            connection.connect()
            return connection
        time.sleep(0.01)
    raise MeasureError("The server did not start.")


def _connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(_HOST, port, timeout=IDLE_TIMEOUT_S)


def _find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        port: int = listener.getsockname()[1]
        return port
