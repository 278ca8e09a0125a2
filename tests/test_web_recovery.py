"""The question about interrupted work, and the page of a damaged database."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pictures import make_jpeg

import operation_state
from app import _Served, create_app
from errors import DatabaseDamagedError, DatabaseRefusedError, LibraryError
from library import Library, open_library
from operation_state import CheckpointHelper, OperationStatus, OperationType
from settings import Settings, load_settings


@pytest.fixture
def settings(home: Path) -> Settings:
    make_jpeg(home / "photos/a.jpg", 1, date="2019:07:14 18:03:22")
    return load_settings(home / "photos")


def interrupt(settings: Settings, operation_type: OperationType, **parameters: Any) -> str:
    """Leave an operation at 40 of 100 files, as a process does that is killed."""
    library = open_library(settings)
    index(library)
    with library.database.transaction() as connection:
        operation = operation_state.create_operation(connection, operation_type, parameters)
        operation_state.set_status(connection, operation.operation_id, OperationStatus.RUNNING)
        helper = CheckpointHelper(operation.operation_id, parameters)
        helper.begin_phase("build", 100)
        helper.advance(40, 4000)
        helper.save(connection)
    library.close()
    return operation.operation_id


def index(library: Library) -> None:
    progress = library.runner.wait(library.start_update_index(), timeout=60)
    assert progress.status == "completed", progress.message


@pytest.fixture
def interrupted(settings: Settings) -> str:
    return interrupt(settings, OperationType.REBUILD_DATABASE)


@pytest.fixture
def opened(settings: Settings, interrupted: str) -> Iterator[Library]:
    library = open_library(settings)
    yield library
    library.close()


@pytest.fixture
def client(opened: Library) -> FlaskClient:
    return create_app(library=opened).test_client()


def body(response: Any) -> dict[str, Any]:
    answer: dict[str, Any] = response.json
    return answer


def test_the_page_asks_about_what_was_interrupted(client: FlaskClient, interrupted: str) -> None:
    page = client.get("/").text
    dialog = re.search(r"<dialog class=\"resume\".*?</dialog>", page, re.DOTALL)
    assert dialog is not None
    assert "Rebuild of the database was interrupted" in dialog[0]
    assert "40 of 100 files" in dialog[0]
    assert '<progress max="100" value="40"' in dialog[0]
    for deed in ("resume", "start_over", "discard"):
        assert f'action="/operations/{interrupted}/{deed}"' in dialog[0]


@pytest.mark.parametrize("deed", ["resume", "start_over", "discard"])
def test_every_answer_leads_back_to_the_photos_and_is_not_asked_again(
    client: FlaskClient, opened: Library, interrupted: str, deed: str
) -> None:
    response = client.post(f"/operations/{interrupted}/{deed}")
    assert (response.status_code, response.headers["Location"]) == (303, "/")
    running = opened.runner.current()
    if running:
        opened.runner.wait(running.operation_id, timeout=60)
    assert "was interrupted" not in client.get("/").text
    statuses = {one.operation_id: one.status for one in opened.list_rows()}
    ended = OperationStatus.COMPLETED if deed == "resume" else OperationStatus.CANCELLED
    assert statuses[interrupted] == ended
    rebuilds = [one for one in opened.list_rows() if one.operation_type == "rebuild_database"]
    assert len(rebuilds) == (2 if deed == "start_over" else 1)


def test_programs_resume_by_the_api_and_what_has_ended_is_refused(
    client: FlaskClient, opened: Library, interrupted: str
) -> None:
    response = client.post(f"/api/operations/{interrupted}/resume")
    assert (response.status_code, body(response)) == (202, {"operation_id": interrupted})
    opened.runner.wait(interrupted, timeout=60)
    for deed in ("resume", "discard", "start_over"):
        again = client.post(f"/api/operations/{interrupted}/{deed}")
        assert again.status_code == 400, deed
    assert client.post("/api/operations/none/resume").status_code == 404


def test_figures_of_before_are_kept_by_a_resume(
    client: FlaskClient, opened: Library, interrupted: str
) -> None:
    client.post(f"/api/operations/{interrupted}/resume")
    opened.runner.wait(interrupted, timeout=60)
    assert opened.get_operation(interrupted).metrics["build"]["files"] >= 40


def test_a_start_asks_before_it_indexes(settings: Settings, interrupted: str) -> None:
    served = _Served(settings)
    served.open()
    try:
        assert served._library is not None
        assert served._library.runner.current() is None
        assert [one.operation_id for one in served._library.list_interrupted()] == [interrupted]
    finally:
        served.close()


def test_reports_can_be_opened_later(
    client: FlaskClient, opened: Library, interrupted: str
) -> None:
    client.post(f"/operations/{interrupted}/resume")
    opened.runner.wait(interrupted, timeout=60)
    listed = client.get("/operations").text
    assert f'href="/operations/{interrupted}/report"' in listed
    report = client.get(f"/operations/{interrupted}/report").text
    assert "Rebuild of the database" in report
    assert "reading files into a new database" in report
    assert "1 say the same" in report
    operation_id = opened.start_operation(OperationType.VERIFY_LIBRARY)
    opened.runner.wait(operation_id, timeout=60)
    assert "intact" in client.get(f"/operations/{operation_id}/report").text
    assert client.get("/operations/none/report").status_code == 404


# -- a damaged database ------------------------------------------------------------------------


def test_a_damaged_database_has_one_page_with_one_button(settings: Settings) -> None:
    library = open_library(settings)
    index(library)
    library.back_up("test")
    library.close()
    settings.database_path.write_bytes(b"rubbish" * 999)
    served = _Served(settings)
    served.open()
    try:
        client = served._app.test_client()  # type: ignore[union-attr]
        page = client.get("/")
        assert page.status_code == 503
        assert "The database is damaged" in page.text
        assert "with 1 photo." in page.text
        assert client.get("/api/photos").status_code == 503
        assert client.get("/healthz").status_code == 503
        # As Chromium sends it: its most exact format is none that people read.
        accept = "text/html,application/xml;q=0.9,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
        bookmark = client.get("/photo/1", headers={"Accept": accept})
        assert (bookmark.status_code, bookmark.headers["Location"]) == (302, "/")
        forged = client.post("/recover", headers={"Origin": "http://evil.example"})
        assert forged.status_code == 403
        assert client.post("/recover").status_code == 303
        assert served._library is not None
        restored = served._app.test_client()  # type: ignore[union-attr]
        assert restored.get("/").status_code == 200
        photos = json.loads(restored.get("/api/photos").text)["photos"]
        assert [photo["current_path"] for photo in photos] == ["a.jpg"]
    finally:
        served.close()
    kept = [path for path in settings.data_dir.iterdir() if path.name.startswith("damaged-")]
    assert len(kept) == 1


def test_a_database_that_is_another_programs_is_no_case_for_the_page(settings: Settings) -> None:
    settings.data_dir.mkdir()
    connection = sqlite3.connect(settings.database_path)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    with pytest.raises(DatabaseRefusedError):
        _Served(settings).open()


@pytest.mark.parametrize("code", ["SQLITE_FULL", "SQLITE_IOERR", "SQLITE_BUSY", "SQLITE_CANTOPEN"])
def test_what_is_no_damage_is_never_answered_with_a_restore(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    library = open_library(settings)
    index(library)
    library.close()
    before = settings.database_path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError(code)
        error.sqlite_errorcode = getattr(sqlite3, code)
        raise error

    monkeypatch.setattr("db.connect", fail)
    with pytest.raises((LibraryError, sqlite3.Error)) as caught:
        _Served(settings).open()
    assert not isinstance(caught.value, DatabaseDamagedError)
    assert settings.database_path.read_bytes() == before


def test_damage_that_shows_while_it_is_served_names_the_remedy(client: FlaskClient) -> None:
    def fail(*_: object) -> str:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    client.application.view_functions["photos.list_photos"] = fail
    response = client.get("/api/photos")
    assert response.status_code == 503
    assert body(response)["error"]["code"] == "database_damaged"
    assert "./lightkeep recover" in body(response)["error"]["message"]
