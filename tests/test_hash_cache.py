"""The hash cache answers only for the very state of a file it was told about."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from db import Database, open_database
from hash_cache import UNTRUSTED_NS, HashCache, Hashes

HASHES = Hashes("a" * 64, "jpeg:" + "b" * 32)
OTHER = Hashes("c" * 64, "jpeg:" + "d" * 32)
LONG_AGO = 1_500_000_000_000_000_000
SIZE = 4_000_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "photo_library.db")
    yield database
    database.close()


@pytest.fixture
def cache(database: Database) -> HashCache:
    return HashCache(database)


def put(cache: HashCache, path: str = "a.jpg", hashes: Hashes = HASHES) -> None:
    cache.put(path, LONG_AGO, SIZE, LONG_AGO, hashes)


def get(cache: HashCache, path: str = "a.jpg") -> Hashes | None:
    return cache.get(path, LONG_AGO, SIZE, LONG_AGO)


def list_paths(database: Database) -> list[str]:
    with database.reading() as connection:
        rows = connection.execute("SELECT file_path FROM hash_cache ORDER BY file_path")
        return [row[0] for row in rows]


def test_an_entry_answers_from_memory_and_after_a_restart_from_the_table(
    database: Database, cache: HashCache
) -> None:
    put(cache)
    assert get(cache) == HASHES
    restarted = HashCache(database)
    assert get(restarted) == HASHES
    assert get(restarted) == HASHES
    assert cache.statistics.as_dict() == {
        "memory_hits": 1,
        "database_hits": 0,
        "row_hits": 0,
        "misses": 0,
        "hit_rate": 1.0,
        "bytes_not_read": SIZE,
    }
    assert (restarted.statistics.memory_hits, restarted.statistics.database_hits) == (1, 1)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(
    ("path", "mtime_ns", "size", "ctime_ns"),
    [
        ("b.jpg", LONG_AGO, SIZE, LONG_AGO),
        ("a.jpg", LONG_AGO + 1, SIZE, LONG_AGO),
        ("a.jpg", LONG_AGO, SIZE + 1, LONG_AGO),
        ("a.jpg", LONG_AGO, SIZE, LONG_AGO + 1),
    ],
    ids=["path", "mtime", "size", "ctime"],
)
def test_an_entry_does_not_answer_for_any_other_stamp(
    database: Database,
    cache: HashCache,
    path: str,
    mtime_ns: int,
    size: int,
    ctime_ns: int,
    restarted: bool,
) -> None:
    put(cache)
    asked = HashCache(database) if restarted else cache
    assert asked.get(path, mtime_ns, size, ctime_ns) is None
    assert asked.statistics.misses == 1
    assert asked.statistics.bytes_not_read == 0


@pytest.mark.parametrize("capacity", [10, 0], ids=["memory", "table"])
@pytest.mark.parametrize("changed", ["mtime", "ctime"])
@pytest.mark.parametrize(("late_ns", "trusted"), [(1, False), (0, True), (-1, True)])
def test_an_entry_is_believed_two_seconds_after_the_last_change_and_not_before(
    database: Database, capacity: int, changed: str, late_ns: int, trusted: bool
) -> None:
    cache = HashCache(database, capacity=capacity)
    read_at_ns = LONG_AGO + 10 * UNTRUSTED_NS
    last_change_ns = read_at_ns - UNTRUSTED_NS + late_ns
    mtime_ns = last_change_ns if changed == "mtime" else LONG_AGO
    ctime_ns = last_change_ns if changed == "ctime" else LONG_AGO
    cache.put("a.jpg", mtime_ns, SIZE, ctime_ns, HASHES, read_at_ns=read_at_ns)
    assert (cache.get("a.jpg", mtime_ns, SIZE, ctime_ns) == HASHES) is trusted


def test_a_file_changed_just_now_is_not_answered_for(database: Database, cache: HashCache) -> None:
    now = time.time_ns()
    cache.put("a.jpg", now, SIZE, now, HASHES)
    assert cache.get("a.jpg", now, SIZE, now) is None
    assert HashCache(database).get("a.jpg", now, SIZE, now) is None


def test_our_own_write_is_believed_at_once_and_after_a_restart(
    database: Database, cache: HashCache
) -> None:
    now = time.time_ns()
    cache.put("a.jpg", now, SIZE, now, OTHER)
    cache.put("a.jpg", now, SIZE, now, HASHES, own_write=True)
    assert cache.get("a.jpg", now, SIZE, now) == HASHES
    assert HashCache(database).get("a.jpg", now, SIZE, now) == HASHES


def test_a_foreign_entry_takes_the_trust_of_an_own_write_away(
    database: Database, cache: HashCache
) -> None:
    now = time.time_ns()
    cache.put("a.jpg", now, SIZE, now, HASHES, own_write=True)
    cache.put("a.jpg", now, SIZE, now, OTHER)
    assert cache.get("a.jpg", now, SIZE, now) is None
    assert HashCache(database).get("a.jpg", now, SIZE, now) is None


def test_a_file_dated_in_the_future_is_read_again(database: Database, cache: HashCache) -> None:
    future = time.time_ns() + 10**18
    cache.put("a.jpg", future, SIZE, LONG_AGO, HASHES)
    assert cache.get("a.jpg", future, SIZE, LONG_AGO) is None


def test_a_file_dated_beyond_any_calendar_is_no_error(database: Database) -> None:
    cache = HashCache(database, capacity=0)
    latest, earliest = 2**63 - 1, -(2**63)
    cache.put("late.jpg", latest, SIZE, LONG_AGO, HASHES, own_write=True)
    cache.put("early.jpg", earliest, SIZE, LONG_AGO, HASHES)
    assert cache.get("late.jpg", latest, SIZE, LONG_AGO) == HASHES
    assert cache.get("early.jpg", earliest, SIZE, LONG_AGO) == HASHES


def test_cached_at_is_utc_with_microseconds(database: Database, cache: HashCache) -> None:
    put(cache)
    with database.reading() as connection:
        text = connection.execute("SELECT cached_at FROM hash_cache").fetchone()[0]
    moment = datetime.fromisoformat(text)
    assert text.endswith("+00:00")
    assert len(text) == len("2019-07-14T18:03:22.123456+00:00")
    assert abs(moment.timestamp() - time.time()) < 60


@pytest.mark.parametrize("text", ["yesterday", "2024-01-01 10:00:00", ""])
def test_an_entry_without_a_proper_time_is_not_believed(database: Database, text: str) -> None:
    cache = HashCache(database, capacity=0)
    put(cache)
    assert get(cache) == HASHES
    with database.transaction() as connection:
        connection.execute("UPDATE hash_cache SET cached_at = ?", (text,))
    assert get(cache) is None


def test_a_path_has_one_entry_the_latest(database: Database, cache: HashCache) -> None:
    put(cache)
    cache.put("a.jpg", LONG_AGO + 1, SIZE, LONG_AGO + 1, OTHER)
    assert list_paths(database) == ["a.jpg"]
    assert get(cache) is None
    assert cache.get("a.jpg", LONG_AGO + 1, SIZE, LONG_AGO + 1) == OTHER


def test_memory_forgets_the_entry_not_asked_for_longest(database: Database) -> None:
    cache = HashCache(database, capacity=2)
    for path in ("a", "b"):
        put(cache, path)
    assert get(cache, "a") == HASHES
    put(cache, "c")
    assert [get(cache, path) for path in ("a", "c", "b")] == [HASHES] * 3
    assert (cache.statistics.memory_hits, cache.statistics.database_hits) == (3, 1)


def test_a_row_read_before_a_newer_entry_came_does_not_replace_it(
    database: Database, cache: HashCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cache)
    restarted = HashCache(database)
    find_rows = restarted._find_rows

    def find_rows_slowly(*states: Any) -> Any:
        rows = find_rows(*states)
        put(restarted, hashes=OTHER)
        return rows

    monkeypatch.setattr(restarted, "_find_rows", find_rows_slowly)
    get(restarted)
    assert get(restarted) == OTHER
    assert restarted.statistics.memory_hits == 1


def test_many_are_answered_in_their_order_from_memory_and_table(database: Database) -> None:
    cache = HashCache(database, capacity=1)
    for path in ("a", "it's “b”"):
        put(cache, path)
    states = [
        *(("it's “b”", LONG_AGO, SIZE, LONG_AGO), ("none", LONG_AGO, SIZE, LONG_AGO)),
        *(("a", LONG_AGO, SIZE, LONG_AGO), ("a", LONG_AGO, SIZE + 1, LONG_AGO)),
    ]
    assert cache.get_many(states) == [HASHES, None, HASHES, None]
    found = cache.statistics
    assert (found.memory_hits, found.database_hits, found.misses) == (1, 1, 2)
    assert found.bytes_not_read == 2 * SIZE
    assert cache.get_many([]) == []


def test_a_negative_capacity_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="negative"):
        HashCache(database, capacity=-1)


def test_entries_commit_and_roll_back_with_the_caller(database: Database, cache: HashCache) -> None:
    entries = [(path, LONG_AGO, SIZE, LONG_AGO, HASHES) for path in ("a", "b")]

    def put_and_fail() -> None:
        with database.transaction() as connection:
            cache.put_many(entries, connection)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        put_and_fail()
    assert list_paths(database) == []
    # What memory holds is about the file, which did not roll back.
    assert get(cache, "a") == HASHES
    assert get(HashCache(database), "a") is None
    with database.transaction() as connection:
        cache.put_many(entries, connection)
        cache.put("c", LONG_AGO, SIZE, LONG_AGO, HASHES, connection=connection)
    assert list_paths(database) == ["a", "b", "c"]


def test_of_two_entries_of_one_path_in_a_batch_the_last_stays(
    database: Database, cache: HashCache
) -> None:
    with database.transaction() as connection:
        cache.put_many(
            [("a.jpg", LONG_AGO, SIZE, LONG_AGO, h) for h in (OTHER, HASHES)], connection
        )
    assert get(cache) == get(HashCache(database)) == HASHES


def test_counts_add_up_and_can_begin_anew(cache: HashCache) -> None:
    assert cache.statistics.hit_rate == 0.0
    put(cache)
    get(cache)
    get(cache, "unknown")
    cache.count_row_hits(2, 300)
    counts = cache.statistics
    assert (counts.row_hits, counts.hits, counts.misses) == (2, 3, 1)
    assert counts.hit_rate == 0.75
    assert counts.bytes_not_read == SIZE + 300
    cache.reset_statistics()
    assert cache.statistics.hits == 0


@pytest.mark.parametrize("as_function", [False, True])
@pytest.mark.parametrize("in_transaction", [False, True])
def test_cleanup_removes_only_entries_of_files_that_are_gone(
    database: Database, cache: HashCache, as_function: bool, in_transaction: bool
) -> None:
    for path in ("a", "b", "c"):
        put(cache, path)
    present = {"b", "new"}
    known = present.__contains__ if as_function else present
    if in_transaction:
        with database.transaction() as connection:
            removed = cache.cleanup(known, connection)
    else:
        removed = cache.cleanup(known)
    assert removed == 2
    assert list_paths(database) == ["b"]
    assert [get(cache, path) for path in ("a", "b", "c")] == [None, HASHES, None]
    assert cache.cleanup(known) == 0


def test_cleanup_asks_the_disk_outside_of_transactions(
    database: Database, cache: HashCache
) -> None:
    put(cache)
    somebody_wrote = threading.Event()

    def write() -> None:
        with database.transaction():
            somebody_wrote.set()

    def exists(path: str) -> bool:
        threading.Thread(target=write, daemon=True).start()
        return somebody_wrote.wait(5)

    assert cache.cleanup(exists) == 0
    assert somebody_wrote.is_set()


def test_threads_share_one_cache(database: Database) -> None:
    cache = HashCache(database, capacity=5)
    wrong: list[str] = []

    def work(number: int) -> None:
        for turn in range(20):
            path = f"{(number + turn) % 10}.jpg"
            hashes = Hashes(path, path)
            cache.put(path, LONG_AGO, SIZE, LONG_AGO, hashes)
            if get(cache, path) != hashes:
                wrong.append(path)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert cache.statistics.hits == 80
    assert cache.statistics.bytes_not_read == 80 * SIZE
