"""A small library in one process without operations, for tests that kill the trash's deeds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import catalog
import trash_rows
from beside_store import NOTHING_BESIDE
from catalog import Photo
from db import Database, open_database
from edit_recovery import EditParts, EditPlaces
from file_edits import FileEdits
from file_indexer import FileIndexer
from hash_cache import HashCache
from media_workers import WorkerPool
from settings_values import WritePolicy
from trash import Trash
from trash_files import TrashFiles
from trash_moves import TrashMoves
from trash_purge import TrashPurge
from trash_rows import TrashEntry


@dataclass(frozen=True, slots=True)
class TrashCrashBox:
    """What trashes, restores and purges one library."""

    database: Database
    trash: Trash
    purge: TrashPurge

    def perform(self, deed: str, key: int) -> None:
        if deed == "trash":
            self.trash.trash(key)
        elif deed == "restore":
            self.trash.restore(key)
        else:
            with self.database.reading() as connection:
                entry = trash_rows.get_entry(connection, key)
            self.purge.purge(entry)

    def photos(self) -> list[Photo]:
        with self.database.reading() as connection:
            return [one for one in catalog.iterate_photos(connection) if not one.missing_since]

    def entries(self) -> list[TrashEntry]:
        with self.database.reading() as connection:
            return trash_rows.list_entries(connection)

    def list_photos(self) -> list[int]:
        return [photo.id for photo in self.photos()]

    def list_entries(self) -> list[int]:
        return [entry.id for entry in self.entries()]


@contextmanager
def open_trash(root: Path, data: Path) -> Iterator[TrashCrashBox]:
    """Open the library as the program does: what was interrupted is ended first."""
    database = open_database(data / "photo_library.db")
    try:
        with WorkerPool(workers=1, memory_mb=1024, file_timeout_s=20) as pool:
            cache = HashCache(database)

            def make_indexer() -> FileIndexer:
                return FileIndexer(root, pool, lambda: None, cache, ZoneInfo("UTC"), NOTHING_BESIDE)

            edits = FileEdits(
                EditParts(
                    places=EditPlaces(root, NOTHING_BESIDE),
                    database=database,
                    pool=pool,
                    cache=cache,
                    exiftool=lambda: None,
                    indexer=make_indexer,
                    write_policy=lambda: WritePolicy.FILE,
                )
            )
            moves = TrashMoves(TrashFiles(root, data), database, pool, cache, make_indexer)
            trash = Trash(database, edits, moves)
            trash.finish_interrupted()
            yield TrashCrashBox(database, trash, TrashPurge(database, edits, moves))
    finally:
        database.close()
