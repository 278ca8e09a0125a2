"""No page and no call of the API reads all photos: the plans of the queries they really make."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from pictures import make_jpeg
from rows import make_record

import catalog
from app import create_app
from db import Database
from library import Library, open_library
from settings import load_settings

COUNTED = "counted once after a write, from an index alone (listing_cache)"
REASONS = {
    "SELECT (SELECT count(*) FROM photos": COUNTED,
    "SELECT substr(date_taken, 1, 7) AS month, count(*)": COUNTED,
}
"""Queries that may walk an index from end to end, by their beginning, and why."""

ADDRESSES = [
    *("/", "/?order=oldest", "/?favorites=1", "/?favorites=1&order=oldest", "/?month=2019-07"),
    *("/months/2019-07", "/months/undated", "/months/2019-07?favorites=1&order=oldest"),
    *("/months/2019-07?fragment=1&offset=3&limit=5", "/months/undated?fragment=1"),
    *("/cells?id=1&id=2", "/photo/2", "/photo/2?favorites=1&order=oldest", "/photo/9"),
    *("/api/photos?limit=3", "/api/photos?limit=3&order=oldest&favorites=1"),
    *("/api/photo/2", "/api/photos/favorites", "/api/photos/favorites?limit=2"),
    *("/api/edits", "/api/edits?photo_id=1", "/edits", "/operations", "/api/operations"),
    *("/metrics", "/performance", "/api/photo/1/thumbnail", "/healthz"),
]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("LIGHTKEEP_DATA_DIR", raising=False)
        # Pictures that are drawn meanwhile have their colors written: a commit at any time.
        patch.setattr(Library, "prepare_thumbnails", lambda *_: None)
        make_jpeg(home / "photos/a.jpg", 1, date="2019:07:14 18:03:22")
        opened = open_library(load_settings(home / "photos"))
        opened.runner.wait(opened.start_update_index(), timeout=30)
        records = [
            make_record(
                f"2019/{number}.jpg",
                f"2019-07-{number % 28 + 1:02}T10:00:00" if number % 9 else None,
                5 if number % 4 == 0 else None,
            )
            for number in range(120)
        ]
        records += [replace(one, current_path=f"twins/{one.current_path}") for one in records[:9]]
        with opened.database.transaction() as connection:
            catalog.insert_photos(connection, records, "2026-01-01")
            catalog.replace_companions(connection, {4: 3, 8: 7})
        yield opened
        opened.close()


@pytest.fixture
def client(opened: Library) -> FlaskClient:
    return create_app(library=opened).test_client()


@pytest.fixture
def queries(opened: Library, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that readers of the library are given, with its values."""
    heard: list[str] = []
    reading = opened.database.reading

    @contextmanager
    def listening() -> Iterator[sqlite3.Connection]:
        with reading() as connection:
            connection.set_trace_callback(heard.append)
            try:
                yield connection
            finally:
                connection.set_trace_callback(None)

    monkeypatch.setattr(opened.database, "reading", listening)
    return heard


def list_scans(database: Database, query: str) -> list[str]:
    """The steps of its plan that read all photos, or an index of all of them."""
    with Database.reading(database) as connection:
        steps = [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    # Nearly every photo is present: to search by that alone is to read them all.
    reads_all = r"SCAN (photos|leader)\b|SEARCH photos .*\(missing_since=\?\)$"
    return [step for step in steps if re.match(reads_all, step)]


def find_reason(query: str) -> str | None:
    return next((why for words, why in REASONS.items() if words in " ".join(query.split())), None)


def explain(database: Database, heard: list[str]) -> dict[str, list[str]]:
    """The scans of each query that has some, and no reason."""
    selects = {query for query in heard if query.lstrip().upper().startswith(("SELECT", "WITH"))}
    assert selects
    scans = {query: list_scans(database, query) for query in selects}
    return {query: steps for query, steps in scans.items() if steps and not find_reason(query)}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_reads_photos_by_an_index(
    client: FlaskClient, opened: Library, queries: list[str], address: str
) -> None:
    assert client.get(address).status_code == 200
    assert not explain(opened.database, queries)


def test_all_pages_of_a_listing_read_photos_by_an_index(
    client: FlaskClient, opened: Library, queries: list[str]
) -> None:
    for view in ("", "&favorites=1", "&order=oldest"):
        cursor: str | None = ""
        while cursor is not None:
            page = client.get(f"/api/photos?limit=40{view}&cursor={cursor}").json
            assert page is not None
            cursor = page["next_cursor"]
    assert len(queries) >= 12
    assert not explain(opened.database, queries)


def test_a_second_look_at_the_grid_counts_nothing_again(
    client: FlaskClient, queries: list[str]
) -> None:
    client.get("/")
    first = [query for query in queries if "count(*)" in query]
    queries.clear()
    client.get("/")
    assert not [query for query in queries if "count(*)" in query and "FROM photos" in query]
    assert len(first) <= 2


def test_a_query_without_an_index_would_be_found(opened: Library) -> None:
    for query in (
        "SELECT * FROM photos WHERE camera = 'x'",
        "SELECT count(*) FROM photos WHERE missing_since IS NULL AND camera = 'x'",
    ):
        assert explain(opened.database, [query])
