"""What the tags of a photo mean: when it was taken, its rating, its size as shown, its camera.

Pure: tags in, facts out. Tags are spelled as `exiftool -G1 -n -json` spells them, whichever
reader they come from.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

TagValue: TypeAlias = "str | int | float | list[TagValue]"
Tags: TypeAlias = Mapping[str, TagValue]

READER_VERSION: Final = 1
"""Raised whenever the same file may yield other facts: rows of an older one are read again."""

SIZE_TAGS: Final = {
    "jpeg": ("File:ImageWidth", "File:ImageHeight"),
    "png": ("PNG:ImageWidth", "PNG:ImageHeight"),
    "gif": ("GIF:ImageWidth", "GIF:ImageHeight"),
    "webp": ("RIFF:ImageWidth", "RIFF:ImageHeight"),
    "tiff": ("IFD0:ImageWidth", "IFD0:ImageHeight"),
    "heic": ("File:ImageWidth", "File:ImageHeight"),
    "avif": ("File:ImageWidth", "File:ImageHeight"),
}
"""Where a format keeps its width and height in pixels, as stored."""

ROTATION_TAG: Final = "QuickTime:Rotation"
ORIENTATION_TAG: Final = "IFD0:Orientation"
TURNED_BY_DECODER: Final = frozenset({"heic", "avif"})
"""Formats that say in their own boxes how they are turned; their EXIF orientation is ignored."""

_EXIF_DATES: Final = (
    ("ExifIFD:DateTimeOriginal", ("ExifIFD:OffsetTimeOriginal", "ExifIFD:OffsetTime")),
    ("IFD0:DateTimeOriginal", ("ExifIFD:OffsetTimeOriginal", "ExifIFD:OffsetTime")),
    ("ExifIFD:CreateDate", ("ExifIFD:OffsetTimeDigitized", "ExifIFD:OffsetTime")),
)
_XMP_ORIGINAL_DATES: Final = ("XMP-exif:DateTimeOriginal", "XMP-photoshop:DateCreated")
_IPTC_DATE: Final = ("IPTC:DateCreated", "IPTC:TimeCreated")
_OTHER_DATES: Final = ("XMP-xmp:CreateDate", "PNG:CreateDate", "PNG:CreationTime")

_RATING_TAGS: Final = ("XMP-xmp:Rating", "IFD0:Rating")
_PERCENT_TAGS: Final = ("IFD0:RatingPercent", "XMP-microsoft:RatingPercent")
_MAKE_TAG: Final = "IFD0:Make"
_MODEL_TAG: Final = "IFD0:Model"

TAGS_READ: Final[tuple[str, ...]] = tuple(
    dict.fromkeys(
        (
            *(tag for date, offsets in _EXIF_DATES for tag in (date, *offsets)),
            *_XMP_ORIGINAL_DATES,
            *_IPTC_DATE,
            *_OTHER_DATES,
            *_RATING_TAGS,
            *_PERCENT_TAGS,
            _MAKE_TAG,
            _MODEL_TAG,
            ORIENTATION_TAG,
            ROTATION_TAG,
            *(tag for tags in SIZE_TAGS.values() for tag in tags),
        )
    )
)
"""Every tag that `derive_facts` looks at: what the readers have to find, and nothing else."""

_FIRST_YEAR: Final = 1800
_MAX_CAMERA_LETTERS: Final = 100
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
class Facts:
    """What is known of a photo.

    date_taken: ISO 8601 local time as the camera's clock said, `2019-07-14T18:03:22`, or None.
    date_source: `exif`, `xmp` (IPTC and PNG texts included), `quicktime`, `sidecar`,
        `filename` or `none`.
    utc_offset: `+02:00`, where whatever gave the date knows it.
    rating: -1 (rejected) to 5; None without one, and 0 counts as none.
    rating_in: where the rating stands: `file` or `sidecar`; None without one.
    width, height: in pixels, as shown: turned upright.
    orientation: 1 to 8 as in EXIF; 1 where the format's own boxes turn the picture.
    camera: maker and model in one.
    duration_s: of a video, in seconds.
    """

    date_taken: str | None
    date_source: str
    utc_offset: str | None
    rating: int | None
    rating_in: str | None
    width: int | None
    height: int | None
    orientation: int
    camera: str | None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class LocalDate:
    """A moment as a clock on the spot showed it, with its distance from UTC where known."""

    text: str
    utc_offset: str | None


def derive_facts(
    tags: Tags, *, file_name: str, file_type: str, sidecar_tags: Tags | None = None
) -> Facts:
    """The facts of a photo of `file_type` (a name of `media_types`) from its tags and name.

    What the sidecar says wins over the file.
    """
    date, date_source = _find_date(tags, sidecar_tags or {}, file_name)
    rating, rating_in = _find_rating(tags, sidecar_tags or {})
    width, height, orientation = _find_size(tags, file_type)
    return Facts(
        date_taken=date.text if date else None,
        date_source=date_source,
        utc_offset=date.utc_offset if date else None,
        rating=rating,
        rating_in=rating_in,
        width=width,
        height=height,
        orientation=orientation,
        camera=_find_camera(tags),
    )


# -- dates ---------------------------------------------------------------------------------


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


def _find_date(tags: Tags, sidecar_tags: Tags, file_name: str) -> tuple[LocalDate | None, str]:
    for date in _list_described_dates(sidecar_tags):
        return date, "sidecar"
    for tag, offset_tags in _EXIF_DATES:
        exif_date = parse_date(tags.get(tag))
        if exif_date:
            offsets = (_parse_offset(tags.get(offset_tag)) for offset_tag in offset_tags)
            known = exif_date.utc_offset or next(filter(None, offsets), None)
            return LocalDate(exif_date.text, known), "exif"
    for date in _list_described_dates(tags):
        return date, "xmp"
    name_date = parse_file_name_date(file_name)
    return (name_date, "filename") if name_date else (None, "none")


def _list_described_dates(tags: Tags) -> Iterator[LocalDate]:
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


def _parse_iptc_date(tags: Tags) -> LocalDate | None:
    """IPTC keeps day and time apart. Its offset is mostly a made-up +00:00 and is not believed."""
    day, time = (tags.get(tag) for tag in _IPTC_DATE)
    if not isinstance(day, str):
        return None
    match = _TIME.match(time) if isinstance(time, str) else None
    return parse_date(f"{day[:_MAX_DATE_LETTERS]} {':'.join(match.groups())}" if match else day)


# -- rating --------------------------------------------------------------------------------


def _find_rating(tags: Tags, sidecar_tags: Tags) -> tuple[int | None, str | None]:
    """The rating and where it stands. A 0 is an answer, "unrated", and ends the search."""
    for place, place_tags in (("sidecar", sidecar_tags), ("file", tags)):
        rating = _read_rating(place_tags)
        if rating is not None:
            return (rating, place) if rating else (None, None)
    return None, None


def _read_rating(tags: Tags) -> int | None:
    for tag in _RATING_TAGS:
        rating = _parse_whole_number(tags.get(tag))
        if rating is not None and -1 <= rating <= 5:
            return rating
    for tag in _PERCENT_TAGS:
        percent = _parse_whole_number(tags.get(tag))
        if percent is not None and 0 <= percent <= 100:
            return rating_of_percent(percent)
    return None


def rating_of_percent(percent: int) -> int:
    """Stars for a RatingPercent of 0 to 100, by the ranges of Windows."""
    return sum(percent >= first for first in (1, 13, 38, 63, 88))


def _parse_whole_number(value: object) -> int | None:
    """`4`, `4.0` and `"4"` as 4; halves, words and lists as None."""
    if isinstance(value, str) and len(value) <= 16:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not math.isfinite(value) or value != int(value):
        return None
    return int(value)


# -- size and camera -----------------------------------------------------------------------


def _find_size(tags: Tags, file_type: str) -> tuple[int | None, int | None, int]:
    """Width and height as shown, and the orientation that leads there."""
    width, height = (_parse_size(tags.get(tag)) for tag in SIZE_TAGS[file_type])
    orientation = 1
    if file_type in TURNED_BY_DECODER:
        turned = _parse_whole_number(tags.get(ROTATION_TAG)) in (90, 270)
    else:
        orientation = _parse_whole_number(tags.get(ORIENTATION_TAG)) or 1
        if not 1 <= orientation <= 8:
            orientation = 1
        turned = orientation >= 5
    if width is None or height is None:
        return None, None, orientation
    return (height, width, orientation) if turned else (width, height, orientation)


def _parse_size(value: object) -> int | None:
    number = _parse_whole_number(value)
    return number if number is not None and 0 < number < 2**31 else None


def _find_camera(tags: Tags) -> str | None:
    """Maker and model; the maker only once where the model begins with it."""
    make, model = (_clean_text(tags.get(tag)) for tag in (_MAKE_TAG, _MODEL_TAG))
    if make and model.casefold().startswith(make.casefold()):
        make = ""
    return f"{make} {model}".strip()[:_MAX_CAMERA_LETTERS].strip() or None


def _clean_text(value: object) -> str:
    """Text on one line, without control or other invisible characters, of bounded length."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)  # ExifTool's JSON has a model named 500 as a number
    if not isinstance(value, str):
        return ""
    visible = (
        " " if unicodedata.category(letter)[0] in "CZ" else letter for letter in value[:1000]
    )
    return " ".join("".join(visible).split())
