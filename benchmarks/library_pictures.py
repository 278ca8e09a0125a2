"""The bytes of a made photo or film: the same number is the same bytes, on any machine.

A few pictures are drawn and encoded for each size. Every JPEG is one of them with facts of its
own, and with a quantization table that nothing uses: it decodes to the same pixels, but its picture
has a hash of its own, as every photo of a camera does.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final

import av
import pillow_heif
from PIL import Image, ImageFilter

BASES: Final = 12
PHOTOS_PER_MONTH: Final = 300
NEWEST_MONTH: Final = 2025 * 12 + 11  # December 2025, in months of our era
_CAMERAS: Final = (("Kestrel", "Kestrel C3"), ("Heron", "Heron 70D"), ("Wren", "Wren Phone 6"))
_ORIENTATIONS: Final = (1, 1, 1, 1, 6, 8, 3)
_RATING_SHARE: Final = 0.05
_MAKE, _MODEL, _ORIENTATION, _RATING, _EXIF_IFD = 0x010F, 0x0110, 0x0112, 0x4746, 0x8769
_DATE_ORIGINAL, _DATE_CREATED = 0x9003, 0x9004
_UNUSED_TABLE: Final = 3
_XMP_NAME: Final = b"http://ns.adobe.com/xap/1.0/\0"
_XMP: Final = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    'syntax-ns#"><rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    'xmp:Rating="{rating}"/></rdf:RDF></x:xmpmeta>'
)
_LONG_AGO: Final = datetime.fromisoformat("1904-01-01")  # what films count their seconds from


@dataclass(frozen=True, slots=True)
class Shape:
    """How pictures of a size are made. grain: its share, which sets how many bytes they take.

    mixed: whether there are a few PNG, HEIC and films among them.
    """

    width: int
    height: int
    quality: int
    grain: float
    mixed: bool = True


SHAPES: Final = MappingProxyType(
    {
        "small": Shape(800, 600, 74, 0.12),  # about 65 KB
        "camera": Shape(4000, 3000, 90, 0.22, mixed=False),  # 3 to 5 MB
        "tiny": Shape(64, 48, 70, 0.12),  # 2 KB: for measures of many files and few bytes
    }
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a made file says of itself; `xmp_rating` stands in an XMP packet, the other in EXIF."""

    taken: datetime
    camera: tuple[str, str]
    orientation: int
    exif_rating: int
    xmp_rating: int

    @property
    def exif(self) -> Image.Exif:
        exif = Image.Exif()
        exif[_MAKE], exif[_MODEL] = self.camera
        exif[_ORIENTATION] = self.orientation
        sub_ifd = exif.get_ifd(_EXIF_IFD)
        sub_ifd[_DATE_ORIGINAL] = sub_ifd[_DATE_CREATED] = f"{self.taken:%Y:%m:%d %H:%M:%S}"
        if self.exif_rating:
            exif[_RATING] = self.exif_rating
        return exif


def choose_facts(number: int) -> Facts:
    rng = random.Random(number)
    month = NEWEST_MONTH - number // PHOTOS_PER_MONTH
    begin = datetime.fromisoformat(f"{month // 12}-{month % 12 + 1:02}-01T12:00")
    rating = rng.randint(1, 5) if rng.random() < _RATING_SHARE else 0
    in_xmp = number % 10 == 1
    return Facts(
        begin + timedelta(minutes=rng.randrange(27 * 24 * 60)),
        rng.choice(_CAMERAS),
        rng.choice(_ORIENTATIONS),
        0 if in_xmp else rating,
        (rating or 3) if in_xmp else 0,
    )


def make_file(number: int, size: str) -> tuple[PurePosixPath, bytes]:
    """Path in its library and bytes of file `number`; `size` is a key of `SHAPES`."""
    shape, facts = SHAPES[size], choose_facts(number)
    folder = PurePosixPath(f"{facts.taken:%Y}") / f"{facts.taken:%Y-%m}"
    if shape.mixed and number % 100 == 3:
        return folder / f"IMG_{number:06}.png", _encode_png(number, size, facts)
    if shape.mixed and number % 200 == 5:
        return folder / f"IMG_{number:06}.heic", _encode_heic(number, size, facts)
    if shape.mixed and number % 200 == 8:
        return folder / f"MOV_{number:06}.mp4", _make_film(number, facts)
    return folder / f"IMG_{number:06}.JPG", _make_jpeg(number, size, facts)


