"""Brings the database of an older version to this one; also a script that needs no packages.

    python3 migrate_db.py [LIBRARY_OR_DB] [--data-dir DIR]

A verified backup comes first. All steps and the version they make are one transaction, and
before it commits the rows are counted and the whole database is checked: killed at any moment,
it is the old or the new one. What an older app kept at `LIBRARY/photo_library.db` is taken over
as a copy and stays as it was.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

import db_schema
from backups import make_backup, read_version, reading_untouched, rename_new, sync_path
from db import connect, explain_trouble, find_damage, is_unmade, rebuilding_tables
from errors import DatabaseRefusedError, LibraryError, LibraryNotFoundError
from library_location import (
    BACKUPS_DIR,
    DATABASE_NAME,
    check_folder,
    find_data_dir,
    find_library,
    make_absolute,
    make_data_dir,
    sample_folder,
    take_lock,
)
from library_marker import MARKER_NAME
from old_values import decode_text
from schema_steps import STEPS, StepContext, list_tables
from settings import LIBRARY_DIR

WORK_SUFFIX: Final = ".migrating"
_SIDE_FILES: Final = ("", "-wal", "-shm", "-journal")

Say: TypeAlias = Callable[[str], object]
"""Takes one sentence of what is done; `print` is one."""


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What a migration found and did.

    source: the database that was taken over as a copy; None where `database` itself was migrated.
    steps: the versions that were made, in order; none where there was nothing to do.
    rows, ratings, trash: how many photos, ratings and trash entries there are now.
    duplicate_paths: rows that shared a path with another, and are kept as missing photos.
    """

    database: Path
    source: Path | None
    backup: Path | None
    from_version: int
    to_version: int
    steps: tuple[int, ...]
    rows: int
    ratings: int
    trash: int
    duplicate_paths: int
    warnings: tuple[str, ...]


def _say_nothing(_sentence: str) -> None:
    """For who only wants the report."""


# -- one database ----------------------------------------------------------------------------


def migrate(
    database_path: Path,
    *,
    backups_dir: Path,
    library: Path | None = None,
    report: Say = _say_nothing,
) -> MigrationReport:
    """Bring a database to this version where it stands, with a backup first.

    For who holds the library's lock. library: where its relative paths begin; by the place of
    the database without it. Raises a `LibraryError` with a sentence for what cannot be
    migrated, which is then as it was.
    """
    try:
        version = _require_version(database_path)
        if version == db_schema.SCHEMA_VERSION:
            return _describe_current(database_path)
        root = library or _guess_library(database_path)
        result = _migrate_in_place(database_path, backups_dir, root, report)
    except (sqlite3.Error, OSError) as error:
        raise explain_trouble(database_path, error) from error
    _tell(result, report)
    return result


def find_version(path: Path) -> int | None:
    """The schema version of a database, None where it is another program's or has nothing in it.

    Not a byte of it is changed. Raises a `LibraryError` where it cannot be read.
    """
    try:
        if not path.is_file():
            raise LibraryNotFoundError(f"There is no database {path}.")
        if path.stat().st_size == 0:
            return None
        with reading_untouched(path) as connection:
            application_id = int(connection.execute("PRAGMA application_id").fetchone()[0])
            if "photos" not in list_tables(connection):
                return None
            version = read_version(connection)
    except (sqlite3.Error, OSError) as error:
        raise explain_trouble(path, error) from error
    return version if application_id in (0, db_schema.APPLICATION_ID) else None


def _require_version(path: Path) -> int:
    """The version of a database that can be migrated. Raises `DatabaseRefusedError`."""
    version = find_version(path)
    if version is None and path.stat().st_size == 0:
        raise DatabaseRefusedError(f"{path} is empty: there is nothing to migrate.")
    if version is None:
        raise DatabaseRefusedError(
            f"{path} is a database of another program, not of a photo library. It was left as it "
            "is."
        )
    if version > db_schema.SCHEMA_VERSION:
        raise DatabaseRefusedError(
            f"{path} was written by a newer Lightkeep (its version is {version}, this program "
            f"knows {db_schema.SCHEMA_VERSION}). Update Lightkeep; the database was left as it is."
        )
    return version


def _migrate_in_place(path: Path, backups_dir: Path, library: Path, report: Say) -> MigrationReport:
    with rebuilding_tables(path) as connection:
        # Inside the transaction: nobody can write between the backup and the migration.
        version = read_version(connection) or 0
        backup = make_backup(path, backups_dir, f"before migration from version {version}")
        report(f"Backup: {backup.path}")
        result = _run_steps(connection, path, library, report)
    _use_wal(path)
    return replace(result, backup=backup.path)


