"""Verified backups of the database: made while it is in use, checked, rotated.

A backup is one closed file. Until it is whole, checked and on the disk it has the name of a
part; then a line in `manifest.jsonl` says its SHA-256 (SQLite's own check does not find a
flipped byte in a column without an index), and only then it gets its name: a file of that name
is a whole backup, and one that was never listed is not made by a crash.

The manifest only grows. A line whose file is gone is no backup.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import db_schema
from db import explain_trouble, find_damage
from errors import DatabaseRefusedError, LibraryError, LibraryInUseError

MANIFEST_NAME: Final = "manifest.jsonl"
BACKUP_TIMEOUT_S: Final = 60.0
KEPT_NEWEST: Final = 10
KEPT_DAYS: Final = 7
KEPT_WEEKS_DAYS: Final = 62

_NAME: Final = re.compile(r"photo_library-([0-9]{8}T[0-9]{6}Z)-([0-9]+)\.db")
_PART: Final = ".part"
_COMPANIONS: Final = ("-journal", "-wal", "-shm")
_BLOCK_BYTES: Final = 1 << 20
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNREADABLE_BESIDE: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})


class BackupError(LibraryError):
    """The backup could not be made; the database is as it was, and no part of one is left."""

    code = "backup_failed"


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup. `size` in bytes; `sha256` is empty where the manifest does not know it.

    made_at: in UTC, to the second. rows: how many photos it has.
    """

    path: Path
    made_at: datetime
    reason: str
    schema_version: int
    rows: int
    size: int
    sha256: str


# -- make ------------------------------------------------------------------------------------


