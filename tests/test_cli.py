"""cli: what the terminal gets, and the exit status."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from old_databases import make_old, photo_row
from pictures import make_jpeg
from terminal_box import run

import cli
import operation_state
from catalog import PUBLIC_FIELDS
from library import Library, open_library
from operation_state import OperationType
from settings import load_settings

REPORT_KEYS = {
    *("operation_id", "status", "found", "added", "changed", "moved", "missing", "unchanged"),
    *("problems", "seconds", "cache"),
}


pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    make_jpeg(tmp_path / "photos/a.jpg", 1, date="2019:07:14 18:03:22", rating=5)
    make_jpeg(tmp_path / "photos/b.jpg", 2)
    return tmp_path / "photos"


def start(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own, with what the log says at standard error."""
    return subprocess.run(
        [sys.executable, cli.__file__, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_index_says_what_it_found_and_ends_with_0(photos: Path) -> None:
    result = run("index", photos)
    assert result.returncode == 0
    assert "2 photos found; 2 added" in result.stdout
    assert "2 files read" in result.stdout


def test_index_prints_json_and_nothing_else(photos: Path) -> None:
    result = start("index", photos, "--json")
    report = json.loads(result.stdout)
    assert set(report) >= REPORT_KEYS
    assert (report["status"], report["added"]) == ("completed", 2)


def test_index_ends_with_1_and_names_the_file_that_had_problems(photos: Path) -> None:
    (photos / "bad.jpg").write_text("not a photo")
    result = run("index", photos)
    assert result.returncode == 1
    assert "bad.jpg: " in result.stdout


def test_a_file_name_cannot_steer_the_terminal(photos: Path) -> None:
    (photos / "\x1b[31mred\n.jpg").write_text("not a photo")
    result = run("index", photos)
    assert "\x1b" not in result.stdout
    assert "\\x1b[31mred\\n.jpg" in result.stdout


def test_a_dry_run_leaves_no_trace(photos: Path) -> None:
    before = sorted(photos.rglob("*"))
    report = json.loads(run("index", photos, "--dry-run", "--json").stdout)
    assert (report["status"], report["added"]) == ("planned", 2)
    assert sorted(photos.rglob("*")) == before


def test_list_gives_one_json_object_a_photo(photos: Path) -> None:
    run("index", photos)
    lines = run("list", photos, "--json").stdout.splitlines()
    listed = [json.loads(line) for line in lines]
    assert [photo["current_path"] for photo in listed] == ["a.jpg", "b.jpg"]
    assert list(listed[0]) == list(PUBLIC_FIELDS)
    assert listed[0]["favorited"] is True


@pytest.mark.parametrize("place", ["before", "behind"])
def test_the_data_folder_can_be_elsewhere(photos: Path, tmp_path: Path, place: str) -> None:
    option = ("--data-dir", tmp_path / "data")
    words = (*option, "index", photos) if place == "before" else ("index", photos, *option)
    assert run(*words).returncode == 0
    assert (tmp_path / "data/photo_library.db").is_file()
    assert not (photos / ".library/photo_library.db").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("index", "typo"), "There is no folder"),
        (("index", "photos/a.jpg"), "is a file"),
        (("list", "photos"), "has no index yet"),
        (("serve", "photos", "--host", "0.0.0.0"), "Set a password first: ./lightkeep password"),
        (("serve", "photos", "--port", "0"), "port"),
        (("serve", "typo"), "There is no folder"),
        (("index",), "Missing argument"),
        (("dance",), "No such command"),
    ],
)
def test_bad_input_gets_a_sentence_and_2(
    photos: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(photos.parent)
    result = run(*words)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_the_log_has_the_figures_of_an_operation_in_one_line(photos: Path) -> None:
    result = start("index", photos, "--json")
    lines = [line for line in result.stderr.splitlines() if "update_index completed" in line]
    assert len(lines) == 1
    for words in ("lightkeep: ", "walk: ", "read: ", "hash: ", "tags: ", "database: ", "cache: "):
        assert words in lines[0]
    assert json.loads(result.stdout)["found"] == 2


def test_a_quick_index_says_what_it_did_not_read(photos: Path) -> None:
    folder = photos / "old"
    make_jpeg(folder / "old.jpg", 200)
    for path in (folder, photos):
        os.utime(path, (1, 1))
    run("index", photos)
    report = json.loads(run("index", photos, "--quick", "--json").stdout)
    assert (report["found"], report["unchanged"], report["added"]) == (3, 3, 0)
    # What was made a moment ago is read again, for its ctime is young.
    assert report["folders_passed"] == 0
    planned = run("index", photos, "--quick", "--dry-run")
    assert (planned.returncode, "3 photos found" in planned.stdout) == (0, True)


def test_a_library_in_use_ends_with_75(photos: Path) -> None:
    library = open_library(load_settings(photos))
    result = run("index", photos)
    library.close()
    assert result.returncode == 75
    assert "in use by Lightkeep" in result.stderr


def test_the_brake_says_how_to_go_on(photos: Path) -> None:
    for number in range(60):
        make_jpeg(photos / f"many/{number}.jpg", 100 + number)
    run("index", photos)
    shutil.rmtree(photos / "many")
    result = run("index", photos)
    assert result.returncode == 2
    assert "60 of 62 photos vanished" in result.stderr
    assert "--accept-missing" in result.stderr
    assert run("index", photos, "--accept-missing").returncode == 0


def test_a_damaged_settings_file_is_named(photos: Path) -> None:
    (photos / ".library").mkdir()
    (photos / ".library/settings.toml").write_text("wrokers = 3")
    result = run("index", photos)
    assert result.returncode == 2
    assert "wrokers" in result.stderr


def test_a_reader_that_goes_away_is_no_error(photos: Path) -> None:
    run("index", photos)
    command = f"{sys.executable} {cli.__file__} list {photos} --json | true"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert result.stderr == ""


@pytest.mark.parametrize("choose_moment", [0.1, 0.5])
def test_ctrl_c_ends_an_index_tidily_at_any_moment(photos: Path, choose_moment: float) -> None:
    for number in range(1500):
        shutil.copyfile(photos / "a.jpg", photos / f"{number}.jpg")
    process = subprocess.Popen(
        [sys.executable, cli.__file__, "index", str(photos)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (photos / ".library/photo_library.db").exists():
        time.sleep(0.02)
    time.sleep(choose_moment)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    # A quick machine may have been done by then, or Python on its way out.
    assert process.returncode in (0, 2, -signal.SIGINT), errors
    if process.returncode == 2:
        assert "paused" in errors or "stopped" in errors
    assert "Traceback" not in errors
    assert run("index", photos).returncode == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _get(url: str) -> str:
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


@pytest.mark.parametrize("entry", ["cli", "app"])
def test_serve_indexes_shows_the_photos_and_stops_at_sigterm(photos: Path, entry: str) -> None:
    port = _free_port()
    repository = Path(cli.__file__).parent
    words = {
        "cli": [str(repository / "cli.py"), "serve", str(photos), "--port", str(port)],
        "app": [str(repository / "app.py"), str(photos)],
    }[entry]
    environment = {**os.environ, "LIGHTKEEP_PORT": str(port)}
    process = subprocess.Popen([sys.executable, *words], env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        _get(f"{url}/healthz")
        for _ in range(100):
            if len(json.loads(_get(f"{url}/api/photos"))["photos"]) == 2:
                break
            time.sleep(0.1)
        assert "July 2019" in _get(url)
    finally:
        process.terminate()
    assert process.wait(timeout=20) == 0


def test_a_port_in_use_is_named(photos: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        result = run("serve", photos, "--port", str(port))
    assert result.returncode == 2
    assert str(port) in result.stderr


# -- rebuild, verify, backup, recover, operations, resume, migrate ------------------------------


def report_of(*words: object, status: int = 0) -> dict[str, Any]:
    done = run(*map(str, words), "--json")
    assert done.returncode == status, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_a_rebuild_and_a_verify_print_their_reports(photos: Path) -> None:
    found = report_of("index", photos)["found"]
    rebuilt = report_of("rebuild", photos)
    assert (rebuilt["status"], rebuilt["found"]) == ("completed", found)
    assert rebuilt["differences"]["same"] == found
    verified = report_of("verify", photos)
    assert (verified["checked"], verified["intact"]) == (found, found)
    assert "photos were read again" in run("verify", photos, "--budget", "30").stdout
    assert "has taken the place of the old one" in run("rebuild", photos).stdout


def test_a_verify_ends_with_1_and_names_what_is_gone(photos: Path) -> None:
    report_of("index", photos)
    victim = next(photos.rglob("*.jpg"))
    victim.unlink()
    report = report_of("verify", photos, status=1)
    assert report["missing"] == 1
    assert report["problems"][0]["path"] == victim.relative_to(photos).as_posix()


def test_a_backup_is_made_while_another_process_holds_the_library(photos: Path) -> None:
    report_of("index", photos)
    opened = open_library(load_settings(photos))
    try:
        assert Path(report_of("backup", photos)["path"]).is_file()
        for verb in ("rebuild", "verify", "recover", "resume", "migrate"):
            assert run(verb, photos).returncode == 75, verb
        assert run("operations", photos).returncode == 0
    finally:
        opened.close()


def test_a_damaged_database_is_recovered_and_indexed(photos: Path) -> None:
    found = report_of("index", photos)["found"]
    assert "is sound" in run("recover", photos).stdout
    report_of("backup", photos)
    database = photos / ".library/photo_library.db"
    database.write_bytes(b"rubbish" * 999)
    refused = run("index", photos)
    assert refused.returncode == 2
    assert "recover" in refused.stderr
    report = report_of("recover", photos)
    assert report["recovery"]["backup"]
    assert report["unchanged"] == found


def test_what_was_interrupted_is_listed_and_resumed(photos: Path) -> None:
    report_of("index", photos)
    opened = open_library(load_settings(photos))
    with opened.database.transaction() as connection:
        made = operation_state.create_operation(connection, OperationType.REBUILD_DATABASE)
    opened.close()
    listed = json.loads(run("operations", photos, "--json").stdout)
    assert (listed[0]["operation_id"], listed[0]["status"]) == (made.operation_id, "paused")
    report = report_of("resume", photos)
    assert (report["operation_id"], report["status"]) == (made.operation_id, "completed")
    nothing = run("resume", photos)
    assert (nothing.returncode, "nothing to resume" in nothing.stderr) == (2, True)
    ended = run("resume", photos, made.operation_id)
    assert ended.returncode == 2
    assert "only one that was interrupted" in ended.stderr


def test_an_older_database_is_migrated_by_the_verb(photos: Path) -> None:
    make_old(photos / "photo_library.db", [photo_row(1, rating=4)], version=2)
    done = run("migrate", photos)
    assert done.returncode == 0, done.stderr
    assert "version 2" in done.stdout
    assert run("migrate", photos).returncode == 0
    listed = [json.loads(line) for line in run("list", photos, "--json").stdout.splitlines()]
    assert [(photo["rating"], photo["kept_in"]) for photo in listed] == [(4, "database")]


def test_operations_are_listed_as_running_while_their_process_lives(photos: Path) -> None:
    opened = open_library(load_settings(photos))
    try:
        with opened.database.transaction() as connection:
            made = operation_state.create_operation(connection, OperationType.VERIFY_LIBRARY)
        [listed] = json.loads(run("operations", photos, "--json").stdout)
        assert (listed["operation_id"], listed["status"]) == (made.operation_id, "pending")
        assert "pending" in run("operations", photos).stdout
    finally:
        opened.close()
    [listed] = json.loads(run("operations", photos, "--json").stdout)
    assert (listed["status"], listed["started_at"]) == ("paused", made.started_at)


@pytest.mark.parametrize("verb", ["index", "verify", "rebuild"])
def test_sigterm_pauses_every_long_deed_and_resume_ends_it(
    photos: Path, tmp_path: Path, verb: str
) -> None:
    for number in range(1500):
        shutil.copyfile(photos / "a.jpg", photos / f"{number}.jpg")
    place = ("--data-dir", str(tmp_path / "data"))
    if verb != "index":
        report_of("index", photos, *place)
    process = subprocess.Popen(
        [sys.executable, cli.__file__, verb, str(photos), *place],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    status = ""
    while status != "running" and process.poll() is None:
        listed = run("operations", photos, "--json", *place)
        status = json.loads(listed.stdout)[0]["status"] if listed.stdout.strip("[]\n") else ""
    process.terminate()
    _, errors = process.communicate(timeout=30)
    if process.returncode == 0:
        pytest.skip("this machine was done before it could be stopped")
    assert process.returncode == 2, errors
    assert "It was paused" in errors
    assert f"./lightkeep resume {photos} --data-dir {tmp_path / 'data'}" in errors
    resumed = report_of("resume", photos, *place)
    assert (resumed["status"], resumed["found"]) == ("completed", 1502)
    assert len(run("list", photos, "--json", *place).stdout.splitlines()) == 1502


def test_a_signal_that_comes_before_the_operation_pauses_it(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_operation = Library.start_operation

    def be_stopped(library: Library, *words: Any) -> str:
        signal.raise_signal(signal.SIGTERM)
        return start_operation(library, *words)

    monkeypatch.setattr(Library, "start_operation", be_stopped)
    result = run("index", photos)
    assert result.returncode == 2
    assert "It was paused; what was done is kept. To go on: ./lightkeep resume" in result.stderr
    assert json.loads(run("resume", photos, "--json").stdout)["added"] == 2


def test_a_migration_prints_json_and_nothing_else(photos: Path) -> None:
    make_old(photos / "photo_library.db", [photo_row(1, rating=4)], version=2)
    done = report_of("migrate", photos)
    assert (done["from_version"], done["to_version"], done["ratings"]) == (2, 3, 1)
    assert report_of("migrate", photos) is None


@pytest.mark.parametrize(
    ("code", "remedy"), [(sqlite3.SQLITE_CORRUPT, "recover"), (sqlite3.SQLITE_IOERR_READ, "disk")]
)
def test_only_damage_is_answered_with_a_recovery(code: int, remedy: str) -> None:
    error = sqlite3.DatabaseError("trouble")
    error.sqlite_errorcode = code
    words = cli._describe_trouble(error)
    assert remedy in words
    assert ("recover" in words) is (remedy == "recover")
