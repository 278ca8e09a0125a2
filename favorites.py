"""Favorites and ratings: what a person says of a photo, written where it is kept.

A favorite is a photo with a rating of 5. Un-starring brings back what stood there before the
star; an edit, and all edits of an operation, can be taken back as long as nothing later stands
on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import catalog
import rating_rows
import write_journal
from catalog import FAVORITE_RATING, Photo
from db import Database
from errors import EditOvertakenError, EditRefusedError, FileProblem, LibraryError, NotFoundError
from file_edits import EditOutcome, FileEdits
from operation_runner import OperationContext
from write_journal import Edit, EditState

HIGHEST_RATING: Final = 5


@dataclass(frozen=True, slots=True)
class RatedPhoto:
    """A photo after its rating was set; `edit_id` is None where nothing had to be written."""

    photo_id: int
    rating: int | None
    favorited: bool
    kept_in: str | None
    edit_id: int | None


@dataclass(frozen=True, slots=True)
class RatingReport:
    """What became of many photos; `errors`: photo id, and why in a sentence."""

    operation_id: str
    success_count: int
    error_count: int
    errors: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Favorites:
    """The ratings of one library."""

    database: Database
    edits: FileEdits

    def toggle(self, photo_id: int) -> RatedPhoto:
        """From a favorite to what it was before, from anything else to a favorite."""
        photo = self._get(photo_id)
        return self._unstar(photo) if photo.favorited else self.rate(photo_id, FAVORITE_RATING)

    def rate(self, photo_id: int, rating: int, operation_id: str | None = None) -> RatedPhoto:
        """Set a rating of 1 to 5; 0 clears it. Raises as `FileEdits.write_rating`."""
        wanted = rating or None
        return _describe(self.edits.write_rating(photo_id, wanted, operation_id=operation_id))

    def undo(self, edit_id: int, operation_id: str | None = None) -> RatedPhoto:
        """Take one edit back. Raises `EditRefusedError` where something later stands on it."""
        with self.database.reading() as connection:
            edit = write_journal.get_edit(connection, edit_id)
        if not edit.undoable or edit.photo_id is None:
            raise EditRefusedError(_say_why_not(edit))
        return _describe(
            self.edits.write_rating(
                edit.photo_id, edit.before.rating, takes_back=edit, operation_id=operation_id
            )
        )

    def _unstar(self, photo: Photo, operation_id: str | None = None) -> RatedPhoto:
        """Bring back what the journal says was there before our star, if ours was the last."""
        with self.database.reading() as connection:
            last = write_journal.find_last_edit(connection, photo.id)
        if last and last.after.rating == FAVORITE_RATING != last.before.rating:
            try:
                return self.undo(last.id, operation_id)
            except EditOvertakenError:
                # Another program has set it since: its star is simply taken away.
                now = self.edits.look_again(photo.id)
                if not now.favorited:
                    return _describe(EditOutcome(now, None))
        return self.rate(photo.id, 0, operation_id)

    def _get(self, photo_id: int) -> Photo:
        with self.database.reading() as connection:
            return catalog.get_photo(connection, photo_id)

    # -- many ----------------------------------------------------------------------------------

    def rate_many(
        self, context: OperationContext, photo_ids: Sequence[int], rating: int
    ) -> dict[str, Any]:
        """The deed of `rate_photos`; resumed, it leaves what it has done alone.

        0 un-stars favorites, which brings back what they were, and clears other ratings.
        """

        def rate_one(photo_id: int) -> RatedPhoto:
            photo = self._get(photo_id)
            if rating == 0 and photo.favorited:
                return self._unstar(photo, context.operation_id)
            return self.rate(photo_id, rating, context.operation_id)

        return self._do_many(context, photo_ids, rate_one, repeatable=rating > 0)

    def keep_many(self, context: OperationContext) -> dict[str, Any]:
        """The deed of `keep_ratings`: into the files with what only the database knows."""
        with self.database.reading() as connection:
            ratings = rating_rows.list_unkept(connection)
        return self._do_many(
            context,
            list(ratings),
            lambda photo_id: self.rate(photo_id, ratings[photo_id], context.operation_id),
        )

    def undo_many(self, context: OperationContext, operation_id: str) -> dict[str, Any]:
        """The deed of `undo_edits`: take back all that an operation did, the last first."""
        with self.database.reading() as connection:
            edits = write_journal.list_edits_of_operation(connection, operation_id)
        left = {
            edit.photo_id: edit.id
            for edit in edits
            if edit.state == EditState.DONE and edit.photo_id is not None
        }
        return self._do_many(
            context,
            [photo_id for photo_id in reversed(left) if photo_id is not None],
            lambda photo_id: self.undo(left[photo_id], context.operation_id),
        )

    def _do_many(
        self,
        context: OperationContext,
        photo_ids: Sequence[int],
        deed: Callable[[int], RatedPhoto],
        *,
        repeatable: bool = False,
    ) -> dict[str, Any]:
        wanted = list(dict.fromkeys(photo_ids))
        with self.database.reading() as connection:
            edits = write_journal.list_edits_of_operation(connection, context.operation_id)
        if repeatable:
            # The last one may have been interrupted between a sidecar and its photo.
            edits = edits[:-1]
        done_before = {edit.photo_id for edit in edits}
        checkpoint = context.checkpoint
        checkpoint.begin_phase("edit", len(wanted))
        errors: list[tuple[int, str]] = []
        problems: list[FileProblem] = []
        changed = 0
        for number, photo_id in enumerate(wanted):
            context.report_progress(phase="edit", done=number, total=len(wanted))
            context.check()
            if photo_id in done_before:
                continue
            try:
                changed += deed(photo_id).edit_id is not None
            except LibraryError as error:
                if error.status >= 500:
                    raise  # the disk is full, or worse: nothing to do with this photo
                problem = FileProblem(self._name(photo_id), error.message)
                errors.append((photo_id, error.message))
                problems.append(problem)
                context.add_problem(problem)
            checkpoint.advance(1)
            if checkpoint.due:
                with self.database.transaction() as connection:
                    checkpoint.save(connection)
        context.report_progress(phase="edit", done=len(wanted), total=len(wanted))
        return {
            "found": len(wanted),
            "changed": changed,
            "unchanged": len(wanted) - changed - len(errors),
            "success_count": len(wanted) - len(errors),
            "error_count": len(errors),
            "errors": [{"photo_id": photo_id, "error": reason} for photo_id, reason in errors],
            "problems": [{"path": one.path, "reason": one.reason} for one in problems],
        }

    def _name(self, photo_id: int) -> str:
        try:
            return self._get(photo_id).current_path
        except NotFoundError:
            return f"photo {photo_id}"


def _describe(outcome: EditOutcome) -> RatedPhoto:
    photo = outcome.photo
    return RatedPhoto(photo.id, photo.rating, photo.favorited, photo.kept_in, outcome.edit_id)


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
