"""The steps from one version of the database to the next, each inside the caller's transaction.

A step takes what it finds: old apps left databases without some columns, and SQLite lets any
value stand in any column. A value that does not fit is turned into one that does, or left out
with a note; its row is kept in any case. The same goes for rows that share a path.

What version 3 knows and older ones do not gets values no file has (no `media_hash`, no stamps,
`reader_version` 0), so that the next index reads every photo and fills them in.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import db_schema
from old_values import (
    find_relative_path,
    find_whole,
    make_file_type,
    make_hash,
    make_text,
    parse_date,
)

MAX_EXAMPLES: Final = 3
_MAX_EXAMPLE_LETTERS: Final = 60
# Beyond what JavaScript counts exactly; the last 64-bit id would leave none for a new photo.
_LARGEST_ID: Final = 2**53 - 1
_RATINGS: Final = range(-1, 6)

Row: TypeAlias = Mapping[str, Any]
"""A row of an old table by column, in lower case."""


@dataclass(slots=True)
class Notes:
    """What the person should know, alike things counted together."""

    _found: dict[str, list[str]] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    def add(self, sentence: str, example: object = "") -> None:
        """One more of this kind; `example` says which."""
        self._counts[sentence] = self._counts.get(sentence, 0) + 1
        examples = self._found.setdefault(sentence, [])
        if example and len(examples) < MAX_EXAMPLES:
            examples.append(str(example)[:_MAX_EXAMPLE_LETTERS])

    def as_lines(self) -> tuple[str, ...]:
        lines = []
        for sentence, count in self._counts.items():
            shown = ", ".join(self._found[sentence])
            more = ", …" if count > len(self._found[sentence]) > 0 else ""
            times = f" ({count:,} times)" if count > 1 else ""
            lines.append(f"{sentence}{times}{': ' if shown else ''}{shown}{more}")
        return tuple(lines)


@dataclass(slots=True)
class StepContext:
    """What the steps share.

    roots: the library's folder, absolute, by each of its names. now: ISO 8601 in UTC.
    """

    roots: frozenset[str]
    now: str
    notes: Notes = field(default_factory=Notes)
    ratings: int = 0
    duplicate_paths: int = 0


Step: TypeAlias = Callable[[sqlite3.Connection, StepContext], None]

_V1_COLUMNS: Final = (
    *("id", "original_filename", "current_path", "date_taken", "content_hash", "file_size"),
    *("file_type", "width", "height"),
)
_V2_PHOTO_COLUMNS: Final = (*_V1_COLUMNS, "rating")
_TRASH_COLUMNS: Final = ("id", "original_path", "trash_filename", "deleted_at", "photo_data")
_OPERATION_COLUMNS: Final = (
    *("operation_id", "operation_type", "status", "started_at", "updated_at"),
    *("checkpoint_data", "performance_metrics", "error_message"),
)

_V2_HASH_CACHE: Final = (
    "CREATE TABLE hash_cache (file_path TEXT, mtime_ns INTEGER, file_size INTEGER,"
    " content_hash TEXT, cached_at TEXT, PRIMARY KEY (file_path, mtime_ns, file_size))"
)
_V2_INDICES: Final = (
    "CREATE INDEX IF NOT EXISTS idx_content_hash ON photos (content_hash)",
    "CREATE INDEX IF NOT EXISTS idx_date_taken ON photos (date_taken)",
    "CREATE INDEX IF NOT EXISTS idx_file_type ON photos (file_type)",
    "CREATE INDEX IF NOT EXISTS idx_rating ON photos (rating)",
    "CREATE INDEX IF NOT EXISTS idx_photos_date_id ON photos (date_taken, id)",
    "CREATE INDEX IF NOT EXISTS idx_favorites ON photos (rating, date_taken, id)",
    "CREATE INDEX IF NOT EXISTS idx_operation_status ON operation_state (status)",
    "CREATE INDEX IF NOT EXISTS idx_operation_type ON operation_state (operation_type)",
    "CREATE INDEX IF NOT EXISTS idx_operation_updated ON operation_state (updated_at)",
    "CREATE INDEX IF NOT EXISTS idx_hash_cache_path ON hash_cache (file_path)",
    "CREATE INDEX IF NOT EXISTS idx_hash_cache_hash ON hash_cache (content_hash)",
)


# -- version 2 -------------------------------------------------------------------------------


def to_version_2(connection: sqlite3.Connection, _context: StepContext) -> None:
    """Ratings, the tables of operations and hashes, and whatever version 1 lacked."""
    columns = _list_columns(connection, "photos")
    for column in _V2_PHOTO_COLUMNS:
        if column not in columns:
            # No type: what stands in the column later is looked at value by value.
            connection.execute(f"ALTER TABLE photos ADD COLUMN {column}")
    tables = list_tables(connection)
    if "operation_state" not in tables:
        connection.execute(db_schema.OPERATION_STATE)
    if "hash_cache" not in tables:
        connection.execute(_V2_HASH_CACHE)
    for statement in _V2_INDICES:
        connection.execute(statement)


# -- version 3 -------------------------------------------------------------------------------


def to_version_3(connection: sqlite3.Connection, context: StepContext) -> None:
    """Every table anew in its final words, filled from the old ones, which are dropped then.

    `hash_cache` is not filled: its entries know no `media_hash`.
    """
    sequence = _read_sequence(connection)
    old = _set_aside(connection, context)
    for statement in db_schema.TABLES:
        connection.execute(statement)
    _copy_photos(connection, old.get("photos", ""), context)
    _raise_sequence(connection, sequence)
    _copy_trash(connection, old.get("deleted_photos"), context)
    _copy_operations(connection, old.get("operation_state"), context)
    for table in old.values():
        connection.execute(f"DROP TABLE {_quote(table)}")
    for statement in db_schema.INDICES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {db_schema.APPLICATION_ID}")


STEPS: Final[Mapping[int, Step]] = MappingProxyType({2: to_version_2, 3: to_version_3})
"""By the version that a step makes."""


def list_tables(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {row[0].lower() for row in rows}


def _list_columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1].lower() for row in connection.execute(f"PRAGMA table_info({_quote(table)})")]


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _set_aside(connection: sqlite3.Connection, context: StepContext) -> dict[str, str]:
    """Rename the old tables out of the way; table of version 2 -> its name now.

    A table that only version 3 has and this database all the same keeps its new name for good.
    """
    tables = list_tables(connection)
    ours = dict(db_schema.list_names(db_schema.TABLES))
    for index in db_schema.list_names(db_schema.INDICES):
        connection.execute(f"DROP INDEX IF EXISTS {index[0]}")
    aside: dict[str, str] = {}
    known = ("photos", "deleted_photos", "operation_state", "hash_cache")
    for table in ours:
        if table not in tables:
            continue
        name = _find_free_name(table, tables)
        tables.add(name)
        connection.execute(f"ALTER TABLE {_quote(table)} RENAME TO {_quote(name)}")
        if table in known:
            aside[table] = name
        else:
            context.notes.add("A table of another shape was kept under another name", name)
    return aside


def _find_free_name(table: str, tables: set[str]) -> str:
    number = 2
    while f"{table}_v{number}" in tables:
        number += 1
    return f"{table}_v{number}"


def _read_sequence(connection: sqlite3.Connection) -> int:
    """The last id that was ever given to a photo, 0 where that was not counted."""
    if "sqlite_sequence" not in list_tables(connection):
        return 0
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'photos'").fetchone()
    last = find_whole(row[0]) if row else None
    return last if last is not None and 0 <= last <= _LARGEST_ID else 0


def _raise_sequence(connection: sqlite3.Connection, last: int) -> None:
    """No id that was ever given is given again, though its row is long gone."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'photos'").fetchone()
    if row is None and last:
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('photos', ?)", [last])
    elif row is not None and row[0] < last:
        connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'photos'", [last])


