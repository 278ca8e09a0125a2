"""Every edit of a photo's rating, one after the other; and what a crash left of one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import catalog
import write_journal
from catalog import Photo
from edit_recovery import EditParts, EditRecovery, bring_row
from edit_run import EditRun
from errors import (
    LibraryError,
)
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

    def write_rating(
        self,
        photo_id: int,
        rating: int | None,
        *,
        takes_back: Edit | None = None,
        operation_id: str | None = None,
    ) -> EditOutcome:
        """Give a photo a rating of 1 to 5, or none, wherever that can be kept.

        takes_back: an edit of this photo whose values before come back as they were; -1 and
        whatever else stood there is then restored. Raises `NotFoundError`, `DiskFullError`, and
        `EditRefusedError` with the reason; all files are then as they were.
        """
        with self._lock:
            self._settle_photo(photo_id)
            with self._parts.database.reading() as connection:
                photo = catalog.get_photo(connection, photo_id)
                taken_back = (
                    write_journal.list_parts(connection, takes_back.id) if takes_back else []
                )
            run = EditRun(self._parts, self._recovery, photo, rating, operation_id)
            try:
                run.perform(taken_back)
            finally:
                run.finish()
            with self._parts.database.reading() as connection:
                return EditOutcome(catalog.get_photo(connection, photo_id), run.edit_id)

    @contextmanager
    def holding(self, photo_id: int | None = None) -> Iterator[None]:
        """Nobody edits while the block lasts; what was left of an edit of this photo is ended."""
        with self._lock:
            if photo_id is not None:
                self._settle_photo(photo_id)
            yield

    def finish_interrupted(self) -> list[Edit]:
        """End what a dead process left; the entries whose files are neither old nor new."""
        with self._lock, self._parts.database.reading() as connection:
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
