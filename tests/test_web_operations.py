"""web/operations: long work is started, watched and cancelled."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pictures import make_jpeg
from werkzeug.test import TestResponse

import photo_listing
from app import create_app
from errors import FileProblem
from library import Library, open_library
from operation_runner import OperationContext
from operation_state import OperationType
from settings import load_settings
from web.operation_words import format_duration, sum_up
from web.operations import STREAMS

UPDATE_INDEX = {"type": "update_index"}
NO_BOOLEANS: tuple[object, ...] = (1, "1", "true", None, [])


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("LIGHTKEEP_DATA_DIR", raising=False)
        yield home


@pytest.fixture(scope="module")
def opened(home: Path) -> Iterator[Library]:
    make_jpeg(home / "photos/a.jpg", 1, date="2019:07:14 18:03:22")
    opened = open_library(load_settings(home / "photos"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def app(opened: Library) -> Flask:
    return create_app(library=opened)


@pytest.fixture
def client(app: Flask, opened: Library) -> Iterator[FlaskClient]:
    yield app.test_client()
    current = opened.runner.current()
    assert current is None or not current.is_active, "a test left its operation running"


@contextmanager
def running(opened: Library) -> Iterator[str]:
    """An operation that is under way, 3 of 10 files done, until the block is left."""
    go_on, begun = threading.Event(), threading.Event()

    def deed(context: OperationContext) -> dict[str, Any]:
        context.report_progress(phase="read", done=3, total=10)
        context.add_problem(FileProblem("<b>bad.jpg", "It is <i>broken</i>."))
        begun.set()
        while not go_on.wait(0.01):
            context.check()
        return {"added": 1, "changed": 0, "moved": 0, "missing": 0}

    operation_id = opened.runner.start(OperationType.UPDATE_INDEX, deed)
    try:
        assert begun.wait(10)
        yield operation_id
    finally:
        go_on.set()
        opened.runner.wait(operation_id, timeout=10)


def body(response: TestResponse) -> dict[str, Any]:
    assert isinstance(response.json, dict)
    return response.json


def events_of(response: TestResponse) -> list[dict[str, Any]]:
    """Every event of a stream, read to its end."""
    blocks = response.text.split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith(("data: ", ": ping")) for block in blocks)
    return [json.loads(block[6:]) for block in blocks if block.startswith("data: ")]


# -- start -------------------------------------------------------------------------------------


def test_an_index_is_started_and_can_be_asked_for(client: FlaskClient, opened: Library) -> None:
    response = client.post("/api/operations", json=UPDATE_INDEX)
    assert response.status_code == 202
    assert set(body(response)) == {"operation_id"}
    operation_id = body(response)["operation_id"]
    opened.runner.wait(operation_id, timeout=30)
    answer = client.get(f"/api/operations/{operation_id}")
    assert answer.status_code == 200
    ended = body(answer)
    assert (ended["operation_id"], ended["status"]) == (operation_id, "completed")
    assert (ended["operation_type"], ended["report"]["found"]) == ("update_index", 1)


@pytest.mark.parametrize(
    "request_body",
    [
        *({}, {"type": None}, {"type": "verify"}, {"type": ["update_index"]}, {"type": 1}),
        *({"type": "trash_photos"}, {"type": "update_index", "force": True}),
        *({"type": "verify_library", "budget_s": 0}, {"type": "verify_library", "budget_s": True}),
        *({"type": "update_index", "accept_missing": no_bool} for no_bool in NO_BOOLEANS),
    ],
)
def test_what_there_is_not_is_not_started(
    client: FlaskClient, opened: Library, request_body: dict[str, Any]
) -> None:
    before = body(client.get("/api/operations"))
    response = client.post("/api/operations", json=request_body)
    assert response.status_code == 400
    assert body(response)["error"]["code"] == "invalid_request"
    assert body(client.get("/api/operations")) == before


def test_an_index_may_be_asked_to_be_quick_and_a_rebuild_may_not(
    client: FlaskClient, opened: Library
) -> None:
    answer = client.post("/api/operations", json={"type": "update_index", "quick": True})
    operation_id = body(answer)["operation_id"]
    opened.runner.wait(operation_id, timeout=30)
    assert opened.get_operation(operation_id).parameters["quick"] is True
    assert "folders_passed" in (opened.runner.progress(operation_id).report or {})
    refused = client.post("/api/operations", json={"type": "rebuild_database", "quick": True})
    assert refused.status_code == 400


def test_a_second_one_is_told_that_one_runs(client: FlaskClient, opened: Library) -> None:
    with running(opened):
        response = client.post("/api/operations", json=UPDATE_INDEX)
        assert response.status_code == 409
        error = body(response)["error"]
        assert error["code"] == "busy"
        assert "3 of 10" in error["message"]


def test_a_form_starts_it_too_and_leads_back_to_the_page(
    client: FlaskClient, opened: Library
) -> None:
    before = len(body(client.get("/api/operations"))["operations"])
    response = client.post("/operations", data=UPDATE_INDEX)
    assert (response.status_code, response.headers["Location"]) == (303, "/")
    newest = body(client.get("/api/operations"))["operations"]
    assert len(newest) == before + 1
    assert opened.runner.wait(newest[0]["operation_id"], timeout=30).status == "completed"


def test_a_form_sent_twice_leads_to_the_page_that_shows_the_first(
    client: FlaskClient, opened: Library
) -> None:
    with running(opened) as operation_id:
        response = client.post("/operations", data=UPDATE_INDEX)
        assert response.status_code == 303
        page = client.get("/").text
        assert f'data-operation="{operation_id}"' in page
        assert "3 of 10 files" in page


def test_a_form_that_names_nothing_is_refused_with_a_page(client: FlaskClient) -> None:
    response = client.post("/operations", data={"type": "<script>"})
    assert (response.status_code, response.mimetype) == (400, "text/html")
    assert "<script>" not in response.text


def test_nothing_is_started_by_looking(client: FlaskClient) -> None:
    before = body(client.get("/api/operations"))
    assert client.get("/operations", query_string=UPDATE_INDEX).status_code == 200
    client.get("/api/operations", query_string=UPDATE_INDEX)
    assert body(client.get("/api/operations")) == before


# -- watch and cancel --------------------------------------------------------------------------


def test_the_newest_operation_stands_first_in_the_list(
    client: FlaskClient, opened: Library
) -> None:
    ids = []
    for _ in range(2):
        with running(opened) as operation_id:
            ids.append(operation_id)
            listed = body(client.get("/api/operations"))["operations"]
            assert (listed[0]["operation_id"], listed[0]["status"]) == (operation_id, "running")
    listed = body(client.get("/api/operations"))["operations"]
    assert [operation["operation_id"] for operation in listed[:2]] == ids[::-1]
    assert {operation["status"] for operation in listed[:2]} == {"completed"}


def test_what_runs_says_how_far_it_is(client: FlaskClient, opened: Library) -> None:
    with running(opened) as operation_id:
        now = body(client.get(f"/api/operations/{operation_id}"))
        assert (now["status"], now["phase"], now["done"], now["total"]) == (
            "running",
            "read",
            3,
            10,
        )
        assert now["problems"] == [{"path": "<b>bad.jpg", "reason": "It is <i>broken</i>."}]
        part = client.get(f"/operations/{operation_id}").text
        assert '<progress max="10" value="3"' in part
        assert "<html" not in part


def test_the_report_names_problems_as_text(client: FlaskClient, opened: Library) -> None:
    with running(opened) as operation_id:
        pass
    part = client.get(f"/operations/{operation_id}").text
    assert "1 file had problems" in part
    assert "&lt;b&gt;bad.jpg" in part
    assert "<i>" not in part


def test_a_cancelled_operation_ends_as_cancelled(client: FlaskClient, opened: Library) -> None:
    with running(opened) as operation_id:
        response = client.post(f"/api/operations/{operation_id}/cancel", json={})
        assert response.status_code == 202
        assert body(response)["operation_id"] == operation_id
        assert opened.runner.wait(operation_id, timeout=10).status == "cancelled"
    assert "Update of the index was cancelled." in client.get(f"/operations/{operation_id}").text


def test_cancelling_what_has_ended_changes_nothing(client: FlaskClient, opened: Library) -> None:
    with running(opened) as operation_id:
        pass
    client.post(f"/api/operations/{operation_id}/cancel")
    assert body(client.get(f"/api/operations/{operation_id}"))["status"] == "completed"


@pytest.mark.parametrize("path", ["", "/events", "/cancel"])
@pytest.mark.parametrize("operation_id", ["nobodys", "1", "%27--", "%00"])
def test_an_operation_that_is_not_there_is_not_found(
    client: FlaskClient, path: str, operation_id: str
) -> None:
    method = "POST" if path == "/cancel" else "GET"
    response = client.open(f"/api/operations/{operation_id}{path}", method=method)
    assert response.status_code == 404
    assert body(response)["error"]["code"] == "not_found"
    assert client.get(f"/operations/{operation_id}").mimetype == "text/html"


# -- events ------------------------------------------------------------------------------------


def test_events_tell_of_every_change_until_the_end(client: FlaskClient, opened: Library) -> None:
    with running(opened) as operation_id:
        response = client.get(f"/api/operations/{operation_id}/events")
        assert (response.status_code, response.mimetype) == (200, "text/event-stream")
        assert response.headers["Cache-Control"] == "no-store"
        first = next(iter(response.response))
        assert isinstance(first, bytes)
        assert json.loads(first.removeprefix(b"data: "))["done"] == 3
    events = events_of(response)
    response.close()
    assert events[-1]["status"] == "completed"
    assert events[-1]["report"]["added"] == 1
    assert all(event["operation_id"] == operation_id for event in events)


def test_the_events_of_what_has_ended_are_its_end(client: FlaskClient, opened: Library) -> None:
    with running(opened) as operation_id:
        pass
    response = client.get(f"/api/operations/{operation_id}/events")
    events = events_of(response)
    response.close()
    assert [event["status"] for event in events] == ["completed"]


def test_streams_are_few_and_a_closed_one_makes_room(client: FlaskClient, opened: Library) -> None:
    with running(opened) as operation_id:
        address = f"/api/operations/{operation_id}/events"
        streams = [client.get(address) for _ in range(STREAMS)]
        assert [stream.status_code for stream in streams] == [200] * STREAMS
        refused = client.get(address)
        assert refused.status_code == 503
        assert body(refused)["error"]["code"] == "too_many_streams"
        assert refused.headers["Retry-After"] == "2"
        streams.pop().close()
        streams.append(client.get(address))
        assert streams[-1].status_code == 200
        for stream in streams:
            stream.close()
        # HEAD has no stream to close, and holds no place for one.
        for _ in range(STREAMS + 1):
            client.head(address).close()
        last = client.get(address)
        assert last.status_code == 200
        last.close()


# -- the brake ---------------------------------------------------------------------------------


def test_after_the_brake_a_button_accepts_what_is_missing(home: Path) -> None:
    for number in range(3):
        make_jpeg(home / f"emptied/{number}.jpg", number)
    opened = open_library(load_settings(home / "emptied"))
    try:
        client = create_app(library=opened).test_client()
        opened.runner.wait(opened.start_update_index(), timeout=30)
        for photo in (home / "emptied").glob("*.jpg"):
            photo.unlink()
        stopped = body(client.post("/api/operations", json=UPDATE_INDEX))["operation_id"]
        assert opened.runner.wait(stopped, timeout=30).error_code == "brake"
        part = client.get(f"/operations/{stopped}").text
        assert "Update of the index stopped." in part
        assert "Accept the missing photos" in part
        assert 'name="accept_missing" value="1"' in part
        assert body(client.get("/api/photos"))["photos"]

        response = client.post("/operations", data=UPDATE_INDEX | {"accept_missing": "1"})
        assert response.status_code == 303
        newest = body(client.get("/api/operations"))["operations"][0]["operation_id"]
        assert opened.runner.wait(newest, timeout=30).status == "completed"
        assert body(client.get("/api/photos"))["photos"] == []
        with opened.database.reading() as connection:
            assert photo_listing.count_photos(connection).missing == 3
    finally:
        opened.close()


# -- what a person is asked, and reads later ---------------------------------------------------


@pytest.mark.parametrize("operation_type", ["verify_library", "rebuild_database"])
def test_work_that_takes_long_says_first_what_it_does(
    client: FlaskClient, opened: Library, operation_type: str
) -> None:
    address = f"/operations/start/{operation_type}"
    before = len(opened.list_operations())
    page = client.get(address)
    assert f'name="type" value="{operation_type}"' in page.text
    assert "only read" in page.text
    assert "disabled" not in page.text
    assert len(opened.list_operations()) == before
    assert f'href="{address}"' in client.get("/").text
    with running(opened):
        busy = client.get(address).text
    assert "Updating the index is under way" in busy
    assert "disabled" in busy


@pytest.mark.parametrize("name", ["update_index", "trash_photos", "x"])
def test_only_these_two_have_such_a_page(client: FlaskClient, name: str) -> None:
    assert client.get(f"/operations/start/{name}").status_code == 404


def test_a_form_may_give_a_verification_a_time(client: FlaskClient, opened: Library) -> None:
    form = {"type": "verify_library", "budget_s": "600"}
    assert client.post("/operations", data=form).status_code == 303
    newest = opened.list_rows()[0]
    assert opened.runner.wait(newest.operation_id, timeout=30).status == "completed"
    assert newest.operation_type == "verify_library"
    assert newest.parameters["budget_s"] == 600


@pytest.mark.parametrize("budget", ["0", "-1", "1.5", "x", "²", "9" * 9, "1e3"])
def test_a_time_that_is_none_is_refused(client: FlaskClient, opened: Library, budget: str) -> None:
    before = len(opened.list_operations())
    response = client.post("/operations", data={"type": "verify_library", "budget_s": budget})
    assert response.status_code == 400
    assert len(opened.list_operations()) == before


def test_a_form_cancels_what_runs_and_leaves_alone_what_has_ended(
    client: FlaskClient, opened: Library
) -> None:
    with running(opened) as operation_id:
        assert f'action="/operations/{operation_id}/cancel"' in client.get("/").text
        assert client.post(f"/operations/{operation_id}/cancel").status_code == 303
        assert opened.runner.wait(operation_id, timeout=10).status == "cancelled"
    assert client.post(f"/operations/{operation_id}/cancel").status_code == 303
    assert client.post("/operations/nobodys/cancel").status_code == 404


def test_an_operation_says_when_it_began_and_ended_and_its_phase_in_words(
    client: FlaskClient, opened: Library
) -> None:
    with running(opened) as operation_id:
        now = body(client.get(f"/api/operations/{operation_id}"))
        assert now["phase_words"] == "reading files"
        assert now["ended_at"] is None
        card = client.get("/").text
        assert "reading files · 3 of 10 files" in card
        assert "&lt;b&gt;bad.jpg" in card
    ended = body(client.get(f"/api/operations/{operation_id}"))
    assert ended["started_at"] == now["started_at"]
    assert ended["ended_at"] > ended["started_at"]


def test_the_list_tells_what_runs_what_failed_and_what_can_be_resumed(
    client: FlaskClient, opened: Library
) -> None:
    with running(opened) as paused:
        opened.runner.pause(paused)
        opened.runner.wait(paused, timeout=10)
    resume = f'action="/operations/{paused}/resume"'
    assert resume in client.get("/operations").text
    with running(opened) as operation_id:
        page = client.get("/operations").text
        assert f'action="/operations/{operation_id}/cancel"' in page
        assert resume not in page
    assert client.post(f"/operations/{paused}/discard").status_code == 303
    assert resume not in client.get("/operations").text


def test_a_report_shows_names_of_files_as_text(client: FlaskClient, opened: Library) -> None:
    with running(opened) as operation_id:
        pass
    report = client.get(f"/operations/{operation_id}/report").text
    assert "1 file had problems" in report
    assert "&lt;b&gt;bad.jpg" in report
    assert "<i>" not in report


def test_rows_of_an_older_app_are_listed_and_have_a_report(
    client: FlaskClient, opened: Library
) -> None:
    with opened.database.transaction() as connection:
        connection.execute(
            "INSERT INTO operation_state VALUES"
            " ('old', 'rebuild', 'running', 'long ago', '2023', '[1]', '{\"read\": 3}', NULL)"
        )
    try:
        assert "rebuild" in client.get("/operations").text
        assert client.get("/operations/old/report").status_code == 200
        assert client.post("/operations/old/resume").status_code == 400
        assert "was interrupted" not in client.get("/").text
    finally:
        with opened.database.transaction() as connection:
            connection.execute("DELETE FROM operation_state WHERE operation_id = 'old'")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0.2, "about 1 second"), (45, "about 45 seconds"), (89, "about 89 seconds")),
        *((90, "about 2 minutes"), (5399, "about 90 minutes"), (7200, "about 2 hours")),
    ],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


def test_a_report_is_summed_up_in_a_few_words() -> None:
    assert sum_up({"added": 1200, "changed": 0, "moved": 3, "missing": 0}) == "1,200 added, 3 moved"
    assert sum_up({"added": 0}) == "nothing had changed"
    assert sum_up(None) == ""
    none = dict.fromkeys(("changed_by_us", "changed", "replaced", "unreadable", "missing"), 0)
    verified = {**none, "checked": 9, "intact": 8, "bit_rot": 1}
    assert sum_up(verified) == "8 of 9 intact, 1 rotten"
