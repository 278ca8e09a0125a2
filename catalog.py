"""SQL on `photos` and `folders`: the rows themselves, what the index knows and writes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Final, NamedTuple

from errors import NotFoundError

UNDATED: Final = "undated"
FAVORITE_RATING: Final = 5


@dataclass(frozen=True, slots=True)
class PhotoRecord:
    """What the index writes of one photo: every column that follows from its files."""

    original_filename: str
    current_path: str
    date_taken: str | None
    content_hash: str
    file_size: int
    file_type: str
    width: int | None
    height: int | None
    rating: int | None
    media_hash: str
    orientation: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    date_source: str
    utc_offset: str | None
    duration_s: float | None
    camera: str | None
    kept_in: str | None
    sidecar_path: str | None
    sidecar_mtime_ns: int | None
    sidecar_size: int | None
    reader_version: int


@dataclass(frozen=True, slots=True)
class Photo(PhotoRecord):
    """A row of `photos`: its record, and what no file says."""

    id: int
    added_at: str
    missing_since: str | None

    @property
    def favorited(self) -> bool:
        return self.rating == FAVORITE_RATING

    @property
    def month(self) -> str:
        """`2019-07`, or `undated`."""
        return self.date_taken[:7] if self.date_taken else UNDATED


PUBLIC_FIELDS: Final = (
    *("id", "current_path", "original_filename", "file_type", "date_taken", "date_source"),
    *("utc_offset", "rating", "favorited", "kept_in", "width", "height", "duration_s", "camera"),
    *("file_size", "content_hash", "media_hash", "missing_since"),
)
"""The keys of a photo in `list --json` and in the JSON API."""


def describe_photo(photo: Photo) -> dict[str, object]:
    """The photo as programs get it: `PUBLIC_FIELDS`, in this order."""
    return {name: getattr(photo, name) for name in PUBLIC_FIELDS}


class KnownFile(NamedTuple):
    """What the index remembers of a row to tell whether its file is still the same.

    A tuple: an index makes one of every row, and makes these in a fifth of the time.
    """

    id: int
    current_path: str
    content_hash: str
    media_hash: str
    file_size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    sidecar_path: str | None
    sidecar_mtime_ns: int | None
    sidecar_size: int | None
    reader_version: int
    missing_since: str | None


PHOTO_COLUMNS: Final = ", ".join(field.name for field in fields(Photo))
"""What a `SELECT` names to give the values of a `Photo`, in their order."""

_KNOWN_COLUMNS: Final = ", ".join(KnownFile._fields)
_RECORD_COLUMNS: Final = tuple(field.name for field in fields(PhotoRecord))
# `astuple` would copy each value deeply: a fifth of the time of this process at a first index.
_values_of: Final = attrgetter(*_RECORD_COLUMNS)


def iterate_photos(connection: sqlite3.Connection) -> Iterator[Photo]:
    """Every photo, missing ones too, by path."""
    rows = connection.execute(
        f"SELECT {PHOTO_COLUMNS} FROM photos ORDER BY current_path, id"  # noqa: S608  constants only
    )
    return (Photo(*row) for row in rows)


def get_photo(connection: sqlite3.Connection, photo_id: int) -> Photo:
    """The photo with this id, missing ones too. Raises `NotFoundError`."""
    row = connection.execute(
        f"SELECT {PHOTO_COLUMNS} FROM photos WHERE id = ?",  # noqa: S608  constants only
        [photo_id],
    ).fetchone()
    if row is None:
        raise NotFoundError(f"There is no photo {photo_id} in this library.")
    return Photo(*row)


def get_photos(connection: sqlite3.Connection, photo_ids: Iterable[int]) -> dict[int, Photo]:
    """By id those of these photos that there are, missing ones too."""
    rows = _plain(connection).execute(
        f"SELECT {PHOTO_COLUMNS} FROM photos WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608  constants only
        [json.dumps(list(photo_ids))],
    )
    return {photo.id: photo for photo in (Photo(*row) for row in rows)}


def get_record(photo: Photo) -> PhotoRecord:
    """What the photo's row says of its file."""
    return PhotoRecord(*_values_of(photo))


def get_photo_at(connection: sqlite3.Connection, path: str) -> Photo:
    """The present photo at this path. Raises `NotFoundError`."""
    row = connection.execute(
        f"SELECT {PHOTO_COLUMNS} FROM photos WHERE current_path = ? AND missing_since IS NULL",  # noqa: S608  constants only
        [path],
    ).fetchone()
    if row is None:
        raise NotFoundError(f"There is no photo {path} in this library.")
    return Photo(*row)


def has_picture(connection: sqlite3.Connection, photo: Photo) -> bool:
    """Whether the row with this photo's id is of the same picture at the same path."""
    row = connection.execute(
        "SELECT 1 FROM photos WHERE id = ? AND media_hash = ? AND current_path = ?",
        [photo.id, photo.media_hash, photo.current_path],
    ).fetchone()
    return row is not None


