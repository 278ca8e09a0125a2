"""db_rebuild: the index anew from the files, swapped in at once; nothing that no file says is lost.

db_recovery: a damaged database is put aside for the newest sound backup.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pictures import make_jpeg
from rebuild_box import (
    DATABASE,
    RebuildBox,
    add_history,
    comparable,
    fingerprint,
    fresh_rows,
    list_history,
    make_photos,
    opened,
)

import backups
import db_rebuild
import db_recovery
import db_schema
import folder_scan
import hash_cache
import library_sync
import row_transfer
from db import Database, open_database
from db_rebuild import RebuildError, recover
from db_recovery import DatabaseUnreachableError
from errors import BrakeError, DatabaseRefusedError, DiskFullError, FileProblem, LibraryError
from folder_scan import FolderScan
from media_workers import WorkerPool
from operation_runner import OperationContext, OperationRunner
from operation_state import OperationStatus, OperationType

REPOSITORY = Path(db_rebuild.__file__).parent


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(workers=2, memory_mb=1024, file_timeout_s=20) as pool:
        yield pool


@pytest.fixture(autouse=True)
def trust_young_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash cache trusts no file younger than 2 s; these tests do not wait so long."""
    monkeypatch.setattr(hash_cache, "UNTRUSTED_NS", 0)


@pytest.fixture
def box(tmp_path: Path, pool: WorkerPool) -> Iterator[RebuildBox]:
    with opened(tmp_path / "photos", tmp_path / "data", pool) as box:
        make_photos(box.root)
        box.index()
        yield box


def counts(report: db_rebuild.RebuildReport) -> dict[str, int]:
    names = ("added", "changed", "moved", "missing", "unchanged")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


# -- what comes out --------------------------------------------------------------------------


def test_a_rebuild_gives_the_rows_of_an_undisturbed_index(box: RebuildBox, tmp_path: Path) -> None:
    report = box.rebuild()
    assert comparable(box.rows()) == fresh_rows(box.root, tmp_path / "fresh", box.pool)
    assert counts(report) == {"unchanged": 13}
    assert report.differences["same"] == 13
    assert box.observer.phases == ["build", "check", "swap"]
    assert not (box.data / "rebuild").exists()
    # Before the tables and indices are made that a database lacks when it is opened.
    with box.database.reading() as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    assert db_schema.list_missing_statements(names) == []
    assert report.as_dict().keys() >= {
        *("found", "added", "changed", "moved", "missing", "unchanged", "problems", "seconds"),
        *("cache", "differences", "backup", "carried"),
    }


def test_what_no_file_says_is_carried_over(box: RebuildBox) -> None:
    add_history(box)
    before, rows = list_history(box), box.rows()
    report = box.rebuild()
    assert list_history(box) == before
    assert box.rows() == rows
    assert report.carried.items() >= {"ratings": 1, "trash": 1, "journal": 1, "missing": 1}.items()
    assert report.carried["ids"] == report.carried["added_at"] == 13
    assert report.differences["facts_differ"] == 0


def test_the_running_rebuilds_own_row_survives_and_is_completed(box: RebuildBox) -> None:
    runner = OperationRunner(box.database)

    def deed(context: OperationContext) -> dict[str, Any]:
        return box.rebuilder().rebuild(context).as_dict()

    operation_id = runner.start(OperationType.REBUILD_DATABASE, deed)
    progress = runner.wait(operation_id, 60)
    assert progress.status == OperationStatus.COMPLETED
    assert progress.report is not None
    assert progress.report["unchanged"] == 13
    runner.close()


def test_ids_that_were_given_once_are_not_given_again(box: RebuildBox) -> None:
    add_history(box)
    box.change("DELETE FROM photos WHERE id = (SELECT max(id) FROM photos)")
    last = dict(box.select("SELECT name, seq FROM sqlite_sequence"))["photos"]
    make_jpeg(box.root / "new.jpg", 77)
    assert counts(box.rebuild())["added"] == 2
    assert box.ids()["new.jpg"][0] > last
    assert box.ids()["2/002.jpg"][0] > last


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("rating", 1),
        ("date_taken", "1999-09-09T09:09:09"),
        ("width", 4711),
        ("content_hash", "f" * 64),
        ("media_hash", "jpeg:wrong"),
        ("camera", "Other"),
        ("orientation", 6),
    ],
)
def test_a_row_that_somebody_changed_is_set_right_and_named(
    box: RebuildBox, tmp_path: Path, column: str, value: Any
) -> None:
    ids = box.ids()
    box.change(f"UPDATE photos SET {column} = ? WHERE current_path = '1/005.jpg'", value)
    report = box.rebuild()
    assert comparable(box.rows()) == fresh_rows(box.root, tmp_path / "fresh", box.pool)
    assert box.ids() == ids
    assert report.differences["columns"] == {column: 1}
    (example,) = report.differences["examples"]
    assert (example["path"], example["columns"][column][0]) == ("1/005.jpg", value)
    assert report.cache["files_opened"] == 1


