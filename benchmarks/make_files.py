"""Makes files to measure with: JPEGs of about 60 KB, each with pixels of its own.

They are crops of a few drawn and grained pictures, with the dates, cameras and ratings of a
family's library. The same number of files is the same files; making 10,000 takes a minute.
"""

from __future__ import annotations

import json
import os
import random
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image, ImageFilter

SIZE_PX: Final = (800, 600)
BASE_PX: Final = (1600, 1200)
BASES: Final = 6
QUALITY: Final = 74
FILES_PER_FOLDER: Final = 200
BATCH: Final = 250
VERSION: Final = 1  # of the files; another number makes them anew
CAMERAS: Final = (("Kestrel", "Kestrel C3"), ("Heron", "Heron 70D"), ("Wren", "Wren Phone 6"))
RATING_SHARE: Final = 0.05
MARKER: Final = ".made"


@cache
def draw_base(number: int) -> Image.Image:
    """Soft spots of color, edges over them, and grain: what makes a photo hard to compress."""
    rng = random.Random(number)
    image = Image.frombytes("RGB", (8, 6), rng.randbytes(8 * 6 * 3))
    image = image.resize(BASE_PX, Image.Resampling.BICUBIC)
    for cells, share in (((40, 30), 0.25), ((160, 120), 0.2)):
        detail = Image.frombytes("RGB", cells, rng.randbytes(cells[0] * cells[1] * 3))
        image = Image.blend(image, detail.resize(BASE_PX, Image.Resampling.BICUBIC), share)
    grain = Image.frombytes("L", BASE_PX, rng.randbytes(BASE_PX[0] * BASE_PX[1]))
    soft = grain.filter(ImageFilter.GaussianBlur(0.7)).convert("RGB")
    return Image.blend(image, soft, 0.12)


def encode_file(number: int) -> bytes:
    """The bytes of file `number`."""
    rng = random.Random(number)
    base = draw_base(number % BASES)
    left = rng.randrange(BASE_PX[0] - SIZE_PX[0])
    top = rng.randrange(BASE_PX[1] - SIZE_PX[1])
    image = base.crop((left, top, left + SIZE_PX[0], top + SIZE_PX[1]))
    # The number as a row of blocks that JPEG keeps apart: two crops may fall together.
    for bit in range(24):
        if number >> bit & 1:
            image.paste((0, 0, 0), (bit * 16, 0, bit * 16 + 16, 16))
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = rng.choice(CAMERAS)
    exif[0x0112] = rng.choice((1, 1, 1, 1, 6, 8, 3))
    taken = datetime.fromisoformat("2005-01-01T08:00") + timedelta(minutes=rng.randrange(10**7))
    sub_ifd = exif.get_ifd(0x8769)
    sub_ifd[0x9003] = sub_ifd[0x9004] = taken.strftime("%Y:%m:%d %H:%M:%S")
    if rng.random() < RATING_SHARE:
        exif[0x4746] = rng.randint(1, 5)
    stream = BytesIO()
    image.save(stream, "JPEG", quality=QUALITY, exif=exif)
    return stream.getvalue()


def write_files(folder: Path, first: int, last: int) -> None:
    for number in range(first, last):
        path = folder / f"{number // FILES_PER_FOLDER:04}" / f"IMG_{number:06}.JPG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_file(number))


def make_files(folder: Path, count: int) -> Path:
    """`count` files below `folder`, in a folder of their own that is kept for the next time."""
    target = folder / f"files-{count}-v{VERSION}"
    marker = target / MARKER
    if marker.exists():
        return target
    firsts = range(0, count, BATCH)
    lasts = [min(first + BATCH, count) for first in firsts]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        # list() so that the error of a worker is raised here.
        list(pool.map(write_files, [target] * len(firsts), firsts, lasts))
    marker.write_text(json.dumps({"files": count}))
    return target
