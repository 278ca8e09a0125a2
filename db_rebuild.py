"""Rebuild: the whole index anew from the files, beside the old one, then swapped in at once.

Phase 1 fills a database of its own in `DATA_DIR/rebuild`; its rows are its checkpoint, so that
a rebuild that was stopped or killed goes on where it was. Phase 2 holds the writer's lock:
what was edited meanwhile is indexed again, what no file says is carried over, a backup is kept,
and one transaction puts the new content into the live database. Until that commits nothing in
the live library has changed, and whoever reads it sees all of the old one.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn
from zoneinfo import ZoneInfo

import catalog
import db_schema
import operation_state
import row_transfer
from backups import make_backup
from beside_store import FOLDER as BESIDE_FOLDER
from beside_store import BesideStore
from catalog import PhotoRecord
from db import Database, find_damage, open_database
from db_recovery import RecoveryReport, recover
from errors import DatabaseRefusedError, FileProblem, LibraryError
from file_indexer import FileIndexer, FindExifTool, IndexedFile, find_file, remember_read
from hash_cache import HashCache, Hashes
from index_brake import Brake
from index_plan import PhotoFile
from library_sync import Indexer, IndexObserver, IndexReport
from media_types import is_media_name
from media_workers import WorkerPool
from operation_state import CheckpointHelper, OperationType
from pair_rows import pair_photos
from row_seals import delete_unsealed
from row_transfer import Differences

__all__ = ["RebuildError", "RebuildReport", "Rebuilder", "RecoveryReport", "recover"]

WORK_FOLDER: Final = "rebuild"
BACKUP_FOLDER: Final = "backups"
BACKUP_REASON: Final = "before rebuild"
_UNTOUCHED: Final = "The library was left as it is."
_FILLED: Final = re.compile(r" ON (photos|hash_cache) ")
_UNUSABLE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class RebuildError(LibraryError):
    """The rebuild could not be finished; the live database is as it was."""

    code = "rebuild_failed"


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What a rebuild found; counts as in `IndexReport`, held against the rows before it.

    differences: `Differences.as_dict()`. backup: the file name of the backup of the old database.
    carried: how many ids, added_at, ratings, rows without a file, and rows of trash, journal and
    operations came from the old database.
    """

    found: int
    added: int
    changed: int
    moved: int
    missing: int
    unchanged: int
    ignored: dict[str, int]
    problems: list[FileProblem]
    seconds: float
    cache: dict[str, Any]
    differences: dict[str, Any]
    backup: str
    carried: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {
            "problems": [{"path": item.path, "reason": item.reason} for item in self.problems]
        }


@dataclass(frozen=True, slots=True)
class Rebuilder:
    """The parts a rebuild needs: those of `Indexer`, with the live database and its cache.

    data_dir: where the new database is built and backups are kept; the live one's file system.
    """

    root: Path
    database: Database
    data_dir: Path
    pool: WorkerPool
    exiftool: FindExifTool
    cache: HashCache
    time_zone: ZoneInfo
    markers: tuple[Path, ...] = ()
    skip: tuple[Path, ...] = ()

    def rebuild(self, observer: IndexObserver, *, accept_missing: bool = False) -> RebuildReport:
        """Index every file anew and swap the result in.

        Raises `BrakeError` as an index does, and a `LibraryError` for every other reason it
        could not be done; the live database is then as it was.
        """
        started = time.monotonic()
        try:
            with self._open_work(observer) as work:
                run = _RebuildRun(self, observer, work, accept_missing=accept_missing)
                run.execute()
        except (sqlite3.Error, OSError) as error:
            raise RebuildError(f"The rebuild was stopped: {error}. {_UNTOUCHED}") from error
        shutil.rmtree(self.work_folder, ignore_errors=True)
        return run.make_report(time.monotonic() - started)

    @property
    def beside(self) -> BesideStore:
        return BesideStore(self.data_dir / BESIDE_FOLDER)

    @property
    def work_folder(self) -> Path:
        return self.data_dir / WORK_FOLDER

    @contextmanager
    def _open_work(self, observer: IndexObserver) -> Iterator[Database]:
        """The database that is built: what a rebuild left behind, if it will do, or a new one."""
        try:
            work = self._start_work(observer)
        except (DatabaseRefusedError, sqlite3.DatabaseError) as error:
            if not _is_unusable(error):
                raise
            self.discard_work()
            work = self._start_work(observer)
        try:
            yield work
        finally:
            work.close()

    def _start_work(self, observer: IndexObserver) -> Database:
        self.work_folder.mkdir(parents=True, exist_ok=True)
        with self.database.reading() as live:
            page_size = int(live.execute("PRAGMA page_size").fetchone()[0])
        work = open_database(self.work_folder / self.database.path.name, page_size=page_size)
        try:
            with work.transaction() as connection, self.database.reading() as live:
                found = int(connection.execute("PRAGMA page_size").fetchone()[0])
                if found != page_size:
                    raise DatabaseRefusedError(f"Its pages have {found} bytes, not {page_size}.")
                # A rebuild that was killed late had carried rows over already.
                delete_unsealed(connection)
                _drop_indices(connection)
                row_transfer.clear_carried(connection)
                row_transfer.copy_hashes(live, connection)
                operation_state.create_operation(
                    connection,
                    OperationType.REBUILD_DATABASE,
                    observer.checkpoint.parameters,
                    operation_id=observer.checkpoint.operation_id,
                )
        except BaseException:
            work.close()
            raise
        return work

    def discard_work(self) -> None:
        """Remove what a rebuild that is not to be resumed has left."""
        shutil.rmtree(self.work_folder, ignore_errors=True)


