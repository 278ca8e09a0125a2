"""From a picture file to two small WebP pictures: upright, sRGB, on white, first frame only.

Runs inside a worker process: the bytes are foreign, and decoders crash. Pillow decodes;
HEIC comes by pillow-heif, a film's frame by FFmpeg, and RAW is shown by the JPEG in it.
"""

from __future__ import annotations

import fcntl
import io
import logging
import math
import os
import resource
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import BinaryIO, Final

from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from errors import PictureError
from film_reader import draw_poster
from media_types import Kind, media_type_of
from raw_preview import extract_preview

MAX_PIXELS: Final = 300_000_000
"""What a header may announce. The largest cameras and stitched panoramas stay below."""
MAX_DECODED_BYTES: Final = 420_000_000
"""What the decoded picture may take where the process has no limit of its own."""
GRID_MAX_RATIO: Final = 3
"""A grid picture is at most this many times as long as it is wide; the cell crops it anyway."""

_STRIP_PIXELS: Final = 4_000_000
_BLANK_SHARE: Final = 0.98
_QUALITY: Final = 82
_EFFORT: Final = 2  # WebP method: twice as fast as the default of 4, 2 % larger
# Bytes a pixel takes at most on the way through `_to_plain_mode`; 4 for every other mode.
_MODE_BYTES: Final = MappingProxyType(
    {"1": 1, "L": 1, "P": 5, "PA": 8, "I;16": 3, "I;16L": 11, "I;16B": 11, "I": 12, "F": 8}
)
# Of formats whose decoders hold more than the picture they give: measured at 48 megapixels.
_FORMAT_BYTES: Final = MappingProxyType({"heic": 7, "avif": 8, "webp": 15, "jp2": 2})
_PROGRESSIVE_BYTES: Final = 4  # a progressive JPEG is held whole, as coefficients
_LARGE_BYTES: Final = 100_000_000
_MEMORY_SHARE: Final = 0.4
_MOST_HALVINGS: Final = 5  # JPEG 2000 holds the picture at halves of its size, mostly five
_ORIENTATION_TAG: Final = 0x0112
_UPRIGHT: Final = MappingProxyType(
    {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
)
_INVERSE: Final = MappingProxyType({6: 8, 8: 6})  # the others undo themselves
# What Pillow's decoders raise over malformed files, beside OSError for most of them.
_DECODER_ERRORS: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
)


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SmallPictures:
    """WebP files. `grid` has its shorter side at grid_px, `view` its longer one at view_px.

    None: was not wanted. colors: as of `read_colors`. seconds: how long they took, where somebody
    measured it.
    """

    grid: bytes | None
    view: bytes | None
    colors: str
    seconds: float = 0.0


def draw_small_pictures(
    path: str, file_type: str, orientation: int, grid_px: int, view_px: int
) -> SmallPictures:
    """The small pictures of one file from one decoding; never enlarged.

    grid_px, view_px: 0 where that one is not wanted.
    file_type: as `media_types` names it; only that format's decoder sees the bytes.
    orientation: the EXIF value to apply. HEIC and AVIF carry their own in the container,
        which counts instead; what an EXIF block in the file says never does.
    A file that ends early is drawn as far as it goes.

    Raises `PictureError` for what is no such picture, too large or wholly damaged, and
    `OSError` for a file that cannot be opened or read.
    """
    base = _draw_file(path, file_type, orientation, grid_px, view_px)
    view = _scale(base, min(1.0, view_px / max(base.size))) if view_px else base
    if not grid_px:
        return SmallPictures(grid=None, view=_encode(view), colors=_average(view))
    # The view is a good source for the grid picture unless it is already narrower.
    source = view if min(view.size) >= min(grid_px, *base.size) else base
    grid = _crop_length(_scale(source, min(1.0, grid_px / min(source.size))))
    shown = _encode(view) if view_px else None
    return SmallPictures(grid=_encode(grid), view=shown, colors=_average(grid))


def read_colors(path: str) -> str:
    """The colors of a small picture that was drawn before: `rrggbb` of the upper, middle and
    lower third of what a square cell shows of it. Raises `PictureError` where it is damaged.
    """
    try:
        with _open_regular_file(path) as file, Image.open(file, formats=["WEBP"]) as picture:
            return _average(picture.convert("RGB"))
    except _DECODER_ERRORS as error:
        raise PictureError(f"It cannot be decoded: {_words(error)}.") from error


def _average(picture: Image.Image) -> str:
    side = min(picture.size)
    left, top = ((length - side) / 2 for length in picture.size)
    thirds = picture.resize((1, 3), Image.Resampling.BOX, (left, top, left + side, top + side))
    return thirds.tobytes().hex()


def _draw_file(
    path: str, file_type: str, orientation: int, grid_px: int, view_px: int
) -> Image.Image:
    media_type = media_type_of(file_type)
    if media_type.kind == Kind.RAW:
        preview = io.BytesIO(extract_preview(path))
        return _draw_image(preview, "jpeg", orientation, grid_px, view_px, sensor=True)
    if not media_type.decoder:
        raise PictureError(f"Lightkeep has no decoder for {file_type.upper()}.")
    with _open_regular_file(path) as file:
        if media_type.kind == Kind.VIDEO:
            return draw_poster(file, media_type.decoder)
        return _draw_image(file, file_type, orientation, grid_px, view_px)