def make_backup(
    database_path: Path,
    backups_dir: Path,
    reason: str,
    *,
    now: datetime | None = None,
    timeout_s: float = BACKUP_TIMEOUT_S,
) -> Backup:
    """A verified copy of the database as it is at this moment, whoever reads or writes it.

    Raises `DiskFullError`, `LibraryInUseError` where it is kept busy for `timeout_s`,
    `DatabaseRefusedError` for one that is damaged and `BackupError` for all other trouble.
    """
    moment = (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    try:
        backups_dir.mkdir(parents=True, exist_ok=True)
        with _new_part(backups_dir, moment) as part, reading_untouched(database_path) as source:
            _copy(source, part, database_path, time.monotonic() + timeout_s)
            version, rows = _check_copy(part, database_path)
            sync_path(part)
            final = part.with_name(part.name.removesuffix(_PART))
            backup = Backup(final, moment, reason, version, rows, part.stat().st_size, _hash(part))
            _append_line(backups_dir / MANIFEST_NAME, backup)
            rename_new(part, final)
        return backup
    except (sqlite3.Error, OSError) as error:
        trouble = explain_trouble(database_path, error)
        if type(trouble) is DatabaseRefusedError and not _is_damage(error):
            raise BackupError(
                f"No backup could be made of {database_path}: {error}. It was left as it is."
            ) from error
        raise trouble from error


def _is_damage(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


@contextmanager
def reading_untouched(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads the database and leaves every byte of it as it is.

    The last one to close a WAL database empties the WAL into it, and the first to open what a
    crash left rolls it back. A read-only connection does neither, but leaves an empty WAL
    behind where there was none. What cannot be read that way is read from a copy.
    """
    hot = any(_size(Path(f"{path}{suffix}")) for suffix in ("-wal", "-journal"))
    try:
        connection = _open(path, "ro" if hot else "rw")
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF not in _UNREADABLE_BESIDE or not path.is_file():
            raise
    else:
        with closing(connection):
            yield connection
        return
    with tempfile.TemporaryDirectory(prefix="lightkeep-") as folder:
        copy = _copy_files(path, Path(folder))
        with closing(_open(copy, "rw")) as connection:
            yield connection


def _open(path: Path, mode: str) -> sqlite3.Connection:
    """A connection that has read something: SQLite opens late."""
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?mode={mode}", uri=True, isolation_level=None
    )
    try:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _copy_files(path: Path, folder: Path) -> Path:
    """A copy of a database that nobody writes to, together with what a crash left of its last
    transaction. Raises `LibraryInUseError` where it changed meanwhile.
    """
    files = [path, *(Path(f"{path}{suffix}") for suffix in ("-wal", "-journal"))]

    def look() -> list[tuple[int, int] | None]:
        return [
            (file.stat().st_size, file.stat().st_mtime_ns) if file.exists() else None
            for file in files
        ]

    before = look()
    for file in files:
        if file.exists():
            shutil.copyfile(file, folder / file.name)
    if look() != before:
        raise LibraryInUseError(f"{path} is being written to by another program. Try again later.")
    return folder / path.name


@contextmanager
def _new_part(backups_dir: Path, moment: datetime) -> Iterator[Path]:
    """A new file for the backup to grow in, locked for as long as this process lives.

    Without its final name at the end of the block it is removed.
    """
    names = {entry.name for entry in backups_dir.iterdir()} | set(_read_manifest(backups_dir))
    counter = 1
    while True:
        name = f"photo_library-{moment:%Y%m%dT%H%M%SZ}-{counter}.db"
        part = backups_dir / f"{name}{_PART}"
        if name not in names and part.name not in names:
            with suppress(FileExistsError):
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                descriptor = os.open(part, flags, 0o644)
                break
        counter += 1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield part
    finally:
        _remove_part(part)
        os.close(descriptor)


def _remove_part(part: Path) -> None:
    # The part itself last: by it the others are found.
    for suffix in (*_COMPANIONS, ""):
        with suppress(OSError):
            Path(f"{part}{suffix}").unlink()


def _copy(source: sqlite3.Connection, part: Path, path: Path, deadline: float) -> None:
    def give_up(status: int, _remaining: int, _total: int) -> None:
        # backup() itself retries forever, whatever the connection's timeout.
        busy = status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        if busy and time.monotonic() > deadline:
            raise LibraryInUseError(
                f"{path} was kept busy by another program: no backup could be made of it. Stop "
                "that one first, or try again later."
            )

    with closing(sqlite3.connect(part, isolation_level=None)) as target:
        # Killed half-way it is thrown away; it is synced as a whole in the end.
        target.execute("PRAGMA synchronous = OFF")
        source.backup(target, pages=-1, progress=give_up)


def _check_copy(part: Path, path: Path) -> tuple[int, int]:
    """Version and rows of the copy, which becomes one file. Raises where it is not sound."""
    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = OFF")
        # The copy of a WAL database says that it is one, and would need more files to be read.
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()
        if damage := find_damage(copy, references=False):
            raise DatabaseRefusedError(f"{path} is damaged: {damage}. It was left as it is.")
        version = read_version(copy)
        if version is None:
            raise DatabaseRefusedError(f"{path} is no photo library. It was left as it is.")
        return version, int(copy.execute("SELECT count(*) FROM photos").fetchone()[0])


def read_version(connection: sqlite3.Connection) -> int | None:
    """The schema version by version number, tables and columns; None of no photo library."""
    user_version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    columns = connection.execute("PRAGMA table_info(photos)")
    return db_schema.detect_version(
        user_version, {row[0] for row in names}, {row[1].lower() for row in columns}
    )


def rename_new(source: Path, target: Path) -> None:
    """Give a file its name, durably, and only where nobody has that name."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # No hard links here. Who holds the library's lock is alone with these names.
        if target.exists():
            raise FileExistsError(errno.EEXIST, "exists", str(target)) from error
        source.rename(target)
    else:
        source.unlink()
    sync_path(target.parent)


def _append_line(manifest: Path, backup: Backup) -> None:
    line = {
        "file": backup.path.name,
        "made_at": backup.made_at.isoformat(),
        "reason": backup.reason,
        "schema_version": backup.schema_version,
        "rows": backup.rows,
        "size": backup.size,
        "sha256": backup.sha256,
    }
    with open(manifest, "ab+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        # A line that a full disk cut off must not swallow this one.
        torn = file.read(1) not in (b"", b"\n")
        file.write(b"\n" * torn + json.dumps(line).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def sync_path(path: Path) -> None:
    """Have a file or a folder on the disk, not in memory alone."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


# -- list and verify -------------------------------------------------------------------------


def list_backups(backups_dir: Path) -> list[Backup]:
    """The backups of the manifest that are there, in the order they were made."""
    return [backup for backup in _read_manifest(backups_dir).values() if backup.path.is_file()]


def _read_manifest(backups_dir: Path) -> dict[str, Backup]:
    """What the manifest says, by file name; lines that say nothing are passed over."""
    try:
        lines = (backups_dir / MANIFEST_NAME).read_bytes().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    found = (_parse_line(backups_dir, line) for line in lines)
    return {backup.path.name: backup for backup in found if backup}


def _parse_line(backups_dir: Path, line: bytes) -> Backup | None:
    try:
        values: dict[str, Any] = json.loads(line)
        name = values["file"]
        if not _NAME.fullmatch(name):
            return None
        return Backup(
            path=backups_dir / name,
            made_at=datetime.fromisoformat(values["made_at"]).astimezone(UTC),
            reason=str(values["reason"]),
            schema_version=int(values["schema_version"]),
            rows=int(values["rows"]),
            size=int(values["size"]),
            sha256=str(values["sha256"]),
        )
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


def verify_backup(backup: Backup) -> str | None:
    """What is wrong with a backup in a sentence, None where it is whole and sound."""
    try:
        if backup.sha256 and _hash(backup.path) != backup.sha256:
            return f"{backup.path} is not what was written: its SHA-256 differs."
        # immutable: nothing is made beside it, on a read-only disk neither.
        uri = f"file:{quote(os.fsencode(backup.path))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            if damage := find_damage(connection, references=False):
                return f"{backup.path} is damaged: {damage}."
            if read_version(connection) is None:
                return f"{backup.path} is no photo library."
    except (sqlite3.Error, OSError) as error:
        return f"{backup.path} cannot be read: {error}."
    return None


def find_newest_valid(backups_dir: Path) -> Backup | None:
    """The newest backup that is whole and sound.

    Where the manifest was lost, files that are named as backups count, after all others.
    """
    for backup in (*reversed(list_backups(backups_dir)), *_list_unlisted(backups_dir)):
        if verify_backup(backup) is None:
            return backup
    return None


def _list_unlisted(backups_dir: Path) -> list[Backup]:
    """Files that are named as backups and stand in no manifest, the newest first."""
    listed = _read_manifest(backups_dir)
    found: list[tuple[datetime, int, Path]] = []
    for path in backups_dir.glob("photo_library-*.db"):
        match = _NAME.fullmatch(path.name)
        if match and path.name not in listed:
            with suppress(ValueError):
                moment = datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
                found.append((moment, int(match[2]), path))
    return [
        Backup(path, moment, "unknown", 0, 0, _size(path), "")
        for moment, _, path in sorted(found, reverse=True)
    ]


# -- when, and which to keep -----------------------------------------------------------------


def is_due(backups_dir: Path, now: datetime) -> bool:
    """Whether this day (in UTC) has no backup yet."""
    today = now.astimezone(UTC).date()
    return all(backup.made_at.date() != today for backup in list_backups(backups_dir))


def rotate(backups_dir: Path, now: datetime) -> list[Path]:
    """Remove old backups, and parts of dead processes; what was removed.

    The newest ten stay, the last of each of seven days and of each week of two months, and
    always the newest that is valid. What the manifest does not know is never removed.
    """
    removed = _clean_parts(backups_dir)
    backups = list_backups(backups_dir)
    kept = _choose_kept(backups, now.astimezone(UTC).date())
    going = [backup for backup in backups if backup.path not in kept]
    if going and all(verify_backup(one) for one in reversed(backups) if one.path in kept):
        valid = next((one for one in reversed(going) if verify_backup(one) is None), None)
        going = [backup for backup in going if backup is not valid]
    for backup in going:
        backup.path.unlink(missing_ok=True)
        removed.append(backup.path)
    if removed:
        sync_path(backups_dir)
    return removed


def _choose_kept(backups: Sequence[Backup], today: date) -> set[Path]:
    """backups: in the order they were made."""
    kept = {backup.path for backup in backups[-KEPT_NEWEST:]}
    of_day: dict[date, Path] = {}
    of_week: dict[tuple[int, int], Path] = {}
    for backup in backups:
        day = backup.made_at.date()
        if today - day < timedelta(days=KEPT_DAYS):
            of_day[day] = backup.path
        if today - day < timedelta(days=KEPT_WEEKS_DAYS):
            year, week, _ = day.isocalendar()
            of_week[year, week] = backup.path
    return kept | set(of_day.values()) | set(of_week.values())


def _clean_parts(backups_dir: Path) -> list[Path]:
    """Remove what unfinished backups of processes that are gone left behind."""
    removed = []
    for part in backups_dir.glob(f"photo_library-*.db{_PART}"):
        if not _NAME.fullmatch(part.name.removesuffix(_PART)):
            continue
        with suppress(FileNotFoundError), open(part, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its process lives
            _remove_part(part)
            removed.append(part)
    return removed
