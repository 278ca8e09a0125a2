"""Sidecars beside the library: what a photo says that lies where nothing can be written.

One file a picture in the data folder's `beside/`, named after its `media_hash`, so that it is
found again whatever the photo is called and wherever it lies. It wins over all else.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capture_date import LocalDate, find_capture_date
from errors import EditRefusedError
from metadata import TagValue, read_rating
from xmp_reader import read_xmp

FOLDER: Final = "beside"
_SUFFIX: Final = ".xmp"
_MOST_BYTES: Final = 1 << 20

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeptBeside:
    """`rating`: 0 says that there is none; None, here and as `date`, that nothing is kept."""

    rating: int | None = None
    date: LocalDate | None = None


@dataclass(frozen=True, slots=True)
class BesideStore:
    """The sidecars in `folder`, which need not exist."""

    folder: Path

    def name(self, media_hash: str) -> str:
        """The file name of a picture's sidecar; `jpeg:0a1b` is kept as `jpeg-0a1b.xmp`."""
        return media_hash.replace(":", "-") + _SUFFIX

    def path(self, name: str) -> Path:
        """Where a sidecar of this name lies. Raises `EditRefusedError` for what is no name."""
        if "/" in name or name in ("", ".", ".."):
            raise EditRefusedError(f"{name!r} is no sidecar beside the library.")
        return self.folder / name

    def read(self, media_hash: str) -> dict[str, TagValue] | None:
        """The tags kept of a picture, None without any; one that is damaged is logged."""
        path = f"{self.folder}/{self.name(media_hash)}"  # a `Path` takes longer than the question
        try:
            with open(path, "rb") as file:
                return read_xmp(file.read(_MOST_BYTES))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            LOGGER.warning("%s cannot be read: %s", path, error)
            return None

    def read_kept(self, media_hash: str) -> KeptBeside:
        """What is kept of a picture."""
        tags = self.read(media_hash)
        if tags is None:
            return KeptBeside()
        return KeptBeside(read_rating(tags), find_capture_date({}, tags, "", None).date)

    def list_hashes(self) -> Iterator[str]:
        """The `media_hash` of every picture of which something is kept."""
        if self.folder.is_dir():
            for path in self.folder.glob(f"[!.]*{_SUFFIX}"):
                yield path.stem.replace("-", ":", 1)


NOTHING_BESIDE: Final = BesideStore(Path(os.devnull))
