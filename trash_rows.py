"""The rows of `deleted_photos`: what lies in the trash.

`photo_data` of an entry is JSON: every column of the photo's row as it was, and under `trash`
the place of its files, its sidecar and the ids of its edits. An older app's entry has no
`trash`; of its row is taken what can be read.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, get_type_hints

from catalog import Photo, describe_photo
from errors import NotFoundError
from old_values import find_whole, make_file_type, make_hash, make_text, parse_date
from trash_files import TrashPlace

_HOLDS: Final = "trash"
_COLUMNS: Final = "id, original_path, trash_filename, deleted_at, photo_data"
_RATINGS: Final = range(-1, 6)


@dataclass(frozen=True, slots=True)
class TrashedSidecar:
    """A sidecar in the trash: where it lay, its name there, and its bytes."""

    path: str
    name: str
    size: int
    content_hash: str


@dataclass(frozen=True, slots=True)
class TrashEntry:
    """A photo in the trash.

    photo: its row as it was; of an older app's entry what could be read, its id 0 without one.
    leader_id: the photo it was taken along with, by id. edits: its entries in the journal.
    """

    id: int
    original_path: str
    trash_filename: str
    deleted_at: str
    photo: Photo
    place: TrashPlace
    sidecar: TrashedSidecar | None = None
    leader_id: int | None = None
    edits: tuple[int, ...] = ()

    @property
    def is_old(self) -> bool:
        """Whether an older app put it there."""
        return self.place == TrashPlace.OLD

    @property
    def size(self) -> int:
        return self.photo.file_size + (self.sidecar.size if self.sidecar else 0)

    def as_data(self) -> dict[str, Any]:
        """What `photo_data` holds."""
        held = {
            "place": self.place.value,
            "sidecar": asdict(self.sidecar) if self.sidecar else None,
            "leader_id": self.leader_id,
            "edits": list(self.edits),
        }
        return {**asdict(self.photo), _HOLDS: held}

    def as_note(self) -> dict[str, Any]:
        """What lies beside the file, for a time without the database."""
        names = ("original_path", "trash_filename", "deleted_at")
        return {name: getattr(self, name) for name in names} | {"photo": self.as_data()}


def describe_entry(entry: TrashEntry) -> dict[str, object]:
    """An entry as programs get it: the keys of a photo, `original_path` and `deleted_at`."""
    own = {"original_path": entry.original_path, "deleted_at": entry.deleted_at}
    return describe_photo(entry.photo) | own


# -- entries ---------------------------------------------------------------------------------


def list_entries(connection: sqlite3.Connection) -> list[TrashEntry]:
    """All of the trash, what came last first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM deleted_photos")  # noqa: S608  constants only
    entries = [_from_row(row) for row in rows]
    return sorted(entries, key=lambda entry: (entry.deleted_at, entry.id), reverse=True)


def list_page(connection: sqlite3.Connection, before: int | None, limit: int) -> list[TrashEntry]:
    """Entries by id, the highest first, below `before`."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM deleted_photos WHERE ?1 IS NULL OR id < ?1"  # noqa: S608  constants only
        " ORDER BY id DESC LIMIT ?2",
        [before, limit],
    )
    return [_from_row(row) for row in rows]


def count_entries(connection: sqlite3.Connection) -> int:
    count: int = connection.execute("SELECT count(*) FROM deleted_photos").fetchone()[0]
    return count


def find_entry(connection: sqlite3.Connection, entry_id: int) -> TrashEntry | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM deleted_photos WHERE id = ?",  # noqa: S608  constants only
        [entry_id],
    ).fetchone()
    return _from_row(row) if row else None


def get_entry(connection: sqlite3.Connection, entry_id: int) -> TrashEntry:
    """One entry. Raises `NotFoundError`."""
    entry = find_entry(connection, entry_id)
    if entry is None:
        raise NotFoundError(f"There is no photo {entry_id} in the trash.")
    return entry


def find_photo(connection: sqlite3.Connection, photo_id: int) -> TrashEntry | None:
    """The entry of the photo that had this id, the last one that was trashed."""
    own = find_entry(connection, photo_id)
    if own is not None and own.photo.id == photo_id:
        return own
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM deleted_photos WHERE json_valid(photo_data)"  # noqa: S608  constants only
        " AND json_extract(photo_data, '$.id') = ? ORDER BY deleted_at DESC, id DESC",
        [photo_id],
    )
    return next((_from_row(row) for row in rows), None)


def find_path(connection: sqlite3.Connection, path: str) -> TrashEntry | None:
    """The entry of the photo that lay at this path, the last one that was trashed."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM deleted_photos WHERE original_path = ?"  # noqa: S608  constants only
        " ORDER BY deleted_at DESC, id DESC LIMIT 1",
        [path],
    )
    return next((_from_row(row) for row in rows), None)


