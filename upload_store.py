"""Files on their way from a browser into the library: staged on disk until they are imported.

A batch is a folder below `uploads`. A file gets its name there when all of it has come, and a
line in the batch's list after that; what a crash leaves is a part without a line. The names
that clients send are only names: no path, nothing hidden, nothing that a system reserves.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import threading
import time
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from errors import DiskFullError, InvalidRequestError, NotFoundError
from safe_write import sync_folder
from verified_copy import SPARE_BYTES

FOLDER: Final = "uploads"
KEPT_DAYS: Final = 7
MOST_ID_LETTERS: Final = 500
_ARRIVING: Final = "arriving"
_LIST: Final = "staged.jsonl"
_FILES: Final = "files"
_MOST_NAME_BYTES: Final = 200
_DAY_S: Final = 86_400
_BATCH: Final = re.compile(r"[0-9a-f]{16}")
_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_NS_PER_MS: Final = 1_000_000
_MOST_MS: Final = 10**14


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file of a batch: the client's id for it, its cleaned name, its size in bytes."""

    id: str
    name: str
    size: int
    path: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What a client says of one file that it sends.

    name: as it sent it. modified_ms: its mtime there, None where it does not say. offset, size:
    which piece this is, and how large the whole is; None: it is the whole.
    """

    id: str
    name: str
    modified_ms: int | None = None
    offset: int = 0
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """What became of it; received: how many bytes of it are here. size: None until all are."""

    file: StagedFile
    received: int
    already_staged: bool = False

    @property
    def complete(self) -> bool:
        return self.received == self.file.size


class ArrivingPart:
    """A file that a request's bytes are written to; says in words when the disk is full."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] = open(path, "xb+")  # noqa: SIM115  closed by `discard`

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            raise _explain(error) from error

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        """What parses a request closes what it made; the bytes are needed until `discard`."""

    def settle(self) -> int:
        """Bring all bytes to the disk; how many there are."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            return os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise _explain(error) from error

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self.path.unlink()


class UploadStore:
    """The staged files of one library, in `folder`. Thread-safe; one process at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    # -- receiving -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def receiving(self, expected_bytes: int) -> Iterator[list[ArrivingPart]]:
        """Parts that a request brings, to be filled by `open_part`; they are gone in the end.

        Raises `DiskFullError` where so many bytes do not fit.
        """
        arriving = self._folder / _ARRIVING
        try:
            arriving.mkdir(mode=0o700, parents=True, exist_ok=True)
            free = shutil.disk_usage(arriving).free
        except OSError as error:
            raise _explain(error) from error
        # Once here and once in the library.
        if free < 2 * expected_bytes + SPARE_BYTES:
            raise DiskFullError("There is no room on the disk of the library for these files.")
        parts: list[ArrivingPart] = []
        try:
            yield parts
        finally:
            for part in parts:
                part.discard()

    def open_part(self, parts: list[ArrivingPart]) -> ArrivingPart:
        try:
            part = ArrivingPart(self._folder / _ARRIVING / f"{secrets.token_hex(8)}.part")
        except OSError as error:
            raise _explain(error) from error
        parts.append(part)
        return part

    def make_batch(self) -> str:
        """The id of a new batch."""
        batch = secrets.token_hex(8)
        try:
            (self._folder / batch / _FILES).mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise _explain(error) from error
        return batch

    def stage(self, batch: str, part: ArrivingPart, sent: Sent) -> Received:
        """Keep what came as a file of the batch, or as a piece of one. A repeat is harmless.

        Raises `NotFoundError` for an unknown batch, and `InvalidRequestError` for pieces that do
        not belong together.
        """
        folder = self._find(batch)
        if not sent.id or len(sent.id) > MOST_ID_LETTERS:
            raise InvalidRequestError(f"An id has 1 to {MOST_ID_LETTERS} letters.")
        came = part.settle()
        size = came if sent.size is None else sent.size
        if sent.offset < 0 or sent.offset + came > size:
            raise InvalidRequestError(f"{sent.name}: the piece is not within the file.")
        name = clean_name(sent.name)
        with self._lock:
            known = self._read_list(folder).get(sent.id)
            if known:
                if known.size != size:
                    raise InvalidRequestError(
                        f"{known.name} was staged under this id with {known.size} bytes."
                    )
                return Received(known, size, already_staged=True)
            try:
                whole = self._join(folder, part, sent, came)
                received = whole.stat().st_size
                unfinished = StagedFile(sent.id, name, size, "")
                if received < size:
                    return Received(unfinished, received)
                return Received(self._put_in_place(folder, whole, sent, size), size)
            except OSError as error:
                raise _explain(error) from error

    def _join(self, folder: Path, part: ArrivingPart, sent: Sent, came: int) -> Path:
        """The file that holds all that has come of it until now."""
        if sent.size is None or (sent.offset == 0 and came == sent.size):
            return part.path
        whole = folder / f"{_hash(sent.id)}.part"
        if sent.offset == 0:
            os.replace(part.path, whole)
            return whole
        here = whole.stat().st_size if whole.exists() else 0
        if here == sent.offset:
            part.seek(0)
            with whole.open("ab") as file:
                while piece := part.read(1 << 20):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
        elif not whole.exists():
            whole.touch()
        return whole

    def _put_in_place(self, folder: Path, whole: Path, sent: Sent, size: int) -> StagedFile:
        name = clean_name(sent.name)
        # Files of one folder stay together, so that pairs and sidecars are found; those of
        # different folders may have one name.
        place = _hash(_folder_of(sent.name))[:8]
        number = 0
        while (target := folder / _FILES / f"{place}-{number}" / name).exists():
            number += 1
        target.parent.mkdir(mode=0o700, exist_ok=True)
        if sent.modified_ms is not None and 0 < sent.modified_ms < _MOST_MS:
            stamp = sent.modified_ms * _NS_PER_MS
            os.utime(whole, ns=(stamp, stamp))
        os.rename(whole, target)
        sync_folder(str(target.parent))
        staged = StagedFile(sent.id, name, size, str(target.relative_to(folder)))
        line = json.dumps({key: getattr(staged, key) for key in StagedFile.__slots__})
        with (folder / _LIST).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")  # whatever a crash left of the line before
            file.flush()
            os.fsync(file.fileno())
        return staged

    # -- what is here --------------------------------------------------------------------------

    def list_files(self, batch: str) -> list[StagedFile]:
        """What is staged and not imported yet. Raises `NotFoundError` for an unknown batch."""
        folder = self._find(batch)
        with self._lock:
            return list(self._read_list(folder).values())

    def find_received(self, batch: str, file_id: str) -> int:
        """How many bytes are here of a file that is not complete."""
        part = self._find(batch) / f"{_hash(file_id)}.part"
        with contextlib.suppress(FileNotFoundError):
            return part.stat().st_size
        return 0

    def files_folder(self, batch: str) -> Path:
        """Where the complete files of a batch lie. Raises `NotFoundError`."""
        return self._find(batch) / _FILES

    def remove(self, batch: str, paths: Sequence[str]) -> None:
        """Remove staged files (absolute paths) that are in the library now."""
        files = self._folder / batch / _FILES
        for path in paths:
            if Path(path).is_relative_to(files):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)

    def finish(self, batch: str, files: Collection[str]) -> None:
        """Remove a batch after the import of these files (ids), but not what has come since."""
        folder = self._find(batch)
        with self._lock:
            if self._read_list(folder).keys() <= set(files) and not any(folder.glob("*.part")):
                shutil.rmtree(folder, ignore_errors=True)

    def clean(self, now: float | None = None) -> None:
        """Remove what was abandoned: parts of requests, and batches older than a week."""
        shutil.rmtree(self._folder / _ARRIVING, ignore_errors=True)
        until = (time.time() if now is None else now) - KEPT_DAYS * _DAY_S
        with contextlib.suppress(OSError):
            for batch in list(self._folder.iterdir()):
                stamps = [batch, *batch.glob("*.part"), batch / _LIST]
                newest = max(path.stat().st_mtime for path in stamps if path.exists())
                if _BATCH.fullmatch(batch.name) and newest < until:
                    shutil.rmtree(batch, ignore_errors=True)

    def _find(self, batch: str) -> Path:
        folder = self._folder / batch
        if not _BATCH.fullmatch(batch) or not folder.is_dir():
            raise NotFoundError("There is no such upload; what was in it is imported or gone.")
        return folder

    def _read_list(self, folder: Path) -> dict[str, StagedFile]:
        """By id, those whose file is still here; a line that a crash cut is none."""
        try:
            text = (folder / _LIST).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _explain(error) from error
        staged = {}
        for line in text.splitlines():
            with contextlib.suppress(ValueError, TypeError):
                file = StagedFile(**json.loads(line))
                if (folder / file.path).is_file():
                    staged[file.id] = file
        return staged


def clean_name(text: str) -> str:
    """A client's file name as a name and nothing else, at most 200 bytes long."""
    last = re.split(r"[/\\]", text)[-1].encode("utf-8", "replace").decode()
    shown = "".join(letter for letter in last if unicodedata.category(letter) not in _UNSEEN)
    name = _FORBIDDEN.sub("_", shown).strip().lstrip(".").strip().rstrip(". ")
    if not name:
        return "upload"
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    stem, suffix = os.path.splitext(name)
    suffix = suffix[:20]
    while len((stem + suffix).encode()) > _MOST_NAME_BYTES:
        stem = stem[:-1]
    return stem.rstrip(". ") + suffix


_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def _folder_of(name: str) -> str:
    return re.split(r"[/\\][^/\\]*$", name)[0] if re.search(r"[/\\]", name) else ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _explain(error: OSError) -> DiskFullError | InvalidRequestError:
    if error.errno in _FULL:
        return DiskFullError("The disk of the library is full. What has come whole is kept.")
    return InvalidRequestError(f"The file could not be kept: {error.strerror or error}.")
