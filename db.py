"""Connections to the library's database: how they are opened, and the one writer.

Every process has one writing connection, under a lock; all others are `query_only`. Two
writers that checkpoint in the same instant can corrupt a WAL database of SQLite before
3.51.3 (sqlite.org/wal.html#walresetbug), so readers never checkpoint either.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import db_schema
import work_meter
from errors import (
    DatabaseDamagedError,
    DatabaseRefusedError,
    DiskFullError,
    LibraryError,
    LibraryInUseError,
    NetworkFileSystemError,
)

BUSY_TIMEOUT_S: Final = 5.0
REPLACE_TIMEOUT_S: Final = 30.0
WRITER_CACHE_KB: Final = 8_192
_ADVICE: Final = (
    "It was left as it is. To put it aside and restore the newest sound backup: "
    "./lightkeep recover LIBRARY."
)
_HEADER: Final = b"SQLite format 3\x00"

# statfs(2) names them by number, /proc/self/mountinfo by word; the words need no ctypes.
NETWORK_FILE_SYSTEMS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.rclone", "afs", "ceph"}
)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open an existing database; `read_only` makes the connection `query_only`.

    `mode=rw` because a mistyped name would otherwise become a new, empty database. Raises
    `sqlite3.OperationalError` where there is none.
    """
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?mode=rw",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    if not read_only:
        # With the 2 MB of SQLite a transaction of 1,000 photos writes the same pages many times.
        connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KB}")
    if read_only:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA query_only = ON")
    return connection


