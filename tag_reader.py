"""The fast reader: size and tags of a picture from its headers, without decoding a pixel.

Pillow and pillow-heif open the containers; what the tags say is read strictly (`exif_block`,
`xmp_reader`). Whenever something looks odd the reading is `unsure`, and ExifTool is asked.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pillow_heif import HeifImageFile

from exif_block import TAG_IPTC, TAG_PHOTOSHOP, TAG_XMP, ExifReading, read_exif_block, read_tiff
from film_reader import read_film
from media_types import MEDIA_TYPES, Kind
from metadata import ORIENTATION_TAG, SIZE_TAGS, TURNED_BY_DECODER, TagValue
from xmp_reader import read_xmp

# Decoders are called by name, past `Image.open`: bytes meet only the decoder of their own
# format, and Pillow's limit of pixels, meant for decoding, does not keep the size from us.
_DECODERS: Final[dict[str, Callable[[BinaryIO], Image.Image]]] = {
    "jpeg": JpegImageFile,
    "png": PngImageFile,
    "gif": GifImageFile,
    "webp": WebPImageFile,
    "tiff": TiffImageFile,
    "heic": HeifImageFile,
    "avif": AvifImageFile,
    "jp2": Jpeg2KImageFile,
    "bmp": BmpImageFile,
}

_REFUSALS: Final = (
    ArithmeticError,
    AttributeError,
    EOFError,
    Image.DecompressionBombError,
    LookupError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What the decoders raise over bad bytes, besides `OSError` without a number."""

_XMP_HEADER: Final = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED_XMP_HEADER: Final = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP_HEADER: Final = b"Photoshop 3.0\0"
_IPTC_RESOURCE: Final = b"8BIM\x04\x04"
_ORIENTATION: Final = 0x0112
_PNG_SIGNATURE_BYTES: Final = 8
_PNG_XMP_KEYWORD: Final = b"XML:com.adobe.xmp"
_PNG_DATE_KEYWORDS: Final = frozenset({b"creation time", b"create-date"})
_MAX_CHUNK_BYTES: Final = 16 * 1024 * 1024
_MAX_META_BYTES: Final = 1024 * 1024
_MAX_CHUNKS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class FastReading:
    """Tags as ExifTool spells them; `unsure` says why ExifTool had better be asked.

    damage: what keeps the file from being shown, as a sentence, where the reader saw that.
    """

    tags: dict[str, TagValue]
    unsure: str | None
    damage: str | None = None


@dataclass(slots=True)
class _Blocks:
    """What a container holds: EXIF and XMP blocks as found, and reasons to be unsure.

    iptc: whether there is IPTC, which only ExifTool reads.
    """

    exif: list[bytes] = field(default_factory=list)
    xmp: list[bytes] = field(default_factory=list)
    iptc: bool = False
    other_dates: bool = False
    oddities: list[str] = field(default_factory=list)


def read_tags(file: BinaryIO, file_type: str) -> FastReading:
    """Read the tags of the picture that `file` begins with; a format's name tells the decoder.

    A damaged picture makes the reading unsure, it raises nothing; errors of the disk
    (`OSError` with a number) are raised. Of RAW and films the reader knows enough to go on
    without ExifTool, and never so much that it is sure.
    """
    media_type = MEDIA_TYPES[file_type]
    if media_type.kind == Kind.VIDEO:
        tags, trouble = read_film(file, media_type.decoder)
        return FastReading(dict(tags), trouble or "a film", trouble)
    if file_type not in _DECODERS:
        return _read_undrawn(file, file_type)
    return _read_image(file, file_type)


def _read_image(file: BinaryIO, file_type: str) -> FastReading:
    blocks = _Blocks()
    tags: dict[str, TagValue] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        image = _open_image(file, file_type, blocks)
        if image is not None:
            tags.update(
                zip(SIZE_TAGS[file_type], _shown_or_stored_size(image, file_type), strict=True)
            )
        exif = _collect(file, file_type, image, blocks)
    blocks.oddities += [f"Pillow: {str(item.message)[:200]}" for item in caught]
    _add_exif(tags, exif, blocks)
    _add_xmp(tags, blocks)
    if file_type in TURNED_BY_DECODER:
        tags.pop(ORIENTATION_TAG, None)
    _check_dates(tags, blocks)
    return FastReading(tags, "; ".join(dict.fromkeys(blocks.oddities))[:500] or None)


