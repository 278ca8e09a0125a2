"""Favorites and ratings: what a person says of a photo, written where it is kept.

A favorite is a photo with a rating of 5. Un-starring brings back what stood there before the
star.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import catalog
import rating_rows
import write_journal
from catalog import FAVORITE_RATING, Photo
from db import Database
from edit_wishes import RatingWish
from errors import EditOvertakenError
from file_edits import EditOutcome, FileEdits
from many_edits import edit_many
from operation_runner import OperationContext

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
        """Set a rating of 1 to 5; 0 clears it. Raises as `FileEdits.write`."""
        wanted = rating or None
        return describe_outcome(
            self.edits.write(photo_id, RatingWish(wanted), operation_id=operation_id)
        )

    def _unstar(self, photo: Photo, operation_id: str | None = None) -> RatedPhoto:
        """Bring back what the journal says was there before our star, if ours was the last."""
        with self.database.reading() as connection:
            last = write_journal.find_last_edit(connection, photo.id)
        if last and last.after.rating == FAVORITE_RATING != last.before.rating:
            try:
                outcome = self.edits.write(
                    photo.id,
                    RatingWish(last.before.rating),
                    takes_back=last,
                    operation_id=operation_id,
                )
                return describe_outcome(outcome)
            except EditOvertakenError:
                # Another program has set it since: its star is simply taken away.
                now = self.edits.look_again(photo.id)
                if not now.favorited:
                    return describe_outcome(EditOutcome(now, None))
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

        def rate_one(photo_id: int) -> bool:
            photo = self._get(photo_id)
            if rating == 0 and photo.favorited:
                return self._unstar(photo, context.operation_id).edit_id is not None
            return self.rate(photo_id, rating, context.operation_id).edit_id is not None

        return edit_many(self.database, context, photo_ids, rate_one, repeatable=rating > 0)

    def keep_many(self, context: OperationContext) -> dict[str, Any]:
        """The deed of `keep_ratings`: into the files with what only the database knows."""
        with self.database.reading() as connection:
            ratings = rating_rows.list_unkept(connection)

        def keep(photo_id: int) -> bool:
            rated = self.rate(photo_id, ratings[photo_id], context.operation_id)
            return rated.edit_id is not None

        return edit_many(self.database, context, list(ratings), keep, repeatable=True)


def describe_outcome(outcome: EditOutcome) -> RatedPhoto:
    """A photo after an edit, as callers of ratings want it."""
    photo = outcome.photo
    return RatedPhoto(photo.id, photo.rating, photo.favorited, photo.kept_in, outcome.edit_id)
