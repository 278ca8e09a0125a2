"""The picture in ISO base media files: image items and tracks of HEIC and AVIF, films of MP4.

An editor that adds EXIF or XMP adds items and moves `mdat`, so offsets do not count and are
followed instead. Sources: ISO/IEC 14496-12 (boxes, `iloc`, sample tables), 23008-12 (HEIF).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from picture_source import BrokenPictureError, Picture, PictureParts, PictureSource, StepCounter

_MAX_BOXES: Final = 200_000
_MAX_TABLE_BYTES: Final = 16 << 20
"""An `iloc`, `ipma`, `iref` or sample table larger than this is not believed."""
_MAX_ENTRIES: Final = 1_000_000

_NO_IMAGE: Final = frozenset({b"Exif", b"mime", b"uri "})
_DESCRIBING_PROPERTIES: Final = frozenset({b"udes", b"altt", b"crtt", b"mdft", b"free", b"skip"})
"""Item properties that are metadata: description, accessibility text, times of creation."""
_IMAGE_HANDLERS: Final = frozenset({b"pict", b"auxv", b"vide"})
_SAMPLE_TABLES: Final = (b"stsd", b"stts", b"ctts", b"stss")
_TKHD_SHAPE_BYTES: Final = 44
"""The end of `tkhd`: matrix, width and height, which follow the dates that editors change."""


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    header: int
    start: int
    end: int


@dataclass(slots=True)
class _Item:
    kind: bytes
    hidden: bool
    extents: list[tuple[int, int]] = field(default_factory=list)
    properties: list[int] = field(default_factory=list)
    references: list[tuple[bytes, list[int]]] = field(default_factory=list)


class _Table:
    """Numbers read one after the other from a box that is small enough for memory."""

    def __init__(self, source: PictureSource, box: _Box) -> None:
        if box.end - box.start > _MAX_TABLE_BYTES:
            raise BrokenPictureError(f"the box {_name(box.kind)} is too large")
        self._data = source.read(box.start, box.end - box.start)
        self._at = 0

    def uint(self, length: int) -> int:
        data = self._data[self._at : self._at + length]
        if len(data) < length:
            raise BrokenPictureError("a table ends too early")
        self._at += length
        return int.from_bytes(data, "big")

    def uints(self, count: int, length: int) -> tuple[int, ...]:
        """`count` numbers of 4 or 8 bytes."""
        data = self._data[self._at : self._at + count * length]
        if len(data) < count * length:
            raise BrokenPictureError("a table ends too early")
        self._at += count * length
        return struct.unpack(f">{count}{'I' if length == 4 else 'Q'}", data)


class _Boxes:
    """Walks boxes, and counts them over the whole file."""

    def __init__(self, source: PictureSource) -> None:
        self.source = source
        self._steps = StepCounter("boxes", _MAX_BOXES)

    def walk(self, start: int, end: int) -> Iterator[_Box]:
        at = start
        while at + 8 <= end:
            self._steps.count()
            head = self.source.read(at, 8)
            size, kind, header = int.from_bytes(head[:4], "big"), head[4:], 8
            if size == 1:
                size, header = self.source.read_uint(at + 8, 8), 16
            elif size == 0:  # the last box reaches to the end
                size = end - at
            if size < header or at + size > end:
                raise BrokenPictureError(f"the box {_name(kind)} at byte {at} is cut off")
            yield _Box(kind, at, at + header, at + size)
            at += size

    def children(self, box: _Box, skip: int = 0) -> dict[bytes, _Box]:
        """The boxes in `box` by kind, the first of each; `skip` bytes precede them."""
        found: dict[bytes, _Box] = {}
        for child in self.walk(box.start + skip, box.end):
            found.setdefault(child.kind, child)
        return found


def find_heif_picture(source: PictureSource, method: str) -> Picture:
    """The image items, their properties and references, and the frames of image tracks.

    `method` is the prefix of the hash. Items that are built from other items' bytes
    (construction method 2, which no known camera or program writes) or that lie in another file
    raise `BrokenPictureError`.
    """
    boxes = _Boxes(source)
    top: dict[bytes, _Box] = {}
    for box in boxes.walk(0, source.size):
        top.setdefault(box.kind, box)
    if b"ftyp" not in top:
        raise BrokenPictureError("there is no file type box")
    parts = PictureParts(source)
    images = _add_items(boxes, parts, top[b"meta"]) if b"meta" in top else 0
    if b"moov" in top:
        images += _add_tracks(boxes, parts, top[b"moov"])
    if not images:
        raise BrokenPictureError("there is no image in it")
    return Picture(method, parts.pieces)


def find_film(source: PictureSource) -> Picture:
    """What lies in the `mdat` boxes of an MP4, MOV, M4V or 3GP: frames and sound.

    Titles, dates, ratings and rotation stand in `moov`, which editors rewrite.
    """
    parts = PictureParts(source)
    kinds = set()
    for box in _Boxes(source).walk(0, source.size):
        kinds.add(box.kind)
        if box.kind == b"mdat":
            parts.add_section(b"mdat", box.start, box.end - box.start)
    if b"mdat" not in kinds or not kinds & {b"moov", b"moof"}:
        raise BrokenPictureError("there is no film in it, or nothing that says how to read it")
    return Picture("film", parts.pieces)


def _name(kind: bytes) -> str:
    return "".join(chr(byte) if 32 < byte < 127 else "?" for byte in kind)


def _version(table: _Table) -> tuple[int, int]:
    """Version and flags of a full box."""
    return table.uint(1), table.uint(3)


def _add_items(boxes: _Boxes, parts: PictureParts, meta: _Box) -> int:
    """Adds the image items in order of their numbers, which editors keep."""
    source = boxes.source
    children = boxes.children(meta, skip=4)
    if b"iinf" not in children or b"iloc" not in children:
        return 0
    items = _read_items(boxes, children[b"iinf"])
    _read_locations(source, children[b"iloc"], children.get(b"idat"), items)
    properties: list[_Box] = []
    if b"iprp" in children:
        properties = _read_properties(boxes, children[b"iprp"], items)
    if b"iref" in children:
        _read_references(boxes, children[b"iref"], items)
    primary = 0
    if b"pitm" in children:
        table = _Table(source, children[b"pitm"])
        primary = table.uint(4 if _version(table)[0] else 2)
    parts.add_label(b"primary", primary)
    for number in sorted(items):
        _add_item(parts, number, items[number], properties)
    if b"grpl" in children:
        group = children[b"grpl"]
        parts.add_section(b"groups", group.start, group.end - group.start)
    return len(items)


def _add_item(parts: PictureParts, number: int, item: _Item, properties: list[_Box]) -> None:
    length = sum(length for _, length in item.extents)
    parts.add_label(b"item" + item.kind, number, item.hidden, length)
    for kind, targets in item.references:
        parts.add_label(kind, *targets)
    for index in item.properties:
        if not 0 < index <= len(properties):
            raise BrokenPictureError(f"item {number} has a property that is not there")
        box = properties[index - 1]
        if box.kind not in _DESCRIBING_PROPERTIES:
            parts.add_section(box.kind, box.start, box.end - box.start)
    for offset, length in item.extents:
        parts.add_range(offset, length)


def _read_items(boxes: _Boxes, iinf: _Box) -> dict[int, _Item]:
    """The image items by number; EXIF, XMP and other documents are left out."""
    source = boxes.source
    skip = 6 if source.read(iinf.start, 1) == b"\0" else 8
    items: dict[int, _Item] = {}
    for box in boxes.walk(iinf.start + skip, iinf.end):
        if box.kind != b"infe":
            continue
        table = _Table(source, box)
        version, flags = _version(table)
        if version < 2:  # these older entries have no item type: they are documents
            continue
        number = table.uint(2 if version == 2 else 4)
        table.uint(2)
        kind = table.uint(4).to_bytes(4, "big")
        if kind not in _NO_IMAGE:
            items[number] = _Item(kind, bool(flags & 1))
    return items


def _read_locations(
    source: PictureSource, iloc: _Box, idat: _Box | None, items: dict[int, _Item]
) -> None:
    table = _Table(source, iloc)
    version, _ = _version(table)
    if version > 2:
        raise BrokenPictureError("the item locations are of an unknown version")
    sizes = table.uint(2)
    offset_bytes, length_bytes, base_bytes = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_bytes = sizes & 15 if version else 0
    number_bytes = 4 if version == 2 else 2
    steps = StepCounter("extents", _MAX_ENTRIES)
    for _ in range(table.uint(number_bytes)):
        number = table.uint(number_bytes)
        construction = table.uint(2) & 15 if version else 0
        elsewhere = table.uint(2)
        base = table.uint(base_bytes)
        item = items.get(number)
        if item is not None and (elsewhere or construction > 1):
            raise BrokenPictureError(f"item {number} lies where this program does not look")
        if construction == 1:
            base += idat.start if idat else 0
        end = source.size if construction == 0 else idat.end if idat else 0
        count = table.uint(2)
        steps.count(count + 1)
        for _ in range(count):
            table.uint(index_bytes)
            offset, length = base + table.uint(offset_bytes), table.uint(length_bytes)
            if item is not None:
                item.extents.append(_extent(item, offset, length, end))


def _extent(item: _Item, offset: int, length: int, end: int) -> tuple[int, int]:
    """An extent that lies inside the file or the `idat` box, which reaches to `end`."""
    if length == 0 and item.kind != b"iden":
        length = end - offset  # the standard's way to say: all the rest
    if length < 0 or offset + length > end:
        raise BrokenPictureError("an image lies behind the end of its data")
    return offset, length


def _read_properties(boxes: _Boxes, iprp: _Box, items: dict[int, _Item]) -> list[_Box]:
    """The property boxes; notes in `items` which of them, in which order, belong to each."""
    properties: list[_Box] = []
    steps = StepCounter("properties", _MAX_ENTRIES)
    for box in boxes.walk(iprp.start, iprp.end):
        if box.kind == b"ipco":
            properties.extend(boxes.walk(box.start, box.end))
        elif box.kind == b"ipma":
            _read_associations(_Table(boxes.source, box), items, steps)
    return properties


def _read_associations(table: _Table, items: dict[int, _Item], steps: StepCounter) -> None:
    version, flags = _version(table)
    index_bytes, mask = (2, 0x7FFF) if flags & 1 else (1, 0x7F)
    for _ in range(table.uint(4)):
        item = items.get(table.uint(4 if version else 2))
        count = table.uint(1)
        steps.count(count + 1)
        indices = [table.uint(index_bytes) & mask for _ in range(count)]
        if item is not None:
            item.properties.extend(index for index in indices if index)  # 0 is: no property


def _read_references(boxes: _Boxes, iref: _Box, items: dict[int, _Item]) -> None:
    """References between images (tiles of a grid, alpha of a picture), not of documents."""
    number_bytes = 4 if boxes.source.read(iref.start, 1) != b"\0" else 2
    for box in boxes.walk(iref.start + 4, iref.end):
        table = _Table(boxes.source, box)
        item = items.get(table.uint(number_bytes))
        targets = [table.uint(number_bytes) for _ in range(table.uint(2))]
        images = [target for target in targets if target in items]
        if item is not None and images and box.kind != b"cdsc":
            item.references.append((box.kind, images))


def _add_tracks(boxes: _Boxes, parts: PictureParts, moov: _Box) -> int:
    """Adds the frames of every image track of a sequence; sound does not count."""
    tracks = 0
    for trak in boxes.walk(moov.start, moov.end):
        if trak.kind != b"trak":
            continue
        children = boxes.children(trak)
        media = boxes.children(children[b"mdia"]) if b"mdia" in children else {}
        if b"hdlr" not in media or b"minf" not in media:
            continue
        if boxes.source.read(media[b"hdlr"].start + 8, 4) not in _IMAGE_HANDLERS:
            continue
        minf = boxes.children(media[b"minf"])
        if b"stbl" not in minf:
            continue
        tracks += 1
        header = children.get(b"tkhd")
        if header is not None and header.end - header.start > _TKHD_SHAPE_BYTES:
            parts.add_section(b"shape", header.end - _TKHD_SHAPE_BYTES, _TKHD_SHAPE_BYTES)
        _add_samples(boxes, parts, boxes.children(minf[b"stbl"]))
    return tracks


def _add_samples(boxes: _Boxes, parts: PictureParts, tables: dict[bytes, _Box]) -> None:
    """Adds how samples are decoded, how long each is shown, their sizes and their bytes."""
    for kind in _SAMPLE_TABLES:
        if kind in tables:
            parts.add_section(kind, tables[kind].start, tables[kind].end - tables[kind].start)
    sizes = _sample_sizes(boxes.source, tables)
    parts.add_bytes(b"".join(b"%d " % size for size in sizes) + b"\n")
    offsets = _chunk_offsets(boxes.source, tables)
    per_chunk = _samples_per_chunk(boxes.source, tables, len(offsets))
    sample = 0
    for offset, count in zip(offsets, per_chunk, strict=True):
        parts.add_range(offset, sum(sizes[sample : sample + count]))
        sample += count
    if sample < len(sizes):
        raise BrokenPictureError("there are frames that lie nowhere")


def _sample_sizes(source: PictureSource, tables: dict[bytes, _Box]) -> tuple[int, ...]:
    if b"stsz" not in tables:
        raise BrokenPictureError("the sizes of the frames are missing")
    table = _Table(source, tables[b"stsz"])
    _version(table)
    same, count = table.uint(4), table.uint(4)
    if count > _MAX_ENTRIES:
        raise BrokenPictureError("there are too many frames")
    return (same,) * count if same else table.uints(count, 4)


def _chunk_offsets(source: PictureSource, tables: dict[bytes, _Box]) -> tuple[int, ...]:
    box = tables.get(b"stco") or tables.get(b"co64")
    if box is None:
        raise BrokenPictureError("the places of the frames are missing")
    table = _Table(source, box)
    _version(table)
    return table.uints(table.uint(4), 4 if box.kind == b"stco" else 8)


def _samples_per_chunk(source: PictureSource, tables: dict[bytes, _Box], chunks: int) -> list[int]:
    """How many samples lie in each of `chunks` chunks (`stsc` names the first of each run)."""
    if b"stsc" not in tables:
        raise BrokenPictureError("the chunks of the frames are missing")
    table = _Table(source, tables[b"stsc"])
    _version(table)
    runs = [table.uints(3, 4) for _ in range(table.uint(4))]
    result: list[int] = []
    for i, (first, count, _) in enumerate(runs):
        after = runs[i + 1][0] if i + 1 < len(runs) else chunks + 1
        if first != len(result) + 1 or not first <= after <= chunks + 1:
            raise BrokenPictureError("the chunks of the frames are not in order")
        result.extend([count] * (after - first))
    return result