def _run_steps(
    connection: sqlite3.Connection, path: Path, library: Path, report: Say
) -> MigrationReport:
    """All steps that are due, in the transaction of `connection`, and the proof of them."""
    connection.row_factory = None
    connection.text_factory = decode_text
    version = read_version(connection) or 0
    context = StepContext(
        roots=frozenset({str(library), os.path.realpath(library)}),
        now=datetime.now(UTC).isoformat(timespec="microseconds"),
    )
    before = _count(connection)
    steps = tuple(number for number in STEPS if number > version)
    for number in steps:
        report(f"Version {number}: {before[0]:,} photos.")
        STEPS[number](connection, context)
        connection.execute(f"PRAGMA user_version = {number:d}")
    after = _count(connection)
    if after != before:
        raise _lost(path, f"{before} photos and trash entries became {after}")
    ratings = _count_ratings(connection)
    if steps and ratings != context.ratings:
        raise _lost(path, f"{context.ratings} ratings became {ratings}")
    if damage := find_damage(connection, references=False):
        raise _lost(path, damage)
    return MigrationReport(
        database=path,
        source=None,
        backup=None,
        from_version=version,
        to_version=db_schema.SCHEMA_VERSION,
        steps=steps,
        rows=after[0],
        ratings=ratings,
        trash=after[1],
        duplicate_paths=context.duplicate_paths,
        warnings=context.notes.as_lines(),
    )


def _lost(path: Path, what: str) -> DatabaseRefusedError:
    return DatabaseRefusedError(
        f"{path} could not be migrated: {what}. It was left as it is; nothing was lost."
    )


