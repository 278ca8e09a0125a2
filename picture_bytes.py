"""Which bytes of a file are its picture, and the two hashes that tell files and pictures apart.

`content_hash` is the SHA-256 of the exact bytes. `media_hash` is the XXH3-128 of the picture
without its metadata, after a prefix that names the method: a rating, a date or a caption written
by this program or another one leaves it as it is, while a change of pixels, color profile or crop
does not. The EXIF orientation is metadata. A file that does not parse counts as a whole (prefix
`file`), and says why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import BinaryIO, Final

import xxhash

from bmff import find_film, find_heif_picture
from file_lengths import check_length
from picture_containers import (
    find_gif_picture,
    find_jpeg_picture,
    find_png_picture,
    find_webp_picture,
)
from picture_source import BLOCK_BYTES, BrokenPictureError, Picture, PictureSource
from tiff_pages import find_tiff_picture

_FINDERS: Final = MappingProxyType[str, Callable[[PictureSource], Picture]](
    {
        "jpeg": find_jpeg_picture,
        "png": find_png_picture,
        "gif": find_gif_picture,
        "webp": find_webp_picture,
        "tiff": find_tiff_picture,
        "heic": partial(find_heif_picture, method="heic"),
        "avif": partial(find_heif_picture, method="avif"),
        "mp4": find_film,
        "m4v": find_film,
        "mov": find_film,
        "3gp": find_film,
    }
)


@dataclass(frozen=True, slots=True)
class PictureHashes:
    """Both hashes of a file.

    `content_hash`: 64 hex digits. `media_hash`: method, colon, 32 hex digits. `damage`: why
    the container could not be followed, as a sentence, or None.
    """

    content_hash: str
    media_hash: str
    damage: str | None = None

    @property
    def complete(self) -> bool:
        """Whether the picture could be told from its metadata."""
        return not self.media_hash.startswith("file:")


def hash_picture(file: BinaryIO, file_type: str) -> PictureHashes:
    """Both hashes of an open file; `file_type` as `media_types` names it.

    The file is read once, one larger than 64 MiB in blocks (twice if its picture does not lie
    in order). Raises `OSError` where the disk does, and nothing for bad bytes.
    """
    source = PictureSource(file)
    picture, damage = _find_picture(source, file_type)
    content = hashlib.sha256()
    if not source.in_memory and _lies_in_order(picture):
        return PictureHashes(*_hash_in_one_pass(source, picture), damage)
    for block in source.blocks(0, source.size):
        content.update(block)
    return PictureHashes(content.hexdigest(), _hash_pieces(source, picture), damage)


def media_hash(file: BinaryIO, file_type: str) -> str:
    """The picture's hash alone: method, colon, 32 hex digits. Raises `OSError`."""
    source = PictureSource(file)
    return _hash_pieces(source, _find_picture(source, file_type)[0])


def picture_ranges(file: BinaryIO, file_type: str) -> list[tuple[int, int]]:
    """Offset and length of every range of the file that is picture, in the order of hashing.

    The whole file where it does not parse. Raises `OSError`.
    """
    picture, _ = _find_picture(PictureSource(file), file_type)
    return [piece for piece in picture.pieces if isinstance(piece, tuple)]


def same_picture(a: BinaryIO, b: BinaryIO, file_type: str) -> bool:
    """Whether two open files hold the same picture, byte by byte and not by hash.

    What follows the end of a JPEG, PNG or GIF (the film of a motion photo) must be the
    same as well. Files that do not parse must be equal as a whole. Raises `OSError`.
    """
    sources = PictureSource(a), PictureSource(b)
    pictures = tuple(_find_picture(source, file_type)[0] for source in sources)
    if pictures[0].method != pictures[1].method:
        return False
    streams = [
        _even_blocks(_with_trailer(source, picture))
        for source, picture in zip(sources, pictures, strict=True)
    ]
    while True:
        block, other = next(streams[0], b""), next(streams[1], b"")
        if block != other:
            return False
        if not block:
            return True


def _find_picture(source: PictureSource, file_type: str) -> tuple[Picture, str | None]:
    finder = _FINDERS.get(file_type)
    whole = Picture("file", [(0, source.size)])
    try:
        if finder is not None:
            return finder(source), None
        check_length(source, file_type)
        return whole, None
    except BrokenPictureError as error:
        return whole, f"The {file_type.upper()} file is damaged: {error}."


def _lies_in_order(picture: Picture) -> bool:
    """Whether the file's own order of bytes is that in which the picture is hashed."""
    at = 0
    for piece in picture.pieces:
        if isinstance(piece, tuple):
            if piece[0] < at:
                return False
            at = piece[0] + piece[1]
    return True


def _hash_in_one_pass(source: PictureSource, picture: Picture) -> tuple[str, str]:
    """`content_hash` and `media_hash` of a large file, each byte of which is read once."""
    content, media = hashlib.sha256(), xxhash.xxh3_128()
    at = 0
    for piece in picture.pieces:
        if isinstance(piece, bytes):
            media.update(piece)
            continue
        for block in source.blocks(at, piece[0] - at):
            content.update(block)
        for block in source.blocks(*piece):
            content.update(block)
            media.update(block)
        at = sum(piece)
    for block in source.blocks(at, source.size - at):
        content.update(block)
    return content.hexdigest(), f"{picture.method}:{media.hexdigest()}"


def _hash_pieces(source: PictureSource, picture: Picture) -> str:
    digest = xxhash.xxh3_128()
    for piece in picture.pieces:
        if isinstance(piece, bytes):
            digest.update(piece)
        else:
            for block in source.blocks(*piece):
                digest.update(block)
    return f"{picture.method}:{digest.hexdigest()}"


def _with_trailer(source: PictureSource, picture: Picture) -> Iterator[memoryview]:
    """The picture's bytes, then the length of what follows it, and that."""
    for piece in picture.pieces:
        if isinstance(piece, bytes):
            yield memoryview(piece)
        else:
            yield from source.blocks(*piece)
    if picture.end is not None:
        trailer_bytes = source.size - picture.end
        yield memoryview(trailer_bytes.to_bytes(8, "big"))
        yield from source.blocks(picture.end, trailer_bytes)


def _even_blocks(blocks: Iterator[memoryview]) -> Iterator[bytes]:
    """The same bytes in blocks of one size, the last one excepted."""
    waiting = bytearray()
    for block in blocks:
        for start in range(0, len(block), BLOCK_BYTES):
            waiting += block[start : start + BLOCK_BYTES]
            while len(waiting) >= BLOCK_BYTES:
                yield bytes(waiting[:BLOCK_BYTES])
                del waiting[:BLOCK_BYTES]
    if waiting:
        yield bytes(waiting)
