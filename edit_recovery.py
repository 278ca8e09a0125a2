"""What became of an edit that was interrupted: the journal and the bytes on disk decide.

Forward where the new bytes are in place, back where the old ones are, and a conflict, which
touches nothing, where there is something else.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import catalog
import write_journal
from beside_store import BesideStore
from db import Database
from errors import EditRefusedError
from exiftool_process import ExifTool
from file_indexer import FileIndexer, IndexedFile, find_file, remember_read
from file_operations import remove_temporary
from hash_cache import HashCache
from media_workers import WorkerPool
from settings_values import WritePolicy
from write_journal import Edit, EditState, Place

_ABSENT: Final = ""
"""The hash of a file that is not there: of a sidecar that an edit takes away."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EditPlaces:
    """Where the files of journal entries lie."""

    root: Path
    beside: BesideStore

    def locate(self, place: Place, path: str) -> str:
        """The absolute path of an entry's file. Raises `EditRefusedError` where it lies outside."""
        if place == Place.BESIDE:
            return str(self.beside.path(path))
        root = os.path.realpath(self.root)
        found = os.path.join(root, path)
        folder = os.path.dirname(found)
        # A folder of the path may have become a link to somewhere else since the index.
        if os.path.normpath(found) != found or os.path.realpath(folder) != folder:
            raise EditRefusedError(f"{path} does not lie in the library.")
        return found


@dataclass(frozen=True, slots=True)
class EditParts:
    """What edits of one library need.

    exiftool: asked for each edit, for it may be installed meanwhile. indexer: reads a file
    into its row, before others that wait. write_policy: asked for each edit, for a person may
    change it meanwhile.
    """

    places: EditPlaces
    database: Database
    pool: WorkerPool
    cache: HashCache
    exiftool: Callable[[], ExifTool | None]
    indexer: Callable[[], FileIndexer]
    write_policy: Callable[[], WritePolicy]


@dataclass(frozen=True, slots=True)
class EditRecovery:
    """Ends entries of the journal that were left planned or prepared."""

    places: EditPlaces
    database: Database
    pool: WorkerPool

    def settle(self, entry: Edit) -> EditState | None:
        """End one entry by what lies on the disk; None where that cannot be told now.

        A copy that never took its place is removed, where its original is there.
        """
        path = self.places.locate(entry.place, entry.path)
        found = self._hash(path)
        made_or_removed = not entry.before.exists or not entry.after.exists
        if found == _ABSENT and not (made_or_removed and self._is_at_hand(entry)):
            return None  # moved, or on a disk that is not there: nothing is touched
        if entry.state == EditState.PREPARED and found == entry.content_hash_after:
            self._finish(entry, EditState.DONE)
            return EditState.DONE
        if found == (entry.content_hash_before or _ABSENT) or entry.state == EditState.PLANNED:
            self._remove_temporary(entry)
            with self.database.transaction() as connection:
                write_journal.drop(connection, entry.id)
            return EditState.PLANNED
        self._finish(entry, EditState.CONFLICT)
        return EditState.CONFLICT

    def _is_at_hand(self, entry: Edit) -> bool:
        """Whether a sidecar that is not there is gone, and not on a disk that is."""
        if entry.place != Place.SIDECAR or entry.photo_id is None:
            return True
        with self.database.reading() as connection:
            photo = catalog.get_photo(connection, entry.photo_id)
        return os.path.lexists(self.places.locate(Place.FILE, photo.current_path))

    def _finish(self, entry: Edit, state: EditState) -> None:
        self._remove_temporary(entry)
        with self.database.transaction() as connection:
            write_journal.finish(connection, entry.id, state)

    def _remove_temporary(self, entry: Edit) -> None:
        if entry.temporary_path:
            remove_temporary(self.places.locate(entry.place, entry.temporary_path))

    def _hash(self, path: str) -> str:
        if not os.path.lexists(path):
            return _ABSENT
        return self.pool.run(hash_file, path)


def hash_file(path: str) -> str:
    """The SHA-256 of a file, 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bring_row(
    parts: EditParts,
    photo_id: int,
    end: Callable[[sqlite3.Connection], None] = lambda _: None,
    own: tuple[int, int, int] | None = None,
) -> None:
    """Bring a row to what its files say now, in one transaction with `end`.

    own: the stamps of the photo as this app has just put it in place (`FileIndexer.own`).
    """
    with parts.database.reading() as connection:
        photo = catalog.get_photo(connection, photo_id)
    items: list[IndexedFile] = []
    try:
        file = find_file(parts.places.root, photo.current_path)
        indexer = parts.indexer()
        if own:
            indexer = replace(indexer, own={photo.current_path: own})
        items = list(indexer.index_files([file]))
    except OSError as error:
        log.warning("%r was not read again after its edit: %s", photo.current_path, error)
    records = [item.record for item in items if item.record]
    with parts.database.transaction() as connection:
        end(connection)
        # An index may have found the photo at another place meanwhile; it has read it there.
        if catalog.get_photo(connection, photo_id).current_path == photo.current_path:
            catalog.update_photos(connection, dict(zip([photo_id], records, strict=False)))
        remember_read(connection, parts.cache, items)
