"""What the pages list: months, pages of photos, neighbors, companions, counts.

Page order is capture date, newest or oldest first, then id; photos without a date stand
behind all others. A missing photo is in no list but that of missing ones.
"""

from __future__ import annotations

import base64
import binascii
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

from catalog import PHOTO_COLUMNS, UNDATED, Photo, get_photo
from errors import InvalidRequestError
from photo_filter import PhotoFilter, source, visible

_LARGEST_ID: Final = 2**63 - 1
_FOREIGN_CURSOR: Final = "This cursor is not one that the library gave."


@dataclass(frozen=True, slots=True)
class Month:
    """A section of the page: its key (`2019-07`, `undated`), its size, its first and last day."""

    key: str
    count: int
    first_day: str | None
    last_day: str | None


@dataclass(frozen=True, slots=True)
class PhotoPage:
    """One page of a listing; `next_cursor` is None on the last one."""

    photos: list[Photo]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many cells there are to see, and of which kind.

    unkept: ratings that only the database knows.
    """

    photos: int
    undated: int
    favorites: int
    missing: int
    unkept: int


def list_months(connection: sqlite3.Connection, photo_filter: PhotoFilter) -> list[Month]:
    """Every month that has photos, in page order; `undated` last."""
    shown = visible(photo_filter)
    rows = connection.execute(
        "SELECT substr(date_taken, 1, 7) AS month, count(*), min(date_taken), max(date_taken)"  # noqa: S608  constants only
        f" FROM {source(photo_filter)} WHERE {shown.sql} GROUP BY month"
        f" ORDER BY month IS NULL, month {_direction(photo_filter)}",
        shown.values,
    )
    return [
        Month(month or UNDATED, count, first and first[:10], last and last[:10])
        for month, count, first, last in rows
    ]


def list_month_photos(
    connection: sqlite3.Connection,
    key: str,
    photo_filter: PhotoFilter,
    *,
    offset: int = 0,
    limit: int = -1,
) -> list[Photo]:
    """Photos of a month (`2019-07`, `undated`) in page order: `limit` of them from `offset`."""
    if key == UNDATED:
        condition, bounds = "date_taken IS NULL", []
    else:
        # ':' sorts behind every digit and the '-' of a day, so this is the whole month.
        condition, bounds = "date_taken >= ? AND date_taken < ?", [f"{key}-", f"{key}:"]
    shown = visible(photo_filter)
    rows = connection.execute(
        f"SELECT {PHOTO_COLUMNS} FROM {source(photo_filter)} WHERE {condition} AND {shown.sql}"  # noqa: S608  constants only
        f" ORDER BY {_order(photo_filter)} LIMIT ? OFFSET ?",
        [*bounds, *shown.values, limit, offset],
    )
    return [Photo(*row) for row in rows]


def list_photos(
    connection: sqlite3.Connection, *, cursor: str | None, limit: int, photo_filter: PhotoFilter
) -> PhotoPage:
    """A keyset page in page order. Raises `InvalidRequestError` for a foreign cursor."""
    photos: list[Photo] = []
    after = _decode_cursor(cursor) if cursor else None
    if after is None or after[0] is not None:
        photos = _list_after(connection, after, limit + 1, photo_filter, dated=True)
    if len(photos) <= limit:
        undated_after = after if after and after[0] is None else None
        photos += _list_after(
            connection, undated_after, limit + 1 - len(photos), photo_filter, dated=False
        )
    more = len(photos) > limit
    photos = photos[:limit]
    return PhotoPage(photos, _encode_cursor(photos[-1]) if more else None)


def _list_after(
    connection: sqlite3.Connection,
    after: tuple[str | None, int] | None,
    limit: int,
    photo_filter: PhotoFilter,
    *,
    dated: bool,
) -> list[Photo]:
    """Photos with (or without) a date that stand behind `after` (date, id) in page order."""
    sign = "<" if photo_filter.newest_first else ">"
    condition = "date_taken IS NOT NULL" if dated else "date_taken IS NULL"
    values: list[str | int | None] = []
    if after is not None and dated:
        condition += f" AND (date_taken, id) {sign} (?, ?)"
        values = [*after]
    elif after is not None:
        condition += f" AND id {sign} ?"
        values = [after[1]]
    shown = visible(photo_filter)
    rows = connection.execute(
        f"SELECT {PHOTO_COLUMNS} FROM {source(photo_filter)} WHERE {condition} AND {shown.sql}"  # noqa: S608  constants only
        f" ORDER BY {_order(photo_filter)} LIMIT ?",
        [*values, *shown.values, limit],
    )
    return [Photo(*row) for row in rows]


def find_neighbors(
    connection: sqlite3.Connection, photo: Photo, photo_filter: PhotoFilter
) -> tuple[int | None, int | None]:
    """The ids of the photos before and behind this one in page order."""
    behind = list_photos(
        connection, cursor=_encode_cursor(photo), limit=1, photo_filter=photo_filter
    ).photos
    return _find_previous(connection, photo, photo_filter), behind[0].id if behind else None


def _find_previous(
    connection: sqlite3.Connection, photo: Photo, photo_filter: PhotoFilter
) -> int | None:
    """The photo before this one: the first behind it with the order turned round."""
    turned = replace(photo_filter, newest_first=not photo_filter.newest_first)
    position = (photo.date_taken, photo.id)
    before = _list_after(connection, position, 1, turned, dated=photo.date_taken is not None)
    if not before and photo.date_taken is None:
        before = _list_after(connection, None, 1, turned, dated=True)
    return before[0].id if before else None


def list_companions(
    connection: sqlite3.Connection, photo_ids: Iterable[int]
) -> dict[int, list[Photo]]:
    """The present companions of each of these photos that has some, by path."""
    # CROSS JOIN: in this order, else SQLite walks all present photos.
    columns = ", ".join(f"photos.{field.name}" for field in fields(Photo))
    rows = connection.execute(
        f"SELECT leader_id, {columns} FROM companions CROSS JOIN photos ON photos.id = photo_id"  # noqa: S608  constants only
        " WHERE leader_id IN (SELECT value FROM json_each(?)) AND missing_since IS NULL"
        " ORDER BY current_path",
        [json.dumps(list(photo_ids))],
    )
    companions: dict[int, list[Photo]] = defaultdict(list)
    for leader_id, *row in rows:
        companions[leader_id].append(Photo(*row))
    return dict(companions)


def find_leader(connection: sqlite3.Connection, photo_id: int) -> Photo | None:
    """The present photo whose companion this one is."""
    row = connection.execute(
        "SELECT leader_id FROM companions WHERE photo_id = ?", [photo_id]
    ).fetchone()
    leader = get_photo(connection, row[0]) if row else None
    return leader if leader and not leader.missing_since else None


def count_photos(connection: sqlite3.Connection) -> Counts:
    """How many cells there are, without a date, of favorites; and how many photos are missing."""
    # Counts that an index answers each, where one pass would read every row.
    row = connection.execute(
        f"SELECT (SELECT count(*) FROM photos WHERE {visible(PhotoFilter()).sql}),"  # noqa: S608  constants only
        f" (SELECT count(*) FROM photos WHERE {visible(PhotoFilter()).sql} AND date_taken IS NULL),"
        f" (SELECT count(*) FROM photos WHERE {visible(PhotoFilter(favorites=True)).sql}),"
        " (SELECT count(*) FROM photos WHERE missing_since > ''),"
        " (SELECT count(*) FROM photos WHERE kept_in = 'database' AND missing_since IS NULL)"
    ).fetchone()
    return Counts(*row)


def count_listed(connection: sqlite3.Connection, photo_filter: PhotoFilter) -> int:
    """How many photos all pages of this listing have together."""
    shown = visible(photo_filter)
    row = connection.execute(
        f"SELECT count(*) FROM {source(photo_filter)} WHERE {shown.sql}",  # noqa: S608  constants only
        shown.values,
    )
    count: int = row.fetchone()[0]
    return count


def list_dated_in(connection: sqlite3.Connection, folder: str) -> dict[str, str]:
    """File name -> date of the photos right in this folder (relative, `` the library itself)."""
    start = f"{folder}/" if folder else ""
    rows = connection.execute(
        "SELECT substr(current_path, ?1 + 1), date_taken FROM photos"
        " WHERE current_path >= ?2 AND current_path < ?3 AND instr(substr(current_path, ?1 + 1),"
        " '/') = 0 AND missing_since IS NULL AND date_taken IS NOT NULL",
        (len(start), start, start[:-1] + "0" if start else "\U0010ffff"),
    )
    return {row[0]: row[1] for row in rows}


def list_chosen(connection: sqlite3.Connection, photo_ids: Sequence[int]) -> list[Photo]:
    """The present ones of these photos, in the order given, each once."""
    rows = connection.execute(
        # By id: an index on `missing_since` would find every present row first.
        f"SELECT {PHOTO_COLUMNS} FROM photos NOT INDEXED WHERE missing_since IS NULL"  # noqa: S608  constants only
        " AND id IN (SELECT value FROM json_each(?))",
        [json.dumps(list(photo_ids))],
    )
    found = {photo.id: photo for photo in (Photo(*row) for row in rows)}
    return [found[photo_id] for photo_id in dict.fromkeys(photo_ids) if photo_id in found]


def _direction(photo_filter: PhotoFilter) -> str:
    return "DESC" if photo_filter.newest_first else "ASC"


def _order(photo_filter: PhotoFilter) -> str:
    direction = _direction(photo_filter)
    return f"date_taken {direction}, id {direction}"


def _encode_cursor(photo: Photo) -> str:
    text = json.dumps([photo.date_taken, photo.id])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def check_cursor(cursor: str) -> None:
    """Raise `InvalidRequestError` for a cursor that no page gave."""
    _decode_cursor(cursor)


def _decode_cursor(cursor: str) -> tuple[str | None, int]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        date_taken, photo_id = json.loads(base64.urlsafe_b64decode(padded))
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise InvalidRequestError(_FOREIGN_CURSOR) from error
    is_id = type(photo_id) is int and 0 <= photo_id <= _LARGEST_ID
    is_date = date_taken is None or (isinstance(date_taken, str) and date_taken.isascii())
    if not is_id or not is_date:
        raise InvalidRequestError(_FOREIGN_CURSOR)
    return date_taken, photo_id
