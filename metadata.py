"""What the tags of a photo mean: when it was taken, its rating, its size as shown, its camera.

Pure: tags in, facts out. Tags are spelled as `exiftool -G1 -n -json` spells them, whichever
reader they come from.
"""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from types import MappingProxyType
from typing import Final, TypeAlias

from capture_date import DATE_TAGS, find_capture_date
from media_types import Kind, kind_of

TagValue: TypeAlias = "str | int | float | list[TagValue]"
Tags: TypeAlias = Mapping[str, TagValue]

READER_VERSION: Final = 3
"""Raised whenever the same file may yield other facts: rows of an older one are read again."""

SIZE_TAGS: Final = {
    "jpeg": ("File:ImageWidth", "File:ImageHeight"),
    "png": ("PNG:ImageWidth", "PNG:ImageHeight"),
    "gif": ("GIF:ImageWidth", "GIF:ImageHeight"),
    "webp": ("RIFF:ImageWidth", "RIFF:ImageHeight"),
    "tiff": ("IFD0:ImageWidth", "IFD0:ImageHeight"),
    "heic": ("File:ImageWidth", "File:ImageHeight"),
    "avif": ("File:ImageWidth", "File:ImageHeight"),
    "jp2": ("Jpeg2000:ImageWidth", "Jpeg2000:ImageHeight"),
    "bmp": ("File:ImageWidth", "File:ImageHeight"),
}
"""Where a format keeps its width and height in pixels, as stored; for all others there is
`IMAGE_SIZE_TAG`."""

IMAGE_SIZE_TAG: Final = "Composite:ImageSize"
"""`1920 1080` as stored, by ExifTool's knowledge of the format: of RAW and video."""

ROTATION_TAG: Final = "QuickTime:Rotation"
VIDEO_ROTATION_TAG: Final = "Composite:Rotation"
"""Degrees by which a film is turned clockwise when it is shown."""
DURATION_TAG: Final = "QuickTime:Duration"
ORIENTATION_TAG: Final = "IFD0:Orientation"
TURNED_BY_DECODER: Final = frozenset({"heic", "avif"})
"""Formats that say in their own boxes how they are turned; their EXIF orientation is ignored."""

_RATING_TAGS: Final = ("XMP-xmp:Rating", "IFD0:Rating")
# By group: an mp4's ItemList:Rating is advice for parents. SharedUserRating is what Windows
# shows as the stars of a film.
_PERCENT_TAGS: Final = (
    "IFD0:RatingPercent",
    "XMP-microsoft:RatingPercent",
    "Microsoft:SharedUserRating",
    "ASF:SharedUserRating",
)
PERCENT_OF_RATING: Final = MappingProxyType({0: 0, 1: 1, 2: 25, 3: 50, 4: 75, 5: 99})
"""What Windows writes for its stars."""

_DURATION_TAGS: Final = (
    DURATION_TAG,
    "Matroska:Duration",
    "ASF:PlayDuration",
    "Composite:Duration",
)
MAKE_TAGS: Final = ("IFD0:Make", "Keys:Make", "UserData:Make")
MODEL_TAGS: Final = ("IFD0:Model", "Keys:Model", "UserData:Model")

TAGS_READ: Final[tuple[str, ...]] = tuple(
    dict.fromkeys(
        (
            *DATE_TAGS,
            *_RATING_TAGS,
            *_PERCENT_TAGS,
            *_DURATION_TAGS,
            *MAKE_TAGS,
            *MODEL_TAGS,
            ORIENTATION_TAG,
            ROTATION_TAG,
            VIDEO_ROTATION_TAG,
            IMAGE_SIZE_TAG,
            *(tag for tags in SIZE_TAGS.values() for tag in tags),
        )
    )
)
"""Every tag that `derive_facts` looks at: what the readers have to find, and nothing else."""

_MAX_CAMERA_LETTERS: Final = 100
_MAX_NUMBER_LETTERS: Final = 24
_LARGEST_NUMBER: Final = 10**18
_MAX_DURATION_S: Final = 1_000_000.0
_ORIENTATIONS: Final = MappingProxyType({90: 6, 180: 3, 270: 8})
"""EXIF's number for a film's rotation clockwise."""

