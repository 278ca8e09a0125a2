"""ExifTool with a deadline: one process that stays open, and never more trouble than one file.

PyExifTool speaks the protocol, but waits without end for a process that hangs or has died;
its transport is replaced here. Process and pipes belong to one thread.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import re
import secrets
import selectors
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Final

import exiftool
from exiftool.exceptions import ExifToolException

from errors import FileProblem, PictureError
from metadata import TAGS_READ, TagValue

LOGGER = logging.getLogger(__name__)

MINIMUM_VERSION: Final = (12, 15)
BATCH_FILES: Final = 50
BUNDLED: Final = Path(__file__).resolve().parent / ".cache" / "exiftool" / "exiftool"
"""Where set-up puts one that it fetched itself."""

DEFAULT_TIMEOUT_S: Final = 30.0

_PIPE_VERSION: Final = (12, 38)
"""Before it, a name that ends in `|` was run as a command (CVE-2022-23935)."""

_COMMON_ARGUMENTS: Final = ("-G1", "-n", "-charset", "filename=utf8")
_READ_ARGUMENTS: Final = (
    # Not -fast2, which loses the EXIF of HEIC.
    "-fast",
    "-api",
    "QuickTimeUTC=1",
    "-api",
    "LargeFileSupport=1",
    "-ExifTool:Error",
    *(f"-{tag}" for tag in TAGS_READ),
)
_PREVIEW_ARGUMENTS: Final = (
    "-b",
    "-api",
    "LargeFileSupport=1",
    *("-JpgFromRaw", "-JpgFromRaw2", "-PreviewImage", "-OtherImage", "-ThumbnailImage"),
)
_BASE64_MARK: Final = "base64:"
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


class _NotYetError(Exception):
    """What is called ExifTool does not run, or is too old."""


def find_exiftool() -> str | None:
    """The ExifTool to use: `LIGHTKEEP_EXIFTOOL`, else on the PATH, else beside the program.

    One that does not run, or is too old, is passed over.
    """
    for name in (os.environ.get("LIGHTKEEP_EXIFTOOL"), "exiftool", str(BUNDLED)):
        found = shutil.which(name) if name else None
        if found:
            # Busy, or no good as yet: asked again next time.
            with contextlib.suppress(subprocess.TimeoutExpired, _NotYetError, OSError):
                if _runs(found, os.stat(found).st_mtime_ns):
                    return found
    return None


@lru_cache(maxsize=16)
def _runs(executable: str, _mtime_ns: int) -> bool:
    """Whether it says a version that will do; asked once, and again when the file changes."""
    try:
        done = subprocess.run(  # noqa: S603  no shell, and no name from outside
            [executable, "-config", "", "-ver"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=DEFAULT_TIMEOUT_S,
            cwd="/",
            env=_make_environment(),
        )
        if _parse_version(done.stdout.decode("ascii", "replace").strip()) < MINIMUM_VERSION:
            raise ValueError("it is too old")
        return True
    except (OSError, ValueError, subprocess.CalledProcessError):
        # Not remembered: a Perl that comes later leaves no trace in the file.
        LOGGER.warning("%s is no ExifTool of version 12.15 or newer; it is not used", executable)
        raise _NotYetError from None


def _make_environment() -> dict[str, str]:
    """Nothing of ours that Perl or ExifTool would look into."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
    }