# -- what the index knows and writes ---------------------------------------------------------


def list_known_files(connection: sqlite3.Connection) -> list[KnownFile]:
    """What is remembered of every row's file, missing ones too, by id."""
    rows = _plain(connection).execute(f"SELECT {_KNOWN_COLUMNS} FROM photos ORDER BY id")  # noqa: S608  constants only
    return list(map(KnownFile._make, rows))


def _plain(connection: sqlite3.Connection) -> sqlite3.Cursor:
    """A cursor of plain tuples: of 100,000 rows, those with names take half as long again."""
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor


def insert_photos(
    connection: sqlite3.Connection, records: Iterable[PhotoRecord], added_at: str
) -> None:
    """New rows, in the order given.

    A photo that came out of the trash while its file was read has its row there already.
    """
    columns = ("added_at", *_RECORD_COLUMNS)
    connection.executemany(
        f"INSERT INTO photos ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608  constants only
        " ON CONFLICT (current_path) WHERE missing_since IS NULL DO NOTHING",
        ((added_at, *_values_of(record)) for record in records),
    )


def update_photos(connection: sqlite3.Connection, records: Mapping[int, PhotoRecord]) -> None:
    """Bring rows, by id, to what their files say now; a missing one is there again.

    Paths may be swapped among the rows: all of them first leave their old path, by the
    partial unique index on present rows. A rating that the database alone holds stays until
    a file or sidecar says one.
    """
    connection.executemany(
        "UPDATE photos SET missing_since = '' WHERE id = ?", ((key,) for key in records)
    )
    kept = "CASE WHEN kept_in = 'database' AND ?{rating} IS NULL THEN {column} ELSE ?{at} END"
    places = {column: at for at, column in enumerate(_RECORD_COLUMNS, 1)}
    assignments = ", ".join(
        f"{column} = "
        + (
            kept.format(rating=places["rating"], column=column, at=at)
            if column in ("rating", "kept_in")
            else f"?{at}"
        )
        for column, at in places.items()
    )
    connection.executemany(
        f"UPDATE photos SET {assignments}, missing_since = NULL WHERE id = ?{len(places) + 1}",  # noqa: S608  constants only
        ((*_values_of(record), key) for key, record in records.items()),
    )


def take_out(connection: sqlite3.Connection, photo_id: int) -> None:
    """Remove the row of a photo that lies in the trash now."""
    connection.execute("DELETE FROM photos WHERE id = ?", [photo_id])


