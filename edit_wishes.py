"""What an edit wants of a photo, in the words of each place that may keep it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Protocol, TypeAlias

from catalog import Photo
from date_tags import XMP_DATES, NewDate, plan_date_tags, plan_sidecar_dates
from file_operations import PictureReading
from media_types import XMP_RATING, rating_tags_of
from metadata import Facts, TagValue, plan_rating_tags, read_rating
from write_journal import EditKind, Place

Changes: TypeAlias = Mapping[str, "TagValue | None"]
Tags: TypeAlias = Mapping[str, TagValue]
RowValues: TypeAlias = tuple[int | None, str | None, str | None]
"""Rating, where that is kept, and date, as in a row."""


class Wish(Protocol):
    """A value that a photo shall have."""

    @property
    def kind(self) -> EditKind: ...

    @property
    def rating(self) -> int | None: ...

    def row_after(self, photo: Photo, place: Place, /) -> RowValues:
        """What the photo's row says when it is done."""

    def plan_file(self, tags: Tags, file_type: str, exiftool: tuple[int, int]) -> Changes | None:
        """What to write into the photo's own file; None where its format is not written into."""

    def is_met_without_file(self, photo: Photo, reading: PictureReading, /) -> bool:
        """Whether a file that cannot be written says nothing else than what is wished."""

    def is_read_back(self, facts: Facts) -> bool:
        """Whether the reader of the index finds the value in the copy that was written."""

    def is_said_by(self, tags: Tags) -> bool:
        """Whether a sidecar says such a value, which then wins over the file's."""

    def plan_sidecar(self, tags: Tags, hides: bool, /) -> Changes:
        """What to write into a sidecar; `hides`: what it wins over says something else."""

    def plan_leave(self, tags: Tags) -> Changes:
        """What to take out of a sidecar that is no longer needed."""


@dataclass(frozen=True, slots=True)
class RatingWish:
    """A rating of 1 to 5, None for none; -1 comes back where an edit is taken back."""

    rating: int | None
    kind: EditKind = EditKind.RATING

    def row_after(self, photo: Photo, place: Place) -> RowValues:
        return self.rating, place, photo.date_taken

    def plan_file(self, tags: Tags, file_type: str, exiftool: tuple[int, int]) -> Changes | None:
        taken = rating_tags_of(file_type, exiftool)
        return plan_rating_tags(tags, self.rating, taken) if taken else None

    def is_met_without_file(self, photo: Photo, reading: PictureReading) -> bool:
        return self.rating is None and not _says_rating(photo, reading)

    def is_read_back(self, facts: Facts) -> bool:
        return facts.rating == self.rating

    def is_said_by(self, tags: Tags) -> bool:
        return read_rating(tags) is not None

    def plan_sidecar(self, tags: Tags, hides: bool, /) -> Changes:
        rating = 0 if self.rating is None and hides else self.rating
        return plan_rating_tags(tags, rating, () if rating is None else (XMP_RATING,))

    def plan_leave(self, tags: Tags) -> Changes:
        return plan_rating_tags(tags, None, ())


def _says_rating(photo: Photo, reading: PictureReading) -> bool:
    """Whether the file itself may hold a rating, whatever its sidecar says."""
    said = read_rating(reading.tags or {})
    return bool(said or reading.unsure or photo.kept_in == Place.FILE)


@dataclass(frozen=True, slots=True)
class DateWish:
    """A capture date; `time_zone` is where films were taken that know no offset.

    new: None where an edit is taken back of a photo that had no date.
    """

    new: NewDate | None
    time_zone: tzinfo
    kind: EditKind = EditKind.DATE
    rating: None = None

    def row_after(self, photo: Photo, _place: Place, /) -> RowValues:
        return photo.rating, photo.kept_in, self.new.date.text if self.new else None

    def plan_file(self, tags: Tags, file_type: str, exiftool: tuple[int, int]) -> Changes | None:
        if not rating_tags_of(file_type, exiftool) or self.new is None:
            return None
        return plan_date_tags(tags, self.new, file_type, self.time_zone)

    def is_met_without_file(self, _photo: Photo, _reading: PictureReading, /) -> bool:
        return False

    def is_read_back(self, facts: Facts) -> bool:
        return self.new is not None and facts.date_taken == self.new.date.text

    def is_said_by(self, tags: Tags) -> bool:
        return any(tag in tags for tag in XMP_DATES)

    def plan_sidecar(self, tags: Tags, _hides: bool, /) -> Changes:
        return plan_sidecar_dates(tags, self.new) if self.new else {}

    def plan_leave(self, tags: Tags) -> Changes:
        return {tag: None for tag in XMP_DATES if tag in tags}
