"""One pass over one photo file: its hashes, and the tags that the fast reader finds."""

from __future__ import annotations

import errno
import io
import os
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from folder_scan import FileStat, make_file_stat
from media_types import SIGNATURE_BYTES, detect_format
from metadata import TagValue
from picture_bytes import PictureHashes, hash_picture
from tag_reader import read_tags
from xmp_reader import read_xmp

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

WHOLE_READ_BYTES: Final = 64 * 1024 * 1024
"""Files up to this size are read in one go; larger ones are streamed."""

_LET_GO_BYTES: Final = 8 * 1024 * 1024
"""So much of a large file stays in the page cache behind the reader. All of it would push out what
the machine has there; and of 13 s for a film of 4 GB on a virtual machine 10 went into its pages.
"""

MAX_SIDECAR_BYTES: Final = 16 * 1024 * 1024
FINE_CLOCK_NS: Final = 50_000_000
COARSE_CLOCK_NS: Final = 2_000_000_000
_NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class KnownHashes:
    """Hashes of a file as it was with these stamps (size, mtime_ns, ctime_ns).

    Without stamps they hold whatever the file is: for who wants its tags alone. settled: this
    app has just put the file there, under an old mtime, which every later write moves; so
    nobody need wait until its ctime is old.
    """

    content_hash: str
    media_hash: str
    stamps: tuple[int, int, int] | None
    settled: bool = False


TAGS_ONLY: Final = KnownHashes("", "", None)


ReadRequest = tuple[str, str | None, KnownHashes | None]
"""Path, sidecar's path, known hashes: the arguments of `read_picture`."""

_OPEN_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_ATTEMPTS: Final = 2

_LASTING_ERRORS: Final = {
    errno.ELOOP: "This is a symbolic link; links are not followed.",
    errno.EISDIR: "This is no regular file.",
    errno.ENXIO: "This is no regular file.",
}
"""What opening says of a link, a folder and a socket; all other errors may pass."""


@dataclass(frozen=True, slots=True)
class PictureReading:
    """What one pass over a file gave.

    path: absolute, as asked for. stat: of the very bytes that were read (its path as asked for).
    tags, sidecar_tags: as ExifTool spells them; unsure: why ExifTool should be asked, or None.
    problem: what is wrong in a sentence; with hashes the file is still usable (damaged, or
        its sidecar is). transient: the trouble is the disk's or the moment's, not the content's.
    bytes_read: how many bytes came from the file. hash_s, tags_s: how long its bytes took to
        read and hash (0 where the hashes were known), and its tags.
    """

    path: str
    stat: FileStat | None = None
    file_type: str | None = None
    content_hash: str | None = None
    media_hash: str | None = None
    tags: dict[str, TagValue] | None = None
    sidecar_tags: dict[str, TagValue] | None = None
    unsure: str | None = None
    problem: str | None = None
    transient: bool = False
    bytes_read: int = 0
    hash_s: float = 0.0
    tags_s: float = 0.0


class _FileChangedError(Exception):
    """The file is not what it was when the reading began."""


class _NotAPictureError(Exception):
    """The bytes are not those of a known format; the sentence says what they are."""


class _SidecarError(Exception):
    """The disk does not give the sidecar; the sentence says why."""


def read_pictures(requests: Sequence[ReadRequest]) -> list[PictureReading]:
    """`read_picture` for each request, in order: what a worker gets as one call."""
    return [read_picture(*request) for request in requests]


def read_picture(
    path: str, sidecar: str | None = None, known: KnownHashes | None = None
) -> PictureReading:
    """Hashes and tags of the file at the absolute `path`, from one opening of it.

    With `known` hashes that are still the file's only headers are read. Trouble is a value: this
    raises nothing for a bad file.
    """
    reading = PictureReading(path)
    for _ in range(_ATTEMPTS):
        try:
            return _read_picture_once(path, sidecar, known)
        except _FileChangedError:
            reason = "The file changes while it is read. It is read again with the next index."
            reading = PictureReading(path, problem=reason, transient=True)
        except _NotAPictureError as error:
            return PictureReading(path, problem=str(error))
        except _SidecarError as error:
            return PictureReading(path, problem=str(error), transient=True)
        except OSError as error:
            lasting = error.errno in _LASTING_ERRORS
            return PictureReading(path, problem=_describe(error), transient=not lasting)
        except MemoryError:
            reason = "The file needs more memory than there is."
            return PictureReading(path, problem=reason, transient=True)
    return reading


