"""Capture dates: one, or many by a shift, the same for all, or a sequence; a plan comes first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any

import catalog
import photo_listing
from capture_date import LocalDate
from catalog import Photo
from date_suggestions import Neighbors, suggest_date
from date_tags import NewDate, check_moment, parse_moment, parse_shift, parse_span
from day_folders import find_import_folder
from db import Database
from edit_wishes import DateWish
from errors import InvalidRequestError, LibraryError, NotFoundError
from file_edits import EditOutcome, FileEdits
from import_plan import day_folder
from many_edits import edit_many
from operation_runner import OperationContext


class DateMode(StrEnum):
    """How many photos get their dates."""

    SAME = "same"
    SHIFT = "shift"
    SEQUENCE = "sequence"
    SUGGESTED = "suggested"


@dataclass(frozen=True, slots=True)
class PlannedDate:
    """One photo of a plan: ISO 8601 local times, offset where known; `problem` as a sentence.

    source: where a suggested date comes from: `name`, `folder` or `neighbors`.
    moves_to: the folder of the new day, relative to the library, of a photo that lies where an
    import put it by its old date; None of all others, and where that stays its folder.
    """

    photo_id: int
    path: str
    before: str | None
    after: str | None
    utc_offset: str | None = None
    source: str | None = None
    problem: str | None = None
    moves_to: str | None = None


@dataclass(frozen=True, slots=True)
class DateEdits:
    """The capture dates of one library."""

    database: Database
    edits: FileEdits
    time_zone: tzinfo

    def plan(
        self, photo_ids: Sequence[int], mode: DateMode, value: str, step: str | None = None
    ) -> list[PlannedDate]:
        """What each photo would get, in the order of the grid, oldest first; nothing is written.

        value: a moment for `same` and `sequence`, a span or two zones for `shift`, nothing for
        `suggested`; step: the span between two photos of a sequence. Raises `InvalidRequestError`
        for other words.
        """
        photos, unknown = self._find(photo_ids)
        if mode == DateMode.SUGGESTED:
            found = self._suggest(photos)
        else:
            dates = _plan_dates(photos, mode, value, step)
            found = [_describe(photo, new) for photo, new in zip(photos, dates, strict=True)]
        reason = "There is no such photo in the library."
        return found + [
            PlannedDate(photo_id, f"photo {photo_id}", None, None, problem=reason)
            for photo_id in unknown
        ]

    def set_date(self, photo_id: int, new: NewDate, operation_id: str | None = None) -> EditOutcome:
        """Give one photo a date. Raises as `FileEdits.write`."""
        wish = DateWish(new, self.time_zone)
        return self.edits.write(photo_id, wish, operation_id=operation_id)

    def update_many(
        self,
        context: OperationContext,
        photo_ids: Sequence[int],
        mode: DateMode,
        value: str,
        step: str | None = None,
        *,
        move_files: bool = False,
    ) -> dict[str, Any]:
        """The deed of `update_date`. Resumed it gives no photo a second shift: the dates are
        those that were planned when it began, which its checkpoint keeps.

        move_files: photos that a plan gives a `moves_to` go there, once they have their dates.
        """
        planned: dict[str, Any] | None = context.checkpoint.state.get("planned")
        if planned is None:
            plan = self.plan(photo_ids, mode, value, step)
            planned = {str(one.photo_id): [one.after, one.utc_offset, one.problem] for one in plan}
            context.checkpoint.state["planned"] = planned
            context.checkpoint.state["moving"] = {
                str(one.photo_id): one.path.rpartition("/")[0] for one in plan if one.moves_to
            }
            with self.database.transaction() as connection:
                context.checkpoint.save(connection)
        dates = planned
        moving = context.checkpoint.state.get("moving", {}) if move_files else {}

        def edit(photo_id: int) -> bool:
            text, offset, problem = dates[str(photo_id)]
            if text is None:
                raise InvalidRequestError(problem)
            new = NewDate(LocalDate(text, offset), keeps_fraction=mode == DateMode.SHIFT)
            written = self.set_date(photo_id, new, context.operation_id).edit_id is not None
            left = moving.get(str(photo_id))
            if left is not None:
                self.edits.move_to_day(photo_id, left, context.operation_id)
            return written

        try:
            return edit_many(self.database, context, photo_ids, edit, repeatable=True)
        finally:
            if moving:
                self.edits.remove_empty_folders(context.operation_id)

    def _suggest(self, photos: Sequence[Photo]) -> list[PlannedDate]:
        """Dates for those that have none."""
        folders: dict[str, Neighbors] = {}
        planned = []
        for photo in photos:
            folder = photo.current_path.rpartition("/")[0]
            if folder not in folders:
                with self.database.reading() as connection:
                    folders[folder] = Neighbors(photo_listing.list_dated_in(connection, folder))
            if photo.date_taken:
                planned.append(_describe(photo, f"{photo.current_path} has a date already."))
            elif found := suggest_date(photo.current_path, folders[folder]):
                planned.append(replace(_describe(photo, NewDate(found.date)), source=found.source))
            else:
                reason = f"Nothing says when {photo.current_path} was taken."
                planned.append(_describe(photo, reason))
        return planned

    def _get(self, photo_id: int) -> Photo:
        with self.database.reading() as connection:
            return catalog.get_photo(connection, photo_id)

    def _find(self, photo_ids: Sequence[int]) -> tuple[list[Photo], list[int]]:
        photos, unknown = [], []
        for photo_id in dict.fromkeys(photo_ids):
            try:
                photos.append(self._get(photo_id))
            except NotFoundError:
                unknown.append(photo_id)
        photos.sort(key=lambda photo: (photo.date_taken is None, photo.date_taken or "", photo.id))
        return photos, unknown


def _plan_dates(
    photos: Sequence[Photo], mode: DateMode, value: str, step: str | None
) -> list[NewDate | str]:
    """The date of each photo, or why it gets none."""
    if mode == DateMode.SHIFT:
        shift = parse_shift(value)
        return [
            _shift(photo, shift.move)
            if photo.date_taken
            else f"{photo.current_path} has no date that could be shifted."
            for photo in photos
        ]
    start = parse_moment(value)
    if mode == DateMode.SAME:
        return [NewDate(start)] * len(photos)
    span = parse_span(step or "+1m")
    first = datetime.fromisoformat(start.text)
    return [
        NewDate(check_moment(first + number * span, start.utc_offset))
        for number in range(len(photos))
    ]


def _shift(photo: Photo, move: Callable[[LocalDate], NewDate]) -> NewDate | str:
    assert photo.date_taken
    try:
        return move(LocalDate(photo.date_taken, photo.utc_offset))
    except LibraryError as error:
        return error.message


def _describe(photo: Photo, new: NewDate | str) -> PlannedDate:
    if isinstance(new, str):
        return PlannedDate(photo.id, photo.current_path, photo.date_taken, None, problem=new)
    date = new.date
    left, folder = find_import_folder(photo), day_folder(date.text)
    return PlannedDate(
        photo.id,
        photo.current_path,
        photo.date_taken,
        date.text,
        date.utc_offset,
        moves_to=folder if left not in (None, folder) else None,
    )
