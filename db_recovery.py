"""Recovery: a damaged database is put aside, and the newest sound backup takes its place.

Damaged is what SQLite cannot read as a database, or finds inconsistent. A full disk, a disk that
fails, a file that may not be read: none of these is damage, and nothing is moved for them.

The old files are looked at in a copy, because to open a WAL database is to change it. They are
linked into a folder of their own before the backup takes the name of the database in one
`os.replace`; killed at any moment, there is a database, and nothing of the old one is lost.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import db_schema
from backups import find_newest_valid
from db import check_version, connect, find_damage, is_unmade, open_database
from errors import DatabaseRefusedError, LibraryError

BACKUP_FOLDER: Final = "backups"
DATABASE_NAME: Final = "photo_library.db"
_CHECK_FOLDER: Final = "recover"
_COMPANIONS: Final = ("-wal", "-shm")
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_NO_DATABASE: Final = "There was no database."


class DatabaseUnreachableError(LibraryError):
    """The disk does not let the database be read or replaced; nothing says it is damaged."""

    status = 503
    code = "database_unreachable"


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What was found and done.

    damage: what is wrong with the database in a sentence, None of a healthy one, which was left
        alone; then all else but its version and rows is None.
    damaged_dir: where the old files lie now; None where there were none.
    backup: the backup that took its place; None where there was no sound one, so that the
        database is new and empty.
    schema_version: of the database that stands there now; an older one is to be migrated.
    """

    damage: str | None
    damaged_dir: Path | None
    backup: Path | None
    schema_version: int
    rows: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "damage": self.damage,
            "damaged_dir": str(self.damaged_dir) if self.damaged_dir else None,
            "backup": str(self.backup) if self.backup else None,
            "schema_version": self.schema_version,
            "rows": self.rows,
        }


def recover(data_dir: Path, *, now: datetime | None = None) -> RecoveryReport:
    """Give the library in `data_dir` a sound database again; an index then brings it up to date.

    For who holds the library's lock and has no connection open. Raises
    `DatabaseUnreachableError` where the disk is at fault, and `DatabaseRefusedError` for a sound
    database of another program or of a newer version.
    """
    path = data_dir / DATABASE_NAME
    try:
        damage = _find_damage(path, data_dir / _CHECK_FOLDER)
        if damage is None:
            version, rows = _describe(path)
            return RecoveryReport(None, None, None, version, rows)
        return _replace(data_dir, path, damage, now or datetime.now(UTC))
    except (sqlite3.Error, OSError) as error:
        raise DatabaseUnreachableError(
            f"{path} could not be recovered: {error}. That says nothing of what it holds, so no "
            "file was lost; see to the disk and try again."
        ) from error


# -- is it damaged? --------------------------------------------------------------------------


def _find_damage(path: Path, folder: Path) -> str | None:
    """What is wrong with the database, None where nothing is. Raises what is no damage."""
    if not path.exists():
        return _NO_DATABASE
    with _copied(path, folder) as copy:
        try:
            with closing(connect(copy, read_only=True)) as connection:
                damage = find_damage(connection, references=False)
            if damage is None and is_unmade(copy):
                return _NO_DATABASE
            if damage is None:
                _refuse_other(copy)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            return f"{error}."
        except DatabaseRefusedError as error:
            # Its sentence names the copy.
            raise DatabaseRefusedError(error.message.replace(str(copy), str(path))) from error
    return damage and f"{damage}."


def _refuse_other(path: Path) -> None:
    """Raise `DatabaseRefusedError` for what is sound, but not a library this version knows."""
    version, _ = _describe(path)
    if version not in range(1, db_schema.SCHEMA_VERSION):
        check_version(path)


def _is_damage(error: BaseException | None) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGE


@contextmanager
def _copied(path: Path, folder: Path) -> Iterator[Path]:
    """A copy of the database with its WAL, for as long as the block lasts."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        copy = folder / path.name
        shutil.copyfile(path, copy)
        wal = Path(f"{path}-wal")
        if wal.exists():
            shutil.copyfile(wal, f"{copy}-wal")
        yield copy
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# -- put another in its place ----------------------------------------------------------------


def _replace(data_dir: Path, path: Path, damage: str, now: datetime) -> RecoveryReport:
    folder = data_dir / _CHECK_FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    backup = find_newest_valid(data_dir / BACKUP_FOLDER)
    source = Path(backup.path) if backup else None
    ready = folder / path.name
    version, rows = _prepare(ready, source)
    damaged_dir = _keep_damaged(data_dir, path, now)
    # A WAL that is left would be replayed into the backup. Its copy is kept already.
    for suffix in _COMPANIONS:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    _sync_folder(data_dir)
    os.replace(ready, path)
    _sync_folder(data_dir)
    shutil.rmtree(folder, ignore_errors=True)
    return RecoveryReport(damage, damaged_dir, source, version, rows)


def _prepare(ready: Path, backup: Path | None) -> tuple[int, int]:
    """Make the database that is to take the place; its version and its rows."""
    if backup is None:
        open_database(ready).close()
    else:
        shutil.copyfile(backup, ready)
        with closing(connect(ready)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            if damage := find_damage(connection, references=False):
                raise OSError(f"the copy of {backup} is not what was copied ({damage})")
    os.chmod(ready, 0o644)
    _sync(ready)
    return _describe(ready)


def _keep_damaged(data_dir: Path, path: Path, now: datetime) -> Path | None:
    """Link (or copy) the database, its WAL and its index together into a folder of their own."""
    files = [Path(f"{path}{suffix}") for suffix in ("", *_COMPANIONS)]
    files = [file for file in files if file.exists()]
    if not files:
        return None
    folder = _make_folder(data_dir, f"damaged-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}")
    for file in files:
        kept = folder / file.name
        try:
            os.link(file, kept)
        except OSError:
            # A file system without hard links.
            shutil.copy2(file, kept)
            _sync(kept)
    _sync_folder(folder)
    _sync_folder(data_dir)
    return folder


def _make_folder(data_dir: Path, name: str) -> Path:
    """A new folder of this name, numbered where there is one."""
    number = 1
    while True:
        folder = data_dir / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _describe(path: Path) -> tuple[int, int]:
    """The schema version of a sound database and how many photos it has; 0 where it is unmade."""
    with closing(connect(path, read_only=True)) as connection:
        user_version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        columns = {row[1] for row in connection.execute("PRAGMA table_info(photos)")}
        version = db_schema.detect_version(user_version, tables, columns) or 0
        rows = (
            "photos" in tables and connection.execute("SELECT count(*) FROM photos").fetchone()[0]
        )
    return version, int(rows)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    _sync(folder)