_IMAGE_SIZE = re.compile(r"(\d{1,10})[ x](\d{1,10})", re.ASCII)
_CLOCK = re.compile(r"(\d{1,4}):(\d{2}):(\d{2})[.,](\d{1,12})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a photo.

    date_taken: ISO 8601 local time as the camera's clock said, `2019-07-14T18:03:22`, or None.
    date_source, from_utc: as in `CaptureDate`.
    utc_offset: `+02:00`, where whatever gave the date knows it.
    rating: -1 (rejected) to 5; None without one, and 0 counts as none.
    rating_in: where the rating stands: `file` or `sidecar`; None without one.
    width, height: in pixels, as shown: turned upright.
    orientation: 1 to 8 as in EXIF; 1 where the format's own boxes turn the picture. Of a video
        how its film is turned, which its decoder applies by itself.
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
    from_utc: bool = False


def derive_facts(
    tags: Tags,
    *,
    file_name: str,
    file_type: str,
    sidecar_tags: Tags | None = None,
    time_zone: tzinfo | None = None,
) -> Facts:
    """The facts of a photo of `file_type` (a name of `media_types`) from its tags and name.

    What the sidecar says wins over the file. `time_zone` is where films were taken that say
    their date in UTC alone; the machine's own if it is None.
    """
    capture = find_capture_date(tags, sidecar_tags or {}, file_name, time_zone)
    rating, rating_in = _find_rating(tags, sidecar_tags or {})
    width, height, orientation = _find_size(tags, file_type)
    return Facts(
        date_taken=capture.date.text if capture.date else None,
        date_source=capture.source,
        utc_offset=capture.date.utc_offset if capture.date else None,
        rating=rating,
        rating_in=rating_in,
        width=width,
        height=height,
        orientation=orientation,
        camera=_find_camera(tags),
        duration_s=_find_duration(tags) if kind_of(file_type) == Kind.VIDEO else None,
        from_utc=capture.from_utc,
    )


def zone_version(zone_name: str) -> int:
    """The `reader_version` of a row whose date is one in UTC, brought to this time zone.

    Another zone makes another version, so such rows, and no others, are read anew with it.
    """
    return READER_VERSION + (zlib.crc32(zone_name.encode()) << 8)


# -- rating --------------------------------------------------------------------------------


def _find_rating(tags: Tags, sidecar_tags: Tags) -> tuple[int | None, str | None]:
    """The rating and where it stands. A 0 is an answer, "unrated", and ends the search."""
    for place, place_tags in (("sidecar", sidecar_tags), ("file", tags)):
        rating = read_rating(place_tags)
        if rating is not None:
            return (rating, place) if rating else (None, None)
    return None, None


def read_rating(tags: Tags) -> int | None:
    """The rating, -1 to 5, that the tags of one file or sidecar say; 0 is an answer as well."""
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


def plan_rating_tags(tags: Tags, rating: int | None, taken: Iterable[str]) -> dict[str, int | None]:
    """What to change so that a file with these `tags` says `rating`; None takes a tag out.

    taken: the tags that hold a rating in this format (`media_types`). Others that already say
    one are kept in step. Nothing to change: an empty answer.
    """
    present = {tag for tag in (*_RATING_TAGS, *_PERCENT_TAGS) if tag in tags}
    if rating is None:
        return dict.fromkeys(sorted(present))
    wanted = {
        tag: PERCENT_OF_RATING.get(rating) if tag in _PERCENT_TAGS else rating
        for tag in sorted(present | set(taken))
    }
    return {
        tag: value
        for tag, value in wanted.items()
        if comparable(tags.get(tag)) != comparable(value)
    }


def comparable(value: TagValue | None) -> TagValue | None:
    """A value as others of its tag may be held against it: `4`, `4.0` and `"4"` are one."""
    number = _parse_number(value)
    return value if number is None else number


def _parse_whole_number(value: object) -> int | None:
    """`4`, `4.0` and `"4"` as 4; halves, words and lists as None."""
    number = _parse_number(value)
    return int(number) if number is not None and number == int(number) else None


def _parse_number(value: object) -> float | None:
    """A finite number, or text that is one."""
    if isinstance(value, str) and len(value) <= _MAX_NUMBER_LETTERS:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < _LARGEST_NUMBER and math.isfinite(value) else None


# -- size and camera -----------------------------------------------------------------------


def _find_size(tags: Tags, file_type: str) -> tuple[int | None, int | None, int]:
    """Width and height as shown, and the orientation that leads there."""
    width, height = _find_stored_size(tags, file_type)
    orientation = 1
    if file_type in TURNED_BY_DECODER:
        turned = _parse_whole_number(tags.get(ROTATION_TAG)) in (90, 270)
    elif kind_of(file_type) == Kind.VIDEO:
        orientation = _ORIENTATIONS.get(_parse_whole_number(tags.get(VIDEO_ROTATION_TAG)) or 0, 1)
        turned = orientation >= 5
    else:
        orientation = _parse_whole_number(tags.get(ORIENTATION_TAG)) or 1
        if not 1 <= orientation <= 8:
            orientation = 1
        turned = orientation >= 5
    if width is None or height is None:
        return None, None, orientation
    return (height, width, orientation) if turned else (width, height, orientation)


def _find_stored_size(tags: Tags, file_type: str) -> tuple[int | None, int | None]:
    if file_type in SIZE_TAGS:
        width, height = (_parse_size(tags.get(tag)) for tag in SIZE_TAGS[file_type])
        if width and height:
            return width, height
    both = tags.get(IMAGE_SIZE_TAG)
    match = _IMAGE_SIZE.fullmatch(both) if isinstance(both, str) else None
    if not match:
        return None, None
    return _parse_size(int(match[1])), _parse_size(int(match[2]))


def _find_duration(tags: Tags) -> float | None:
    """Seconds; ExifTool says those of Matroska as `00:01:23.4`."""
    for tag in _DURATION_TAGS:
        value = tags.get(tag)
        if isinstance(value, str) and (match := _CLOCK.fullmatch(value)):
            hours, minutes, seconds, fraction = match.groups()
            value = f"{int(hours) * 3600 + int(minutes) * 60 + int(seconds)}.{fraction}"
        seconds_said = _parse_number(value)
        if seconds_said is not None and 0 < seconds_said <= _MAX_DURATION_S:
            return round(seconds_said, 3)
    return None


def _parse_size(value: object) -> int | None:
    number = _parse_whole_number(value)
    return number if number is not None and 0 < number < 2**31 else None


def _find_camera(tags: Tags) -> str | None:
    """Maker and model; the maker only once where the model begins with it."""
    make, model = (
        next(filter(None, (_clean_text(tags.get(tag)) for tag in names)), "")
        for names in (MAKE_TAGS, MODEL_TAGS)
    )
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
