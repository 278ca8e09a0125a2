"""The tags that a person asks for, read by Pillow where there is no ExifTool; in a worker.

EXIF with its sub-blocks, and the words of XMP. A sidecar is read here too.
"""

from __future__ import annotations

import math
import os
import struct
from typing import BinaryIO, Final

from PIL import Image
from PIL.ExifTags import GPSTAGS, IFD, TAGS

from errors import PictureError
from media_types import Kind, media_type_of
from metadata import TagValue
from xmp_reader import find_rdf, parse_xmp

MAX_SIDECAR_BYTES: Final = 16 * 1024 * 1024
_OPEN_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_MAX_BYTES_OF_VALUE: Final = 4000
# What Pillow raises over malformed blocks.
_BAD_BLOCKS: Final = (
    *(OSError, SyntaxError, ValueError, TypeError, AttributeError, LookupError),
    *(ArithmeticError, RuntimeError, struct.error, Image.DecompressionBombError),
)
_EXIFTOOL_NAMES: Final = {
    "ISOSpeedRatings": "ISO",
    "ExposureBiasValue": "ExposureCompensation",
    "FocalLengthIn35mmFilm": "FocalLengthIn35mmFormat",
}
"""Where Pillow calls a tag otherwise."""

_RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_GROUPS: Final = {
    "http://purl.org/dc/elements/1.1/": "XMP-dc",
    "http://ns.adobe.com/exif/1.0/": "XMP-exif",
    "http://ns.adobe.com/exif/1.0/aux/": "XMP-aux",
    "http://ns.adobe.com/photoshop/1.0/": "XMP-photoshop",
    "http://ns.adobe.com/xap/1.0/": "XMP-xmp",
}


def read_plain_tags(path: str, file_type: str) -> dict[str, TagValue]:
    """The tags of the photo at the absolute `path`, spelled as ExifTool does.

    Raises `PictureError` with a sentence, and `OSError` where the file cannot be opened.
    """
    media_type = media_type_of(file_type)
    if media_type.kind != Kind.IMAGE or not media_type.decoder:
        raise PictureError("Without ExifTool the tags of this format cannot be read.")
    with _open(path) as file:
        try:
            return _read(file, file_type, media_type.decoder)
        except _BAD_BLOCKS as error:
            raise PictureError(f"Its tags cannot be read: {error}.") from error


def read_sidecar_tags(path: str) -> dict[str, TagValue]:
    """The same of a sidecar."""
    with _open(path) as file:
        data = file.read(MAX_SIDECAR_BYTES + 1)
    try:
        return _read_xmp(data)
    except ValueError as error:
        raise PictureError(f"The sidecar cannot be read: {error}.") from error


def _open(path: str) -> BinaryIO:
    return open(path, "rb", opener=lambda name, _: os.open(name, _OPEN_FLAGS))


def _read(file: BinaryIO, file_type: str, decoder: str) -> dict[str, TagValue]:
    if file_type == "heic":
        import pillow_heif  # late: it takes long to load

        pillow_heif.register_heif_opener(thumbnails=False)
    with Image.open(file, formats=[decoder]) as picture:
        exif = picture.getexif()
        blocks = (
            ("IFD0", exif, TAGS),
            ("ExifIFD", exif.get_ifd(IFD.Exif), TAGS),
            ("GPS", exif.get_ifd(IFD.GPSInfo), GPSTAGS),
        )
        tags: dict[str, TagValue] = {}
        for group, block, names in blocks:
            for number, value in block.items():
                name = names.get(number)
                plain = _make_plain(name, value) if name else None
                if name and plain is not None:
                    tags[f"{group}:{_EXIFTOOL_NAMES.get(name, name)}"] = plain
        xmp = picture.info.get("xmp")
    if isinstance(xmp, bytes | str):
        tags |= _read_xmp(xmp.encode() if isinstance(xmp, str) else xmp)
    return tags


def _make_plain(name: str, value: object) -> TagValue | None:
    """A value as ExifTool's JSON has it with `-n`; None for bytes and for what is none."""
    if name in ("GPSLatitude", "GPSLongitude") and isinstance(value, tuple) and len(value) == 3:
        return sum(float(part) / 60.0**place for place, part in enumerate(value))
    if name == "GPSAltitudeRef" and isinstance(value, bytes):
        return int.from_bytes(value[:1], "big")
    if isinstance(value, str):
        return value[:_MAX_BYTES_OF_VALUE].strip("\0 ")
    if isinstance(value, int):
        return value
    if isinstance(value, tuple):
        parts = [part for one in value[:20] if (part := _make_plain("", one)) is not None]
        return " ".join(map(str, parts))
    try:
        number: float = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return None if math.isnan(number) else number  # a fraction of nothing is no number


def _read_xmp(data: bytes) -> dict[str, TagValue]:
    """The properties of known name spaces; of words in several languages the first."""
    tags: dict[str, TagValue] = {}
    for description in find_rdf(parse_xmp(data)):
        for name, value in description.attrib.items():
            if tag := _name(name):
                tags.setdefault(tag, value[:_MAX_BYTES_OF_VALUE])
        for child in description:
            tag = _name(child.tag)
            items = [(item.text or "").strip() for item in child.iter(f"{_RDF}li")]
            kept: list[TagValue] = [item[:_MAX_BYTES_OF_VALUE] for item in items if item]
            if tag and kept:
                whole = child.find(f"{_RDF}Alt") is None
                tags.setdefault(tag, kept if whole and len(kept) > 1 else kept[0])
            elif tag and child.text and child.text.strip():
                tags.setdefault(tag, child.text.strip()[:_MAX_BYTES_OF_VALUE])
    return tags


def _name(name: str) -> str | None:
    """`XMP-dc:Title` of `{http://purl.org/dc/elements/1.1/}title`; None for other name spaces."""
    space, _, local = name.removeprefix("{").rpartition("}")
    group = _GROUPS.get(space)
    return f"{group}:{local[:1].upper()}{local[1:]}" if group and local.isalnum() else None
