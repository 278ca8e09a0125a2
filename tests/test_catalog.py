"""catalog: rows of photos as the index writes and knows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rows import make_record

import catalog
from db import Database, open_database
from errors import NotFoundError


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
)


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


def _leaders(database: Database) -> dict[int, int]:
    with database.reading() as connection:
        return dict(connection.execute("SELECT photo_id, leader_id FROM companions"))


def test_a_photo_that_is_not_there_is_not_found(database: Database) -> None:
    with database.reading() as connection, pytest.raises(NotFoundError, match="77"):
        catalog.get_photo(connection, 77)


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


def test_only_what_differs_is_written_of_the_companions(database: Database) -> None:
    _fill_pairs(database)
    with database.transaction() as connection:
        before = connection.total_changes
        catalog.replace_companions(connection, {2: 1, 4: 3, 6: 5})
        assert connection.total_changes == before
        catalog.replace_companions(connection, {2: 3, 4: 3})
    assert _leaders(database) == {2: 3, 4: 3}
    with database.transaction() as connection:
        catalog.replace_companions(connection, {})
    assert _leaders(database) == {}


def test_pair_facts_are_those_of_present_photos(database: Database) -> None:
    _fill_pairs(database)
    with database.transaction() as connection:
        catalog.mark_missing(connection, [2, 3, 4, 5], "2026-02-02T00:00:00+00:00")
        facts = sorted(catalog.list_pair_facts(connection))
    assert facts == [(1, "leader", "jpeg", None), (6, "undated film", "jpeg", None)]
