"""listing_cache: months and counts are kept until somebody writes, and never older than that."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rows import make_record

import catalog
import photo_listing
from db import Database, open_database
from listing_cache import ListingCache
from photo_filter import PhotoFilter
from photo_listing import Counts

ALL, FAVORITES = PhotoFilter(), PhotoFilter(favorites=True)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "library.db")
    add(database, "a.jpg", 5)
    yield database
    database.close()


def add(database: Database, path: str, rating: int | None = None) -> None:
    with database.transaction() as connection:
        record = make_record(path, "2019-07-14T18:03:22", rating)
        catalog.insert_photos(connection, [record], "2026-01-01")


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    called: list[str] = []
    real = photo_listing.count_photos

    def count(connection: sqlite3.Connection) -> Counts:
        called.append("counts")
        return real(connection)

    monkeypatch.setattr(photo_listing, "count_photos", count)
    return called


def test_it_says_what_the_rows_say(database: Database) -> None:
    cache = ListingCache(database)
    add(database, "b.jpg")
    with database.reading() as connection:
        assert cache.list_months(ALL) == photo_listing.list_months(connection, ALL)
        assert cache.list_months(FAVORITES) == photo_listing.list_months(connection, FAVORITES)
        assert cache.count_photos() == photo_listing.count_photos(connection)
        assert (cache.count_listed(ALL), cache.count_listed(FAVORITES)) == (2, 1)


def test_what_was_counted_is_kept_until_somebody_writes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, called = ListingCache(database), count_calls(monkeypatch)
    assert [cache.count_photos().photos for _ in range(3)] == [1, 1, 1]
    assert len(called) == 1
    add(database, "b.jpg")
    assert [cache.count_photos().photos for _ in range(3)] == [2, 2, 2]
    assert len(called) == 2


def test_a_list_that_somebody_shortens_is_whole_for_the_next(database: Database) -> None:
    cache = ListingCache(database)
    cache.list_months(ALL).clear()
    assert len(cache.list_months(ALL)) == 1


def test_what_another_process_writes_counts_too(database: Database) -> None:
    cache = ListingCache(database)
    assert cache.count_photos().photos == 1
    words = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()"
    )
    deed = "UPDATE photos SET missing_since = '2026'"
    subprocess.run([sys.executable, "-c", words, str(database.path), deed], check=True)
    assert (cache.count_photos().photos, cache.count_photos().missing) == (0, 1)


def test_a_write_that_is_rolled_back_changes_nothing(database: Database) -> None:
    cache = ListingCache(database)

    def delete_and_fail() -> None:
        with database.transaction() as connection:
            connection.execute("DELETE FROM photos")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        delete_and_fail()
    assert cache.count_photos().photos == 1


def test_a_reader_whose_snapshot_is_old_does_not_make_the_cache_old(database: Database) -> None:
    cache = ListingCache(database)
    with database.reading() as connection:
        connection.execute("SELECT count(*) FROM photos").fetchone()
        add(database, "b.jpg")
        assert cache.count_photos().photos == 2
    assert cache.count_photos().photos == 2


def test_a_commit_while_it_counts_is_not_missed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ListingCache(database)
    real = photo_listing.count_photos

    def count_and_be_late(connection: sqlite3.Connection) -> Counts:
        counted = real(connection)
        monkeypatch.setattr(photo_listing, "count_photos", real)
        add(database, "b.jpg")
        return counted

    monkeypatch.setattr(photo_listing, "count_photos", count_and_be_late)
    assert cache.count_photos().photos == 1
    assert cache.count_photos().photos == 2


def test_many_threads_read_while_one_writes(database: Database) -> None:
    cache, seen = ListingCache(database), list[bool]()
    written = [1]

    def read() -> None:
        for _ in range(60):
            least = written[0]
            seen.append(cache.count_photos().photos >= least)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(20):
        add(database, f"{number}.jpg")
        written[0] += 1
    for thread in threads:
        thread.join()
    assert all(seen)
    assert cache.count_photos().photos == 21


def test_what_replaces_the_whole_database_counts(tmp_path: Path, database: Database) -> None:
    cache = ListingCache(database)
    assert cache.count_photos().photos == 1
    other = open_database(tmp_path / "other.db")
    for number in range(3):
        add(other, f"{number}.jpg")
    other.close()
    database.replace_content(tmp_path / "other.db")
    assert cache.count_photos().photos == 3
