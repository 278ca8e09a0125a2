"""Looking into a file that may lie about itself, and noting which of its bytes are the picture.

`PictureSource` reads at an offset and never past the end; `PictureParts` collects pieces of a
picture in a bounded list. What does not hold together raises `BrokenPictureError`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

BLOCK_BYTES: Final = 1 << 20
WHOLE_FILE_BYTES: Final = 64 << 20
"""Files up to this size are read once into memory; larger ones through a window."""
_WINDOW_BYTES: Final = 1 << 16

MAX_STEPS: Final = 1_000_000
"""More segments, chunks, blocks, boxes or pieces than this in one file are not believed."""
_MAX_OVERLAP: Final = 4
"""A picture's pieces may share bytes (tiles written once), but add up to so many files at most."""

Piece = bytes | tuple[int, int]
"""Bytes that stand for themselves, or the offset and length of a range of the file."""


class BrokenPictureError(Exception):
    """The bytes do not form the container they claim to be; the message says where."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Which bytes of a file are its picture.

    `end` is the offset behind the picture where the format has one (JPEG, PNG, GIF): what
    follows is no part of the picture, but a motion photo's film may lie there.
    """

    method: str
    pieces: list[Piece]
    end: int | None = None


class PictureSource:
    """A file open for reading at any offset. Raises `OSError` as the file does."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, io.SEEK_END)
        self._window_at = 0
        self._window = b""
        if self.size <= WHOLE_FILE_BYTES:
            self._window = self._read_file(0, self.size)
            self.size = len(self._window)

    @property
    def in_memory(self) -> bool:
        """Whether the whole file has been read."""
        return len(self._window) == self.size

    def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes; raises `BrokenPictureError` where the file has no such range."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise BrokenPictureError(
                f"the file ends at byte {self.size}, but {length} bytes are expected at {offset}"
            )
        start = offset - self._window_at
        if start >= 0 and start + length <= len(self._window):
            return self._window[start : start + length]
        if length > _WINDOW_BYTES:
            return self._complete(self._read_file(offset, length), length)
        self._window = self._read_file(offset, _WINDOW_BYTES)
        self._window_at = offset
        return self._complete(self._window[:length], length)

    def read_uint(self, offset: int, length: int, *, little: bool = False) -> int:
        """An unsigned number of `length` bytes."""
        return int.from_bytes(self.read(offset, length), "little" if little else "big")

    def search(self, pattern: re.Pattern[bytes], start: int) -> int:
        """Where the two-byte `pattern` matches next, or -1."""
        while start + 1 < self.size:
            if not self._window_at <= start <= self._window_at + len(self._window) - 2:
                self.read(start, 2)  # moves the window there
            match = pattern.search(self._window, start - self._window_at)
            if match:
                return self._window_at + match.start()
            # the pattern may begin with the window's last byte
            start = self._window_at + len(self._window) - 1
        return -1

    def blocks(self, offset: int, length: int) -> Iterator[memoryview]:
        """A range in blocks: one of any size from memory, of 1 MiB from a large file."""
        if self.in_memory:
            yield memoryview(self._window)[offset : offset + length]
            return
        end = offset + length
        while offset < end:
            block = self._read_file(offset, min(BLOCK_BYTES, end - offset))
            if not block:
                return  # the file has been cut meanwhile; the caller's fstat notices
            yield memoryview(block)
            offset += len(block)

    @staticmethod
    def _complete(data: bytes, length: int) -> bytes:
        if len(data) < length:
            raise BrokenPictureError("the file has become shorter while it was read")
        return data

    def _read_file(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes; fewer only at the end (an unbuffered file may give less)."""
        self._file.seek(offset)
        data = self._file.read(length)
        if not data or len(data) >= length:
            return data
        parts = [data]
        missing = length - len(data)
        while missing > 0 and (more := self._file.read(missing)):
            parts.append(more)
            missing -= len(more)
        return b"".join(parts)


@dataclass(slots=True)
class PictureParts:
    """The pieces of one picture, in the order in which they are compared and hashed.

    Every section starts with a label and its length, so that the same bytes split another
    way are another picture.
    """

    source: PictureSource
    pieces: list[Piece] = field(default_factory=list)
    _bytes: int = 0

    def add_label(self, label: bytes, *numbers: int) -> None:
        """A word and numbers that say what the next pieces are."""
        self.pieces.append(label + b"".join(b"%d " % number for number in numbers) + b"\n")
        self._check()

    def add_bytes(self, data: bytes) -> None:
        """Bytes as they are."""
        self.pieces.append(data)
        self._bytes += len(data)
        self._check()

    def add_range(self, offset: int, length: int) -> None:
        """A range of the file, joined to the one before where they touch."""
        if offset < 0 or length < 0 or offset + length > self.source.size:
            raise BrokenPictureError(
                f"the file ends at byte {self.source.size}, "
                f"but {length} bytes of the picture are expected at {offset}"
            )
        if length == 0:
            return
        self._bytes += length
        last = self.pieces[-1] if self.pieces else b""
        if isinstance(last, tuple) and last[0] + last[1] == offset:
            self.pieces[-1] = (last[0], last[1] + length)
        else:
            self.pieces.append((offset, length))
        self._check()

    def add_section(self, label: bytes, offset: int, length: int) -> None:
        """A range with its label and length."""
        self.add_label(label, length)
        self.add_range(offset, length)

    def _check(self) -> None:
        if len(self.pieces) > MAX_STEPS:
            raise BrokenPictureError("the picture is in too many pieces")
        if self._bytes > _MAX_OVERLAP * self.source.size:
            raise BrokenPictureError("the picture claims the same bytes again and again")


class StepCounter:
    """Bounds a walk over segments, chunks, blocks, boxes or directories."""

    def __init__(self, what: str, limit: int = MAX_STEPS) -> None:
        self._what = what
        self._left = limit

    def count(self, steps: int = 1) -> None:
        """Raises `BrokenPictureError` when there have been too many."""
        self._left -= steps
        if self._left < 0:
            raise BrokenPictureError(f"there are too many {self._what}")
