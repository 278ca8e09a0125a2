"""`HashCache`: hashes of files that need not be read again.

Two levels: an LRU in memory over the table `hash_cache`. An entry answers only for the very
same path, mtime, size and ctime (an edit that keeps mtime and size is real: ExifTool's `-P`
makes it), and only if it was made long enough after the file's last change.

**Trust.** Time stamps are coarse, up to 2 s on FAT and some shares. A file that is written
twice within one tick shows the same stamps for both contents, so an entry made so soon after
the last change may be about the first of them. The rule is one comparison, the same in both
levels and after a restart: an entry is believed if `cached_at` lies at least
`UNTRUSTED_NS` after the later of mtime and ctime. Of our own writes we know the bytes, and for
them `cached_at` is moved up to the moment from which that holds; the table needs no flag.
A file dated in the future is therefore never answered from here: it is read again, which
costs time and is never wrong.

**One entry a path.** A ctime does not come back, so an entry with other stamps can never
match again; a new one takes its place.

**Rollback.** The memory level is filled at once, the table with the caller's transaction. If
that rolls back, memory holds an entry the table lacks; it says something about a file, not
about a row, and is as true as before. Do not `put` what is not on disk yet.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from db import Database

DEFAULT_CAPACITY: Final = 10_000
UNTRUSTED_NS: Final = 2_000_000_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST_US: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST_US: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class Hashes:
    """content_hash: SHA-256 of all bytes, 64 hex digits; media_hash: of the picture alone."""

    content_hash: str
    media_hash: str


CacheEntry: TypeAlias = tuple[str, int, int, int, Hashes]
"""(path, mtime_ns, file_size, ctime_ns, hashes)"""

FileState: TypeAlias = tuple[str, int, int, int]
"""(path, mtime_ns, file_size, ctime_ns)"""


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """Counts since the start or the last reset.

    row_hits: files whose unchanged row answered, so that not even the cache was asked.
    bytes_not_read: sizes of all files that were answered for.
    """

    memory_hits: int = 0
    database_hits: int = 0
    row_hits: int = 0
    misses: int = 0
    bytes_not_read: int = 0

    @property
    def hits(self) -> int:
        return self.memory_hits + self.database_hits + self.row_hits

    @property
    def hit_rate(self) -> float:
        """Hits among all questions, 0.0 to 1.0; 0.0 where none was asked."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0

    def as_dict(self) -> dict[str, int | float]:
        return {
            "memory_hits": self.memory_hits,
            "database_hits": self.database_hits,
            "row_hits": self.row_hits,
            "misses": self.misses,
            "hit_rate": round(self.hit_rate, 4),
            "bytes_not_read": self.bytes_not_read,
        }


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the memory level keeps of a path; `cached_us` is `cached_at`, in µs since 1970."""

    mtime_ns: int
    file_size: int
    ctime_ns: int
    cached_us: int
    hashes: Hashes

    def answers(self, mtime_ns: int, file_size: int, ctime_ns: int) -> bool:
        """Whether this entry is about exactly that state of the file, and may be believed."""
        return (
            self.mtime_ns == mtime_ns
            and self.file_size == file_size
            and self.ctime_ns == ctime_ns
            and self.cached_us >= _trusted_from_us(mtime_ns, ctime_ns)
        )


class HashCache:
    """Hashes by path, mtime, size and ctime. Every method may be called from any thread.

    Paths are relative to the library, with `/`; of files outside it absolute. `capacity` is
    the number of entries held in memory; 0 leaves only the table.
    """

    def __init__(self, database: Database, *, capacity: int = DEFAULT_CAPACITY) -> None:
        if capacity < 0:
            raise ValueError(f"The capacity must not be negative: {capacity}.")
        self._database = database
        self._capacity = capacity
        # Never held while the database is asked: callers of `put` hold the writer's lock.
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._statistics = self._before_reset = CacheStatistics()

    @property
    def totals(self) -> CacheStatistics:
        """Counts since the start, whatever was reset meanwhile."""
        with self._lock:
            return _add(self._before_reset, self._statistics)

    @property
    def statistics(self) -> CacheStatistics:
        with self._lock:
            return self._statistics

    def reset_statistics(self) -> None:
        """Begin to count anew, as at the start of an operation that reports its own counts."""
        with self._lock:
            self._before_reset = _add(self._before_reset, self._statistics)
            self._statistics = CacheStatistics()

    def get(self, path: str, mtime_ns: int, file_size: int, ctime_ns: int) -> Hashes | None:
        """The hashes of that state of the file, None where they are not known for certain."""
        return self.get_many([(path, mtime_ns, file_size, ctime_ns)])[0]

    def get_many(self, states: Sequence[FileState]) -> list[Hashes | None]:
        """As `get` for each of these, in their order; the table is asked once for all."""
        with self._lock:
            entries = [self._find_remembered(state) for state in states]
            in_memory = [entry is not None for entry in entries]
        asked = [state for state, known in zip(states, in_memory, strict=True) if not known]
        if asked:
            rows = self._find_rows(asked)
            entries = [
                entry or rows.get(state[:3]) for state, entry in zip(states, entries, strict=True)
            ]
        answers: list[Hashes | None] = []
        counts = Counter[str]()
        with self._lock:
            for state, entry, known in zip(states, entries, in_memory, strict=True):
                path, mtime_ns, file_size, ctime_ns = state
                if entry is None or not entry.answers(mtime_ns, file_size, ctime_ns):
                    counts["misses"] += 1
                    answers.append(None)
                    continue
                # Somebody may have put a newer entry since the row was read: that one stays.
                if not known and path not in self._entries:
                    self._remember(path, entry)
                counts["memory_hits" if known else "database_hits"] += 1
                counts["bytes_not_read"] += file_size
                answers.append(entry.hashes)
            self._count(**counts)
        return answers

    def _find_remembered(self, state: FileState) -> _Entry | None:
        path, mtime_ns, file_size, ctime_ns = state
        entry = self._entries.get(path)
        if entry is None or not entry.answers(mtime_ns, file_size, ctime_ns):
            return None
        self._entries.move_to_end(path)
        return entry

    def put(
        self,
        path: str,
        mtime_ns: int,
        file_size: int,
        ctime_ns: int,
        hashes: Hashes,
        *,
        own_write: bool = False,
        read_at_ns: int | None = None,
        connection: sqlite3.Connection | None = None,
    ) -> None:
        """Keep the hashes of one file; see `put_many`. Without `connection` it commits itself."""
        entry = (path, mtime_ns, file_size, ctime_ns, hashes)
        if connection is not None:
            self.put_many([entry], connection, own_write=own_write, read_at_ns=read_at_ns)
            return
        with self._database.transaction() as own_connection:
            self.put_many([entry], own_connection, own_write=own_write, read_at_ns=read_at_ns)

    def put_many(
        self,
        entries: Iterable[CacheEntry],
        connection: sqlite3.Connection,
        *,
        own_write: bool = False,
        read_at_ns: int | None = None,
    ) -> None:
        """Keep the hashes of files, inside the caller's transaction on `connection`.

        own_write: this app has just written these bytes and they are in place, so the entries
        are believed at once.
        read_at_ns: when reading of the bytes began (`time.time_ns()`), where that is a while
        ago and the reader did not itself wait for the stamps to settle; now without it.
        """
        made_us = (time.time_ns() if read_at_ns is None else read_at_ns) // 1000
        made: dict[str, _Entry] = {}
        for path, mtime_ns, file_size, ctime_ns, hashes in entries:
            trusted_us = _trusted_from_us(mtime_ns, ctime_ns)
            cached_us = max(made_us, trusted_us) if own_write else made_us
            made[path] = _Entry(mtime_ns, file_size, ctime_ns, cached_us, hashes)
        connection.executemany(
            "DELETE FROM hash_cache WHERE file_path = ?", [(path,) for path in made]
        )
        connection.executemany(
            "INSERT INTO hash_cache (file_path, mtime_ns, file_size, ctime_ns, content_hash,"
            " media_hash, cached_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    path,
                    entry.mtime_ns,
                    entry.file_size,
                    entry.ctime_ns,
                    entry.hashes.content_hash,
                    entry.hashes.media_hash,
                    _format_us(entry.cached_us),
                )
                for path, entry in made.items()
            ],
        )
        with self._lock:
            for path, entry in made.items():
                self._remember(path, entry)

    def count_row_hits(self, files: int, bytes_not_read: int = 0) -> None:
        """Count files whose rows are unchanged: they were not read either.

        bytes_not_read: their sizes together; those in folders that were passed over are not known.
        """
        with self._lock:
            self._count(row_hits=files, bytes_not_read=bytes_not_read)

    def cleanup(
        self,
        known: Collection[str] | Callable[[str], bool],
        connection: sqlite3.Connection | None = None,
    ) -> int:
        """Remove the entries of files that are gone; how many the table lost.

        known: the paths that exist (a set), or a function that says whether one does. That
        function is never called inside a transaction begun here, since a disk may be slow.

        Never call it during a brake (library not mounted, too much vanished at once): all
        files seem gone then, and it would take the whole cache with them.
        """
        exists = known if callable(known) else known.__contains__
        if connection is not None:
            gone = [path for path in _list_paths(connection) if not exists(path)]
            removed = _delete_paths(connection, gone)
        else:
            with self._database.reading() as reader:
                paths = _list_paths(reader)
            gone = [path for path in paths if not exists(path)]
            with self._database.transaction() as writer:
                removed = _delete_paths(writer, gone)
        with self._lock:
            for path in gone:
                self._entries.pop(path, None)
        return removed

    def _find_rows(self, states: Sequence[FileState]) -> dict[tuple[str, int, int], _Entry]:
        """What the table has of these files, by path, mtime and size."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT file_path, mtime_ns, file_size, ctime_ns, content_hash, media_hash,"
                " cached_at FROM hash_cache WHERE file_path IN (SELECT value FROM json_each(?))",
                [json.dumps([state[0] for state in states])],
            ).fetchall()
        return {
            (path, mtime_ns, size): _Entry(
                mtime_ns, size, ctime_ns, _parse_us(cached_at), Hashes(content_hash, media_hash)
            )
            for path, mtime_ns, size, ctime_ns, content_hash, media_hash, cached_at in rows
        }

    def _remember(self, path: str, entry: _Entry) -> None:
        self._entries[path] = entry
        self._entries.move_to_end(path)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def _count(
        self,
        *,
        memory_hits: int = 0,
        database_hits: int = 0,
        row_hits: int = 0,
        misses: int = 0,
        bytes_not_read: int = 0,
    ) -> None:
        old = self._statistics
        self._statistics = replace(
            old,
            memory_hits=old.memory_hits + memory_hits,
            database_hits=old.database_hits + database_hits,
            row_hits=old.row_hits + row_hits,
            misses=old.misses + misses,
            bytes_not_read=old.bytes_not_read + bytes_not_read,
        )


