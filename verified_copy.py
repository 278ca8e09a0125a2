"""A copy that is proven before it gets its name: hashed, read back, synced, never over a file.

Until the last rename the copy has a hidden name that says whose it is, so that what a crash
leaves behind is neither taken for a photo nor for somebody else's file.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from errors import CopyFailedError, DiskFullError
from safe_write import TEMPORARY_SUFFIX, sync_folder

CHUNK_BYTES: Final = 1 << 20
SPARE_BYTES: Final = 16 << 20
"""Left free on the disk, for the database and its log."""

MOST_NAME_BYTES: Final = 255
_NUMBER_BYTES: Final = 12
_LAST_NUMBER: Final = 100_000
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_READ_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_NO_REPLACE: Final = 1
_AT_FDCWD: Final = -100
# What a kernel, a C library or a file system says that does not know the flag.
_UNKNOWN: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})


@dataclass(frozen=True, slots=True)
class VerifiedCopy:
    """A copy in its place; name: the last part of its path. content_hash: SHA-256, read back."""

    path: str
    name: str
    content_hash: str
    size: int


def copy_verified(
    source: str,
    folder: str,
    name: str,
    *,
    owner: str,
    content_hash: str | None = None,
    check: Callable[[], None] = lambda: None,
) -> VerifiedCopy:
    """Copy the file at `source` into `folder`, as `name` or, where that is taken, `name (2)`.

    The copy has the source's bytes and mtime; the source is only read. owner: a word in the
    hidden name that it has until then, for `remove_leftovers`. content_hash: what the source
    is known to hold. check: called between two pieces; what it raises ends the copy.
    Raises `CopyFailedError` with a sentence about this file, and `DiskFullError`.
    """
    temporary = os.path.join(folder, f".{owner}.{secrets.token_hex(6)}{TEMPORARY_SUFFIX}")
    try:
        copied = _copy_bytes(source, temporary, content_hash, check)
        with _writing(name):
            target = _give_name(temporary, folder, name)
            sync_folder(folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return VerifiedCopy(target, os.path.basename(target), copied[0], copied[1])


def make_folder(root: Path, relative: str) -> str:
    """The folder `relative` below `root`, made where it is not there yet; absolute.

    Raises `CopyFailedError` where a link or a file stands in its place.
    """
    path = str(root)
    for part in filter(None, relative.split("/")):
        outer, path = path, os.path.join(path, part)
        with _writing(relative):
            try:
                os.mkdir(path)
                sync_folder(outer)
            except FileExistsError:
                if not stat.S_ISDIR(os.stat(path, follow_symlinks=False).st_mode):
                    raise CopyFailedError(
                        f"{relative} is no folder of its own in the library, but a link or a file."
                    ) from None
    return path


def remove_leftovers(folder: str, owner: str) -> None:
    """Remove what copies of this owner left in `folder` when their process was ended."""
    leftover = re.compile(rf"\.{re.escape(owner)}\.[0-9a-f]{{12}}{re.escape(TEMPORARY_SUFFIX)}")
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for name in os.listdir(folder):
            if leftover.fullmatch(name):
                os.unlink(os.path.join(folder, name))


def number_name(name: str, number: int) -> str:
    """`name.jpg` as `name (2).jpg`; 1 is the name itself. Shortened where it grows too long."""
    if number == 1:
        return name
    stem, suffix = os.path.splitext(name)
    most = MOST_NAME_BYTES - len(os.fsencode(suffix)) - _NUMBER_BYTES
    while len(os.fsencode(stem)) > most:
        stem = stem[:-1]
    return f"{stem} ({number}){suffix}"


# -- the bytes ---------------------------------------------------------------------------------


def _copy_bytes(
    source: str, temporary: str, expected: str | None, check: Callable[[], None]
) -> tuple[str, int]:
    """Copy into `temporary`, sync it and read it back; the hash and the size."""
    with _reading():
        descriptor = os.open(source, _READ_FLAGS)
    with open(descriptor, "rb", buffering=0) as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise CopyFailedError("This is no regular file.")
        _refuse_full_disk(temporary, before.st_size)
        with _writing(os.path.basename(source)):
            copy = open(temporary, "xb", buffering=0)  # noqa: SIM115  closed below
        with copy:
            digest = hashlib.sha256()
            # A byte more than there is shows that it grows, and no more is read of one that does.
            left = before.st_size + 1
            while left:
                check()
                with _reading():
                    piece = file.read(min(CHUNK_BYTES, left))
                if not piece:
                    break
                left -= len(piece)
                digest.update(piece)
                with _writing(os.path.basename(source)):
                    _write_all(copy.fileno(), piece)
            _refuse_changed(source, before, digest.hexdigest(), expected)
            with _writing(os.path.basename(source)):
                os.utime(copy.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
                os.fsync(copy.fileno())
    if _read_back(temporary, check) != digest.hexdigest():
        raise CopyFailedError(
            "The copy did not hold what was written: the disk or the memory of this machine "
            "makes errors. The source is as it was."
        )
    return digest.hexdigest(), before.st_size


def _write_all(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


def _refuse_changed(source: str, before: os.stat_result, found: str, expected: str | None) -> None:
    with _reading():
        now = os.stat(source, follow_symlinks=False)
    same = (now.st_ino, now.st_size, now.st_mtime_ns) == (
        before.st_ino,
        before.st_size,
        before.st_mtime_ns,
    )
    if not same or expected not in (None, found):
        raise CopyFailedError(
            "It was not the same when it was copied as when it was looked at: another program "
            "writes it, or its disk fails. Try again."
        )


def _read_back(path: str, check: Callable[[], None]) -> str:
    """The hash of what lies on the disk, past the memory's copy where the system lets it go."""
    with _writing(os.path.basename(path)), open(path, "rb", buffering=0) as file:
        with contextlib.suppress(OSError):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        digest = hashlib.sha256()
        while piece := file.read(CHUNK_BYTES):
            digest.update(piece)
            check()
    return digest.hexdigest()


