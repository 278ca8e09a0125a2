"""Rows of the same picture: groups of photos that a person may want only one of."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from catalog import PHOTO_COLUMNS, Photo

_PICTURE: Final = "CASE WHEN media_hash LIKE 'file:%' THEN content_hash ELSE media_hash END"
"""A file whose picture could not be told from its metadata is the same only as a whole."""

_BYTES: Final = "content_hash"

# A Live Photo's film stands and falls with its photo.
_ALONE: Final = (
    "missing_since IS NULL AND media_hash <> '' AND NOT EXISTS (SELECT 1 FROM companions"
    " WHERE photo_id = photos.id AND photos.duration_s IS NOT NULL)"
)


@dataclass(frozen=True, slots=True)
class PictureGroup:
    """Present photos of one picture, by path; `key` is what they share."""

    key: str
    photos: tuple[Photo, ...]

    @property
    def same_bytes(self) -> bool:
        """Whether the files are the same as a whole."""
        return len({photo.content_hash for photo in self.photos}) == 1


def list_groups(
    connection: sqlite3.Connection, after: str, limit: int, *, same_bytes: bool = False
) -> list[PictureGroup]:
    """Groups in the order of their keys, behind the key `after`; `limit` -1 for all.

    same_bytes: of files that are equal as a whole; else of one picture, whatever their tags say.
    """
    key = _BYTES if same_bytes else _PICTURE
    rows = connection.execute(
        f"SELECT {key} AS same FROM photos WHERE {_ALONE} AND same > ?"  # noqa: S608  constants only
        " GROUP BY same HAVING count(*) > 1 ORDER BY same LIMIT ?",
        [after, limit],
    )
    keys = [row[0] for row in rows]
    return _fill(connection, key, keys)


def count_groups(connection: sqlite3.Connection, *, same_bytes: bool = False) -> int:
    key = _BYTES if same_bytes else _PICTURE
    row = connection.execute(
        f"SELECT count(*) FROM (SELECT {key} AS same FROM photos WHERE {_ALONE}"  # noqa: S608  constants only
        " GROUP BY same HAVING count(*) > 1)"
    ).fetchone()
    count: int = row[0]
    return count


def _fill(connection: sqlite3.Connection, key: str, keys: Sequence[str]) -> list[PictureGroup]:
    rows = connection.execute(
        f"SELECT {key} AS same, {PHOTO_COLUMNS} FROM photos WHERE {_ALONE}"  # noqa: S608  constants only
        " AND same IN (SELECT value FROM json_each(?)) ORDER BY current_path",
        [json.dumps(keys)],
    )
    groups: dict[str, list[Photo]] = defaultdict(list)
    for same, *row in rows:
        groups[same].append(Photo(*row))
    return [PictureGroup(same, tuple(groups[same])) for same in keys]


def share_picture(one: Photo, other: Photo) -> bool:
    """Whether two rows are of one picture, as groups are made."""
    if one.media_hash.startswith("file:"):
        return one.content_hash == other.content_hash
    return bool(one.media_hash) and one.media_hash == other.media_hash
