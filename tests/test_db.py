"""db: how the database is opened, refused and written."""

from __future__ import annotations

import errno
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from pathlib import Path

import pytest

import db
import db_schema
from errors import (
    DatabaseDamagedError,
    DatabaseRefusedError,
    DiskFullError,
    LibraryError,
    LibraryInUseError,
    NetworkFileSystemError,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "photo_library.db"


def _folder(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("INSERT INTO folders VALUES (?, 1)", [name])


def _folders(database: db.Database) -> list[str]:
    with database.reading() as connection:
        return [row[0] for row in connection.execute("SELECT path FROM folders ORDER BY path")]


def _write_and_fail(database: db.Database) -> None:
    with database.transaction() as connection:
        _folder(connection, "a")
        raise KeyError


def _write_inside_and_fail(database: db.Database) -> None:
    with database.transaction():
        with database.transaction() as connection:
            _folder(connection, "a")
        raise KeyError


def test_a_new_database_has_the_pragmas_that_keep_data(path: Path) -> None:
    database = db.open_database(path)
    with database.transaction() as connection:
        values = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "foreign_keys", "synchronous", "user_version")
        }
    assert values == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "user_version": 3}
    database.close()


def test_a_second_opening_finds_what_the_first_wrote(path: Path) -> None:
    database = db.open_database(path)
    with database.transaction() as connection:
        _folder(connection, "a")
    database.close()
    database = db.open_database(path)
    assert _folders(database) == ["a"]
    database.close()


def test_a_transaction_that_raises_leaves_nothing(path: Path) -> None:
    database = db.open_database(path)
    with pytest.raises(KeyError):
        _write_and_fail(database)
    assert _folders(database) == []
    database.close()


def test_an_inner_transaction_commits_with_the_outer_one(path: Path) -> None:
    database = db.open_database(path)
    with pytest.raises(KeyError), database.transaction():
        _write_and_fail(database)
    assert _folders(database) == []
    with pytest.raises(KeyError):
        _write_inside_and_fail(database)
    assert _folders(database) == []
    with database.transaction(), database.transaction() as connection:
        _folder(connection, "b")
    assert _folders(database) == ["b"]
    database.close()


def test_a_reader_cannot_write(path: Path) -> None:
    database = db.open_database(path)
    with database.reading() as connection, pytest.raises(sqlite3.OperationalError):
        _folder(connection, "a")
    database.close()


def test_a_reader_sees_the_old_rows_while_a_transaction_is_open(path: Path) -> None:
    database = db.open_database(path)
    seen: list[list[str]] = []
    with database.transaction() as connection:
        _folder(connection, "a")
        reader = threading.Thread(target=lambda: seen.append(_folders(database)))
        reader.start()
        reader.join()
    assert seen == [[]]
    assert _folders(database) == ["a"]
    database.close()


def test_writers_of_several_threads_take_turns(path: Path) -> None:
    database = db.open_database(path)

    def write(number: int) -> None:
        for step in range(20):
            with database.transaction() as connection:
                _folder(connection, f"{number}/{step}")

    threads = [threading.Thread(target=write, args=[number]) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_folders(database)) == 100
    database.close()


def test_what_was_committed_survives_kill_9(path: Path) -> None:
    script = f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(db.__file__).parent)!r})
        from pathlib import Path
        import db
        database = db.open_database(Path({str(path)!r}))
        with database.transaction() as connection:
            connection.execute("INSERT INTO folders VALUES ('kept', 1)")
        with database.transaction() as connection:
            connection.execute("INSERT INTO folders VALUES ('lost', 1)")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    database = db.open_database(path)
    assert _folders(database) == ["kept"]
    database.close()


def _make_old(path: Path, *statements: str) -> bytes:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path.read_bytes()


