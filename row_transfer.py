"""From an old database into a rebuilt one: which row is which, how they differ, what is carried.

A rebuild finds in the files all that follows from them. The rest stands in the old database
alone and is carried over: ids, `added_at`, rows without a file, ratings no file holds, and
every table that is not derived (trash, journal, operations). Nothing here begins or commits.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from typing import Any, Final

import catalog
from catalog import PHOTO_COLUMNS, KnownFile, Photo, PhotoRecord
from hash_cache import Hashes
from index_plan import PhotoFile, assign_rows
from row_seals import list_sealed

MAX_EXAMPLES: Final = 200
_COMPARED: Final = 500

_DERIVED_TABLES: Final = frozenset(
    {"photos", "hash_cache", "folders", "folder_notes", "companions", "fact_seals"}
)
_COUNTED_TABLES: Final = {
    "deleted_photos": "trash",
    "write_journal": "journal",
    "operation_state": "operations",
}
# What the disk says of a file, not what the file says: another stamp is no other photo.
_STAMPS: Final = frozenset(
    {"mtime_ns", "ctime_ns", "inode", "sidecar_mtime_ns", "sidecar_size", "reader_version"}
)
_FACTS: Final = tuple(field.name for field in fields(PhotoRecord) if field.name not in _STAMPS)
_NOT_IN_FILES: Final = ("database", "beside")
_PHOTO_COLUMNS: Final = tuple(field.name for field in fields(Photo))


@dataclass(frozen=True, slots=True)
class Match:
    """Which old row each rebuilt row is, and which old ones are left.

    rows: new id -> old row.
    vanished: old rows, present until now, without a file.
    unseen: old rows, present, whose file or folder the disk did not give: they stay present.
    missing: old rows that were missing before and still are.
    """

    rows: dict[int, KnownFile]
    vanished: list[KnownFile]
    unseen: list[KnownFile]
    missing: list[KnownFile]
    present_before: int


@dataclass(slots=True)
class Differences:
    """How the old rows differ from what the files say; `columns`: how often each of them does.

    Of the rows that have an old one, each is unchanged, changed (facts differ at the same path),
    moved to another path, or came back (it was missing).
    """

    same: int = 0
    facts_differ: int = 0
    unchanged: int = 0
    changed: int = 0
    moved: int = 0
    came_back: int = 0
    added: int = 0
    missing: int = 0
    columns: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add_example(self, kind: str, path: str, columns: Mapping[str, list[Any]]) -> None:
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append({"path": path, "kind": kind, "columns": dict(columns)})

    def as_dict(self) -> dict[str, Any]:
        return {
            "same": self.same,
            "facts_differ": self.facts_differ,
            "added": self.added,
            "missing": self.missing,
            "columns": dict(self.columns.most_common()),
            "examples": self.examples,
        }


# -- which row is which ----------------------------------------------------------------------


def match_rows(
    old: Sequence[KnownFile], new: Iterable[KnownFile], unseen_paths: Collection[str] = ()
) -> Match:
    """Pair rebuilt rows with old ones: same path and picture, then same picture, then path."""
    new = [row for row in new if row.missing_since is None]
    present = {row.current_path: row.id for row in new}
    pictures = {row.current_path: row.media_hash for row in new}
    contents = {row.current_path: (row.content_hash, row.file_size) for row in new}
    occupied: dict[str, KnownFile] = {}
    gone: list[KnownFile] = []
    for row in old:
        if row.missing_since is None and row.current_path in pictures:
            occupied[row.current_path] = row
        else:
            gone.append(row)
    assigned = assign_rows(pictures, occupied, gone, contents)
    matched = {row.id for row in assigned.values()}
    left = [row for row in old if row.id not in matched]
    lost = [row for row in left if row.missing_since is None]
    unseen = [
        row
        for row in lost
        if row.current_path not in pictures and _is_unseen(row.current_path, unseen_paths)
    ]
    unseen_ids = {row.id for row in unseen}
    return Match(
        rows={present[path]: row for path, row in assigned.items()},
        vanished=[row for row in lost if row.id not in unseen_ids],
        unseen=unseen,
        missing=[row for row in left if row.missing_since is not None],
        present_before=sum(row.missing_since is None for row in old),
    )


def _is_unseen(path: str, unseen_paths: Collection[str]) -> bool:
    """Whether the path, or a folder above it, is among those that could not be read."""
    if not unseen_paths:
        return False
    folders = [path[:index] for index, letter in enumerate(path) if letter == "/"]
    return any(name in unseen_paths for name in ("", path, *folders))


def compare_rows(old: sqlite3.Connection, new: sqlite3.Connection, match: Match) -> Differences:
    """Hold every rebuilt row against the old row it is."""
    result = Differences(missing=len(match.vanished))
    photos = catalog.iterate_photos(new)
    while some := list(islice(photos, _COMPARED)):
        ids = [match.rows[photo.id].id for photo in some if photo.id in match.rows]
        before = catalog.get_photos(old, ids)
        for photo in some:
            if photo.missing_since is None:
                known = match.rows.get(photo.id)
                _compare(photo, known and before[known.id], result)
    for row in match.vanished:
        result.add_example("missing", row.current_path, {})
    return result


def _compare(photo: Photo, before: Photo | None, result: Differences) -> None:
    """Count how a rebuilt row differs from the old row it is, if it is one."""
    if before is None:
        result.added += 1
        result.add_example("added", photo.current_path, {})
        return
    columns = _find_differences(before, photo)
    if before.missing_since is not None:
        result.came_back += 1
    elif before.current_path != photo.current_path:
        result.moved += 1
    elif columns:
        result.changed += 1
    else:
        result.unchanged += 1
    if columns:
        result.facts_differ += 1
        result.columns.update(columns.keys())
        result.add_example("facts differ", photo.current_path, columns)
    else:
        result.same += 1


def _find_differences(before: Photo, now: Photo) -> dict[str, list[Any]]:
    """Column -> its value before and now; a rating that no file holds is carried, and is none."""
    keeps_rating = now.rating is None and before.kept_in in _NOT_IN_FILES
    skipped = ("rating", "kept_in") if keeps_rating else ()
    return {
        name: [getattr(before, name), getattr(now, name)]
        for name in _FACTS
        if name not in skipped and getattr(before, name) != getattr(now, name)
    }


# -- what is carried over --------------------------------------------------------------------


def clear_carried(connection: sqlite3.Connection) -> None:
    """Empty every table that is carried: a rebuild that was left may have filled them."""
    for table in ("write_journal", "deleted_photos", "trash_moves", "operation_state"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608  constants only


def copy_hashes(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    """Give the new database the hashes that it does not have itself."""
    new.executemany(
        "INSERT INTO hash_cache SELECT ?, ?, ?, ?, ?, ?, ?"
        " WHERE NOT EXISTS (SELECT 1 FROM hash_cache WHERE file_path = ?1)",
        old.execute(
            "SELECT file_path, mtime_ns, file_size, ctime_ns, content_hash, media_hash, cached_at"
            " FROM hash_cache"
        ),
    )


def carry_over(
    old: sqlite3.Connection, new: sqlite3.Connection, match: Match, now: str
) -> dict[str, int]:
    """Bring into `new`, inside its transaction, what the old database alone knows; the counts.

    May be done again, which then writes only what is different.
    now: since when rows that lost their file are missing.
    """
    new.execute("PRAGMA defer_foreign_keys = ON")
    clear_carried(new)
    new.execute("DELETE FROM companions")
    new.execute("DELETE FROM photos WHERE missing_since IS NOT NULL")
    new.execute("UPDATE photos SET rating = NULL, kept_in = NULL WHERE kept_in = 'database'")
    _carry_ids(old, new, match)
    counts = {
        "ids": len(match.rows),
        "added_at": _carry_added_at(old, new, match),
        "ratings": _carry_ratings(old, new, match),
        "missing": len(match.missing) + len(match.vanished),
    }
    _insert_photos(new, (catalog.get_photo(old, row.id) for row in match.unseen))
    _insert_photos(new, (catalog.get_photo(old, row.id) for row in match.missing))
    _insert_photos(new, (catalog.get_photo(old, row.id) for row in match.vanished))
    catalog.mark_missing(new, [row.id for row in match.vanished], now)
    for table in _list_tables(old) - _DERIVED_TABLES:
        copied = _copy_table(old, new, table)
        if table in _COUNTED_TABLES:
            counts[_COUNTED_TABLES[table]] = copied
    _carry_sequences(old, new)
    return counts


def _carry_ids(old: sqlite3.Connection, new: sqlite3.Connection, match: Match) -> None:
    """Rebuilt rows take their old ids; rows that are new get ids that were never given."""
    left = [row[0] for row in new.execute("SELECT id FROM photos ORDER BY id")]
    following = max(_read_sequences(old).get("photos", 0), _max_id(old, "photos")) + 1
    ids = {new_id: match.rows[new_id].id for new_id in left if new_id in match.rows}
    unknown = [new_id for new_id in left if new_id not in match.rows]
    ids.update(zip(unknown, range(following, following + len(unknown)), strict=True))
    others = [key for key in left if ids[key] != key]
    # By way of negative ones, for an id may still be another row's.
    new.executemany("UPDATE photos SET id = -id WHERE id = ?", ((key,) for key in others))
    new.executemany("UPDATE photos SET id = ? WHERE id = ?", ((ids[key], -key) for key in others))


def _carry_added_at(old: sqlite3.Connection, new: sqlite3.Connection, match: Match) -> int:
    moments = dict(old.execute("SELECT id, added_at FROM photos"))
    now = dict(new.execute("SELECT id, added_at FROM photos"))
    ids = [row.id for row in match.rows.values()]
    new.executemany(
        "UPDATE photos SET added_at = ? WHERE id = ?",
        ((moments[key], key) for key in ids if moments[key] != now[key]),
    )
    return len(match.rows)


def _carry_ratings(old: sqlite3.Connection, new: sqlite3.Connection, match: Match) -> int:
    """Ratings that no file holds, for photos whose files hold none until now."""
    matched = {row.id for row in match.rows.values()}
    marks = ", ".join("?" * len(_NOT_IN_FILES))
    ratings = old.execute(
        f"SELECT rating, kept_in, id FROM photos WHERE rating IS NOT NULL AND kept_in IN ({marks})",  # noqa: S608  constants only
        _NOT_IN_FILES,
    )
    cursor = new.executemany(
        "UPDATE photos SET rating = ?, kept_in = ? WHERE id = ? AND rating IS NULL",
        [tuple(row) for row in ratings if row["id"] in matched],
    )
    return max(cursor.rowcount, 0)


def _insert_photos(connection: sqlite3.Connection, photos: Iterable[Photo]) -> None:
    connection.executemany(
        f"INSERT INTO photos ({', '.join(_PHOTO_COLUMNS)})"  # noqa: S608  constants only
        f" VALUES ({', '.join('?' * len(_PHOTO_COLUMNS))})",
        (tuple(getattr(photo, name) for name in _PHOTO_COLUMNS) for photo in photos),
    )


def _list_tables(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'"
    )
    return {row[0] for row in rows}


def _copy_table(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> int:
    """Copy all rows, and the table itself where this version does not know it; how many."""
    name = _quote(table)
    if table not in _list_tables(new):
        statement = old.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", [table]
        ).fetchone()[0]
        new.execute(statement)
    columns = [row["name"] for row in old.execute(f"PRAGMA table_info({name})")]
    listed = ", ".join(map(_quote, columns))
    new.execute(f"DELETE FROM {name}")  # noqa: S608  names of the database itself, quoted
    cursor = new.executemany(
        f"INSERT INTO {name} ({listed}) VALUES ({', '.join('?' * len(columns))})",  # noqa: S608  as above
        old.execute(f"SELECT {listed} FROM {name}"),  # noqa: S608  as above
    )
    return max(cursor.rowcount, 0)


def delete_photos(connection: sqlite3.Connection, photo_ids: Iterable[int]) -> None:
    """Rows of the new database whose file is gone again; an old row of theirs is missing then."""
    connection.executemany("DELETE FROM photos WHERE id = ?", ((key,) for key in photo_ids))


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _carry_sequences(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    """No id that was ever given is given again, though its row is long gone."""
    for table, last in _read_sequences(old).items():
        last_id = max(last, _max_id(new, table))
        new.execute("DELETE FROM sqlite_sequence WHERE name = ?", [table])
        new.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [table, last_id])


def _read_sequences(connection: sqlite3.Connection) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute("SELECT name, seq FROM sqlite_sequence")}


def _max_id(connection: sqlite3.Connection, table: str) -> int:
    highest = connection.execute(
        f"SELECT coalesce(max(rowid), 0) FROM {_quote(table)}"  # noqa: S608  names of the database itself
    ).fetchone()[0]
    return int(highest)


# -- what need not be read -------------------------------------------------------------------


def find_records(
    connection: sqlite3.Connection,
    files: Sequence[tuple[PhotoFile, Hashes]],
    is_settled: Callable[[int], bool],
) -> dict[str, PhotoRecord]:
    """By path the records of these files by the rows there, if the index read them so."""
    # CROSS JOIN: left to itself SQLite reads all present rows.
    rows = connection.execute(
        f"SELECT {PHOTO_COLUMNS} FROM (SELECT value AS asked FROM json_each(?))"  # noqa: S608  constants only
        " CROSS JOIN photos ON current_path = asked AND missing_since IS NULL",
        [json.dumps([file.path for file, _ in files])],
    )
    photos = {
        photo.current_path: photo
        for photo in (Photo(*row) for row in rows)
        if is_settled(photo.reader_version)
    }
    records = [
        _renew(photo, file)
        for file, hashes in files
        if (photo := photos.get(file.path)) and _speaks_for(photo, file, hashes)
    ]
    sealed = list_sealed(connection, records)
    return {record.current_path: record for record in records if record.current_path in sealed}


def _speaks_for(photo: Photo, file: PhotoFile, hashes: Hashes) -> bool:
    """Whether the row is of these very bytes, its sidecar's too."""
    sidecar = file.sidecar
    stamps = (sidecar.path, sidecar.mtime_ns, sidecar.size) if sidecar else (None, None, None)
    return (photo.content_hash, photo.media_hash) == (hashes.content_hash, hashes.media_hash) and (
        photo.sidecar_path,
        photo.sidecar_mtime_ns,
        photo.sidecar_size,
    ) == stamps