# -- the name ----------------------------------------------------------------------------------


def _give_name(temporary: str, folder: str, name: str) -> str:
    for number in range(1, _LAST_NUMBER):
        target = os.path.join(folder, number_name(name, number))
        try:
            rename_new(temporary, target)
        except FileExistsError:
            continue
        return target
    raise CopyFailedError(f"There are too many files named {name}.")


def rename_new(temporary: str, target: str) -> None:
    """Rename, but never over another file. Raises `FileExistsError`, and as `os.rename`."""
    try:
        _rename_no_replace(temporary, target)
        return
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
    try:
        os.link(temporary, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EMLINK, *_UNKNOWN):
            raise
    else:
        os.unlink(temporary)
        return
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    os.rename(temporary, target)  # the last resort, of file systems that know neither


def _rename_no_replace(temporary: str, target: str) -> None:
    """`renameat2` of Linux, which Python does not offer."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    names = os.fsencode(temporary), os.fsencode(target)
    if function(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _NO_REPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


# -- trouble -----------------------------------------------------------------------------------


def _refuse_full_disk(path: str, size: int) -> None:
    with _writing(os.path.basename(path)):
        free = shutil.disk_usage(os.path.dirname(path)).free
    if free < size + SPARE_BYTES:
        raise DiskFullError("There is no room on the disk of the library for this file.")


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise CopyFailedError("This is a symbolic link; links are not followed.") from error
        if error.errno == errno.ENOENT:
            raise CopyFailedError("It is no longer there.") from error
        raise CopyFailedError(f"It cannot be read: {error.strerror or error}.") from error


@contextlib.contextmanager
def _writing(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError("There is no room left on the disk of the library.") from error
        raise CopyFailedError(
            f"The library's disk does not take {name}: {error.strerror or error}."
        ) from error
