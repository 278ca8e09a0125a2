"""migrate_db: older databases become version 3, and nothing a person has is lost."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from crash_points import (
    CrashPoint,
    add_failures,
    list_points,
    require_strace,
    run_point,
    sample,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from old_databases import make_hot, make_old, photo_row, trash_row
from pictures import make_jpeg
from rebuild_box import Observer

import catalog
import db
import library_location
import migrate_db
import schema_steps
from backups import list_backups, verify_backup
from catalog import KnownFile
from errors import (
    DatabaseRefusedError,
    DiskFullError,
    LibraryError,
    LibraryInUseError,
    LibraryNotFoundError,
)
from file_operations import FileStat
from hash_cache import HashCache
from index_plan import PhotoFile, assign_rows, compare_files
from library_sync import Indexer, IndexReport
from media_workers import WorkerPool
from migrate_db import MigrationReport, find_version, migrate, take_over
from old_values import find_relative_path, find_whole, make_file_type, make_hash, parse_date
from operation_state import OperationStatus, OperationType, create_operation, set_status

REPOSITORY = Path(migrate_db.__file__).resolve().parent
SCRIPT = REPOSITORY / "migrate_db.py"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture
def path(library: Path) -> Path:
    """Where the library's own database lies."""
    return library / ".library" / "photo_library.db"


def _migrate(path: Path, **options: Any) -> MigrationReport:
    return migrate(path, backups_dir=path.parent / "backups", **options)


def _query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.text_factory = lambda value: value.decode("utf-8", "backslashreplace")
        return connection.execute(sql).fetchall()


