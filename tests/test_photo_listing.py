"""photo_listing: what the pages list and in which order."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from rows import make_record

import catalog
import photo_listing
from db import Database, open_database
from errors import InvalidRequestError
from photo_filter import PhotoFilter

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
            page = photo_listing.list_photos(
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
        newest = photo_listing.list_months(connection, NEWEST)
        oldest = photo_listing.list_months(connection, OLDEST)
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
            for month in photo_listing.list_months(connection, photo_filter)
            for photo in photo_listing.list_month_photos(connection, month.key, photo_filter)
        ]
    assert _paths_by_cursor(database, photo_filter, limit) == by_month


@pytest.mark.parametrize("photo_filter", [NEWEST, OLDEST])
def test_neighbors_follow_the_order_of_the_page(
    database: Database, photo_filter: PhotoFilter
) -> None:
    _fill(database, *LIBRARY)
    with database.reading() as connection:
        photos = photo_listing.list_photos(
            connection, cursor=None, limit=100, photo_filter=photo_filter
        ).photos
        ids: list[int | None] = [None, *(photo.id for photo in photos), None]
        for position, photo in enumerate(photos):
            found = photo_listing.find_neighbors(connection, photo, photo_filter)
            assert found == (ids[position], ids[position + 2])


def test_a_month_can_be_listed_in_parts(database: Database) -> None:
    _fill(database, *LIBRARY)
    with database.reading() as connection:
        parts = [
            photo_listing.list_month_photos(connection, "2019-07", NEWEST, offset=offset, limit=1)
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
        counts = photo_listing.count_photos(connection)
    assert (counts.photos, counts.undated, counts.favorites, counts.missing) == (6, 2, 1, 1)


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


FOREIGN = ["not json", "[1, 2]", '["a", "b"]', "{}", "1", f"[null, {10**30}]", '["\\ud800", 1]']


@pytest.mark.parametrize("cursor", ["!", *map(_encode, FOREIGN), _encode("[" * 100_000)])
def test_a_foreign_cursor_is_refused(database: Database, cursor: str) -> None:
    with database.reading() as connection, pytest.raises(InvalidRequestError):
        photo_listing.list_photos(connection, cursor=cursor, limit=1, photo_filter=NEWEST)


def test_months_of_a_large_library_are_counted_from_an_index_alone(database: Database) -> None:
    with database.reading() as connection:
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        photo_listing.list_months(connection, NEWEST)
        connection.set_trace_callback(None)
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statements[0]}").fetchall()
    assert any("COVERING INDEX" in row["detail"] for row in plan)


def test_chosen_photos_come_in_the_order_asked_each_once_without_missing_ones(
    database: Database,
) -> None:
    _fill(database, *LIBRARY)
    with database.transaction() as connection:
        catalog.mark_missing(connection, [2], "2026-02-02T00:00:00+00:00")
    with database.reading() as connection:
        chosen = photo_listing.list_chosen(connection, [5, 77, 2, 1, 5])
        assert [photo.id for photo in chosen] == [5, 1]
        assert photo_listing.list_chosen(connection, []) == []
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        photo_listing.list_chosen(connection, [1])
        connection.set_trace_callback(None)
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statements[0]}").fetchall()
    assert any("USING INTEGER PRIMARY KEY" in row["detail"] for row in plan)


@pytest.mark.parametrize(
    "photo_filter", [NEWEST, OLDEST, PhotoFilter(favorites=True), PhotoFilter(companions=True)]
)
def test_a_listing_is_counted_as_its_pages_have_it(
    database: Database, photo_filter: PhotoFilter
) -> None:
    _fill_pairs(database)
    listed = _paths_by_cursor(database, photo_filter, 2)
    with database.reading() as connection:
        assert photo_listing.count_listed(connection, photo_filter) == len(listed)


def test_a_cursor_of_a_page_passes_and_a_foreign_one_does_not(database: Database) -> None:
    _fill(database, *LIBRARY)
    with database.reading() as connection:
        page = photo_listing.list_photos(connection, cursor=None, limit=1, photo_filter=NEWEST)
    assert page.next_cursor
    photo_listing.check_cursor(page.next_cursor)
    with pytest.raises(InvalidRequestError):
        photo_listing.check_cursor("nobodys")


# -- companions ------------------------------------------------------------------------------

ALL = PhotoFilter(companions=True)
FAVORITES = PhotoFilter(favorites=True)


def _fill_pairs(database: Database) -> None:
    """Two pairs: `led` by `leader`, `raw` by `plain`; `raw` alone is a favorite of the second."""
    _fill(
        database,
        make_record("leader", "2019-07-14T18:03:22", 5),
        make_record("led", "2019-07-14T18:03:22", 5),
        make_record("plain", "2019-08-01T00:00:00"),
        make_record("raw", "2019-08-01T00:00:00", 5),
        make_record("alone", None),
        make_record("undated film", None),
    )
    with database.transaction() as connection:
        catalog.replace_companions(connection, {2: 1, 4: 3, 6: 5})


def test_a_companion_is_shown_by_its_leader_alone(database: Database) -> None:
    _fill_pairs(database)
    assert _paths_by_cursor(database, NEWEST, 2) == ["plain", "leader", "alone"]
    assert _paths_by_cursor(database, OLDEST, 2) == ["leader", "plain", "alone"]
    assert len(_paths_by_cursor(database, ALL, 2)) == 6
    with database.reading() as connection:
        months = {month.key: month.count for month in photo_listing.list_months(connection, NEWEST)}
        undated = photo_listing.list_month_photos(connection, "undated", NEWEST)
        counts = photo_listing.count_photos(connection)
    assert months == {"2019-08": 1, "2019-07": 1, "undated": 1}
    assert [photo.current_path for photo in undated] == ["alone"]
    assert (counts.photos, counts.undated, counts.favorites, counts.missing) == (3, 1, 2, 0)


def test_among_favorites_a_companion_stands_in_for_a_leader_that_is_none(
    database: Database,
) -> None:
    _fill_pairs(database)
    assert _paths_by_cursor(database, FAVORITES, 1) == ["raw", "leader"]
    with database.reading() as connection:
        months = photo_listing.list_months(connection, FAVORITES)
    assert [(month.key, month.count) for month in months] == [("2019-08", 1), ("2019-07", 1)]


def test_neighbors_pass_over_companions(database: Database) -> None:
    _fill_pairs(database)
    with database.reading() as connection:
        photos = {number: catalog.get_photo(connection, number) for number in range(1, 7)}
        for photo_filter in (NEWEST, OLDEST, FAVORITES):
            order = {
                NEWEST: [3, 1, 5],
                OLDEST: [1, 3, 5],
                FAVORITES: [4, 1],
            }[photo_filter]
            padded: list[int | None] = [None, *order, None]
            for position, number in enumerate(order):
                found = photo_listing.find_neighbors(connection, photos[number], photo_filter)
                assert found == (padded[position], padded[position + 2])


def test_companions_are_listed_by_their_leader_and_know_it(database: Database) -> None:
    _fill_pairs(database)
    with database.reading() as connection:
        found = photo_listing.list_companions(connection, [1, 2, 3, 77])
        assert {leader: [photo.id for photo in led] for leader, led in found.items()} == {
            1: [2],
            3: [4],
        }
        assert photo_listing.list_companions(connection, []) == {}
        leader = photo_listing.find_leader(connection, 4)
        assert leader
        assert leader.current_path == "plain"
        assert photo_listing.find_leader(connection, 3) is None
        assert photo_listing.find_leader(connection, 77) is None


def test_a_missing_companion_is_not_listed_and_a_missing_leader_does_not_lead(
    database: Database,
) -> None:
    _fill_pairs(database)
    with database.transaction() as connection:
        catalog.mark_missing(connection, [2, 3], "2026-02-02T00:00:00+00:00")
    with database.reading() as connection:
        assert list(photo_listing.list_companions(connection, [1, 3])) == [3]
        assert photo_listing.find_leader(connection, 4) is None
    assert _paths_by_cursor(database, FAVORITES, 9) == ["raw", "leader"]
