"""The one list of formats: suffixes, signature, MIME type and who can show them.

What a file is, its bytes say (`detect_format`); the suffix only decides whether the walk
looks at it at all, and which camera's RAW a TIFF structure is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

SIGNATURE_BYTES: Final = 1024
"""How many leading bytes `detect_format` wants to see: three packets of an MPEG stream."""


class Kind(StrEnum):
    """What a person calls it, and so how it is shown."""

    IMAGE = "image"
    RAW = "raw"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class MediaType:
    """A format: `name` is the value of `photos.file_type`, as ExifTool's FileType in lower case.

    decoder: what alone may look at such bytes: of an image Pillow's format name, of a video
        FFmpeg's demuxer. RAW is shown by the JPEG in it. Empty: nothing here can draw it.
    shown_by_browsers: whether browsers draw or play the original; other images are shown by
        their 1600 px preview, other videos by their poster frame.
    """

    name: str
    mime: str
    suffixes: tuple[str, ...]
    shown_by_browsers: bool
    decoder: str
    kind: Kind = Kind.IMAGE


def _raw(name: str, mime: str) -> MediaType:
    return MediaType(name, mime, (f".{name}",), shown_by_browsers=False, decoder="", kind=Kind.RAW)


def _video(
    name: str, mime: str, suffixes: tuple[str, ...], demuxer: str, *, played: bool = False
) -> MediaType:
    return MediaType(name, mime, suffixes, played, demuxer, Kind.VIDEO)


MEDIA_TYPES: Final = MappingProxyType(
    {
        media_type.name: media_type
        for media_type in (
            MediaType("jpeg", "image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"), True, "JPEG"),
            MediaType("png", "image/png", (".png",), True, "PNG"),
            MediaType("gif", "image/gif", (".gif",), True, "GIF"),
            MediaType("webp", "image/webp", (".webp",), True, "WEBP"),
            MediaType("tiff", "image/tiff", (".tif", ".tiff"), False, "TIFF"),
            MediaType("heic", "image/heic", (".heic", ".heif", ".hif"), False, "HEIF"),
            MediaType("avif", "image/avif", (".avif",), True, "AVIF"),
            MediaType("jp2", "image/jp2", (".jp2", ".jpf", ".jpx", ".j2k"), False, "JPEG2000"),
            MediaType("bmp", "image/bmp", (".bmp",), True, "BMP"),
            MediaType("jxl", "image/jxl", (".jxl",), False, ""),
            _raw("cr2", "image/x-canon-cr2"),
            _raw("cr3", "image/x-canon-cr3"),
            _raw("nef", "image/x-nikon-nef"),
            _raw("arw", "image/x-sony-arw"),
            _raw("dng", "image/x-adobe-dng"),
            _raw("orf", "image/x-olympus-orf"),
            _raw("rw2", "image/x-panasonic-rw2"),
            _raw("raf", "image/x-fujifilm-raf"),
            _raw("pef", "image/x-pentax-pef"),
            _raw("srw", "image/x-samsung-srw"),
            _video("mp4", "video/mp4", (".mp4",), "mov", played=True),
            _video("m4v", "video/mp4", (".m4v",), "mov", played=True),
            _video("mov", "video/quicktime", (".mov",), "mov", played=True),
            _video("3gp", "video/3gpp", (".3gp",), "mov", played=True),
            _video("mkv", "video/x-matroska", (".mkv",), "matroska", played=True),
            _video("webm", "video/webm", (".webm",), "matroska", played=True),
            _video("avi", "video/x-msvideo", (".avi",), "avi"),
            _video("m2ts", "video/mp2t", (".mts", ".m2ts"), "mpegts"),
            _video("mpeg", "video/mpeg", (".mpg", ".mpeg"), "mpeg"),
            _video("wmv", "video/x-ms-wmv", (".wmv",), "asf"),
        )
    }
)

XMP_RATING: Final = "XMP-xmp:Rating"
_EXIF_RATING: Final = ("IFD0:Rating", "IFD0:RatingPercent")
_RATING_TAGS: Final = MappingProxyType(
    {
        "jpeg": (XMP_RATING, *_EXIF_RATING),  # Explorer looks into EXIF
        "tiff": (XMP_RATING, *_EXIF_RATING),
        "png": (XMP_RATING,),
        "webp": (XMP_RATING,),
        "gif": (XMP_RATING,),
        "heic": (XMP_RATING,),
        "avif": (XMP_RATING,),
        "mp4": (XMP_RATING,),
        "m4v": (XMP_RATING,),
        "mov": (XMP_RATING,),
        "3gp": (XMP_RATING,),
    }
)
_BOXES: Final = frozenset({"heic", "avif", "mp4", "m4v", "mov", "3gp"})
_SAFE_FOR_BOXES: Final = (13, 25)
"""ExifTools before it damage HEICs of newer iPhones and some QuickTime files."""

_KIND_OF_SUFFIX: Final = MappingProxyType(
    {
        suffix: media_type.kind
        for media_type in MEDIA_TYPES.values()
        for suffix in media_type.suffixes
    }
)
MEDIA_SUFFIXES: Final = _KIND_OF_SUFFIX.keys()

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_MOVIE_BRANDS = MappingProxyType(
    {b"qt  ": "mov", b"crx ": "cr3", b"M4V ": "m4v", b"M4VH": "m4v", b"M4VP": "m4v"}
)
_OLD_QUICKTIME_BOXES = frozenset({b"moov", b"mdat", b"wide", b"pnot", b"free", b"skip"})
"""What a QuickTime film of before 2001 begins with, which has no `ftyp`."""

_TIFF_RAW = frozenset({"nef", "arw", "dng", "pef", "srw"})
"""RAW formats that begin as any TIFF does."""

_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (b"\xff\x0a", "jxl"),
    (b"FUJIFILMCCD-RAW", "raf"),
    (b"IIRO", "orf"),
    (b"IIRS", "orf"),
    (b"MMOR", "orf"),
    (b"IIU\0", "rw2"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", "wmv"),
    (b"\0\0\1\xba", "mpeg"),
)
_TIFF_SIGNATURES: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_EBML: Final = b"\x1a\x45\xdf\xa3"
_BMP_HEADER_BYTES: Final = frozenset({12, 40, 52, 56, 64, 108, 124})
_TS_SYNC: Final = 0x47


def is_media_name(name: str) -> bool:
    """Whether a file of this name is one that the walk looks at: a known suffix, any case."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in MEDIA_SUFFIXES


