"""A file read anew from the disk: its hashes as they are there, not in memory or in a table.

Runs inside a worker. It says more of a file without hashes than the index needs to know: whether
nothing stands there, the disk is in trouble, or the bytes are no photo any more.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from file_operations import PictureReading, read_picture

_OPEN_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class FileReading:
    """What the disk gave of one file.

    content_hash: None where it did not give the bytes. media_hash: None where they are no photo.
    stamps: size, mtime_ns and ctime_ns of the very bytes that were read. present: whether a
    regular file stands there. hash_s: how long its bytes took to read and hash.
    """

    content_hash: str | None = None
    media_hash: str | None = None
    stamps: tuple[int, int, int] | None = None
    problem: str | None = None
    present: bool = True
    bytes_read: int = 0
    hash_s: float = 0.0


def read_files(paths: Sequence[str]) -> list[FileReading]:
    """`read_file` for each path, in order: what a worker gets as one call."""
    return [read_file(path) for path in paths]


def read_file(path: str) -> FileReading:
    """The hashes of the file at the absolute `path`, from the disk. Trouble is a value."""
    with _uncached(path):
        reading = read_picture(path)
        if reading.content_hash is None or reading.stat is None:
            return _look_again(path, reading)
    return FileReading(
        content_hash=reading.content_hash,
        media_hash=reading.media_hash,
        stamps=(reading.stat.size, reading.stat.mtime_ns, reading.stat.ctime_ns),
        problem=reading.problem,
        bytes_read=reading.bytes_read,
        hash_s=reading.hash_s,
    )


def _look_again(path: str, reading: PictureReading) -> FileReading:
    """Why the file gave no hashes: gone, not readable, or no photo any more."""
    try:
        if not stat.S_ISREG(os.stat(path, follow_symlinks=False).st_mode):
            return FileReading(problem=reading.problem, present=False)
        return FileReading(problem=reading.problem) if reading.transient else _hash(path, reading)
    except (FileNotFoundError, NotADirectoryError):
        return FileReading(present=False)
    except OSError as error:
        return FileReading(problem=f"The file cannot be read: {error.strerror or error}.")


def _hash(path: str, reading: PictureReading) -> FileReading:
    """The bytes of what is no photo: a flipped bit in the first of them makes it so."""
    with open(path, "rb", opener=lambda name, _: os.open(name, _OPEN_FLAGS)) as file:
        before = _stamps(os.fstat(file.fileno()))
        content_hash = hashlib.file_digest(file, "sha256").hexdigest()
        if _stamps(os.fstat(file.fileno())) != before:
            return FileReading(problem="The file changes while it is read.")
    return FileReading(content_hash, None, before, reading.problem, bytes_read=before[0])


def _stamps(result: os.stat_result) -> tuple[int, int, int]:
    return result.st_size, result.st_mtime_ns, result.st_ctime_ns


@contextmanager
def _uncached(path: str) -> Iterator[None]:
    """Have the bytes come from the disk, and not fill the memory with them afterwards.

    What was read or written lately is in memory, where it is whole while the disk's copy rots.
    """
    with ExitStack() as stack:
        if sys.platform == "linux":
            with suppress(OSError):  # the reading itself says why
                descriptor = os.open(path, _OPEN_FLAGS)
                stack.callback(os.close, descriptor)
                stack.callback(_forget, descriptor)
                _forget(descriptor)
        yield


def _forget(descriptor: int) -> None:
    """Drop what is in memory of this file, as far as it is written."""
    if sys.platform == "linux":
        with suppress(OSError):  # a pipe has nothing to forget
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
