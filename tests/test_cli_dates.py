"""cli_dates: capture dates changed from a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from edit_box import needs_exiftool, read_tags
from pictures import make_jpeg

from cli import main

pytestmark = needs_exiftool


@pytest.fixture
def photos(home: Path) -> Path:
    root = home / "photos"
    make_jpeg(root / "a.jpg", 1, date="2019:07:14 18:03:22")
    make_jpeg(root / "b.jpg", 2, date="2019:07:14 17:00:00")
    make_jpeg(root / "2018-05-06/scan.jpg", 3)
    assert run("index", root).exit_code == 0
    return root


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def run_json(*words: object, exit_code: int = 0) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == exit_code, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def dates(root: Path) -> dict[str, str | None]:
    lines = run("list", root, "--json").stdout.splitlines()
    return {one["current_path"]: one["date_taken"] for one in map(json.loads, lines)}


def test_a_moment_a_span_and_two_zones_change_the_file_and_undo_brings_it_back(
    photos: Path,
) -> None:
    before = (photos / "a.jpg").read_bytes()
    assert run_json("set-date", photos, "-1h", "a.jpg")["changed"] == 1
    assert dates(photos)["a.jpg"] == "2019-07-14T17:03:22"
    run_json("set-date", photos, "Europe/Berlin->Asia/Tokyo", photos / "a.jpg")
    assert dates(photos)["a.jpg"] == "2019-07-15T00:03:22"
    run_json("set-date", photos, "2020-02-29 12:00:00+01:00", "a.jpg")
    (tags,) = read_tags(photos / "a.jpg")
    assert tags["ExifIFD:DateTimeOriginal"] == "2020:02:29 12:00:00"
    assert tags["ExifIFD:OffsetTimeOriginal"] == "+01:00"
    for _ in range(3):
        assert run_json("undo", photos)["changed"] == 1
    assert (photos / "a.jpg").read_bytes() == before


def test_a_step_counts_on_in_the_order_of_the_dates(photos: Path) -> None:
    run_json("set-date", photos, "2020-01-01 12:00:00", "a.jpg", "b.jpg", "--step", "+1d")
    assert dates(photos)["b.jpg"] == "2020-01-01T12:00:00"
    assert dates(photos)["a.jpg"] == "2020-01-02T12:00:00"


def test_a_dry_run_says_old_and_new_and_writes_nothing(photos: Path) -> None:
    before = (photos / "a.jpg").read_bytes()
    report = run_json("set-date", photos, "+1h", "a.jpg", "nope.jpg", "--dry-run", exit_code=1)
    assert (report["found"], report["changed"]) == (2, 1)
    assert report["dates"][0]["after"] == "2019-07-14T19:03:22"
    assert report["problems"][0]["path"] == "nope.jpg"
    said = run("set-date", photos, "suggested", "2018-05-06/scan.jpg", "--dry-run").stdout
    assert "2018-05-06/scan.jpg: no date -> 2018-05-06T12:00:00 (from its folder)" in said
    assert (photos / "a.jpg").read_bytes() == before


@pytest.mark.parametrize(
    "words",
    [
        ("2019-02-30 12:00:00", "a.jpg"),
        ("tomorrow", "a.jpg"),
        ("+1h", "a.jpg", "--step", "+1h"),
        ("+1h",),
    ],
)
def test_words_that_are_no_date_change_nothing(photos: Path, words: tuple[str, ...]) -> None:
    before = dates(photos)
    assert run("set-date", photos, *words).exit_code == 2
    assert dates(photos) == before


def test_imported_files_move_to_the_folder_of_their_new_day_and_back(photos: Path) -> None:
    make_jpeg(photos / "2019/2019-07-14/c.jpg", 4, date="2019:07:14 18:00:00")
    assert run("index", photos).exit_code == 0
    words = ("set-date", photos, "+1d", "a.jpg", "2019/2019-07-14/c.jpg", "--move")
    assert "to 2019/2019-07-15" in run(*words, "--dry-run").output
    assert run_json(*words)["changed"] == 2
    assert dates(photos)["2019/2019-07-15/c.jpg"] == "2019-07-15T18:00:00"
    assert dates(photos)["a.jpg"] == "2019-07-15T18:03:22"
    run_json("undo", photos)
    assert dates(photos)["2019/2019-07-14/c.jpg"] == "2019-07-14T18:00:00"