V1 = "CREATE TABLE photos (id INTEGER PRIMARY KEY, current_path TEXT, content_hash TEXT)"


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ([V1], "version 1"),
        ([V1, "ALTER TABLE photos ADD COLUMN rating INTEGER"], "version 2"),
        ([V1, db_schema.OPERATION_STATE], "version 2"),
        ([V1, "PRAGMA user_version = 4"], "newer Lightkeep"),
        (["CREATE TABLE bookmarks (url TEXT)"], "another program"),
        (["CREATE TABLE photos (id INTEGER PRIMARY KEY, caption TEXT)"], "another program"),
        ([*db_schema.STATEMENTS, "PRAGMA application_id = 7"], "another program"),
    ],
)
def test_a_database_that_is_not_ours_is_refused_and_left_as_it_was(
    path: Path, statements: list[str], words: str
) -> None:
    before = _make_old(path, *statements)
    with pytest.raises(DatabaseRefusedError, match=words) as caught:
        db.open_database(path)
    assert str(path) in caught.value.message
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_random_bytes_are_refused_and_left_as_they_were(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(DatabaseRefusedError, match="not an SQLite database"):
        db.open_database(path)
    assert path.read_bytes() == b"not a database" * 1000


def test_a_damaged_database_is_refused_with_a_sentence(path: Path) -> None:
    db.open_database(path).close()
    data = bytearray(path.read_bytes())
    data[100:4096] = b"\xff" * 3996
    path.write_bytes(data)
    with pytest.raises(DatabaseRefusedError, match="is damaged"):
        db.open_database(path)


def test_a_database_whose_making_was_cut_off_is_made_after_all(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert path.stat().st_size > 0
    db.open_database(path).close()
    path.unlink()
    path.touch()
    db.open_database(path).close()


def test_a_database_of_version_3_from_before_companions_is_completed(path: Path) -> None:
    older = [line for line in db_schema.STATEMENTS if "companions" not in line]
    assert len(older) == len(db_schema.STATEMENTS) - 2
    _make_old(
        path,
        "PRAGMA journal_mode = WAL",
        *older,
        f"PRAGMA application_id = {db_schema.APPLICATION_ID}",
        "PRAGMA user_version = 3",
        "INSERT INTO folders VALUES ('kept', 1)",
    )
    for _ in range(2):
        database = db.open_database(path)
        assert _folders(database) == ["kept"]
        assert _schema(database) == _schema_of_a_new_one(path)
        database.close()


def _schema(database: db.Database) -> set[tuple[str, str]]:
    with database.reading() as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {(name, sql) for name, sql in rows}


def _schema_of_a_new_one(path: Path) -> set[tuple[str, str]]:
    new = db.open_database(path.with_name("new.db"))
    schema = _schema(new)
    new.close()
    return schema


def test_nothing_is_missing_from_a_new_database(path: Path) -> None:
    database = db.open_database(path)
    with database.reading() as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    assert db_schema.list_missing_statements(names) == []
    assert db_schema.list_missing_statements([]) == list(db_schema.STATEMENTS)
    database.close()


def test_a_companion_goes_with_its_row_and_with_its_leader(path: Path) -> None:
    database = db.open_database(path)
    with database.transaction() as connection:
        for number in range(1, 5):
            connection.execute(
                "INSERT INTO photos (id, original_filename, current_path, content_hash, file_size,"
                " file_type, added_at) VALUES (?, 'a', ?, 'c', 1, 'jpeg', 'now')",
                [number, str(number)],
            )
        connection.execute("INSERT INTO companions VALUES (2, 1), (4, 3)")
        connection.execute("DELETE FROM photos WHERE id IN (1, 4)")
        assert connection.execute("SELECT count(*) FROM companions").fetchone()[0] == 0
    database.close()


def test_a_full_disk_is_said_in_a_sentence_and_costs_nothing_else(path: Path) -> None:
    database = db.open_database(path)
    with database.transaction() as connection:
        _folder(connection, "a")
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(DiskFullError, match="is full"):
        _fill(database)
    assert _folders(database) == ["a"]
    database.close()


def _fill(database: db.Database) -> None:
    with database.transaction() as connection:
        for number in range(1000):
            _folder(connection, f"{number}" * 100)


def _mountinfo(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_a_database_that_came_as_a_copy_is_opened_with_a_wal(path: Path) -> None:
    db.open_database(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    database = db.open_database(path)
    with database.reading() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    database.close()


def _drop_and_fail(path: Path) -> None:
    with db.rebuilding_tables(path) as connection:
        connection.execute("DROP TABLE photos")
        connection.execute("PRAGMA user_version = 9")
        raise KeyError


def test_tables_are_rebuilt_all_or_not_at_all(path: Path) -> None:
    database = db.open_database(path)
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO photos (id, original_filename, current_path, content_hash, file_size,"
            " file_type, added_at) VALUES (1, 'a', 'a', 'c', 1, 'jpeg', 'now')"
        )
        connection.execute(
            "INSERT INTO write_journal (photo_id, path, state, planned_at)"
            " VALUES (1, 'a', 'done', 'now')"
        )
    database.close()
    before = path.read_bytes()
    with pytest.raises(KeyError):
        _drop_and_fail(path)
    assert path.read_bytes() == before
    with db.rebuilding_tables(path) as connection:
        connection.execute("ALTER TABLE photos RENAME TO old")
        connection.execute(db_schema.PHOTOS)
        connection.execute("INSERT INTO photos SELECT * FROM old")
        connection.execute("DROP TABLE old")
    with closing(db.connect(path)) as connection:
        # What refers to the rows was neither deleted nor made to refer to the old table.
        assert connection.execute("SELECT photo_id FROM write_journal").fetchone()[0] == 1
        assert db.find_damage(connection) is None


def _sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("words")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (_sqlite_error(sqlite3.SQLITE_FULL), DiskFullError, "full"),
        (_sqlite_error(sqlite3.SQLITE_IOERR_SHMSIZE), DiskFullError, "full"),
        (OSError(errno.ENOSPC, "no"), DiskFullError, "full"),
        (OSError(errno.EDQUOT, "no"), DiskFullError, "full"),
        (_sqlite_error(sqlite3.SQLITE_BUSY), LibraryInUseError, "in use"),
        (_sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT), LibraryInUseError, "in use"),
        (_sqlite_error(sqlite3.SQLITE_LOCKED), LibraryInUseError, "in use"),
        (_sqlite_error(sqlite3.SQLITE_NOTADB), DatabaseDamagedError, "not an SQLite"),
        (_sqlite_error(sqlite3.SQLITE_CORRUPT_INDEX), DatabaseDamagedError, "damaged"),
        (_sqlite_error(sqlite3.SQLITE_IOERR), DatabaseRefusedError, "cannot be opened"),
        (OSError(errno.EIO, "no"), DatabaseRefusedError, "cannot be opened"),
        (sqlite3.ProgrammingError("no code"), DatabaseRefusedError, "cannot be opened"),
    ],
)
def test_trouble_is_told_apart(
    error: sqlite3.Error | OSError, kind: type[LibraryError], words: str
) -> None:
    told = db.explain_trouble(Path("/x/photo_library.db"), error)
    assert type(told) is kind
    assert words in told.message
    assert "/x/photo_library.db" in told.message


def test_the_file_system_of_a_folder_is_that_of_the_deepest_mount(tmp_path: Path) -> None:
    share = tmp_path / "photo share"
    share.mkdir()
    mountinfo = _mountinfo(
        tmp_path,
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
        "40 22 0:51 / " + str(share).replace(" ", r"\040") + " rw master:1 - nfs4 nas:/x rw",
    )
    assert db.find_file_system(share, mountinfo) == "nfs4"
    assert db.find_file_system(tmp_path, mountinfo) == "ext4"


def test_a_network_file_system_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "find_file_system", lambda folder: "cifs")
    with pytest.raises(NetworkFileSystemError, match="--data-dir"):
        db.open_database(tmp_path / "photo_library.db")
    assert list(tmp_path.iterdir()) == []
