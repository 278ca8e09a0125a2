"""What AVI, Matroska, WMV and BMP say of their own length: whether their end is there.

Sources: RIFF (Microsoft 1991), RFC 8794 (EBML), the Advanced Systems Format 3.2, BMP.
"""

from __future__ import annotations

from typing import Final

from picture_source import BrokenPictureError, PictureSource

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_ASF_FILE_PROPERTIES: Final = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_MOST_OBJECTS: Final = 64
_ASF_BROADCAST: Final = 1


def check_length(source: PictureSource, file_type: str) -> None:
    """Raise `BrokenPictureError` for a file that is shorter than it says."""
    length = 0
    if file_type == "bmp":
        length = source.read_uint(2, 4, little=True)
    elif file_type == "avi":
        length = 8 + source.read_uint(4, 4, little=True)
    elif file_type in ("mkv", "webm"):
        length = _matroska_length(source)
    elif file_type == "wmv":
        length = _asf_length(source)
    if length > source.size:
        raise BrokenPictureError(f"it should have {length} bytes, but has {source.size}")


def _matroska_length(source: PictureSource) -> int:
    """The end of the first segment; 0 where a writer could not go back to say it."""
    size, at = _vint(source, len(_EBML))
    at += size or 0
    if source.read(at, 4) != _SEGMENT:
        return 0
    size, at = _vint(source, at + 4)
    return 0 if size is None else at + size


def _vint(source: PictureSource, at: int) -> tuple[int | None, int]:
    """A number, None for unknown, and where it ends."""
    width = 9 - source.read(at, 1)[0].bit_length()
    if width > 8:
        raise BrokenPictureError("an element has no length")
    most = (1 << 7 * width) - 1
    number = source.read_uint(at, width) & most
    return (None if number == most else number), at + width


def _asf_length(source: PictureSource) -> int:
    at = 30
    for _ in range(_ASF_MOST_OBJECTS):
        if source.read(at, 16) == _ASF_FILE_PROPERTIES:
            live = source.read_uint(at + 88, 4, little=True) & _ASF_BROADCAST
            return 0 if live else source.read_uint(at + 40, 8, little=True)
        at += max(24, source.read_uint(at + 16, 8, little=True))
    return 0
