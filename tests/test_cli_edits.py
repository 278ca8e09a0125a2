"""cli_edits: stars, un-stars and undo from a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from edit_box import needs_exiftool, read_tags
from pictures import make_jpeg

import rating_rows
from cli import main
from db import Database
from library_location import take_lock

pytestmark = needs_exiftool


@pytest.fixture
def photos(home: Path) -> Path:
    root = home / "photos"
    make_jpeg(root / "a.jpg", 1, date="2019:07:14 18:03:22")
    make_jpeg(root / "deep/b.jpg", 2, rating=4)
    make_jpeg(root / "c.jpg", 3, rating=3)
    assert run("index", root).exit_code == 0
    return root


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def run_json(*words: object, exit_code: int = 0) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == exit_code, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def ratings(root: Path) -> dict[str, int | None]:
    lines = run("list", root, "--json").stdout.splitlines()
    return {one["current_path"]: one["rating"] for one in map(json.loads, lines)}


def test_a_star_is_written_into_the_file_and_taken_away_again(photos: Path) -> None:
    before = (photos / "a.jpg").read_bytes()
    report = run_json("favorite", photos, "a.jpg")
    assert (report["found"], report["changed"], report["problems"]) == (1, 1, [])
    assert read_tags(photos / "a.jpg")[0]["XMP-xmp:Rating"] == 5
    assert ratings(photos)["a.jpg"] == 5
    assert run_json("favorite", photos, "a.jpg")["unchanged"] == 1
    assert run_json("unfavorite", photos, photos / "a.jpg")["changed"] == 1
    assert (photos / "a.jpg").read_bytes() == before


def test_unstarring_brings_back_what_was_there_and_leaves_others_alone(photos: Path) -> None:
    assert run_json("favorite", photos, "deep/b.jpg", "deep/../deep/b.jpg")["found"] == 1
    report = run_json("unfavorite", photos, "deep/b.jpg", "c.jpg")
    assert (report["changed"], report["unchanged"]) == (1, 1)
    assert ratings(photos) == {"a.jpg": None, "deep/b.jpg": 4, "c.jpg": 3}


def test_a_path_that_is_no_photo_is_named_and_the_others_are_done(photos: Path) -> None:
    report = run_json("favorite", photos, "a.jpg", "nope.jpg", "/etc/passwd", exit_code=1)
    assert [one["path"] for one in report["problems"]] == ["nope.jpg", "/etc/passwd"]
    assert (report["changed"], report["found"], report["problem_count"]) == (1, 3, 2)
    assert "2 files had problems" in run("favorite", photos, "nope.jpg", "no.jpg").stdout


def test_undo_takes_the_last_deed_back_and_said_again_the_one_before(photos: Path) -> None:
    run_json("favorite", photos, "a.jpg", "c.jpg")
    run_json("unfavorite", photos, "c.jpg")
    assert ratings(photos) == {"a.jpg": 5, "deep/b.jpg": 4, "c.jpg": 3}
    run_json("undo", photos)
    assert ratings(photos)["c.jpg"] == 5
    assert run_json("undo", photos)["changed"] == 2
    assert ratings(photos) == {"a.jpg": None, "deep/b.jpg": 4, "c.jpg": 3}
    result = run("undo", photos)
    assert result.exit_code == 2
    assert "no edit to take back" in result.stderr


def test_undo_takes_an_operation_or_a_single_edit(photos: Path) -> None:
    first = run_json("favorite", photos, "a.jpg")["operation_id"]
    run_json("favorite", photos, "c.jpg")
    run_json("undo", photos, first)
    assert ratings(photos)["a.jpg"] is None
    assert run_json("undo", photos, "2")["changed"] == 1
    assert ratings(photos)["c.jpg"] == 3
    for wrong in ("2", "99", "nonsense"):
        assert run("undo", photos, wrong).exit_code == 2


def test_what_only_the_database_knows_is_written_into_the_files(photos: Path) -> None:
    database = Database(photos / ".library/photo_library.db")
    with database.transaction() as connection:
        for path, (photo_id, _) in rating_rows.find_ratings(connection, ["a.jpg"]).items():
            assert path == "a.jpg"
            rating_rows.set_rating(connection, photo_id, 2, "database")
    database.close()
    assert run_json("favorite", photos, "--keep")["changed"] == 1
    assert read_tags(photos / "a.jpg")[0]["XMP-xmp:Rating"] == 2
    assert run_json("favorite", photos, "--keep")["changed"] == 0


def test_nothing_is_edited_while_another_process_writes(photos: Path) -> None:
    before = (photos / "a.jpg").read_bytes()
    with take_lock(photos / ".library"):
        for verb in (["favorite"], ["unfavorite"], ["undo"]):
            words = [] if verb == ["undo"] else ["a.jpg"]
            assert run(*verb, photos, *words).exit_code == 75
    assert (photos / "a.jpg").read_bytes() == before


@pytest.mark.parametrize("words", [["favorite"], ["unfavorite"], ["favorite", "--keep", "a.jpg"]])
def test_a_verb_without_a_photo_says_what_is_missing(photos: Path, words: list[str]) -> None:
    result = run(words[0], photos, *words[1:])
    assert result.exit_code == 2
    assert "Name the photos" in result.stderr
