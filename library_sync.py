"""Update Index: bring the rows to what lies on disk.

Walk, compare, read what is new or changed, write. Nothing on disk is ever changed. Where
rows can neither be lost nor change, each batch of files is one transaction of rows and
checkpoint; otherwise hashes are kept in `hash_cache` as they come, and one transaction at
the end lets each row follow its picture.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import beside_rows
import catalog
import folder_notes
import move_rows
import write_journal
from beside_store import NOTHING_BESIDE, BesideStore
from catalog import KnownFile, PhotoRecord
from db import Database
from errors import FileProblem
from file_indexer import (
    COMMIT_FILES,
    FileIndexer,
    FindExifTool,
    IndexedFile,
    KnownFacts,
    remember_read,
    take_batch,
)
from file_operations import FolderScan, scan_folder
from hash_cache import HashCache
from index_brake import Brake
from index_plan import (
    Comparison,
    PhotoFile,
    assign_rows,
    compare_files,
    join_sidecars,
    says_the_same,
)
from index_report import IndexObserver, IndexReport
from media_workers import WorkerPool
from pair_rows import pair_photos

__all__ = ["IndexObserver", "IndexReport", "Indexer", "pair_photos"]


@dataclass(slots=True)
class _Tally:
    """Counts of one run, on their way into the report."""

    added: int = 0
    changed: int = 0
    moved: int = 0
    missing: int = 0
    unchanged: int = 0
    opened: int = 0
    problems: list[FileProblem] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Indexer:
    """The parts an index of one library needs.

    markers: files that stand where the library is mounted; one that is gone stops the index.
    skip: folders in the tree that are not the person's (the data folder).
    beside, known_facts: as `FileIndexer` has them.
    """

    root: Path
    database: Database
    pool: WorkerPool
    exiftool: FindExifTool
    cache: HashCache
    time_zone: ZoneInfo
    markers: tuple[Path, ...] = ()
    skip: tuple[Path, ...] = ()
    beside: BesideStore = NOTHING_BESIDE
    known_facts: KnownFacts | None = None

    def update(
        self,
        observer: IndexObserver,
        *,
        accept_missing: bool = False,
        dry_run: bool = False,
        quick: bool = False,
    ) -> IndexReport:
        """Bring the rows to what lies on disk; `dry_run` only says what would change.

        quick: folders that are as the last complete index noted them are not read, and a file
        that was changed in place, without its folder, is not seen.

        Raises `BrakeError` where so much vanished that the share is likelier gone than the
        photos, unless `accept_missing`.
        """
        started, started_at = time.monotonic(), _now()
        self.cache.reset_statistics()
        observer.report_progress(phase="walk")
        observer.checkpoint.begin_phase("walk")
        brake = Brake(accept_missing)
        brake.check_markers(self.markers)

        def tell(found: int) -> None:
            observer.report_progress(phase="walk", done=found)
            observer.check()

        reader = self._make_reader(observer.check)
        with self.database.reading() as connection:
            versions = reader.sure_versions if quick else None
            notes = folder_notes.read_notes(connection, versions)
        scan = scan_folder(self.root, skip=self.skip, tell=tell, notes=notes)
        observer.checkpoint.advance(len(scan.files))
        observer.checkpoint.begin_phase("match")
        brake.check_markers(self.markers)  # the share may have gone while we walked
        observer.check()
        run = _IndexRun(self, reader, observer, scan, brake, started_at, dry_run=dry_run)
        run.pass_over() if folder_notes.is_as_noted(scan, notes) else run.execute()
        tally = run.tally
        return IndexReport(
            found=len(scan.files) + run.passed,
            added=tally.added,
            changed=tally.changed,
            moved=tally.moved,
            missing=tally.missing,
            unchanged=tally.unchanged,
            ignored=scan.ignored,
            problems=tally.problems,
            seconds=round(time.monotonic() - started, 3),
            cache={**self.cache.statistics.as_dict(), "files_opened": tally.opened},
            unseen=(*sorted(scan.unreadable_folders), *tally.unseen),
            folders_passed=len(scan.unchanged),
        )

    def _make_reader(self, check: Callable[[], None]) -> FileIndexer:
        parts = (self.root, self.pool, self.exiftool, self.cache, self.time_zone)
        return FileIndexer(*parts, self.beside, self.known_facts, check)


class _IndexRun:
    """One run of `Indexer.update`: the walk is done, the rows are still as they were."""

    def __init__(
        self,
        indexer: Indexer,
        reader: FileIndexer,
        observer: IndexObserver,
        scan: FolderScan,
        brake: Brake,
        started_at: str,
        *,
        dry_run: bool,
    ) -> None:
        self.tally = _Tally()
        self.passed = 0  # photos in folders that were not read
        self._unsettled: list[str] = []
        self._reader = reader
        self._cache = indexer.cache
        self._beside = indexer.beside
        self._markers = indexer.markers
        self._database = indexer.database
        self._observer = observer
        self._scan = scan
        self._brake = brake
        self._dry_run = dry_run
        self._started_at = started_at

    def pass_over(self) -> None:
        """Not a folder was read: all rows are as they were."""
        with self._database.reading() as connection:
            self.passed = catalog.count_present(connection)
        self._count_passed()
        if not self._dry_run:
            self._bring_beside()

    def _count_passed(self) -> None:
        self.tally.unchanged += self.passed
        self._observer.checkpoint.advance(self.passed)
        self._cache.count_row_hits(self.passed)

    def _list_known(self) -> tuple[list[KnownFile], int]:
        """What is known of the folders that were read, and how many photos there are in all."""
        passed = self._scan.unchanged
        with self._database.reading() as connection:
            present = catalog.count_present(connection)
            known = (
                catalog.list_known_outside(connection, passed)
                if passed
                else catalog.list_known_files(connection)
            )
        self.passed = present - sum(row.missing_since is None for row in known)
        return known, present

    def execute(self) -> None:
        known, present = self._list_known()
        for problem in self._scan.problems:
            self._add_problem(problem)
        if not self._scan.unreadable_folders:
            self._brake.check_root(len(self._scan.files) + self.passed, present)
        comparison = compare_files(
            join_sidecars(self._scan),
            known,
            is_settled=self._reader.is_settled,
            unreadable_folders=self._scan.unreadable_folders,
        )
        # Files that are not read yet may be the lost ones at another place.
        self._unsettled += comparison.waiting
        certainly_gone = len(comparison.lost) - len(comparison.to_read)
        self._brake.check_vanished(certainly_gone, present)
        self._observer.checkpoint.advance(len(self._scan.files))
        self._count_passed()
        self.tally.unchanged += len(comparison.unchanged)
        self._cache.count_row_hits(
            len(comparison.unchanged), sum(row.file_size for row in comparison.unchanged)
        )
        known_paths = {row.current_path for row in known if row.missing_since is None}
        only_new = not any(file.path in known_paths for file in comparison.to_read)
        none_missing = all(row.missing_since is None for row in known)
        if none_missing and not comparison.lost and not comparison.moved and only_new:
            self._add_as_they_come(comparison)
        else:
            self._follow_pictures(comparison, known, present)
        if not self._dry_run:
            self._bring_beside()

    def _bring_beside(self) -> None:
        """What lies beside the library and the rows do not know, as after a restored backup."""
        kept = {name: self._beside.read_kept(name) for name in self._beside.list_hashes()}
        with self._database.transaction() as connection:
            beside_rows.bring_beside(connection, kept)

    # -- nothing lost, nothing changed: rows as they come ------------------------------------

    def _add_as_they_come(self, comparison: Comparison) -> None:
        batches = self._read(comparison.to_read)
        for batch in batches:
            records = [item.record for item in batch if item.record]
            self.tally.added += len(records)
            if self._dry_run:
                continue
            with self._database.transaction() as connection:
                catalog.insert_photos(connection, records, self._started_at)
                remember_read(connection, self._cache, batch)
                self._observer.checkpoint.save(connection)
        self._observer.checkpoint.begin_phase("write")
        if self._dry_run:
            return
        with self._database.transaction() as connection:
            versions = self._reader.sure_versions
            if not comparison.to_read and folder_notes.is_noted(connection, self._scan, versions):
                return  # written together with the pairs, which took a sixth of such an index
            self._note_folders(connection)
            if comparison.to_read or not self._scan.unchanged:
                pair_photos(connection)

    def _note_folders(self, connection: sqlite3.Connection) -> None:
        versions = self._reader.sure_versions
        folder_notes.write_notes(connection, self._scan, self._unsettled, versions)

    # -- rows that follow their pictures -----------------------------------------------------

    def _follow_pictures(
        self, comparison: Comparison, known: Sequence[KnownFile], present: int
    ) -> None:
        moved = dict(self._move(comparison))
        to_read = comparison.to_read + [
            file for row, file in comparison.moved if row.id not in moved
        ]
        read: dict[str, IndexedFile] = {}
        for batch in self._read(to_read):
            read.update((item.file.path, item) for item in batch)
            if not self._dry_run:
                with self._database.transaction() as connection:
                    remember_read(connection, self._cache, batch)
                    self._observer.checkpoint.save(connection)
        self._brake.check_markers(self._markers)
        self._observer.report_progress(phase="write", done=len(read), total=len(read))
        self._observer.checkpoint.begin_phase("write")
        plan = self._assign(read, moved, known)
        self._brake.check_vanished(len(plan.missing), present)
        self._count(plan, moved, known)
        if self._dry_run:
            return
        with self._database.transaction() as connection:
            # What was edited since the walk was read again by the edit, and later than here.
            edited = write_journal.list_edited_photos(connection, self._started_at)
            edited |= move_rows.list_moved_photos(connection, self._started_at)
            read_here = {**moved, **plan.updated}
            catalog.mark_missing(connection, set(plan.missing) - edited, self._started_at)
            catalog.update_photos(
                connection, {key: read_here[key] for key in read_here.keys() - edited}
            )
            catalog.insert_photos(connection, plan.added, self._started_at)
            self._note_folders(connection)
            pair_photos(connection)
            if not self._scan.unreadable_folders and not self._scan.unchanged:
                on_disk = {file.path for file in self._scan.files}
                # Of a card or a disk that photos came from nothing is known here: it stays.
                self._cache.cleanup(
                    lambda path: path in on_disk or path.startswith("/"), connection
                )
            self._observer.checkpoint.save(connection)

    def _move(self, comparison: Comparison) -> Iterator[tuple[int, PhotoRecord]]:
        """Records of rows whose file moved, without reading it.

        Where the file's own name is what dates the photo, a new name may say something else;
        such files are read.
        """
        with self._database.reading() as connection:
            for row, file in comparison.moved:
                photo = catalog.get_photo(connection, row.id)
                if photo.date_source in ("filename", "none"):
                    continue
                yield (
                    row.id,
                    replace(
                        catalog.get_record(photo),
                        original_filename=file.path.rpartition("/")[2],
                        current_path=file.path,
                        sidecar_path=file.sidecar.path if file.sidecar else None,
                    ),
                )
                self._cache.count_row_hits(1, row.file_size)

    def _assign(
        self,
        read: dict[str, IndexedFile],
        moved: dict[int, PhotoRecord],
        known: Sequence[KnownFile],
    ) -> _WritePlan:
        """Which rows take what was read, which are new, and which are without a file."""
        on_disk = {file.path for file in self._scan.files}
        kept = {item.file.path for item in read.values() if item.keep_row}
        occupied, gone = {}, []
        for row in known:
            if row.id in moved:
                continue
            if row.missing_since is None and row.current_path in read:
                if row.current_path not in kept:
                    occupied[row.current_path] = row
            elif row.missing_since is not None or self._is_gone(row.current_path, on_disk):
                gone.append(row)
        records = {path: item.record for path, item in read.items() if item.record}
        rows = assign_rows(
            {path: record.media_hash for path, record in records.items()},
            occupied,
            gone,
            {path: (record.content_hash, record.file_size) for path, record in records.items()},
        )
        updated = {rows[path].id: record for path, record in records.items() if path in rows}
        return _WritePlan(
            updated=updated,
            added=[record for path, record in records.items() if path not in rows],
            missing=[
                row.id
                for row in (*gone, *occupied.values())
                if row.id not in updated and row.missing_since is None
            ],
            kept=len(kept & {row.current_path for row in known if row.missing_since is None}),
        )

    def _is_gone(self, path: str, on_disk: set[str]) -> bool:
        """Whether nobody stands at `path`, as far as the walk could see."""
        if path in on_disk:
            return False
        folders = self._scan.unreadable_folders
        return not any(folder == "" or path.startswith(f"{folder}/") for folder in folders)

    def _count(
        self, plan: _WritePlan, moved: dict[int, PhotoRecord], known: Sequence[KnownFile]
    ) -> None:
        before = {row.id: row for row in known}
        tally = self.tally
        tally.added += len(plan.added)
        tally.missing += len(plan.missing)
        tally.unchanged += plan.kept
        for photo_id, record in {**moved, **plan.updated}.items():
            row = before[photo_id]
            if row.missing_since is not None:
                tally.added += 1
            elif record.current_path != row.current_path:
                tally.moved += 1
            elif says_the_same(record, row):
                tally.unchanged += 1
            else:
                tally.changed += 1

    # -- reading -----------------------------------------------------------------------------

    def _read(self, files: Sequence[PhotoFile]) -> Iterator[list[IndexedFile]]:
        """Index files in batches of `COMMIT_FILES`, telling the observer after each."""
        checkpoint = self._observer.checkpoint
        checkpoint.begin_phase("read", len(files))
        done = hits_before = 0
        self._observer.report_progress(phase="read", done=0, total=len(files))
        indexed = self._reader.index_files(files)
        while batch := take_batch(indexed, COMMIT_FILES):
            for item in batch:
                if item.problem:
                    self._add_problem(item.problem)
                if item.keep_row or item.record is None or item.record.reader_version < 0:
                    self._unsettled.append(item.file.path)
                if item.keep_row:
                    self.tally.unseen.append(item.file.path)
            done += len(batch)
            self.tally.opened += sum(item.opened for item in batch)
            statistics = self._cache.statistics
            hits = statistics.memory_hits + statistics.database_hits
            size = sum(item.file.stat.size for item in batch)
            checkpoint.advance(len(batch), size, cache_hits=hits - hits_before)
            hits_before = hits
            yield batch
            self._observer.report_progress(phase="read", done=done, total=len(files))
            self._observer.check()

    def _add_problem(self, problem: FileProblem) -> None:
        self.tally.problems.append(problem)
        self._observer.add_problem(problem)


@dataclass(frozen=True, slots=True)
class _WritePlan:
    """What the one transaction at the end writes."""

    updated: dict[int, PhotoRecord]
    added: list[PhotoRecord]
    missing: list[int]
    kept: int


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
