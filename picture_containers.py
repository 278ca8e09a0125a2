"""JPEG, PNG, GIF and WebP: which bytes are the picture, and which are only said about it.

Each function takes a `PictureSource`, returns a `Picture` and raises `BrokenPictureError`.
Sources: ITU-T T.81 annex B, W3C PNG third edition, GIF89a, RFC 9649 (WebP).
"""

from __future__ import annotations

import re
from typing import Final

from picture_source import BrokenPictureError, Picture, PictureParts, PictureSource, StepCounter

_MARKER: Final = re.compile(rb"\xff[^\x00\xff]")
# in entropy-coded data FF 00 is a stuffed byte, D0 to D7 are restarts
_SCAN_END: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_SOI, _EOI, _SOS, _COM, _APP2, _APP14 = 0xD8, 0xD9, 0xDA, 0xFE, 0xE2, 0xEE
_APPS: Final = range(0xE0, 0xF0)
_FRAMES: Final = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}

_PNG_LOOKS: Final = frozenset(
    {b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI"}
    | {b"sBIT", b"acTL"}
)
_PNG_FRAMES: Final = frozenset({b"IDAT", b"fcTL", b"fdAT"})

_GIF_EXTENSION, _GIF_IMAGE, _GIF_TRAILER = 0x21, 0x2C, 0x3B
_GIF_COMMENT, _GIF_APPLICATION = 0xFE, 0xFF
_GIF_METADATA: Final = frozenset({b"XMP DataXMP", b"C2PA_GIF\x01\x00\x00"})

_GIF_WINDOW_BYTES: Final = 4096

_WEBP_FRAMES: Final = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANMF", b"ANIM"})


def find_jpeg_picture(source: PictureSource) -> Picture:
    """All segments up to EOI but APPn and COM, save ICC profile and Adobe's color transform.

    These two come first, because an editor may put other APPn before or behind them. Bytes
    between segments are skipped, as decoders do.
    """
    if source.read(0, 2) != b"\xff\xd8":
        raise BrokenPictureError("there is no start marker")
    looks = PictureParts(source)
    body = PictureParts(source)
    steps = StepCounter("segments")
    seen: set[int] = set()
    at = 2
    while True:
        steps.count()
        at = source.search(_MARKER, at)
        if at < 0:
            raise BrokenPictureError("the file ends before the picture's end marker")
        marker = source.read(at + 1, 1)[0]
        if marker == _EOI:
            break
        seen.add(marker)
        at = _take_jpeg_segment(source, at, marker, looks, body)
    if _SOS not in seen or not seen & _FRAMES:
        raise BrokenPictureError("there is no picture between start and end marker")
    return Picture("jpeg", [*looks.pieces, b"frame\n", *body.pieces], at + 2)


def _take_jpeg_segment(
    source: PictureSource, at: int, marker: int, looks: PictureParts, body: PictureParts
) -> int:
    """Notes the segment at `at` and returns where the next marker is to be sought."""
    if marker in _ALONE:
        return at + 2
    if marker == _SOI or marker < 0xC0:
        raise BrokenPictureError(f"there is no segment FF{marker:02X} in a JPEG")
    length = source.read_uint(at + 2, 2)
    end = at + 2 + length
    if length < 2 or end > source.size:
        raise BrokenPictureError(f"the segment at byte {at} is cut off")
    if marker == _SOS:
        scan_end = source.search(_SCAN_END, end)
        end = scan_end if scan_end >= 0 else source.size
        body.add_range(at, end - at)
    elif marker not in _APPS and marker != _COM:
        body.add_range(at, end - at)
    elif (marker == _APP2 and _starts(source, at, length, b"ICC_PROFILE\0")) or (
        marker == _APP14 and _starts(source, at, length, b"Adobe")
    ):
        looks.add_section(b"app", at, end - at)
    return end


def _starts(source: PictureSource, at: int, length: int, word: bytes) -> bool:
    return length >= 2 + len(word) and source.read(at + 4, len(word)) == word


def find_png_picture(source: PictureSource) -> Picture:
    """The chunks that pixels and colors are made of.

    The chunks before the frames are put in order of their names, as an editor may move them; runs
    of IDAT are joined, as their borders mean nothing. pHYs, text, time and EXIF do not count.
    """
    if source.read(0, 8) != b"\x89PNG\r\n\x1a\n" or source.read(12, 4) != b"IHDR":
        raise BrokenPictureError("there is no PNG header")
    chunks, end = _list_png_chunks(source)
    frames = [chunk for chunk in chunks if chunk[0] in _PNG_FRAMES]
    if not any(kind == b"IDAT" for kind, _, _ in frames):
        raise BrokenPictureError("there are no pixels in it")
    parts = PictureParts(source)
    looks = [chunk for chunk in chunks if chunk[0] in _PNG_LOOKS]
    for kind, offset, length in sorted(looks, key=lambda chunk: chunk[0]):
        parts.add_section(kind, offset, length)
    before = b""
    for kind, offset, length in frames:
        if kind != b"IDAT":
            parts.add_label(kind, length)
        elif before != b"IDAT":
            parts.add_label(kind)
        parts.add_range(offset, length)
        before = kind
    return Picture("png", parts.pieces, end)


def _list_png_chunks(source: PictureSource) -> tuple[list[tuple[bytes, int, int]], int]:
    """Kind, offset and length of the chunks that count, and where the picture ends."""
    chunks: list[tuple[bytes, int, int]] = []
    steps = StepCounter("chunks")
    at = 8
    while True:
        steps.count()
        head = source.read(at, 8)
        kind, length = head[4:], int.from_bytes(head[:4], "big")
        if at + 12 + length > source.size:
            raise BrokenPictureError(f"the chunk at byte {at} is cut off")
        if kind == b"IEND":
            return chunks, at + 12
        if kind in _PNG_FRAMES or kind in _PNG_LOOKS:
            chunks.append((kind, at + 8, length))
        at += 12 + length


def find_gif_picture(source: PictureSource) -> Picture:
    """Everything from the screen descriptor on but comments and XMP.

    The version does not count: GIF87a becomes GIF89a when XMP is added.
    """
    if source.read(0, 6) not in (b"GIF87a", b"GIF89a"):
        raise BrokenPictureError("there is no GIF header")
    parts = PictureParts(source)
    steps = StepCounter("blocks")
    at = 13 + _color_table_bytes(source.read(10, 1)[0])
    parts.add_range(6, at - 6)
    images = 0
    while True:
        steps.count()
        introducer = source.read(at, 1)[0]
        if introducer == _GIF_TRAILER:
            break
        start = at
        counts = True
        if introducer == _GIF_IMAGE:
            images += 1
            at = _skip_gif_blocks(
                source, at + 11 + _color_table_bytes(source.read(at + 9, 1)[0]), steps
            )
        elif introducer == _GIF_EXTENSION:
            counts = not _is_gif_metadata(source, at)
            at = _skip_gif_blocks(source, at + 2, steps)
        else:
            raise BrokenPictureError(f"there is no GIF block at byte {at}")
        if counts:
            parts.add_range(start, at - start)
    if not images:
        raise BrokenPictureError("there is no image in it")
    return Picture("gif", parts.pieces, at + 1)


def _color_table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _is_gif_metadata(source: PictureSource, at: int) -> bool:
    label = source.read(at + 1, 1)[0]
    if label != _GIF_APPLICATION:
        return label == _GIF_COMMENT
    return source.read(at + 2, 1) == b"\x0b" and source.read(at + 3, 11) in _GIF_METADATA


def _skip_gif_blocks(source: PictureSource, at: int, steps: StepCounter) -> int:
    """Behind the row of sub-blocks that starts at `at`."""
    while at < source.size:
        window = source.read(at, min(_GIF_WINDOW_BYTES, source.size - at))
        in_window = 0
        while in_window < len(window):
            steps.count()
            size = window[in_window]
            in_window += size + 1
            if size == 0:
                return at + in_window
        at += in_window
    raise BrokenPictureError("the file ends within a block")


def find_webp_picture(source: PictureSource) -> Picture:
    """Frames, alpha, animation and ICC profile.

    VP8X is what an editor puts before a simple file to announce EXIF, so its flags do not
    count; its canvas does in an animation, where frames may be smaller.
    """
    head = source.read(0, 12)
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        raise BrokenPictureError("there is no WebP header")
    end = 8 + int.from_bytes(head[4:8], "little")
    if end > source.size + 1:  # a last padding byte is sometimes counted but not written
        raise BrokenPictureError(f"the file should have {end} bytes, but has {source.size}")
    looks = PictureParts(source)
    frames = PictureParts(source)
    canvas = b""
    steps = StepCounter("chunks")
    kinds: set[bytes] = set()
    at = 12
    while at + 8 <= min(end, source.size):
        steps.count()
        chunk = source.read(at, 8)
        kind, length = chunk[:4], int.from_bytes(chunk[4:], "little")
        if at + 8 + length > source.size:
            raise BrokenPictureError(f"the chunk at byte {at} is cut off")
        kinds.add(kind)
        if kind in _WEBP_FRAMES:
            frames.add_section(kind, at + 8, length)
        elif kind == b"ICCP":
            looks.add_section(kind, at + 8, length)
        elif kind == b"VP8X":
            canvas = source.read(at + 12, 6)
        at += 8 + length + (length & 1)
    if not kinds & {b"VP8 ", b"VP8L", b"ANMF"}:
        raise BrokenPictureError("there is no image in it")
    if b"ANMF" in kinds:
        looks.add_bytes(canvas)
    return Picture("webp", [*looks.pieces, b"frames\n", *frames.pieces])