def _read_undrawn(file: BinaryIO, file_type: str) -> FastReading:
    """What has no decoder here: RAW, of which most is built as TIFF, and JPEG XL."""
    file.seek(0)
    is_tiff = file.read(4) in (b"II*\0", b"MM\0*")
    blocks = _Blocks()
    tags: dict[str, TagValue] = {}
    if is_tiff:
        _add_exif(tags, _read_tiff_file(file, blocks), blocks)
        _add_xmp(tags, blocks)
    return FastReading(tags, f"{file_type.upper()} is for ExifTool to read")


def _open_image(file: BinaryIO, file_type: str, blocks: _Blocks) -> Image.Image | None:
    """The opened, not decoded, picture; None (and an oddity) where its decoder refuses."""
    file.seek(0)
    try:
        return _DECODERS[file_type](file)
    except OSError as error:
        if error.errno is not None:
            raise
        blocks.oddities.append(f"not opened: {str(error)[:200]}")
    except _REFUSALS as error:
        blocks.oddities.append(f"not opened: {type(error).__name__}: {str(error)[:200]}")
    return None


def _shown_or_stored_size(image: Image.Image, file_type: str) -> tuple[int, int]:
    """Width and height as stored, but as shown where the container itself turns the picture.

    libheif says the size as turned. Pillow's AVIF decoder says it as stored, and puts what
    the container says into the orientation, over what EXIF says; its TIFF decoder says it as
    turned by the tag, which is not yet to be followed here.
    """
    width, height = image.size
    orientation = 1
    if file_type == "avif":
        orientation = image.getexif().get(_ORIENTATION, 1)
    elif isinstance(image, TiffImageFile):
        orientation = image.tag_v2.get(_ORIENTATION, 1)
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


# -- containers to blocks --------------------------------------------------------------------


def _collect(
    file: BinaryIO, file_type: str, image: Image.Image | None, blocks: _Blocks
) -> ExifReading:
    """Find the blocks of a container, and read what EXIF it holds."""
    if file_type == "tiff":
        return _read_tiff_file(file, blocks)
    if file_type == "png":
        _collect_png(file, blocks)
    elif file_type == "gif":
        _collect_gif(file, blocks)
    elif file_type == "jp2":
        blocks.oddities.append("ExifTool alone looks into the boxes of JPEG 2000")
    elif isinstance(image, JpegImageFile):
        _collect_jpeg(image, blocks)
    elif image is not None:
        _collect_info(image, blocks)
        if file_type in TURNED_BY_DECODER and not blocks.exif:
            _check_no_exif(file, blocks)
    return _read_exif_blocks(blocks)


def _collect_jpeg(image: JpegImageFile, blocks: _Blocks) -> None:
    for name, content in image.applist:
        data = content if isinstance(content, bytes) else b""
        if name == "APP1":
            if data.startswith(b"Exif\0"):
                blocks.exif.append(data)
            elif data.startswith(_XMP_HEADER):
                blocks.xmp.append(data[len(_XMP_HEADER) :])
            elif not data.startswith(_EXTENDED_XMP_HEADER):
                blocks.oddities.append("an APP1 segment of an unknown kind")
        elif name == "APP13" and data.startswith(_PHOTOSHOP_HEADER):
            blocks.iptc = blocks.iptc or _IPTC_RESOURCE in data


def _collect_info(image: Image.Image, blocks: _Blocks) -> None:
    """WebP, HEIC and AVIF, whose decoders hand out the blocks."""
    exif, xmp = image.info.get("exif"), image.info.get("xmp")
    if isinstance(exif, bytes) and exif:
        blocks.exif.append(exif)
    if isinstance(xmp, (bytes, str)) and xmp:
        blocks.xmp.append(xmp if isinstance(xmp, bytes) else xmp.encode())
    # What pillow-heif leaves here is neither EXIF nor XMP.
    blocks.iptc = bool(image.info.get("metadata"))


def _check_no_exif(file: BinaryIO, blocks: _Blocks) -> None:
    """libheif drops an EXIF item without a word where the item's boxes are a little off."""
    file.seek(0)
    if b"Exif" in file.read(_MAX_META_BYTES):
        blocks.oddities.append("the EXIF item cannot be reached")


def _collect_png(file: BinaryIO, blocks: _Blocks) -> None:
    """Pillow would decode the picture to reach what stands behind it, so chunks are walked."""
    for kind, length in _walk_png(file, blocks):
        if kind == b"eXIf":
            blocks.exif.append(file.read(min(length, _MAX_CHUNK_BYTES)))
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            _collect_png_text(kind, file.read(min(length, _MAX_CHUNK_BYTES)), blocks)