def _iterate(
    connection: sqlite3.Connection, table: str, known: tuple[str, ...], context: StepContext
) -> Iterator[Row]:
    """The rows of an old table; a column nobody knows is noted where it holds something."""
    cursor = connection.execute(f"SELECT * FROM {_quote(table)}")  # noqa: S608  a name of the database itself, quoted
    columns = [column[0].lower() for column in cursor.description]
    filled: set[str] = set()
    for values in cursor:
        row = dict(zip(columns, values, strict=True))
        filled |= {name for name in columns if name not in known and row[name] is not None}
        yield row
    for column in sorted(filled):
        context.notes.add(
            "A column that this version does not know stays in the backup alone",
            f"{re.sub('_v[0-9]+$', '', table)}.{column}",
        )


# -- photos ----------------------------------------------------------------------------------


def _copy_photos(connection: sqlite3.Connection, table: str, context: StepContext) -> None:
    """Each old row as a new one. Of several at one path the best rated stays present."""
    present: dict[str, tuple[int, int]] = {}
    used: set[int] = set()
    without_id: list[dict[str, Any]] = []
    for row in _iterate(connection, table, _V2_PHOTO_COLUMNS, context):
        photo = _make_photo(row, context)
        if photo["id"] is None or photo["id"] in used:
            context.notes.add("A photo got a new id, since its own was none", photo["id"])
            without_id.append(photo | {"id": None})
            continue
        used.add(photo["id"])
        _insert_photo(connection, photo, present, context)
    for photo in without_id:
        _insert_photo(connection, photo, present, context)


