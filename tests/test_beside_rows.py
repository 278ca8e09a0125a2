"""beside_rows: rows brought to what is kept beside the library."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rows import make_record

import catalog
from beside_rows import bring_beside
from beside_store import KeptBeside
from capture_date import LocalDate
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


def kept(connection: sqlite3.Connection, photo_id: int) -> tuple[int | None, str | None]:
    photo = catalog.get_photo(connection, photo_id)
    return photo.rating, photo.kept_in


def test_ratings_come_and_go_with_what_is_kept(connection: sqlite3.Connection) -> None:
    picture = catalog.get_photo(connection, 2).media_hash
    bring_beside(connection, {picture: KeptBeside(5)})
    assert [kept(connection, key) for key in (1, 2, 3)] == [
        (5, "file"),
        (5, "beside"),
        (5, "beside"),
    ]
    bring_beside(connection, {picture: KeptBeside(0)})
    assert kept(connection, 2) == (None, None)
    bring_beside(connection, {picture: KeptBeside(2)})
    bring_beside(connection, {})
    assert kept(connection, 3) == (None, None)
    assert catalog.get_photo(connection, 3).reader_version == 0
    assert catalog.get_photo(connection, 1).reader_version != 0


def test_dates_come_with_what_is_kept_and_rows_without_it_are_read_again(
    connection: sqlite3.Connection,
) -> None:
    picture = catalog.get_photo(connection, 2).media_hash
    date = LocalDate("2020-02-29T12:00:00", "+01:00")
    bring_beside(connection, {picture: KeptBeside(date=date)})
    for photo in (catalog.get_photo(connection, key) for key in (2, 3)):
        assert (photo.date_taken, photo.utc_offset, photo.date_source) == (
            "2020-02-29T12:00:00",
            "+01:00",
            "sidecar",
        )
        assert photo.reader_version != 0
    assert catalog.get_photo(connection, 1).date_taken is None
    bring_beside(connection, {})
    assert catalog.get_photo(connection, 2).reader_version == 0
