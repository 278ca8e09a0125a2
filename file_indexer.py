"""The one way from files to rows: read each in a worker, and say what its row holds."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from beside_store import BesideStore
from catalog import PhotoRecord
from errors import FileProblem
from exiftool_process import ExifTool
from file_operations import (
    SIDECAR_SUFFIX,
    FileStat,
    KnownHashes,
    PictureReading,
    ReadRequest,
    extract_metadata_batch,
    find_sidecars,
    read_pictures,
    stat_file,
)
from hash_cache import FileState, HashCache, Hashes
from index_plan import PhotoFile
from job_queue import Priority
from media_types import is_media_name
from media_workers import WorkerFailure, WorkerPool
from metadata import READER_VERSION, Facts, zone_version
from row_seals import keep_seals
from work_meter import note

BATCH_FILES: Final = 100
COMMIT_FILES: Final = 1000
"""Written at once, at most. A commit waits for the disk: of 100,000 files that need not be read
11 s of 26 went into commits of 100.
"""
ASKED_FILES: Final = 500
"""What is known of so many is asked at once: one by one it is half the time of a rebuild."""
BATCH_S: Final = 0.5
WORKER_BATCH_FILES: Final = 20
SLOW_DISK_BYTES_S: Final = 10_000_000
_OLD_NS: Final = 10_000_000_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """What one file says: a record, or a problem.

    `keep_row`: the trouble is the disk's, not the file's, so a row that stands at its path stays.
    `opened`: False where its facts were known.
    """

    file: PhotoFile
    record: PhotoRecord | None
    problem: FileProblem | None = None
    keep_row: bool = False
    opened: bool = True


FindExifTool: TypeAlias = Callable[[], ExifTool | None]
"""Asked only where there is something for it to read."""

KnownFacts: TypeAlias = Callable[[Sequence[tuple[PhotoFile, Hashes]]], Mapping[str, PhotoRecord]]
"""By path the records of those of these files, with these hashes, whose record is known for certain
without opening them.
"""


@dataclass(frozen=True, slots=True)
class FileIndexer:
    """Reads files of the library at `root` into records; what it is unsure of, ExifTool reads.

    beside: what is kept beside the library of photos that cannot be written.
    known_facts: asked before files are read whose hashes are known.
    check: raises where the person asked to stop; called while files are read.
    own: files that this app has just put in place, with the stamps they had then (size, mtime_ns,
        ctime_ns).
    """

    root: Path
    pool: WorkerPool
    exiftool: FindExifTool
    cache: HashCache
    time_zone: ZoneInfo
    beside: BesideStore
    known_facts: KnownFacts | None = None
    check: Callable[[], None] = lambda: None
    priority: Priority = Priority.WORK
    own: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    def index_files(self, files: Sequence[PhotoFile]) -> Iterator[IndexedFile]:
        """The one way from files to rows: read each, in a worker, and say what its row holds.

        Files whose facts are known come first.
        """
        if self.known_facts is None:
            yield from self._read_files(self._ask_cache(files))
            return
        waiting: list[tuple[PhotoFile, Hashes | None]] = []
        asked = self._ask_cache(files)
        while batch := list(islice(asked, ASKED_FILES)):
            known = self.known_facts([(file, hashes) for file, hashes in batch if hashes])
            for file, hashes in batch:
                record = known.get(file.path)
                # What is beside the library may have gone.
                if record and record.kept_in != "beside":
                    yield IndexedFile(file, self._take_beside(record), opened=False)
                else:
                    waiting.append((file, hashes))
        yield from self._read_files(waiting)

    def _ask_cache(self, files: Sequence[PhotoFile]) -> Iterator[tuple[PhotoFile, Hashes | None]]:
        for start in range(0, len(files), ASKED_FILES):
            batch = files[start : start + ASKED_FILES]
            states = [_get_state(file.stat) for file in batch]
            yield from zip(batch, self.cache.get_many(states), strict=True)

    def _read_files(
        self, files: Iterable[tuple[PhotoFile, Hashes | None]]
    ) -> Iterator[IndexedFile]:
        """Read these; of what is not under way yet nothing is made ahead, in case it is much."""
        under_way: dict[str, PhotoFile] = {}

        def make_requests() -> Iterator[ReadRequest]:
            for file, hashes in files:
                request = self._make_request(file, hashes)
                under_way[request[0]] = file
                yield request

        results = self.pool.map_batches(
            read_pictures,
            make_requests(),
            batch_size=WORKER_BATCH_FILES,
            priority=self.priority,
            # A large file takes a slow disk longer than others.
            extra_s=lambda request: under_way[request[0]].stat.size / SLOW_DISK_BYTES_S,
            check=self.check,
        )
        pairs = ((under_way.pop(request[0]), result) for request, result in results)
        while batch := take_batch(pairs, BATCH_FILES):
            yield from self._read_batch(batch)

    def _make_request(self, file: PhotoFile, hashes: Hashes | None) -> ReadRequest:
        stat = file.stat
        sidecar = str(self.root / file.sidecar.path) if file.sidecar else None
        stamps = (stat.size, stat.mtime_ns, stat.ctime_ns)
        known = None
        if hashes:
            # An mtime that is as young as the write would not move with a second one.
            old = stamps[2] - stamps[1] > _OLD_NS
            settled = old and self.own.get(stat.path) == stamps
            known = KnownHashes(hashes.content_hash, hashes.media_hash, stamps, settled)
        return str(self.root / stat.path), sidecar, known

    def _read_batch(
        self, batch: Sequence[tuple[PhotoFile, PictureReading | WorkerFailure]]
    ) -> Iterator[IndexedFile]:
        readings = [reading for _, reading in batch if isinstance(reading, PictureReading)]
        _note_readings(readings)
        failures: list[FileProblem] = []
        unsure = any(reading.unsure is not None for reading in readings)
        exiftool = self.exiftool() if unsure else None
        facts = extract_metadata_batch(
            [reading.path for reading in readings],
            exiftool=exiftool,
            readings=readings,
            problems=failures,
            time_zone=self.time_zone,
        )
        reasons = {failure.path: failure.reason for failure in failures}
        for file, reading in batch:
            if isinstance(reading, WorkerFailure):
                problem = FileProblem(file.path, reading.reason)
                yield IndexedFile(file, None, problem, keep_row=True)
            else:
                unsettled = reading.unsure is not None and exiftool is None
                version = self._version(facts[reading.path], unsettled=unsettled)
                yield self._index_file(
                    file, reading, facts[reading.path], version, reasons.get(reading.path)
                )

    def _index_file(
        self,
        file: PhotoFile,
        reading: PictureReading,
        facts: Facts | FileProblem,
        version: int,
        failure: str | None,
    ) -> IndexedFile:
        """The outcome of one file; `failure` is what ExifTool stumbled over, if it did."""
        if isinstance(facts, FileProblem) or reading.content_hash is None:
            reason = facts.reason if isinstance(facts, FileProblem) else reading.problem or ""
            problem = FileProblem(file.path, reason)
            return IndexedFile(file, None, problem, keep_row=reading.transient)
        reason = " ".join(filter(None, (reading.problem, failure)))
        record = _make_record(file, reading, facts, version)
        record = self._take_beside(record)
        return IndexedFile(file, record, FileProblem(file.path, reason) if reason else None)

    def _take_beside(self, record: PhotoRecord) -> PhotoRecord:
        """The record with what is kept beside the library, which wins over all else."""
        kept = self.beside.read_kept(record.media_hash)
        if kept.rating is not None:
            kept_in = "beside" if kept.rating else None
            record = replace(record, rating=kept.rating or None, kept_in=kept_in)
        if kept.date is not None:
            record = replace(
                record,
                date_taken=kept.date.text,
                utc_offset=kept.date.utc_offset,
                date_source="sidecar",
            )
        return record

    def _version(self, facts: Facts | FileProblem, *, unsettled: bool) -> int:
        """Negative where ExifTool should have been asked, had it been there: once it is, the
        file is read again.
        """
        from_utc = isinstance(facts, Facts) and facts.from_utc
        version = zone_version(self.time_zone.key) if from_utc else READER_VERSION
        return -version if unsettled else version

    @property
    def sure_versions(self) -> frozenset[int]:
        """The `reader_version`s of rows that need no second look, ever."""
        return frozenset({READER_VERSION, zone_version(self.time_zone.key)})

    def is_settled(self, version: int) -> bool:
        """Whether a row of this `reader_version` needs no second look today."""
        sure = self.sure_versions
        return version in sure or (-version in sure and self.exiftool() is None)


def _get_state(stat: FileStat) -> FileState:
    return stat.path, stat.mtime_ns, stat.size, stat.ctime_ns


def find_file(root: Path, path: str) -> PhotoFile:
    """The photo at `path` (relative) with its sidecar. Raises `OSError`."""
    stat = stat_file(root, path)
    folder = path.rpartition("/")[0]
    names = [name for name in os.listdir(root / folder) if not name.startswith(".")]
    beside = [f"{folder}/{name}" if folder else name for name in names]
    sidecars = [name for name in beside if name.lower().endswith(SIDECAR_SUFFIX)]
    sidecar = find_sidecars(filter(is_media_name, beside), sidecars).get(path)
    return PhotoFile(stat, stat_file(root, sidecar) if sidecar else None)


def take_batch(items: Iterator[T], most: int) -> list[T]:
    """The next `most` items, or those that come within about `BATCH_S` seconds.

    Between two batches work is written and may be stopped: on a slow disk neither the bar nor
    a cancel shall wait for a hundred files.
    """
    batch: list[T] = []
    ends = time.monotonic() + BATCH_S
    for item in items:
        batch.append(item)
        if len(batch) >= most or time.monotonic() >= ends:
            break
    return batch


def remember_read(
    connection: sqlite3.Connection, cache: HashCache, items: Iterable[IndexedFile]
) -> None:
    """Keep what need not be read again, in the caller's transaction: hashes, and seals of facts.

    Not of what was damaged: who asks for it later reads it again, and so names it again. Hashes of
    files that were not opened came from the cache.
    """
    whole = [item for item in items if item.record and not item.problem]
    records = [item.record for item in whole if item.record]
    cache.put_many(
        [
            (
                r.current_path,
                r.mtime_ns,
                r.file_size,
                r.ctime_ns,
                Hashes(r.content_hash, r.media_hash),
            )
            for r in (item.record for item in whole if item.opened)
            if r
        ],
        connection,
    )
    keep_seals(connection, records)


def _note_readings(readings: Sequence[PictureReading]) -> None:
    hashed = [reading for reading in readings if reading.hash_s]
    note(
        "hash",
        sum(reading.hash_s for reading in hashed),
        files=len(hashed),
        bytes=sum(reading.bytes_read for reading in hashed),
    )
    note("tags", sum(reading.tags_s for reading in readings), files=len(readings))


def _make_record(
    file: PhotoFile, reading: PictureReading, facts: Facts, reader_version: int
) -> PhotoRecord:
    """The row of a file: what was read of the very bytes that were hashed."""
    stat = reading.stat or file.stat
    assert reading.content_hash is not None
    assert reading.media_hash is not None
    assert reading.file_type is not None
    return PhotoRecord(
        original_filename=file.path.rpartition("/")[2],
        current_path=file.path,
        date_taken=facts.date_taken,
        content_hash=reading.content_hash,
        file_size=stat.size,
        file_type=reading.file_type,
        width=facts.width,
        height=facts.height,
        rating=facts.rating,
        media_hash=reading.media_hash,
        orientation=facts.orientation,
        mtime_ns=stat.mtime_ns,
        ctime_ns=stat.ctime_ns,
        inode=stat.inode,
        date_source=facts.date_source,
        utc_offset=facts.utc_offset,
        duration_s=facts.duration_s,
        camera=facts.camera,
        kept_in=facts.rating_in,
        sidecar_path=file.sidecar.path if file.sidecar else None,
        sidecar_mtime_ns=file.sidecar.mtime_ns if file.sidecar else None,
        sidecar_size=file.sidecar.size if file.sidecar else None,
        reader_version=reader_version,
    )
