"""SQL that brings rows to what is kept beside the library."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from beside_store import KeptBeside


def bring_beside(connection: sqlite3.Connection, kept: Mapping[str, KeptBeside]) -> None:
    """Bring rows to what is kept: `media_hash` -> rating and date.

    A row that says it is kept there while nothing is, is read again by the next index.
    """
    _bring_ratings(
        connection, {name: one.rating for name, one in kept.items() if one.rating is not None}
    )
    _bring_dates(
        connection,
        {name: [one.date.text, one.date.utc_offset] for name, one in kept.items() if one.date},
    )


def _bring_ratings(connection: sqlite3.Connection, ratings: Mapping[str, int]) -> None:
    kept = json.dumps(ratings)
    connection.execute(
        "UPDATE photos SET rating = nullif(kept.value, 0),"
        " kept_in = CASE WHEN kept.value <> 0 THEN 'beside' END"
        " FROM json_each(?) AS kept WHERE photos.media_hash = kept.key"
        " AND (photos.rating IS NOT nullif(kept.value, 0)"
        " OR photos.kept_in IS NOT CASE WHEN kept.value <> 0 THEN 'beside' END)",
        (kept,),
    )
    connection.execute(
        "UPDATE photos SET rating = NULL, kept_in = NULL, reader_version = 0"
        " WHERE kept_in = 'beside' AND media_hash NOT IN (SELECT key FROM json_each(?))",
        (kept,),
    )


def _bring_dates(connection: sqlite3.Connection, dates: Mapping[str, list[str | None]]) -> None:
    kept = json.dumps(dates)
    connection.execute(
        "UPDATE photos SET date_taken = json_extract(kept.value, '$[0]'),"
        " utc_offset = json_extract(kept.value, '$[1]'),"
        " date_source = 'sidecar'"
        " FROM json_each(?) AS kept WHERE photos.media_hash = kept.key"
        " AND (photos.date_taken IS NOT json_extract(kept.value, '$[0]')"
        " OR photos.utc_offset IS NOT json_extract(kept.value, '$[1]'))",
        (kept,),
    )
    connection.execute(
        "UPDATE photos SET reader_version = 0 WHERE date_source = 'sidecar'"
        " AND sidecar_path IS NULL AND media_hash NOT IN (SELECT key FROM json_each(?))",
        (kept,),
    )
