"""ExifTool with a deadline: many files in one command, and never more trouble than one file.

It reads the tags of files, and writes copies of files with other tags. It never changes a file:
what takes the place of an original is checked before, and by somebody else.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from itertools import starmap
from pathlib import Path
from typing import Final, TypeVar

from exiftool.exceptions import ExifToolException

import work_meter
from errors import FileProblem, PictureError
from exiftool_transport import (
    DEFAULT_TIMEOUT_S,
    ExifToolFailedError,
    StayOpenProcess,
    make_environment,
)
from metadata import TAGS_READ, TagValue

LOGGER = logging.getLogger(__name__)

T = TypeVar("T")

MINIMUM_VERSION: Final = (12, 15)
BATCH_FILES: Final = 50
BUNDLED: Final = Path(__file__).resolve().parent / ".cache" / "exiftool" / "exiftool"
"""Where set-up puts one that it fetched itself."""

_PIPE_VERSION: Final = (12, 38)
"""Before it, a name that ends in `|` was run as a command (CVE-2022-23935)."""

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
_EVERY_TAG: Final = ("-api", "QuickTimeUTC=1", "-api", "LargeFileSupport=1")
_SLOW_DISK_BYTES_S: Final = 10_000_000
_TAG_NAME: Final = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)?:[A-Za-z0-9]+")
_COPY_NUMBER: Final = re.compile(r"%[-+]?\d*\.?\d*[lun]?[cC]")
"""What ExifTool replaces by a number in the whole name of an output, folders too."""

_BASE64_MARK: Final = "base64:"


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
            env=make_environment(),
        )
        if _parse_version(done.stdout.decode("ascii", "replace").strip()) < MINIMUM_VERSION:
            raise ValueError("it is too old")
        return True
    except (OSError, ValueError, subprocess.CalledProcessError):
        # Not remembered: a Perl that comes later leaves no trace in the file.
        LOGGER.warning("%s is no ExifTool of version 12.15 or newer; it is not used", executable)
        raise _NotYetError from None


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
        self._process: StayOpenProcess | None = None
        self._calls = self._restarts = 0

    @property
    def calls(self) -> int:
        """Commands that it was given."""
        return self._calls

    @property
    def restarts(self) -> int:
        """How often it hung, died or answered nonsense, and was ended."""
        return self._restarts

    @property
    def version(self) -> str:
        """As ExifTool says, `12.57`. Raises `ExifToolFailedError` where it does not start."""
        return self._owner.submit(lambda: str(self._get_process().version)).result()

    def read_tags(self, paths: Sequence[str]) -> dict[str, dict[str, TagValue] | FileProblem]:
        """The tags in `metadata.TAGS_READ` of each file, by its path as given (absolute).

        A file that cannot be read, and one over which ExifTool hung or died, is a problem.
        """
        return self._ask(self._read_all, list(dict.fromkeys(paths)))

    def extract_preview(self, path: str) -> bytes | None:
        """The largest JPEG that the file at the absolute `path` holds, or None.

        Raises `PictureError` where the file or ExifTool will not do.
        """
        return self._ask(self._extract_preview, path)

    def read_every_tag(self, path: str) -> dict[str, TagValue]:
        """All that ExifTool finds in the file at the absolute `path`, by `Group:Tag`.

        Raises `PictureError` where the file or ExifTool will not do.
        """
        return self._ask(self._read_every_tag, path)

    def write_copy(self, source: str, copy: str, changes: Mapping[str, TagValue | None]) -> None:
        """Make `copy`, which must not exist: the file at `source` with other tags.

        changes: `Group:Tag` -> its value, None to take it out. Both paths are absolute. What
        was written has to be read back: ExifTool may leave out what the format cannot hold.
        Raises `PictureError` where ExifTool or the disk refuses; a part of the copy may be left.
        """
        self._ask(self._write_copy, source, copy, changes)

    @property
    def number(self) -> tuple[int, int]:
        """The version as two numbers, (0, 0) where it does not start."""
        try:
            return _parse_version(self.version)
        except (ExifToolFailedError, ValueError):
            return 0, 0

    def close(self) -> None:
        """End the process. Safe to call twice; no file can be read afterwards."""
        with contextlib.suppress(RuntimeError):  # the owner was shut down before
            self._owner.submit(self._kill).result()
        self._owner.shutdown()

    def _ask(self, function: Callable[..., T], *args: object) -> T:
        """What the function gives in the owner thread, which counts its work for the caller."""
        return self._owner.submit(copy_context().run, function, *args).result()

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
        self._check(path)
        try:
            answer = self._execute([path], _PREVIEW_ARGUMENTS)
        except ExifToolFailedError as error:
            raise PictureError(f"ExifTool cannot read the file: {error}.") from error
        found = [_decode_jpeg(value) for tags in answer for value in tags.values()]
        return max(found, key=len, default=b"") or None

    def _read_every_tag(self, path: str) -> dict[str, TagValue]:
        self._check(path)
        try:
            answer = self._execute([path], _EVERY_TAG, extra_s=_extra_s(path))
        except ExifToolFailedError as error:
            raise PictureError(f"ExifTool cannot read the file: {error}.") from error
        nothing: dict[str, TagValue] = {"ExifTool:Error": "it says nothing of it"}
        found = _take_error(path, answer[0] if answer else nothing)
        if isinstance(found, FileProblem):
            raise PictureError(found.reason)
        return found

    def _write_copy(self, source: str, copy: str, changes: Mapping[str, TagValue | None]) -> None:
        self._check(source)
        if not changes or not os.path.isabs(copy) or os.path.lexists(copy):
            raise ValueError("a copy is made of changes, under an absolute name that is free")
        arguments = [
            *_EVERY_TAG,
            "-o",
            _name_output(source, copy),
            *starmap(_write_assignment, changes.items()),
            source,
        ]
        try:
            process = self._get_process()
            with self._counting(1):
                process.execute(*arguments, extra_s=_extra_s(source))
        except ExifToolFailedError as error:
            self._give_up(error)
            raise PictureError(f"ExifTool cannot write the file: {error}.") from error
        said = [line for line in str(process.last_stderr).splitlines() if line.startswith("Error")]
        if said or not os.path.isfile(copy):
            reason = said[0].partition(" - /")[0] if said else "it wrote nothing"
            raise PictureError(f"ExifTool will not write into this file: {reason[:200]}.")

    def _check(self, path: str) -> None:
        reason = self._refuse(path)
        if reason:
            raise PictureError(reason)

    def _execute(
        self,
        paths: Sequence[str],
        arguments: Sequence[str] = _READ_ARGUMENTS,
        extra_s: float = 0.0,
    ) -> list[dict[str, TagValue]]:
        """One command. Whatever goes wrong, the process is ended: the next one starts afresh."""
        try:
            process = self._get_process()
            with self._counting(len(paths)):
                answer = process.execute(*arguments, "-j", *paths, extra_s=extra_s)
            return _parse_answer(answer)
        except ExifToolFailedError as error:
            self._give_up(error)
            raise

    @contextlib.contextmanager
    def _counting(self, files: int) -> Iterator[None]:
        began = time.perf_counter()
        self._calls += 1
        try:
            yield
        finally:
            work_meter.note("exiftool", time.perf_counter() - began, files=files, calls=1)

    def _give_up(self, error: ExifToolFailedError) -> None:
        LOGGER.warning("ExifTool is restarted: %s", error)
        self._restarts += 1
        self._kill()

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

    def _get_process(self) -> StayOpenProcess:
        if self._process is None:
            process = StayOpenProcess(self._executable, self._timeout_s)
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


def _write_assignment(tag: str, value: TagValue | None) -> str:
    """`-Group:Tag=value` as one argument; ExifTool takes one a line.

    An empty value deletes; `^=` writes the empty text that stood there before.
    """
    if not _TAG_NAME.fullmatch(tag) or isinstance(value, list):
        raise PictureError(f"ExifTool cannot be given the tag {tag[:80]!r}.")
    text = "" if value is None else str(value)
    if any(letter in text for letter in "\n\r\0"):
        raise PictureError("ExifTool cannot be given a value with a newline.")
    return f"-{tag}^=" if value == "" else f"-{tag}={text}"


def _name_output(source: str, copy: str) -> str:
    """A copy's name as `-o` takes it, which is a format: `%d` is the folder of the source.

    A percent sign cannot be escaped there, so it may stand in the folder's name alone.
    """
    folder, name = os.path.split(copy)
    if "%" not in copy:
        return copy
    if "%" in name or folder != os.path.dirname(source) or _COPY_NUMBER.search(folder):
        raise PictureError("ExifTool cannot safely be given a file of this name.")
    return f"%d{name}"


def _extra_s(path: str) -> float:
    """A large file takes a slow disk longer than others."""
    return os.stat(path).st_size / _SLOW_DISK_BYTES_S


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