def _draw_image(
    file: BinaryIO,
    file_type: str,
    orientation: int,
    grid_px: int,
    view_px: int,
    *,
    sensor: bool = False,
) -> Image.Image:
    """`_draw_base`, of a damaged file as far as it goes; `sensor` as there."""
    try:
        return _draw_base(file, file_type, orientation, grid_px, view_px, sensor=sensor)
    except _DECODER_ERRORS as error:
        if file_type == "jp2":  # it may have fewer sizes of itself than were asked for
            with suppress(*_DECODER_ERRORS):
                file.seek(0)
                return _draw_base(file, file_type, orientation, grid_px, view_px, halvings=0)
        file.seek(0)
        return _draw_damaged(
            file, file_type, orientation, grid_px, view_px, cause=error, sensor=sensor
        )


@contextmanager
def _open_regular_file(path: str) -> Iterator[BinaryIO]:
    """Neither through a link nor waiting for a pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise PictureError("It is not a regular file.")
        yield file


def _draw_base(
    file: BinaryIO,
    file_type: str,
    orientation: int,
    grid_px: int,
    view_px: int,
    *,
    sensor: bool = False,
    halvings: int = _MOST_HALVINGS,
) -> Image.Image:
    """The first frame, upright, as RGB, large enough for the small pictures.

    sensor: it is what a camera's sensor saw, which lies on its broad side: one that stands
        upright has been turned by whoever put it into the RAW file.
    """
    with _open_picture(file, file_type) as picture:
        picture.seek(0)
        width, height = picture.size
        if sensor and width < height:
            orientation = 1
        factor = min(1.0, max(view_px / max(picture.size), grid_px / min(picture.size)))
        target = (max(1, round(width * factor)), max(1, round(height * factor)))
        stored_pixels = width * height
        picture.draft(picture.mode, target)
        if isinstance(picture, Jpeg2KImageFile) and not ImageFile.LOAD_TRUNCATED_IMAGES:
            picture.reduce = min(halvings, int(math.log2(1 / factor)))
        needed = _check_size(picture, file_type, stored_pixels)
        with _take_turn(needed):
            own_orientation = picture.getexif().get(_ORIENTATION_TAG, 1)  # of PNG it loads as well
            picture.load()
            profile = picture.info.get("icc_profile")
            plain = _to_gray(picture, target) if picture.mode == "1" else _to_plain_mode(picture)
            scaled = plain.resize(target, Image.Resampling.LANCZOS, reducing_gap=2.0)
            del plain
            picture.im = None  # type: ignore[assignment]
    flat = _to_srgb_on_white(scaled, profile)
    for step in _orientation_steps(file_type, own_orientation, orientation):
        if step in _UPRIGHT:
            flat = flat.transpose(_UPRIGHT[step])
    return flat


def _orientation_steps(file_type: str, own: int, wanted: int) -> tuple[int, ...]:
    """The EXIF orientations to apply, in order, to what the decoder gave."""
    if file_type == "heic":  # libheif has applied the container's rotation
        return ()
    if file_type == "avif":  # Pillow hands on the container's rotation as this tag
        return (own,)
    if file_type == "tiff":  # Pillow has applied the tag: undo it where it is not what counts
        return () if own == wanted else (_INVERSE.get(own, own), wanted)
    return (wanted,)


def _draw_damaged(
    file: BinaryIO,
    file_type: str,
    orientation: int,
    grid_px: int,
    view_px: int,
    *,
    cause: Exception,
    sensor: bool,
) -> Image.Image:
    """What there is of a file that does not decode to its end."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        base = _draw_base(file, file_type, orientation, grid_px, view_px, sensor=sensor)
    except _DECODER_ERRORS as error:
        raise PictureError(f"It cannot be decoded: {_words(error)}.") from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    # The part that is missing has one color; so has a picture of which next to nothing is left.
    colors = base.resize((64, 64), Image.Resampling.NEAREST).getcolors(64 * 64)
    if max(count for count, _ in colors or [(0, 0)]) > _BLANK_SHARE * 64 * 64:
        raise PictureError(f"Nothing of it can be decoded: {_words(cause)}.") from cause
    return base


