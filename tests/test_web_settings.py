"""web/settings_page: what the settings page shows, keeps, refuses, and how it takes effect."""

from __future__ import annotations

import dataclasses
import re
import stat
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pictures import make_jpeg
from werkzeug.test import TestResponse

from app import create_app
from library import Library, open_library
from login_throttle import LoginThrottle
from schedule import Deed
from settings import load_settings
from settings_values import WritePolicy

PASSWORD, OTHER = "correct horse", "battery staple"
OURS = {"Origin": "http://localhost"}


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    make_jpeg(home / "photos/a.jpg", 1, date="2019:07:14 18:03:22")
    opened = open_library(load_settings(home / "photos"))
    opened.runner.wait(opened.start_update_index(), timeout=30)
    yield opened
    opened.close()


@pytest.fixture
def app(library: Library) -> Flask:
    return create_app(library=library)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def post(client: FlaskClient, path: str = "", **form: Any) -> TestResponse:
    return client.post(f"/settings{path}", data=form, headers=OURS)


def read_file(library: Library) -> dict[str, Any]:
    path = library.settings.data_dir / "settings.toml"
    return tomllib.loads(path.read_text()) if path.exists() else {}


def find_error(answer: TestResponse, name: str) -> str | None:
    found = re.search(rf'id="{name}-error">([^<]+)<', answer.text)
    return found[1] if found else None


# -- values --------------------------------------------------------------------------------------


def test_the_page_shows_the_library_and_every_setting_with_its_help(client: FlaskClient) -> None:
    page = client.get("/settings").text
    assert "/home/photos</dd>" in page
    for key in ("time_zone", "import_roots", "trash_days", "draw_ahead", "daily_backup"):
        assert f'id="{key}-help"' in page
    assert page.count('name="write_policy"') == 3
    assert 'href="/settings"' in client.get("/").text


