"""catalog: what the pages list and in which order."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rows import make_record

import catalog
from catalog import PhotoFilter
from db import Database, open_database
from errors import InvalidRequestError, NotFoundError

NEWEST = PhotoFilter()
OLDEST = PhotoFilter(newest_first=False)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "photo_library.db")
    yield database
    database.close()


def _fill(database: Database, *records: catalog.PhotoRecord) -> None:
    with database.transaction() as connection:
        catalog.insert_photos(connection, records, "2026-01-01T00:00:00+00:00")


LIBRARY = (
    make_record("a", "2019-07-14T18:03:22", 5),
    make_record("b", "2019-07-02T08:00:00"),
    make_record("c", "2019-08-01T00:00:00"),
    make_record("d", None),
    make_record("e", "2019-07-14T18:03:22"),
    make_record("f", None, 5),
    make_record("g", "1999-12-31T23:59:59", 4),
)


def _paths_by_cursor(database: Database, photo_filter: PhotoFilter, limit: int) -> list[str]:
    paths: list[str] = []
    cursor = None
    with database.reading() as connection:
        while True:
            page = catalog.list_photos(
                connection, cursor=cursor, limit=limit, photo_filter=photo_filter
            )
            assert len(page.photos) <= limit
            paths += [photo.current_path for photo in page.photos]
            cursor = page.next_cursor
            if cursor is None:
                return paths


def test_months_stand_newest_first_with_undated_last(database: Database) -> None:
    _fill(database, *LIBRARY)
    with database.reading() as connection:
        newest = catalog.list_months(connection, NEWEST)
        oldest = catalog.list_months(connection, OLDEST)
    assert [(month.key, month.count) for month in newest] == [
        ("2019-08", 1),
        ("2019-07", 3),
        ("1999-12", 1),
        ("undated", 2),
    ]
    assert (newest[1].first_day, newest[1].last_day) == ("2019-07-02", "2019-07-14")
    assert [month.key for month in oldest] == ["1999-12", "2019-07", "2019-08", "undated"]


@pytest.mark.parametrize("photo_filter", [NEWEST, OLDEST, PhotoFilter(favorites=True)])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_by_cursor_give_the_order_of_the_months(
    database: Database, photo_filter: PhotoFilter, limit: int
) -> None:
    _fill(database, *LIBRARY)
    with database.reading() as connection:
        by_month = [
            photo.current_path
            for month in catalog.list_months(connection, photo_filter)
            for photo in catalog.list_month_photos(connection, month.key, photo_filter)
        ]
    assert _paths_by_cursor(database, photo_filter, limit) == by_month


@pytest.mark.parametrize("photo_filter", [NEWEST, OLDEST])
def test_neighbors_follow_the_order_of_the_page(
    database: Database, photo_filter: PhotoFilter
) -> None:
    _fill(database, *LIBRARY)
    with database.reading() as connection:
        photos = catalog.list_photos(
            connection, cursor=None, limit=100, photo_filter=photo_filter
        ).photos
        ids: list[int | None] = [None, *(photo.id for photo in photos), None]
        for position, photo in enumerate(photos):
            found = catalog.find_neighbors(connection, photo, photo_filter)
            assert found == (ids[position], ids[position + 2])


def test_a_month_can_be_listed_in_parts(database: Database) -> None:
    _fill(database, *LIBRARY)
    with database.reading() as connection:
        parts = [
            catalog.list_month_photos(connection, "2019-07", NEWEST, offset=offset, limit=1)
            for offset in range(4)
        ]
    assert [[photo.current_path for photo in part] for part in parts] == [["e"], ["a"], ["b"], []]


def test_a_missing_photo_is_in_no_list_but_can_be_asked_for(database: Database) -> None:
    _fill(database, *LIBRARY)
    with database.transaction() as connection:
        catalog.mark_missing(connection, [1], "2026-02-02T00:00:00+00:00")
    assert "a" not in _paths_by_cursor(database, NEWEST, 10)
    with database.reading() as connection:
        assert catalog.get_photo(connection, 1).missing_since is not None
        counts = catalog.count_photos(connection)
    assert (counts.photos, counts.undated, counts.favorites, counts.missing) == (6, 2, 1, 1)


def test_a_photo_that_is_not_there_is_not_found(database: Database) -> None:
    with database.reading() as connection, pytest.raises(NotFoundError, match="77"):
        catalog.get_photo(connection, 77)


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


FOREIGN = ["not json", "[1, 2]", '["a", "b"]', "{}", "1", f"[null, {10**30}]", '["\\ud800", 1]']


@pytest.mark.parametrize("cursor", ["!", *map(_encode, FOREIGN), _encode("[" * 100_000)])
def test_a_foreign_cursor_is_refused(database: Database, cursor: str) -> None:
    with database.reading() as connection, pytest.raises(InvalidRequestError):
        catalog.list_photos(connection, cursor=cursor, limit=1, photo_filter=NEWEST)


def test_rows_can_swap_their_paths_in_one_update(database: Database) -> None:
    _fill(database, LIBRARY[0], LIBRARY[1])
    with database.transaction() as connection:
        swapped = {
            1: replace(LIBRARY[0], current_path="b"),
            2: replace(LIBRARY[1], current_path="a"),
        }
        catalog.update_photos(connection, swapped)
    with database.reading() as connection:
        assert catalog.get_photo(connection, 1).current_path == "b"
        assert catalog.get_photo(connection, 2).current_path == "a"


def test_a_photo_is_described_with_the_public_keys(database: Database) -> None:
    _fill(database, LIBRARY[0])
    with database.reading() as connection:
        described = catalog.describe_photo(catalog.get_photo(connection, 1))
    assert described["favorited"] is True
    assert described["kept_in"] == "file"
    assert list(described) == list(catalog.PUBLIC_FIELDS)


def test_months_of_a_large_library_are_counted_from_an_index_alone(database: Database) -> None:
    with database.reading() as connection:
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        catalog.list_months(connection, NEWEST)
        connection.set_trace_callback(None)
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statements[0]}").fetchall()
    assert any("COVERING INDEX" in row["detail"] for row in plan)