def list_led(connection: sqlite3.Connection, photo_id: int) -> list[TrashEntry]:
    """The entries of what was taken along with a photo."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM deleted_photos WHERE json_valid(photo_data)"  # noqa: S608  constants only
        " AND json_extract(photo_data, '$.trash.leader_id') = ? ORDER BY id",
        [photo_id],
    )
    return [_from_row(row) for row in rows]


def insert_entry(connection: sqlite3.Connection, entry: TrashEntry) -> TrashEntry:
    """Note a photo in the trash, under its own id where that is free; the entry as noted."""
    taken = find_entry(connection, entry.photo.id) is not None
    cursor = connection.execute(
        f"INSERT INTO deleted_photos ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608  constants only
        (
            None if taken else entry.photo.id,
            entry.original_path,
            entry.trash_filename,
            entry.deleted_at,
            json.dumps(entry.as_data()),
        ),
    )
    assert cursor.lastrowid is not None
    return get_entry(connection, cursor.lastrowid)


def delete_entry(connection: sqlite3.Connection, entry_id: int) -> None:
    connection.execute("DELETE FROM deleted_photos WHERE id = ?", [entry_id])


def _from_row(row: sqlite3.Row) -> TrashEntry:
    try:
        data = json.loads(row["photo_data"])
    except (ValueError, RecursionError):
        data = {}
    return make_entry(row["id"], row, data if isinstance(data, dict) else {})


def make_entry(entry_id: int, said: Mapping[str, Any] | sqlite3.Row, data: Any) -> TrashEntry:
    """An entry from its columns and its JSON, whoever wrote that."""
    held = data.get(_HOLDS)
    photo = _make_photo(data) if isinstance(held, dict) else None
    basics = (entry_id, said["original_path"], said["trash_filename"], said["deleted_at"])
    if photo is None or held.get("place") not in set(TrashPlace):
        return TrashEntry(*basics, _guess_photo(data, *basics[1:3]), TrashPlace.OLD)
    sidecar = held.get("sidecar")
    edits = held.get("edits") or []
    leader_id = held.get("leader_id")
    return TrashEntry(
        *basics,
        photo,
        TrashPlace(held["place"]),
        _make_sidecar(sidecar) if isinstance(sidecar, dict) else None,
        leader_id if type(leader_id) is int else None,
        tuple(one for one in edits if type(one) is int),
    )


_KINDS: Final = get_type_hints(Photo)


def _make_photo(data: Mapping[str, Any]) -> Photo | None:
    """The row in `photo_data`, None where that is not one of ours."""
    values: dict[str, Any] = {field.name: data.get(field.name) for field in fields(Photo)}
    if not all(isinstance(value, _KINDS[name]) for name, value in values.items()):
        return None
    photo = Photo(**values)
    return photo if photo.id > 0 else None


def _make_sidecar(said: Mapping[str, Any]) -> TrashedSidecar | None:
    kinds = {"path": str, "name": str, "size": int, "content_hash": str}
    if not all(isinstance(said.get(name), kind) for name, kind in kinds.items()):
        return None
    return TrashedSidecar(**{name: said[name] for name in kinds})


def _guess_photo(data: Mapping[str, Any], path: str, name: str) -> Photo:
    """The photo of an older app's entry: facts that no file says yet are read when it is back."""
    date, offset = parse_date(data.get("date_taken"))
    rating = find_whole(data.get("rating"))
    photo_id = find_whole(data.get("id")) or 0
    return Photo(
        original_filename=make_text(data.get("original_filename")) or path.rpartition("/")[2],
        current_path=path,
        date_taken=date,
        content_hash=make_hash(data.get("content_hash")),
        file_size=find_whole(data.get("file_size")) or 0,
        file_type=make_file_type(make_text(data.get("file_type")), path or name),
        width=find_whole(data.get("width")),
        height=find_whole(data.get("height")),
        rating=rating if rating in _RATINGS and rating else None,
        media_hash="",
        orientation=1,
        mtime_ns=0,
        ctime_ns=0,
        inode=0,
        date_source="none" if date is None else "exif",
        utc_offset=offset,
        duration_s=None,
        camera=None,
        kept_in="database" if rating in _RATINGS and rating else None,
        sidecar_path=None,
        sidecar_mtime_ns=None,
        sidecar_size=None,
        reader_version=0,
        id=photo_id if 0 < photo_id < 2**53 else 0,
        added_at=now(),
        missing_since=None,
    )


def now() -> str:
    """ISO 8601 in UTC, with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