def _photos(path: Path) -> dict[int, dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM photos ORDER BY id").fetchall()
    return {row["id"]: dict(row) for row in rows}


def _schema(path: Path) -> list[tuple[str, str, str, str]]:
    return sorted(_query(path, "SELECT type, name, tbl_name, ifnull(sql, '') FROM sqlite_master"))


def _files(folder: Path) -> dict[str, bytes]:
    """Every file under the folder but the index of a WAL, which SQLite makes anew."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.endswith("-shm")
    }


def _version(path: Path) -> int:
    return int(_query(path, "PRAGMA user_version")[0][0])


# -- what becomes of a library ---------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("wal", [True, False], ids=["wal", "rollback journal"])
def test_every_row_comes_over_with_its_id(path: Path, version: int, wal: bool) -> None:
    rows = [photo_row(number, id=number + 7) for number in range(30)]
    make_old(path, rows, [trash_row(3)], version=version, wal=wal)
    report = _migrate(path)
    assert (report.from_version, report.to_version) == (version, 3)
    assert report.steps == (tuple(range(version + 1, 4)))
    assert (report.rows, report.ratings, report.trash, report.duplicate_paths) == (30, 0, 1, 0)
    assert report.warnings == ()
    photos = _photos(path)
    for row in rows:
        photo = photos[row["id"]]
        for column in ("original_filename", "current_path", "content_hash", "file_size"):
            assert photo[column] == row[column]
        assert (photo["width"], photo["height"], photo["file_type"]) == (1200, 800, "jpeg")
        assert photo["date_taken"] == row["date_taken"].replace(":", "-", 2).replace(" ", "T")
        assert (photo["date_source"], photo["missing_since"]) == ("exif", None)
    assert _query(path, "SELECT * FROM deleted_photos") == [tuple(trash_row(3).values())]
    db.open_database(path).close()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("wal", [True, False], ids=["wal", "rollback journal"])
def test_a_migrated_schema_is_that_of_a_new_database(
    path: Path, tmp_path: Path, version: int, wal: bool
) -> None:
    make_old(path, [photo_row(1)], version=version, wal=wal)
    _migrate(path)
    new = tmp_path / "new.db"
    db.open_database(new).close()
    assert _schema(path) == _schema(new)
    for pragma in ("user_version", "application_id", "journal_mode", "encoding"):
        assert _query(path, f"PRAGMA {pragma}") == _query(new, f"PRAGMA {pragma}")
    assert _query(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_second_migration_does_nothing(path: Path) -> None:
    make_old(path, [photo_row(n, rating=4) for n in range(3)], [trash_row(1)], version=2)
    _migrate(path)
    before = _files(path.parent)
    said: list[str] = []
    report = _migrate(path, report=said.append)
    assert (report.steps, report.backup, said) == ((), None, [])
    assert (report.rows, report.ratings, report.trash) == (3, 3, 1)
    assert _files(path.parent) == before


def test_a_verified_backup_of_the_old_database_comes_first(path: Path) -> None:
    make_old(path, [photo_row(n) for n in range(4)])
    said: list[str] = []
    report = _migrate(path, report=said.append)
    (backup,) = list_backups(path.parent / "backups")
    assert report.backup == backup.path
    assert (backup.schema_version, backup.rows) == (1, 4)
    assert backup.reason == "before migration from version 1"
    assert verify_backup(backup) is None
    assert "CREATE TABLE photos" in str(_schema(backup.path))
    assert said[0] == f"Backup: {backup.path}"
    assert said[-1].startswith(f"Done: {path} is of version 3 now, with 4 photos")


def test_without_a_backup_nothing_is_migrated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_old(path, [photo_row(1)])
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise DiskFullError("The disk is full.")

    monkeypatch.setattr(migrate_db, "make_backup", fail)
    with pytest.raises(DiskFullError):
        _migrate(path)
    assert path.read_bytes() == before


def test_ratings_are_kept_as_those_of_the_database(path: Path) -> None:
    values = [5, 1, 0, None, -1, "4", 3.0, b"2", 9, -7, "no"]
    make_old(path, [photo_row(n, rating=value) for n, value in enumerate(values)], version=2)
    report = _migrate(path)
    photos = _photos(path).values()
    assert [photo["rating"] for photo in photos] == [5, 1, None, None, -1, 4, 3, 2, 5, -1, None]
    assert {photo["kept_in"] for photo in photos if photo["rating"] is not None} == {"database"}
    assert {photo["kept_in"] for photo in photos if photo["rating"] is None} == {None}
    assert report.ratings == 8
    assert len(report.warnings) == 2


def test_no_id_is_given_twice_though_its_row_is_long_gone(path: Path) -> None:
    make_old(
        path,
        [photo_row(1, id=5)],
        more=["UPDATE sqlite_sequence SET seq = 900 WHERE name = 'photos'"],
    )
    _migrate(path)
    assert dict(_query(path, "SELECT name, seq FROM sqlite_sequence")) == {"photos": 900}


def test_a_sequence_is_kept_though_no_photo_is_left(path: Path) -> None:
    make_old(path, [photo_row(1, id=77)], more=["DELETE FROM photos"])
    _migrate(path)
    assert dict(_query(path, "SELECT name, seq FROM sqlite_sequence")) == {"photos": 77}


def test_the_next_index_reads_every_migrated_photo(path: Path) -> None:
    make_old(path, [photo_row(n) for n in range(5)])
    _migrate(path)
    database = db.open_database(path)
    with database.reading() as connection:
        known = catalog.list_known_files(connection)
    database.close()
    files = [PhotoFile(FileStat(row.current_path, row.file_size, 5, 6, 7), None) for row in known]
    versions = set(range(1, 100)) | set(range(-99, 0))
    result = compare_files(files, known, is_settled=versions.__contains__)
    assert (result.unchanged, result.moved, result.lost) == ([], [], [])
    assert len(result.to_read) == 5


def test_rows_whose_files_are_gone_stay(library: Path, path: Path) -> None:
    make_old(path, [photo_row(1)])
    assert not (library / photo_row(1)["current_path"]).exists()
    _migrate(path)
    assert [photo["missing_since"] for photo in _photos(path).values()] == [None]


@pytest.mark.parametrize(
    "column",
    ["date_taken", "content_hash", "file_size", "file_type", "width", "original_filename"],
)
def test_a_database_that_lacks_a_column_comes_over(path: Path, column: str) -> None:
    make_old(path, [photo_row(n) for n in range(3)], [trash_row(1)], without=[column])
    report = _migrate(path)
    assert (report.rows, report.trash) == (3, 1)
    assert [photo["current_path"] for photo in _photos(path).values()] == [
        photo_row(n)["current_path"] for n in range(3)
    ]
    assert _photos(path)[1]["original_filename"] == photo_row(0)["original_filename"]


@pytest.mark.parametrize("table", ["deleted_photos", "operation_state", "hash_cache"])
def test_a_version_2_that_lacks_a_table_comes_over(path: Path, table: str) -> None:
    make_old(path, [photo_row(1, rating=5)], version=2, without=[table])
    report = _migrate(path)
    assert (report.from_version, report.ratings) == (2, 1)


@pytest.mark.parametrize("user_version", [0, 1, 2, 3])
def test_tables_and_columns_tell_the_version_not_the_number(path: Path, user_version: int) -> None:
    pragma = f"PRAGMA user_version = {user_version}"
    make_old(path, [photo_row(1, rating=5)], version=2, more=[pragma])
    assert _migrate(path).from_version == 2
    assert _version(path) == 3


def test_hashes_of_the_old_cache_are_not_taken_over(path: Path) -> None:
    entry = "INSERT INTO hash_cache VALUES ('a.jpg', 1, 2, 'abc', 'then')"
    make_old(path, [photo_row(1)], version=2, more=[entry])
    _migrate(path)
    assert _query(path, "SELECT count(*) FROM hash_cache") == [(0,)]


def test_operations_become_history_that_nobody_offers_to_resume(path: Path) -> None:
    words = ["completed", "running", "paused", "odd"]
    make_old(
        path,
        [],
        version=2,
        more=[
            f"INSERT INTO operation_state VALUES ('{word}', 'import', '{word}', 't', 'u', '{{}}',"
            " NULL, NULL)"
            for word in words
        ],
    )
    _migrate(path)
    rows = _query(path, "SELECT operation_id, status, error_message IS NULL FROM operation_state")
    assert sorted(rows) == [
        ("completed", "completed", 1),
        ("odd", "failed", 0),
        ("paused", "failed", 0),
        ("running", "failed", 0),
    ]


def test_colliding_and_short_hashes_are_kept_as_they_are(path: Path) -> None:
    hashes = ["1234567", "1234567", "ABCDEF1", "12", "", None, 7654321, b"\xab" * 32, "a" * 64]
    rows = [photo_row(n, content_hash=value) for n, value in enumerate(hashes)]
    make_old(path, rows, loose=True)
    _migrate(path)
    found = [photo["content_hash"] for photo in _photos(path).values()]
    expected = ["1234567", "1234567", "abcdef1", "12", "", "", "7654321", "ab" * 32, "a" * 64]
    assert found == expected


# -- odd values ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2019:07:14 18:03:22", ("2019-07-14T18:03:22", None)),
        ("2019-07-14T18:03:22", ("2019-07-14T18:03:22", None)),
        ("2019-07-14 18:03:22.450", ("2019-07-14T18:03:22", None)),
        ("2019:07:14 18:03:22+02:00", ("2019-07-14T18:03:22", "+02:00")),
        ("2019-07-14T18:03:22Z", ("2019-07-14T18:03:22", "+00:00")),
        ("2019:07:14 18:03", ("2019-07-14T18:03:00", None)),
        ("2019:07:14", ("2019-07-14T00:00:00", None)),
        (b"2019:07:14 18:03:22", ("2019-07-14T18:03:22", None)),
        (" 2019:07:14 18:03:22 ", ("2019-07-14T18:03:22", None)),
        ("0000:00:00 00:00:00", (None, None)),
        ("2019:02:30 10:00:00", (None, None)),
        ("2019:07:14 25:00:00", (None, None)),
        ("٢٠١٩:07:14 18:03:22", (None, None)),
        ("yesterday", (None, None)),
        (1563127402, (None, None)),
        ("", (None, None)),
        (None, (None, None)),
    ],
)
def test_dates(value: object, expected: tuple[str | None, str | None]) -> None:
    assert parse_date(value) == expected


def test_a_date_that_is_none_is_undated_and_named(path: Path) -> None:
    rows = [photo_row(n, date_taken=value) for n, value in enumerate(["never", None, ""])]
    report = _migrate(make_old(path, rows))
    found = [(photo["date_taken"], photo["date_source"]) for photo in _photos(path).values()]
    assert found == [(None, "none")] * 3
    assert report.warnings == ("A date that is none was left out: 2000/IMG_0000.jpg 'never'",)


@pytest.mark.parametrize(
    ("given_path", "expected"),
    [
        ("2019/a.jpg", "2019/a.jpg"),
        ("./2019//a.jpg", "2019/a.jpg"),
        ("2019/../b.jpg", "b.jpg"),
        ("/photos/2019/a.jpg", "2019/a.jpg"),
        ("//photos/x/../a.jpg", "a.jpg"),
        ("/link/a.jpg", "a.jpg"),
        ("/photos", None),
        ("/photos/../etc/passwd", None),
        ("/photosandmore/a.jpg", None),
        ("/elsewhere/a.jpg", None),
        ("../a.jpg", None),
        ("a/../../b.jpg", None),
        ("..", None),
        (".", None),
        ("..a.jpg", "..a.jpg"),
        ("new\nline.jpg", "new\nline.jpg"),
    ],
)
def test_paths(given_path: str, expected: str | None) -> None:
    assert find_relative_path(given_path, ["/photos", "/link/"]) == expected


def test_a_path_outside_the_library_is_a_missing_photo(library: Path, path: Path) -> None:
    outside = ["/elsewhere/a.jpg", "../b.jpg", None]
    inside = [str(library / "2019/c.jpg"), "d.jpg"]
    rows = [photo_row(n, current_path=value) for n, value in enumerate([*outside, *inside])]
    report = _migrate(make_old(path, rows, loose=True))
    found = [
        (photo["current_path"], photo["missing_since"] is not None)
        for photo in _photos(path).values()
    ]
    assert found == [
        ("/elsewhere/a.jpg", True),
        ("../b.jpg", True),
        ("IMG_0002.jpg", False),
        ("2019/c.jpg", False),
        ("d.jpg", False),
    ]
    assert any("outside the library" in warning for warning in report.warnings)


def test_of_several_rows_with_one_path_the_best_rated_stays(library: Path, path: Path) -> None:
    rows = [
        photo_row(1, current_path="a.jpg", rating=None),
        photo_row(2, current_path=str(library / "a.jpg"), rating=5),
        photo_row(3, current_path="./a.jpg", rating=3),
        photo_row(4, current_path="A.jpg", rating=2),
    ]
    report = _migrate(make_old(path, rows, version=2, loose=True))
    photos = _photos(path)
    assert [photo["current_path"] for photo in photos.values()] == ["a.jpg"] * 3 + ["A.jpg"]
    present = [key for key, photo in photos.items() if photo["missing_since"] is None]
    assert [photos[key]["rating"] for key in present] == [5, 2]
    assert (report.rows, report.ratings, report.duplicate_paths) == (4, 3, 2)


def test_rows_with_an_id_that_is_none_get_one(path: Path) -> None:
    ids = [3, 3, None, "4", "x", -1, 0, 2**63 - 1, b"5"]
    rows = [photo_row(n, id=value) for n, value in enumerate(ids)]
    report = _migrate(make_old(path, rows, loose=True))
    assert sorted(_photos(path)) == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert report.rows == 9


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1200, 1200),
        ("1200", 1200),
        (" 1200 ", 1200),
        (1200.9, 1200),
        (b"1200", 1200),
        ("-5", -5),
        ("9007199254740993", 9007199254740993),
        ("1e400", None),
        (float("inf"), None),
        ("nan", None),
        ("9" * 5000, None),
        ("", None),
        ("wide", None),
        (b"\xff", None),
        (None, None),
    ],
)
def test_numbers(value: object, expected: int | None) -> None:
    assert find_whole(value) == expected


@pytest.mark.parametrize(
    ("word", "name", "expected"),
    [
        (".JPG", "a", "jpeg"),
        ("jpeg", "a", "jpeg"),
        ("JPEG", "a.png", "jpeg"),
        ("photo", "a.HEIC", "heic"),
        ("video", "a.mov", "mov"),
        ("", "a.xyz", ""),
        ("strange", "noname", "strange"),
    ],
)
def test_file_types(word: str, name: str, expected: str) -> None:
    assert make_file_type(word, name) == expected


def test_a_hash_of_bytes_is_written_in_digits() -> None:
    assert make_hash(b"\x01" * 32) == "01" * 32
    assert make_hash(b"AB12345") == "ab12345"
    assert make_hash("Not Hex") == "Not Hex"


def test_text_that_is_no_utf_8_costs_no_row(path: Path) -> None:
    broken = "UPDATE photos SET current_path = CAST(x'66ff2e6a7067' AS TEXT)"
    _migrate(make_old(path, [photo_row(1)], more=[broken]))
    assert _query(path, "SELECT current_path FROM photos") == [("f\\xff.jpg",)]


def test_what_this_version_does_not_know_is_named(path: Path) -> None:
    more = [
        "ALTER TABLE photos ADD COLUMN caption TEXT",
        "ALTER TABLE photos ADD COLUMN unused TEXT",
        "UPDATE photos SET caption = 'a word'",
        "CREATE TABLE folders (name TEXT)",
        "INSERT INTO folders VALUES ('kept')",
        "CREATE TABLE albums (photo_id REFERENCES photos (id))",
        "INSERT INTO albums VALUES (1)",
        "CREATE VIEW favorites AS SELECT * FROM photos",
        "CREATE TRIGGER changed AFTER UPDATE ON photos BEGIN SELECT 1; END",
    ]
    report = _migrate(make_old(path, [photo_row(1)], more=more))
    assert report.warnings == (
        "A table of another shape was kept under another name: folders_v2",
        "A column that this version does not know stays in the backup alone: photos.caption",
    )
    assert _query(path, "SELECT * FROM folders_v2") == [("kept",)]
    assert _query(path, "SELECT * FROM albums") == [(1,)]
    assert (
        "REFERENCES photos "
        in _query(path, "SELECT sql FROM sqlite_master WHERE name = 'albums'")[0][0]
    )
    assert len(_query(path, "SELECT * FROM favorites")) == 1
    db.open_database(path).close()


# -- any odd database ------------------------------------------------------------------------

_odd = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.binary(max_size=8),
)
_paths = st.one_of(
    _odd,
    st.sampled_from(["a.jpg", "A.JPG", "./a.jpg", "b/a.jpg", "/x/a.jpg", "../a.jpg", "b//a.jpg"]),
)
_ratings = st.one_of(_odd, st.sampled_from([0, 1, 2, 3, 4, 5, -1, "5", 5.0]))
_dates = st.one_of(_odd, st.just("2019:07:14 18:03:22"), st.just("0000:00:00 00:00:00"))
_rows = st.fixed_dictionaries(
    {
        "id": _odd,
        "original_filename": _odd,
        "current_path": _paths,
        "date_taken": _dates,
        "content_hash": _odd,
        "file_size": _odd,
        "file_type": _odd,
        "width": _odd,
        "height": _odd,
        "rating": _ratings,
    }
)
_trash = st.fixed_dictionaries(dict.fromkeys(trash_row(1), _odd))


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(_rows, max_size=8),
    trash=st.lists(_trash, max_size=4),
    without=st.sets(st.sampled_from(["date_taken", "width", "file_size", "id", "content_hash"])),
    version=st.sampled_from([1, 2]),
    wal=st.booleans(),
)
def test_no_row_rating_or_trash_entry_of_any_odd_database_is_lost(
    rows: list[dict[str, Any]],
    trash: list[dict[str, Any]],
    without: set[str],
    version: int,
    wal: bool,
) -> None:
    memory = Path("/dev/shm")  # a disk would be waited for at every commit
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        _check_odd(Path(folder), rows, trash, without, version, wal)


def _check_odd(
    folder: Path,
    rows: list[dict[str, Any]],
    trash: list[dict[str, Any]],
    without: set[str],
    version: int,
    wal: bool,
) -> None:
    path = folder / ".library" / "photo_library.db"
    lacking = {"deleted_photos", *without}
    more = [f"CREATE TABLE deleted_photos ({', '.join(trash_row(1))})"]
    make_old(path, rows, version=version, without=lacking, loose=True, wal=wal, more=more)
    with closing(sqlite3.connect(path)) as connection:
        for entry in trash:
            values = [entry[name] for name in trash_row(1)]
            connection.execute("INSERT INTO deleted_photos VALUES (?, ?, ?, ?, ?)", values)
        connection.commit()
    report = _migrate(path)
    photos = _photos(path)
    assert len(photos) == report.rows == len(rows)
    good = {row["id"]: row for row in rows if isinstance(row["id"], int) and 0 < row["id"] < 2**53}
    if "id" not in without:
        assert good.keys() <= photos.keys()
    wanted = sorted(
        min(max(find_whole(row["rating"]) or 0, -1), 5)
        for row in rows
        if version == 2 and find_whole(row["rating"])
    )
    kept = sorted(photo["rating"] for photo in photos.values() if photo["rating"] is not None)
    assert kept == wanted
    assert len(kept) == report.ratings
    present = [p["current_path"] for p in photos.values() if p["missing_since"] is None]
    assert len(present) == len(set(present))
    entries = _query(path, "SELECT original_path, photo_data FROM deleted_photos")
    assert sorted(entries) == sorted(
        (_as_text(entry["original_path"]), _as_text(entry["photo_data"])) for entry in trash
    )
    database = db.open_database(path)
    with database.reading() as connection:
        assert len(catalog.list_known_files(connection)) == len(rows)
        assert len(list(catalog.iterate_photos(connection))) == len(rows)
    database.close()


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return "" if value is None else str(value)


# -- what is refused -------------------------------------------------------------------------


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")


def _other_photos(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE photos (id, caption)")


def _other_application(path: Path) -> None:
    make_old(path, [photo_row(1)], more=["PRAGMA application_id = 7"])


def _newer(path: Path) -> None:
    make_old(path, [photo_row(1)], more=["PRAGMA user_version = 4"])


def _newer_with_hot_wal(path: Path) -> None:
    make_hot(path, wal=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 4")
        shutil.copy(path, f"{path}.kept")
        shutil.copy(f"{path}-wal", f"{path}-wal.kept")
    os.rename(f"{path}.kept", path)
    os.rename(f"{path}-wal.kept", f"{path}-wal")


def _damaged(path: Path) -> None:
    make_old(path, [photo_row(n) for n in range(50)])
    data = bytearray(path.read_bytes())
    data[4096:8192] = b"\xff" * 4096
    path.write_bytes(data)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "another program's": (_foreign, "another program"),
    "another program's photos": (_other_photos, "another program"),
    "another application": (_other_application, "another program"),
    "a newer version": (_newer, "newer Lightkeep"),
    "a newer version in a hot WAL": (_newer_with_hot_wal, "newer Lightkeep"),
    "nothing": (Path.touch, "empty"),
    "random bytes": (lambda path: path.write_bytes(bytes(range(256)) * 40), "not an SQLite"),
    "a text": (lambda path: path.write_bytes(b"hello"), "not an SQLite"),
    "damage": (_damaged, "damaged|malformed"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_migrated_is_left_byte_for_byte_as_it_is(path: Path, kind: str) -> None:
    make, words = REFUSED[kind]
    path.parent.mkdir(parents=True)
    make(path)
    before = _files(path.parent)
    with pytest.raises(DatabaseRefusedError, match=words) as caught:
        _migrate(path)
    assert str(path) in caught.value.message
    assert _files(path.parent) == before


def test_a_locked_database_is_in_use(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "BUSY_TIMEOUT_S", 0.05)
    make_old(path, [photo_row(1)])
    before = path.read_bytes()
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LibraryInUseError, match="in use by another program"):
            _migrate(path)
        holder.execute("ROLLBACK")
        assert path.read_bytes() == before
        # A reader alone lets the backup be made, but not the commit.
        holder.execute("BEGIN")
        holder.execute("SELECT * FROM photos").fetchone()
        with pytest.raises(LibraryInUseError):
            _migrate(path)
    assert path.read_bytes() == before
    assert _migrate(path).rows == 1


@pytest.mark.parametrize("step", [2, 3])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, DiskFullError),
        (sqlite3.SQLITE_IOERR_SHMSIZE, DiskFullError),
        (sqlite3.SQLITE_IOERR, DatabaseRefusedError),
        (sqlite3.SQLITE_BUSY, LibraryInUseError),
    ],
)
@pytest.mark.parametrize("wal", [True, False], ids=["wal", "rollback journal"])
def test_trouble_in_any_step_undoes_all_of_them(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    code: int,
    kind: type[LibraryError],
    wal: bool,
) -> None:
    make_old(path, [photo_row(n) for n in range(3)], wal=wal)
    before = _files(path.parent)
    real = schema_steps.STEPS[step]

    def fail(connection: sqlite3.Connection, context: Any) -> None:
        real(connection, context)
        error = sqlite3.OperationalError("trouble")
        error.sqlite_errorcode = code
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(migrate_db, "STEPS", {**schema_steps.STEPS, step: fail})
        with pytest.raises(kind, match=r"\.$"):
            _migrate(path)
    shutil.rmtree(path.parent / "backups")
    assert _files(path.parent) == before
    assert _migrate(path).rows == 3


def test_a_step_that_would_lose_a_row_is_undone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_old(path, [photo_row(n, rating=5) for n in range(3)], [trash_row(1)], version=2)
    before = path.read_bytes()
    for loss in (
        "DELETE FROM photos WHERE id = 1",
        "DELETE FROM deleted_photos",
        "UPDATE photos SET rating = NULL WHERE id = 1",
    ):

        def lose(connection: sqlite3.Connection, context: Any, loss: str = loss) -> None:
            schema_steps.to_version_3(connection, context)
            connection.execute(loss)

        with monkeypatch.context() as patch:
            patch.setattr(migrate_db, "STEPS", {3: lose})
            with pytest.raises(DatabaseRefusedError, match="nothing was lost"):
                _migrate(path)
        assert path.read_bytes() == before


# -- the next index --------------------------------------------------------------------------


def _old_row(key: int, path: str, digits: str, *, size: int = 10, gone: bool = False) -> KnownFile:
    return KnownFile(
        id=key,
        current_path=path,
        content_hash=digits,
        media_hash="",
        file_size=size,
        mtime_ns=0,
        ctime_ns=0,
        inode=0,
        sidecar_path=None,
        sidecar_mtime_ns=None,
        sidecar_size=None,
        reader_version=0,
        missing_since="then" if gone else None,
    )


def _assign(
    files: dict[str, tuple[str, int]], rows: list[KnownFile], pictures: dict[str, str] | None = None
) -> dict[str, int]:
    """Path -> id of the row it gets. files: content hash and size by path."""
    standing = [row for row in rows if row.missing_since is None and row.current_path in files]
    occupied = {row.current_path: row for row in standing}
    gone = [row for row in rows if row not in standing]
    media = {path: f"m:{path}" for path in files} | (pictures or {})
    return {path: row.id for path, row in assign_rows(media, occupied, gone, files).items()}


def test_a_moved_file_finds_its_row_by_the_digits_and_the_size() -> None:
    digits = "abcdef1"
    files = {"new/a.jpg": (digits + "0" * 57, 10)}
    assert _assign(files, [_old_row(1, "old/a.jpg", digits)]) == {"new/a.jpg": 1}
    assert _assign(files, [_old_row(1, "old/a.jpg", digits, size=11)]) == {}
    assert _assign(files, [_old_row(1, "old/a.jpg", "abcdef2")]) == {}
    assert _assign(files, [_old_row(1, "old/a.jpg", "")]) == {}


def test_digits_that_several_rows_or_files_have_move_no_row() -> None:
    digits = "abcdef1"
    one, two = (digits + "0" * 57, 10), (digits + "1" * 57, 10)
    rows = [_old_row(1, "x.jpg", digits), _old_row(2, "y.jpg", digits)]
    assert _assign({"a.jpg": one}, rows) == {}
    assert _assign({"a.jpg": one, "b.jpg": two}, rows[:1]) == {}
    # Of two files that share them, the one at its path is no candidate for the other row.
    rows = [_old_row(1, "a.jpg", digits), _old_row(2, "gone.jpg", digits)]
    assert _assign({"a.jpg": one, "b.jpg": two}, rows) == {"a.jpg": 1, "b.jpg": 2}


def test_a_row_keeps_its_path_though_its_file_was_edited_since() -> None:
    rows = [_old_row(1, "a.jpg", "abcdef1")]
    assert _assign({"a.jpg": ("f" * 64, 99)}, rows) == {"a.jpg": 1}


def test_swapped_files_swap_their_rows() -> None:
    one, two = ("1" * 64, 10), ("2" * 64, 10)
    rows = [_old_row(1, "a.jpg", "1" * 7), _old_row(2, "b.jpg", "2" * 7)]
    assert _assign({"a.jpg": two, "b.jpg": one}, rows) == {"a.jpg": 2, "b.jpg": 1}


def test_a_file_whose_row_is_certain_is_not_given_to_an_old_one() -> None:
    files = {"a.jpg": ("1" * 64, 10)}
    known = _old_row(1, "a.jpg", "1" * 64)._replace(media_hash="m", reader_version=2)
    rows = [known, _old_row(2, "a.jpg", "1" * 7, gone=True)]
    assert _assign(files, rows, {"a.jpg": "m"}) == {"a.jpg": 1}


def _index(library: Path, data: Path, pool: WorkerPool) -> IndexReport:
    database = db.open_database(data / "photo_library.db")
    try:
        with database.transaction() as connection:
            created = create_operation(connection, OperationType.UPDATE_INDEX, {})
            set_status(connection, created.operation_id, OperationStatus.RUNNING)
        cache = HashCache(database)
        indexer = Indexer(
            library, database, pool, lambda: None, cache, ZoneInfo("UTC"), skip=(data,)
        )
        return indexer.update(Observer(created.operation_id))
    finally:
        database.close()


def test_a_migrated_library_keeps_ids_and_ratings_through_the_next_indexes(
    library: Path, path: Path
) -> None:
    make_jpeg(library / "here.jpg", 1, date="2019:07:14 18:03:22")
    make_jpeg(library / "moved" / "there.jpg", 2)
    make_jpeg(library / "rated.jpg", 3, rating=2)
    make_jpeg(library / "dropped.jpg", 4)
    hashes = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in library.rglob("*.jpg")
    }
    where = {"here.jpg": "here.jpg", "there.jpg": "before/there.jpg", "rated.jpg": "rated.jpg"}
    sizes = {file.name: file.stat().st_size for file in library.rglob("*.jpg")}
    rows = [
        photo_row(
            number,
            id=number * 10,
            original_filename=name,
            current_path=old_path,
            content_hash=hashes[name][:7],
            file_size=sizes[name],
            rating=5,
        )
        for number, (name, old_path) in enumerate(where.items(), 1)
    ]
    rows.append(photo_row(4, id=90, current_path="lost.jpg", rating=4))
    make_old(path, rows, version=2)
    _migrate(path)
    with WorkerPool(workers=1, memory_mb=1024, file_timeout_s=30.0) as pool:
        for _ in range(2):
            _index(library, path.parent, pool)
            photos = _photos(path)
            assert {key: photo["current_path"] for key, photo in photos.items()} == {
                10: "here.jpg",
                20: "moved/there.jpg",
                30: "rated.jpg",
                90: "lost.jpg",
                91: "dropped.jpg",
            }
            assert [photo["rating"] for photo in photos.values()] == [5, 5, 2, 4, None]
            assert [photo["kept_in"] for photo in photos.values()] == [
                *("database", "database", "file", "database", None)
            ]
            assert photos[10]["date_taken"] == "2019-07-14T18:03:22"
            assert photos[90]["missing_since"] is not None
            for key in (10, 20, 30, 91):
                name = photos[key]["original_filename"]
                assert photos[key]["content_hash"] == hashes[name]
                assert photos[key]["media_hash"]


# -- taking over -----------------------------------------------------------------------------


@pytest.mark.parametrize("wal", [True, False], ids=["wal", "rollback journal"])
def test_the_database_of_an_older_app_is_taken_over_and_stays_as_it_was(
    library: Path, path: Path, wal: bool
) -> None:
    source = make_old(library / "photo_library.db", [photo_row(1), photo_row(2)], wal=wal)
    (library / ".trash").mkdir()
    (library / ".trash" / "1-was.jpg").write_bytes(b"kept")
    before = _files(library)
    path.parent.mkdir()
    report = take_over(library, path.parent)
    assert report is not None
    assert (report.database, report.source, report.rows) == (path, source, 2)
    after = _files(library)
    assert {name: after[name] for name in before} == before
    (backup,) = list_backups(path.parent / "backups")
    made = {"backups/manifest.jsonl", f"backups/{backup.path.name}", path.name}
    assert after.keys() - before.keys() == {f".library/{name}" for name in made}
    assert take_over(library, path.parent) is None
    db.open_database(path).close()


@pytest.mark.parametrize("wal", [True, False], ids=["wal", "rollback journal"])
def test_what_a_crashed_app_left_is_honored_and_stays_as_it_was(
    library: Path, path: Path, wal: bool
) -> None:
    make_hot(library / "photo_library.db", wal=wal)
    before = _files(library)
    path.parent.mkdir()
    report = take_over(library, path.parent)
    assert report is not None
    assert report.rows == 5
    after = _files(library)
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("wal", [True, False], ids=["wal", "rollback journal"])
def test_a_hot_database_in_its_place_is_migrated_with_what_the_crash_left(
    path: Path, wal: bool
) -> None:
    make_hot(path, wal=wal)
    assert _migrate(path).rows == 5
    assert list_backups(path.parent / "backups")[0].rows == 5


def test_a_database_is_taken_over_into_a_data_folder_elsewhere(
    library: Path, path: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rows = [photo_row(1, current_path=str(library / "a.jpg"))]
    make_old(path, rows)
    make_old(library / "photo_library.db", [])
    before = _files(library)
    report = take_over(library, data)
    assert report is not None
    assert report.source == path
    assert _query(data / "photo_library.db", "SELECT current_path FROM photos") == [("a.jpg",)]
    assert _files(library) == before


def test_a_library_without_an_old_database_is_left_alone(library: Path, path: Path) -> None:
    path.parent.mkdir()
    assert take_over(library, path.parent) is None
    _foreign(library / "photo_library.db")
    assert take_over(library, path.parent) is None
    db.open_database(path).close()
    assert take_over(library, path.parent) is None


def test_an_index_that_was_begun_is_not_replaced_by_an_older_database(
    library: Path, path: Path
) -> None:
    path.parent.mkdir()
    db.open_database(path).close()
    make_old(library / "photo_library.db", [photo_row(1)])
    assert take_over(library, path.parent) is None
    assert _photos(path) == {}


def test_a_database_whose_making_was_cut_off_gives_way(library: Path, path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    make_old(library / "photo_library.db", [photo_row(1)])
    report = take_over(library, path.parent)
    assert report is not None
    assert len(_photos(path)) == 1


def test_a_damaged_old_database_is_said_and_nothing_is_begun_in_its_stead(
    library: Path, path: Path
) -> None:
    path.parent.mkdir()
    (library / "photo_library.db").write_bytes(b"random" * 1000)
    with pytest.raises(DatabaseRefusedError, match=r"photo_library\.db is not an SQLite"):
        take_over(library, path.parent)
    assert not path.exists()


def test_a_copy_that_cannot_be_finished_leaves_no_database(
    library: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    make_old(library / "photo_library.db", [photo_row(1)])

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(migrate_db, "rename_new", fail)
        with pytest.raises(DiskFullError):
            take_over(library, path.parent)
    assert [file.name for file in path.parent.iterdir()] == ["backups"]
    assert take_over(library, path.parent) is not None


def test_a_database_that_was_migrated_by_name_is_taken_over_too(library: Path, path: Path) -> None:
    source = make_old(library / "photo_library.db", [photo_row(1, rating=5)], version=2)
    migrate(source, backups_dir=library / ".library" / "backups")
    assert _version(source) == 3
    report = take_over(library, path.parent)
    assert report is not None
    assert (report.steps, report.ratings, report.rows) == ((), 1, 1)


# -- the script ------------------------------------------------------------------------------


def _run(home: Path, *words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The script by a Python that has no packages at all."""
    return subprocess.run(
        [sys.executable, "-S", "-B", str(SCRIPT), *map(str, words)],
        env={"HOME": str(home), "PATH": os.environ["PATH"], **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_script_migrates_a_library_and_says_what_it_did(
    home: Path, library: Path, path: Path
) -> None:
    make_old(library / "photo_library.db", [photo_row(n) for n in range(3)], [trash_row(1)])
    result = _run(home, library)
    assert (result.returncode, result.stderr) == (0, "")
    assert "of version 1, is taken over as a copy" in result.stdout
    assert "3 photos, 0 ratings and 1 entries in the trash" in result.stdout
    assert _version(path) == 3
    again = _run(home, library)
    assert (again.returncode, again.stderr) == (0, "")
    assert "already" in again.stdout


def test_the_script_migrates_the_very_file_that_is_named(home: Path, tmp_path: Path) -> None:
    path = make_old(tmp_path / "somewhere" / "old.db", [photo_row(1)])
    assert _run(home, path).returncode == 0
    assert _version(path) == 3
    assert len(list_backups(tmp_path / "somewhere" / ".library" / "backups")) == 1
    assert _run(home, path).returncode == 0


def test_the_script_migrates_a_database_in_its_data_folder(
    home: Path, library: Path, path: Path
) -> None:
    make_old(path, [photo_row(1, current_path=str(library / "a.jpg"))])
    assert _run(home, path).returncode == 0
    assert _query(path, "SELECT current_path, missing_since FROM photos") == [("a.jpg", None)]
    assert len(list_backups(path.parent / "backups")) == 1


def test_the_script_finds_the_library_that_serve_would_open(home: Path) -> None:
    nothing = _run(home)
    assert nothing.returncode == 2
    assert "say which" in nothing.stderr
    sample = home / ".local/share/lightkeep/sample"
    make_old(sample / "photo_library.db", [photo_row(1)])
    assert str(sample) in _run(home).stdout
    pictures = home / "Pictures"
    make_old(pictures / "photo_library.db", [photo_row(1)])
    (pictures / "a.jpg").touch()
    assert str(pictures) in _run(home).stdout
    other = home / "other"
    make_old(other / "photo_library.db", [photo_row(1)])
    assert str(other) in _run(home, LIGHTKEEP_LIBRARY=str(other)).stdout


def test_the_script_heeds_the_data_folder(home: Path, library: Path, tmp_path: Path) -> None:
    make_old(library / "photo_library.db", [photo_row(1)])
    assert _run(home, library, LIGHTKEEP_DATA_DIR=str(tmp_path / "a")).returncode == 0
    assert _run(home, library, "--data-dir", tmp_path / "b").returncode == 0
    assert [_version(tmp_path / name / "photo_library.db") for name in "ab"] == [3, 3]
    assert not (library / ".library").exists()


def test_the_script_leaves_a_library_alone_that_somebody_holds(
    home: Path, library: Path, path: Path
) -> None:
    make_old(path, [photo_row(1)])
    before = path.read_bytes()
    with library_location.take_lock(path.parent):
        for named in (library, path):
            result = _run(home, named)
            assert result.returncode == 75
            assert "in use by" in result.stderr
    assert path.read_bytes() == before


def test_the_script_says_why_not(home: Path, library: Path, tmp_path: Path) -> None:
    missing = _run(home, tmp_path / "none")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "There is no folder" in missing.stderr
    empty = _run(home, library)
    assert (empty.returncode, empty.stderr) == (0, "")
    assert "nothing to migrate" in empty.stdout
    assert list(library.iterdir()) == []
    _foreign(library / "photo_library.db")
    foreign = _run(home, library)
    assert foreign.returncode == 2
    assert "another program" in foreign.stderr
    assert "Traceback" not in foreign.stderr + missing.stderr + empty.stderr
    assert _run(home, library, "--wrong").returncode == 2


def test_the_script_knows_folders_whose_name_is_no_text(home: Path, tmp_path: Path) -> None:
    library = Path(os.fsdecode(os.fsencode(tmp_path) + b"/Caf\xe9 100%?#"))
    make_old(library / "photo_library.db", [photo_row(1)])
    for _ in range(2):
        result = _run(home, library)
        assert (result.returncode, result.stderr) == (0, "")
    with db.rebuilding_tables(library / ".library" / "photo_library.db") as connection:
        assert connection.execute("SELECT count(*) FROM photos").fetchone()[0] == 1


def test_a_database_with_a_computed_column_comes_over(path: Path) -> None:
    make_old(path, [photo_row(1)], more=["ALTER TABLE photos ADD COLUMN mb AS (file_size / 1e6)"])
    report = _migrate(path)
    assert (report.rows, len(report.warnings)) == (1, 1)


def test_everything_the_script_uses_is_in_the_standard_library() -> None:
    script = "import sys, migrate_db; print('\\n'.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-S", "-B", "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    own = {file.stem for file in REPOSITORY.glob("*.py")}
    tops = {name.split(".")[0] for name in result.stdout.split()}
    tops = {name for name in tops if not name.startswith("_sysconfigdata")}
    assert tops <= sys.stdlib_module_names | own | {"__main__", "sitecustomize"}


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(LibraryNotFoundError):
        find_version(tmp_path / "none.db")


# -- killed at any moment, on any disk -------------------------------------------------------

CRASH_ROWS = 20
CRASH_CALLS = (
    *("pwrite64", "write", "fdatasync", "fsync", "rename", "renameat2", "unlink", "ftruncate"),
    *("link", "mkdir", "sendfile", "copy_file_range"),
)


class CrashBox:
    """A library with an old database, in its place or where an older app had it."""

    def __init__(self, folder: Path, *, in_place: bool, wal: bool) -> None:
        self.library = folder / "photos"
        self.path = self.library / ".library" / "photo_library.db"
        self.source = self.path if in_place else self.library / "photo_library.db"
        rows = [photo_row(number, rating=number % 6) for number in range(CRASH_ROWS)]
        make_old(self.source, rows, [trash_row(1), trash_row(2)], version=2, wal=wal)
        self.before = self.source.read_bytes()
        self._template = folder / "template"
        shutil.copytree(self.library, self._template)
        self.command = [sys.executable, "-S", "-B", str(SCRIPT), str(self.library)]

    def reset(self) -> None:
        shutil.rmtree(self.library)
        shutil.copytree(self._template, self.library)

    def check(self) -> None:
        """The old or the new database is there, whole; and whatever has a backup's name is one."""
        if self.source != self.path:
            assert self.source.read_bytes() == self.before
        if self.path.exists():
            assert self._describe() in ((0, *self._all()), (3, *self._all()))
            if self.source != self.path:
                assert _version(self.path) == 3
        folder = self.path.parent / "backups"
        listed = list_backups(folder)
        assert {backup.path for backup in listed} == set(folder.glob("*.db"))
        assert [verify_backup(backup) for backup in listed] == [None] * len(listed)

    def check_done(self) -> None:
        self.check()
        assert self._describe() == (3, *self._all())
        assert not list(self.path.parent.glob("*.migrating*"))
        assert list_backups(self.path.parent / "backups")

    def _all(self) -> tuple[int, int, int]:
        ratings = sum(1 for number in range(CRASH_ROWS) if number % 6)
        return CRASH_ROWS, ratings, 2

    def _describe(self) -> tuple[int, int, int, int]:
        with closing(sqlite3.connect(self.path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            sql = (
                "SELECT count(*), count(nullif(rating, 0)),"
                " (SELECT count(*) FROM deleted_photos) FROM photos"
            )
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            return (version, *connection.execute(sql).fetchone())


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """Memory where there is some: a disk would be waited for at every call."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def _try_points(box: CrashBox, points: list[CrashPoint]) -> None:
    for point in points:
        box.reset()
        outcome = run_point(box.command, point)
        assert outcome.fired, point
        assert outcome.is_clean, (point, outcome)
        box.check()
        again = subprocess.run(box.command, capture_output=True, text=True, check=False)
        assert (again.returncode, again.stderr) == (0, ""), (point, again)
        box.check_done()


def _list_box_points(box: CrashBox) -> list[CrashPoint]:
    points = list_points(box.command, CRASH_CALLS)
    box.check_done()
    assert {"pwrite64", "fsync", "unlink"} <= {point.syscall for point in points}
    return points + add_failures(points)


BOXES = [(True, False), (True, True), (False, False)]
BOX_NAMES = ["in place", "in place, wal", "taken over"]


@pytest.mark.crash
@pytest.mark.parametrize(("in_place", "wal"), BOXES, ids=BOX_NAMES)
def test_killed_at_many_moments_it_is_the_old_or_the_new_database(
    quick_folder: Path, in_place: bool, wal: bool
) -> None:
    require_strace()
    box = CrashBox(quick_folder, in_place=in_place, wal=wal)
    _try_points(box, sample(_list_box_points(box), 8))


@pytest.mark.crash_all
@pytest.mark.parametrize(("in_place", "wal"), BOXES, ids=BOX_NAMES)
def test_killed_at_every_moment_it_is_the_old_or_the_new_database(
    quick_folder: Path, in_place: bool, wal: bool
) -> None:
    require_strace()
    box = CrashBox(quick_folder, in_place=in_place, wal=wal)
    _try_points(box, _list_box_points(box))


@contextlib.contextmanager
def _small_disk(folder: Path, size_kb: int) -> Iterator[Path]:
    disk = folder / "disk"
    disk.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(disk)]
    mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


@pytest.mark.crash
@pytest.mark.parametrize("in_place", [True, False], ids=["in place", "taken over"])
def test_on_a_disk_of_any_size_it_is_migrated_or_refused_with_a_sentence(
    tmp_path: Path, in_place: bool
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    template = make_old(tmp_path / "old.db", [photo_row(number) for number in range(2000)])
    before = template.read_bytes()
    smallest_kb = len(before) // 1024 + 24
    statuses = []
    for size_kb in range(smallest_kb, 6 * smallest_kb, smallest_kb // 4):
        with _small_disk(tmp_path, size_kb) as disk:
            path = disk / ".library" / "photo_library.db"
            source = path if in_place else disk / "photo_library.db"
            source.parent.mkdir(exist_ok=True)
            shutil.copy(template, source)
            words = [sys.executable, "-S", "-B", str(SCRIPT), str(disk)]
            result = subprocess.run(words, capture_output=True, text=True, check=False)
            statuses.append(result.returncode)
            assert "Traceback" not in result.stderr
            if result.returncode:
                assert "full" in result.stderr
                assert source.read_bytes() == before
                assert in_place or not path.exists()
                assert not list(disk.rglob("*.part*")) + list(disk.rglob("*.migrating*"))
            else:
                assert _query(path, "SELECT count(*) FROM photos") == [(2000,)]
                assert _version(path) == 3
    assert statuses[0] == 2
    assert statuses[-1] == 0
    assert statuses == sorted(statuses, reverse=True)
