"""A small library with everything a rebuild must keep, for tests of rebuild and crashes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pictures import make_jpeg

from db import Database, open_database
from db_rebuild import Rebuilder, RebuildReport
from errors import FileProblem
from hash_cache import HashCache
from library_sync import Indexer, IndexReport
from media_workers import WorkerPool
from operation_state import (
    CheckpointHelper,
    OperationStatus,
    OperationType,
    create_operation,
    set_status,
)

DATABASE = "photo_library.db"
FOREIGN = "not made by the app.txt"
PHOTOS = 12
NOT_COMPARED = ("id", "added_at", "missing_since")


class Observer:
    """Takes what a deed tells; `on_check` is called between its transactions."""

    def __init__(self, operation_id: str, on_check: Callable[[int], None] | None = None) -> None:
        self.checkpoint = CheckpointHelper(operation_id)
        self.phases: list[str] = []
        self.problems: list[FileProblem] = []
        self._on_check = on_check
        self._checks = 0

    def report_progress(self, *, phase: str, done: int = 0, total: int | None = None) -> None:
        assert total is None or done <= total
        if not self.phases or self.phases[-1] != phase:
            self.phases.append(phase)
        if self._on_check and phase == "swap":
            self._on_check(-1)

    def add_problem(self, problem: FileProblem) -> None:
        self.problems.append(problem)

    def check(self) -> None:
        self._checks += 1
        if self._on_check:
            self._on_check(self._checks)


class RebuildBox:
    """A library in a temporary folder, and the deeds of it."""

    def __init__(self, root: Path, data: Path, pool: WorkerPool) -> None:
        self.root, self.data, self.pool = root, data, pool
        root.mkdir(exist_ok=True)
        data.mkdir(exist_ok=True)
        self.database: Database = open_database(data / DATABASE)
        self.cache = HashCache(self.database)
        self.observer = Observer("")

    def rebuilder(self, **changes: Any) -> Rebuilder:
        parts: dict[str, Any] = {
            "root": self.root,
            "database": self.database,
            "data_dir": self.data,
            "pool": self.pool,
            "exiftool": None,
            "cache": self.cache,
            "time_zone": ZoneInfo("UTC"),
        }
        return Rebuilder(**parts | changes)

    def observe(
        self, operation_type: OperationType, on_check: Callable[[int], None] | None = None
    ) -> Observer:
        with self.database.transaction() as connection:
            operation_id = create_operation(connection, operation_type, {}).operation_id
            set_status(connection, operation_id, OperationStatus.RUNNING)
        self.observer = Observer(operation_id, on_check)
        return self.observer

    def index(self, **options: bool) -> IndexReport:
        indexer = Indexer(
            self.root, self.database, self.pool, lambda: None, self.cache, ZoneInfo("UTC")
        )
        return indexer.update(self.observe(OperationType.UPDATE_INDEX), **options)

    def rebuild(
        self, on_check: Callable[[int], None] | None = None, **options: bool
    ) -> RebuildReport:
        observer = self.observe(OperationType.REBUILD_DATABASE, on_check)
        return self.rebuilder().rebuild(observer, **options)

    def select(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.database.reading() as connection:
            return [tuple(row) for row in connection.execute(sql, values)]

    def change(self, sql: str, *values: Any) -> None:
        with self.database.transaction() as connection:
            connection.execute(sql, values)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Every column of every present photo, by path."""
        return read_rows(self.database)

    def ids(self) -> dict[str, tuple[int, str]]:
        return {path: (row["id"], row["added_at"]) for path, row in self.rows().items()}


def read_rows(database: Database) -> dict[str, dict[str, Any]]:
    with database.reading() as connection:
        rows = connection.execute("SELECT * FROM photos WHERE missing_since IS NULL").fetchall()
    return {row["current_path"]: dict(row) for row in rows}


def comparable(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The rows without what differs between two indexes of one tree: ids and times."""
    return {
        path: {name: value for name, value in row.items() if name not in NOT_COMPARED}
        for path, row in rows.items()
    }


@contextmanager
def opened(root: Path, data: Path, pool: WorkerPool) -> Iterator[RebuildBox]:
    box = RebuildBox(root, data, pool)
    try:
        yield box
    finally:
        box.database.close()


def fresh_rows(root: Path, data: Path, pool: WorkerPool) -> dict[str, dict[str, Any]]:
    """The rows that an undisturbed first index of the tree gives."""
    with opened(root, data, pool) as box:
        box.index()
        return comparable(box.rows())


def make_photos(root: Path, count: int = PHOTOS) -> None:
    """Photos with and without dates and ratings, two equal ones, one with a sidecar."""
    for number in range(count):
        date = f"2019:07:{number % 28 + 1:02} 10:00:00" if number % 3 else None
        rating = number % 6 if number % 2 else None
        make_jpeg(root / f"{number % 4}/{number:03}.jpg", number, date=date, rating=rating)
    (root / "0/twin.jpg").write_bytes((root / "0/000.jpg").read_bytes())
    (root / "1/001.jpg.xmp").write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>'
    )
    (root / FOREIGN).write_text("kept")


def add_history(box: RebuildBox) -> None:
    """What no file says: a missing row, a rating of the database, trash, journal, an old id."""
    make_jpeg(box.root / "gone.jpg", 900)
    box.index()
    (box.root / "gone.jpg").unlink()
    box.index()
    box.change(
        "UPDATE photos SET rating = 3, kept_in = 'database' WHERE current_path = '0/000.jpg'"
    )
    box.change("UPDATE photos SET id = 500, added_at = '2001' WHERE current_path = '2/002.jpg'")
    box.change("UPDATE sqlite_sequence SET seq = 600 WHERE name = 'photos'")
    box.change(
        "INSERT INTO deleted_photos VALUES (7, 'was.jpg', '7-was.jpg', '2020-01-01', '{\"id\": 7}')"
    )
    operation = box.select("SELECT operation_id FROM operation_state LIMIT 1")[0][0]
    box.change(
        "INSERT INTO write_journal (id, operation_id, photo_id, path, state, planned_at, done_at)"
        " VALUES (40, ?, 500, '2/002.jpg', 'done', '2020-01-01', '2020-01-01')",
        operation,
    )
    (box.data / FOREIGN).write_text("kept")


def list_history(box: RebuildBox) -> dict[str, Any]:
    """All of the database that no file says."""
    return {
        "ids": box.select("SELECT id, current_path, added_at FROM photos ORDER BY id"),
        "missing": box.select("SELECT * FROM photos WHERE missing_since IS NOT NULL"),
        "ratings": box.select("SELECT id, rating FROM photos WHERE kept_in = 'database'"),
        "trash": box.select("SELECT * FROM deleted_photos"),
        "journal": box.select("SELECT * FROM write_journal ORDER BY id"),
        "sequences": dict(box.select("SELECT name, seq FROM sqlite_sequence")),
    }


def fingerprint(folder: Path) -> dict[str, str]:
    """SHA-256 of every file under the folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