def _walk_png(file: BinaryIO, blocks: _Blocks) -> Iterator[tuple[bytes, int]]:
    """Each chunk's type and length, with the file at its content."""
    position = _PNG_SIGNATURE_BYTES
    for _ in range(_MAX_CHUNKS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            break
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"IEND":
            return
        yield kind, length
        position += length + 12
    blocks.oddities.append("the PNG ends before its end")


def _collect_png_text(kind: bytes, data: bytes, blocks: _Blocks) -> None:
    keyword, _, content = data.partition(b"\0")
    if kind == b"iTXt" and keyword == _PNG_XMP_KEYWORD:
        compressed, rest = content[:1] == b"\1", content[2:]
        packet = rest.partition(b"\0")[2].partition(b"\0")[2]
        if compressed:
            blocks.oddities.append("the XMP is compressed")
        else:
            blocks.xmp.append(packet)
    elif keyword.lower().startswith(b"raw profile type"):
        blocks.oddities.append("the PNG holds a profile of the old kind")
    elif keyword.lower() in _PNG_DATE_KEYWORDS:
        blocks.other_dates = True


def _collect_gif(file: BinaryIO, blocks: _Blocks) -> None:
    """GIF keeps XMP bare in an application extension, which Pillow does not hand out."""
    file.seek(6)
    flags = file.read(7)[4:5]
    position = 13 + (3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0)
    while True:
        file.seek(position)
        head = file.read(14)
        if head[:1] == b";":
            return
        if head[:3] == b"\x21\xff\x0b" and head[3:] == b"XMP DataXMP":
            packet = file.read(_MAX_CHUNK_BYTES)
            end = packet.find(b"<?xpacket end=")
            if end < 0:
                blocks.oddities.append("the GIF's XMP has no end")
                return
            blocks.xmp.append(packet[: packet.find(b"?>", end) + 2])
            position = _skip_sub_blocks(file, position + 14)
        elif head[:1] == b"\x21":
            position = _skip_sub_blocks(file, position + 2)
        elif head[:1] == b",":
            flags_of_frame = head[9] if len(head) > 9 else 0
            table = 3 << (flags_of_frame & 7) + 1 if flags_of_frame & 0x80 else 0
            position = _skip_sub_blocks(file, position + 11 + table)
        else:
            blocks.oddities.append("the GIF ends before its end")
            return


def _skip_sub_blocks(file: BinaryIO, position: int) -> int:
    """Where the chain of sub-blocks at `position` ends."""
    while True:
        file.seek(position)
        length = file.read(1)
        if not length or length == b"\0":
            return position + 1
        position += 1 + length[0]


def _read_tiff_file(file: BinaryIO, blocks: _Blocks) -> ExifReading:
    """A TIFF file is an EXIF block that also holds the other kinds as tags."""
    reading = read_tiff(file, file.seek(0, 2))
    if TAG_XMP in reading.blocks:
        blocks.xmp.append(reading.blocks[TAG_XMP])
    blocks.iptc = TAG_IPTC in reading.blocks or _IPTC_RESOURCE in reading.blocks.get(
        TAG_PHOTOSHOP, b""
    )
    return reading


# -- blocks to tags --------------------------------------------------------------------------


def _read_exif_blocks(blocks: _Blocks) -> ExifReading:
    if not blocks.exif:
        return ExifReading()
    if len(blocks.exif) > 1:
        blocks.oddities.append("several EXIF blocks")
    return read_exif_block(blocks.exif[0])


def _add_exif(tags: dict[str, TagValue], exif: ExifReading, blocks: _Blocks) -> None:
    tags.update(exif.tags)
    blocks.oddities += exif.oddities


def _add_xmp(tags: dict[str, TagValue], blocks: _Blocks) -> None:
    for packet in blocks.xmp:
        try:
            found = read_xmp(packet)
        except ValueError as error:
            blocks.oddities.append(str(error))
            continue
        for name, value in found.items():
            if tags.setdefault(name, value) != value:
                blocks.oddities.append(f"several values of {name}")


def _check_dates(tags: dict[str, TagValue], blocks: _Blocks) -> None:
    """A date may stand where only ExifTool looks; it matters unless EXIF has one."""
    if "ExifIFD:DateTimeOriginal" in tags or "ExifIFD:CreateDate" in tags:
        return
    if blocks.iptc:
        blocks.oddities.append("IPTC, and no date in EXIF")
    if blocks.other_dates:
        blocks.oddities.append("a date in a PNG text, and none in EXIF")
