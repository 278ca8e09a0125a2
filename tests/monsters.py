"""Files made to do harm, in code: bombs, liars, loops, traps, and all formats cut and flipped."""

from __future__ import annotations

import io
import os
import random
import socket
import stat
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

import av
import pillow_heif
from PIL import Image

from media_types import MEDIA_TYPES, Kind, kind_of

CANARY_COLOR: Final = (255, 0, 255)
"""No other picture made here is anywhere near it."""
CANARY_WORDS: Final = b"the-canary-sings-7f3a19"

SIZE: Final = (64, 48)
DATE_TIME_ORIGINAL: Final = 0x9003
EXIF_IFD: Final = 0x8769
_DATE: Final = "2019:07:14 18:03:22"

Entry = tuple[int, int, int, bytes]
"""An entry of a TIFF directory: tag, type, count, value."""


# -- pictures and films that are in order ----------------------------------------------------


def draw_picture(seed: int = 0) -> Image.Image:
    """Greenish noise, so that no two bytes of its file are idle."""
    noise = Image.frombytes("L", SIZE, random.Random(seed).randbytes(SIZE[0] * SIZE[1]))
    flat = Image.new("L", SIZE, 40)
    return Image.merge("RGB", (flat, noise, flat))


def save(file_format: str, seed: int = 0, **options: object) -> bytes:
    """A picture as Pillow writes it, with a date in EXIF where the format has that."""
    out = io.BytesIO()
    picture = draw_picture(seed)
    exif = b"Exif\0\0" + pack_exif(_DATE.encode())
    if file_format == "HEIF":
        pillow_heif.from_pillow(picture).save(out, exif=exif)
    elif file_format in ("GIF", "BMP", "JPEG2000"):
        picture.save(out, file_format, **options)
    else:
        picture.save(out, file_format, exif=exif, **options)
    return out.getvalue()


