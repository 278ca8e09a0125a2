"""A capture date back to tags: the family of tags that is kept in step, and what a person types.

Pure. Local times are the clock's on the spot; films take theirs in UTC (ISO/IEC 14496-12), with
Apple's `Keys:CreationDate` beside it, which says the local time and its offset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from capture_date import LocalDate, parse_date
from errors import InvalidRequestError
from metadata import TagValue

_EXIF_DATES: Final = ("ExifIFD:DateTimeOriginal", "ExifIFD:CreateDate")
_EXIF_OFFSETS: Final = ("ExifIFD:OffsetTimeOriginal", "ExifIFD:OffsetTimeDigitized")
_EXIF_FRACTIONS: Final = ("ExifIFD:SubSecTimeOriginal", "ExifIFD:SubSecTimeDigitized")
XMP_DATES: Final = (
    "XMP-exif:DateTimeOriginal",
    "XMP-photoshop:DateCreated",
    "XMP-xmp:CreateDate",
)
_KEYS_DATE: Final = "Keys:CreationDate"
_LOCAL_FILM_DATES: Final = ("ItemList:ContentCreateDate", "UserData:DateTimeOriginal")
_UTC_FILM_DATE: Final = "QuickTime:CreateDate"
_TRACK_DATE: Final = re.compile(r"Track\d+:(Track|Media)CreateDate")

WITH_EXIF: Final = frozenset({"jpeg", "tiff", "png", "webp", "heic", "avif"})
FILMS: Final = frozenset({"mp4", "m4v", "mov", "3gp"})

_SPAN: Final = re.compile(
    r"([+-])\s*(?:(\d{1,6})\s*d(?:ays?)?)?\s*(?:(\d{1,6})\s*h(?:ours?)?)?\s*"
    r"(?:(\d{1,6})\s*m(?:in(?:utes?)?)?)?\s*(?:(\d{1,8})\s*s(?:ec(?:onds?)?)?)?"
)
_CLOCK_SPAN: Final = re.compile(r"([+-])\s*(\d{1,4}):([0-5]\d)(?::([0-5]\d))?")
_ZONES: Final = re.compile(r"([A-Za-z0-9_+/-]+?)\s*->\s*([A-Za-z0-9_+/-]+)")
_MOST_SPAN: Final = timedelta(days=366 * 300)


@dataclass(frozen=True, slots=True)
class NewDate:
    """A date that a photo shall have.

    keeps_fraction: the fraction of a second that the camera noted still holds, as after a shift.
    """

    date: LocalDate
    keeps_fraction: bool = False

    @property
    def exif(self) -> str:
        """`2019:07:14 18:03:22`."""
        return self.date.text.replace("-", ":").replace("T", " ")

    @property
    def with_offset(self) -> str:
        """As `exif`, with `+02:00` where that is known."""
        return self.exif + (self.date.utc_offset or "")


@dataclass(frozen=True, slots=True)
class Shift:
    """A change of clocks: a span, or from what one zone's clocks show to another's."""

    span: timedelta = timedelta()
    zones: tuple[ZoneInfo, ZoneInfo] | None = None

    def move(self, date: LocalDate) -> NewDate:
        """The date after the shift. Raises `InvalidRequestError` where that is no date."""
        moment = datetime.fromisoformat(date.text)
        offset = date.utc_offset
        try:
            if self.zones:
                there = moment.replace(tzinfo=self.zones[0]).astimezone(self.zones[1])
                moment, offset = there.replace(tzinfo=None), _format_offset(there)
            moment += self.span
        except (OverflowError, ValueError) as error:
            raise InvalidRequestError(f"{date.text} cannot be shifted so far.") from error
        return NewDate(check_moment(moment, offset), keeps_fraction=True)


# -- what a person types -----------------------------------------------------------------------


def parse_moment(text: str) -> LocalDate:
    """`2019-07-14 18:03:22`, also with an offset. Raises `InvalidRequestError`.

    Strict: no 30 February, years 1800 to the next one; and a time of day must be said.
    """
    found = parse_date(text) if ":" in text[10:] else None
    if found is None:
        raise InvalidRequestError(
            f"{text[:60]!r} is no date and time: say it as 2019-07-14 18:03:22, from the year "
            "1800 to the next one."
        )
    return found


def check_moment(moment: datetime, offset: str | None) -> LocalDate:
    """The moment as a date that a photo may have. Raises `InvalidRequestError`."""
    return parse_moment(moment.isoformat(sep=" ", timespec="seconds") + (offset or ""))


def parse_span(text: str) -> timedelta:
    """`+1h`, `-2d 3h 30m`, `+1:30`, `-0:00:05`. Raises `InvalidRequestError`."""
    said = text.strip()[:60]
    if clock := _CLOCK_SPAN.fullmatch(said):
        sign, hours, minutes, seconds = clock.groups()
        days = "0"
    elif (span := _SPAN.fullmatch(said)) and any(span.groups()[1:]):
        sign, days, hours, minutes, seconds = span.groups()
    else:
        raise InvalidRequestError(f"{said!r} is no span of time: say it as +1h, -2d 3h or +1:30.")
    whole = timedelta(
        days=int(days or 0),
        hours=int(hours or 0),
        minutes=int(minutes or 0),
        seconds=int(seconds or 0),
    )
    if whole > _MOST_SPAN:
        raise InvalidRequestError("A span is at most 300 years.")
    return -whole if sign == "-" else whole


def parse_shift(text: str) -> Shift:
    """A span, or `Europe/Berlin->Asia/Tokyo`. Raises `InvalidRequestError`."""
    zones = _ZONES.fullmatch(text.strip()[:120])
    if not zones:
        return Shift(parse_span(text))
    try:
        return Shift(zones=(ZoneInfo(zones[1]), ZoneInfo(zones[2])))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidRequestError(
            f"{text[:120]!r} names no time zones: say it as Europe/Berlin->Asia/Tokyo."
        ) from error


# -- tags --------------------------------------------------------------------------------------


def plan_date_tags(
    tags: Mapping[str, TagValue], new: NewDate, file_type: str, time_zone: tzinfo | None
) -> dict[str, TagValue | None]:
    """What to change so that a file with these `tags` says the new date; None takes a tag out.

    time_zone: where a film was taken whose offset nobody knows.
    """
    wanted: dict[str, TagValue | None] = {}
    if file_type in WITH_EXIF:
        wanted.update(dict.fromkeys(_EXIF_DATES, new.exif))
        if new.date.utc_offset:
            wanted.update(dict.fromkeys(_EXIF_OFFSETS, new.date.utc_offset))
        elif not new.keeps_fraction:
            wanted.update({tag: None for tag in _EXIF_OFFSETS if tag in tags})
        if "IFD0:DateTimeOriginal" in tags:
            wanted["IFD0:DateTimeOriginal"] = new.exif
        if not new.keeps_fraction:
            wanted.update({tag: None for tag in _EXIF_FRACTIONS if tag in tags})
    elif file_type in FILMS:
        wanted.update(_plan_film(tags, new, time_zone))
    else:
        wanted[XMP_DATES[0]] = new.with_offset
    wanted.update({tag: new.with_offset for tag in XMP_DATES if tag in tags})
    return {tag: value for tag, value in wanted.items() if tags.get(tag) != value}


def _plan_film(
    tags: Mapping[str, TagValue], new: NewDate, time_zone: tzinfo | None
) -> dict[str, TagValue | None]:
    local = datetime.fromisoformat(new.date.text)
    offset = new.date.utc_offset
    zone: tzinfo | None = time_zone
    if offset:
        zone = datetime.fromisoformat(f"{new.date.text}{offset}").tzinfo
    aware = local.replace(tzinfo=zone) if zone else local.astimezone()
    utc = f"{aware.astimezone(UTC):%Y:%m:%d %H:%M:%S}+00:00"
    tracks = [tag for tag in tags if _TRACK_DATE.fullmatch(tag)]
    with_offset = new.exif + _format_offset(aware)
    return {
        _KEYS_DATE: with_offset,
        **dict.fromkeys((_UTC_FILM_DATE, *tracks), utc),
        **{tag: with_offset for tag in _LOCAL_FILM_DATES if tag in tags},
    }


def plan_sidecar_dates(tags: Mapping[str, TagValue], new: NewDate) -> dict[str, TagValue | None]:
    """What to change in a sidecar, where dates are written as XMP has them."""
    text = new.date.text + (new.date.utc_offset or "")
    wanted: dict[str, TagValue | None] = {
        tag: text for tag in XMP_DATES if tag in tags or tag == XMP_DATES[0]
    }
    return {tag: value for tag, value in wanted.items() if tags.get(tag) != value}


def _format_offset(moment: datetime) -> str:
    offset = moment.utcoffset() or timedelta()
    whole = timezone(timedelta(minutes=round(offset / timedelta(minutes=1))))
    return datetime(2000, 1, 1, tzinfo=whole).isoformat()[19:25]
