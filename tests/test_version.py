"""version: one number, said alike wherever a person meets it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import version
from app import create_app
from library import open_library
from settings import load_settings

REPOSITORY = Path(__file__).resolve().parent.parent


def test_the_changelog_begins_with_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == version.VERSION


def test_the_number_follows_semantic_versioning() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?", version.VERSION)


def test_pyproject_reads_the_number_and_has_none_of_its_own() -> None:
    pyproject = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert "version" not in pyproject["project"]
    assert pyproject["project"]["dynamic"] == ["version"]
    place = pyproject["tool"]["setuptools"]["dynamic"]["version"]["attr"]
    assert place == f"{version.__name__}.VERSION"


def test_the_command_line_says_it() -> None:
    said = subprocess.run(
        [sys.executable, str(REPOSITORY / "cli.py"), "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert said.stdout == f"Lightkeep {version.VERSION}\n"


def test_the_menu_of_the_page_says_it(tmp_path: Path, home: Path) -> None:
    (tmp_path / "photos").mkdir()
    library = open_library(load_settings(tmp_path / "photos"))
    try:
        page = create_app(library=library).test_client().get("/").text
    finally:
        library.close()
    assert f"Lightkeep {version.VERSION}" in page
