"""The one list of picture formats: suffixes, signature, MIME type and who can show them.

What a file is, its bytes say (`detect_format`); the suffix only decides whether the walk
looks at it at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

SIGNATURE_BYTES: Final = 64
"""How many leading bytes `detect_format` wants to see (an `ftyp` box with its brands)."""


@dataclass(frozen=True, slots=True)
class MediaType:
    """A format: `name` is the value of `photos.file_type`, as ExifTool's FileType in lower case."""

    name: str
    mime: str
    suffixes: tuple[str, ...]
    shown_by_browsers: bool
    """Whether browsers draw the original; the others are shown by their 1600 px preview."""
    pillow_format: str
    """The name of Pillow's decoder, the only one that may look at such bytes."""


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
        )
    }
)

PHOTO_SUFFIXES: Final = frozenset(
    suffix for media_type in MEDIA_TYPES.values() for suffix in media_type.suffixes
)

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)


def is_photo_name(name: str) -> bool:
    """Whether a file of this name is one that the walk looks at: a known suffix, any case."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in PHOTO_SUFFIXES


def detect_format(head: bytes) -> str | None:
    """The format whose signature `head` (the first `SIGNATURE_BYTES`) carries, or None."""
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "tiff"
    return _detect_heif(head)


def _detect_heif(head: bytes) -> str | None:
    """ISO/IEC 23008-12: the major brand decides; `mif1`, `msf1` leave it to the others."""
    if head[4:8] != b"ftyp":
        return None
    end = min(len(head), int.from_bytes(head[:4], "big"))
    major = head[8:12]
    compatible = {head[i : i + 4] for i in range(16, end - 3, 4)}
    if major in _AVIF_BRANDS:
        return "avif"
    if major not in _HEIC_BRANDS:
        return None
    if major in (b"mif1", b"msf1") and compatible & _AVIF_BRANDS:
        return "avif"
    return "heic"
