"""Verify: read every photo again from the disk, and tell what is no longer as the index knows it.

An edit, another picture in a photo's place and a disk that forgets bits all change bytes; the
journal, the picture's own hash and the file's stamps tell them apart. Nothing is changed but the
operation's checkpoint: what to do about a finding is the person's to say, or the next index's.
"""

from __future__ import annotations

import math
import os
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeAlias

import catalog
import operation_state
import write_journal
from catalog import KnownFile
from db import Database
from errors import BrakeError, FileProblem
from file_indexer import SLOW_DISK_BYTES_S, take_batch
from fresh_reading import FileReading, read_files
from library_sync import IndexObserver
from media_workers import WorkerFailure, WorkerPool
from operation_state import CHECKPOINT_FILES, CheckpointHelper, OperationStatus, OperationType
from work_meter import note

PHASE: Final = "verify"
FINDINGS_KEPT: Final = 1_000
_WORKER_BATCH_FILES: Final = 20
_OPERATIONS_LOOKED_AT: Final = 10_000
_SO_FAR: Final = "so_far"
_WHOLE_FILE: Final = "file:"  # the method of a `media_hash` where no picture was found
_HASH_DIGITS: Final = 64


class Verdict(StrEnum):
    """What became of a photo's file, the gravest first."""

    BIT_ROT = "bit_rot"
    UNREADABLE = "unreadable"
    REPLACED = "replaced"
    MISSING = "missing"
    CHANGED = "changed"
    CHANGED_BY_US = "changed_by_us"
    INTACT = "intact"