def draw_base(number: int, shape: Shape) -> Image.Image:
    """Soft spots of color, edges over them, and grain: what makes a photo hard to compress."""
    rng, px = random.Random(number), (shape.width, shape.height)
    image = Image.frombytes("RGB", (8, 6), rng.randbytes(8 * 6 * 3))
    image = image.resize(px, Image.Resampling.BICUBIC)
    for cells, share in (((40, 30), 0.25), ((160, 120), 0.2)):
        detail = Image.frombytes("RGB", cells, rng.randbytes(cells[0] * cells[1] * 3))
        image = Image.blend(image, detail.resize(px, Image.Resampling.BICUBIC), share)
    grain = Image.frombytes("L", px, rng.randbytes(px[0] * px[1]))
    soft = grain.filter(ImageFilter.GaussianBlur(0.7)).convert("RGB")
    return Image.blend(image, soft, shape.grain)


@cache
def _encode_base(number: int, size: str) -> bytes:
    stream = BytesIO()
    shape = SHAPES[size]
    draw_base(number, shape).save(stream, "JPEG", quality=shape.quality)
    return stream.getvalue()


def _make_jpeg(number: int, size: str, facts: Facts) -> bytes:
    base = _encode_base(number % BASES, size)
    segments = _segment(0xE1, facts.exif.tobytes())
    if facts.xmp_rating:
        packet = _XMP.format(rating=facts.xmp_rating).encode()
        segments += _segment(0xE1, _XMP_NAME + packet)
    table = bytes([_UNUSED_TABLE]) + (number + 1).to_bytes(4, "big").rjust(64, b"\1")
    return base[:2] + segments + _segment(0xDB, table) + base[2:]


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _draw_own(number: int, size: str) -> Image.Image:
    """A quarter of a base with the number as a row of blocks in it."""
    with Image.open(BytesIO(_encode_base(number % BASES, size))) as base:
        image = base.resize((max(64, base.width // 4), max(48, base.height // 4)))
    for bit in range(24):
        if number >> bit & 1:
            image.paste((0, 0, 0), (bit * 2, 0, bit * 2 + 2, 4))
    return image


def _encode_png(number: int, size: str, facts: Facts) -> bytes:
    stream = BytesIO()
    _draw_own(number, size).save(stream, "PNG", exif=facts.exif)
    return stream.getvalue()


def _encode_heic(number: int, size: str, facts: Facts) -> bytes:
    stream = BytesIO()
    heif = pillow_heif.from_pillow(_draw_own(number, size))
    heif.save(stream, quality=60, exif=facts.exif.tobytes())
    return stream.getvalue()


@cache
def _encode_film() -> bytes:
    """Half a second of MPEG-4 without a date."""
    stream = BytesIO()
    with av.open(stream, "w", format="mp4") as film:
        video = film.add_stream("mpeg4", rate=24)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        frame = av.VideoFrame(320, 240, "rgb24")
        frame.planes[0].update(draw_base(0, Shape(320, 240, 0, 0.05)).tobytes())
        for _ in range(12):
            film.mux(video.encode(frame))
        film.mux(video.encode(None))
    return stream.getvalue()


def _make_film(number: int, facts: Facts) -> bytes:
    """The one film with its own date, and with a box of media data that makes it another one."""
    film = bytearray(_encode_film())
    seconds = int((facts.taken - _LONG_AGO).total_seconds())
    for box in (b"mvhd", b"tkhd", b"mdhd"):
        at = film.index(box) + 8  # behind the name, its version and flags
        film[at : at + 8] = struct.pack(">II", seconds, seconds)
    return bytes(film) + struct.pack(">I4sQ", 16, b"mdat", number)
