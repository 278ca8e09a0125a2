"""A sidecar as an edit finds it: what it says, its bytes, and what it was when they were read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from errors import EditOvertakenError, NotWritableError
from file_operations import MAX_SIDECAR_BYTES, Stamps, read_small_file
from metadata import TagValue, comparable, read_rating
from write_journal import Edit, Place
from xmp_reader import read_xmp


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A sidecar as it was read; without `stamps` there is none yet. `path` as in the journal."""

    place: Place
    path: str
    data: bytes | None
    stamps: Stamps | None
    tags: Mapping[str, TagValue]
    damage: str | None = None

    @property
    def content_hash(self) -> str | None:
        return hashlib.sha256(self.data).hexdigest() if self.data is not None else None

    @property
    def rating(self) -> int | None:
        """What it says; 0 is an answer, "unrated"."""
        return read_rating(self.tags)


def read_sidecar(place: Place, path: str, absolute: str) -> Sidecar:
    try:
        data, stamps = read_small_file(absolute, MAX_SIDECAR_BYTES)
    except FileNotFoundError:
        return Sidecar(place, path, None, None, {})
    except OSError as error:
        raise NotWritableError(f"{path} cannot be read: {error.strerror or error}.") from error
    try:
        return Sidecar(place, path, data, stamps, read_xmp(data))
    except ValueError as error:
        return Sidecar(place, path, data, stamps, {}, str(error))


def restore_tags(entry: Edit, tags: Mapping[str, TagValue]) -> dict[str, TagValue | None]:
    """What brings back the values before an entry. Raises where they are no longer its own."""
    for tag, value in entry.after.tags.items():
        if comparable(tags.get(tag)) != comparable(value):
            raise EditOvertakenError(
                f"The rating in {entry.path} was changed by another program since; it stays."
            )
    return dict(entry.before.tags)
