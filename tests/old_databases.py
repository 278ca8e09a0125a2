"""Databases as older apps left them, for tests: version 1, version 2 and odd ones."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

V1_COLUMNS = {
    "id": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "original_filename": "TEXT NOT NULL",
    "current_path": "TEXT NOT NULL UNIQUE",
    "date_taken": "TEXT",
    "content_hash": "TEXT NOT NULL UNIQUE",
    "file_size": "INTEGER NOT NULL",
    "file_type": "TEXT NOT NULL",
    "width": "INTEGER",
    "height": "INTEGER",
}
TRASH = (
    "CREATE TABLE deleted_photos (id INTEGER PRIMARY KEY, original_path TEXT NOT NULL,"
    " trash_filename TEXT NOT NULL, deleted_at TEXT NOT NULL, photo_data TEXT NOT NULL)"
)
V1_INDICES = (
    "CREATE INDEX idx_content_hash ON photos (content_hash)",
    "CREATE INDEX idx_date_taken ON photos (date_taken)",
    "CREATE INDEX idx_file_type ON photos (file_type)",
)
OPERATIONS = (
    "CREATE TABLE operation_state (operation_id TEXT PRIMARY KEY, operation_type TEXT NOT NULL,"
    " status TEXT NOT NULL, started_at TEXT NOT NULL, updated_at TEXT NOT NULL,"
    " checkpoint_data TEXT, performance_metrics TEXT, error_message TEXT)",
    "CREATE INDEX idx_operation_status ON operation_state (status)",
    "CREATE INDEX idx_operation_type ON operation_state (operation_type)",
    "CREATE INDEX idx_operation_updated ON operation_state (updated_at)",
)
HASH_CACHE = (
    "CREATE TABLE hash_cache (file_path TEXT, mtime_ns INTEGER, file_size INTEGER,"
    " content_hash TEXT, cached_at TEXT, PRIMARY KEY (file_path, mtime_ns, file_size))",
    "CREATE INDEX idx_hash_cache_path ON hash_cache (file_path)",
    "CREATE INDEX idx_hash_cache_hash ON hash_cache (content_hash)",
)


def photo_row(number: int, **changes: Any) -> dict[str, Any]:
    """A row as the old app wrote it: seven digits of the hash, the date with colons."""
    name = f"IMG_{number:04}.jpg"
    row = {
        "original_filename": name,
        "current_path": f"{2000 + number % 20}/{name}",
        "date_taken": f"{2000 + number % 20}:07:{number % 28 + 1:02} 10:00:{number % 60:02}",
        "content_hash": hashlib.sha256(name.encode()).hexdigest()[:7],
        "file_size": 1000 + number,
        "file_type": ".jpg",
        "width": 1200,
        "height": 800,
    }
    return row | changes


def trash_row(number: int) -> dict[str, Any]:
    data = json.dumps({"id": 1000 + number, "current_path": f"was/{number}.jpg"})
    return {
        "id": number,
        "original_path": f"was/{number}.jpg",
        "trash_filename": f"{number}-was.jpg",
        "deleted_at": "2020-01-01 12:00:00",
        "photo_data": data,
    }


def make_old(
    path: Path,
    photos: Sequence[Mapping[str, Any]],
    trash: Sequence[Mapping[str, Any]] = (),
    *,
    version: int = 1,
    without: Collection[str] = (),
    loose: bool = False,
    wal: bool = False,
    more: Sequence[str] = (),
) -> Path:
    """A database of an old version. without: columns and tables it lacks; loose: no constraints;
    more: statements at the end.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        fill(connection, photos, trash, version=version, without=without, loose=loose, wal=wal)
        for statement in more:
            connection.execute(statement)
    return path


def fill(
    connection: sqlite3.Connection,
    photos: Sequence[Mapping[str, Any]],
    trash: Sequence[Mapping[str, Any]] = (),
    *,
    version: int = 1,
    without: Collection[str] = (),
    loose: bool = False,
    wal: bool = False,
) -> None:
    if wal:
        connection.execute("PRAGMA journal_mode = WAL")
    columns = V1_COLUMNS | ({"rating": "INTEGER"} if version == 2 else {})
    kept = {name: kind for name, kind in columns.items() if name not in without}
    words = ", ".join(name if loose else f"{name} {kind}" for name, kind in kept.items())
    connection.execute("BEGIN")
    connection.execute(f"CREATE TABLE photos ({words})")
    statements = list(V1_INDICES)
    if version == 2:
        statements.append("CREATE INDEX idx_rating ON photos (rating)")
        statements += OPERATIONS if "operation_state" not in without else ()
        statements += HASH_CACHE if "hash_cache" not in without else ()
    for statement in statements:
        if not any(f"({name})" in statement for name in without):
            connection.execute(statement)
    for row in photos:
        values = {name: value for name, value in row.items() if name in kept}
        _insert(connection, "photos", values)
    if "deleted_photos" not in without:
        connection.execute(TRASH)
        for row in trash:
            _insert(connection, "deleted_photos", row)
    connection.execute("COMMIT")


def _insert(connection: sqlite3.Connection, table: str, values: Mapping[str, Any]) -> None:
    connection.execute(
        f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
        list(values.values()),
    )


def make_hot(path: Path, *, wal: bool) -> None:
    """A version 1 database of 5 photos whose program was killed: its WAL, or its journal, is hot.

    In the WAL are all of the photos; the journal undoes the deletion of all of them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    script = f"""
import os, signal, sqlite3, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from old_databases import fill, photo_row
connection = sqlite3.connect({str(path)!r}, isolation_level=None)
fill(connection, [photo_row(number) for number in range(5)], wal={wal})
if not {wal}:
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("BEGIN")
    connection.execute("CREATE TABLE ballast (a)")
    connection.executemany("INSERT INTO ballast VALUES (?)", [("x" * 3000,)] * 200)
    connection.execute("DELETE FROM photos")
os.kill(os.getpid(), signal.SIGKILL)
"""
    result = subprocess.run([sys.executable, "-c", script], check=False)
    assert result.returncode == -signal.SIGKILL
    assert os.path.getsize(f"{path}{'-wal' if wal else '-journal'}") > 0