def _add(one: CacheStatistics, other: CacheStatistics) -> CacheStatistics:
    return CacheStatistics(
        *(getattr(one, name) + getattr(other, name) for name in CacheStatistics.__slots__)
    )


def _trusted_from_us(mtime_ns: int, ctime_ns: int) -> int:
    """The first moment, in µs since 1970, at which an entry about these stamps is believed."""
    return -(-(max(mtime_ns, ctime_ns) + UNTRUSTED_NS) // 1000)


def _format_us(moment_us: int) -> str:
    """ISO 8601 in UTC with microseconds; what no calendar holds becomes its nearest end."""
    moment = _EPOCH + timedelta(microseconds=min(max(moment_us, _FIRST_US), _LAST_US))
    return moment.isoformat(timespec="microseconds")


def _parse_us(text: str) -> int:
    """The reverse of `_format_us`. What is no such moment gives an entry nobody believes."""
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except (ValueError, TypeError):
        # ValueError: no ISO 8601. TypeError: without its zone, so not written by this room.
        return _FIRST_US


def _list_paths(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT DISTINCT file_path FROM hash_cache")]


def _delete_paths(connection: sqlite3.Connection, paths: Collection[str]) -> int:
    if not paths:
        return 0
    cursor = connection.executemany(
        "DELETE FROM hash_cache WHERE file_path = ?", [(path,) for path in paths]
    )
    return cursor.rowcount
