"""library: which folders open as a library, and which are refused with a sentence."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

import pytest
from pictures import make_jpeg

import catalog
import library
from errors import (
    DatabaseRefusedError,
    InvalidRequestError,
    LibraryInUseError,
    LibraryNotFoundError,
    NotFoundError,
)
from exiftool_process import find_exiftool
from library import Library, open_for_reading, open_library
from operation_state import OperationType, create_operation, list_operations
from settings import Settings, find_machine_zone, load_settings

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    make_jpeg(tmp_path / "photos/a.jpg", 1)
    return load_settings(tmp_path / "photos")


@pytest.fixture
def opened(settings: Settings) -> Iterator[Library]:
    opened = open_library(settings)
    yield opened
    opened.close()


def _index(opened: Library) -> None:
    progress = opened.runner.wait(opened.start_update_index(), timeout=30)
    assert progress.status == "completed", progress.message


def test_opening_makes_the_librarys_own_folder_and_marker(
    opened: Library, settings: Settings
) -> None:
    assert settings.database_path.is_file()
    marker = json.loads((settings.library / ".library/library.json").read_text())
    assert set(marker) == {"id", "created", "version"}


def test_a_library_opens_again_as_the_same_also_after_it_was_moved(settings: Settings) -> None:
    first = open_library(settings)
    _index(first)
    first.close()
    moved = settings.library.rename(settings.library.with_name("renamed"))
    again = open_library(load_settings(moved))
    with again.database.reading() as connection:
        assert catalog.count_photos(connection).photos == 1
    again.close()


def test_a_second_writer_is_told_who_holds_the_library(opened: Library, settings: Settings) -> None:
    with pytest.raises(LibraryInUseError, match=f"process {os.getpid()}") as caught:
        open_library(settings)
    assert caught.value.exit_status == 75


def test_a_reader_is_welcome_while_another_writes(opened: Library, settings: Settings) -> None:
    _index(opened)
    database = open_for_reading(settings)
    with database.reading() as connection:
        assert catalog.count_photos(connection).photos == 1
    database.close()


def test_a_lock_left_by_a_dead_process_does_not_block(settings: Settings) -> None:
    script = f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(library.__file__).parent)!r})
        from pathlib import Path
        from library import open_library
        from settings import load_settings
        open_library(load_settings(Path({str(settings.library)!r})))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert result.returncode == -9
    open_library(settings).close()


def test_an_operation_of_a_dead_process_is_not_shown_as_running(settings: Settings) -> None:
    first = open_library(settings)
    with first.database.transaction() as connection:
        create_operation(connection, OperationType.UPDATE_INDEX, {})
    first.close()
    again = open_library(settings)
    with again.database.reading() as connection:
        assert [operation.status for operation in list_operations(connection)] == ["paused"]
    again.close()


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LibraryNotFoundError, match="There is no folder"):
        open_library(load_settings(tmp_path / "typo"))
    assert not (tmp_path / "typo").exists()


def test_a_file_is_no_library(tmp_path: Path) -> None:
    with pytest.raises(LibraryNotFoundError, match="is a file"):
        open_library(load_settings(make_jpeg(tmp_path / "a.jpg")))


def test_a_folder_that_cannot_be_read_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may read every folder, so the question is answered for it here.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(LibraryNotFoundError, match="cannot be read"):
        open_library(settings)


def test_a_data_folder_that_cannot_be_made_names_the_way_out(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "occupied").write_text("")
    with pytest.raises(InvalidRequestError, match="--data-dir"):
        open_library(load_settings(settings.library, data_dir=tmp_path / "occupied/inside"))


def test_a_database_of_an_older_program_is_refused_and_left(settings: Settings) -> None:
    settings.data_dir.mkdir()
    connection = sqlite3.connect(settings.database_path)
    connection.execute("CREATE TABLE photos (id INTEGER PRIMARY KEY, current_path TEXT)")
    connection.close()
    before = settings.database_path.read_bytes()
    with pytest.raises(DatabaseRefusedError, match="version 1"):
        open_library(settings)
    assert settings.database_path.read_bytes() == before


def test_a_photo_is_only_served_from_inside_the_library(
    opened: Library, settings: Settings, tmp_path: Path
) -> None:
    make_jpeg(settings.library / "in/b.jpg", 2)
    _index(opened)
    with opened.database.reading() as connection:
        photos = {photo.current_path: photo for photo in catalog.iterate_photos(connection)}
    assert opened.photo_file(photos["in/b.jpg"]).is_file()
    (settings.library / "in").rename(tmp_path / "out")
    (settings.library / "in").symlink_to(tmp_path / "out")
    with pytest.raises(NotFoundError):
        opened.photo_file(photos["in/b.jpg"])
    (settings.library / "a.jpg").unlink()
    with pytest.raises(NotFoundError, match="Its row is kept"):
        opened.photo_file(photos["a.jpg"])


def test_an_index_draws_the_newest_pictures_ahead_of_need(
    opened: Library, settings: Settings
) -> None:
    _index(opened)
    with opened.database.reading() as connection:
        photo = next(catalog.iterate_photos(connection))
    opened.thumbnails.close()
    assert opened.thumbnail(photo, 320).is_file()


def test_without_a_name_the_library_is_chosen_in_the_promised_order(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "Pictures").mkdir()
    monkeypatch.setattr(library, "make_sample_library", lambda folder: folder)
    assert library.choose_library() == home / ".local/share/lightkeep/sample"
    make_jpeg(home / "Pictures/deep/a.jpg")
    assert library.choose_library() == home / "Pictures"
    monkeypatch.setenv("LIGHTKEEP_LIBRARY", str(tmp_path / "chosen"))
    assert library.choose_library() == tmp_path / "chosen"


def test_the_library_itself_is_no_data_folder(settings: Settings) -> None:
    with pytest.raises(InvalidRequestError, match="among the photos"):
        open_library(load_settings(settings.library, data_dir=settings.library))


def test_a_reader_of_a_database_that_was_not_finished_is_told_to_index(settings: Settings) -> None:
    settings.data_dir.mkdir()
    settings.database_path.touch()
    with pytest.raises(LibraryNotFoundError, match="has no index yet"):
        open_for_reading(settings)


# -- the time zone that is set ----------------------------------------------------------------


def _choose(settings: Settings, text: str) -> Settings:
    settings.data_dir.mkdir(exist_ok=True)
    (settings.data_dir / "settings.toml").write_text(text)
    return load_settings(settings.library)


def test_the_time_zone_is_the_chosen_one_or_the_machines(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tzlocal.get_localzone_name", lambda: "Pacific/Chatham")
    assert load_settings(settings.library).time_zone.key == "Pacific/Chatham"
    chosen = _choose(settings, 'time_zone = "Europe/Berlin"')
    assert chosen.time_zone.key == "Europe/Berlin"


def test_a_machine_whose_zone_cannot_be_told_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise ZoneInfoNotFoundError("several")

    for answer in (fail, lambda: None, lambda: "Mars/Olympus", lambda: "../etc/passwd"):
        monkeypatch.setattr("tzlocal.get_localzone_name", answer)
        assert find_machine_zone().key == "UTC"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('"Mars/Olympus"', "Europe/Berlin"),
        ('"Europe"', "Europe/Berlin"),
        ('""', "Europe/Berlin"),
        ('"../../etc/passwd"', "Europe/Berlin"),
        ('"/etc/localtime"', "Europe/Berlin"),
        ('"Europe/Berlin\\u0000"', "Europe/Berlin"),
        ("2", "wrong kind"),
        ("true", "wrong kind"),
        ('["Europe/Berlin"]', "wrong kind"),
    ],
)
def test_a_time_zone_that_there_is_not_is_refused_with_an_example(
    settings: Settings, value: str, words: str
) -> None:
    with pytest.raises(InvalidRequestError, match=words) as caught:
        _choose(settings, f"time_zone = {value}")
    assert "settings.toml" in caught.value.message


def test_an_exiftool_that_was_installed_since_is_used_by_the_next_index(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_exiftool() or pytest.skip("ExifTool is not installed")
    monkeypatch.setattr(library, "find_exiftool", lambda: None)
    opened = open_library(settings)
    assert not opened.has_exiftool
    assert opened._make_indexer().exiftool is None
    monkeypatch.setattr(library, "find_exiftool", lambda: found)
    assert opened.has_exiftool
    first = opened._make_indexer().exiftool
    assert first is not None
    assert opened._make_indexer().exiftool is first
    opened.close()
