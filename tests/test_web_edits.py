"""web/edits: what was changed is listed, and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_box import A, B, C, ids_of, open_box, ratings_of
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from library import Library

KEYS = {
    *("id", "operation_id", "photo_id", "path", "kind", "state", "before", "after"),
    *("planned_at", "done_at", "undoable"),
}


@pytest.fixture
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with open_box(tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture
def client(opened: Library) -> FlaskClient:
    return create_app(library=opened).test_client()


@pytest.fixture
def ids(opened: Library) -> dict[str, int]:
    return ids_of(opened)


def body(response: TestResponse) -> dict[str, Any]:
    assert isinstance(response.json, dict)
    return response.json


def rate(client: FlaskClient, photo_id: int, rating: int) -> int:
    """The id of the edit."""
    answer = client.post(f"/api/photo/{photo_id}/favorite", json={"rating": rating})
    return int(answer.headers["Lightkeep-Edit"])


def rate_many(client: FlaskClient, photo_ids: list[int], rating: int) -> str:
    """The id of the operation."""
    sent = {"photo_ids": photo_ids, "rating": rating}
    return client.post("/api/photos/bulk-favorite", json=sent).headers["Lightkeep-Operation"]


def test_edits_are_listed_newest_first(client: FlaskClient, ids: dict[str, int]) -> None:
    assert body(client.get("/api/edits")) == {"edits": []}
    first, second = rate(client, ids[C], 4), rate(client, ids[A], 1)
    edits = body(client.get("/api/edits"))["edits"]
    assert [edit["id"] for edit in edits] == [second, first]
    assert all(set(edit) == KEYS for edit in edits)
    assert (edits[0]["photo_id"], edits[0]["path"], edits[0]["undoable"]) == (ids[A], A, True)
    date = edits[0]["before"]["date_taken"]
    assert edits[0]["before"] == {"rating": 5, "kept_in": "file", "date_taken": date}
    assert edits[0]["after"] == {"rating": 1, "kept_in": "file", "date_taken": date}
    assert (edits[1]["before"]["rating"], edits[1]["before"]["kept_in"]) == (None, None)


def test_edits_of_one_photo_and_the_newest_alone(client: FlaskClient, ids: dict[str, int]) -> None:
    first, second, third = (rate(client, ids[name], 2) for name in (A, C, B))

    def list_ids(query: str) -> list[int]:
        return [edit["id"] for edit in body(client.get(f"/api/edits?{query}"))["edits"]]

    assert list_ids(f"photo_id={ids[C]}") == [second]
    assert list_ids("photo_id=987654") == []
    assert list_ids("limit=2") == [third, second]
    assert list_ids("limit=500") == [third, second, first]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "photo_id=x", "photo_id=0", f"photo_id={2**63}"]
)
def test_a_query_that_means_nothing_is_refused(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/api/edits?{query}")
    assert (answer.status_code, body(answer)["error"]["code"]) == (400, "invalid_request")


def test_an_edit_is_taken_back(client: FlaskClient, opened: Library, ids: dict[str, int]) -> None:
    edit = rate(client, ids[B], 5)
    answer = client.post(f"/api/edits/{edit}/undo")
    assert answer.status_code == 200
    assert body(answer) == {"photo_id": ids[B], "rating": 3, "favorited": False}
    assert ratings_of(opened)[B] == 3
    again = client.post(f"/api/edits/{edit}/undo")
    assert (again.status_code, body(again)["error"]["code"]) == (409, "edit_refused")


def test_an_operation_is_taken_back_by_another(
    client: FlaskClient, opened: Library, ids: dict[str, int]
) -> None:
    before = ratings_of(opened)
    operation_id = rate_many(client, [ids[A], ids[B], ids[C]], 4)
    assert ratings_of(opened) != before
    answer = client.post(f"/api/operations/{operation_id}/undo")
    assert answer.status_code == 202
    assert set(body(answer)) == {"operation_id"}
    assert body(answer)["operation_id"] != operation_id
    assert opened.runner.wait(body(answer)["operation_id"], timeout=30).status == "completed"
    assert ratings_of(opened) == before


@pytest.mark.parametrize(
    "path",
    ["edits/987654", "edits/0", f"edits/{'9' * 30}", "operations/nobodys", "operations/%00"],
)
def test_what_is_not_there_is_not_taken_back(client: FlaskClient, path: str) -> None:
    answer = client.post(f"/api/{path}/undo")
    assert (answer.status_code, body(answer)["error"]["code"]) == (404, "not_found")
    page = client.post(f"/{path}/undo")
    assert (page.status_code, page.mimetype) == (404, "text/html")


def test_the_page_lists_edits_with_the_button_that_takes_them_back(
    client: FlaskClient, opened: Library, ids: dict[str, int]
) -> None:
    assert "There were none yet" in client.get("/edits").text
    edit = rate(client, ids[B], 5)
    page = client.get("/edits").text
    assert B in page
    assert f'action="/edits/{edit}/undo"' in page
    answer = client.post(f"/edits/{edit}/undo")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/edits")
    assert ratings_of(opened)[B] == 3
    assert f'action="/edits/{edit}/undo"' not in client.get("/edits").text


def test_a_form_takes_an_operation_back(
    client: FlaskClient, opened: Library, ids: dict[str, int]
) -> None:
    before = ratings_of(opened)
    operation_id = rate_many(client, [ids[B], ids[C]], 5)
    answer = client.post(f"/operations/{operation_id}/undo")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/edits")
    newest = opened.list_operations(1)[0].operation_id
    assert opened.runner.wait(newest, timeout=30).status == "completed"
    assert ratings_of(opened) == before


def test_nothing_is_taken_back_by_looking(
    client: FlaskClient, opened: Library, ids: dict[str, int]
) -> None:
    edit = rate(client, ids[B], 5)
    for path in (f"/api/edits/{edit}/undo", f"/edits/{edit}/undo"):
        assert client.get(path).status_code == 405
    assert ratings_of(opened)[B] == 5
