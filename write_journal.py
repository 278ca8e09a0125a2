"""What this app is about to change in photo files, has changed, and the values before.

Rows of `write_journal`, one for each file that an edit writes: the photo itself, its sidecar,
or a sidecar beside the library. Paths of the library are relative to it. States: `planned`,
`prepared` (the new bytes are known and about to take the file's place), `done`, `undone` (taken
back by a later entry), `conflict` (interrupted, and the file is neither as before nor as after).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from errors import NotFoundError
from metadata import TagValue


class EditState(StrEnum):
    """Where an entry stands."""

    PLANNED = "planned"
    PREPARED = "prepared"
    DONE = "done"
    UNDONE = "undone"
    CONFLICT = "conflict"


class Place(StrEnum):
    """Where a value of a photo is kept; the values of `photos.kept_in`."""

    FILE = "file"
    SIDECAR = "sidecar"
    BESIDE = "beside"
    DATABASE = "database"


class EditKind(StrEnum):
    """What an edit changes: edits of one kind stand on one another, others do not."""

    RATING = "rating"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Values:
    """What stood, or shall stand, in the file of an entry and in its photo's row.

    tags: `Group:Tag` -> value, None for one that is not there; only those that are written.
    exists: whether there is such a file at all (a sidecar may be made, or removed).
    rating, kept_in, date_taken: as in the row.
    """

    rating: int | None
    kept_in: str | None
    tags: Mapping[str, TagValue | None]
    exists: bool = True
    date_taken: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedEdit:
    """An entry as it is planned.

    path: of the file that is written, relative to the library; of a sidecar beside the library
        its name. main_id: the entry that stands for the whole edit where it writes several
        files, None in that entry itself. undoes: the entry that this edit takes back.
    reason: why the value is not kept in the photo's own file. made_blocks: of EXIF
        that the file did not have before this edit.
    """

    photo_id: int | None
    path: str
    place: Place
    before: Values
    after: Values
    temporary_path: str | None = None
    content_hash_before: str | None = None
    media_hash: str | None = None
    operation_id: str | None = None
    main_id: int | None = None
    undoes: int | None = None
    reason: str | None = None
    made_blocks: tuple[str, ...] = ()
    kind: EditKind = EditKind.RATING


@dataclass(frozen=True, slots=True)
class Edit(PlannedEdit):
    """An entry; `undoable`: it is the last of its photo that still holds."""

    id: int = 0
    state: str = EditState.PLANNED
    content_hash_after: str | None = None
    planned_at: str = ""
    done_at: str | None = None
    undoable: bool = False


_IN_AFTER: Final = ("place", "main_id", "undoes", "reason", "made_blocks", "kind")
"""What of a plan stands in `after_json`, beside the values."""

_COLUMNS: Final = (
    "entry.id, entry.operation_id, entry.photo_id, entry.path, entry.state, entry.temporary_path,"
    " entry.before_json, entry.after_json, entry.content_hash_before, entry.content_hash_after,"
    " entry.media_hash, entry.planned_at, entry.done_at"
)
_UNDOABLE: Final = (
    "entry.state = 'done' AND json_extract(entry.after_json, '$.main_id') IS NULL AND NOT EXISTS ("
    "SELECT 1 FROM write_journal AS later WHERE later.photo_id = entry.photo_id"
    " AND later.id > entry.id AND later.state = 'done'"
    " AND coalesce(json_extract(later.after_json, '$.kind'), 'rating')"
    " = coalesce(json_extract(entry.after_json, '$.kind'), 'rating')"
    " AND coalesce(json_extract(later.after_json, '$.main_id'), later.id) <> entry.id"
    # An entry that took back a later one leaves this one as it was; a redo does not.
    " AND (coalesce(json_extract(later.after_json, '$.undoes'), 0) <= entry.id"
    " OR EXISTS (SELECT 1 FROM write_journal AS taken"
    " WHERE taken.id = json_extract(later.after_json, '$.undoes')"
    " AND json_extract(taken.after_json, '$.undoes') IS NOT NULL)))"
)
_SELECT: Final = f"SELECT {_COLUMNS}, {_UNDOABLE} AS undoable FROM write_journal AS entry"  # noqa: S608  constants only


def has_written(connection: sqlite3.Connection, path: str, content_hash: str) -> bool:
    """Whether this app itself put these exact bytes at `path`.

    A prepared entry counts as well: its bytes may be in place, and its end not yet noted.
    """
    found = connection.execute(
        "SELECT 1 FROM write_journal WHERE path = ? AND content_hash_after = ?"
        " AND state IN ('done', 'undone', 'prepared') LIMIT 1",
        (path, content_hash),
    ).fetchone()
    return found is not None


# -- the life of an entry ----------------------------------------------------------------------


def plan(connection: sqlite3.Connection, edit: PlannedEdit) -> int:
    """Write down what is about to be done, before anything is; the entry's id."""
    beside_values = {name: getattr(edit, name) for name in _IN_AFTER}
    cursor = connection.execute(
        "INSERT INTO write_journal (operation_id, photo_id, path, state, temporary_path,"
        " before_json, after_json, content_hash_before, media_hash, planned_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            edit.operation_id,
            edit.photo_id,
            edit.path,
            EditState.PLANNED,
            edit.temporary_path,
            json.dumps(asdict(edit.before)),
            json.dumps(asdict(edit.after) | beside_values),
            edit.content_hash_before,
            edit.media_hash,
            _now(),
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def prepare(connection: sqlite3.Connection, entry_id: int, content_hash_after: str) -> None:
    """The copy is whole and proven; it is about to take the file's place."""
    connection.execute(
        "UPDATE write_journal SET state = ?, content_hash_after = ? WHERE id = ?",
        (EditState.PREPARED, content_hash_after, entry_id),
    )


def finish(connection: sqlite3.Connection, entry_id: int, state: EditState) -> None:
    """The entry has ended so; what it took back is marked as undone."""
    connection.execute(
        "UPDATE write_journal SET state = ?, done_at = ?, temporary_path = NULL WHERE id = ?",
        (state, _now(), entry_id),
    )
    if state == EditState.DONE:
        connection.execute(
            "UPDATE write_journal SET state = ? WHERE state = ? AND id ="
            " (SELECT json_extract(after_json, '$.undoes') FROM write_journal WHERE id = ?)",
            (EditState.UNDONE, EditState.DONE, entry_id),
        )


def drop(connection: sqlite3.Connection, entry_id: int) -> None:
    """Forget an entry of which nothing was done."""
    connection.execute("DELETE FROM write_journal WHERE id = ?", (entry_id,))


def list_entry_ids(connection: sqlite3.Connection, photo_id: int) -> list[int]:
    """The ids of all entries of a photo: what `attach` needs once its row is back."""
    rows = connection.execute(
        "SELECT id FROM write_journal WHERE photo_id = ? ORDER BY id", (photo_id,)
    )
    return [row[0] for row in rows]


def attach(
    connection: sqlite3.Connection,
    entry_ids: Sequence[int],
    photo_id: int,
    paths: Mapping[str, str],
) -> None:
    """Give entries back to a photo whose row was away; `paths`: where its files lie since."""
    chosen = json.dumps(list(entry_ids))
    connection.execute(
        "UPDATE write_journal SET photo_id = ? WHERE photo_id IS NULL"
        " AND id IN (SELECT value FROM json_each(?))",
        (photo_id, chosen),
    )
    connection.executemany(
        "UPDATE write_journal SET path = ? WHERE path = ? AND photo_id = ?"
        " AND id IN (SELECT value FROM json_each(?))",
        [(new, old, photo_id, chosen) for old, new in paths.items() if old != new],
    )


# -- what the journal tells --------------------------------------------------------------------


def get_edit(connection: sqlite3.Connection, entry_id: int) -> Edit:
    """One entry. Raises `NotFoundError`."""
    row = connection.execute(f"{_SELECT} WHERE entry.id = ?", (entry_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"There is no edit {entry_id}.")
    return _from_row(row)


def list_parts(connection: sqlite3.Connection, main_id: int) -> list[Edit]:
    """All entries of an edit, one for each file that it wrote, in the order of writing."""
    rows = connection.execute(
        f"{_SELECT} WHERE (entry.id = ?1 OR json_extract(entry.after_json, '$.main_id') = ?1)"  # noqa: S608  constants only
        " AND entry.photo_id IS (SELECT photo_id FROM write_journal WHERE id = ?1)"
        " ORDER BY entry.id",
        (main_id,),
    )
    return [_from_row(row) for row in rows]


def list_edits(
    connection: sqlite3.Connection, *, photo_id: int | None = None, limit: int = 50
) -> list[Edit]:
    """The newest edits that were done, the last first, one entry for each."""
    rows = connection.execute(
        f"{_SELECT} WHERE entry.state IN ('done', 'undone', 'conflict')"
        " AND json_extract(entry.after_json, '$.main_id') IS NULL"
        " AND (?1 IS NULL OR entry.photo_id = ?1)"
        " ORDER BY entry.id DESC LIMIT ?2",
        (photo_id, limit),
    )
    return [_from_row(row) for row in rows]


def list_edits_of_operation(connection: sqlite3.Connection, operation_id: str) -> list[Edit]:
    """What an operation has done, the first first, one entry for each photo."""
    rows = connection.execute(
        f"{_SELECT} WHERE entry.operation_id = ? AND entry.state IN ('done', 'undone')"
        " AND json_extract(entry.after_json, '$.main_id') IS NULL ORDER BY entry.id",
        (operation_id,),
    )
    return [_from_row(row) for row in rows]


def find_last_edit(
    connection: sqlite3.Connection, photo_id: int, kind: EditKind = EditKind.RATING
) -> Edit | None:
    """The last edit of this kind of a photo that still holds."""
    row = connection.execute(
        f"{_SELECT} WHERE entry.photo_id = ? AND {_UNDOABLE}"
        " AND coalesce(json_extract(entry.after_json, '$.kind'), 'rating') = ?"
        " ORDER BY entry.id DESC LIMIT 1",
        (photo_id, kind),
    ).fetchone()
    return _from_row(row) if row else None


def list_unfinished(connection: sqlite3.Connection, photo_id: int | None = None) -> list[Edit]:
    """Entries that neither ended nor were given up, the first first; of one photo or of all."""
    rows = connection.execute(
        f"{_SELECT} WHERE entry.state IN ('planned', 'prepared')"
        " AND (?1 IS NULL OR entry.photo_id = ?1) ORDER BY entry.id",
        (photo_id,),
    )
    return [_from_row(row) for row in rows]


def list_edited_photos(connection: sqlite3.Connection, since: str) -> set[int]:
    """Photos with an edit that ended at `since` (ISO 8601, UTC) or later, or began then.

    One that a crash left before, and that could not be ended yet, does not count: an index
    has to find its photo where somebody moved it.
    """
    rows = connection.execute(
        "SELECT DISTINCT photo_id FROM write_journal WHERE photo_id IS NOT NULL"
        " AND (done_at >= ?1 OR (state IN ('planned', 'prepared') AND planned_at >= ?1))",
        (since,),
    )
    return {row[0] for row in rows}


def has_made(connection: sqlite3.Connection, path: str) -> bool:
    """Whether this app itself made the sidecar at `path`, where none was."""
    found = connection.execute(
        "SELECT 1 FROM write_journal WHERE path = ? AND state IN ('done', 'undone')"
        " AND NOT json_extract(before_json, '$.exists') LIMIT 1",
        (path,),
    ).fetchone()
    return found is not None


def _from_row(row: sqlite3.Row) -> Edit:
    """An entry; one that another program wrote may lack what ours always has."""
    before, after = _parse(row["before_json"]), _parse(row["after_json"])
    place = after.get("place")
    return Edit(
        id=row["id"],
        operation_id=row["operation_id"],
        photo_id=row["photo_id"],
        path=row["path"],
        place=Place(place) if place in set(Place) else Place.FILE,
        before=_make_values(before),
        after=_make_values(after),
        state=row["state"],
        temporary_path=row["temporary_path"],
        content_hash_before=row["content_hash_before"],
        content_hash_after=row["content_hash_after"],
        media_hash=row["media_hash"],
        main_id=after.get("main_id"),
        undoes=after.get("undoes"),
        reason=after.get("reason"),
        made_blocks=tuple(after.get("made_blocks") or ()),
        kind=EditKind.DATE if after.get("kind") == EditKind.DATE else EditKind.RATING,
        planned_at=row["planned_at"],
        done_at=row["done_at"],
        undoable=bool(row["undoable"]),
    )


def _parse(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _make_values(said: Mapping[str, Any]) -> Values:
    return Values(
        rating=said.get("rating"),
        kept_in=said.get("kept_in"),
        tags=said.get("tags") or {},
        exists=bool(said.get("exists", True)),
        date_taken=said.get("date_taken"),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
