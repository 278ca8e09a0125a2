"""TIFF and BigTIFF: the strips or tiles of all pages, and the tags that say how to read them.

Where they lie does not count (an editor moves them), nor does any tag about the picture.
Sources: TIFF 6.0, Adobe PageMaker 6.0 TIFF technical notes (SubIFDs), the BigTIFF proposal.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from picture_source import BrokenPictureError, Picture, PictureParts, PictureSource, StepCounter

_TYPE_BYTES: Final = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8,
    17: 8, 18: 8,
}  # fmt: skip
_UINT_CODES: Final = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_MAX_VALUES: Final = 500_000
_MAX_DIRECTORIES: Final = 10_000
_MAX_ENTRIES: Final = 200_000

_WIDTH, _COMPRESSION, _PHOTOMETRIC = 256, 259, 262
_STRIPS: Final = (273, 279)
_TILES: Final = (324, 325)
_OLD_JPEG: Final = (513, 514)
_OLD_JPEG_TABLES: Final = {519: 64, 520: 16, 521: 16}
_SUB_DIRECTORIES: Final = 330
_DECIDING: Final = (
    256, 257, 258, 259, 262, 266, 277, 278, 284, 292, 293, 317, 320, 322, 323, 332, 338, 339, 340,
    341, 347, 512, 515, 517, 518, 34675,
)  # fmt: skip
"""Size, samples, compression and its parameters, color map, JPEG tables and ICC profile."""
_DECIDING_IN_YCBCR: Final = (529, 530, 532)
_YCBCR: Final = 6
_OLD_JPEG_COMPRESSION: Final = 6


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: int
    count: int
    offset: int


class _Tiff:
    """The layout of one file: byte order and whether its offsets have eight bytes."""

    def __init__(self, source: PictureSource) -> None:
        self.source = source
        head = source.read(0, 8)
        if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            raise BrokenPictureError("there is no TIFF header")
        self.little = head[:2] == b"II"
        self.big = b"+" in head[2:4]
        self.offset_bytes = 8 if self.big else 4
        self.first = self.uint(8 if self.big else 4, self.offset_bytes)
        self.entries_left = StepCounter("tags", _MAX_ENTRIES)

    def uint(self, offset: int, length: int) -> int:
        return self.source.read_uint(offset, length, little=self.little)

    def read_directory(self, at: int) -> tuple[dict[int, _Entry], int]:
        """The entries of the directory at `at`, by tag, and the offset of the next one."""
        count_bytes, entry_bytes = (8, 20) if self.big else (2, 12)
        count = self.uint(at, count_bytes)
        self.entries_left.count(count)
        table = self.source.read(at + count_bytes, count * entry_bytes)
        code = ("<" if self.little else ">") + ("HHQ" if self.big else "HHI")
        entries: dict[int, _Entry] = {}
        for i in range(count):
            tag, kind, values = struct.unpack_from(code, table, i * entry_bytes)
            value_at = at + count_bytes + i * entry_bytes + struct.calcsize(code)
            if _TYPE_BYTES.get(kind, 0) * values > self.offset_bytes:
                value_at = self.uint(value_at, self.offset_bytes)
            entries.setdefault(tag, _Entry(kind, values, value_at))
        end = at + count_bytes + len(table)
        return entries, self.uint(end, self.offset_bytes) if end < self.source.size else 0

    def numbers(self, entry: _Entry | None) -> tuple[int, ...]:
        """The values of an entry of whole numbers; none where there is no entry."""
        if entry is None:
            return ()
        code = _UINT_CODES.get(entry.kind)
        if code is None or entry.count > _MAX_VALUES:
            raise BrokenPictureError("a tag that should be a number is none")
        data = self.source.read(entry.offset, entry.count * _TYPE_BYTES[entry.kind])
        return struct.unpack(f"{'<' if self.little else '>'}{entry.count}{code}", data)


def find_tiff_picture(source: PictureSource) -> Picture:
    """The picture of all pages and sub-directories, in the order of their chain."""
    tiff = _Tiff(source)
    parts = PictureParts(source)
    # samples of more than eight bits are in the byte order of the file
    parts.add_label(b"II" if tiff.little else b"MM")
    waiting = [tiff.first]
    seen: set[int] = set()
    pages = 0
    while waiting:
        at = waiting.pop()
        if at in seen or len(seen) >= _MAX_DIRECTORIES:
            raise BrokenPictureError("the pages form a loop")
        seen.add(at)
        entries, next_at = tiff.read_directory(at)
        pages += _add_page(tiff, parts, entries)
        if next_at:
            waiting.append(next_at)
        waiting.extend(tiff.numbers(entries.get(_SUB_DIRECTORIES)))
    if not pages:
        raise BrokenPictureError("there are no strips or tiles in it")
    return Picture("tiff", parts.pieces)


def _add_page(tiff: _Tiff, parts: PictureParts, entries: dict[int, _Entry]) -> bool:
    """Adds one directory's picture; False for one that holds none (or an EXIF thumbnail)."""
    ranges: list[tuple[int, int]] = []
    for offsets_tag, counts_tag in (_STRIPS, _TILES):
        offsets = tiff.numbers(entries.get(offsets_tag))
        counts = tiff.numbers(entries.get(counts_tag))
        if len(offsets) != len(counts):
            raise BrokenPictureError("a page does not say how long its strips are")
        ranges.extend(zip(offsets, counts, strict=True))
    if not ranges or _WIDTH not in entries:
        return False
    parts.add_label(b"page", len(ranges))
    tags = list(_DECIDING)
    if tiff.numbers(entries.get(_PHOTOMETRIC))[:1] == (_YCBCR,):
        tags.extend(_DECIDING_IN_YCBCR)
    for tag in tags:
        _add_tag(tiff, parts, tag, entries.get(tag))
    parts.add_bytes(b"".join(b"%d " % length for _, length in ranges) + b"\n")
    for offset, length in ranges:
        parts.add_range(offset, length)
    if tiff.numbers(entries.get(_COMPRESSION))[:1] == (_OLD_JPEG_COMPRESSION,):
        _add_old_jpeg(tiff, parts, entries)
    return True


def _add_tag(tiff: _Tiff, parts: PictureParts, tag: int, entry: _Entry | None) -> None:
    """A tag's value; numbers as such, since an editor may store 8 as SHORT or as LONG."""
    if entry is None:
        return
    if entry.kind in _UINT_CODES and entry.kind != 1:
        parts.add_label(b"tag", tag, *tiff.numbers(entry))
    else:
        parts.add_label(b"tag", tag, entry.kind, entry.count)
        parts.add_range(entry.offset, entry.count * _TYPE_BYTES.get(entry.kind, 0))


def _add_old_jpeg(tiff: _Tiff, parts: PictureParts, entries: dict[int, _Entry]) -> None:
    """What TIFF 6.0's first JPEG compression keeps outside of its strips."""
    start, length = (tiff.numbers(entries.get(tag))[:1] for tag in _OLD_JPEG)
    if start and length:
        parts.add_section(b"jpeg", start[0], length[0])
    for tag, table_bytes in _OLD_JPEG_TABLES.items():
        for offset in tiff.numbers(entries.get(tag)):
            symbols = 0 if tag == 519 else sum(tiff.source.read(offset, table_bytes))
            parts.add_section(b"table", offset, table_bytes + symbols)
