"""The few EXIF tags that matter, read strictly from a TIFF structure.

Pillow skips silently what it cannot make sense of. Here everything odd is noted, because
that is when ExifTool has to be asked. Only directories and the wanted values are read.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from metadata import TagValue

TAG_XMP: Final = 0x02BC
TAG_PHOTOSHOP: Final = 0x8649
TAG_IPTC: Final = 0x83BB
_TAG_EXIF_IFD: Final = 0x8769

_IFD0: Final = {
    0x010F: "IFD0:Make",
    0x0110: "IFD0:Model",
    0x0112: "IFD0:Orientation",
    0x4746: "IFD0:Rating",
    0x4749: "IFD0:RatingPercent",
    0x9003: "IFD0:DateTimeOriginal",
}
_EXIF_IFD: Final = {
    0x9003: "ExifIFD:DateTimeOriginal",
    0x9004: "ExifIFD:CreateDate",
    0x9010: "ExifIFD:OffsetTime",
    0x9011: "ExifIFD:OffsetTimeOriginal",
    0x9012: "ExifIFD:OffsetTimeDigitized",
}
_BYTES: Final = 1
_ASCII: Final = 2
_SHORT: Final = 3
_LONG: Final = 4
_TYPE_SIZES: Final = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
}
_MAX_ENTRIES: Final = 1000
_MAX_TEXT_BYTES: Final = 1000
_MAX_BLOCK_BYTES: Final = 16 * 1024 * 1024


@dataclass(slots=True)
class ExifReading:
    """Tags, whole blocks by tag number (XMP, Photoshop and IPTC in a TIFF file), oddities."""

    tags: dict[str, TagValue] = field(default_factory=dict)
    blocks: dict[int, bytes] = field(default_factory=dict)
    oddities: list[str] = field(default_factory=list)


def read_exif_block(data: bytes) -> ExifReading:
    """Read an EXIF block: with or without its `Exif\\0\\0` header."""
    if data.startswith(b"Exif\0"):
        data = data[6:]
    return read_tiff(io.BytesIO(data), len(data))


def read_tiff(file: BinaryIO, size: int) -> ExifReading:
    """Read a TIFF structure of `size` bytes that begins where `file` begins."""
    reading = ExifReading()
    file.seek(0)
    head = file.read(8)
    byte_order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if byte_order is None or len(head) < 8:
        reading.oddities.append("the EXIF block has no TIFF header")
        return reading
    reader = _Reader(file, size, byte_order, reading)
    exif_offset = reader.read_directory(struct.unpack(f"{byte_order}I", head[4:])[0], _IFD0)
    if exif_offset is not None:
        reader.read_directory(exif_offset, _EXIF_IFD)
    return reading


class _Reader:
    def __init__(self, file: BinaryIO, size: int, byte_order: str, reading: ExifReading) -> None:
        self._file = file
        self._size = size
        self._order = byte_order
        self._reading = reading

    def read_directory(self, offset: int, names: dict[int, str]) -> int | None:
        """Read the wanted entries of one directory; gives the offset of the EXIF directory."""
        entries = self._read_entries(offset)
        exif_offset = None
        seen: set[int] = set()
        for at in range(0, len(entries) - 11, 12):
            tag, kind, count = struct.unpack_from(f"{self._order}HHI", entries, at)
            if tag not in names and tag not in (_TAG_EXIF_IFD, TAG_XMP, TAG_PHOTOSHOP, TAG_IPTC):
                if kind not in _TYPE_SIZES:
                    self._note(f"entry {tag:#06x} has no known type")
                continue
            if tag in seen:
                self._note(f"entry {tag:#06x} stands twice")
                continue
            seen.add(tag)
            raw = self._read_value(tag, kind, count, entries[at + 8 : at + 12])
            if raw is None:
                continue
            if tag == _TAG_EXIF_IFD and names is _IFD0:
                exif_offset = self._parse_offset(kind, raw)
            elif tag in names:
                self._add(names[tag], kind, raw)
            elif names is _IFD0 and tag != _TAG_EXIF_IFD:
                self._reading.blocks[tag] = raw
        return exif_offset

    def _read_entries(self, offset: int) -> bytes:
        if not 8 <= offset <= self._size - 2:
            self._note("a directory lies outside")
            return b""
        self._file.seek(offset)
        count = int.from_bytes(self._file.read(2), "little" if self._order == "<" else "big")
        if count > _MAX_ENTRIES:
            self._note("a directory is too long")
            return b""
        entries = self._file.read(12 * count)
        if len(entries) < 12 * count:
            self._note("a directory is cut short")
        return entries

    def _read_value(self, tag: int, kind: int, count: int, inline: bytes) -> bytes | None:
        """The bytes of an entry's value, or None (and a note) where they are not to be had."""
        length = _TYPE_SIZES.get(kind, 0) * count
        is_block = tag in (TAG_XMP, TAG_PHOTOSHOP, TAG_IPTC)
        if length == 0 or length > _MAX_BLOCK_BYTES:
            self._note(f"entry {tag:#06x} has no usable type or count")
            return None
        if length <= 4:
            return inline[:length]
        offset = struct.unpack(f"{self._order}I", inline)[0]
        if offset < 8 or offset + length > self._size:
            self._note(f"the value of entry {tag:#06x} lies outside")
            return None
        self._file.seek(offset)
        return self._file.read(length if is_block else min(length, _MAX_TEXT_BYTES))

    def _parse_offset(self, kind: int, raw: bytes) -> int | None:
        if kind not in (_LONG, 13) or len(raw) != 4:
            self._note("the EXIF directory's offset has an odd type")
            return None
        return int(struct.unpack(f"{self._order}I", raw)[0])

    def _add(self, name: str, kind: int, raw: bytes) -> None:
        value: TagValue | None = None
        if kind == _ASCII:
            value = self._parse_text(name, raw)
        elif kind in (_SHORT, _LONG) and len(raw) == _TYPE_SIZES[kind]:
            letter = "H" if kind == _SHORT else "I"
            value = int(struct.unpack(f"{self._order}{letter}", raw)[0])
        elif kind == _BYTES and len(raw) == 1:
            value = raw[0]
        if value is None or isinstance(value, str) != (_is_text(name)):
            self._note(f"{name} has an odd type")
        if value is not None:
            self._reading.tags[name] = value

    def _parse_text(self, name: str, raw: bytes) -> str:
        text = raw.partition(b"\0")[0]
        if not text.isascii():
            self._note(f"{name} is not ASCII")
        return text.decode("utf-8", "replace").rstrip()

    def _note(self, oddity: str) -> None:
        self._reading.oddities.append(f"EXIF: {oddity}")


def _is_text(name: str) -> bool:
    return name.partition(":")[2] not in ("Orientation", "Rating", "RatingPercent")