def _renew(photo: Photo, file: PhotoFile) -> PhotoRecord:
    """The row's record with the file's stamps of now, and without what no file says."""
    record = catalog.get_record(photo)
    stat = file.stat
    if photo.kept_in == "database":
        record = replace(record, rating=None, kept_in=None)
    if (record.mtime_ns, record.ctime_ns, record.inode) != (
        stat.mtime_ns,
        stat.ctime_ns,
        stat.inode,
    ):
        record = replace(record, mtime_ns=stat.mtime_ns, ctime_ns=stat.ctime_ns, inode=stat.inode)
    name = file.path.rpartition("/")[2]
    return record if record.original_filename == name else replace(record, original_filename=name)


# -- what was edited meanwhile ---------------------------------------------------------------


def find_last_entry(connection: sqlite3.Connection) -> int:
    """The id of the journal's last entry, 0 where there is none."""
    return _max_id(connection, "write_journal")


def list_edited_since(connection: sqlite3.Connection, entry_id: int, since: str) -> Iterator[str]:
    """Paths the journal has of edits after an entry, or finished since then, or unfinished.

    Also of photos that went into the trash or came out of it since then.
    """
    rows = connection.execute(
        "WITH edited AS (SELECT path, photo_id FROM write_journal"
        " WHERE id > ?1 OR done_at >= ?2 OR done_at IS NULL)"
        " SELECT path FROM edited"
        # Where the entry is of a sidecar, its photo is what is read.
        " UNION SELECT current_path FROM photos WHERE missing_since IS NULL"
        " AND id IN (SELECT photo_id FROM edited)"
        " UNION SELECT path FROM trash_moves WHERE done_at >= ?2 OR done_at IS NULL ORDER BY 1",
        [entry_id, since],
    )
    return (row[0] for row in rows)
