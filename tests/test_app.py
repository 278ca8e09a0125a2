"""app: the parts joined into one application, and what stops it from serving."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from pictures import make_jpeg

import app as app_room
from app import create_app, serve
from errors import LibraryError, LibraryInUseError, LibraryNotFoundError
from library import Library, open_library
from settings import Settings, load_settings
from web.common import EXTENSION


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, so that no test touches what this user remembers."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    names = ("XDG_STATE_HOME", "XDG_DATA_HOME", "LIGHTKEEP_LIBRARY", "LIGHTKEEP_DATA_DIR")
    for name in (*names, "LIGHTKEEP_PORT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    make_jpeg(tmp_path / "photos/a.jpg", 1, date="2019:07:14 18:03:22")
    return load_settings(tmp_path / "photos")


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def _library(app: Flask) -> Library:
    library = app.extensions[EXTENSION]
    assert isinstance(library, Library)
    return library


def _wait_for_index(library: Library) -> None:
    newest = library.list_operations()[0]
    assert library.runner.wait(newest.operation_id, timeout=30).status == "completed"


def test_an_application_opens_its_library_and_indexes_it(settings: Settings) -> None:
    app = create_app(settings)
    library = _library(app)
    try:
        _wait_for_index(library)
        answer = app.test_client().get("/api/photos").json
        assert answer is not None
        assert [photo["current_path"] for photo in answer["photos"]] == ["a.jpg"]
    finally:
        library.close()


def test_without_settings_it_is_the_library_of_the_environment(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTKEEP_LIBRARY", str(settings.library))
    library = _library(create_app())
    try:
        assert library.settings.library == settings.library
        _wait_for_index(library)
    finally:
        library.close()


def test_a_library_that_is_given_is_served_as_it_is(settings: Settings) -> None:
    library = open_library(settings)
    try:
        app = create_app(library=library)
        assert _library(app) is library
        assert library.list_operations() == []
        response = app.test_client().get("/healthz")
        assert (response.status_code, response.json) == (200, {"status": "ok"})
        assert "Set-Cookie" not in response.headers
    finally:
        library.close()


def test_what_is_no_library_makes_no_application(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(LibraryNotFoundError, match="There is no folder"):
        create_app(load_settings(tmp_path / "typo"))
    library = open_library(settings)
    try:
        with pytest.raises(LibraryInUseError):
            create_app(settings)
    finally:
        library.close()


def test_only_these_addresses_change_anything(settings: Settings) -> None:
    library = open_library(settings)
    try:
        rules = list(create_app(library=library).url_map.iter_rules())
    finally:
        library.close()
    answers = "<any(resume, start_over, discard):deed>"
    changing = {rule.rule for rule in rules if (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}}
    assert changing == {
        *("/operations", "/api/operations", "/api/operations/<operation_id>/cancel"),
        *("/operations/<operation_id>/cancel", "/login", "/logout"),
        *(f"{place}/<operation_id>/{answers}" for place in ("/operations", "/api/operations")),
        *(f"{place}/<operation_id>/undo" for place in ("/operations", "/api/operations")),
        *(f"{place}/<int:edit_id>/undo" for place in ("/edits", "/api/edits")),
        *(f"{place}/<int:photo_id>/favorite" for place in ("/photo", "/api/photo")),
        *("/api/photos/bulk-favorite", "/ratings/keep", "/api/photos/date"),
        *("/api/import/files", "/import/files", "/import/plan", "/import/start"),
        "/import/plan/<plan_id>/stop",
        *("/api/photos/trash", "/api/photos/restore", "/api/trash/purge", "/trash/empty"),
        *("/trash/restore", "/trash/delete"),
        *("/settings", "/settings/backup", "/settings/tokens", "/settings/tokens/revoke"),
        *("/settings/password", "/settings/password/remove"),
        *("/photo/<int:photo_id>/trash", "/duplicates/merge", "/api/duplicates/merge"),
    }
    assert {rule.rule for rule in rules} >= {"/", "/months/<key>", "/photo/<int:photo_id>"}


def test_a_port_that_is_taken_is_said_before_the_library_is_touched(
    settings: Settings, taken_port: int
) -> None:
    with pytest.raises(LibraryError) as caught:
        serve(replace(settings, port=taken_port))
    assert f"Port {taken_port} on 127.0.0.1 cannot be used" in caught.value.message
    assert "--port" in caught.value.message
    assert caught.value.exit_status == 2
    assert not settings.data_dir.exists()


def test_behind_the_last_port_there_is_none_to_advise(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(LibraryError) as caught:
        serve(replace(settings, port=65535))
    assert "65536" not in caught.value.message


def test_a_library_that_does_not_open_gives_the_port_back(tmp_path: Path, taken_port: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free_port = probe.getsockname()[1]
    settings = load_settings(tmp_path / "typo", port=free_port)
    with pytest.raises(LibraryNotFoundError):
        serve(settings)
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", free_port))
        again.listen()


@pytest.mark.parametrize("port", ["", "x", "0", "-1", "65536", "5001.0", "²", " 5001"])
def test_a_port_that_is_none_is_refused_in_words(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    port: str,
) -> None:
    monkeypatch.setenv("LIGHTKEEP_PORT", port)
    assert app_room.main([str(settings.library)]) == 2
    said = capsys.readouterr().err
    assert said == f"lightkeep: LIGHTKEEP_PORT is no port: {port!r}.\n"


def test_a_start_that_fails_says_why_and_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("LIGHTKEEP_PORT", str(probe.getsockname()[1]))
    assert app_room.main([str(tmp_path / "typo")]) == 2
    said = capsys.readouterr().err
    assert "There is no folder" in said
    assert "Traceback" not in said
