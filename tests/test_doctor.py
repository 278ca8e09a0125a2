"""doctor: what is found in a library, healthy and not, also beside a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pictures import make_jpeg

import cli
import doctor
from backups import list_backups
from cli_doctor import describe, worst
from doctor import examine
from doctor_finding import Finding, Level, advice, ok, trouble
from errors import LibraryNotFoundError
from library import open_library
from settings import load_settings

pytestmark = pytest.mark.usefixtures("home")
MACHINE = frozenset({"ExifTool", "Room for data", "Room for photos", "Open files"})
"""What depends on who runs the tests."""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    make_jpeg(tmp_path / "photos/a.jpg", 1, date="2019:07:14 18:03:22")
    library = open_library(load_settings(tmp_path / "photos"))
    library.runner.wait(library.start_update_index(), timeout=60)
    library.back_up("test")
    library.close()
    return tmp_path / "photos"


def find(findings: list[Finding], subject: str) -> Finding:
    [found] = [one for one in findings if one.subject == subject]
    return found


def list_files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_healthy_library_has_nothing_to_do_and_is_not_touched(photos: Path) -> None:
    before = list_files(photos)
    findings = examine(photos)
    assert {one.subject for one in findings if one.level != Level.OK} <= MACHINE
    assert "knows 1 photo." in find(findings, "Database").sentence
    assert list_files(photos) == before


def test_it_works_beside_a_process_that_holds_the_library(photos: Path) -> None:
    library = open_library(load_settings(photos))
    try:
        findings = examine(photos)
    finally:
        library.close()
    assert "Lightkeep has it open" in find(findings, "Database").sentence


def test_a_folder_that_is_no_library_yet_gets_advice_and_no_file(tmp_path: Path) -> None:
    findings = examine(tmp_path)
    assert find(findings, "Database").level == Level.ADVICE
    assert "None yet" in find(findings, "Marker").sentence
    assert list_files(tmp_path) == {}
    with pytest.raises(LibraryNotFoundError):
        examine(tmp_path / "typo")


def test_a_damaged_database_is_trouble_and_names_recover(photos: Path) -> None:
    path = photos / ".library" / "photo_library.db"
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    found = find(examine(photos), "Database")
    assert found.level == Level.TROUBLE
    assert "recover" in found.remedy + found.sentence


def test_an_unmounted_share_is_trouble(photos: Path) -> None:
    (photos / ".library").rename(photos.parent / "away")
    findings = examine(photos)
    assert find(findings, "Marker").level == Level.TROUBLE
    assert "Database" not in {one.subject for one in findings}


def test_a_damaged_marker_is_trouble(photos: Path) -> None:
    (photos / ".library" / "library.json").write_text("{")
    assert find(examine(photos), "Marker").level == Level.TROUBLE


def test_a_backup_that_was_altered_is_trouble(photos: Path) -> None:
    path = list_backups(photos / ".library" / "backups")[-1].path
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"x")
    assert find(examine(photos), "Backup").level == Level.TROUBLE


def test_a_clock_behind_the_newest_file_is_trouble(photos: Path) -> None:
    findings = examine(photos, now=datetime.now(UTC) - timedelta(days=30))
    assert find(findings, "Clock").level == Level.TROUBLE


def test_a_settings_file_that_is_refused_is_trouble_and_the_rest_is_still_told(
    photos: Path,
) -> None:
    (photos / ".library" / "settings.toml").write_text("no_such_key = 1\n")
    findings = examine(photos)
    assert find(findings, "Settings").level == Level.TROUBLE
    assert find(findings, "Database").level == Level.OK


def test_settings_that_another_data_folder_hides_are_told(photos: Path, tmp_path: Path) -> None:
    (photos / ".library" / "settings.toml").write_text("workers = 2\n")
    found = find(examine(photos, tmp_path / "data"), "Settings")
    assert (found.level, "is not read" in found.sentence) == (Level.ADVICE, True)


def test_a_damaged_accounts_file_is_trouble(photos: Path) -> None:
    (photos / ".library" / "accounts.json").write_text("{")
    assert find(examine(photos), "Password").level == Level.TROUBLE


def test_a_network_file_system_is_trouble(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_file_system", lambda folder: "nfs4")
    assert find(examine(photos), "Database's disk").level == Level.TROUBLE


def _run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, cli.__file__, "doctor", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_verb_ends_with_1_where_something_is_worth_a_look(photos: Path) -> None:
    (photos / ".library" / "settings.toml").write_text("workers = 64\n")
    result = _run(photos)
    assert result.returncode == 1
    assert "advice   Settings: workers is 64" in result.stdout
    assert "worth a look" in result.stdout.splitlines()[-1]


def test_the_verb_prints_json_and_nothing_else(photos: Path) -> None:
    result = _run(photos, "--json")
    report = json.loads(result.stdout)
    levels = {one["level"] for one in report["findings"]}
    assert result.returncode == (0 if levels == {"ok"} else 1)
    assert set(report["findings"][0]) == {"subject", "level", "sentence", "remedy"}


def test_the_worst_level_is_told() -> None:
    assert worst([]) == Level.OK
    assert worst([ok("A", ""), advice("B", "", ""), ok("C", "")]) == Level.ADVICE
    assert worst([trouble("A", "", ""), advice("B", "", "")]) == Level.TROUBLE


def test_a_finding_is_wrapped_below_its_subject() -> None:
    said = describe(advice("Room", "word " * 30, "Make room."))
    first, *more = said.splitlines()
    assert first.startswith("advice   Room: word")
    assert all(line.startswith(" " * 9) and len(line) <= 100 for line in more)
    assert more[-1] == "         -> Make room."
