"""When a photo was taken: the dates in its tags and in its name, and which of them counts.

Pure. Dates are local time as the clock on the spot showed it; films say theirs in UTC, and
are brought to the library's time zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

CREATION_DATE_TAG: Final = "Keys:CreationDate"
CREATE_DATE_TAG: Final = "QuickTime:CreateDate"
AVI_DATE_TAG: Final = "RIFF:DateTimeOriginal"

_EXIF_DATES: Final = (
    ("ExifIFD:DateTimeOriginal", ("ExifIFD:OffsetTimeOriginal", "ExifIFD:OffsetTime")),
    ("IFD0:DateTimeOriginal", ("ExifIFD:OffsetTimeOriginal", "ExifIFD:OffsetTime")),
    ("ExifIFD:CreateDate", ("ExifIFD:OffsetTimeDigitized", "ExifIFD:OffsetTime")),
)
_XMP_ORIGINAL_DATES: Final = ("XMP-exif:DateTimeOriginal", "XMP-photoshop:DateCreated")
_IPTC_DATE: Final = ("IPTC:DateCreated", "IPTC:TimeCreated")
# What a film says of itself. Apple's CreationDate is local time with its offset; so are, mostly,
# the dates of other makers' own boxes, of AVCHD and of AVI.
_FILM_DATES: Final = (
    CREATION_DATE_TAG,
    "ItemList:ContentCreateDate",
    "UserData:DateTimeOriginal",
    "H264:DateTimeOriginal",
    AVI_DATE_TAG,
)
# UTC by their standards (ISO/IEC 14496-12 mvhd, Matroska DateUTC, ASF File Properties).
_UTC_FILM_DATES: Final = (
    CREATE_DATE_TAG,
    "Track1:MediaCreateDate",
    "Matroska:DateTimeOriginal",
    "ASF:CreationDate",
)
_OTHER_DATES: Final = ("XMP-xmp:CreateDate", "PNG:CreateDate", "PNG:CreationTime")

DATE_TAGS: Final = (
    *(tag for date, offsets in _EXIF_DATES for tag in (date, *offsets)),
    *_XMP_ORIGINAL_DATES,
    *_IPTC_DATE,
    *_FILM_DATES,
    *_UTC_FILM_DATES,
    *_OTHER_DATES,
)
"""Every tag that may hold a date, or the offset of one."""

_FIRST_YEAR: Final = 1800
_MAX_DATE_LETTERS: Final = 64
_MAX_OFFSET: Final = timedelta(hours=14)

_DATE = re.compile(
    r"(\d{4})([:/.-])(\d{2})\2(\d{2})"
    r"(?:[ T]+(\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d*)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_TIME = re.compile(r"(\d{2}):?(\d{2}):?(\d{2})", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})", re.ASCII)

# A date in a file name: year first, all parts of two digits, not within a longer number.
# `VID-20190714-WA0003` has no time; `2019-07-14 18.03.22 (1)` goes on behind it.
_NAME_DATE = re.compile(
    r"(?<!\d)((?:18|19|20)\d{2})(?P<mark>[-_.]?)([01]\d)(?P=mark)([0-3]\d)"
    r"(?:(?:[-_ .T]| at )?([0-2]\d)(?P<sign>[-_.:]?)([0-5]\d)(?P=sign)([0-5]\d)(?:\d{1,3})?)?"
    r"(?!\d)",
    re.ASCII,
)
_ALPHANUMERIC = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class LocalDate:
    """A moment as a clock on the spot showed it, with its distance from UTC where known."""

    text: str
    utc_offset: str | None


@dataclass(frozen=True, slots=True)
class CaptureDate:
    """When a photo was taken, if anything says so, and what says it.

    source: `exif`, `xmp` (IPTC and PNG texts included), `quicktime` (a film's own boxes),
        `sidecar`, `filename` or `none`.
    from_utc: the date is one in UTC, brought to the library's time zone.
    """

    date: LocalDate | None
    source: str
    from_utc: bool = False


def find_capture_date(
    tags: Mapping[str, object],
    sidecar_tags: Mapping[str, object],
    file_name: str,
    time_zone: tzinfo | None,
) -> CaptureDate:
    """The date that counts: sidecar, EXIF, the film's own, XMP, the file's name."""
    for date in _list_described_dates(sidecar_tags):
        return CaptureDate(date, "sidecar")
    for tag, offset_tags in _EXIF_DATES:
        exif_date = parse_date(tags.get(tag))
        if exif_date:
            offsets = (_parse_offset(tags.get(offset_tag)) for offset_tag in offset_tags)
            known = exif_date.utc_offset or next(filter(None, offsets), None)
            return CaptureDate(LocalDate(exif_date.text, known), "exif")
    for film_date in filter(None, (parse_date(tags.get(tag)) for tag in _FILM_DATES)):
        return CaptureDate(film_date, "quicktime")
    for utc_date in filter(None, (parse_date(tags.get(tag)) for tag in _UTC_FILM_DATES)):
        return CaptureDate(_to_zone(utc_date, time_zone), "quicktime", from_utc=True)
    for date in _list_described_dates(tags):
        return CaptureDate(date, "xmp")
    name_date = parse_file_name_date(file_name)
    return CaptureDate(name_date, "filename" if name_date else "none")


def parse_date(text: object) -> LocalDate | None:
    """The date that a tag's value says, `2019:07:14 18:03:22` or as in XMP, else None.

    Strict: impossible days and times, years before 1800 or after the next one, and the
    starting points of clocks that were never set count as none. A date without a time is its
    midnight; a month or a year alone is no date. Fractions of a second are dropped.
    """
    if not isinstance(text, str) or len(text) > _MAX_DATE_LETTERS:
        return None
    match = _DATE.fullmatch(text.strip(" \t\r\n\0"))
    if not match:
        return None
    year, _, month, day, hour, minute, second, offset = match.groups()
    return _make_date((year, month, day, hour, minute, second), offset)


def parse_file_name_date(file_name: str) -> LocalDate | None:
    """The date in names that cameras, phones and messengers give, else None."""
    for match in _NAME_DATE.finditer(file_name[:255]):
        year, mark, month, day, hour, _, minute, second = match.groups()
        date = _make_date((year, month, day, hour, minute, second), None)
        if date and (mark or hour or _stands_alone(match)):
            return date
    return None


def _stands_alone(match: re.Match[str]) -> bool:
    """Whether no letter or digit touches the match: eight digits in a hash are no date."""
    around = match.string[max(0, match.start() - 1) : match.start()]
    around += match.string[match.end() : match.end() + 1]
    return not _ALPHANUMERIC.search(around)


def _make_date(parts: tuple[str | None, ...], offset: str | None) -> LocalDate | None:
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    try:
        # The zone is a stand-in: it is the clock on the spot that counts.
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    latest = datetime.now(UTC).year + 1
    if not _FIRST_YEAR <= moment.year <= latest or _is_epoch(moment):
        return None
    return LocalDate(_format(moment), _parse_offset(offset))


def _is_epoch(moment: datetime) -> bool:
    """Whether this is where clocks start that nobody set: 1904 in QuickTime, 1970 in Unix."""
    return (moment.year, moment.month, moment.day) == (1904, 1, 1) or (
        _format(moment) == "1970-01-01T00:00:00"
    )


def _format(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")[:19]


def _parse_offset(text: object) -> str | None:
    if not isinstance(text, str):
        return None
    text = text[:_MAX_DATE_LETTERS].strip(" \t\r\n\0")
    if text == "Z":
        return "+00:00"
    match = _OFFSET.fullmatch(text)
    if not match:
        return None
    sign, hours, minutes = match.groups()
    if int(minutes) >= 60 or timedelta(hours=int(hours), minutes=int(minutes)) > _MAX_OFFSET:
        return None
    return f"{sign}{hours}:{minutes}"


def _to_zone(date: LocalDate, time_zone: tzinfo | None) -> LocalDate:
    """A moment in UTC as the clocks of a time zone showed it."""
    moment = datetime.fromisoformat(f"{date.text}{date.utc_offset or '+00:00'}")
    try:
        local = moment.astimezone(time_zone)
    except (OverflowError, ValueError):  # the zone's rules do not reach that far
        return date
    offset = local.utcoffset() or timedelta()
    whole_minutes = timezone(timedelta(minutes=round(offset / timedelta(minutes=1))))
    text = moment.astimezone(whole_minutes).isoformat(timespec="seconds")
    return LocalDate(text[:19], text[19:25])


def _list_described_dates(tags: Mapping[str, object]) -> Iterator[LocalDate]:
    """Dates that people and programs describe a picture with, the best first.

    The order is that of the Metadata Working Group: when it was taken (XMP, then IPTC),
    before when the file was made.
    """
    dates = (
        *(parse_date(tags.get(tag)) for tag in _XMP_ORIGINAL_DATES),
        _parse_iptc_date(tags),
        *(parse_date(tags.get(tag)) for tag in _OTHER_DATES),
    )
    yield from filter(None, dates)


def _parse_iptc_date(tags: Mapping[str, object]) -> LocalDate | None:
    """IPTC keeps day and time apart. Its offset is mostly a made-up +00:00 and is not believed."""
    day, time = (tags.get(tag) for tag in _IPTC_DATE)
    if not isinstance(day, str):
        return None
    match = _TIME.match(time) if isinstance(time, str) else None
    return parse_date(f"{day[:_MAX_DATE_LETTERS]} {':'.join(match.groups())}" if match else day)
