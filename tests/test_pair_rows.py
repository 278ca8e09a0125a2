"""pair_rows: which rows are companions of others, for the whole library and for some folders."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from rows import make_record

import catalog
import pair_rows
from db import Database, open_database
from pair_rows import pair_folders, pair_photos

PATHS = ("a/1.jpg", "a/1.nef", "a/deep/2.jpg", "a/deep/2.nef", "a0/3.jpg", "a0/3.nef", "4.jpg")
PAIRS = {"a/1.nef": "a/1.jpg", "a/deep/2.nef": "a/deep/2.jpg", "a0/3.nef": "a0/3.jpg"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "photo_library.db")
    with database.transaction() as connection:
        catalog.insert_photos(connection, (make_record(path, None) for path in PATHS), "2026-01-01")
        connection.execute("UPDATE photos SET file_type = 'nef' WHERE current_path LIKE '%.nef'")
    yield database
    database.close()


def pairs(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute(
        "SELECT own.current_path, leader.current_path FROM companions"
        " JOIN photos AS own ON own.id = photo_id JOIN photos AS leader ON leader.id = leader_id"
    )
    return dict(rows.fetchall())


def test_all_rows_are_paired(database: Database) -> None:
    with database.transaction() as connection:
        pair_photos(connection)
        assert pairs(connection) == PAIRS


def test_only_what_lies_below_the_folders_is_paired_anew(database: Database) -> None:
    with database.transaction() as connection:
        pair_folders(connection, ["a"])
        below = {own: leader for own, leader in PAIRS.items() if own.startswith("a/")}
        assert pairs(connection) == below
        pair_folders(connection, ["a0"])
        assert pairs(connection) == PAIRS
        connection.execute("UPDATE photos SET missing_since = 'now' WHERE current_path = 'a/1.jpg'")
        pair_folders(connection, ["a0"])
        assert pairs(connection) == PAIRS
        pair_folders(connection, ["a/deep", "a"])
        assert pairs(connection) == {own: PAIRS[own] for own in PAIRS if own != "a/1.nef"}


def test_the_library_itself_and_many_folders_are_looked_at_as_a_whole(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as connection:
        pair_folders(connection, ["", "a"])
        assert pairs(connection) == PAIRS
        connection.execute("DELETE FROM companions")
        monkeypatch.setattr(pair_rows, "_MANY_FOLDERS", 1)
        pair_folders(connection, ["b", "c"])
        assert pairs(connection) == PAIRS
