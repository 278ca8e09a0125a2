"""What one edit of a photo writes: each file stands in the journal before it is touched."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace

import rating_rows
import write_journal
from catalog import Photo
from edit_recovery import EditParts, EditRecovery
from edit_wishes import Wish
from errors import LibraryError
from file_operations import BeforeReplace, name_temporary
from metadata import TagValue
from write_journal import EditState, Place, PlannedEdit, Values

log = logging.getLogger(__name__)


class EditWrites:
    """The writes of one edit, in their order; the first is the edit, the others its parts.

    written: their entries. row_values: `rating` and `kept_in` as the database alone holds them.
    undoes: the edit that this one takes back. reason: why a value is not where it should be.
    """

    def __init__(
        self,
        parts: EditParts,
        recovery: EditRecovery,
        photo: Photo,
        wish: Wish,
        operation_id: str | None,
    ) -> None:
        self.edit_id: int | None = None
        self.written: list[int] = []
        self.row_values: tuple[int | None, str | None] | None = None
        self.undoes: int | None = None
        self.reason: str | None = None
        self._parts = parts
        self._recovery = recovery
        self._photo = photo
        self._wish = wish
        self._operation_id = operation_id

    def plan(
        self,
        place: Place,
        path: str,
        tags: Mapping[str, TagValue],
        changes: Mapping[str, TagValue | None],
    ) -> PlannedEdit:
        """The entry for these changes of a file with these tags."""
        photo = self._photo
        absolute = self._parts.places.locate(place, path)
        folder = path.rpartition("/")[0]
        temporary = os.path.basename(name_temporary(absolute))
        told = {tag: tags.get(tag) for tag in changes}
        rating, kept_in, date_taken = self._wish.row_after(photo, place)
        return PlannedEdit(
            photo_id=photo.id,
            path=path,
            place=place,
            before=Values(photo.rating, photo.kept_in, told, date_taken=photo.date_taken),
            after=Values(rating, kept_in, dict(changes), date_taken=date_taken),
            temporary_path=f"{folder}/{temporary}" if folder else temporary,
            media_hash=photo.media_hash,
            operation_id=self._operation_id,
            main_id=self.edit_id,
            undoes=self.undoes if self.edit_id is None else None,
            reason=self.reason,
            kind=self._wish.kind,
        )

    def write(
        self,
        plan: PlannedEdit,
        *,
        content_hash: str | None,
        write: Callable[[str, BeforeReplace], None],
    ) -> None:
        """Plan, write, and leave it prepared: it ends together with the row."""
        database = self._parts.database
        assert plan.temporary_path is not None
        with database.transaction() as connection:
            entry_id = write_journal.plan(
                connection, replace(plan, content_hash_before=content_hash)
            )

        temporary = self._parts.places.locate(plan.place, plan.temporary_path)

        def prepare(new_hash: str) -> None:
            with database.transaction() as connection:
                write_journal.prepare(connection, entry_id, new_hash)

        try:
            write(temporary, prepare)
        except (LibraryError, OSError, sqlite3.Error):
            # The rename may have been done before the disk complained.
            if not self._was_done(entry_id):
                raise
        self.written.append(entry_id)
        self.edit_id = self.edit_id or entry_id

    def _was_done(self, entry_id: int) -> bool:
        try:
            with self._parts.database.reading() as connection:
                entry = write_journal.get_edit(connection, entry_id)
            return self._recovery.settle(entry) == EditState.DONE
        except (LibraryError, OSError, sqlite3.Error) as error:
            log.warning("An edit of %r is left for later: %s", self._photo.current_path, error)
            return False

    def change_row(self, rating: int | None, kept_in: str | None) -> None:
        """A rating that the database alone holds."""
        photo = self._photo
        plan = PlannedEdit(
            photo_id=photo.id,
            path=photo.current_path,
            place=Place.DATABASE,
            before=Values(photo.rating, photo.kept_in, {}),
            after=Values(rating, kept_in, {}),
            operation_id=self._operation_id,
            main_id=self.edit_id,
            undoes=self.undoes if self.edit_id is None else None,
        )
        with self._parts.database.transaction() as connection:
            entry_id = write_journal.plan(connection, plan)
            write_journal.finish(connection, entry_id, EditState.DONE)
            rating_rows.set_rating(connection, photo.id, rating, kept_in)
        self.edit_id = self.edit_id or entry_id
        self.row_values = (rating, kept_in)
