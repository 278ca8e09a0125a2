"""Small pictures made in code, for tests that need photo files."""

from __future__ import annotations

import os
from pathlib import Path

import av
from PIL import Image

DATE_TIME_ORIGINAL = 0x9003
EXIF_IFD = 0x8769
RATING = 0x4746
ORIENTATION = 0x0112
LONG_AGO_NS = 1_300_000_000_000_000_000


def make_jpeg(
    path: Path,
    seed: int = 0,
    *,
    date: str | None = None,
    rating: int | None = None,
    orientation: int | None = None,
    size: tuple[int, int] = (48, 32),
) -> Path:
    """A JPEG whose picture follows from `seed`; `date` as EXIF writes it."""
    image = Image.new("RGB", size, (seed * 37 % 256, seed * 101 % 256, seed * 13 % 256))
    image.putpixel((seed % size[0], seed // size[0] % size[1]), (255, 255, 255))
    exif = Image.Exif()
    if date:
        exif.get_ifd(EXIF_IFD)[DATE_TIME_ORIGINAL] = date
    if rating is not None:
        exif[RATING] = rating
    if orientation is not None:
        exif[ORIENTATION] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "JPEG", quality=95, exif=exif)
    os.utime(path, ns=(LONG_AGO_NS + seed, LONG_AGO_NS + seed))
    return path


def make_film(path: Path, container: str, codec: str, *, color: str = "teal") -> Path:
    """A film of one second, 64 x 48, by FFmpeg's name for the container and the codec."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=container) as film:
        stream = film.add_stream(codec, rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        picture = Image.new("RGB", (64, 48), color)
        for _ in range(10):
            frame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return path