def test_rows_that_were_deleted_or_made_up_are_set_right(box: RebuildBox, tmp_path: Path) -> None:
    box.change("DELETE FROM photos WHERE current_path = '1/005.jpg'")
    box.change("UPDATE photos SET current_path = 'never/was.jpg' WHERE current_path = '2/002.jpg'")
    report = box.rebuild()
    assert comparable(box.rows()) == fresh_rows(box.root, tmp_path / "fresh", box.pool)
    assert counts(report) == {"added": 1, "moved": 1, "unchanged": 11}


def test_a_rebuild_sees_what_changed_on_disk(box: RebuildBox, tmp_path: Path) -> None:
    ids = box.ids()
    (box.root / "1/001.jpg").rename(box.root / "moved.jpg")
    (box.root / "1/001.jpg.xmp").unlink()
    make_jpeg(box.root / "2/002.jpg", 2, rating=1)
    (box.root / "3/003.jpg").unlink()
    make_jpeg(box.root / "new.jpg", 88)
    report = box.rebuild()
    assert counts(report) == {"added": 1, "changed": 1, "moved": 1, "missing": 1, "unchanged": 10}
    assert box.ids()["moved.jpg"] == ids["1/001.jpg"]
    assert box.ids()["2/002.jpg"] == ids["2/002.jpg"]
    ((path, since),) = box.select(
        "SELECT current_path, missing_since FROM photos WHERE missing_since IS NOT NULL"
    )
    assert (path, since[:2]) == ("3/003.jpg", "20")
    assert comparable(box.rows()) == fresh_rows(box.root, tmp_path / "fresh", box.pool)


def test_a_missing_photo_that_is_there_again_gets_its_row_back(box: RebuildBox) -> None:
    before = box.ids()["1/005.jpg"]
    (box.root / "1/005.jpg").rename(box.root.parent / "away.jpg")
    box.index()
    (box.root.parent / "away.jpg").rename(box.root / "1/back.jpg")
    assert counts(box.rebuild()) == {"added": 1, "unchanged": 12}
    assert box.ids()["1/back.jpg"] == before


def test_a_rating_the_file_holds_by_now_wins_over_the_databases(box: RebuildBox) -> None:
    box.change(
        "UPDATE photos SET rating = 3, kept_in = 'database' WHERE current_path = '2/002.jpg'"
    )
    make_jpeg(box.root / "2/002.jpg", 2, rating=1)
    assert box.rebuild().carried["ratings"] == 0
    row = box.rows()["2/002.jpg"]
    assert (row["rating"], row["kept_in"]) == (1, "file")


def test_a_damaged_file_is_named_by_every_rebuild(box: RebuildBox) -> None:
    path = make_jpeg(box.root / "cut.jpg", 5, size=(400, 300))
    path.write_bytes(path.read_bytes()[:-40])
    (box.root / "bad.jpg").write_bytes(b"rubbish")
    first = {problem.path for problem in box.index().problems}
    assert "bad.jpg" in first
    for _ in range(2):
        assert {problem.path for problem in box.rebuild().problems} == first


# -- what is read ----------------------------------------------------------------------------