def kind_of_name(name: str) -> Kind | None:
    """The kind that a file's suffix promises."""
    return _KIND_OF_SUFFIX.get(name[name.rfind(".") :].lower())


def media_type_of(file_type: str) -> MediaType:
    """The format of a row; a row that another program left may name one that there is not."""
    known = MEDIA_TYPES.get(file_type)
    return known or MediaType(file_type, "application/octet-stream", (), False, "")


NEWEST_EXIFTOOL: Final = (99, 99)


def rating_tags_of(file_type: str, exiftool: tuple[int, int]) -> tuple[str, ...]:
    """The tags that hold a rating in files of this format; none where a sidecar must hold it.

    exiftool: the version that is to write. RAW is never written into.
    """
    if file_type in _BOXES and exiftool < _SAFE_FOR_BOXES:
        return ()
    return _RATING_TAGS.get(file_type, ())


def kind_of(file_type: str) -> Kind:
    """The kind of a row's `file_type`."""
    return media_type_of(file_type).kind


def detect_format(head: bytes, file_name: str = "") -> str | None:
    """The format whose signature `head` (the first `SIGNATURE_BYTES`) carries, or None.

    The name decides only among formats that share the signature of TIFF.
    """
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head.startswith(_TIFF_SIGNATURES):
        return _detect_tiff(head, file_name)
    if head.startswith(b"RIFF"):
        return {b"WEBP": "webp", b"AVI ": "avi"}.get(head[8:12])
    if head.startswith(_EBML):
        return _detect_matroska(head)
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADER_BYTES:
        return "bmp"
    if _is_transport_stream(head):
        return "m2ts"
    return _detect_boxes(head)


def _detect_tiff(head: bytes, file_name: str) -> str:
    if head[8:10] == b"CR" and head[:2] == b"II":
        return "cr2"
    suffix = file_name.rpartition(".")[2].lower()
    return suffix if suffix in _TIFF_RAW else "tiff"


def _detect_matroska(head: bytes) -> str | None:
    """The DocType of the EBML header (RFC 8794), element 0x4282."""
    at = head.find(b"\x42\x82")
    if at < 0:
        return None
    doc_type = head[at + 3 : at + 3 + (head[at + 2] & 0x7F if at + 2 < len(head) else 0)]
    return {b"webm": "webm", b"matroska": "mkv"}.get(doc_type.rstrip(b"\0"))


def _is_transport_stream(head: bytes) -> bool:
    """Packets of 188 bytes, on discs and cameras with a time stamp of 4 before each."""
    return any(
        len(head) > start + 2 * length
        and all(head[start + number * length] == _TS_SYNC for number in range(3))
        for start, length in ((0, 188), (4, 192))
    )


def _detect_boxes(head: bytes) -> str | None:
    """ISO base media: the major brand decides; `mif1`, `msf1` leave it to the others."""
    if head[4:8] in _OLD_QUICKTIME_BOXES:
        return "mov"
    if head[4:8] != b"ftyp":
        return None
    end = min(len(head), int.from_bytes(head[:4], "big"))
    major = head[8:12]
    compatible = {head[i : i + 4] for i in range(16, end - 3, 4)}
    if major in _AVIF_BRANDS or (major in (b"mif1", b"msf1") and compatible & _AVIF_BRANDS):
        return "avif"
    if major in _HEIC_BRANDS:
        return "heic"
    if major.startswith(b"3g"):
        return "3gp"
    return _MOVIE_BRANDS.get(major, "mp4")
