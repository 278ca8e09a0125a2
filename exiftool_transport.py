"""The wire to ExifTool: one process that stays open, with deadlines.

PyExifTool speaks the protocol, but waits without end for a process that hangs or has died;
its transport is replaced here. Process and pipes belong to one thread.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import subprocess
import sys
import time
from typing import IO, Any, Final

import exiftool

DEFAULT_TIMEOUT_S: Final = 30.0

_COMMON_ARGUMENTS: Final = ("-G1", "-n", "-charset", "filename=utf8")
_MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
_MAX_MEMORY_BYTES: Final = 384 * 1024**2

# ExifTool goes on for ever when its owner is killed, even with its input closed, so the
# kernel is asked to end it with us. That has to happen in the child, between fork and exec,
# where a program with threads must not run Python (subprocess's preexec_fn): a fresh
# interpreter does it and becomes ExifTool.
_LAUNCHER: Final = """
import ctypes, os, resource, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
    memory, hard = int(sys.argv[2]), resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or memory < hard:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
# A worker's limit is one job's; this process outlives jobs, and each command has its deadline.
hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
os.execv(sys.argv[3], sys.argv[3:])
"""


class ExifToolFailedError(Exception):
    """ExifTool hung, died or answered nonsense; its process is gone."""


def make_environment() -> dict[str, str]:
    """Nothing of ours that Perl or ExifTool would look into."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
    }


class StayOpenProcess(exiftool.ExifTool):  # type: ignore[misc]  # it carries no type marker
    """PyExifTool's ExifTool with deadlines, a clean environment and no `preexec_fn`."""

    def __init__(self, executable: str, timeout_s: float) -> None:
        super().__init__(
            executable=executable,
            common_args=list(_COMMON_ARGUMENTS),
            # No ~/.ExifTool_config, which is Perl that would be run.
            config_file="",
            encoding="utf-8",
        )
        self._timeout_s = timeout_s

    def run(self) -> None:
        """Start the process and ask its version."""
        self._process = subprocess.Popen(  # noqa: S603  no shell, and no name from outside
            [
                *(sys.executable, "-I", "-S", "-c", _LAUNCHER),
                *(str(os.getpid()), str(_MAX_MEMORY_BYTES)),
                *(str(self._executable), "-config", "", "-stay_open", "True", "-@", "-"),
                *("-common_args", *_COMMON_ARGUMENTS),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env=make_environment(),
        )
        for pipe in self._pipes():
            os.set_blocking(pipe.fileno(), False)
        self._running = True
        self._ver = self.execute("-ver").strip()

    def execute(self, *params: str | bytes, raw_bytes: bool = False, extra_s: float = 0.0) -> Any:
        """Run one command and give its output; `extra_s` is how much longer it may take.

        Raises `ExifToolFailedError` where it is not there within the time, or is endless.
        """
        number = 100_000 + secrets.randbelow(900_000)
        lines = [p if isinstance(p, bytes) else p.encode() for p in params]
        lines += [b"-echo4", b"=${status}=post%d" % number, b"-execute%d" % number, b""]
        if any(letter in line for line in lines for letter in b"\n\r\0"):
            raise ValueError("an argument of ExifTool holds a newline")
        output, errors = self._exchange(
            b"\n".join(lines), b"{ready%d}" % number, b"=post%d" % number, self._timeout_s + extra_s
        )
        self._last_stderr = errors.decode("utf-8", "replace")
        self._last_stdout = output.decode("utf-8", "replace")
        return output if raw_bytes else self._last_stdout

    def terminate(self, timeout: int = 5, _del: bool = False) -> None:
        """Kill the process; it reads and makes copies, so there is nothing to finish."""
        process = self._process
        if process is None:
            return
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout)
        for pipe in self._pipes():
            pipe.close()
        self._flag_running_false()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        process: subprocess.Popen[bytes] = self._process
        assert process.stdin
        assert process.stdout
        assert process.stderr
        return process.stdin, process.stdout, process.stderr

    def _exchange(
        self, command: bytes, ready: bytes, post: bytes, timeout_s: float
    ) -> tuple[bytes, bytes]:
        """Send the command and read both pipes until both end marks are there."""
        deadline = time.monotonic() + timeout_s
        stdin, stdout, stderr = self._pipes()
        marks = {stdout: ready, stderr: post}
        received = {stdout: bytearray(), stderr: bytearray()}
        with selectors.DefaultSelector() as selector:
            selector.register(stdin, selectors.EVENT_WRITE)
            for pipe in marks:
                selector.register(pipe, selectors.EVENT_READ)
            while marks:
                left = deadline - time.monotonic()
                events = selector.select(left) if left > 0 else []
                if not events:
                    raise ExifToolFailedError(f"it took longer than {timeout_s:g} s")
                for key, _ in events:
                    if key.fileobj is stdin:
                        command = _write_some(stdin, command)
                        if not command:
                            selector.unregister(stdin)
                        continue
                    pipe = stdout if key.fileobj is stdout else stderr
                    _read_some(pipe, received[pipe])
                    if pipe in marks and received[pipe].rstrip().endswith(marks[pipe]):
                        del marks[pipe]
        output = bytes(received[stdout]).rstrip().removesuffix(ready)
        return output, bytes(received[stderr]).rstrip().removesuffix(post)


def _write_some(pipe: IO[bytes], data: bytes) -> bytes:
    """Write what the pipe takes; gives what is left."""
    try:
        return data[os.write(pipe.fileno(), data[:65536]) :]
    except BlockingIOError:
        return data
    except OSError as error:
        raise ExifToolFailedError("it died") from error


def _read_some(pipe: IO[bytes], received: bytearray) -> None:
    try:
        data = os.read(pipe.fileno(), 65536)
    except BlockingIOError:
        return
    if not data:
        raise ExifToolFailedError("it died")
    received += data
    if len(received) > _MAX_ANSWER_BYTES:
        raise ExifToolFailedError("it answered without end")