def test_no_file_is_opened_when_nothing_changed(
    box: RebuildBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_history(box)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a photo was read")

    monkeypatch.setattr(WorkerPool, "_start", refuse)
    for _ in range(2):
        report = box.rebuild()
        assert report.cache["files_opened"] == report.cache["misses"] == 0
        assert report.cache["hit_rate"] == 1.0


class _StoppedError(Exception):
    pass


@pytest.mark.parametrize("carried_already", [False, True], ids=["while building", "at the swap"])
def test_a_rebuild_that_was_stopped_goes_on_where_it_was(
    box: RebuildBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, carried_already: bool
) -> None:
    add_history(box)
    make_photos(box.root, 40)
    box.change("DELETE FROM hash_cache")
    before = box.rows()
    monkeypatch.setattr(library_sync, "COMMIT_FILES", 10)

    def stop(check: int) -> None:
        if check == 2 and not carried_already:
            raise _StoppedError

    def fail(*_: object) -> None:
        raise _StoppedError

    with monkeypatch.context() as patch:
        if carried_already:
            patch.setattr(Database, "replace_content", fail)
        with pytest.raises(_StoppedError):
            box.rebuild(stop)
    assert box.rows() == before
    with closing(sqlite3.connect(box.data / "rebuild" / DATABASE)) as left:
        done = left.execute(
            "SELECT count(*) FROM photos WHERE missing_since IS NULL AND kept_in IS NOT 'database'"
        ).fetchone()[0]
    report = box.rebuild()
    assert (done, report.cache["files_opened"]) == ((40, 0) if carried_already else (10, 31))
    box.change("UPDATE photos SET rating = NULL, kept_in = NULL WHERE kept_in = 'database'")
    assert comparable(box.rows()) == fresh_rows(box.root, tmp_path / "fresh", box.pool)


@pytest.mark.parametrize("left", ["rubbish", "another version", "damaged"])
def test_what_was_left_and_will_not_do_is_thrown_away(
    box: RebuildBox, tmp_path: Path, left: str
) -> None:
    folder = box.data / "rebuild"
    folder.mkdir()
    path = folder / DATABASE
    if left == "rubbish":
        path.write_bytes(b"rubbish" * 1000)
    else:
        open_database(path).close()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            if left == "another version":
                connection.execute("PRAGMA user_version = 99")
            connection.execute("PRAGMA journal_mode = DELETE")
        if left == "damaged":
            whole = path.read_bytes()
            path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    box.rebuild()
    assert comparable(box.rows()) == fresh_rows(box.root, tmp_path / "fresh", box.pool)


def test_a_tampered_leftover_gives_nothing_wrong(box: RebuildBox, tmp_path: Path) -> None:
    def stop(check: int) -> None:
        if check == -1:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        box.rebuild(stop)
    with closing(sqlite3.connect(box.data / "rebuild" / DATABASE)) as connection, connection:
        connection.execute("UPDATE photos SET rating = 2")
    box.rebuild()
    assert comparable(box.rows()) == fresh_rows(box.root, tmp_path / "fresh", box.pool)


# -- what is edited meanwhile ----------------------------------------------------------------


def test_what_is_edited_during_a_rebuild_is_indexed_again(box: RebuildBox, tmp_path: Path) -> None:
    def edit(check: int) -> None:
        if check != -1:
            return
        make_jpeg(box.root / "2/002.jpg", 2, rating=5)
        (box.root / "1/005.jpg").unlink()
        for path in ("2/002.jpg", "1/005.jpg"):
            box.change(
                "INSERT INTO write_journal (photo_id, path, state, planned_at, done_at)"
                " SELECT id, current_path, 'done', '2026', '2026' FROM photos"
                " WHERE current_path = ?",
                path,
            )
        box.change("DELETE FROM photos WHERE current_path = '1/005.jpg'")

    box.rebuild(edit)
    assert box.rows()["2/002.jpg"]["rating"] == 5
    assert comparable(box.rows()) == fresh_rows(box.root, tmp_path / "fresh", box.pool)
    assert box.select("SELECT count(*) FROM photos WHERE missing_since IS NOT NULL") == [(0,)]


def test_a_star_given_while_the_library_is_built_waits_for_nothing(box: RebuildBox) -> None:
    def star(check: int) -> None:
        if check == 1:
            thread = threading.Thread(
                target=box.change, args=("UPDATE photos SET rating = 5 WHERE id = 1",)
            )
            thread.start()
            thread.join(5)
            assert not thread.is_alive()

    box.rebuild(star)


# -- the brake -------------------------------------------------------------------------------


def test_the_brake_holds_when_many_photos_have_no_file(box: RebuildBox) -> None:
    make_photos(box.root, 80)
    box.index()
    before = list_history(box)
    for folder in ("1", "2"):
        shutil.rmtree(box.root / folder)
    with pytest.raises(BrakeError, match="40 of 81"):
        box.rebuild()
    assert list_history(box) == before
    report = box.rebuild(accept_missing=True)
    assert (report.missing, report.found) == (40, 41)
    assert len(list_history(box)["missing"]) == 40


def test_the_brake_holds_for_an_empty_folder_and_for_a_marker_that_is_gone(
    box: RebuildBox, tmp_path: Path
) -> None:
    before = list_history(box)
    box.root.rename(tmp_path / "away")
    box.root.mkdir()
    with pytest.raises(BrakeError, match="mounted"):
        box.rebuild()
    marked = box.rebuilder(markers=(tmp_path / "marker",))
    with pytest.raises(BrakeError, match="marker"):
        marked.rebuild(box.observe(OperationType.REBUILD_DATABASE))
    assert list_history(box) == before


def test_a_file_the_disk_does_not_give_keeps_its_row(
    box: RebuildBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = box.rows()
    scan = folder_scan.scan_folder

    def scan_partly(*arguments: Any, **options: Any) -> FolderScan:
        found = scan(*arguments, **options)
        return replace(
            found,
            files=[file for file in found.files if not file.path.startswith("1/")],
            problems=[FileProblem("1", "Input/output error")],
            unreadable_folders=frozenset({"1"}),
        )

    monkeypatch.setattr(library_sync, "scan_folder", scan_partly)
    report = box.rebuild()
    assert report.missing == 0
    assert box.rows() == before


# -- when something fails --------------------------------------------------------------------


def _full(*_: object, **__: object) -> Any:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise error


def _broken(*_: object, **__: object) -> Any:
    raise OSError(5, "Input/output error")


FAILURES: list[tuple[str, Any, str, Callable[..., Any]]] = [
    ("indexing", library_sync, "remember_read", _full),
    ("comparing", row_transfer, "compare_rows", _broken),
    ("carrying", row_transfer, "_carry_ids", _full),
    ("pairing", db_rebuild, "pair_photos", _broken),
    ("the check", db_rebuild, "find_damage", lambda *_, **__: "row 7 missing from index"),
    ("the backup", db_rebuild, "make_backup", _broken),
    ("the swap", Database, "replace_content", _full),
]


@pytest.mark.parametrize(
    ("place", "name", "failure"),
    [failure[1:] for failure in FAILURES],
    ids=[failure[0] for failure in FAILURES],
)
def test_a_failure_leaves_the_library_as_it_was_and_says_so(
    box: RebuildBox,
    monkeypatch: pytest.MonkeyPatch,
    place: Any,
    name: str,
    failure: Callable[..., Any],
) -> None:
    add_history(box)
    box.change("UPDATE photos SET width = 1 WHERE current_path = '1/005.jpg'")
    before, rows = list_history(box), box.rows()
    with monkeypatch.context() as patch:
        patch.setattr(place, name, failure)
        with pytest.raises((RebuildError, DiskFullError)) as caught:
            box.rebuild()
    assert caught.value.message.endswith(".")
    assert (list_history(box), box.rows()) == (before, rows)
    assert box.rebuild().differences["columns"] == {"width": 1}


def test_a_swap_that_finds_no_room_rolls_back(box: RebuildBox) -> None:
    make_photos(box.root, 60)
    before = box.rows()
    with box.database.transaction() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    box.database._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises((RebuildError, DiskFullError)):
        box.rebuild()
    assert box.rows() == before
    box.database._writer.execute("PRAGMA max_page_count = 1000000")
    assert len(box.rows()) == 13
    box.rebuild()
    assert len(box.rows()) == 61


def test_a_swap_gives_up_where_another_program_holds_the_database(
    box: RebuildBox, tmp_path: Path
) -> None:
    other = open_database(tmp_path / "other.db")
    other.close()
    with closing(sqlite3.connect(box.data / DATABASE, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LibraryError, match="busy"):
            box.database.replace_content(tmp_path / "other.db", timeout_s=0.3)
        holder.execute("ROLLBACK")
    assert len(box.rows()) == 13


# -- who reads meanwhile ---------------------------------------------------------------------


READER = """
import sys, time
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
from photo_filter import PhotoFilter
from photo_listing import count_photos, list_photos
from db import Database
database = Database(Path(sys.argv[3]), read_only=True)
print("ready", flush=True)
reads = 0
while not Path(sys.argv[4]).exists():
    with database.reading() as connection:
        page = list_photos(connection, cursor=None, limit=100, photo_filter=PhotoFilter())
        counts = count_photos(connection)
        widths = {photo.width for photo in page.photos}
    assert len(page.photos) == counts.photos == 13, (len(page.photos), counts)
    assert widths in ({48}, {1}), widths
    reads += 1
print(reads)
"""


def test_who_reads_during_rebuilds_sees_the_old_or_the_new_library_whole(
    box: RebuildBox, tmp_path: Path
) -> None:
    stop = tmp_path / "stop"
    arguments = [str(REPOSITORY), str(REPOSITORY / "tests"), str(box.data / DATABASE), str(stop)]
    process = subprocess.Popen(
        [sys.executable, "-c", READER, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    failures: list[Any] = []

    def poll() -> None:
        while not stop.exists():
            widths = {row["width"] for row in box.rows().values()}
            if widths not in ({48}, {1}) or len(box.rows()) != 13:
                failures.append(widths)

    thread = threading.Thread(target=poll)
    thread.start()
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        for _ in range(20):
            box.change("UPDATE photos SET width = 1")
            box.rebuild()
    finally:
        stop.touch()
        thread.join()
        output, errors = process.communicate(timeout=30)
    assert not failures
    assert process.returncode == 0, errors
    assert int(output) > 20


def test_two_questions_of_one_reading_are_about_one_library(box: RebuildBox) -> None:
    with box.database.reading() as connection:
        count = "SELECT count(*), max(width) FROM photos"
        before = tuple(connection.execute(count).fetchone())
        make_jpeg(box.root / "new.jpg", 70, size=(500, 8))
        box.rebuild()
        assert tuple(connection.execute(count).fetchone()) == before == (13, 48)
    assert box.select(count) == [(14, 500)]


def test_a_database_of_other_pages_is_rebuilt_with_such_pages(
    tmp_path: Path, pool: WorkerPool
) -> None:
    (tmp_path / "data").mkdir()
    open_database(tmp_path / "data" / DATABASE, page_size=1024).close()
    with opened(tmp_path / "photos", tmp_path / "data", pool) as box:
        make_photos(box.root)
        (box.data / "rebuild").mkdir()
        open_database(box.data / "rebuild" / DATABASE).close()  # left by another: 4096
        box.rebuild()
        assert len(box.rows()) == 13
        assert box.select("PRAGMA page_size") == [(1024,)]


# -- recovery --------------------------------------------------------------------------------


def _close(box: RebuildBox) -> Path:
    box.database.close()
    return box.data / DATABASE


def _truncate(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def _flip_header(path: Path) -> None:
    with open(path, "r+b") as file:
        file.write(b"\xff" * 8)


def _flip_page(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * 8192 + whole[12288:])


def _fill(path: Path) -> None:
    path.write_bytes(os.urandom(50_000))


DAMAGES = [_fill, _truncate, _flip_header, _flip_page, Path.unlink]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
@pytest.mark.parametrize("with_backup", [True, False], ids=["with a backup", "without"])
def test_a_damaged_database_is_recovered(
    box: RebuildBox, pool: WorkerPool, damage: Callable[[Path], None], with_backup: bool
) -> None:
    add_history(box)
    if with_backup:
        backups.make_backup(box.database.path, box.data / "backups", "test")
    history, rows = list_history(box), box.rows()
    path = _close(box)
    damage(path)
    damaged = path.read_bytes() if path.exists() else None
    report = recover(box.data)
    assert report.damage
    if damaged is not None:
        assert report.damaged_dir is not None
        assert (report.damaged_dir / DATABASE).read_bytes() == damaged
    assert (report.backup is not None) == with_backup
    assert (report.schema_version, report.rows) == (3, 14 if with_backup else 0)
    assert sorted(entry.name for entry in box.data.iterdir() if entry.is_dir()) == sorted(
        ["backups"] * with_backup + ["damaged-" + report.damaged_dir.name[8:]]
        if report.damaged_dir
        else ["backups"] * with_backup
    )
    with opened(box.root, box.data, pool) as again:
        again.index()
        if with_backup:
            assert (list_history(again), again.rows()) == (history, rows)
        else:
            assert again.rows().keys() == rows.keys()
    assert recover(box.data).damage is None


def test_recover_of_a_healthy_database_changes_nothing(box: RebuildBox) -> None:
    add_history(box)
    history = list_history(box)
    path = _close(box)
    before = path.read_bytes()
    report = recover(box.data)
    assert report.as_dict() == {
        "damage": None,
        "damaged_dir": None,
        "backup": None,
        "schema_version": 3,
        "rows": 14,
    }
    assert path.read_bytes() == before
    with opened(box.root, box.data, box.pool) as again:
        assert list_history(again) == history


def test_a_backup_that_is_not_sound_is_passed_over(box: RebuildBox) -> None:
    older = backups.make_backup(box.database.path, box.data / "backups", "test")
    newer = backups.make_backup(box.database.path, box.data / "backups", "test")
    _truncate(Path(newer.path))
    _fill(_close(box))
    assert recover(box.data).backup == Path(older.path)


def test_a_hot_wal_is_heeded_and_put_aside_with_its_database(
    box: RebuildBox, tmp_path: Path
) -> None:
    box.change("UPDATE photos SET camera = 'in the WAL'")
    hot = tmp_path / "hot"
    hot.mkdir()
    for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
        shutil.copy(box.data / name, hot / name)
    assert (hot / f"{DATABASE}-wal").stat().st_size > 0
    healthy = shutil.copytree(hot, tmp_path / "healthy")
    assert recover(healthy).damage is None
    with closing(sqlite3.connect(healthy / DATABASE)) as connection:
        cameras = connection.execute("SELECT DISTINCT camera FROM photos").fetchall()
    assert cameras == [("in the WAL",)]
    # Pages that stand in the WAL would cover the damage of the same pages.
    _fill(hot / DATABASE)
    (hot / f"{DATABASE}-wal").write_bytes(b"stale" * 100)
    before = fingerprint(hot)
    report = recover(hot)
    assert report.damaged_dir is not None
    assert fingerprint(report.damaged_dir) == before
    assert report.rows == 0
    assert not (hot / f"{DATABASE}-wal").exists()


@pytest.mark.parametrize("code", ["FULL", "IOERR", "BUSY", "CANTOPEN", "READONLY", "PERM"])
def test_what_the_disk_says_is_no_damage(
    box: RebuildBox, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    path = _close(box)
    before = fingerprint(box.data)

    def fail(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError(code)
        error.sqlite_errorcode = getattr(sqlite3, f"SQLITE_{code}")
        raise error

    monkeypatch.setattr(db_recovery, "find_damage", fail)
    with pytest.raises(DatabaseUnreachableError, match=path.name):
        recover(box.data)
    assert fingerprint(box.data) == before


def test_a_file_that_may_not_be_read_is_no_damage(
    box: RebuildBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    _close(box)
    before = fingerprint(box.data)
    monkeypatch.setattr(shutil, "copyfile", _broken)
    with pytest.raises(DatabaseUnreachableError, match="Input/output error"):
        recover(box.data)
    assert fingerprint(box.data) == before


def test_another_programs_or_a_newer_database_is_no_damage(box: RebuildBox) -> None:
    path = _close(box)
    for pragma in ("application_id = 7", "user_version = 99"):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA {pragma}")
        before = fingerprint(box.data)
        with pytest.raises(DatabaseRefusedError, match=str(path)):
            recover(box.data)
        assert fingerprint(box.data) == before


def test_a_file_system_without_hard_links_keeps_a_copy(
    box: RebuildBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _close(box)
    _fill(path)
    damaged = path.read_bytes()
    monkeypatch.setattr(os, "link", _broken)
    first = recover(box.data).damaged_dir
    assert first is not None
    assert (first / DATABASE).read_bytes() == damaged
    _fill(path)
    second = recover(box.data).damaged_dir
    assert second is not None
    assert second != first
    assert (first / DATABASE).read_bytes() == damaged


def test_a_recovery_that_fails_keeps_the_damaged_database_where_it_was(
    box: RebuildBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups.make_backup(box.database.path, box.data / "backups", "test")
    path = _close(box)
    _fill(path)
    damaged = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", _broken)
        with pytest.raises(DatabaseUnreachableError):
            recover(box.data)
    assert path.read_bytes() == damaged
    assert recover(box.data).rows == 13
