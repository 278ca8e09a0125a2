"""Taking edits back: one, or all that an operation did; each is an edit like any other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

import catalog
import write_journal
from capture_date import LocalDate
from date_tags import NewDate
from db import Database
from edit_wishes import DateWish, RatingWish, Wish
from errors import EditRefusedError
from file_edits import EditOutcome, FileEdits
from many_edits import edit_many
from operation_runner import OperationContext
from write_journal import Edit, EditKind, EditState


@dataclass(frozen=True, slots=True)
class EditUndo:
    """Takes back edits of one library."""

    database: Database
    edits: FileEdits
    time_zone: tzinfo

    def undo(self, edit_id: int, operation_id: str | None = None) -> EditOutcome:
        """Take one edit back. Raises `EditRefusedError` where something later stands on it."""
        with self.database.reading() as connection:
            edit = write_journal.get_edit(connection, edit_id)
            moves = write_journal.list_open_moves(connection, edit_id)
            taken = write_journal.find_undoing(connection, edit_id) if moves else None
        if edit.photo_id is not None and taken:
            # The date is back, and the place was not when this was interrupted.
            return self._move_back(edit, taken, operation_id)
        if not edit.undoable or edit.photo_id is None:
            raise EditRefusedError(_say_why_not(edit))
        outcome = self.edits.write(
            edit.photo_id,
            self._make_wish(edit),
            takes_back=edit,
            is_undo=True,
            operation_id=operation_id,
        )
        return self._move_back(edit, outcome.edit_id, operation_id) if moves else outcome

    def _move_back(self, edit: Edit, taken_by: int | None, operation_id: str | None) -> EditOutcome:
        """Bring a photo back to where it lay before its date was changed."""
        assert edit.photo_id is not None
        left = self.edits.move_back(edit, taken_by or edit.id, operation_id)
        if operation_id is None:
            self.edits.remove_empty_folders(None, left)
        with self.database.reading() as connection:
            return EditOutcome(catalog.get_photo(connection, edit.photo_id), taken_by)

    def _make_wish(self, edit: Edit) -> Wish:
        if edit.kind == EditKind.RATING:
            return RatingWish(edit.before.rating)
        before = edit.before.date_taken
        return DateWish(NewDate(LocalDate(before, None)) if before else None, self.time_zone)

    def undo_many(self, context: OperationContext, operation_id: str) -> dict[str, Any]:
        """The deed of `undo_edits`: take back all that an operation did, the last first."""
        with self.database.reading() as connection:
            edits = write_journal.list_edits_of_operation(connection, operation_id)
            moves = write_journal.list_moves(connection, operation_id)
        # Of these the place is still to be taken back, also where the date was already.
        moved = {move.main_id for move in moves if move.state == EditState.DONE}
        left = {
            edit.photo_id: edit.id
            for edit in edits
            if edit.photo_id is not None and (edit.state == EditState.DONE or edit.id in moved)
        }
        try:
            return edit_many(
                self.database,
                context,
                list(reversed(left)),
                lambda photo_id: (
                    self.undo(left[photo_id], context.operation_id).edit_id is not None
                ),
                repeatable=True,
            )
        finally:
            self.edits.remove_empty_folders(context.operation_id)


def _say_why_not(edit: Edit) -> str:
    if edit.state == EditState.UNDONE:
        return f"Edit {edit.id} was taken back already."
    if edit.state == EditState.CONFLICT:
        return f"Edit {edit.id} was interrupted, and {edit.path} was changed since; it stays."
    if edit.main_id is not None:
        return f"Edit {edit.id} is a part of edit {edit.main_id}: take that back."
    if edit.photo_id is None:
        return f"The photo of edit {edit.id} is no longer in the library."
    return f"A later edit of {edit.path} stands on edit {edit.id}: take that back first."
