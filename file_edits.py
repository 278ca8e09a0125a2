"""Every edit of a photo's rating or date, one after the other; and what a crash left of one."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import catalog
import write_journal
from catalog import Photo
from edit_recovery import EditParts, EditRecovery, bring_row
from edit_run import EditRun
from edit_wishes import Wish
from errors import EditNotNotedError, EditRefusedError, LibraryError
from write_journal import Edit, EditState

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
            state = self._recovery.settle(entry)
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
    return write_journal.list_parts(connection, edit.id)


def _finish(run: EditRun, photo: Photo) -> None:
    try:
        run.finish()
    except (sqlite3.Error, LibraryError) as error:
        raise EditNotNotedError(
            f"The rating of {photo.current_path} is written, but the database could not note it "
            f"({error}). The next index does."
        ) from error