def put_back(connection: sqlite3.Connection, photo: Photo) -> int:
    """The row of a photo that came out of the trash; its id.

    That is its old one, unless another picture has it (or it is 0, as of an older app's trash).
    A row that stands at its path is of this very file, which an index has just found, or of one
    that is no longer there.
    """
    own = connection.execute(
        "SELECT media_hash, missing_since FROM photos WHERE id = ?", [photo.id]
    ).fetchone()
    if own is not None and own["missing_since"] and own["media_hash"] == photo.media_hash:
        take_out(connection, photo.id)
        own = None
    connection.execute(
        "DELETE FROM photos WHERE current_path = ? AND missing_since IS NULL AND inode = ?"
        " AND media_hash = ? AND id <> ?",
        [photo.current_path, photo.inode, photo.media_hash, photo.id],
    )
    connection.execute(
        "UPDATE photos SET missing_since = ? WHERE current_path = ? AND missing_since IS NULL",
        [photo.added_at, photo.current_path],
    )
    values = {field.name: getattr(photo, field.name) for field in fields(Photo)}
    values["id"] = photo.id if photo.id > 0 and own is None else None
    cursor = connection.execute(
        f"INSERT INTO photos ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608  constants only
        list(values.values()),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def raise_sequence(connection: sqlite3.Connection, photo_id: int) -> None:
    """Give no new photo this id or a lower one: it is of a photo in the trash."""
    changed = connection.execute(
        "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'photos'", [photo_id]
    )
    if not changed.rowcount:
        connection.execute("INSERT INTO sqlite_sequence VALUES ('photos', ?)", [photo_id])


def mark_missing(connection: sqlite3.Connection, photo_ids: Iterable[int], since: str) -> None:
    """Rows whose file is gone; a row that was missing before keeps its time."""
    connection.executemany(
        "UPDATE photos SET missing_since = ? WHERE id = ? AND missing_since IS NULL",
        ((since, photo_id) for photo_id in photo_ids),
    )


def list_pair_facts(
    connection: sqlite3.Connection, folder: str | None = None
) -> Iterator[tuple[int, str, str, float | None]]:
    """Id, path, type and duration of every present photo: what tells which belong together.

    folder: only of those below it.
    """
    facts = "SELECT id, current_path, file_type, duration_s FROM photos WHERE missing_since IS NULL"
    if not folder:
        return _plain(connection).execute(facts)
    # '0' is the letter behind '/'.
    within = " AND current_path > ? AND current_path < ?"
    return _plain(connection).execute(facts + within, [f"{folder}/", f"{folder}0"])


def replace_companions(
    connection: sqlite3.Connection, leaders: Mapping[int, int], among: Iterable[int] | None = None
) -> None:
    """Remember the leader of every companion, both by id; only what differs is written.

    among: the photos that were looked at; others stay as they are.
    """
    rows = connection.execute("SELECT photo_id, leader_id FROM companions")
    looked_at = None if among is None else set(among)
    before = {
        photo_id: leader_id
        for photo_id, leader_id in rows
        if looked_at is None or photo_id in looked_at
    }
    connection.executemany(
        "DELETE FROM companions WHERE photo_id = ?",
        ((photo_id,) for photo_id in before.keys() - leaders.keys()),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO companions (photo_id, leader_id) VALUES (?, ?)",
        (leaders.items() - before.items()),
    )


# -- folders ---------------------------------------------------------------------------------


def replace_folders(
    connection: sqlite3.Connection,
    folders: Mapping[str, tuple[int, int, int]],
    noted: Iterable[str],
    readers: str,
) -> None:
    """Remember the folders of the library in place of those before.

    folders: (mtime_ns, ctime_ns, inode) by relative path. noted: those that a quick index need
    not read again while they are so, and `readers` as it was.
    """
    connection.execute("DELETE FROM folder_notes")
    connection.execute("DELETE FROM folders")
    connection.executemany(
        "INSERT INTO folders (path, mtime_ns) VALUES (?, ?)",
        ((path, stamp[0]) for path, stamp in folders.items()),
    )
    connection.executemany(
        "INSERT INTO folder_notes (path, ctime_ns, inode, readers) VALUES (?, ?, ?, ?)",
        ((path, *folders[path][1:], readers) for path in noted),
    )


def list_folders(
    connection: sqlite3.Connection, readers: str
) -> dict[str, tuple[int, int, int] | None]:
    """The remembered folders; (mtime_ns, ctime_ns, inode) of those noted with these readers."""
    # A dry run may look at a database that has no notes yet.
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'folder_notes'").fetchone():
        return {}
    rows = connection.execute(
        "SELECT folders.path, mtime_ns, ctime_ns, inode FROM folders LEFT JOIN folder_notes"
        " ON folder_notes.path = folders.path AND readers = ?",
        [readers],
    )
    return {
        path: None if ctime_ns is None else (mtime_ns, ctime_ns, inode)
        for path, mtime_ns, ctime_ns, inode in rows
    }


def list_known_outside(connection: sqlite3.Connection, folders: Iterable[str]) -> list[KnownFile]:
    """What is remembered of every row but the present ones right in these folders, by id."""
    rows = _plain(connection).execute(
        # A path without the letters of its name is its folder, with the slash.
        f"SELECT {_KNOWN_COLUMNS} FROM photos WHERE id IN ("  # noqa: S608  constants only
        "SELECT id FROM photos INDEXED BY idx_current_path WHERE missing_since IS NULL AND"
        " rtrim(current_path, replace(current_path, '/', '')) NOT IN"
        " (SELECT value FROM json_each(?))"
        " UNION ALL SELECT id FROM photos WHERE missing_since > '') ORDER BY id",
        [json.dumps([f"{folder}/" if folder else "" for folder in folders])],
    )
    return list(map(KnownFile._make, rows))


def count_present(connection: sqlite3.Connection) -> int:
    """How many rows are present, companions too."""
    count: int = connection.execute(
        "SELECT count(*) FROM photos WHERE missing_since IS NULL"
    ).fetchone()[0]
    return count


def has_rows(connection: sqlite3.Connection) -> bool:
    """Whether there is any row, of a missing photo too."""
    return connection.execute("SELECT 1 FROM photos LIMIT 1").fetchone() is not None


def list_present_ids(connection: sqlite3.Connection) -> list[int]:
    """The ids of all present rows, companions too, in order."""
    rows = connection.execute("SELECT id FROM photos WHERE missing_since IS NULL ORDER BY id")
    return [row[0] for row in rows]


def list_present_files(connection: sqlite3.Connection, photo_ids: Iterable[int]) -> list[KnownFile]:
    """What is remembered of those of these rows that are present, by id."""
    rows = connection.execute(
        # By id: an index on `missing_since` would find every present row first.
        f"SELECT {_KNOWN_COLUMNS} FROM photos NOT INDEXED WHERE missing_since IS NULL"  # noqa: S608  constants only
        " AND id IN (SELECT value FROM json_each(?)) ORDER BY id",
        [json.dumps(list(photo_ids))],
    )
    return list(map(KnownFile._make, rows))


def find_newest_change(connection: sqlite3.Connection) -> int | None:
    """The latest `ctime_ns` of a photo's file, which its disk sets; None without photos."""
    row = connection.execute("SELECT max(ctime_ns) FROM photos").fetchone()
    return None if row[0] is None else int(row[0])
