"""cli_import: the verb `import`, its report and its exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pictures import make_jpeg

import cli
from library import open_library
from settings import load_settings

pytestmark = pytest.mark.usefixtures("home")

KEYS = {
    *("operation_id", "status", "found", "added", "changed", "moved", "missing", "unchanged"),
    *("problems", "seconds", "cache", "already_here", "cached", "unsupported"),
}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


@pytest.fixture
def card(tmp_path: Path) -> Path:
    make_jpeg(tmp_path / "card/a.jpg", 1, date="2019:07:14 18:03:22")
    make_jpeg(tmp_path / "card/b.jpg", 2)
    (tmp_path / "card/c.txt").touch()
    return tmp_path / "card"


def run(*words: object) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words])


def run_json(*words: object) -> dict[str, Any]:
    result = run(*words, "--json")
    said = json.loads(result.stdout)
    assert isinstance(said, dict)
    return said


def test_it_reports_in_numbers(library: Path, card: Path) -> None:
    first = run_json("import", library, card)
    assert first.keys() >= KEYS
    assert (first["status"], first["found"], first["added"]) == ("completed", 2, 2)
    assert first["unsupported"] == 1
    assert (library / "2019/2019-07-14/a.jpg").is_file()
    again = run_json("import", library, card)
    assert (again["added"], again["already_here"], again["unchanged"]) == (0, 2, 2)


def test_it_says_in_words_where_things_are(library: Path, card: Path) -> None:
    run("import", library, card)
    result = run("import", library, card)
    assert result.exit_code == 0
    assert "0 imported, 2 already here, 1 files that are no photos" in result.stdout
    assert "card/b.jpg is here: Undated/b.jpg" in result.stdout


def test_a_dry_run_writes_nothing_at_all(library: Path, card: Path) -> None:
    said = run_json("import", library, card, "--dry-run")
    assert said.keys() >= KEYS
    assert (said["status"], said["operation_id"], said["new"]) == ("planned", None, 2)
    assert list(library.iterdir()) == []


def test_a_dry_run_works_while_another_process_writes(library: Path, card: Path) -> None:
    run("import", library, card / "a.jpg")
    opened = open_library(load_settings(library))
    try:
        said = run_json("import", library, card, "--dry-run")
        assert (said["new"], said["already_here"]) == (1, 1)
        assert run("import", library, card).exit_code == 75
    finally:
        opened.close()


def test_sources_may_be_relative_and_files(
    library: Path, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(card)
    assert run_json("import", library, "b.jpg", ".")["added"] == 2


def test_problems_are_named_and_give_1(library: Path, card: Path) -> None:
    (card / "empty.jpg").touch()
    result = run("import", library, card)
    assert result.exit_code == 1
    assert "card/empty.jpg: The file is empty." in result.stdout


def test_what_cannot_be_imported_from_gives_2(library: Path, card: Path) -> None:
    for source, words in ((library, "inside the library"), (card / "typo", "not there now")):
        for more in ((), ("--dry-run",)):
            result = run("import", library, source, *more)
            assert result.exit_code == 2
            assert words in result.stderr
    assert run("import", library).exit_code == 2
