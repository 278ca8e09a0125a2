"""Pure: what else the tags of a photo say to a person, and which tag says it.

Tags are spelled as `exiftool -G1 -n -json` spells them, whichever reader they come from. What is
told here is not kept: it stands in the file, and is read when somebody looks at it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from metadata import MAKE_TAGS, MODEL_TAGS, Tags, TagValue

MOST_LETTERS: Final = 2000
MOST_TAGS: Final = 600
_TAG_LETTERS: Final = 300


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a file says: `lens`, `ƒ/1.8`, and the tags that say so.

    in_sidecar: they stand in the sidecar and not in the photo.
    """

    name: str
    value: str
    tags: tuple[str, ...]
    in_sidecar: bool = False


def list_facts(tags: Tags, *, in_sidecar: bool = False) -> list[Fact]:
    """All that can be told from these tags, in the order in which it is shown."""
    found = [*_tell_camera(tags)]
    for name, choices, show in _FACTS:
        for tag in choices:
            value = show(tags[tag]) if tag in tags else ""
            if value:
                found.append(Fact(name, value, (tag,)))
                break
    found += [*_tell_place(tags), *_tell_altitude(tags)]
    return [Fact(fact.name, fact.value, fact.tags, in_sidecar) for fact in found]


def join_facts(of_file: Sequence[Fact], of_sidecar: Sequence[Fact]) -> list[Fact]:
    """What a sidecar says counts, and stands where the same of the file stood."""
    said = {fact.name: fact for fact in of_sidecar}
    joined = [said.pop(fact.name, fact) for fact in of_file]
    return joined + [fact for fact in of_sidecar if fact.name in said]


def list_tags(tags: Tags) -> list[tuple[str, str]]:
    """Every tag with its value as text, by name; long values and very many tags are cut."""
    shown = [(name, _show_text(value)[:_TAG_LETTERS]) for name, value in sorted(tags.items())]
    return shown[:MOST_TAGS]


# -- values ----------------------------------------------------------------------------------


def _show_text(value: TagValue) -> str:
    if isinstance(value, list):
        return ", ".join(text for one in value if (text := _show_text(one)))[:MOST_LETTERS]
    visible = (
        letter if letter == "\n" or unicodedata.category(letter)[0] != "C" else " "
        for letter in str(value)[:MOST_LETTERS]
    )
    return "".join(visible).strip()