class _BuildObserver:
    """Tells of the index within a rebuild as one phase, and keeps the checkpoint in both."""

    def __init__(self, observer: IndexObserver, database: Database) -> None:
        self._observer = observer
        self._database = database

    @property
    def checkpoint(self) -> CheckpointHelper:
        return self._observer.checkpoint

    def report_progress(
        self,
        *,
        phase: str,  # noqa: ARG002 - the index's own phases are one to a rebuild
        done: int = 0,
        total: int | None = None,
    ) -> None:
        self._observer.report_progress(phase="build", done=done, total=total)

    def add_problem(self, problem: FileProblem) -> None:
        self._observer.add_problem(problem)

    def check(self) -> None:
        with self._database.transaction() as connection:
            self.checkpoint.save(connection)
        self._observer.check()


class _RebuildRun:
    """One run of `Rebuilder.rebuild`."""

    def __init__(
        self, parts: Rebuilder, observer: IndexObserver, work: Database, *, accept_missing: bool
    ) -> None:
        self._parts = parts
        self._live = parts.database
        self._work = work
        self._observer = observer
        self._accept_missing = accept_missing
        self._cache = HashCache(work)
        self._reader = FileIndexer(
            parts.root, parts.pool, parts.exiftool, parts.cache, parts.time_zone, parts.beside
        )
        self._index: IndexReport
        self._differences = Differences()
        self._carried: dict[str, int] = {}
        self._problems: list[FileProblem] = []
        self._backup = ""

    def execute(self) -> None:
        with self._live.reading() as live:
            last_entry = row_transfer.find_last_entry(live)
        since = _now()
        self._build()
        self._begin("check")
        self._work.make_missing()
        self._count_built(self._index.found - len(self._index.problems))
        self._compare_and_carry()
        self._observer.check()
        self._begin("swap")
        with self._live.exclusive():
            self._index_edited(last_entry, since)
            self._carry_over()
            self._verify()
            self._observer.check()
            self._backup = self._make_backup()
            self._work.close()  # so that all of it is in the one file
            self._live.replace_content(self._work.path)

    def _begin(self, phase: str) -> None:
        self._observer.report_progress(phase=phase)
        self._observer.checkpoint.begin_phase(phase)

    def make_report(self, seconds: float) -> RebuildReport:
        index, differences = self._index, self._differences
        return RebuildReport(
            found=index.found,
            added=differences.added + differences.came_back,
            changed=differences.changed,
            moved=differences.moved,
            missing=differences.missing,
            unchanged=differences.unchanged,
            ignored=index.ignored,
            problems=[*index.problems, *self._problems],
            seconds=round(seconds, 3),
            cache=index.cache,
            differences=differences.as_dict(),
            backup=self._backup,
            carried=self._carried,
        )

    # -- phase 1 -----------------------------------------------------------------------------

    def _build(self) -> None:
        parts = self._parts
        indexer = Indexer(
            root=parts.root,
            database=self._work,
            pool=parts.pool,
            exiftool=parts.exiftool,
            cache=self._cache,
            time_zone=parts.time_zone,
            markers=parts.markers,
            skip=parts.skip,
            beside=parts.beside,
            known_facts=self._find_known,
        )
        self._index = indexer.update(
            _BuildObserver(self._observer, self._live), accept_missing=self._accept_missing
        )

    def _find_known(self, files: Sequence[tuple[PhotoFile, Hashes]]) -> dict[str, PhotoRecord]:
        with self._live.reading() as live:
            return row_transfer.find_records(live, files, self._reader.is_settled)

    def _count_built(self, fewest: int) -> None:
        """Raise where the new database has fewer photos than were read."""
        with self._work.reading() as connection:
            present = catalog.count_present(connection)
        if present < fewest:
            self._refuse(f"it has {present:,} photos, where {fewest:,} were found")

    def _verify(self) -> None:
        """Raise where the new database is not sound."""
        with self._work.reading() as connection:
            damage = find_damage(connection)
        if damage:
            self._refuse(damage)

    def _refuse(self, damage: str) -> NoReturn:
        self._parts.discard_work()
        raise RebuildError(f"The new database is not sound: {damage}. {_UNTOUCHED}")

    def _compare_and_carry(self) -> None:
        """Hold the new rows against the old ones; the brake where too many have no file.

        Most of what is carried comes along, so that little is left to do while edits wait.
        """
        with self._work.transaction() as new, self._live.reading() as old:
            match = self._match(old, new)
            brake = Brake(self._accept_missing)
            if not self._index.unseen:
                brake.check_root(self._index.found, match.present_before)
            brake.check_vanished(len(match.vanished), match.present_before)
            self._differences = row_transfer.compare_rows(old, new, match)
            self._carry(old, new, match)

    def _match(self, old: sqlite3.Connection, new: sqlite3.Connection) -> row_transfer.Match:
        return row_transfer.match_rows(
            catalog.list_known_files(old),
            catalog.list_known_files(new),
            frozenset(self._index.unseen),
        )

    # -- phase 2, under the writer's lock ----------------------------------------------------

    def _index_edited(self, last_entry: int, since: str) -> None:
        """Read again what this app edited since the files were listed."""
        with self._live.reading() as live:
            paths = list(row_transfer.list_edited_since(live, last_entry, since))
        files: list[PhotoFile] = []
        gone: set[str] = set()
        for path in filter(is_media_name, paths):
            try:
                files.append(find_file(self._parts.root, path))
            except (FileNotFoundError, NotADirectoryError):
                gone.add(path)
        items = list(self._reader.index_files(files))
        for problem in (item.problem for item in items if item.problem):
            self._problems.append(problem)
            self._observer.add_problem(problem)
        self._write_edited(items, gone)

    def _write_edited(self, items: list[IndexedFile], gone: set[str]) -> None:
        records = {item.file.path: item.record for item in items if item.record}
        with self._work.transaction() as connection:
            ids = {
                row.current_path: row.id
                for row in catalog.list_known_files(connection)
                if row.missing_since is None
            }
            row_transfer.delete_photos(connection, [ids[path] for path in gone if path in ids])
            catalog.update_photos(
                connection, {ids[path]: record for path, record in records.items() if path in ids}
            )
            added = [record for path, record in records.items() if path not in ids]
            catalog.insert_photos(connection, added, _now())
            remember_read(connection, self._cache, items)

    def _carry_over(self) -> None:
        with self._work.transaction() as new, self._live.reading() as old:
            self._carry(old, new, self._match(old, new))

    def _carry(
        self, old: sqlite3.Connection, new: sqlite3.Connection, match: row_transfer.Match
    ) -> None:
        self._carried = row_transfer.carry_over(old, new, match, _now())
        pair_photos(new)

    def _make_backup(self) -> str:
        backup = make_backup(self._live.path, self._parts.data_dir / BACKUP_FOLDER, BACKUP_REASON)
        return Path(backup.path).name


def _drop_indices(connection: sqlite3.Connection) -> None:
    """Leave out of the tables that are filled what is made in a quarter of the time at the end."""
    for name, statement in db_schema.list_names(db_schema.INDICES):
        if _FILLED.search(statement) and "UNIQUE" not in statement:
            connection.execute(f"DROP INDEX IF EXISTS {name}")


def _is_unusable(error: DatabaseRefusedError | sqlite3.DatabaseError) -> bool:
    """Whether the fault is what the file holds; a full or failing disk is another matter."""
    cause = error.__cause__ if isinstance(error, DatabaseRefusedError) else error
    code = getattr(cause, "sqlite_errorcode", None)
    return code is None or code & 0xFF in _UNUSABLE


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