def _insert_photo(
    connection: sqlite3.Connection,
    photo: dict[str, Any],
    present: dict[str, tuple[int, int]],
    context: StepContext,
) -> None:
    """present: path -> (rating, id) of the row that stands there until now."""
    if photo["rating"] is not None:
        context.ratings += 1
    path, rank = photo["current_path"], -2 if photo["rating"] is None else photo["rating"]
    before = present.get(path) if photo["missing_since"] is None else None
    if before is not None:
        context.duplicate_paths += 1
        context.notes.add("Several rows had one path; all but one are kept as missing", path)
        if before[0] >= rank:
            photo = photo | {"missing_since": context.now}
        else:
            connection.execute(
                "UPDATE photos SET missing_since = ? WHERE id = ?", (context.now, before[1])
            )
    cursor = connection.execute(
        f"INSERT INTO photos ({', '.join(photo)}) VALUES ({', '.join('?' * len(photo))})",  # noqa: S608  constants only
        tuple(photo.values()),
    )
    if photo["missing_since"] is None:
        present[path] = (rank, cursor.lastrowid or 0)


def _make_photo(row: Row, context: StepContext) -> dict[str, Any]:
    """A row of version 3 from one of version 2."""
    notes = context.notes
    photo_id = find_whole(row.get("id"))
    usable_id = photo_id if photo_id is not None and 0 < photo_id <= _LARGEST_ID else None
    name = make_text(row.get("original_filename"))
    path = make_text(row.get("current_path")) or name or f"photo {photo_id}"
    relative = find_relative_path(path, context.roots)
    if relative is None:
        notes.add("A path outside the library is kept as a missing photo", path)
    date, offset = parse_date(row.get("date_taken"))
    if date is None and row.get("date_taken") not in (None, ""):
        notes.add("A date that is none was left out", f"{path} {row['date_taken']!r}")
    rating = _make_rating(row.get("rating"), path, notes)
    final_path = path if relative is None else relative
    return {
        "id": usable_id,
        "original_filename": name or final_path.rpartition("/")[2],
        "current_path": final_path,
        "date_taken": date,
        "content_hash": make_hash(row.get("content_hash")),
        "file_size": _number(row, "file_size", path, notes) or 0,
        "file_type": make_file_type(make_text(row.get("file_type")), final_path),
        "width": _number(row, "width", path, notes),
        "height": _number(row, "height", path, notes),
        "rating": rating,
        "media_hash": "",
        "orientation": 1,
        "mtime_ns": 0,
        "ctime_ns": 0,
        "inode": 0,
        "date_source": "none" if date is None else "exif",
        "utc_offset": offset,
        "kept_in": None if rating is None else "database",
        "reader_version": 0,
        "added_at": context.now,
        "missing_since": context.now if relative is None else None,
    }


def _make_rating(value: object, path: str, notes: Notes) -> int | None:
    """-1 to 5; 0 is none. What lies beyond becomes the nearest."""
    rating = find_whole(value)
    if rating is None:
        if value is not None:
            notes.add("A rating that is no number was left out", f"{path} {value!r}")
        return None
    if rating not in _RATINGS:
        notes.add("A rating that there is not became the nearest", f"{path} {value!r}")
        rating = min(max(rating, _RATINGS[0]), _RATINGS[-1])
    return rating or None


def _number(row: Row, column: str, path: str, notes: Notes) -> int | None:
    value = row.get(column)
    number = find_whole(value)
    if number is None and value is not None:
        notes.add(f"{column} that is no number was left out", f"{path} {value!r}")
    return number


# -- trash and operations --------------------------------------------------------------------


def _copy_trash(connection: sqlite3.Connection, table: str | None, context: StepContext) -> None:
    used: set[int | None] = {None}
    rows = _iterate(connection, table, _TRASH_COLUMNS, context) if table else ()
    late = []
    for row in rows:
        values = [make_text(row.get(column)) for column in _TRASH_COLUMNS[1:]]
        entry_id = find_whole(row.get("id"))
        if entry_id in used:
            late.append((None, *values))
            continue
        used.add(entry_id)
        connection.execute("INSERT INTO deleted_photos VALUES (?, ?, ?, ?, ?)", (entry_id, *values))
    connection.executemany("INSERT INTO deleted_photos VALUES (?, ?, ?, ?, ?)", late)


_ENDED: Final = frozenset({"completed", "failed", "cancelled"})


def _copy_operations(
    connection: sqlite3.Connection, table: str | None, context: StepContext
) -> None:
    """Operations of the older app, as history: what it left unfinished, it alone could resume."""
    rows = _iterate(connection, table, _OPERATION_COLUMNS, context) if table else ()
    for number, row in enumerate(rows):
        values = {column: make_text(row.get(column)) or None for column in _OPERATION_COLUMNS}
        for column in ("operation_type", "started_at", "updated_at"):
            values[column] = values[column] or ""
        if values["status"] not in _ENDED:
            values["status"] = "failed"
            values["error_message"] = values["error_message"] or (
                "An older version of the program began this and did not end it."
            )
        taken = (
            values["operation_id"] is None
            or connection.execute(
                "SELECT 1 FROM operation_state WHERE operation_id = ?", [values["operation_id"]]
            ).fetchone()
        )
        if taken:
            values["operation_id"] = f"{values['operation_id'] or 'migrated'}-{number}"
        connection.execute(
            f"INSERT INTO operation_state ({', '.join(values)})"  # noqa: S608  constants only
            f" VALUES ({', '.join('?' * len(values))})",
            tuple(values.values()),
        )
