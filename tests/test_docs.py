"""What README.md and docs/ say exists, exists; and what exists for people is said there."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import cli
import settings
from media_types import MEDIA_TYPES, Kind, kind_of

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")], key=lambda path: path.name
)
LAUNCHER_VERBS = frozenset({"setup", "test", "bench"})
README = (REPOSITORY / "README.md").read_text()
SETTINGS_PAGE = (REPOSITORY / "docs" / "settings.md").read_text()


def list_verbs() -> dict[str, click.Command]:
    assert isinstance(cli.main, click.Group)
    return dict(cli.main.commands)


def read_table(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table after a heading, without its head."""
    after = text[text.index(f"## {heading}\n") :]
    rows = re.findall(r"^\|(.+)\|$", after.split("\n\n## ")[0], re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in rows[2:]]


def test_every_verb_of_the_readme_exists_and_every_verb_stands_there() -> None:
    named = {re.findall(r"lightkeep ([\w-]+)", row[0])[0] for row in read_table(README, "Commands")}
    assert named == list_verbs().keys() | LAUNCHER_VERBS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_a_document_can_be_typed(document: Path) -> None:
    verbs = list_verbs().keys() | LAUNCHER_VERBS
    # CHANGELOG.md speaks of other versions too, but only of verbs that there were.
    assert set(re.findall(r"\./lightkeep (\w[\w-]*)", document.read_text())) <= verbs


def test_every_option_in_the_readme_belongs_to_its_verb() -> None:
    common = {option for parameter in cli.main.params for option in parameter.opts}
    for command, words, *_ in read_table(README, "Commands"):
        verb = re.findall(r"lightkeep ([\w-]+)", command)[0]
        if verb not in LAUNCHER_VERBS:
            own = {option for parameter in list_verbs()[verb].params for option in parameter.opts}
            assert set(re.findall(r"`(--[\w-]+)`", words)) <= own | common, verb


def test_the_settings_page_has_the_keys_of_settings_toml() -> None:
    named = {
        row[0].strip("`"): row[1].strip("`") for row in read_table(SETTINGS_PAGE, "settings.toml")
    }
    known = {known.name: known for known in fields(settings.Settings)}
    not_in_file = {"library", "data_dir", "host", "port"}
    assert named.keys() == known.keys() - not_in_file
    for name in ("worker_memory_mb", "file_timeout_s"):
        assert named[name] == str(known[name].default)


def test_the_example_of_settings_is_one(tmp_path: Path) -> None:
    example = re.findall(r"```toml\n(.+?)```", SETTINGS_PAGE, re.DOTALL)[0]
    (tmp_path / settings.LIBRARY_DIR).mkdir()
    (tmp_path / settings.LIBRARY_DIR / "settings.toml").write_text(example)
    chosen = settings.load_settings(tmp_path, environment={})
    assert (chosen.workers, chosen.allowed_hosts) == (4, ("nas.local",))


def test_every_variable_the_house_reads_is_described() -> None:
    read = {
        name
        for path in REPOSITORY.glob("*.py")
        for name in re.findall(r"\"(LIGHTKEEP_[A-Z_]+|XDG_\w+)\"", path.read_text())
    }
    assert read == set(re.findall(r"`(LIGHTKEEP_[A-Z_]+|XDG_\w+)`", SETTINGS_PAGE))


def test_the_address_is_the_one_that_is_served() -> None:
    assert f"http://{settings.DEFAULT_HOST}:{settings.DEFAULT_PORT}" in README
    assert f"`{settings.DEFAULT_HOST}`, `{settings.DEFAULT_PORT}`" in SETTINGS_PAGE


def test_the_formats_are_the_ones_that_are_read() -> None:
    rows = re.findall(r"^\| (Photos|RAW|Videos) \| (.+) \|$", README, re.MULTILINE)
    kinds = {"Photos": Kind.IMAGE, "RAW": Kind.RAW, "Videos": Kind.VIDEO}
    for title, names in rows:
        of_kind = [name for name in MEDIA_TYPES if kind_of(name) == kinds[title]]
        assert names.split() == of_kind
    assert len(rows) == len(kinds)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_the_picture_of_the_page_is_light_enough_to_load() -> None:
    assert (REPOSITORY / "docs" / "grid.png").stat().st_size < 400_000


def test_every_package_has_its_reason() -> None:
    reasons = (REPOSITORY / "docs" / "decisions.md").read_text()
    wanted = (REPOSITORY / "requirements.in").read_text().splitlines()
    packages = [line for line in wanted if line and not line.startswith("#")]
    for package in (re.split(r"[<>=]", line)[0] for line in packages):
        assert re.search(rf"^- .*`{package}`", reasons, re.MULTILINE), package


def test_the_help_of_every_verb_can_be_printed() -> None:
    for verb in ("", *list_verbs()):
        done = CliRunner().invoke(cli.main, [*verb.split(), "--help"], prog_name="lightkeep")
        assert done.exit_code == 0, done.output
        assert done.output.startswith(f"Usage: lightkeep {verb}".rstrip())
