"""cli: what the terminal gets, and the exit status."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from pictures import make_jpeg

import cli
from catalog import PUBLIC_FIELDS
from library import open_library
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


def _run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, cli.__file__, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_index_says_what_it_found_and_ends_with_0(photos: Path) -> None:
    result = _run("index", photos)
    assert result.returncode == 0
    assert "2 photos found; 2 added" in result.stdout
    assert "2 files read" in result.stdout


def test_index_prints_json_and_nothing_else(photos: Path) -> None:
    result = _run("index", photos, "--json")
    report = json.loads(result.stdout)
    assert set(report) >= REPORT_KEYS
    assert (report["status"], report["added"]) == ("completed", 2)


def test_index_ends_with_1_and_names_the_file_that_had_problems(photos: Path) -> None:
    (photos / "bad.jpg").write_text("not a photo")
    result = _run("index", photos)
    assert result.returncode == 1
    assert "bad.jpg: " in result.stdout


def test_a_file_name_cannot_steer_the_terminal(photos: Path) -> None:
    (photos / "\x1b[31mred\n.jpg").write_text("not a photo")
    result = _run("index", photos)
    assert "\x1b" not in result.stdout
    assert "\\x1b[31mred\\n.jpg" in result.stdout


def test_a_dry_run_leaves_no_trace(photos: Path) -> None:
    before = sorted(photos.rglob("*"))
    report = json.loads(_run("index", photos, "--dry-run", "--json").stdout)
    assert (report["status"], report["added"]) == ("planned", 2)
    assert sorted(photos.rglob("*")) == before


def test_list_gives_one_json_object_a_photo(photos: Path) -> None:
    _run("index", photos)
    lines = _run("list", photos, "--json").stdout.splitlines()
    listed = [json.loads(line) for line in lines]
    assert [photo["current_path"] for photo in listed] == ["a.jpg", "b.jpg"]
    assert list(listed[0]) == list(PUBLIC_FIELDS)
    assert listed[0]["favorited"] is True


@pytest.mark.parametrize("place", ["before", "behind"])
def test_the_data_folder_can_be_elsewhere(photos: Path, tmp_path: Path, place: str) -> None:
    option = ("--data-dir", tmp_path / "data")
    words = (*option, "index", photos) if place == "before" else ("index", photos, *option)
    assert _run(*words).returncode == 0
    assert (tmp_path / "data/photo_library.db").is_file()
    assert not (photos / ".library/photo_library.db").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("index", "typo"), "There is no folder"),
        (("index", "photos/a.jpg"), "is a file"),
        (("list", "photos"), "has no index yet"),
        (("serve", "photos", "--host", "0.0.0.0"), "serves this machine only"),
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
    result = _run(*words)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_library_in_use_ends_with_75(photos: Path) -> None:
    library = open_library(load_settings(photos))
    result = _run("index", photos)
    library.close()
    assert result.returncode == 75
    assert "in use by Lightkeep" in result.stderr


def test_the_brake_says_how_to_go_on(photos: Path) -> None:
    for number in range(60):
        make_jpeg(photos / f"many/{number}.jpg", 100 + number)
    _run("index", photos)
    shutil.rmtree(photos / "many")
    result = _run("index", photos)
    assert result.returncode == 2
    assert "60 of 62 photos vanished" in result.stderr
    assert "--accept-missing" in result.stderr
    assert _run("index", photos, "--accept-missing").returncode == 0


def test_a_damaged_settings_file_is_named(photos: Path) -> None:
    (photos / ".library").mkdir()
    (photos / ".library/settings.toml").write_text("wrokers = 3")
    result = _run("index", photos)
    assert result.returncode == 2
    assert "wrokers" in result.stderr


def test_a_reader_that_goes_away_is_no_error(photos: Path) -> None:
    _run("index", photos)
    command = f"{sys.executable} {cli.__file__} list {photos} --json | true"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert result.stderr == ""


@pytest.mark.parametrize("choose_moment", [0.0, 0.2, 0.4, 0.8])
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
    assert _run("index", photos).returncode == 0


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
        result = _run("serve", photos, "--port", str(port))
    assert result.returncode == 2
    assert str(port) in result.stderr
