"""row_transfer: which rebuilt row is which old one, and what is carried; row_seals beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rows import make_record

import catalog
import row_transfer
from catalog import PhotoRecord
from db import Database, open_database
from file_operations import FileStat
from hash_cache import Hashes
from index_plan import PhotoFile
from row_seals import delete_unsealed, keep_seals, list_sealed, make_seal
from row_transfer import Match, carry_over, compare_rows, find_records, match_rows

SETTLED = {1}.__contains__


class Pair:
    """An old and a new database, and rows in them."""

    def __init__(self, folder: Path) -> None:
        self.old: Database = open_database(folder / "old.db")
        self.new: Database = open_database(folder / "new.db")

    def add(self, database: Database, *records: PhotoRecord, added_at: str = "old") -> None:
        with database.transaction() as connection:
            catalog.insert_photos(connection, records, added_at)

    def match(self, *unseen: str) -> Match:
        with self.old.reading() as old, self.new.reading() as new:
            return match_rows(
                catalog.list_known_files(old), catalog.list_known_files(new), frozenset(unseen)
            )

    def carry(self, *unseen: str) -> dict[str, int]:
        match = self.match(*unseen)
        with self.old.reading() as old, self.new.transaction() as new:
            return carry_over(old, new, match, "now")

    def rows(self) -> dict[str, tuple[int, str, str | None]]:
        with self.new.reading() as connection:
            return {
                photo.current_path: (photo.id, photo.added_at, photo.missing_since)
                for photo in catalog.iterate_photos(connection)
            }


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    yield pair
    pair.old.close()
    pair.new.close()


def at(path: str, like: PhotoRecord) -> PhotoRecord:
    """The same picture at another path."""
    return replace(like, current_path=path, original_filename=path.rpartition("/")[2])


A, B, C = (make_record(f"{name}.jpg", "2020-01-01T00:00:00") for name in "abc")


def test_rows_are_told_by_path_and_picture_then_picture_then_path(pair: Pair) -> None:
    pair.add(pair.old, A, B, C)
    edited = replace(C, media_hash="jpeg:edited")
    pair.add(pair.new, at("x/b.jpg", B), edited, A, added_at="new")
    match = pair.match()
    assert {new_id: row.id for new_id, row in match.rows.items()} == {1: 2, 2: 3, 3: 1}
    assert (match.vanished, match.unseen, match.missing) == ([], [], [])


def test_ids_are_turned_round_without_getting_in_each_others_way(pair: Pair) -> None:
    records = [make_record(f"{number}.jpg", None) for number in range(50)]
    pair.add(pair.old, *records)
    pair.add(pair.new, *reversed(records), added_at="new")
    assert pair.carry()["ids"] == 50
    assert pair.rows() == {f"{number}.jpg": (number + 1, "old", None) for number in range(50)}


def test_new_rows_get_ids_that_no_row_ever_had(pair: Pair) -> None:
    pair.add(pair.old, A, B)
    with pair.old.transaction() as connection:
        connection.execute("DELETE FROM photos WHERE id = 2")
    pair.add(pair.new, C, A, added_at="new")
    pair.carry()
    assert pair.rows() == {"a.jpg": (1, "old", None), "c.jpg": (3, "new", None)}
    pair.add(pair.new, B)
    assert pair.rows()["b.jpg"][0] == 4


def test_rows_without_a_file_are_carried_as_what_they_are(pair: Pair) -> None:
    pair.add(pair.old, A, B, C, make_record("dark/d.jpg", None))
    with pair.old.transaction() as connection:
        catalog.mark_missing(connection, [2], "long ago")
    pair.add(pair.new, A, added_at="new")
    assert pair.carry("dark")["missing"] == 2
    assert pair.rows() == {
        "a.jpg": (1, "old", None),
        "b.jpg": (2, "old", "long ago"),
        "c.jpg": (3, "old", "now"),
        "dark/d.jpg": (4, "old", None),
    }


def test_carrying_twice_is_carrying_once(pair: Pair) -> None:
    pair.add(pair.old, A, B, replace(C, rating=4, kept_in="database"))
    pair.add(pair.new, C, A, added_at="new")
    first = pair.carry()
    rows = pair.rows()
    assert pair.carry() | {"ratings": 1} == first
    assert pair.rows() == rows


@pytest.mark.parametrize("kept_in", ["database", "beside"])
def test_a_rating_no_file_holds_is_carried_and_no_difference(pair: Pair, kept_in: str) -> None:
    pair.add(pair.old, replace(A, rating=4, kept_in=kept_in), replace(B, rating=2, kept_in="file"))
    pair.add(pair.new, A, B, added_at="new")
    match = pair.match()
    with pair.old.reading() as old, pair.new.reading() as new:
        differences = compare_rows(old, new, match)
    assert differences.columns == {"rating": 1, "kept_in": 1}
    assert [example["path"] for example in differences.examples] == ["b.jpg"]
    assert pair.carry()["ratings"] == 1
    with pair.new.reading() as connection:
        ratings = connection.execute("SELECT rating, kept_in FROM photos ORDER BY id").fetchall()
    assert [tuple(row) for row in ratings] == [(4, kept_in), (None, None)]


def test_differences_are_counted_and_some_are_shown(pair: Pair) -> None:
    many = [make_record(f"{number:03}.jpg", None) for number in range(300)]
    pair.add(pair.old, A, *many)
    pair.add(pair.new, A, *(replace(record, width=9) for record in many), added_at="new")
    match = pair.match()
    with pair.old.reading() as old, pair.new.reading() as new:
        result = compare_rows(old, new, match).as_dict()
    assert (result["same"], result["facts_differ"], result["columns"]) == (1, 300, {"width": 300})
    assert len(result["examples"]) == row_transfer.MAX_EXAMPLES
    assert result["examples"][0] == {
        "path": "000.jpg",
        "kind": "facts differ",
        "columns": {"width": [4, 9]},
    }


def test_a_table_this_version_does_not_know_is_carried(pair: Pair) -> None:
    with pair.old.transaction() as connection:
        connection.execute('CREATE TABLE "odd name" (a TEXT, "b c" INTEGER)')
        connection.execute("INSERT INTO \"odd name\" VALUES ('x', 1)")
    pair.carry()
    with pair.new.reading() as connection:
        assert tuple(connection.execute('SELECT a, "b c" FROM "odd name"').fetchone()) == ("x", 1)


def test_hashes_the_new_database_has_itself_stay(pair: Pair) -> None:
    insert = "INSERT INTO hash_cache VALUES (?, 1, 1, 1, ?, 'm', 'now')"
    with pair.old.transaction() as old, pair.new.transaction() as new:
        old.executemany(insert, [("a.jpg", "old"), ("b.jpg", "old")])
        new.execute(insert, ("a.jpg", "new"))
        row_transfer.copy_hashes(old, new)
        rows = new.execute("SELECT file_path, content_hash FROM hash_cache ORDER BY 1").fetchall()
    assert [tuple(row) for row in rows] == [("a.jpg", "new"), ("b.jpg", "old")]


# -- seals and what need not be read ---------------------------------------------------------


def sealed(connection: sqlite3.Connection, *records: PhotoRecord) -> None:
    catalog.insert_photos(connection, records, "old")
    keep_seals(connection, records)


def stat_of(record: PhotoRecord, ctime_ns: int = 1) -> PhotoFile:
    stat = FileStat(record.current_path, record.file_size, record.mtime_ns, ctime_ns, 1)
    return PhotoFile(stat, None)


def hashes_of(record: PhotoRecord) -> Hashes:
    return Hashes(record.content_hash, record.media_hash)


def test_a_sealed_row_speaks_for_its_file_with_the_stamps_of_now(pair: Pair) -> None:
    with pair.old.transaction() as connection:
        sealed(connection, A)
        records = find_records(connection, [(stat_of(A, ctime_ns=7), hashes_of(A))], SETTLED)
    assert records == {A.current_path: replace(A, ctime_ns=7)}


@pytest.mark.parametrize(
    "change",
    [
        "width = 5",
        "date_taken = NULL",
        "rating = 5, kept_in = 'file'",
        "date_source = 'none'",
        "reader_version = 2",
        "content_hash = 'd'",
        "sidecar_path = 'a.jpg.xmp'",
        "missing_since = 'now'",
    ],
)
def test_a_row_that_was_changed_speaks_for_no_file(pair: Pair, change: str) -> None:
    with pair.old.transaction() as connection:
        sealed(connection, A)
        connection.execute(f"UPDATE photos SET {change}")
        assert find_records(connection, [(stat_of(A), hashes_of(A))], SETTLED) == {}


def test_a_rating_of_the_database_does_not_hide_what_the_file_says(pair: Pair) -> None:
    with pair.old.transaction() as connection:
        sealed(connection, A)
        connection.execute("UPDATE photos SET rating = 3, kept_in = 'database'")
        assert find_records(connection, [(stat_of(A), hashes_of(A))], SETTLED) == {
            A.current_path: A
        }


def test_a_seal_knows_no_path_except_where_the_name_dates_the_photo() -> None:
    assert make_seal(A) == make_seal(at("other/x.jpg", A))
    named = replace(A, date_source="filename")
    assert make_seal(named) != make_seal(at("other/x.jpg", named))
    assert make_seal(named) == make_seal(at("other/a.jpg", named))


def test_seals_survive_a_round_through_the_database(pair: Pair) -> None:
    record = replace(A, duration_s=1.1, utc_offset="+02:00", camera="Ä\n")
    with pair.old.transaction() as connection:
        sealed(connection, record)
        (photo,) = catalog.iterate_photos(connection)
        assert list_sealed(connection, [photo]) == {photo.current_path}
        keep_seals(connection, [record])
        assert delete_unsealed(connection) == 0
        connection.execute("UPDATE photos SET camera = NULL")
        assert delete_unsealed(connection) == 1


# -- what was edited meanwhile ---------------------------------------------------------------


def test_edits_since_are_those_after_an_entry_or_finished_since_or_unfinished(pair: Pair) -> None:
    with pair.old.transaction() as connection:
        catalog.insert_photos(connection, [A], "old")
        connection.executemany(
            "INSERT INTO write_journal (photo_id, path, state, planned_at, done_at)"
            " VALUES (?, ?, 'any', '2020', ?)",
            [
                (None, "long done.jpg", "2020"),
                (None, "done since.jpg", "2026"),
                (None, "unfinished.jpg", None),
            ],
        )
        last = row_transfer.find_last_entry(connection)
        connection.execute(
            "INSERT INTO write_journal (photo_id, path, state, planned_at, done_at)"
            " VALUES (1, 'a.jpg.xmp', 'any', '2020', '2020')"
        )
        found = list(row_transfer.list_edited_since(connection, last, "2025"))
    assert found == ["a.jpg", "a.jpg.xmp", "done since.jpg", "unfinished.jpg"]