def make_film(
    container: str,
    codec: str,
    *,
    seed: int = 0,
    color: tuple[int, int, int] | None = None,
    title: str = "",
    options: Mapping[str, str] | None = None,
) -> bytes:
    """A film of half a second, all of one color where one is given."""
    out = io.BytesIO()
    with av.open(out, "w", format=container, options=dict(options or {})) as film:
        film.metadata["title"] = title
        stream = film.add_stream(codec, rate=25, options={"g": "1"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(12):
            picture = Image.new("RGB", SIZE, color) if color else draw_picture(seed + number)
            frame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return out.getvalue()


_FILMS: Final = MappingProxyType(
    {
        "mp4": ("mp4", "libx264", {}),
        "mov": ("mov", "mjpeg", {}),
        "m4v": ("ipod", "mpeg4", {}),
        "3gp": ("3gp", "mpeg4", {}),
        "mkv": ("matroska", "mjpeg", {}),
        "webm": ("webm", "libvpx", {}),
        "avi": ("avi", "mpeg4", {}),
        "m2ts": ("mpegts", "mpeg2video", {"mpegts_m2ts_mode": "1"}),
        "mpeg": ("vob", "mpeg2video", {}),
        "wmv": ("asf", "wmv2", {}),
    }
)
_IMAGES: Final = MappingProxyType(
    {
        "jpeg": "JPEG",
        "png": "PNG",
        "gif": "GIF",
        "webp": "WEBP",
        "tiff": "TIFF",
        "heic": "HEIF",
        "avif": "AVIF",
        "jp2": "JPEG2000",
        "bmp": "BMP",
    }
)
_RAWS: Final = ("dng", "nef", "cr2")

SAMPLE_TYPES: Final = (*_IMAGES, *_RAWS, *_FILMS)
"""Every format that can be made here."""


@lru_cache(maxsize=64)
def make_sample(file_type: str, seed: int = 0) -> bytes:
    """A small file in order; a picture says when it was taken where its format can."""
    if file_type in _IMAGES:
        return save(_IMAGES[file_type], seed)
    if file_type in _FILMS:
        container, codec, options = _FILMS[file_type]
        return make_film(container, codec, seed=seed, options=options)
    return make_raw(file_type, save("JPEG", seed))


def suffix_of(file_type: str) -> str:
    return MEDIA_TYPES[file_type].suffixes[0]


# -- TIFF structures by hand -----------------------------------------------------------------


def text(tag: int, value: bytes) -> Entry:
    return tag, 2, len(value) + 1, value + b"\0"


def long(tag: int, *values: int) -> Entry:
    return tag, 4, len(values), struct.pack(f"<{len(values)}I", *values)


def pack_directory(at: int, entries: Iterable[Entry], after: int = 0) -> bytes:
    """A directory that will stand at offset `at`, with the values that do not fit into it."""
    entries = sorted(entries, key=lambda entry: entry[0])
    data = b""
    table = struct.pack("<H", len(entries))
    behind = at + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in entries:
        inline = value.ljust(4, b"\0")
        if len(value) > 4:
            inline = struct.pack("<I", behind + len(data))
            data += value + b"\0" * (len(value) % 2)
        table += struct.pack("<HHI", tag, kind, count) + inline
    return table + struct.pack("<I", after) + data


def pack_tiff(entries: Iterable[Entry], after: int = 0) -> bytes:
    return struct.pack("<2sHI", b"II", 42, 8) + pack_directory(8, entries, after)


def pack_exif(date: bytes | None, *more: Entry, first: Iterable[Entry] = ()) -> bytes:
    """An EXIF block: `date` and `more` in its EXIF directory, `first` in the one before it."""
    first = list(first)
    head = pack_tiff([*first, long(EXIF_IFD, 0)])
    entries = [*more, *([text(DATE_TIME_ORIGINAL, date)] if date is not None else [])]
    return pack_tiff([*first, long(EXIF_IFD, len(head))]) + pack_directory(len(head), entries)


def make_raw(file_type: str, preview: bytes) -> bytes:
    """What ExifTool takes for a camera's RAW file with a JPEG in it."""
    makers = {"nef": b"NIKON CORPORATION", "cr2": b"Canon", "dng": b"Acme"}
    start = 16 if file_type == "cr2" else 8

    def build(sub_at: int, exif_at: int, preview_at: int) -> tuple[bytes, bytes, bytes]:
        entries = [text(0x010F, makers[file_type]), text(0x0110, b"One"), long(EXIF_IFD, exif_at)]
        place = [(0x0111, preview_at), (0x0117, len(preview))]
        sub = [long(0x00FE, 1), long(0x0103, 7), *(long(*pair) for pair in place)]
        if file_type == "nef":
            sub = [long(0x00FE, 1), long(0x0201, preview_at), long(0x0202, len(preview))]
        if file_type == "cr2":
            entries += [long(0x0103, 6), *(long(*pair) for pair in place)]
        else:
            entries += [long(0x014A, sub_at), (0xC612, 1, 4, b"\1\4\0\0")]
        exif = [text(DATE_TIME_ORIGINAL, _DATE.encode())]
        return (
            pack_directory(start, entries),
            pack_directory(exif_at, exif),
            pack_directory(sub_at, sub),
        )

    first, exif, sub = build(0, 0, 0)
    exif_at = start + len(first)
    sub_at = exif_at + len(exif)
    parts = build(sub_at, exif_at, sub_at + len(sub))
    head = struct.pack("<2sHI", b"II", 42, start) + (b"CR\2\0\0\0\0\0" if start == 16 else b"")
    return head + b"".join(parts) + preview


def add_segments(jpeg: bytes, *segments: tuple[int, bytes]) -> bytes:
    """A JPEG with further segments behind its start marker."""
    packed = [struct.pack(">BBH", 0xFF, kind, len(data) + 2) + data for kind, data in segments]
    return jpeg[:2] + b"".join(packed) + jpeg[2:]


def plain_jpeg(seed: int = 0) -> bytes:
    """A JPEG without any metadata."""
    out = io.BytesIO()
    draw_picture(seed).save(out, "JPEG")
    return out.getvalue()


def jpeg_with_exif(block: bytes, seed: int = 0) -> bytes:
    return add_segments(plain_jpeg(seed), (0xE1, b"Exif\0\0" + block))


def jpeg_with_iptc(date: str, time: str, seed: int = 0) -> bytes:
    """A JPEG whose date stands where only ExifTool looks: `20190714`, `180322+0200`."""
    words = b"".join(
        struct.pack(">BBBH", 0x1C, 2, number, len(value)) + value
        for number, value in ((55, date.encode()), (60, time.encode()))
    )
    block = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(words)) + words
    return add_segments(plain_jpeg(seed), (0xED, block + b"\0" * (len(words) % 2)))


# -- bombs -----------------------------------------------------------------------------------


def pack_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_png(width: int, height: int, bits: int, color_type: int, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + pack_chunk(b"IHDR", header)
        + b"".join(chunks)
        + pack_chunk(b"IEND", b"")
    )


def make_png_bomb(side: int, bits: int, color_type: int) -> bytes:
    """A PNG of zeros, a thousand times smaller than its pixels."""
    samples = {0: 1, 2: 3, 3: 1, 6: 4}[color_type]
    packer = zlib.compressobj(9)
    row = bytes(1 + (side * bits * samples + 7) // 8)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return pack_png(side, side, bits, color_type, pack_chunk(b"IDAT", body))


def make_png_with_text_bomb() -> bytes:
    """A small PNG whose color profile and texts unpack to 200 MB each."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    return pack_png(
        1,
        1,
        8,
        0,
        pack_chunk(b"iCCP", b"p\0\0" + packed),
        pack_chunk(b"zTXt", b"Comment\0\0" + packed),
        pack_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed),
        pack_chunk(b"IDAT", zlib.compress(b"\0\x80")),
    )


def make_gif(frames: int, *, size: tuple[int, int] = SIZE, end: bytes = b";") -> bytes:
    """A GIF of so many frames of one pixel each."""
    head = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + b"\0\x80\0\xff\xff\xff"
    frame = (
        b"\x21\xf9\x04\0\1\0\0\0"
        + b","
        + struct.pack("<HHHHB", 0, 0, 1, 1, 0)
        + b"\x02\x02\x44\x01\0"
    )
    return head + frame * frames + end


def claim_size(data: bytes, offset: int, size: int, fmt: str = "<I") -> bytes:
    packed = struct.pack(fmt, size)
    return data[:offset] + packed + data[offset + len(packed) :]


# -- liars and loops -------------------------------------------------------------------------


def pack_box(kind: bytes, *payload: bytes) -> bytes:
    data = b"".join(payload)
    return struct.pack(">I", len(data) + 8) + kind + data


def find_box(data: bytes, *path: bytes) -> tuple[int, int]:
    """Offset and length of the box at this path of plain boxes, header included."""
    start, end = 0, len(data)
    for kind in path:
        at = start
        while data[at + 4 : at + 8] != kind:
            at += struct.unpack_from(">I", data, at)[0]
            assert at < end
        length = struct.unpack_from(">I", data, at)[0]
        start, end = at + 8, at + length
    return start - 8, end - start + 8


def replace_box(data: bytes, path: tuple[bytes, ...], box: bytes) -> bytes:
    """`data` with another box at this path, and the sizes of all around it set right."""
    offset, length = find_box(data, *path)
    for depth in range(1, len(path)):
        around, size = find_box(data, *path[:depth])
        data = claim_size(data, around, size + len(box) - length, ">I")
    return data[:offset] + box + data[offset + length :]


def claim_box(data: bytes, size: int, *path: bytes) -> bytes:
    """`data` with a box that claims another size."""
    return claim_size(data, find_box(data, *path)[0], size, ">I")


def claim_large_box(kind: bytes, size: int) -> bytes:
    """The header of a box whose size has 64 bits."""
    return struct.pack(">I4sQ", 1, kind, size)


def make_tiff_loop() -> bytes:
    """A TIFF whose only page is followed by itself, and has itself for a sub-directory."""
    page = [long(0x0100, 8), long(0x0101, 8), long(0x0102, 8), long(0x0103, 1), long(0x0106, 1)]
    page += [long(0x0111, 8), long(0x0117, 64), long(0x014A, 8)]
    return pack_tiff(page, after=8) + bytes(64)


def make_exif_loop() -> bytes:
    """A JPEG whose EXIF directories lead to themselves and to each other."""
    block = pack_exif(
        _DATE.encode(), long(0xA005, 8), long(0x014A, 8), first=[long(0x8825, 8), long(0x014A, 8)]
    )
    # The first directory's successor is itself.
    count = struct.unpack_from("<H", block, 8)[0]
    return jpeg_with_exif(claim_size(block, 10 + 12 * count, 8))


def make_svg() -> bytes:
    return (
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">'
        b'<script>alert(1)</script><image href="http://192.0.2.1/x"/></svg>'
    )


def make_html() -> bytes:
    return b"<!DOCTYPE html><html><body><script>alert(1)</script></body></html>"


# -- traps that lead to the canary -----------------------------------------------------------


@lru_cache(maxsize=1)
def make_canary_film() -> bytes:
    return make_film("mov", "mjpeg", color=CANARY_COLOR, title=CANARY_WORDS.decode())


@lru_cache(maxsize=1)
def make_canary_picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", SIZE, CANARY_COLOR).save(out, "JPEG", comment=CANARY_WORDS)
    return out.getvalue()


def make_playlist(canary: Path) -> bytes:
    return (
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\n"
        f"file://{canary}\n#EXT-X-ENDLIST\n"
    ).encode()


def make_concat_list(canary: Path) -> bytes:
    return f"ffconcat version 1.0\nfile '{canary}'\nduration 1\n".encode()


def make_hostile_sidecar(canary: Path) -> bytes:
    """XMP whose rating and date are the content of another file."""
    return (
        f'<!DOCTYPE x [<!ENTITY canary SYSTEM "file://{canary}">]>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
        'syntax-ns#"><rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/">'
        "<xmp:CreateDate>&canary;</xmp:CreateDate></rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def make_large_sidecar() -> bytes:
    """XMP of four million elements, in 16 MB less a little."""
    head = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
        b'syntax-ns#">'
    )
    return head + b"<a/>" * (4 * 2**20 - 100) + b"</rdf:RDF></x:xmpmeta>"


def make_reference_film(canary: Path) -> bytes:
    """The canary without its frames: QuickTime's reference to another file stands for them."""
    data = make_canary_film().replace(CANARY_WORDS, b"-" * len(CANARY_WORDS))
    start, length = find_box(data, b"mdat")
    data = data[: start + 8] + bytes(length - 8) + data[start + length :]
    name = str(canary).encode()
    alias = (
        bytes(10) + b"\0" + bytes(27) + bytes(12) + bytes([len(canary.name)])
        + canary.name.encode().ljust(63, b"\0") + bytes(16) + bytes(4) + bytes(16)
        + struct.pack(">HH", 2, len(name)) + name + b"\0" * (len(name) % 2)
        + struct.pack(">HH", 18, len(name)) + name + b"\0" * (len(name) % 2)
        + struct.pack(">HH", 0xFFFF, 0)
    )  # fmt: skip
    link = pack_box(b"url ", bytes(4), f"file://{canary}".encode() + b"\0")
    box = pack_box(
        b"dref", bytes(4), struct.pack(">I", 2), pack_box(b"alis", bytes(4), alias), link
    )
    return replace_box(data, (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"), box)


_TRAP_HEADS: Final = MappingProxyType(
    {
        "avi": b"RIFF\xff\xff\0\0AVI ",
        "mkv": b"\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska",
        "mpeg": b"\0\0\1\xba",
        "wmv": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c",
        "mp4": b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
    }
)
"""What a playlist may begin with to pass for a film."""


# -- the corpus ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Monster:
    """A file of the corpus.

    named: whether the report must name it; None: as it may be. in_library: whether it must (or
    must not) become a row. drawn: whether it must (or must not) be drawn.
    """

    make: Callable[[], bytes]
    named: bool | None = None
    in_library: bool | None = None
    drawn: bool | None = None


SAYS_NO_LENGTH: Final = frozenset({"jp2", "m2ts", "mpeg", *_RAWS})
"""Formats of which a part looks whole, unless it is decoded to its end."""


def _cut(file_type: str) -> Monster:
    def make() -> bytes:
        data = make_sample(file_type, seed=1)
        return data[: len(data) * 3 // 5]

    return Monster(make, None if file_type in SAYS_NO_LENGTH else True, True)


def _flip(file_type: str) -> Monster:
    def make() -> bytes:
        data = bytearray(make_sample(file_type, seed=2))
        data[len(data) // 2] ^= 0xFF
        return bytes(data)

    return Monster(make)


def list_monsters(canary: Path) -> dict[str, Monster]:
    """The corpus by relative path; `canary` is the film that none of them may show."""
    heic, mp4 = make_sample("heic"), make_sample("mp4")
    trap, concat = make_playlist(canary), make_concat_list(canary)
    refused = {"named": True, "in_library": False}
    monsters: dict[str, Monster] = {
        "bombs/one bit.png": Monster(lambda: make_png_bomb(13_000, 1, 0), False, True),
        "bombs/gray.png": Monster(lambda: make_png_bomb(13_000, 8, 0), False, True),
        "bombs/color.png": Monster(lambda: make_png_bomb(13_000, 8, 2), False, True, False),
        "bombs/texts.png": Monster(make_png_with_text_bomb, None, True),
        "bombs/frames.gif": Monster(lambda: make_gif(50_000), False, True, True),
        "bombs/canvas.gif": Monster(lambda: make_gif(1, size=(65_535, 65_535)), None, True, False),
        "bombs/header.png": Monster(
            lambda: pack_png(2**31 - 1, 2**31 - 1, 8, 6, pack_chunk(b"IDAT", b"x")),
            None,
            True,
            False,
        ),
        "bombs/header.bmp": Monster(
            lambda: claim_size(make_sample("bmp"), 18, 60_000, "<I")[:22]
            + struct.pack("<I", 60_000)
            + make_sample("bmp")[26:],
            None,
            True,
            False,
        ),
        "liars/meta.heic": Monster(lambda: claim_box(heic, 2**32 - 1, b"meta"), True),
        "liars/moov.mp4": Monster(lambda: claim_box(mp4, 2**32 - 1, b"moov"), True),
        "liars/mdat.mp4": Monster(lambda: claim_box(mp4, 2**32 - 1, b"mdat"), True),
        "liars/mdat 64.mp4": Monster(
            lambda: mp4[: find_box(mp4, b"mdat")[0]] + claim_large_box(b"mdat", 2**63 - 1) + mp4,
            True,
        ),
        "liars/track.mov": Monster(
            lambda: claim_box(make_sample("mov"), 2**32 - 1, b"moov", b"trak"), None
        ),
        "loops/pages.tif": Monster(make_tiff_loop, True),
        "loops/exif.jpg": Monster(make_exif_loop, None, True, True),
        "loops/endless.gif": Monster(lambda: make_gif(2000, end=b""), True),
        "loops/blocks.gif": Monster(
            lambda: make_gif(1, end=b"\x21\xfe" + b"\x01x" * 100_000), True
        ),
        "traps/playlist.mp4": Monster(lambda: trap, **refused),
        "traps/playlist.mkv": Monster(lambda: trap, **refused),
        "traps/playlist.avi": Monster(lambda: trap, **refused),
        "traps/list.mp4": Monster(lambda: concat, **refused),
        "traps/list.mkv": Monster(lambda: concat, **refused),
        "traps/reference.mov": Monster(lambda: make_reference_film(canary), True, None, False),
        "active/svg.jpg": Monster(make_svg, **refused),
        "active/svg.png": Monster(make_svg, **refused),
        "active/html.jpg": Monster(make_html, **refused),
        "active/html.png": Monster(make_html, **refused),
        "active/html behind.jpg": Monster(lambda: plain_jpeg(8) + make_html(), None, True, True),
        "active/html within.gif": Monster(
            lambda: b"GIF89a" + make_html() + b";", True, None, False
        ),
        "empty.jpg": Monster(lambda: b"", **refused),
        "zeros.mov": Monster(lambda: bytes(100_000), **refused),
    }  # fmt: skip
    for file_type, head in _TRAP_HEADS.items():
        for name, data in (("playlist", trap), ("list", concat)):
            path = f"traps/{name} in disguise.{file_type}"
            monsters[path] = Monster(partial(bytes, head + b"\n" + data), True, drawn=False)
    for file_type in SAMPLE_TYPES:
        suffix = suffix_of(file_type)
        monsters[f"cut/{file_type}{suffix}"] = _cut(file_type)
        monsters[f"flipped/{file_type}{suffix}"] = _flip(file_type)
        monsters[f"whole/{file_type}{suffix}"] = Monster(
            partial(make_sample, file_type), False, True, True
        )
    return monsters


def make_corpus(root: Path, monsters: Mapping[str, Monster]) -> None:
    for path, monster in monsters.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(monster.make())


def make_special_files(folder: Path, canary: Path) -> list[str]:
    """What has a photo's name and is no file; gives the names."""
    folder.mkdir(parents=True)
    names = ["pipe.jpg", "socket.jpg", "link.jpg", "link.mov", "loop a.jpg", "loop b.jpg"]
    names += ["up", "folder.jpg"]
    os.mkfifo(folder / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(folder, os.O_PATH)
        try:  # a socket's address must be short
            listener.bind(f"/proc/self/fd/{here}/socket.jpg")
        finally:
            os.close(here)
    (folder / "link.jpg").symlink_to(canary.with_suffix(".jpg"))
    (folder / "link.mov").symlink_to(canary)
    (folder / "loop a.jpg").symlink_to("loop b.jpg")
    (folder / "loop b.jpg").symlink_to("loop a.jpg")
    (folder / "up").symlink_to("..", target_is_directory=True)
    (folder / "folder.jpg").mkdir()
    (folder / "folder.jpg" / "inside.jpg").write_bytes(plain_jpeg(77))
    if os.geteuid() == 0:
        os.mknod(folder / "device.jpg", 0o644 | stat.S_IFCHR, os.makedev(1, 3))
        names.append("device.jpg")
    return names


def make_sparse_film(path: Path, size: int) -> None:
    """A film that is all `mdat` of zeros, of which the disk keeps next to nothing."""
    head = make_sample("mp4")
    head = head[: find_box(head, b"mdat")[0]]
    with path.open("wb") as file:
        file.write(head + claim_large_box(b"mdat", size - len(head)))
        file.truncate(size)


def is_film(file_type: str) -> bool:
    return kind_of(file_type) == Kind.VIDEO


# -- memory ----------------------------------------------------------------------------------


def list_tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                words = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(words[1]), []).append(int(name))
    tree, waiting = [], [pid]
    while waiting:
        tree.append(waiting.pop())
        waiting += parents.get(tree[-1], [])
    return tree


def resident_mb(pid: int) -> float:
    """What a process holds in memory now; 0 for one that is gone."""
    try:
        pages = int(Path("/proc", str(pid), "statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def name_process(pid: int) -> str:
    """What runs in a process: `app.py`, `worker`, `exiftool`."""
    try:
        words = Path("/proc", str(pid), "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "gone"
    line = b" ".join(words).decode("utf-8", "replace")
    for sign, name in (("serve_jobs", "worker"), ("exiftool", "exiftool"), ("app.py", "server")):
        if sign in line:
            return name
    return line[:40]


# -- strange metadata ------------------------------------------------------------------------


def pack_warnings(directories: int) -> bytes:
    """An EXIF block over which ExifTool warns twice for each of so many directories.

    The camera's own notes in it are as bad.
    """
    notes = struct.pack("<H", 200)
    notes += b"".join(struct.pack("<HHII", 0x4000 + i, 2, 4000, 0x7FFFF000) for i in range(200))
    first = [text(0x010F, b"Canon"), text(0x0110, b"Canon EOS")]
    block = pack_exif(_DATE.encode(), (0x927C, 7, len(notes), notes), first=first)
    count = struct.unpack_from("<H", block, 8)[0]
    block = claim_size(block, 10 + 12 * count, len(block))
    for number in range(directories):
        bad = struct.pack("<HHII", 0x010E, 2, 0x7FFFFF, 0x7FFFFFF0)
        bad += struct.pack("<HHII", 0x0131, 77, 1, 1)
        after = len(block) + 30 if number < directories - 1 else 0
        block += struct.pack("<H", 2) + bad + struct.pack("<I", after)
    return block


def make_film_of(seconds_since_1904: int) -> bytes:
    """A film that says in all its headers that it was made at this moment."""
    data = make_sample("mp4")
    for path in ((b"mvhd",), (b"trak", b"tkhd"), (b"trak", b"mdia", b"mdhd")):
        at = find_box(data, b"moov", *path)[0] + 12
        data = claim_size(data, at, seconds_since_1904, ">I")
    return data
