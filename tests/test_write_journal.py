"""write_journal: what is about to be changed, has been changed, and can be taken back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rows import make_record

import catalog
import write_journal
from db import Database, open_database
from errors import NotFoundError
from write_journal import Edit, EditState, Place, PlannedEdit, Values

NOTHING = Values(None, None, {"XMP-xmp:Rating": None})
STARRED = Values(5, "file", {"XMP-xmp:Rating": 5})


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    database: Database = open_database(tmp_path / "library.db")
    with database.transaction() as connection:
        catalog.insert_photos(
            connection, [make_record("a.jpg", None), make_record("b.jpg", None)], "2026"
        )
        yield connection
    database.close()


def add(
    connection: sqlite3.Connection,
    photo_id: int = 1,
    state: EditState | None = EditState.DONE,
    **changes: Any,
) -> int:
    values: dict[str, Any] = {
        "photo_id": photo_id,
        "path": "a.jpg",
        "place": Place.FILE,
        "before": NOTHING,
        "after": STARRED,
    }
    entry_id = write_journal.plan(connection, PlannedEdit(**values | changes))
    if state is not None:
        write_journal.prepare(connection, entry_id, f"{entry_id:064}")
        write_journal.finish(connection, entry_id, state)
    return entry_id


def undoable(connection: sqlite3.Connection) -> list[int]:
    return [edit.id for edit in write_journal.list_edits(connection) if edit.undoable]


def test_an_entry_comes_back_as_it_was_planned(connection: sqlite3.Connection) -> None:
    plan = PlannedEdit(
        photo_id=1,
        path="a.jpg.xmp",
        place=Place.SIDECAR,
        before=Values(4, "sidecar", {"XMP-xmp:Rating": "4"}, exists=False),
        after=STARRED,
        temporary_path=".a",
        content_hash_before="0",
        media_hash="jpeg:1",
        reason="It is read-only.",
    )
    entry_id = write_journal.plan(connection, plan)
    edit = write_journal.get_edit(connection, entry_id)
    assert edit.state == EditState.PLANNED
    assert edit.done_at is None
    assert PlannedEdit(**{name: getattr(edit, name) for name in PlannedEdit.__slots__}) == plan
    with pytest.raises(NotFoundError):
        write_journal.get_edit(connection, entry_id + 1)


def test_only_the_last_edit_of_each_photo_can_be_taken_back(
    connection: sqlite3.Connection,
) -> None:
    first, second, other = add(connection), add(connection), add(connection, 2)
    assert undoable(connection) == [other, second]
    third = add(connection, undoes=second)
    assert write_journal.get_edit(connection, second).state == EditState.UNDONE
    # `third` can be taken back (a redo), and `first` stands as before `second`.
    assert undoable(connection) == [third, other, first]
    last = write_journal.find_last_edit(connection, 1)
    assert last
    assert last.id == third


def test_after_a_redo_the_first_edit_is_covered_again(connection: sqlite3.Connection) -> None:
    add(connection)
    second = add(connection)
    third = add(connection, undoes=second)
    fourth = add(connection, undoes=third)
    assert undoable(connection) == [fourth]


def test_an_edit_of_several_files_is_listed_once_and_found_whole(
    connection: sqlite3.Connection,
) -> None:
    main = add(connection)
    part = add(connection, path="a.jpg.xmp", place=Place.SIDECAR, main_id=main)
    assert [edit.id for edit in write_journal.list_edits(connection)] == [main]
    assert undoable(connection) == [main]
    assert [one.id for one in write_journal.list_parts(connection, main)] == [main, part]


def test_unfinished_entries_are_found_and_not_listed(connection: sqlite3.Connection) -> None:
    planned = add(connection, state=None)
    conflict = add(connection, 2, EditState.CONFLICT)
    assert [one.id for one in write_journal.list_unfinished(connection)] == [planned]
    assert write_journal.list_unfinished(connection, 2) == []
    assert [one.id for one in write_journal.list_edits(connection)] == [conflict]
    assert undoable(connection) == []
    write_journal.drop(connection, planned)
    assert write_journal.list_unfinished(connection) == []


def test_our_own_bytes_are_known_as_ours_also_when_taken_back(
    connection: sqlite3.Connection,
) -> None:
    entry_id = add(connection)
    written = write_journal.get_edit(connection, entry_id).content_hash_after
    assert written
    assert write_journal.has_written(connection, "a.jpg", written)
    add(connection, undoes=entry_id)
    assert write_journal.has_written(connection, "a.jpg", written)
    assert not write_journal.has_written(connection, "a.jpg", "9" * 64)
    assert not write_journal.has_written(connection, "b.jpg", written)


def test_edits_since_a_moment_count_what_ended_then_or_has_not_ended(
    connection: sqlite3.Connection,
) -> None:
    add(connection)
    moment = write_journal.get_edit(connection, 1).done_at
    assert moment
    assert write_journal.list_edited_photos(connection, moment) == {1}
    assert write_journal.list_edited_photos(connection, moment + "x") == set()
    add(connection, 2, state=None)
    assert write_journal.list_edited_photos(connection, moment + "x") == {2}


def test_a_row_of_another_program_is_read_as_far_as_it_goes(
    connection: sqlite3.Connection,
) -> None:
    connection.execute(
        "INSERT INTO write_journal (path, state, before_json, after_json, planned_at)"
        " VALUES ('a.jpg', 'done', NULL, '{}', '2026')"
    )
    (edit,) = write_journal.list_edits(connection)
    assert isinstance(edit, Edit)
    assert (edit.place, edit.before, edit.photo_id) == (Place.FILE, Values(None, None, {}), None)


def test_finding_an_edit_needs_no_scan_of_the_journal(connection: sqlite3.Connection) -> None:
    add(connection)
    for question in (
        "SELECT id FROM write_journal WHERE photo_id = 1",
        "SELECT id FROM write_journal WHERE operation_id = 'x'",
    ):
        plan = connection.execute(f"EXPLAIN QUERY PLAN {question}").fetchall()
        assert "SEARCH" in plan[0]["detail"]
