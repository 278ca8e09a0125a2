"""backups: verified copies of a database in use, how they are checked and which are kept."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from old_databases import make_hot, make_old, photo_row

import backups
import db
from backups import (
    Backup,
    BackupError,
    find_newest_valid,
    is_due,
    list_backups,
    make_backup,
    rotate,
    verify_backup,
)
from errors import DatabaseRefusedError, DiskFullError, LibraryInUseError

NOW = datetime(2024, 5, 15, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return make_old(tmp_path / "old" / "photo_library.db", [photo_row(n) for n in range(5)])


@pytest.fixture
def live(tmp_path: Path) -> Iterator[db.Database]:
    database = db.open_database(tmp_path / "photo_library.db")
    _add(database, "first")
    yield database
    database.close()


def _add(database: db.Database, name: str) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO folders VALUES (?, 1)", [name])


def _folders(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
        return [row[0] for row in connection.execute("SELECT path FROM folders ORDER BY path")]


def _files(folder: Path) -> dict[str, bytes]:
    """Every file but the WAL's index, which SQLite makes anew from the WAL."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and path.suffix != ".db-shm"
    }


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- make ------------------------------------------------------------------------------------


def test_a_backup_is_one_whole_file_with_a_line_in_the_manifest(old: Path, folder: Path) -> None:
    backup = make_backup(old, folder, "test", now=NOW)
    assert _names(folder) == ["manifest.jsonl", "photo_library-20240515T120000Z-1.db"]
    assert backup.path.name == "photo_library-20240515T120000Z-1.db"
    assert (backup.reason, backup.schema_version, backup.rows) == ("test", 1, 5)
    assert backup.size == backup.path.stat().st_size
    assert verify_backup(backup) is None
    assert list_backups(folder) == [backup]


def test_a_live_database_is_backed_up_with_what_is_still_in_its_wal(
    live: db.Database, folder: Path
) -> None:
    before = _files(live.path.parent)
    assert len(before["photo_library.db-wal"]) > 0
    backup = make_backup(live.path, folder, "daily")
    assert _files(live.path.parent) == before
    assert _folders(backup.path) == ["first"]
    _add(live, "later")
    assert _folders(backup.path) == ["first"]
    with live.reading() as connection:
        assert connection.execute("SELECT count(*) FROM folders").fetchone()[0] == 2


def test_a_backup_does_not_see_a_transaction_that_is_not_committed(
    live: db.Database, folder: Path
) -> None:
    with live.transaction() as connection:
        connection.execute("INSERT INTO folders VALUES ('open', 1)")
        backup = make_backup(live.path, folder, "daily")
    assert _folders(backup.path) == ["first"]


@pytest.mark.parametrize("wal", [True, False], ids=["wal", "rollback journal"])
def test_a_database_that_nobody_has_open_stays_byte_for_byte(
    tmp_path: Path, folder: Path, wal: bool
) -> None:
    path = make_old(tmp_path / "old" / "photo_library.db", [photo_row(1)], wal=wal)
    before = _files(path.parent)
    make_backup(path, folder, "test")
    assert _files(path.parent) == before


@pytest.mark.parametrize("wal", [True, False], ids=["wal", "rollback journal"])
def test_what_a_crash_left_is_honored_and_left_as_it_is(
    tmp_path: Path, folder: Path, wal: bool
) -> None:
    path = tmp_path / "hot" / "photo_library.db"
    make_hot(path, wal=wal)
    before = _files(path.parent)
    backup = make_backup(path, folder, "test")
    assert backup.rows == 5
    assert verify_backup(backup) is None
    assert _files(path.parent) == before


def test_two_backups_in_one_second_have_two_names(old: Path, folder: Path) -> None:
    first, second = (make_backup(old, folder, "test", now=NOW) for _ in range(2))
    assert [first.path.name[-5:], second.path.name[-5:]] == ["-1.db", "-2.db"]
    assert list_backups(folder) == [first, second]


def test_a_name_that_was_given_once_is_not_given_again(old: Path, folder: Path) -> None:
    first = make_backup(old, folder, "test", now=NOW)
    first.path.unlink()
    assert make_backup(old, folder, "test", now=NOW).path != first.path


