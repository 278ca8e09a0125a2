"""Every edit of a photo's rating or date, one after the other; and what a crash left of one."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import catalog
import write_journal
from catalog import Photo
from day_folders import DayFolders
from edit_recovery import EditParts, EditRecovery, bring_row
from edit_run import EditRun
from edit_wishes import Wish
from errors import EditNotNotedError, EditRefusedError, LibraryError
from write_journal import Edit, EditKind, EditState

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EditOutcome:
    """A photo after an edit; `edit_id` is None where nothing had to be written."""

    photo: Photo
    edit_id: int | None


class FileEdits:
    """Edits the photos of one library, one after the other. Thread-safe."""

    def __init__(self, parts: EditParts) -> None:
        self._parts = parts
        self._recovery = EditRecovery(parts.places, parts.database, parts.pool)
        self._folders = DayFolders(parts)
        self._lock = threading.Lock()

    def write(
        self,
        photo_id: int,
        wish: Wish,
        *,
        takes_back: Edit | None = None,
        is_undo: bool = False,
        operation_id: str | None = None,
    ) -> EditOutcome:
        """Give a photo the rating or date of a wish, wherever that can be kept.

        takes_back: an edit of this photo whose values before come back as they were; -1 and
        whatever else stood there is then restored. is_undo: that edit then counts as undone.
        Raises `NotFoundError`, `DiskFullError`, and `EditRefusedError` with the reason; all
        files are then as they were. `EditNotNotedError` says that only the database is behind.
        """
        with self._lock:
            self._settle_photo(photo_id)
            with self._parts.database.reading() as connection:
                photo = catalog.get_photo(connection, photo_id)
                taken_back = _list_taken_back(connection, takes_back)
            run = EditRun(self._parts, self._recovery, photo, wish, operation_id)
            try:
                run.perform(taken_back, is_undo=is_undo)
            finally:
                _finish(run, photo)
            with self._parts.database.reading() as connection:
                return EditOutcome(catalog.get_photo(connection, photo_id), run.edit_id)

    def move_to_day(self, photo_id: int, left: str, operation_id: str | None) -> str | None:
        """Move a photo out of the folder `left` into that of its day; its new path.

        A part of the last edit of its date. None where nothing was to be moved. Raises
        `NotFoundError`, and `EditRefusedError`; it is then where it was.
        """
        with self._lock:
            self._settle_photo(photo_id)
            with self._parts.database.reading() as connection:
                photo = catalog.get_photo(connection, photo_id)
                last = write_journal.find_last_edit(connection, photo_id, EditKind.DATE)
            return self._folders.move_to_day(photo, left, last.id, operation_id) if last else None

    def move_back(self, edit: Edit, main_id: int, operation_id: str | None) -> list[str]:
        """Take back the moves that were a part of an edit; the paths from which they led.

        main_id: the edit that takes the date back. Raises as `move_to_day`.
        """
        if edit.photo_id is None:
            return []
        with self._lock:
            self._settle_photo(edit.photo_id)
            left = []
            with self._parts.database.reading() as connection:
                moves = write_journal.list_open_moves(connection, edit.id)
            for move in reversed(moves):
                with self._parts.database.reading() as connection:
                    photo = catalog.get_photo(connection, edit.photo_id)
                self._folders.move_back(photo, move, main_id, operation_id)
                left.append(photo.current_path)
            return left

    def remove_empty_folders(self, operation_id: str | None, paths: Iterable[str] = ()) -> None:
        """Remove the folders that the moves of an operation, or from `paths`, left empty."""
        with self._parts.database.reading() as connection:
            moves = write_journal.list_moves(connection, operation_id)
        with self._lock:
            self._folders.remove_empty([*paths, *(one.before.path or "" for one in moves)])

    @contextmanager
    def holding(self, photo_id: int | None = None) -> Iterator[None]:
        """Nobody edits while the block lasts; what was left of an edit of this photo is ended."""
        with self._lock:
            if photo_id is not None:
                self._settle_photo(photo_id)
            yield

    def look_again(self, photo_id: int) -> Photo:
        """The photo as its files say it now, brought into its row."""
        with self._lock:
            bring_row(self._parts, photo_id)
            with self._parts.database.reading() as connection:
                return catalog.get_photo(connection, photo_id)

    def finish_interrupted(self) -> list[Edit]:
        """End what a dead process left, or a disk in trouble.

        Gives the entries whose files are neither old nor new.
        """
        with self._lock:
            with self._parts.database.reading() as connection:
                left = write_journal.list_unfinished(connection)
            return [entry for entry in left if self._settle(entry) == EditState.CONFLICT]

    def _settle_photo(self, photo_id: int) -> None:
        with self._parts.database.reading() as connection:
            left = write_journal.list_unfinished(connection, photo_id)
        for entry in left:
            self._settle(entry)

    def _settle(self, entry: Edit) -> EditState | None:
        try:
            moved = entry.kind == EditKind.MOVE
            state = (self._folders if moved else self._recovery).settle(entry)
        except (OSError, LibraryError) as error:
            _log.warning("An interrupted edit of %r is left for later: %s", entry.path, error)
            return None
        if state == EditState.DONE and entry.photo_id is not None:
            bring_row(self._parts, entry.photo_id)
        return state


def _list_taken_back(connection: sqlite3.Connection, edit: Edit | None) -> list[Edit]:
    """The entries of an edit that is to be taken back. Raises where somebody was faster."""
    if edit is None:
        return []
    if not write_journal.get_edit(connection, edit.id).undoable:
        raise EditRefusedError(f"Edit {edit.id} was taken back, or edited over, just now.")
    parts = write_journal.list_parts(connection, edit.id)
    return [part for part in parts if part.kind != EditKind.MOVE]


def _finish(run: EditRun, photo: Photo) -> None:
    try:
        run.finish()
    except (sqlite3.Error, LibraryError) as error:
        raise EditNotNotedError(
            f"The rating of {photo.current_path} is written, but the database could not note it "
            f"({error}). The next index does."
        ) from error