class ExifTool:
    """Reads tags of many files. Thread-safe; the process starts with the first use.

    timeout_s: how long one command, of up to `BATCH_FILES` files, may take.
    """

    def __init__(self, executable: str | None = None, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        found = executable or find_exiftool()
        if found is None:
            raise FileNotFoundError("ExifTool is not installed")
        self._executable = os.path.abspath(found)
        self._timeout_s = timeout_s
        # PR_SET_PDEATHSIG ends the child with the thread that made it, so one thread lives
        # as long as this object and does all.
        self._owner = ThreadPoolExecutor(1, thread_name_prefix="exiftool")
        self._process: _StayOpenProcess | None = None

    @property
    def version(self) -> str:
        """As ExifTool says, `12.57`. Raises `ExifToolFailedError` where it does not start."""
        return self._owner.submit(lambda: str(self._get_process().version)).result()

    def read_tags(self, paths: Sequence[str]) -> dict[str, dict[str, TagValue] | FileProblem]:
        """The tags in `metadata.TAGS_READ` of each file, by its path as given (absolute).

        A file that cannot be read, and one over which ExifTool hung or died, is a problem.
        """
        return self._owner.submit(self._read_all, list(dict.fromkeys(paths))).result()

    def extract_preview(self, path: str) -> bytes | None:
        """The largest JPEG that the file at the absolute `path` holds, or None.

        Raises `PictureError` where the file or ExifTool will not do.
        """
        return self._owner.submit(self._extract_preview, path).result()

    def close(self) -> None:
        """End the process. Safe to call twice; no file can be read afterwards."""
        with contextlib.suppress(RuntimeError):  # the owner was shut down before
            self._owner.submit(self._kill).result()
        self._owner.shutdown()

    # -- in the owner thread -----------------------------------------------------------------

    def _read_all(self, paths: Sequence[str]) -> dict[str, dict[str, TagValue] | FileProblem]:
        answers: dict[str, dict[str, TagValue] | FileProblem] = {}
        for path in paths:
            reason = self._refuse(path)
            if reason:
                answers[path] = FileProblem(path, reason)
        readable = [path for path in paths if path not in answers]
        for start in range(0, len(readable), BATCH_FILES):
            answers.update(self._read_batch(readable[start : start + BATCH_FILES]))
        return {path: answers[path] for path in paths}

    def _read_batch(
        self, batch: Sequence[str]
    ) -> Iterator[tuple[str, dict[str, TagValue] | FileProblem]]:
        """Read in one command; what that does not answer, file by file, to find the guilty one."""
        found: dict[str, dict[str, TagValue]] = {}
        if len(batch) > 1:
            with contextlib.suppress(ExifToolFailedError):
                found = {str(item.get("SourceFile")): item for item in self._execute(batch)}
        for path in batch:
            tags = found[path] if path in found else self._read_one(path)
            yield path, tags if isinstance(tags, FileProblem) else _take_error(path, tags)

    def _read_one(self, path: str) -> dict[str, TagValue] | FileProblem:
        try:
            answer = self._execute([path])
        except ExifToolFailedError as error:
            return FileProblem(path, f"ExifTool cannot read the file: {error}.")
        # One file was asked for, so the one answer is its own, however its name was spelled.
        return answer[0] if answer else FileProblem(path, "ExifTool cannot read the file.")

    def _extract_preview(self, path: str) -> bytes | None:
        reason = self._refuse(path)
        if reason:
            raise PictureError(reason)
        try:
            answer = self._execute([path], _PREVIEW_ARGUMENTS)
        except ExifToolFailedError as error:
            raise PictureError(f"ExifTool cannot read the file: {error}.") from error
        found = [_decode_jpeg(value) for tags in answer for value in tags.values()]
        return max(found, key=len, default=b"") or None

    def _execute(
        self, paths: Sequence[str], arguments: Sequence[str] = _READ_ARGUMENTS
    ) -> list[dict[str, TagValue]]:
        """One command. Whatever goes wrong, the process is ended: the next one starts afresh."""
        try:
            answer = self._get_process().execute(*arguments, "-j", *paths)
            return _parse_answer(answer)
        except ExifToolFailedError as error:
            LOGGER.warning("ExifTool is restarted: %s", error)
            self._kill()
            raise

    def _refuse(self, path: str) -> str | None:
        """Why a path must not reach ExifTool, which takes one argument a line."""
        if not os.path.isabs(path) or any(letter in path for letter in "\n\r\0"):
            return "ExifTool cannot be given a file of this name."
        try:
            path.encode()
            mode = os.lstat(path).st_mode
        except (OSError, UnicodeEncodeError) as error:
            return f"The file cannot be read: {getattr(error, 'strerror', None) or error}."
        if not stat.S_ISREG(mode):
            return "This is no regular file."
        if path.rstrip().endswith("|") and self._is_older_than(_PIPE_VERSION):
            return "This ExifTool cannot safely be given a file of this name."
        return None

    def _is_older_than(self, version: tuple[int, int]) -> bool:
        try:
            return _parse_version(self._get_process().version) < version
        except ExifToolFailedError:
            return True

    def _get_process(self) -> _StayOpenProcess:
        if self._process is None:
            process = _StayOpenProcess(self._executable, self._timeout_s)
            try:
                process.run()
                version = _parse_version(process.version)
            except (ExifToolFailedError, ExifToolException, OSError, ValueError) as error:
                process.terminate()
                raise ExifToolFailedError(f"it does not start ({error})") from error
            if version < MINIMUM_VERSION:
                process.terminate()
                raise ExifToolFailedError("it is too old, it must be 12.15 or newer")
            self._process = process
        return self._process

    def _kill(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process = None


def _parse_answer(answer: str) -> list[dict[str, TagValue]]:
    if not answer.strip():
        return []
    try:
        # A camera named 1.10 is written as a number, and must not become 1.1.
        items = json.loads(answer, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise ExifToolFailedError("it answered no JSON") from error
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ExifToolFailedError("it answered something unexpected")
    return items


def _decode_jpeg(value: object) -> bytes:
    """The JPEG that a tag's value holds, as `-b -j` writes it; empty for anything else."""
    if not isinstance(value, str) or not value.startswith(_BASE64_MARK):
        return b""
    try:
        data = base64.b64decode(value[len(_BASE64_MARK) :])
    except ValueError:
        return b""
    return data if data.startswith(b"\xff\xd8\xff") else b""


def _take_error(path: str, tags: dict[str, TagValue]) -> dict[str, TagValue] | FileProblem:
    error = tags.get("ExifTool:Error")
    if error is not None:
        return FileProblem(path, f"ExifTool cannot read the file: {str(error)[:200]}.")
    return {name: value for name, value in tags.items() if name != "SourceFile"}


def _parse_version(text: object) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,3})\.(\d{1,3})\s*(\[.*\])?", str(text))
    if not match:
        raise ValueError(f"not a version: {str(text)[:50]!r}")
    return int(match[1]), int(match[2])


class _StayOpenProcess(exiftool.ExifTool):  # type: ignore[misc]  # it carries no type marker
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
            env=_make_environment(),
        )
        for pipe in self._pipes():
            os.set_blocking(pipe.fileno(), False)
        self._running = True
        self._ver = self.execute("-ver").strip()

    def execute(self, *params: str | bytes, raw_bytes: bool = False) -> Any:
        """Run one command and give its output.

        Raises `ExifToolFailedError` where it is not there within the time, or is endless.
        """
        number = 100_000 + secrets.randbelow(900_000)
        lines = [p if isinstance(p, bytes) else p.encode() for p in params]
        lines += [b"-echo4", b"=${status}=post%d" % number, b"-execute%d" % number, b""]
        if any(b"\n" in line for line in lines):
            raise ValueError("an argument of ExifTool holds a newline")
        output, errors = self._exchange(
            b"\n".join(lines), b"{ready%d}" % number, b"=post%d" % number
        )
        self._last_stderr = errors.decode("utf-8", "replace")
        self._last_stdout = output.decode("utf-8", "replace")
        return output if raw_bytes else self._last_stdout

    def terminate(self, timeout: int = 5, _del: bool = False) -> None:
        """Kill the process; it only reads, so there is nothing to finish."""
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

    def _exchange(self, command: bytes, ready: bytes, post: bytes) -> tuple[bytes, bytes]:
        """Send the command and read both pipes until both end marks are there."""
        deadline = time.monotonic() + self._timeout_s
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
                    raise ExifToolFailedError(f"it took longer than {self._timeout_s:g} s")
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
