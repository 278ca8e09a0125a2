"""Opens a file inside a folder without following a link anywhere on the way to it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

_FOLDER: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY
# A pipe in a photo's place must not be waited for, and no terminal be taken over.
_FILE: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A regular file that is open for reading, and its facts as of now; who has it closes it.

    name: the last part of its path; size in bytes; version: another one with every change.
    """

    file: BinaryIO
    name: str
    size: int
    mtime_ns: int
    version: str


def open_inside(root: Path, relative: str) -> OpenedFile:
    """Open a regular file below `root`, which may itself be a link. Raises `OSError`.

    Each folder is opened from the one before and never by its whole path: whatever is renamed
    or replaced by a link meanwhile, the file that was checked is the one that is read.
    """
    *folders, name = _split(relative)
    folder = os.open(root, _FOLDER)
    try:
        for part in folders:
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        return _open_regular(name, folder)
    finally:
        os.close(folder)


def _split(relative: str) -> Sequence[str]:
    parts = relative.split("/")
    if "\0" in relative or any(part in ("", ".", "..") for part in parts):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), relative)
    return parts


def _open_regular(name: str, folder: int) -> OpenedFile:
    # Looked at first: merely to open a device can do something.
    if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        raise FileNotFoundError(errno.ENOENT, "not a regular file", name)
    descriptor = os.open(name, _FILE, dir_fd=folder)
    try:
        result = os.fstat(descriptor)
        if not stat.S_ISREG(result.st_mode):
            raise FileNotFoundError(errno.ENOENT, "not a regular file", name)
        file = os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise
    version = f"{result.st_mtime_ns:x}-{result.st_ctime_ns:x}-{result.st_size:x}"
    return OpenedFile(file, name, result.st_size, result.st_mtime_ns, version)
