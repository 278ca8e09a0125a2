"""library: which folders open as a library, and which are refused with a sentence."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

import pytest
from old_databases import make_old, photo_row
from pictures import make_jpeg

import catalog
import closed_library
import library
import operation_state
import photo_listing
import sample_library
import shared_exiftool
from backups import list_backups
from closed_library import open_for_reading, recover_library
from db_rebuild import Rebuilder
from errors import (
    BusyError,
    DatabaseDamagedError,
    DatabaseRefusedError,
    InvalidRequestError,
    LibraryInUseError,
    LibraryNotFoundError,
    NotFoundError,
)
from exiftool_process import find_exiftool
from library import Library, open_library
from operation_figures import list_phases, list_samples
from operation_parameters import PARAMETERS
from operation_runner import OperationContext
from operation_state import OperationStatus, OperationType, create_operation, list_operations
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
        assert photo_listing.count_photos(connection).photos == 1
    again.close()


def test_an_index_keeps_and_logs_what_each_phase_and_the_work_inside_took(
    opened: Library, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        make_jpeg(settings.library / f"{number}.jpg", 10 + number)
    with caplog.at_level("INFO", "operation_runner"):
        _index(opened)
    metrics = opened.list_rows()[0].metrics
    assert list(list_phases(metrics)) == ["walk", "match", "read", "write"]
    assert [metrics[phase]["files"] for phase in ("walk", "match", "read")] == [4, 4, 4]
    size = sum(path.stat().st_size for path in settings.library.glob("*.jpg"))
    assert (metrics["hash"]["files"], metrics["hash"]["bytes"]) == (4, size)
    assert metrics["tags"]["files"] == 4
    assert metrics["hash"]["seconds"] >= 0
    assert metrics["database"]["calls"] > 3
    assert [one for one in list_samples(metrics) if one[1] == "read"][-1][2] == 4
    assert len(caplog.messages) == 1
    for words in ("update_index completed", "walk: 4 files", "hash: 4 files", "0 hits, 4 misses"):
        assert words in caplog.messages[0]
    _index(opened)
    metrics = opened.list_rows()[0].metrics
    assert (metrics["walk"]["files"], metrics["read"]["files"]) == (4, 0)
    assert "hash" not in metrics


def test_a_verification_keeps_what_its_hashes_took(opened: Library) -> None:
    _index(opened)
    opened.runner.wait(opened.start_operation(OperationType.VERIFY_LIBRARY), timeout=30)
    metrics = opened.list_rows()[0].metrics
    assert (metrics["verify"]["files"], metrics["hash"]["files"]) == (1, 1)
    assert metrics["hash"]["bytes"] == metrics["verify"]["bytes"] > 0


def test_a_rebuild_keeps_its_phases(opened: Library) -> None:
    _index(opened)
    opened.runner.wait(opened.start_operation(OperationType.REBUILD_DATABASE), timeout=30)
    phases = list(list_phases(opened.list_rows()[0].metrics))
    assert phases == ["walk", "match", "read", "write", "check", "swap"]


def test_a_second_writer_is_told_who_holds_the_library(opened: Library, settings: Settings) -> None:
    with pytest.raises(LibraryInUseError, match=f"process {os.getpid()}") as caught:
        open_library(settings)
    assert caught.value.exit_status == 75


def test_a_reader_is_welcome_while_another_writes(opened: Library, settings: Settings) -> None:
    _index(opened)
    database = open_for_reading(settings)
    with database.reading() as connection:
        assert photo_listing.count_photos(connection).photos == 1
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


def test_a_database_of_an_older_program_is_taken_over_by_itself(settings: Settings) -> None:
    make_old(settings.library / "photo_library.db", [photo_row(1, rating=5)], version=2)
    before = (settings.library / "photo_library.db").read_bytes()
    library = open_library(settings)
    try:
        with library.database.reading() as connection:
            [photo] = catalog.iterate_photos(connection)
        assert (photo.id, photo.rating, photo.kept_in) == (1, 5, "database")
    finally:
        library.close()
    assert (settings.library / "photo_library.db").read_bytes() == before


def test_a_database_of_another_program_is_refused_and_left(settings: Settings) -> None:
    settings.data_dir.mkdir()
    connection = sqlite3.connect(settings.database_path)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    before = settings.database_path.read_bytes()
    with pytest.raises(DatabaseRefusedError, match="another program"):
        open_library(settings)
    assert settings.database_path.read_bytes() == before


# -- interrupted operations, rebuild, verify, backups ------------------------------------------


def interrupt(library: Library, operation_type: OperationType, **parameters: object) -> str:
    """Leave an operation as a process does that is killed."""
    with library.database.transaction() as connection:
        operation = operation_state.create_operation(connection, operation_type, parameters)
        operation_state.set_status(connection, operation.operation_id, OperationStatus.RUNNING)
    return operation.operation_id


EXAMPLES: dict[OperationType, dict[str, object]] = {
    OperationType.RATE_PHOTOS: {"photo_ids": [1], "rating": 5},
    OperationType.UNDO_EDITS: {"operation_id": "0"},
    OperationType.UPDATE_DATE: {"photo_ids": [1], "mode": "same", "value": "2019-07-14 12:00:00"},
}


def reopen(library: Library, settings: Settings) -> Library:
    library.close()
    return open_library(settings)


@pytest.mark.parametrize("operation_type", list(PARAMETERS))
def test_what_a_dead_process_left_is_resumed_under_its_id(
    settings: Settings, operation_type: OperationType
) -> None:
    make_jpeg(settings.library / "a.jpg", 1)
    library = open_library(settings)
    operation_id = interrupt(library, operation_type, **EXAMPLES.get(operation_type, {}))
    library = reopen(library, settings)
    try:
        [waiting] = library.list_interrupted()
        assert (waiting.operation_id, waiting.status) == (operation_id, OperationStatus.PAUSED)
        assert library.resume_operation(operation_id) == operation_id
        progress = library.runner.wait(operation_id, timeout=60)
        assert progress.status == "completed", progress.message
        assert library.list_interrupted() == []
        with pytest.raises(InvalidRequestError, match="only one that was interrupted"):
            library.resume_operation(operation_id)
        with pytest.raises(InvalidRequestError):
            library.discard_operation(operation_id)
    finally:
        library.close()


def test_starting_over_discards_the_old_one_and_takes_its_parameters(settings: Settings) -> None:
    library = open_library(settings)
    operation_id = interrupt(
        library, OperationType.VERIFY_LIBRARY, budget_s=30, so_far={"position": 7}
    )
    library = reopen(library, settings)
    try:
        new_id = library.start_over(operation_id)
        assert library.runner.wait(new_id, timeout=60).status == "completed"
        assert library.get_operation(operation_id).status == OperationStatus.CANCELLED
        assert library.get_operation(new_id).parameters["budget_s"] == 30
    finally:
        library.close()


def test_a_discarded_operation_is_not_asked_about_again(settings: Settings) -> None:
    library = open_library(settings)
    operation_id = interrupt(library, OperationType.REBUILD_DATABASE)
    library = reopen(library, settings)
    try:
        library.discard_operation(operation_id)
        assert library.list_interrupted() == []
    finally:
        library.close()


def test_a_rebuild_keeps_the_ids_and_makes_a_backup(settings: Settings) -> None:
    for number in range(3):
        make_jpeg(settings.library / f"{number}.jpg", number)
    library = open_library(settings)
    try:
        _index(library)
        with library.database.reading() as connection:
            before = list(catalog.iterate_photos(connection))
        operation_id = library.start_operation(OperationType.REBUILD_DATABASE)
        progress = library.runner.wait(operation_id, timeout=60)
        assert progress.status == "completed", progress.message
        assert progress.report is not None
        with library.database.reading() as connection:
            assert list(catalog.iterate_photos(connection)) == before
        assert progress.report["differences"]["same"] == 4
        assert (settings.data_dir / "backups" / progress.report["backup"]).is_file()
        assert library.get_operation(operation_id).status == OperationStatus.COMPLETED
    finally:
        library.close()


def test_a_day_of_use_has_its_backup(settings: Settings) -> None:
    make_jpeg(settings.library / "a.jpg", 1)
    library = open_library(settings)
    _index(library)
    assert list_backups(settings.data_dir / "backups") == []
    for _ in range(2):
        library = reopen(library, settings)
    library.close()
    [backup] = list_backups(settings.data_dir / "backups")
    assert (backup.reason, backup.rows) == ("daily", 1)


def test_a_damaged_database_is_recovered_from_the_backup(settings: Settings) -> None:
    make_jpeg(settings.library / "a.jpg", 1)
    library = open_library(settings)
    _index(library)
    library.back_up("test")
    library.close()
    settings.database_path.write_bytes(b"rubbish" * 1000)
    with pytest.raises(DatabaseDamagedError, match="recover"):
        open_library(settings)
    report = recover_library(settings)
    assert report.backup is not None
    assert report.rows == 1
    library = open_library(settings)
    try:
        with library.database.reading() as connection:
            assert len(list(catalog.iterate_photos(connection))) == 1
    finally:
        library.close()


def test_a_photo_is_only_served_from_inside_the_library(
    opened: Library, settings: Settings, tmp_path: Path
) -> None:
    make_jpeg(settings.library / "in/b.jpg", 2)
    _index(opened)
    with opened.database.reading() as connection:
        photos = {photo.current_path: photo for photo in catalog.iterate_photos(connection)}
    served = opened.open_photo(photos["in/b.jpg"])
    with served.file as file:
        assert file.read() == (settings.library / "in/b.jpg").read_bytes()
    (settings.library / "in").rename(tmp_path / "out")
    (settings.library / "in").symlink_to(tmp_path / "out")
    with pytest.raises(NotFoundError):
        opened.open_photo(photos["in/b.jpg"])
    (settings.library / "a.jpg").unlink()
    with pytest.raises(NotFoundError, match="Its row is kept"):
        opened.open_photo(photos["a.jpg"])


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
    monkeypatch.setattr(sample_library, "make_sample_library", lambda folder: folder)
    assert closed_library.choose_library() == home / ".local/share/lightkeep/sample"
    make_jpeg(home / "Pictures/deep/a.jpg")
    assert closed_library.choose_library() == home / "Pictures"
    monkeypatch.setenv("LIGHTKEEP_LIBRARY", str(tmp_path / "chosen"))
    assert closed_library.choose_library() == tmp_path / "chosen"


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


def test_exiftool_is_not_asked_for_where_nothing_is_for_it_to_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise AssertionError("ExifTool was looked for")

    monkeypatch.setattr(shared_exiftool, "find_exiftool", refuse)
    make_jpeg(settings.library / "a.jpg", 1)
    opened = open_library(settings)
    for quick in (False, False, True):
        progress = opened.runner.wait(opened.start_update_index(quick=quick))
        assert progress.status == OperationStatus.COMPLETED
    opened.close()


def test_exiftool_is_looked_for_before_the_first_page_asks(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()
    monkeypatch.setattr(shared_exiftool, "find_exiftool", asked.set)
    opened = open_library(settings)
    assert not asked.is_set()
    opened.exiftool.prepare()
    assert asked.wait(20)
    opened.close()


def test_an_exiftool_that_was_installed_since_is_used_by_the_next_index(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_exiftool() or pytest.skip("ExifTool is not installed")
    monkeypatch.setattr(shared_exiftool, "find_exiftool", lambda: None)
    opened = open_library(settings)
    assert not opened.has_exiftool
    assert opened.make_indexer().exiftool() is None
    monkeypatch.setattr(shared_exiftool, "find_exiftool", lambda: found)
    assert opened.has_exiftool
    first = opened.make_indexer().exiftool()
    assert first is not None
    assert opened.make_indexer().exiftool() is first
    opened.close()


# -- one operation and another ----------------------------------------------------------------


def _leave_rebuild(opened: Library) -> str:
    """A rebuild that a dead process left, with what it had built."""
    operation_id = interrupt(opened, OperationType.REBUILD_DATABASE)
    folder = opened.settings.data_dir / "rebuild"
    folder.mkdir()
    (folder / "part").write_text("")
    return operation_id


def test_what_a_discarded_rebuild_had_built_is_removed(opened: Library) -> None:
    operation_id = _leave_rebuild(opened)
    opened.discard_operation(operation_id)
    assert not (opened.settings.data_dir / "rebuild").exists()


def test_discarding_takes_nothing_from_a_rebuild_that_runs(opened: Library) -> None:
    operation_id = _leave_rebuild(opened)
    go_on, begun = threading.Event(), threading.Event()

    def deed(_: OperationContext) -> dict[str, object]:
        begun.set()
        go_on.wait(10)
        return {}

    running = opened.runner.start(OperationType.REBUILD_DATABASE, deed)
    assert begun.wait(10)
    opened.discard_operation(operation_id)
    assert (opened.settings.data_dir / "rebuild/part").exists()
    with pytest.raises(BusyError):
        opened.start_operation(OperationType.VERIFY_LIBRARY)
    go_on.set()
    opened.runner.wait(running, timeout=10)


def test_starting_over_while_something_runs_keeps_what_was_interrupted(opened: Library) -> None:
    operation_id = interrupt(opened, OperationType.VERIFY_LIBRARY)
    go_on = threading.Event()
    running = opened.runner.start(OperationType.UPDATE_INDEX, lambda _: {"x": go_on.wait(10)})
    with pytest.raises(BusyError):
        opened.start_over(operation_id)
    go_on.set()
    opened.runner.wait(running, timeout=10)
    assert [one.operation_id for one in opened.list_interrupted()] == [operation_id]


def test_a_cancelled_rebuild_leaves_nothing_behind(
    opened: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    _index(opened)
    begun = threading.Event()

    def rebuild(rebuilder: Rebuilder, observer: OperationContext, **_: object) -> None:
        rebuilder.work_folder.mkdir()
        begun.set()
        while True:
            observer.check()

    monkeypatch.setattr(Rebuilder, "rebuild", rebuild)
    for stop, left in ((opened.runner.pause, True), (opened.cancel_operation, False)):
        opened.make_rebuilder().discard_work()
        begun.clear()
        operation_id = opened.start_operation(OperationType.REBUILD_DATABASE)
        assert begun.wait(10)
        stop(operation_id)
        opened.runner.wait(operation_id, timeout=10)
        assert (opened.settings.data_dir / "rebuild").exists() is left


def test_a_verification_that_read_all_does_the_work_of_one_that_was_interrupted(
    opened: Library,
) -> None:
    _index(opened)
    interrupted = interrupt(opened, OperationType.VERIFY_LIBRARY)
    with opened.database.transaction() as connection:
        operation_state.pause_interrupted(connection)
    operation_id = opened.start_operation(OperationType.VERIFY_LIBRARY)
    assert opened.runner.wait(operation_id, timeout=60).status == "completed"
    assert opened.get_operation(interrupted).status == OperationStatus.CANCELLED