def _words(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "its bytes are not a picture of this kind"
    return str(error).rstrip(".") or type(error).__name__


def _open_picture(file: BinaryIO, file_type: str) -> Image.Image:
    if file_type == "heic":
        import pillow_heif  # late: it takes longer to load than most pictures to draw

        pillow_heif.register_heif_opener(thumbnails=False)
    Image.MAX_IMAGE_PIXELS = None  # `_check_size` is the limit, and no mere warning
    picture = Image.open(file, formats=[media_type_of(file_type).decoder])
    if picture.width * picture.height > MAX_PIXELS:
        raise PictureError(
            f"It has {picture.width} × {picture.height} pixels; "
            f"more than {MAX_PIXELS // 1_000_000} megapixels are not drawn."
        )
    return picture


@contextmanager
def _take_turn(needed: int) -> Iterator[None]:
    """One large picture at a time on this machine, whatever the number of workers."""
    if needed <= _LARGE_BYTES:
        yield
        return
    with open(__file__, "rb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def _check_size(picture: Image.Image, file_type: str, stored_pixels: int) -> int:
    """Before decoding, and after `draft` has chosen the size of a JPEG."""
    needed = picture.width * picture.height * _MODE_BYTES.get(picture.mode, 4)
    needed = max(needed, stored_pixels * _FORMAT_BYTES.get(file_type, 0))
    if "progressive" in picture.info:
        needed = max(needed, stored_pixels * _PROGRESSIVE_BYTES)
    if needed > _allowed_bytes():
        raise PictureError(
            f"It has {picture.width} × {picture.height} pixels, "
            f"which would take {needed // 1_000_000} MB of memory."
        )
    return needed


def _allowed_bytes() -> int:
    """What a decoded picture may take: a share of what this process may."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return MAX_DECODED_BYTES if limit == resource.RLIM_INFINITY else int(limit * _MEMORY_SHARE)


def _to_plain_mode(picture: Image.Image) -> Image.Image:
    """The picture in a mode that can be scaled: L, RGB, CMYK, LAB, or LA and RGBA."""
    mode = picture.mode
    if mode.startswith("I") or mode == "F":
        return _to_8_bits(picture)
    if mode in ("PA", "La", "RGBa") or (mode != "LA" and "transparency" in picture.info):
        return picture.convert("RGBA")
    if mode not in ("L", "LA", "RGB", "RGBA", "CMYK", "LAB"):
        return picture.convert("RGB")
    return picture


def _to_gray(picture: Image.Image, target: tuple[int, int]) -> Image.Image:
    """One bit a pixel as gray, not much larger than `target` needs.

    Strip by strip: a scan of 300 megapixels as gray would take as much memory again.
    """
    width, height = picture.size
    factor = max(1, min(width // target[0], height // target[1]) // 2)
    gray = Image.new("L", (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, _STRIP_PIXELS // (width * factor))
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(height, top + rows))).convert("L")
        gray.paste(strip.reduce(factor), (0, top // factor))
    return gray


def _to_8_bits(picture: Image.Image) -> Image.Image:
    """Grayscale of 16 or 32 bits or of floats; Pillow's own conversion would clip it at 255.

    The range is what the format holds; for 32 bits and floats, where hardly a file uses
    it, the range that the picture uses.
    """
    if picture.mode == "I;16":
        return picture.point(lambda value: value / 257, "L")
    if picture.mode.startswith("I;16"):  # Pillow has no table look-up for the other byte order
        return picture.convert("I").point(lambda value: value * (255 / 65535)).convert("L")
    low, high = (float(value) for value in _extrema(picture))
    low = min(low, 0.0)
    ranges = (255.0, 65535.0) if picture.mode == "I" else (1.0, 255.0, 65535.0)
    high = next((top for top in ranges if high <= top), high)
    scale = 255.0 / (high - low)
    return picture.convert("F").point(lambda value: value * scale - low * scale).convert("L")


def _extrema(picture: Image.Image) -> tuple[float, float]:
    low, high = picture.getextrema()
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    return low, high


def _to_srgb_on_white(picture: Image.Image, profile: object) -> Image.Image:
    alpha = picture.getchannel("A") if picture.mode in ("LA", "RGBA") else None
    opaque = picture.convert(picture.mode[:-1]) if alpha is not None else picture
    color = _to_srgb(opaque, profile)
    if alpha is None:
        return color
    white = Image.new("RGB", color.size, "white")
    white.paste(color, mask=alpha)
    return white


def _to_srgb(picture: Image.Image, profile: object) -> Image.Image:
    """By the ICC profile where there is one that fits; a broken one is as good as none."""
    if picture.mode == "LAB":
        return _transform(picture, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    if isinstance(profile, bytes) and profile:
        try:
            return _transform(picture, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
        except (ImageCms.PyCMSError, OSError, ValueError):
            log.debug("an ICC profile does not fit its picture; it is ignored")
    return picture.convert("RGB")


def _transform(picture: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    transformed = ImageCms.profileToProfile(
        picture,
        profile,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert transformed is not None
    return transformed


def _scale(picture: Image.Image, factor: float) -> Image.Image:
    if factor >= 1:
        return picture
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _crop_length(picture: Image.Image) -> Image.Image:
    """The middle of a panorama: nobody sees its ends in a square cell."""
    limit = min(picture.size) * GRID_MAX_RATIO
    left, top = (max(0, length - limit) // 2 for length in picture.size)
    right, bottom = (min(length, limit) for length in picture.size)
    return picture.crop((left, top, left + right, top + bottom))


def _encode(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=_QUALITY, method=_EFFORT)
    return buffer.getvalue()
