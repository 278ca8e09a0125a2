"""cli_trash: trash, restore, purge and duplicates from a terminal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pictures import make_jpeg

import cli
from errors import EXIT_REFUSED

REPORT_KEYS = {
    *("operation_id", "status", "found", "added", "changed", "moved", "missing", "unchanged"),
    *("problems", "seconds", "cache"),
}


@pytest.fixture
def root(home: Path) -> Path:
    root = home / "photos"
    make_jpeg(root / "a.jpg", 1, date="2019:07:14 18:03:22", rating=4)
    make_jpeg(root / "sub/b.jpg", 2)
    assert run("index", root).exit_code == 0
    return root


def run(verb: str, root: Path, *words: str) -> Result:
    return CliRunner(catch_exceptions=False).invoke(cli.main, [verb, str(root), *words])


def report(verb: str, root: Path, *words: str) -> dict[str, Any]:
    said = json.loads(run(verb, root, *words, "--json").stdout)
    assert isinstance(said, dict)
    return said


def listed(root: Path, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("list", root, "--json", *words).stdout.splitlines()]


def test_trash_list_and_restore(root: Path) -> None:
    before = listed(root)
    done = report("trash", root, "a.jpg", str(root / "sub" / "b.jpg"))
    assert done.keys() >= REPORT_KEYS
    assert (done["status"], done["found"], done["moved"]) == ("completed", 2, 2)
    assert listed(root) == []
    trashed = listed(root, "--trash")
    assert {one["original_path"] for one in trashed} == {"a.jpg", "sub/b.jpg"}
    assert trashed[0].keys() == before[0].keys() | {"original_path", "deleted_at"}
    assert not (root / "sub").exists()
    plan = report("restore", root, "a.jpg", "nobody.jpg", "--dry-run")
    assert ([one["path"] for one in plan["photos"]], len(plan["problems"])) == (["a.jpg"], 1)
    assert not (root / "a.jpg").exists()
    back = report("restore", root, "a.jpg", "sub/b.jpg")
    assert (back["moved"], back["problems"]) == (2, [])
    assert listed(root) == before
    assert listed(root, "--trash") == []


def test_a_dry_run_only_says_what_would_be_done(root: Path) -> None:
    plan = report("trash", root, "a.jpg", "nobody.jpg", "--dry-run")
    assert (plan["status"], plan["found"], plan["count"]) == ("planned", 2, 1)
    assert [one["path"] for one in plan["problems"]] == ["nobody.jpg"]
    assert (root / "a.jpg").exists()
    assert "nothing was done" in run("trash", root, "a.jpg", "--dry-run").stdout


def test_what_there_is_not_is_a_problem(root: Path) -> None:
    done = run("trash", root, "nobody.jpg", "a.jpg")
    assert done.exit_code == 1
    assert "1 moved" in done.stdout
    assert "nobody.jpg: There is no such photo" in done.stdout
    again = run("restore", root, "sub/b.jpg")
    assert again.exit_code == 1
    assert "No photo of this path is in the trash." in again.stdout
    for verb in ("trash", "restore", "purge"):
        assert run(verb, root).exit_code == EXIT_REFUSED


def test_undo_takes_the_last_move_back(root: Path) -> None:
    done = report("trash", root, "a.jpg")
    assert run("undo", root).exit_code == 0
    assert (root / "a.jpg").exists()
    again = report("trash", root, "a.jpg")
    assert again["operation_id"] != done["operation_id"]
    back = report("undo", root, again["operation_id"])
    assert (back["moved"], (root / "a.jpg").exists()) == (1, True)


def test_purge_by_path_by_age_and_all(root: Path) -> None:
    run("trash", root, "a.jpg", "sub/b.jpg")
    folder = root / ".library" / "trash"
    assert report("purge", root, "--all", "--dry-run")["count"] == 2
    assert report("purge", root, "--older-than", "1")["deleted"] == 0
    assert report("purge", root, "a.jpg")["deleted"] == 1
    assert len(list(folder.iterdir())) == 2
    assert report("purge", root, "--all")["deleted"] == 1
    assert list(folder.iterdir()) == []
    assert run("purge", root, "a.jpg", "--all").exit_code == EXIT_REFUSED


def test_a_path_that_is_not_in_the_trash_never_purges_all(root: Path) -> None:
    run("trash", root, "a.jpg")
    done = report("purge", root, "nobody.jpg")
    assert (done["deleted"], done["error_count"]) == (0, 1)
    assert report("purge", root, "nobody.jpg", "--dry-run")["count"] == 0
    assert len(listed(root, "--trash")) == 1


def test_duplicates_are_listed_and_merged(root: Path) -> None:
    shutil.copy(root / "a.jpg", root / "sub/copy of a.jpg")
    run("index", root)
    (line,) = run("duplicates", root).stdout.splitlines()[:1]
    assert line == "keep  a.jpg"
    group = json.loads(run("duplicates", root, "--json").stdout)
    assert group["same_bytes"]
    assert [one["current_path"] for one in group["photos"]] == ["a.jpg", "sub/copy of a.jpg"]
    assert run("duplicates", root, "--same-bytes").stdout == run("duplicates", root).stdout
    assert run("duplicates", root, "--merge", "--dry-run").exit_code == 0
    assert (root / "sub/copy of a.jpg").exists()
    done = report("duplicates", root, "--merge")
    assert (done["moved"], done["problems"]) == (1, [])
    assert [one["original_path"] for one in listed(root, "--trash")] == ["sub/copy of a.jpg"]
    assert run("duplicates", root).stdout == ""