def test_saved_values_are_kept_in_the_file_and_hold_at_once(
    client: FlaskClient, library: Library
) -> None:
    library.begin_schedule()
    edits, backups = library.dates, library._daily_backup
    answer = post(
        client,
        time_zone="Asia/Tokyo",
        write_policy="both",
        import_roots="/media\r\n\r\n /srv/in:box \r\n",
        trash_days="30",
        draw_ahead="no",
        index_every_min="0",
        full_index="yes",
        full_index_at="03:45",
        verify_weekly_min="0",
        daily_backup="no",
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/settings?saved=values")
    assert "The settings are saved." in client.get("/settings?saved=values").text
    assert read_file(library) == {
        "time_zone": "Asia/Tokyo",
        "write_policy": "both",
        "import_roots": ["/media", "/srv/in:box"],
        "trash_days": 30,
        "draw_ahead": False,
        "index_every_min": 0,
        "full_index_at": "03:45",
        "verify_weekly_min": 0,
        "daily_backup": False,
    }
    path = library.settings.data_dir / "settings.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = load_settings(library.settings.library)
    assert library.settings == again
    assert (again.write_policy, again.full_index_at) == (WritePolicy.BOTH, time(3, 45))
    planned = {one.deed: one for one in library.list_planned()}
    assert [planned[deed].every for deed in Deed] == [None, 86_400.0, None, None]
    full = planned[Deed.FULL_INDEX].next
    assert full
    assert full.utcoffset() == timedelta(hours=9)
    assert library.dates is not edits
    assert (library.dates.time_zone, library.edit_undo.time_zone) == (again.time_zone,) * 2
    assert (backups is not None, library._daily_backup) == (True, None)
    assert library._aged_purge._days == 30


def test_what_is_saved_unchanged_writes_no_file(client: FlaskClient, library: Library) -> None:
    form = {"time_zone": "machine", "trash_days": "0", "import_roots": "", "daily_backup": "yes"}
    assert post(client, **form).status_code == 303
    assert read_file(library) == {}


def test_a_time_zone_goes_back_to_the_servers(client: FlaskClient, library: Library) -> None:
    before = library.settings
    post(client, time_zone="Pacific/Chatham")
    assert library.settings.time_zone.key == "Pacific/Chatham"
    post(client, time_zone="machine")
    assert (read_file(library), library.settings) == ({}, before)


def test_what_cannot_be_stands_beside_its_field_with_what_was_typed(
    client: FlaskClient, library: Library
) -> None:
    before = library.settings
    wrong = {
        "trash_days": "a week",
        "index_every_min": "-1",
        "verify_weekly_min": "1441",
        "full_index_at": "25:00",
        "import_roots": "/media\ninbox",
        "time_zone": "Mars/Olympus",
        "write_policy": "nowhere",
        "draw_ahead": "no",
    }
    answer = post(client, **wrong)
    assert answer.status_code == 400
    for key in set(wrong) - {"draw_ahead"}:
        assert find_error(answer, key), key
    assert find_error(answer, "draw_ahead") is None
    assert find_error(answer, "trash_days") == "This is a whole number from 0 to 36,500."
    assert answer.text.count(" autofocus") == 1
    assert 'value="a week"' in answer.text
    assert "/media\ninbox</textarea>" in answer.text
    assert 'value="yes" checked aria-describedby="draw_ahead' not in answer.text
    assert (library.settings, read_file(library)) == (before, {})


def test_days_that_would_delete_at_once_are_asked_about_first(
    client: FlaskClient, library: Library
) -> None:
    with library.database.reading() as connection:
        photo_id = connection.execute("SELECT id FROM photos").fetchone()[0]
    library.finish(library.start_trash([photo_id]))
    old = (datetime.now(UTC) - timedelta(days=40)).isoformat(timespec="microseconds")
    with library.database.transaction() as connection:
        connection.execute("UPDATE deleted_photos SET deleted_at = ?", (old,))
    answer = post(client, trash_days="30")
    assert answer.status_code == 400
    assert "1 photo has lain in the trash that long" in answer.text
    assert 'name="delete_aged" value="30"' in answer.text
    assert library.settings.trash_days == 0
    # The answer is to that number, and to no other.
    assert post(client, trash_days="20", delete_aged="30").status_code == 400
    assert post(client, trash_days="50", delete_aged="30").status_code == 303
    assert library.count_aged(50) == 0
    assert post(client, trash_days="30", delete_aged="30").status_code == 303
    assert library.settings.trash_days == 30


def test_what_the_environment_decides_is_shown_as_fixed_and_left_alone(
    client: FlaskClient, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTKEEP_TRASH_DAYS", "7")
    page = client.get("/settings").text
    assert "Fixed by <code>LIGHTKEEP_TRASH_DAYS</code>" in page
    assert re.search(r'<input id="trash_days"[^>]* disabled', page)
    assert post(client, trash_days="30", draw_ahead="no").status_code == 303
    assert read_file(library) == {"draw_ahead": False}
    assert library.settings.trash_days == 0


def test_a_settings_file_that_cannot_be_changed_is_said_on_the_page(
    client: FlaskClient, library: Library
) -> None:
    path = library.settings.data_dir / "settings.toml"
    path.write_text("trash_days = {")
    answer = post(client, trash_days="30")
    assert answer.status_code == 400
    assert "Nothing was changed." in answer.text
    assert 'name="trash_days" value="30"' in answer.text
    assert (library.settings.trash_days, path.read_text()) == (0, "trash_days = {")


def test_pictures_are_drawn_ahead_only_where_that_is_wanted(
    client: FlaskClient, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(library, "prepare_thumbnails", lambda photos: asked.append(len(photos)))
    for wanted in ("no", "yes"):
        post(client, draw_ahead=wanted)
        library.runner.wait(library.start_update_index(), timeout=30)
    assert asked == [1]


# -- backups -------------------------------------------------------------------------------------


def test_a_backup_is_made_by_the_button(client: FlaskClient, library: Library) -> None:
    before = len(library.list_backups())
    assert post(client, "/backup").headers["Location"] == "/settings?saved=backup"
    assert len(library.list_backups()) == before + 1
    assert library.list_backups()[-1].reason == "by hand"
    assert f"{before + 1} backup" in client.get("/settings").text


def test_a_backup_that_fails_says_why(client: FlaskClient, library: Library) -> None:
    folder = library.settings.data_dir / "backups"
    if folder.exists():
        folder.rename(folder.with_name("away"))
    folder.write_text("in the way")
    answer = post(client, "/backup")
    assert answer.status_code >= 400
    assert find_error(answer, "backup")


# -- sign-in -------------------------------------------------------------------------------------


def test_a_password_is_set_changed_and_removed(
    client: FlaskClient, app: Flask, library: Library
) -> None:
    set_first = post(client, "/password", new=PASSWORD, again=PASSWORD)
    assert set_first.headers["Location"] == "/settings?saved=password"
    assert library.accounts.has_password()
    # This browser stays signed in, no other is.
    assert client.get("/settings").status_code == 200
    stranger = app.test_client()
    assert stranger.get("/settings").status_code == 401
    assert post(stranger, "/password", new=OTHER, again=OTHER).status_code == 401
    refused = post(client, "/password", current="wrong one", new=OTHER, again=OTHER)
    assert find_error(refused, "current") == "That is not the password."
    key = library.accounts.sign_in(PASSWORD, "10.0.0.9")
    assert key
    assert post(client, "/password", current=PASSWORD, new=OTHER, again=OTHER).status_code == 303
    assert not library.accounts.use_session(key)
    assert client.get("/settings").status_code == 200
    assert find_error(post(client, "/password/remove", old=PASSWORD), "old")
    assert post(client, "/password/remove", old=OTHER).status_code == 303
    assert not library.accounts.has_password()
    assert stranger.get("/settings").status_code == 200


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ({"new": "short", "again": "short"}, "new"),
        ({"new": "x" * 1025, "again": "x" * 1025}, "new"),
        ({"new": PASSWORD, "again": OTHER}, "again"),
        ({}, "new"),
    ],
)
def test_a_password_that_cannot_be_is_said_beside_its_field_and_never_shown_again(
    client: FlaskClient, library: Library, form: dict[str, str], name: str
) -> None:
    answer = post(client, "/password", **form)
    assert answer.status_code == 400
    assert find_error(answer, name)
    assert PASSWORD not in answer.text
    assert not library.accounts.has_password()


def test_guesses_in_the_form_are_slowed_down_as_those_of_the_login_page(
    client: FlaskClient, library: Library
) -> None:
    post(client, "/password", new=PASSWORD, again=PASSWORD)
    library.accounts._throttle = LoginThrottle()
    statuses = {
        post(client, "/password/remove", old=f"wrong {number}").status_code for number in range(12)
    }
    assert statuses == {400, 429}
    assert library.accounts.has_password()


@pytest.mark.parametrize("reach", ["host", "allowed_hosts"])
def test_a_library_that_others_can_reach_keeps_its_password(
    client: FlaskClient, library: Library, reach: str
) -> None:
    post(client, "/password", new=PASSWORD, again=PASSWORD)
    more: dict[str, Any] = {"host": {"host": "0.0.0.0"}}.get(reach, {reach: ("nas.local",)})
    library.settings = dataclasses.replace(library.settings, **more)
    assert "It cannot be removed" in client.get("/settings").text
    assert post(client, "/password/remove", old=PASSWORD).status_code == 400
    assert library.accounts.has_password()


def test_a_token_is_shown_once_works_and_is_revoked(
    client: FlaskClient, app: Flask, library: Library
) -> None:
    post(client, "/password", new=PASSWORD, again=PASSWORD)
    answer = post(client, "/tokens", name="photo frame")
    token = re.findall(r'class="setting-token" value="([\w-]{43})"', answer.text)[0]
    assert answer.headers["Cache-Control"] == "no-store"
    page = client.get("/settings").text
    assert token not in page
    assert "photo frame" in page
    bearer = {"Authorization": f"Bearer {token}"}
    program = app.test_client()
    assert program.get("/api/photos", headers=bearer).status_code == 200
    again = post(client, "/tokens", name="photo frame")
    assert "There is a token" in str(find_error(again, "name"))
    assert "--revoke" not in again.text
    assert post(client, "/tokens", name=" ").status_code == 400
    assert post(client, "/tokens/revoke", name="photo frame").status_code == 303
    assert program.get("/api/photos", headers=bearer).status_code == 401
    assert post(client, "/tokens/revoke", name="photo frame").status_code == 404


def test_a_token_changes_neither_the_password_nor_tokens(app: Flask, library: Library) -> None:
    library.accounts.set_password(PASSWORD)
    bearer = {"Authorization": f"Bearer {library.accounts.add_token('frame')}"}
    program = app.test_client()
    before = (library.settings.data_dir / "accounts.json").read_bytes()
    for path in ("/password", "/password/remove", "/tokens", "/tokens/revoke"):
        form = {"name": "frame", "new": OTHER, "again": OTHER, "current": PASSWORD, "old": PASSWORD}
        assert program.post(f"/settings{path}", data=form, headers=bearer).status_code == 403
    assert (library.settings.data_dir / "accounts.json").read_bytes() == before
    assert "Sign-in" not in program.get("/settings", headers=bearer).text


@pytest.mark.parametrize("path", ["", "/password", "/password/remove", "/tokens", "/backup"])
def test_no_page_of_another_site_changes_a_setting(
    client: FlaskClient, library: Library, path: str
) -> None:
    answer = client.post(
        f"/settings{path}",
        data={"trash_days": "1", "new": PASSWORD, "again": PASSWORD, "name": "x"},
        headers={"Origin": "https://evil.example"},
    )
    assert answer.status_code == 403
    assert (read_file(library), library.accounts.has_password()) == ({}, False)
