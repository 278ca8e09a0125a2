"""The rows of `trash_moves`: photos on their way into the trash or out of it, and what was moved.

A move is planned before anything on disk is touched, and done in the transaction in which row
and entry change places. Functions take a connection and never commit.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from enum import StrEnum

from trash_rows import TrashEntry, find_entry, make_entry, now


class MoveKind(StrEnum):
    """Which way a photo goes."""

    TRASH = "trash"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Move:
    """A photo on its way into the trash or out of it. path: where in the library it was, or goes.

    sidecar_path: where its sidecar goes that comes back.
    """

    id: int
    operation_id: str | None
    photo_id: int | None
    kind: MoveKind
    path: str
    entry: TrashEntry
    temporaries: tuple[str, str]
    sidecar_path: str | None = None


def plan_move(connection: sqlite3.Connection, move: Move) -> int:
    """Write down a move before anything is moved; its id."""
    said = {
        "entry": {
            "id": move.entry.id,
            "original_path": move.entry.original_path,
            "trash_filename": move.entry.trash_filename,
            "deleted_at": move.entry.deleted_at,
        },
        # An older app's entry is looked up again: nothing of it is made up here.
        "photo": None if move.entry.is_old else move.entry.as_data(),
        "temporaries": list(move.temporaries),
        "sidecar_path": move.sidecar_path,
    }
    cursor = connection.execute(
        "INSERT INTO trash_moves (operation_id, photo_id, kind, state, path, trash_filename,"
        " entry_json, planned_at) VALUES (?, ?, ?, 'planned', ?, ?, ?, ?)",
        (
            move.operation_id,
            move.photo_id,
            move.kind,
            move.path,
            move.entry.trash_filename,
            json.dumps(said),
            now(),
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def finish_move(connection: sqlite3.Connection, move_id: int, photo_id: int) -> None:
    """The move was done. What it was about stands in the entry, or in the photo's row."""
    connection.execute(
        "UPDATE trash_moves SET state = 'done', photo_id = ?, done_at = ?, entry_json = '{}'"
        " WHERE id = ?",
        (photo_id, now(), move_id),
    )


def drop_move(connection: sqlite3.Connection, move_id: int) -> None:
    """Forget a move of which nothing was done."""
    connection.execute("DELETE FROM trash_moves WHERE id = ?", [move_id])


def list_planned(connection: sqlite3.Connection) -> list[Move]:
    """Moves that did not end, the first first."""
    rows = connection.execute("SELECT * FROM trash_moves WHERE state = 'planned' ORDER BY id")
    return [_move_from_row(connection, row) for row in rows]


def _move_from_row(connection: sqlite3.Connection, row: sqlite3.Row) -> Move:
    said = json.loads(row["entry_json"])
    own = said["entry"]
    found = find_entry(connection, own["id"]) if said["photo"] is None else None
    entry = found or make_entry(own["id"], own, said["photo"] or {})
    first, second = said["temporaries"]
    return Move(
        id=row["id"],
        operation_id=row["operation_id"],
        photo_id=row["photo_id"],
        kind=MoveKind(row["kind"]),
        path=row["path"],
        entry=entry,
        temporaries=(first, second),
        sidecar_path=said["sidecar_path"],
    )


def list_done(
    connection: sqlite3.Connection, operation_id: str, kind: MoveKind
) -> list[tuple[int, str, str]]:
    """What an operation moved this way: photo id, path, name in the trash; in that order."""
    rows = connection.execute(
        "SELECT photo_id, path, trash_filename FROM trash_moves WHERE operation_id = ?"
        " AND kind = ? AND state = 'done' ORDER BY id",
        (operation_id, kind),
    )
    return [(row[0], row[1], row[2]) for row in rows]


def list_entries_of(connection: sqlite3.Connection, operation_id: str) -> list[int]:
    """Ids of what an operation has put into the trash and is still there, the last first."""
    rows = connection.execute(
        "SELECT deleted.id FROM trash_moves AS move JOIN deleted_photos AS deleted"
        " ON deleted.trash_filename = move.trash_filename AND deleted.original_path = move.path"
        " WHERE move.operation_id = ? AND move.kind = 'trash' AND move.state = 'done'"
        " ORDER BY move.id DESC",
        [operation_id],
    )
    return list(dict.fromkeys(row[0] for row in rows))


def find_last_operation(connection: sqlite3.Connection) -> tuple[str, str] | None:
    """The operation that last put photos into the trash that are still there, and when."""
    row = connection.execute(
        "SELECT move.operation_id, move.done_at FROM trash_moves AS move JOIN deleted_photos"
        " AS deleted ON deleted.trash_filename = move.trash_filename"
        " AND deleted.original_path = move.path"
        " WHERE move.kind = 'trash' AND move.state = 'done' AND move.operation_id IS NOT NULL"
        " ORDER BY move.id DESC LIMIT 1"
    ).fetchone()
    return (row[0], row[1]) if row else None


def list_moved_photos(connection: sqlite3.Connection, since: str) -> set[int]:
    """Photos that went into the trash or came out of it since then, or are on their way."""
    rows = connection.execute(
        "SELECT DISTINCT photo_id FROM trash_moves WHERE photo_id IS NOT NULL"
        " AND (done_at >= ? OR done_at IS NULL)",
        [since],
    )
    return {row[0] for row in rows}


def forget_moves(connection: sqlite3.Connection) -> None:
    """Forget what operations have done that are themselves forgotten."""
    connection.execute(
        "DELETE FROM trash_moves WHERE state = 'done' AND (operation_id IS NULL OR"
        " operation_id NOT IN (SELECT operation_id FROM operation_state))"
    )


def list_known_names(connection: sqlite3.Connection) -> set[str]:
    """The names in the trash that the tables know."""
    rows = connection.execute(
        "SELECT trash_filename FROM deleted_photos UNION"
        " SELECT trash_filename FROM trash_moves WHERE state = 'planned'"
    )
    return {row[0] for row in rows}
