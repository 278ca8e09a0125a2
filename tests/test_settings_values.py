"""settings_values and settings_file: what a setting may be, and settings.toml changed in place."""

from __future__ import annotations

import os
import stat
import tomllib
from datetime import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import settings_file
from errors import DiskFullError, InvalidRequestError, NotWritableError
from settings import VARIABLES, find_fixed, load_settings
from settings_file import change_settings
from settings_values import KINDS, WritePolicy, change_toml, make_value, read_words

BY_HAND = """\
# mine
workers = 4   # two cores
import_roots = [
    "/media",  # cards = none
    "/srv/inbox",
]
"time_zone" = "Europe/Berlin"

# last words
trash_days = 30"""


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("daily_backup", "no", False),
        ("daily_backup", " True ", True),
        ("trash_days", "030", 30),
        ("time_zone", "Asia/Tokyo", ZoneInfo("Asia/Tokyo")),
        ("full_index_at", "off", None),
        ("full_index_at", "23:59", time(23, 59)),
        ("write_policy", "both", WritePolicy.BOTH),
        ("import_roots", "/media:/srv/inbox/", (Path("/media"), Path("/srv/inbox"))),
        ("import_roots", "/media::/srv:/media", (Path("/media"), Path("/srv"))),
        ("import_roots", "", ()),
    ],
)
def test_words_become_values(key: str, text: str, value: object) -> None:
    assert read_words(key, text) == value


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *(("trash_days", text) for text in ("-1", "x", "1.5", "36501", "²", "", "1" * 99)),
        *(("index_every_min", text) for text in ("10081", "1e3", "true")),
        *(("full_index_at", text) for text in ("24:00", "2", "", "02:30:00", "never")),
        *(("write_policy", text) for text in ("", "FILE", "files")),
        *(("daily_backup", text) for text in ("", "maybe", "2")),
        ("import_roots", "media"),
        ("import_roots", "/media\0"),
        ("time_zone", "Mars/Olympus"),
    ],
)
def test_words_that_are_no_value_are_refused(key: str, text: str) -> None:
    with pytest.raises(InvalidRequestError, match=key):
        read_words(key, text)


def test_a_key_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidRequestError, match="write_policy"):
        make_value("wrokers", 3)


# -- settings.toml -------------------------------------------------------------------------------


def test_what_a_person_wrote_into_the_file_stays_where_it_is() -> None:
    changed = change_toml(
        BY_HAND, {"import_roots": (Path("/a b"), Path('/"q"')), "draw_ahead": False}
    )
    assert (
        changed
        == BY_HAND.replace(
            '[\n    "/media",  # cards = none\n    "/srv/inbox",\n]', r'["/a b", "/\"q\""]'
        )
        + "\ndraw_ahead = false\n"
    )


@pytest.mark.parametrize(
    ("changes", "now"),
    [
        ({"time_zone": None}, {"time_zone": None}),
        ({"time_zone": ZoneInfo("UTC")}, {"time_zone": "UTC"}),
        ({"full_index_at": None}, {"full_index_at": "off"}),
        ({"full_index_at": time(4, 5)}, {"full_index_at": "04:05"}),
        ({"write_policy": WritePolicy.SIDECAR}, {"write_policy": "sidecar"}),
        ({"import_roots": (Path("/ä\x7f\\n"),)}, {"import_roots": ["/ä\x7f\\n"]}),
        ({"trash_days": 0, "workers": 2}, {"trash_days": 0, "workers": 2}),
    ],
)
def test_changed_values_are_read_back(changes: dict[str, Any], now: dict[str, Any]) -> None:
    wanted = {k: v for k, v in {**tomllib.loads(BY_HAND), **now}.items() if v is not None}
    assert tomllib.loads(change_toml(BY_HAND, changes)) == wanted
    assert set(changes) <= KINDS.keys()


@pytest.mark.parametrize(
    "text",
    ["trash_days", 'a = """\ntrash_days = 1\n"""\n', "[table]\ntrash_days = 1\n", "x = 1; y = 2"],
)
def test_a_file_that_cannot_be_changed_safely_is_left_to_its_owner(text: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"by hand|as TOML"):
        change_toml(text, {"trash_days": 5})


def test_a_new_file_is_for_its_owner_alone_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    change_settings(path, {"trash_days": 5})
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("trash_days = 5\n", 0o600)
    path.chmod(0o644)
    change_settings(path, {"trash_days": 6})
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("trash_days = 6\n", 0o644)
    before = path.stat().st_ino
    change_settings(path, {"trash_days": 6})
    assert path.stat().st_ino == before
    assert os.listdir(tmp_path) == ["settings.toml"]


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text("workers = 2\n")
    (tmp_path / "settings.toml").symlink_to("real.toml")
    change_settings(tmp_path / "settings.toml", {"workers": 3})
    assert (tmp_path / "settings.toml").is_symlink()
    assert (tmp_path / "real.toml").read_text() == "workers = 3\n"


@pytest.mark.parametrize(("number", "kind"), [(13, NotWritableError), (28, DiskFullError)])
def test_a_file_that_cannot_be_written_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "settings.toml"
    path.write_text("workers = 2\n")
    monkeypatch.setattr(settings_file, "replace_file", refuse)
    with pytest.raises(kind, match="Nothing was changed"):
        change_settings(path, {"workers": 3})
    assert path.read_text() == "workers = 2\n"


# -- the environment -----------------------------------------------------------------------------


def test_the_environment_wins_over_the_file_and_says_which_variable_it_was(tmp_path: Path) -> None:
    (tmp_path / ".library").mkdir()
    (tmp_path / ".library/settings.toml").write_text("trash_days = 5\ndraw_ahead = false\n")
    environment = {"LIGHTKEEP_TRASH_DAYS": "30", "LIGHTKEEP_WRITE_POLICY": "", "OTHER": "x"}
    settings = load_settings(tmp_path, environment=environment)
    assert (settings.trash_days, settings.draw_ahead) == (30, False)
    assert find_fixed(environment) == {"trash_days": "LIGHTKEEP_TRASH_DAYS"}


@pytest.mark.parametrize("key", VARIABLES)
def test_a_variable_that_says_nothing_that_can_be_is_named(tmp_path: Path, key: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        load_settings(tmp_path, environment={VARIABLES[key]: "?"})
    assert caught.value.message.startswith(f"{VARIABLES[key]}: ")