def test_a_damaged_database_gives_no_backup(old: Path, folder: Path) -> None:
    data = bytearray(old.read_bytes())
    data[4096:12288] = b"\xff" * 8192
    old.write_bytes(data)
    with pytest.raises(DatabaseRefusedError, match="left as it is"):
        make_backup(old, folder, "test")
    assert list(folder.iterdir()) == []
    assert old.read_bytes() == data


@pytest.mark.parametrize(
    ("data", "words"), [(b"not a database" * 999, "not an SQLite database"), (b"", "no photo")]
)
def test_what_is_no_library_gives_no_backup(
    tmp_path: Path, folder: Path, data: bytes, words: str
) -> None:
    path = tmp_path / "photo_library.db"
    path.write_bytes(data)
    with pytest.raises(DatabaseRefusedError, match=words):
        make_backup(path, folder, "test")
    assert path.read_bytes() == data
    assert list(folder.iterdir()) == []


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BackupError, match="unable to open"):
        make_backup(tmp_path / "none.db", folder, "test")
    assert not (tmp_path / "none.db").exists()


def test_a_database_that_is_kept_busy_is_given_up(
    tmp_path: Path, folder: Path, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = backups._open

    def open_then_lock(path: Path, mode: str) -> sqlite3.Connection:
        connection = opening(path, mode)
        connection.execute("PRAGMA busy_timeout = 10")
        holder.execute("BEGIN EXCLUSIVE")
        return connection

    monkeypatch.setattr(backups, "_open", open_then_lock)
    with closing(sqlite3.connect(old, isolation_level=None)) as holder:
        with pytest.raises(LibraryInUseError, match="busy"):
            make_backup(old, folder, "test", timeout_s=0.3)
        holder.execute("ROLLBACK")
    assert list(folder.iterdir()) == []


def _fail(code: int) -> Any:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(code, os.strerror(code), "a file")

    return fail


@pytest.mark.parametrize("step", ["sync_path", "_hash", "_append_line", "rename_new"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [(errno.ENOSPC, DiskFullError), (errno.EDQUOT, DiskFullError), (errno.EIO, BackupError)],
)
def test_trouble_of_the_disk_leaves_no_part_and_says_so(
    old: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    code: int,
    kind: type[Exception],
) -> None:
    before = _files(old.parent)
    with monkeypatch.context() as patch:
        patch.setattr(backups, step, _fail(code))
        with pytest.raises(kind, match=r"\.$"):
            make_backup(old, folder, "test")
    assert not list(folder.glob("*.part*"))
    assert list_backups(folder) == []
    assert _files(old.parent) == before
    assert verify_backup(make_backup(old, folder, "test")) is None


def test_a_file_system_without_hard_links_has_backups_too(
    old: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", _fail(errno.EPERM))
    backup = make_backup(old, folder, "test")
    assert verify_backup(backup) is None
    with pytest.raises(FileExistsError):
        backups.rename_new(old, backup.path)
    assert old.exists()


def test_a_folder_that_may_not_be_written_is_said_in_a_sentence(old: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackupError, match="No backup could be made"):
        make_backup(old, tmp_path / "file", "test")


def test_a_torn_line_costs_only_itself(old: Path, folder: Path) -> None:
    first = make_backup(old, folder, "test", now=NOW)
    with open(folder / "manifest.jsonl", "a") as file:
        file.write('{"file": "photo_lib')
    second = make_backup(old, folder, "test", now=NOW)
    assert list_backups(folder) == [first, second]


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "7",
        "null",
        '{"file": "../photo_library.db"}',
        '{"file": 7}',
        '{"file": "photo_library-20240515T120000Z-9.db"}',
        "\xff",
    ],
)
def test_a_line_that_says_nothing_is_passed_over(old: Path, folder: Path, line: str) -> None:
    backup = make_backup(old, folder, "test", now=NOW)
    with open(folder / "manifest.jsonl", "a", encoding="latin-1") as file:
        file.write(f"{line}\n")
    assert list_backups(folder) == [backup]


# -- verify ----------------------------------------------------------------------------------


def test_a_flipped_bit_is_found_also_where_sqlite_sees_none(old: Path, folder: Path) -> None:
    backup = make_backup(old, folder, "test")
    data = bytearray(backup.path.read_bytes())
    data[data.index(b"IMG_0003.jpg")] ^= 1
    backup.path.write_bytes(data)
    with closing(sqlite3.connect(backup.path)) as connection:
        connection.execute("REINDEX")
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert "SHA-256" in (verify_backup(backup) or "")


def test_every_way_to_be_no_backup_is_a_sentence(old: Path, folder: Path, tmp_path: Path) -> None:
    backup = make_backup(old, folder, "test")
    data = backup.path.read_bytes()
    backup.path.write_bytes(data[:5000])
    assert "SHA-256" in (verify_backup(backup) or "")
    unlisted = Backup(backup.path, NOW, "", 0, 0, 0, "")
    assert "cannot be read" in (verify_backup(unlisted) or "")
    # A date in its table that is another in its index.
    backup.path.write_bytes(data.replace(b"2001:07", b"2091:07", 1))
    assert "damaged" in (verify_backup(unlisted) or "")
    backup.path.write_bytes(b"random" * 1000)
    assert "cannot be read" in (verify_backup(unlisted) or "")
    backup.path.unlink()
    assert "cannot be read" in (verify_backup(unlisted) or "")
    with closing(sqlite3.connect(backup.path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    assert "no photo library" in (verify_backup(unlisted) or "")


def test_verifying_makes_nothing_beside_the_backup(live: db.Database, folder: Path) -> None:
    backup = make_backup(live.path, folder, "test")
    before = _files(folder)
    assert verify_backup(backup) is None
    assert _files(folder) == before


def test_the_newest_that_is_valid_is_found(old: Path, folder: Path) -> None:
    first, second, third = (make_backup(old, folder, "test", now=NOW) for _ in range(3))
    assert find_newest_valid(folder) == third
    third.path.write_bytes(b"")
    assert find_newest_valid(folder) == second
    second.path.unlink()
    assert find_newest_valid(folder) == first
    first.path.write_bytes(b"x")
    assert find_newest_valid(folder) is None
    assert find_newest_valid(folder / "none") is None


def test_backups_are_found_after_the_manifest_was_lost(old: Path, folder: Path) -> None:
    make_backup(old, folder, "test", now=NOW)
    newer = make_backup(old, folder, "test", now=NOW + timedelta(days=1))
    (folder / "manifest.jsonl").unlink()
    found = find_newest_valid(folder)
    assert found is not None
    assert (found.path, found.made_at) == (newer.path, NOW + timedelta(days=1))


# -- when, and which to keep -----------------------------------------------------------------


def _list_by_hand(folder: Path, moments: list[datetime], old: Path | None = None) -> list[Path]:
    """Listed backups of these moments, in this order; without `old` none of them is valid."""
    with pytest.MonkeyPatch.context() as patch:
        # Hundreds of them: nothing here is about what a power cut leaves.
        patch.setattr(os, "fsync", lambda _descriptor: None)
        return _write_listed(folder, moments, old)


def _write_listed(folder: Path, moments: list[datetime], old: Path | None) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = []
    for number, moment in enumerate(moments, 1):
        backup = Backup(
            folder / f"photo_library-{moment:%Y%m%dT%H%M%SZ}-{number}.db", moment, "t", 1, 5, 1, ""
        )
        if old:
            shutil.copy(old, backup.path)
        else:
            backup.path.write_bytes(b"")
        backups._append_line(folder / "manifest.jsonl", backup)
        paths.append(backup.path)
    return paths


def test_the_newest_ten_and_one_a_day_and_one_a_week_stay(old: Path, folder: Path) -> None:
    moments = [NOW - timedelta(hours=6 * step) for step in range(4 * 200)]
    paths = _list_by_hand(folder, moments[::-1], old)
    removed = rotate(folder, NOW)
    left = list_backups(folder)
    assert len(removed) + len(left) == len(paths)
    assert [backup.path for backup in left[-10:]] == paths[-10:]
    days = {NOW.date() - timedelta(days=back) for back in range(7)}
    assert days <= {backup.made_at.date() for backup in left}
    weeks = {(NOW - timedelta(weeks=back)).isocalendar()[:2] for back in range(8)}
    assert weeks <= {backup.made_at.isocalendar()[:2] for backup in left}
    assert len(left) <= 10 + 7 + 10
    assert all(NOW - backup.made_at < timedelta(days=62) for backup in left)
    assert rotate(folder, NOW) == []


def test_of_a_day_the_last_stays(old: Path, folder: Path) -> None:
    moments = [NOW - timedelta(days=3, hours=4 - step) for step in range(4)]
    paths = _list_by_hand(folder, [*moments, *[NOW] * 10], old)
    rotate(folder, NOW)
    assert list_backups(folder)[0].path == paths[3]


def test_the_last_valid_one_is_never_removed(old: Path, folder: Path) -> None:
    valid = _list_by_hand(folder, [NOW - timedelta(days=200)], old)
    older = _list_by_hand(folder, [NOW - timedelta(days=100)])
    _list_by_hand(folder, [NOW] * 10)
    assert rotate(folder, NOW) == older
    assert find_newest_valid(folder) is not None
    assert valid[0].exists()


def test_only_our_own_listed_files_are_removed(old: Path, folder: Path) -> None:
    paths = _list_by_hand(folder, [NOW - timedelta(days=100)] * 3 + [NOW] * 10, old)
    foreign = [
        folder / "photo_library-20000101T000000Z-1.db",
        folder / "holiday.db",
        folder / "photo_library-mine.db.part",
    ]
    for path in foreign:
        path.write_bytes(b"x")
    assert set(rotate(folder, NOW)) == set(paths[:3])
    assert all(path.exists() for path in foreign)


def test_parts_of_dead_processes_go_and_those_of_living_ones_stay(
    folder: Path, old: Path, tmp_path: Path
) -> None:
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(backups.__file__).parent)!r})
from pathlib import Path
import backups
backups.sync_path = lambda path: os.kill(os.getpid(), signal.SIGKILL)
backups.make_backup(Path({str(old)!r}), Path({str(folder)!r}), "test")
"""
    dead = subprocess.run([sys.executable, "-c", script], check=False)
    assert dead.returncode == -signal.SIGKILL
    left = list(folder.glob("*.part"))
    assert len(left) == 1
    with backups._new_part(folder, NOW) as living:
        assert rotate(folder, NOW) == left
        assert _names(folder) == [living.name]
    assert _names(folder) == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 400 * 24), max_size=60),
    st.integers(0, 200),
)
def test_rotation_keeps_what_it_promises_whatever_the_times(hours: list[int], ahead: int) -> None:
    made = [
        Backup(Path(f"{number}"), NOW - timedelta(hours=hour - ahead), "", 1, 1, 1, "")
        for number, hour in enumerate(hours)
    ]
    kept = backups._choose_kept(made, NOW.date())
    assert {backup.path for backup in made[-10:]} <= kept
    for back in range(7):
        day = NOW.date() - timedelta(days=back)
        of_day = [backup.path for backup in made if backup.made_at.date() == day]
        assert not of_day or of_day[-1] in kept
    again = [backup for backup in made if backup.path in kept]
    assert backups._choose_kept(again, NOW.date()) == kept


def test_a_day_without_a_backup_is_due(old: Path, folder: Path) -> None:
    assert is_due(folder, NOW)
    make_backup(old, folder, "daily", now=NOW.replace(hour=0))
    assert not is_due(folder, NOW.replace(hour=23, minute=59))
    assert is_due(folder, NOW + timedelta(days=1))
    # A clock that was set back by years must not keep it from being due.
    assert is_due(folder, NOW - timedelta(days=900))


def test_the_manifest_says_what_a_person_wants_to_know(old: Path, folder: Path) -> None:
    backup = make_backup(old, folder, "daily", now=NOW)
    line = json.loads((folder / "manifest.jsonl").read_text())
    assert line == {
        "file": backup.path.name,
        "made_at": "2024-05-15T12:00:00+00:00",
        "reason": "daily",
        "schema_version": 1,
        "rows": 5,
        "size": backup.size,
        "sha256": backup.sha256,
    }