def _parse(value: object) -> float | None:
    """A number, or a fraction such as XMP has it, `1/640`."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    over, _, under = str(value)[:40].partition("/")
    try:
        number = float(over) / float(under or 1)
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if abs(number) < 1e9 else None


def _round(number: float, digits: int = 1) -> str:
    return f"{number:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{number:.0f}"


def _show_exposure(value: TagValue) -> str:
    seconds = _parse(value)
    if seconds is None or seconds <= 0:
        return ""
    return f"1/{1 / seconds:.0f} s" if seconds < 0.3 else f"{_round(seconds)} s"


def _show_aperture(value: TagValue) -> str:
    number = _parse(value)
    return f"ƒ/{_round(number)}" if number and number > 0 else ""


def _show_iso(value: TagValue) -> str:
    number = _parse(value[0] if isinstance(value, list) and value else value)
    return _round(number, 0) if number and number > 0 else ""


def _show_length(value: TagValue) -> str:
    number = _parse(value)
    return f"{_round(number)} mm" if number and number > 0 else ""


def _show_compensation(value: TagValue) -> str:
    number = _parse(value)
    return f"{number:+.1f} EV".replace(".0 ", " ") if number else ""


_FACTS: Final[tuple[tuple[str, tuple[str, ...], Callable[[TagValue], str]], ...]] = (
    (
        "lens",
        (
            *("ExifIFD:LensModel", "XMP-exifEX:LensModel", "XMP-aux:Lens", "Canon:LensModel"),
            *("Keys:LensModel", "Composite:Lens"),
        ),
        _show_text,
    ),
    ("exposure", ("ExifIFD:ExposureTime", "XMP-exif:ExposureTime"), _show_exposure),
    ("aperture", ("ExifIFD:FNumber", "XMP-exif:FNumber"), _show_aperture),
    ("iso", ("ExifIFD:ISO", "XMP-exif:ISO", "XMP-exifEX:PhotographicSensitivity"), _show_iso),
    ("focal_length", ("ExifIFD:FocalLength", "XMP-exif:FocalLength"), _show_length),
    (
        "focal_length_35",
        ("ExifIFD:FocalLengthIn35mmFormat", "XMP-exif:FocalLengthIn35mmFormat"),
        _show_length,
    ),
    (
        "compensation",
        ("ExifIFD:ExposureCompensation", "XMP-exif:ExposureCompensation"),
        _show_compensation,
    ),
    (
        "title",
        ("XMP-dc:Title", "IPTC:ObjectName", "XMP-photoshop:Headline", "Keys:Title"),
        _show_text,
    ),
    (
        "description",
        (
            *("XMP-dc:Description", "IPTC:Caption-Abstract", "IFD0:ImageDescription"),
            *("ExifIFD:UserComment", "Keys:Description", "PNG:Description"),
        ),
        _show_text,
    ),
    ("keywords", ("XMP-dc:Subject", "IPTC:Keywords", "Keys:Keywords"), _show_text),
    (
        "author",
        ("XMP-dc:Creator", "IPTC:By-line", "IFD0:Artist", "Keys:Author", "PNG:Author"),
        _show_text,
    ),
    ("copyright", ("XMP-dc:Rights", "IPTC:CopyrightNotice", "IFD0:Copyright"), _show_text),
    (
        "software",
        ("IFD0:Software", "XMP-xmp:CreatorTool", "Keys:Software", "PNG:Software"),
        _show_text,
    ),
)


def _tell_camera(tags: Tags) -> list[Fact]:
    make, model = (
        next((tag for tag in names if tag in tags and _show_text(tags[tag])), "")
        for names in (MAKE_TAGS, MODEL_TAGS)
    )
    sources = tuple(filter(None, (make, model)))
    words = [_show_text(tags[tag]) for tag in sources]
    if len(words) > 1 and words[1].casefold().startswith(words[0].casefold()):
        words = words[1:]
    return [Fact("camera", " ".join(words), sources)] if sources else []


# -- where -----------------------------------------------------------------------------------

_SOUTH_WEST: Final = ("S", "W")


def _tell_place(tags: Tags) -> list[Fact]:
    """Coordinates in degrees, as any map takes them when they are typed."""
    latitude = _find_degrees(tags, "GPSLatitude", 90)
    longitude = _find_degrees(tags, "GPSLongitude", 180)
    if latitude is None or longitude is None:
        return _tell_film_place(tags)
    sources = (latitude[1], longitude[1])
    return [Fact("place", _show_place(latitude[0], longitude[0]), sources)]


def _find_degrees(tags: Tags, name: str, most: int) -> tuple[float, str] | None:
    """Degrees, negative in the south and the west, and the tag that says them."""
    for group in ("GPS", "XMP-exif", "Composite"):
        tag = f"{group}:{name}"
        degrees = _parse(tags.get(tag))
        if degrees is None or abs(degrees) > most:
            continue
        turned = str(tags.get(f"{tag}Ref", ""))[:1].upper() in _SOUTH_WEST
        return (-abs(degrees) if turned else degrees), tag
    return None


def _tell_film_place(tags: Tags) -> list[Fact]:
    for tag in ("Keys:GPSCoordinates", "UserData:GPSCoordinates", "ItemList:GPSCoordinates"):
        numbers = [_parse(part) for part in str(tags.get(tag, "")).split()]
        if len(numbers) >= 2 and numbers[0] is not None and numbers[1] is not None:
            return [Fact("place", _show_place(numbers[0], numbers[1]), (tag,))]
    return []


def _show_place(latitude: float, longitude: float) -> str:
    north = f"{abs(latitude):.5f}° {'S' if latitude < 0 else 'N'}"
    return f"{north}, {abs(longitude):.5f}° {'W' if longitude < 0 else 'E'}"


def _tell_altitude(tags: Tags) -> list[Fact]:
    for tag in ("GPS:GPSAltitude", "XMP-exif:GPSAltitude", "Composite:GPSAltitude"):
        meters = _parse(tags.get(tag))
        if meters is not None:
            below = str(tags.get(f"{tag}Ref", "0")) == "1"
            return [Fact("altitude", f"{-abs(meters) if below else meters:.0f} m", (tag,))]
    return []