def _read_picture_once(path: str, sidecar: str | None, known: KnownHashes | None) -> PictureReading:
    with _open_file(path) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise _NotAPictureError("This is no regular file.")
        if not (known and known.settled and known.stamps == _stamps(before)):
            _wait_until_settled(before)
        head = file.peek(SIGNATURE_BYTES)[:SIGNATURE_BYTES]
        file_type = detect_format(head, os.path.basename(path))
        if file_type is None:
            raise _NotAPictureError(_describe_bytes(head))
        if known and known.stamps not in (None, _stamps(before)):
            known = None  # changed since somebody looked up its hashes
        began = time.perf_counter()
        source = _load(file, before.st_size, whole=known is None)
        loaded = time.perf_counter()
        fast = read_tags(source, file_type)
        told = time.perf_counter()
        hashes = known or _hash(source, file_type)
        hashed = time.perf_counter()
        damage = hashes.damage if isinstance(hashes, PictureHashes) else None
        if _stamps(os.fstat(file.fileno())) != _stamps(before):
            raise _FileChangedError
        sidecar_tags, sidecar_trouble = _read_sidecar(sidecar)
        return PictureReading(
            path=path,
            stat=make_file_stat(path, before),
            file_type=file_type,
            content_hash=hashes.content_hash,
            media_hash=hashes.media_hash,
            tags=fast.tags,
            sidecar_tags=sidecar_tags,
            unsure=fast.unsure,
            problem=" ".join(filter(None, (damage, fast.damage, sidecar_trouble))) or None,
            bytes_read=file.raw.bytes_read,
            hash_s=0.0 if known else hashed - told + loaded - began,
            tags_s=told - loaded,
        )


def _hash(source: BinaryIO, file_type: str) -> PictureHashes:
    source.seek(0)
    return hash_picture(source, file_type)


class _CountingFile(io.FileIO):
    """A file that counts the bytes it hands out.

    passing: what was read of it does not stay in the page cache.
    """

    bytes_read = 0
    passing = False
    _let_go_at = _LET_GO_BYTES

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = super().readinto(buffer) or 0
        self.bytes_read += count
        if self.passing and self.bytes_read >= self._let_go_at:
            self._let_go_at = self.bytes_read + _LET_GO_BYTES
            os.posix_fadvise(self.fileno(), 0, self.tell(), os.POSIX_FADV_DONTNEED)
        return count

    def readall(self) -> bytes:
        data = super().readall()
        self.bytes_read += len(data)
        return data


class _PictureFile(io.BufferedReader):
    """A buffered file whose `raw` is known to count."""

    raw: _CountingFile


def _open_file(path: str) -> _PictureFile:
    """Open without following a link at the end, and without waiting for a FIFO's writer."""
    return _PictureFile(_CountingFile(path, opener=lambda name, _: os.open(name, _OPEN_FLAGS)))


def _load(file: _PictureFile, size: int, *, whole: bool) -> BinaryIO:
    """The file to read from: a copy in memory where all of it is needed and it is not huge."""
    file.seek(0)
    if not whole or size > WHOLE_READ_BYTES:
        file.raw.passing = whole
        return file
    data = file.read(size + 1)
    if len(data) != size:
        raise _FileChangedError
    return io.BytesIO(data)


def _wait_until_settled(result: os.stat_result) -> None:
    """Wait out the grain of the file's time stamps.

    A write that falls into the same grain as the reading would leave no trace in them, and
    the file would be taken for unchanged for ever.
    """
    grain = FINE_CLOCK_NS if result.st_ctime_ns % _NS_PER_S else COARSE_CLOCK_NS
    # Every write moves ctime. A server's clock may be a little ahead of ours.
    age = time.time_ns() - result.st_ctime_ns
    if -grain < age < grain:
        time.sleep((grain - age) / _NS_PER_S)


def _stamps(result: os.stat_result) -> tuple[int, int, int]:
    return result.st_size, result.st_mtime_ns, result.st_ctime_ns


def _describe_bytes(head: bytes) -> str:
    if not head:
        return "The file is empty."
    return "This is neither photo nor video: its bytes are those of no known format."


def _describe(error: OSError) -> str:
    lasting = _LASTING_ERRORS.get(error.errno or 0)
    return lasting or f"The file cannot be read: {error.strerror or error}."


def _read_sidecar(path: str | None) -> tuple[dict[str, TagValue] | None, str | None]:
    """The sidecar's tags, and what is wrong with it. One that vanished is none.

    Raises `_SidecarError` where the disk is in trouble: the photo is then read another
    time, rather than without the rating that its sidecar holds.
    """
    if path is None:
        return None, None
    try:
        with _open_file(path) as file:
            result = os.fstat(file.fileno())
            if not stat.S_ISREG(result.st_mode):
                return None, None
            _wait_until_settled(result)
            data = file.read(MAX_SIDECAR_BYTES + 1)
            if _stamps(os.fstat(file.fileno())) != _stamps(result):
                raise _FileChangedError
        return read_xmp(data), None
    except OSError as error:
        if error.errno == errno.ENOENT or error.errno in _LASTING_ERRORS:
            return None, None
        reason = error.strerror or error
        name = os.path.basename(path)
        raise _SidecarError(f"Its sidecar {name} cannot be read: {reason}.") from error
    except ValueError as error:
        return None, f"Its sidecar {os.path.basename(path)} is ignored: {error}."
