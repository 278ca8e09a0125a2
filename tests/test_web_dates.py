"""web.dates: capture dates over HTTP, planned and changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from edit_box import EditBox, needs_exiftool, opened_box
from flask.testing import FlaskClient
from pictures import make_jpeg
from werkzeug.test import TestResponse

from app import create_app

pytestmark = needs_exiftool
URL = "/api/photos/date"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditBox]:
    """Each test leaves it as it was."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.delenv("XDG_STATE_HOME", raising=False)
        root = home / "photos"
        make_jpeg(root / "a.jpg", 1, date="2019:07:14 18:03:22")
        make_jpeg(root / "b.jpg", 2, date="2019:07:14 17:00:00")
        make_jpeg(root / "2018-05-06/scan.jpg", 3)
        with opened_box(root) as box:
            yield box


@pytest.fixture
def client(box: EditBox) -> FlaskClient:
    return create_app(library=box.library).test_client()


def body(answer: TestResponse) -> dict[str, Any]:
    assert isinstance(answer.json, dict)
    return answer.json


def ask(box: EditBox, *paths: str, **words: object) -> dict[str, Any]:
    return {"photo_ids": [box.photo(path).id for path in paths], **words}


def test_a_dry_run_says_the_dates_and_writes_nothing(box: EditBox, client: FlaskClient) -> None:
    before = box.hashes()
    sent = ask(box, "a.jpg", "b.jpg", "2018-05-06/scan.jpg", mode="shift", value="+1h")
    dates = body(client.post(f"{URL}?dry_run=1", json=sent))["dates"]
    assert [(one["path"], one["before"], one["after"]) for one in dates] == [
        ("b.jpg", "2019-07-14T17:00:00", "2019-07-14T18:00:00"),
        ("a.jpg", "2019-07-14T18:03:22", "2019-07-14T19:03:22"),
        ("2018-05-06/scan.jpg", None, None),
    ]
    assert "no date that could be shifted" in dates[2]["problem"]
    assert box.hashes() == before


def test_a_suggestion_says_where_it_comes_from(box: EditBox, client: FlaskClient) -> None:
    sent = ask(box, "2018-05-06/scan.jpg", mode="suggested")
    (one,) = body(client.post(f"{URL}?dry_run=1", json=sent))["dates"]
    assert (one["after"], one["source"]) == ("2018-05-06T12:00:00", "folder")


def test_dates_are_changed_by_an_operation_that_can_be_taken_back(
    box: EditBox, client: FlaskClient
) -> None:
    before = box.hashes()
    sent = ask(box, "a.jpg", "b.jpg", mode="sequence", value="2020-01-01 12:00:00", step="+1d")
    answer = client.post(URL, json=sent)
    assert answer.status_code == 202
    operation_id = body(answer)["operation_id"]
    assert box.library.runner.wait(operation_id, timeout=60).status == "completed"
    assert box.photo("a.jpg").date_taken == "2020-01-02T12:00:00"
    edit = next(one for one in body(client.get("/api/edits"))["edits"] if one["path"] == "a.jpg")
    assert (edit["kind"], edit["operation_id"]) == ("date", operation_id)
    assert edit["before"]["date_taken"] == "2019-07-14T18:03:22"
    assert edit["after"]["date_taken"] == "2020-01-02T12:00:00"
    page = client.get("/edits").text
    assert "2 photos with another date" in page
    assert "July 14, 2019, 18:03:22 → January 2, 2020, 12:00:00" in page
    undo = body(client.post(f"/api/operations/{operation_id}/undo"))["operation_id"]
    assert box.library.runner.wait(undo, timeout=60).status == "completed"
    assert box.hashes() == before


@pytest.mark.parametrize(
    "words",
    [
        {"mode": "same", "value": "2019-02-30 12:00:00"},
        {"mode": "same", "value": "1799-12-31 12:00:00"},
        {"mode": "same", "value": "2019-07-14"},
        {"mode": "same"},
        {"mode": "shift", "value": "soon"},
        {"mode": "shift", "value": "Europe/Berlin->Nowhere/Land"},
        {"mode": "sequence", "value": "2020-01-01 12:00:00", "step": "x"},
        {"mode": "later", "value": "+1h"},
        {"mode": "shift", "value": 1},
        {"mode": "shift", "value": "+1h", "more": 1},
    ],
)
@pytest.mark.parametrize("query", ["", "?dry_run=1"])
def test_what_is_no_date_is_refused_at_once(
    box: EditBox, client: FlaskClient, words: dict[str, object], query: str
) -> None:
    before = box.hashes()
    answer = client.post(URL + query, json=ask(box, "a.jpg", **words))
    assert answer.status_code == 400
    assert body(answer)["error"]["message"]
    assert box.library.runner.current(edits=True) is None
    assert box.hashes() == before


def test_a_plan_says_where_an_imported_photo_would_move_and_only_a_boolean_asks_for_it(
    box: EditBox, client: FlaskClient
) -> None:
    sent = ask(box, "a.jpg", mode="shift", value="+1d", move_files=True)
    (planned,) = body(client.post(f"{URL}?dry_run=1", json=sent))["dates"]
    assert planned["moves_to"] is None
    assert client.post(URL, json=sent | {"move_files": "yes"}).status_code == 400