_GRAVITY: Final = {verdict: place for place, verdict in enumerate(Verdict)}
_PROBLEMS: Final = frozenset(
    {Verdict.BIT_ROT, Verdict.UNREADABLE, Verdict.REPLACED, Verdict.MISSING}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A photo that is not as the index knows it, and why in a sentence."""

    path: str
    kind: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """How many files were read and what became of them.

    changed: by another program, the picture is the same. replaced: by another picture.
    position: id of the row that was verified last. complete: False where the budget ended it.
    bytes: how many were read. findings: the gravest first, at most `FINDINGS_KEPT`.
    """

    checked: int
    intact: int
    changed_by_us: int
    changed: int
    replaced: int
    bit_rot: int
    unreadable: int
    missing: int
    position: int
    complete: bool
    seconds: float
    bytes: int
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> list[FileProblem]:
        """The findings that a person has to look at."""
        return [FileProblem(f.path, f.reason) for f in self.findings if f.kind in _PROBLEMS]

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with the keys that all reports have; found: rows whose file is there."""
        findings = [
            {"path": finding.path, "kind": finding.kind.value, "reason": finding.reason}
            for finding in self.findings
        ]
        problems = [{"path": item.path, "reason": item.reason} for item in self.problems]
        return {name: getattr(self, name) for name in self.__slots__} | {
            "findings": findings,
            "problems": problems,
            "found": self.checked - self.missing,
            "added": 0,
            "moved": 0,
            "unchanged": self.intact,
            "cache": {},
        }


_Answer: TypeAlias = tuple[KnownFile, FileReading | WorkerFailure]


@dataclass(frozen=True, slots=True)
class Verifier:
    """The parts that verifying one library needs.

    markers: files that stand where the library is mounted; one that is gone stops it.
    """

    root: Path
    database: Database
    pool: WorkerPool
    markers: tuple[Path, ...] = ()

    def verify(self, observer: IndexObserver, *, budget_s: float | None = None) -> VerifyReport:
        """Read every present row's file again, or as many as `budget_s` seconds allow.

        An operation that was interrupted goes on behind the last row it verified. One with a
        budget begins where the last budget ended, and goes round. Raises `BrakeError` where
        the library is not mounted; what is gone then is not reported.
        """
        began = time.monotonic()
        ends = began + (math.inf if budget_s is None else budget_s)
        checkpoint = observer.checkpoint
        with self.database.reading() as connection:
            parameters = operation_state.get_operation(
                connection, checkpoint.operation_id
            ).parameters
            start = 0 if budget_s is None else _find_position(connection)
            tally = _restore(parameters.pop(_SO_FAR, None)) or _Tally(start, start)
            left = tally.list_left(catalog.list_present_ids(connection))
        began -= tally.seconds
        total = tally.checked + len(left)
        self._check_mounted(expected=bool(left))
        for finding in tally.findings:
            _tell(observer, finding)
        checkpoint.begin_phase(PHASE, total, tally.checked)
        observer.report_progress(phase=PHASE, done=tally.checked, total=total)
        complete = True
        with closing(self._read(left, observer.check)) as answers:
            while batch := take_batch(answers, CHECKPOINT_FILES):
                findings = self._judge(batch)
                self._check_mounted(expected=True)  # the share may have gone while we read
                tally.add(batch, findings)
                tally.seconds = time.monotonic() - began
                checkpoint.advance(len(findings), _count_bytes(batch))
                note(
                    "hash",
                    sum(one.hash_s for _, one in batch if isinstance(one, FileReading)),
                    files=len(batch),
                    bytes=_count_bytes(batch),
                )
                self._save(checkpoint, parameters, tally)
                for finding in findings:
                    _tell(observer, finding)
                observer.report_progress(phase=PHASE, done=tally.checked, total=total)
                observer.check()
                if time.monotonic() >= ends and tally.position != left[-1]:
                    complete = False
                    break
        checkpoint.parameters = parameters  # nothing is left to resume
        return tally.report(complete=complete)

    def _check_mounted(self, *, expected: bool) -> None:
        """Raise where the share is likelier gone than the photos, of which some are `expected`."""
        gone = next((marker for marker in self.markers if not os.path.isfile(marker)), None)
        if gone is not None:
            what = f"{gone}, which marks the library, is not there."
        elif expected and _is_empty(self.root):
            what = "The library is empty, where photos were."
        else:
            return
        raise BrakeError(
            f"{what} Is the disk mounted? Verifying stopped, and no photo is taken for missing."
        )

    def _save(
        self, checkpoint: CheckpointHelper, parameters: dict[str, Any], tally: _Tally
    ) -> None:
        # How far it is stands among the parameters too: those are what a resume gets, while
        # the report of an operation that was paused is not kept.
        checkpoint.report = tally.report(complete=False).as_dict()
        checkpoint.parameters = parameters | {_SO_FAR: tally.as_dict()}
        with self.database.transaction() as connection:
            checkpoint.save(connection)

    # -- reading -----------------------------------------------------------------------------

    def _list_rows(self, photo_ids: Sequence[int]) -> Iterator[KnownFile]:
        """The rows with these ids that are still present, in this order, a few at a time."""
        for start in range(0, len(photo_ids), CHECKPOINT_FILES):
            chunk = photo_ids[start : start + CHECKPOINT_FILES]
            with self.database.reading() as connection:
                rows = {row.id: row for row in catalog.list_present_files(connection, chunk)}
            yield from (rows[photo_id] for photo_id in chunk if photo_id in rows)

    def _read(
        self, photo_ids: Sequence[int], check: Callable[[], None]
    ) -> Generator[_Answer, None, None]:
        """Each row with what its file gave, in the order of the ids."""
        rows: deque[KnownFile] = deque()

        def list_paths() -> Iterator[str]:
            for row in self._list_rows(photo_ids):
                rows.append(row)
                yield str(self.root / row.current_path)

        results = self.pool.map_batches(
            read_files,
            list_paths(),
            batch_size=_WORKER_BATCH_FILES,
            extra_s=_extra_s,
            check=check,
        )
        with closing(results):
            for _, reading in results:
                yield rows.popleft(), reading

    # -- judging -----------------------------------------------------------------------------

    def _judge(self, batch: Sequence[_Answer]) -> list[Finding]:
        """The verdict on each file, in no order.

        A star or another edit may come between the look at a row and the reading of its file.
        A file that differs from its row is therefore held against the row as it is now, and
        read again if that is another; a row that left in the meantime is left out.
        """
        findings, doubtful = [], []
        for row, reading in batch:
            if isinstance(reading, FileReading) and _has_bytes_of(row, reading):
                findings.append(Finding(row.current_path, Verdict.INTACT, ""))
            else:
                doubtful.append((row, reading))
        if not doubtful:
            return findings
        again = []
        with self.database.reading() as connection:
            present = catalog.list_present_files(connection, [row.id for row, _ in doubtful])
            rows = {row.id: row for row in present}
            for row, reading in doubtful:
                if rows.get(row.id) == row:
                    findings.append(_judge_file(connection, row, reading))
                elif row.id in rows:
                    again.append(row.id)
        if again:
            findings += self._judge(list(self._read(again, lambda: None)))
        return findings


# -- how far it is ---------------------------------------------------------------------------


@dataclass(slots=True)
class _Tally:
    """What one round found until now; it began behind the row `start`, and goes back to it."""

    start: int
    position: int
    counts: Counter[str] = field(default_factory=Counter)
    bytes_read: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    @property
    def checked(self) -> int:
        return self.counts.total()

    def list_left(self, photo_ids: Sequence[int]) -> list[int]:
        """Those of all ids, in order, that this round has still to come by, in its own order."""
        behind = [photo_id for photo_id in photo_ids if photo_id > self.position]
        if self.checked and self.position <= self.start:  # it has been round the end
            return [photo_id for photo_id in behind if photo_id <= self.start]
        return behind + [photo_id for photo_id in photo_ids if photo_id <= self.start]

    def add(self, batch: Sequence[_Answer], findings: Sequence[Finding]) -> None:
        self.position = batch[-1][0].id
        self.bytes_read += _count_bytes(batch)
        self.counts.update(finding.kind.value for finding in findings)
        told = [finding for finding in findings if finding.kind != Verdict.INTACT]
        # Thousands of edited files shall not leave the one that rots unnamed.
        told = sorted(self.findings + told, key=lambda finding: _GRAVITY[finding.kind])
        self.findings = told[:FINDINGS_KEPT]

    def report(self, *, complete: bool) -> VerifyReport:
        return VerifyReport(
            **{verdict.value: self.counts[verdict.value] for verdict in Verdict},
            checked=self.checked,
            position=self.position,
            complete=complete,
            seconds=round(self.seconds, 3),
            bytes=self.bytes_read,
            findings=tuple(self.findings),
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `_restore` is the way back."""
        return {
            "start": self.start,
            "position": self.position,
            "counts": dict(self.counts),
            "bytes_read": self.bytes_read,
            "seconds": self.seconds,
            "findings": [(f.path, f.kind.value, f.reason) for f in self.findings],
        }


def _restore(so_far: dict[str, Any] | None) -> _Tally | None:
    if so_far is None:
        return None
    findings = [Finding(path, Verdict(kind), why) for path, kind, why in so_far["findings"]]
    return _Tally(**{**so_far, "counts": Counter(so_far["counts"]), "findings": findings})


def _find_position(connection: sqlite3.Connection) -> int:
    """Where the last verify that its budget ended stopped; 0 without one."""
    for operation in operation_state.list_operations(connection, _OPERATIONS_LOOKED_AT):
        completed = operation.status == OperationStatus.COMPLETED
        if completed and operation.operation_type == OperationType.VERIFY_LIBRARY:
            report = operation.checkpoint.get("report") or {}
            if report.get("complete") is False:
                return int(report["position"])
    return 0


def _tell(observer: IndexObserver, finding: Finding) -> None:
    if finding.kind in _PROBLEMS:
        observer.add_problem(FileProblem(finding.path, finding.reason))


def _count_bytes(batch: Sequence[_Answer]) -> int:
    return sum(reading.bytes_read for _, reading in batch if isinstance(reading, FileReading))


# -- the verdict -----------------------------------------------------------------------------


def _judge_file(
    connection: sqlite3.Connection, row: KnownFile, reading: FileReading | WorkerFailure
) -> Finding:
    """What became of a file whose bytes are not, or not known to be, those of its row."""
    if isinstance(reading, WorkerFailure):
        verdict, reason = Verdict.UNREADABLE, reading.reason
    elif not reading.present:
        verdict, reason = Verdict.MISSING, reading.problem or "The file is not there."
    elif reading.content_hash is None:
        verdict, reason = Verdict.UNREADABLE, reading.problem or "The file cannot be read."
    elif write_journal.has_written(connection, row.current_path, reading.content_hash):
        verdict = Verdict.CHANGED_BY_US
        reason = "Lightkeep itself wrote it, and the index does not know it yet."
    elif reading.stamps == (row.file_size, row.mtime_ns, row.ctime_ns):
        verdict, reason = Verdict.BIT_ROT, _describe_rot(row, reading)
    elif _has_picture_of(row, reading):
        verdict = Verdict.CHANGED
        reason = "Another program changed the file; its picture is the same."
    else:
        verdict, reason = Verdict.REPLACED, _describe_replacement(row, reading)
    return Finding(row.current_path, verdict, reason)


def _has_bytes_of(row: KnownFile, reading: FileReading) -> bool:
    """Whether these are the row's bytes; an older app kept the first digits of its hash."""
    known = row.content_hash
    if 0 < len(known) < _HASH_DIGITS and reading.content_hash is not None:
        return reading.content_hash.startswith(known)
    return reading.content_hash == known


def _has_picture_of(row: KnownFile, reading: FileReading) -> bool:
    # A row of an older app knows no picture; that it is another one cannot be said then.
    return reading.media_hash is not None and row.media_hash in (None, "", reading.media_hash)


def _describe_rot(row: KnownFile, reading: FileReading) -> str:
    where = " in its metadata; the picture is intact" if _has_picture_of(row, reading) else ""
    return (
        f"Bytes changed{where}, while the file's size and times did not: no program did that. "
        "Restore it from a backup, and look after the disk."
    )


def _describe_replacement(row: KnownFile, reading: FileReading) -> str:
    if reading.media_hash is None:
        return f"What stands in its place is no photo. {reading.problem or ''}".rstrip()
    whole = (row.media_hash, reading.media_hash)
    if all(media_hash.startswith(_WHOLE_FILE) for media_hash in whole):
        sentence = (
            "The file is another; in this format a picture and its tags cannot be told apart."
        )
    else:
        sentence = "Another picture stands in its place."
    if reading.stamps and reading.stamps[:2] == (row.file_size, row.mtime_ns):
        sentence += " Its size and modification time are the same: a copy may have damaged it."
    return " ".join(filter(None, (sentence, reading.problem)))


def _extra_s(path: str) -> float:
    """How much longer this file may take than others; it may have grown since the index."""
    try:
        return os.stat(path, follow_symlinks=False).st_size / SLOW_DISK_BYTES_S
    except OSError:
        return 0.0


def _is_empty(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return True
