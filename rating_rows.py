"""What rows say of ratings that the photos' own files do not hold."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable


def set_rating(
    connection: sqlite3.Connection, photo_id: int, rating: int | None, kept_in: str | None
) -> None:
    """Give a row a rating that no file says."""
    connection.execute(
        "UPDATE photos SET rating = ?, kept_in = ? WHERE id = ?", (rating, kept_in, photo_id)
    )


def list_with_picture(connection: sqlite3.Connection, media_hash: str) -> list[int]:
    """The ids of present photos with this picture."""
    rows = connection.execute(
        "SELECT id FROM photos WHERE media_hash = ? AND missing_since IS NULL ORDER BY id",
        (media_hash,),
    )
    return [row[0] for row in rows]


def find_ratings(
    connection: sqlite3.Connection, paths: Iterable[str]
) -> dict[str, tuple[int, int | None]]:
    """Id and rating of the present photos at these paths."""
    rows = connection.execute(
        "SELECT current_path, id, rating FROM photos WHERE missing_since IS NULL"
        " AND current_path IN (SELECT value FROM json_each(?))",
        (json.dumps(list(paths)),),
    )
    return {path: (photo_id, rating) for path, photo_id, rating in rows}


def list_unkept(connection: sqlite3.Connection) -> dict[int, int]:
    """Present photos whose rating only the database knows: id -> rating."""
    rows = connection.execute(
        "SELECT id, rating FROM photos WHERE kept_in = 'database' AND rating IS NOT NULL"
        " AND missing_since IS NULL ORDER BY id"
    )
    return {row[0]: row[1] for row in rows}
