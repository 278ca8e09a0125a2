"""rating_rows: what rows say of ratings that the photos' own files do not hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rows import make_record

import catalog
import rating_rows
from db import open_database


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    database = open_database(tmp_path / "library.db")
    with database.transaction() as connection:
        records = [make_record("a.jpg", None, 5), make_record("b.jpg", None)]
        twin = replace(make_record("c.jpg", None), media_hash=records[1].media_hash)
        catalog.insert_photos(connection, [*records, twin], "2026")
        yield connection
    database.close()


def test_ratings_of_the_database_alone_are_listed_until_a_file_holds_them(
    connection: sqlite3.Connection,
) -> None:
    rating_rows.set_rating(connection, 2, 3, "database")
    assert rating_rows.list_unkept(connection) == {2: 3}
    rating_rows.set_rating(connection, 2, 3, "file")
    assert rating_rows.list_unkept(connection) == {}


def test_photos_are_found_by_path_and_by_picture(connection: sqlite3.Connection) -> None:
    assert rating_rows.find_ratings(connection, ["a.jpg", "x.jpg"]) == {"a.jpg": (1, 5)}
    picture = catalog.get_photo(connection, 2).media_hash
    assert rating_rows.list_with_picture(connection, picture) == [2, 3]
    catalog.mark_missing(connection, [2, 1], "2026")
    assert rating_rows.list_with_picture(connection, picture) == [3]
    assert rating_rows.find_ratings(connection, ["a.jpg"]) == {}