def _count(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many photos and trash entries there are."""
    photos = int(connection.execute("SELECT count(*) FROM photos").fetchone()[0])
    if "deleted_photos" not in list_tables(connection):
        return photos, 0
    return photos, int(connection.execute("SELECT count(*) FROM deleted_photos").fetchone()[0])


def _count_ratings(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(rating) FROM photos").fetchone()[0])


def _describe_current(path: Path) -> MigrationReport:
    with reading_untouched(path) as connection:
        rows, trash = _count(connection)
        ratings = _count_ratings(connection)
    version = db_schema.SCHEMA_VERSION
    return MigrationReport(path, None, None, version, version, (), rows, ratings, trash, 0, ())


def _use_wal(path: Path) -> None:
    """As a new database has it. Not done now, the next opening does it."""
    with suppress(sqlite3.Error), closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()


def _guess_library(database_path: Path) -> Path:
    folder = database_path.absolute().parent
    return folder.parent if folder.name == LIBRARY_DIR else folder


# -- the database of a library ---------------------------------------------------------------


def take_over(
    library: Path, data_dir: Path, *, report: Say = _say_nothing
) -> MigrationReport | None:
    """Bring what an older version or app left of this library to this version, if anything.

    For who holds the library's lock and has no connection open; both paths are absolute. None
    where there is nothing to do. Raises a `LibraryError` where the old database cannot be taken
    over now; it is then as it was.
    """
    target = data_dir / DATABASE_NAME
    try:
        _remove_work(target)
        if target.exists() and not is_unmade(target):
            version = find_version(target)
            if version is None or version >= db_schema.SCHEMA_VERSION:
                return None
            report(f"{target} is of version {version}; it is brought to this one.")
            return migrate(
                target, backups_dir=data_dir / BACKUPS_DIR, library=library, report=report
            )
        for source in _list_old_places(library, data_dir):
            version = find_version(source)
            # In `.library` a database of this version is another data folder's, maybe in use.
            latest = db_schema.SCHEMA_VERSION - (source.parent != library)
            if version is not None and version <= latest:
                report(f"{source}, of version {version}, is taken over as a copy.")
                result = _take_copy(source, target, library, report)
                _tell(result, report)
                return result
    except (sqlite3.Error, OSError) as error:
        raise explain_trouble(target, error) from error
    return None


def _list_old_places(library: Path, data_dir: Path) -> list[Path]:
    places = [library / LIBRARY_DIR / DATABASE_NAME, library / DATABASE_NAME]
    return [place for place in places if place.parent != data_dir and place.is_file()]


def _take_copy(source: Path, target: Path, library: Path, report: Say) -> MigrationReport:
    """Migrate a copy beside the target, which then takes its name: it is there whole or not."""
    version = find_version(source)
    backup = make_backup(
        source, target.parent / BACKUPS_DIR, f"before migration from version {version}"
    )
    report(f"Backup: {backup.path}")
    work = target.with_name(target.name + WORK_SUFFIX)
    try:
        # A backup is one closed file that nobody writes to.
        shutil.copyfile(backup.path, work)
        with rebuilding_tables(work) as connection:
            result = _run_steps(connection, work, library, report)
        _use_wal(work)
        sync_path(work)
        _remove_files(target)  # a database without anything in it
        rename_new(work, target)
    except BaseException:
        with suppress(OSError):
            _remove_work(target)
        raise
    return replace(result, database=target, source=source, backup=backup.path)


def _remove_work(target: Path) -> None:
    """What a migration that was killed left of its copy."""
    _remove_files(target.with_name(target.name + WORK_SUFFIX))


def _remove_files(database: Path) -> None:
    for suffix in reversed(_SIDE_FILES):
        Path(f"{database}{suffix}").unlink(missing_ok=True)


def _tell(result: MigrationReport, report: Say) -> None:
    for warning in result.warnings:
        report(f"Note: {warning}")
    report(
        f"Done: {result.database} is of version {result.to_version} now, with {result.rows:,} "
        f"photos, {result.ratings:,} ratings and {result.trash:,} entries in the trash. The next "
        "index reads every photo once."
    )


# -- the script ------------------------------------------------------------------------------


def run(
    target: Path | None, *, data_dir: Path | None = None, report: Say = _say_nothing
) -> MigrationReport | None:
    """Migrate a library or a database file, under the library's lock; None with nothing to do.

    Without `target` it is the library that `serve` would open. Raises a `LibraryError`.
    """
    chosen = target or find_library() or sample_folder()
    if target is None and not chosen.is_dir():
        raise LibraryNotFoundError(
            "There is no library to migrate: say which, python3 migrate_db.py LIBRARY"
        )
    path = make_absolute(chosen)
    try:
        if path.is_file():
            return _run_on_file(path, data_dir, report)
        return _run_on_library(path, find_data_dir(path, data_dir), report)
    except OSError as error:
        raise explain_trouble(path, error) from error


def _run_on_library(library: Path, data_dir: Path, report: Say) -> MigrationReport | None:
    check_folder(library)
    target = data_dir / DATABASE_NAME
    if not target.is_file() and not _list_old_places(library, data_dir):
        report(f"{library} has no database yet: there is nothing to migrate.")
        return None
    make_data_dir(data_dir, library)
    with take_lock(data_dir):
        result = take_over(library, data_dir, report=report)
    if result is None:
        for place in [target] if target.is_file() else _list_old_places(library, data_dir):
            _require_version(place)
        report(f"{target} is of version {db_schema.SCHEMA_VERSION} already.")
    return result


def _run_on_file(path: Path, data_dir: Path | None, report: Say) -> MigrationReport:
    """Migrate the very file that was named, and nothing else."""
    version = _require_version(path)
    if version == db_schema.SCHEMA_VERSION:
        report(f"{path} is of version {version} already.")
        return _describe_current(path)
    own = path.parent.name == LIBRARY_DIR or (path.parent / MARKER_NAME).is_file()
    default = path.parent if own else path.parent / LIBRARY_DIR
    folder = make_absolute(data_dir) if data_dir else default
    make_data_dir(folder, path.parent if folder != path.parent else path)
    with take_lock(folder):
        return migrate(path, backups_dir=folder / BACKUPS_DIR, report=report)


def main(words: list[str]) -> int:
    """The script; its exit status: 0 done or nothing to do, 2 refused, 75 in use."""
    parser = argparse.ArgumentParser(
        prog="migrate_db.py",
        description="Bring the database of an older version to this one. A backup comes first.",
    )
    parser.add_argument("library_or_db", metavar="LIBRARY_OR_DB", nargs="?", type=Path)
    parser.add_argument("--data-dir", type=Path, help="as for the other verbs")
    chosen = parser.parse_args(words)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # The name of a folder may be bytes that no encoding knows.
            stream.reconfigure(errors="backslashreplace")

    def say(sentence: str) -> None:
        sys.stdout.write(f"{sentence}\n")
        sys.stdout.flush()

    try:
        run(chosen.library_or_db, data_dir=chosen.data_dir, report=say)
    except LibraryError as error:
        sys.stderr.write(f"migrate_db: {error.message}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