@contextmanager
def rebuilding_tables(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction that may drop and rename tables, on a connection of its own.

    With foreign keys on, dropping a table deletes what refers to its rows, and renaming it
    rewrites who refers to it; neither can be switched off inside a transaction. For who holds
    the library's lock: it waits `BUSY_TIMEOUT_S` for other programs, and then raises.
    """
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA legacy_alter_table = ON")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            # Where even that fails, the journal stays, and whoever opens next rolls back.
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise


class Database:
    """The database of one library in this process: one writer, readers as needed."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        # Without the library's lock even the writer may not write.
        self._writer = connect(path, read_only=read_only)
        self._lock = threading.RLock()
        self._depth = 0
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()
        self._watcher: sqlite3.Connection | None = None

    def data_version(self) -> int:
        """A number that is another one after every commit, whichever process made it."""
        with self._readers_lock:
            # Of a connection of its own: SQLite tells each what others have committed.
            if self._watcher is None:
                self._watcher = connect(self.path, read_only=True)
            return int(self._watcher.execute("PRAGMA data_version").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The writing connection inside one transaction, which commits at the end.

        `BEGIN IMMEDIATE`, because a deferred transaction that read first gets
        `SQLITE_BUSY_SNAPSHOT` at once. A transaction opened inside one of the same thread
        joins it: it commits, or rolls back, with the outer one.
        """
        with self._lock:
            began = time.perf_counter()
            if self._depth == 0:
                self._writer.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self._writer
            except BaseException as error:
                self._depth -= 1
                if self._depth == 0 and self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                self._raise_if_full(error)
                raise
            self._depth -= 1
            if self._depth == 0:
                self._commit()
                work_meter.note("database", time.perf_counter() - began, calls=1)

    def _commit(self) -> None:
        """COMMIT, or roll back where it cannot be done (a full disk leaves it open)."""
        try:
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            self._raise_if_full(error)
            raise

    def _raise_if_full(self, error: BaseException) -> None:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_FULL:
            raise DiskFullError(
                f"The disk with {self.path.parent} is full. What was done until now is kept; make "
                "room and start it again."
            ) from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A `query_only` connection for as long as the block lasts; others get their own."""
        with self._readers_lock:
            connection = self._readers.pop() if self._readers else None
        connection = connection or connect(self.path, read_only=True)
        # One snapshot for all the block reads: two queries must not see two libraries.
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.rollback()
            with self._readers_lock:
                self._readers.append(connection)

    def make_missing(self) -> None:
        """Make the tables and indices of this version that are not there."""
        with self.reading() as connection:
            names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        if missing := db_schema.list_missing_statements(names):
            with self.transaction() as connection:
                for statement in missing:
                    connection.execute(statement)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else in this process writes while the block lasts; it is no transaction."""
        with self._lock:
            yield

    def replace_content(self, path: Path, *, timeout_s: float = REPLACE_TIMEOUT_S) -> None:
        """Make the content of the database at `path` that of this one, in one transaction.

        Readers go on with what they began with, and see all of the new content next time.
        Raises `LibraryInUseError` where somebody holds the database longer than `timeout_s`,
        `DiskFullError`, or the error of SQLite; then all is as it was.
        """
        deadline = time.monotonic() + timeout_s

        def give_up(status: int, remaining: int, total: int) -> None:
            # backup() itself retries forever, whatever the connection's timeout. Once it is
            # done there is nothing to give up.
            busy = status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if busy and time.monotonic() > deadline:
                raise LibraryInUseError(
                    f"{self.path} was kept busy by another program for {timeout_s:.0f} s. It was "
                    f"left as it is ({remaining} of {total} pages were to be written)."
                )

        with self._lock, closing(connect(path, read_only=True)) as source:
            assert self._depth == 0, "a transaction would be lost"
            try:
                source.backup(self._writer, pages=-1, progress=give_up)
            except sqlite3.Error as error:
                self._raise_if_full(error)
                raise
            # The WAL holds a whole database now. What hinders emptying it does not undo the swap.
            with suppress(sqlite3.OperationalError):
                self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def use_wal(self) -> None:
        """Readers shall not wait for the writer, also in a database that came as a copy."""
        with self._lock:
            self._writer.execute("PRAGMA journal_mode = WAL").fetchall()

    def close(self) -> None:
        """Close every idle reader, then the writer, which empties the WAL."""
        with self._readers_lock:
            for reader in self._readers:
                reader.close()
            self._readers.clear()
            if self._watcher is not None:
                self._watcher.close()
        with self._lock:
            self._writer.close()


def open_database(path: Path, *, page_size: int | None = None) -> Database:
    """The library's database, made where there is none (with pages of this size in bytes).

    Raises `DatabaseRefusedError` for one that this version may not open, which is then left
    as it was, and `NetworkFileSystemError` where WAL would lose data.
    """
    refuse_network_file_system(path.parent)
    if not path.exists() or is_unmade(path):
        _create(path, page_size)
    check_version(path)
    database = Database(path)
    try:
        database.use_wal()
        with database.reading() as connection:
            connection.execute("SELECT id FROM photos LIMIT 1").fetchone()
        database.make_missing()
    except sqlite3.DatabaseError as error:
        database.close()
        raise _refusal(path, error) from error
    return database


def is_unmade(path: Path) -> bool:
    """Whether the file is a database without anything in it.

    WAL is switched on before the tables are made, so that a kill in between leaves such a
    file; another program's database has tables, or an application id.
    """
    if path.stat().st_size == 0:
        return True
    with open(path, "rb") as file:
        if file.read(len(_HEADER)) != _HEADER:
            return False
    try:
        with closing(connect(path, read_only=True)) as connection:
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            versions = [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("user_version", "application_id")
            ]
    except sqlite3.DatabaseError:
        return False
    return not tables and versions == [0, 0]


def _create(path: Path, page_size: int | None) -> None:
    """A new database; its tables and its version are one transaction."""
    path.touch(mode=0o644)
    connection = connect(path)
    try:
        if page_size:
            connection.execute(f"PRAGMA page_size = {page_size:d}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have made the tables between our look and our lock.
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in db_schema.STATEMENTS:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {db_schema.APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {db_schema.SCHEMA_VERSION}")
        connection.execute("COMMIT")
    finally:
        connection.close()


def check_version(path: Path) -> None:
    """Raise `DatabaseRefusedError` unless `path` is a database of this version."""
    with open(path, "rb") as file:
        if file.read(len(_HEADER)) != _HEADER:
            raise DatabaseDamagedError(f"{path} is not an SQLite database. {_ADVICE}")
    try:
        connection = connect(path, read_only=True)
        try:
            _check_schema(path, connection)
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise _refusal(path, error) from error


def _check_schema(path: Path, connection: sqlite3.Connection) -> None:
    user_version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application_id = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = {
        row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    columns = {row[1] for row in connection.execute("PRAGMA table_info(photos)")}
    version = db_schema.detect_version(user_version, tables, columns)
    if version is None or application_id not in (0, db_schema.APPLICATION_ID):
        raise DatabaseRefusedError(
            f"{path} is a database of another program. It was left as it is; move it away, or "
            "choose another place with --data-dir."
        )
    if version > db_schema.SCHEMA_VERSION:
        raise DatabaseRefusedError(
            f"{path} was written by a newer Lightkeep (its version is {version}, this program "
            f"knows {db_schema.SCHEMA_VERSION}). Update Lightkeep; the database was left as it is."
        )
    if version < db_schema.SCHEMA_VERSION:
        raise DatabaseRefusedError(
            f"{path} is a library of version {version}, from before this Lightkeep. It was left as "
            f"it is. To bring it to this version, with a backup first: ./lightkeep migrate {path}"
        )


def find_damage(connection: sqlite3.Connection, *, references: bool = True) -> str | None:
    """What SQLite says is wrong with the database, None where all of it is sound.

    references: also where a row refers to one that is not there, which is no damaged file.
    """
    answer = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if answer != "ok" or not references:
        return None if answer == "ok" else str(answer)
    broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    return f"a row of {broken[0]} refers to none of {broken[2]}" if broken else None


def check_quickly(connection: sqlite3.Connection) -> str | None:
    """What a look at the pages finds wrong, None where nothing: `find_damage` without indices."""
    answer = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    return None if answer == "ok" else answer


def read_journal_mode(connection: sqlite3.Connection) -> str:
    """How the database keeps its journal: `wal`, unless its disk would not have it."""
    return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def explain_trouble(path: Path, error: sqlite3.Error | OSError) -> LibraryError:
    """What a person can do about what SQLite or the disk said while `path` was worked on.

    Only NOTADB and CORRUPT speak of the database; all else is the disk's, or another program's.
    """
    code = getattr(error, "sqlite_errorcode", None)
    number = error.errno if isinstance(error, OSError) else None
    # On a disk without any room a WAL database cannot even be opened (its -shm).
    full = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
    if code in full or number in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"The disk is full: there is no room for {path}. Nothing was changed; make room and "
            "start again."
        )
    primary = None if code is None else code & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LibraryInUseError(
            f"{path} is in use by another program. It was left as it is; stop that one first, or "
            "try again later."
        )
    if primary == sqlite3.SQLITE_NOTADB:
        return DatabaseDamagedError(f"{path} is not an SQLite database. {_ADVICE}")
    return _refusal(path, error)


def _refusal(path: Path, error: sqlite3.Error | OSError) -> DatabaseRefusedError:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DatabaseDamagedError(f"{path} is damaged: {error}. {_ADVICE}")
    return DatabaseRefusedError(f"{path} cannot be opened: {error}. It was left as it is.")


def refuse_network_file_system(folder: Path) -> None:
    """Raise `NetworkFileSystemError` where `folder` lies on a file system without shared memory."""
    file_system = find_file_system(folder)
    if file_system in NETWORK_FILE_SYSTEMS:
        raise NetworkFileSystemError(
            f"{folder} lies on a network file system ({file_system}), where a database loses data. "
            "Your photos can stay there: keep the database on a disk of this machine with "
            "--data-dir DIR (or LIGHTKEEP_DATA_DIR=DIR)."
        )


def find_file_system(folder: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The type of the file system under `folder` (proc(5), mountinfo), None where unknown."""
    try:
        lines = mountinfo.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    resolved = folder.resolve()
    best: tuple[int, str] | None = None
    for line in lines:
        before, _, after = line.partition(" - ")
        mount_point = before.split(" ")[4].encode().decode("unicode_escape") if after else ""
        inside = mount_point and (
            resolved == Path(mount_point) or Path(mount_point) in resolved.parents
        )
        # The last of two mounts on one point hides the first: >=.
        if inside and (best is None or len(mount_point) >= best[0]):
            best = (len(mount_point), after.split(" ")[0])
    return best[1] if best else None
