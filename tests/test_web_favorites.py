"""web/favorites: one photo is rated, or many, and the favorites are listed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from api_box import GONE, UNDATED, A, B, C, ids_of, open_box, ratings_of
from flask.testing import FlaskClient
from rows import make_record
from werkzeug.test import TestResponse

import catalog
from app import create_app
from catalog import PUBLIC_FIELDS
from library import Library
from web import favorites

WRONG_RATINGS: tuple[object, ...] = (-1, 6, "5", 4.5, True, [], {}, 10**30)
NOBODY = 987654


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with open_box(tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture
def client(opened: Library, ids: dict[str, int]) -> FlaskClient:
    """Of the library, its ratings as they were at first."""
    client = create_app(library=opened).test_client()
    for name, rating in ((A, 5), (B, 3), (C, 0), (UNDATED, 0)):
        client.post(f"/api/photo/{ids[name]}/favorite", json={"rating": rating})
    return client


@pytest.fixture
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """Of a library with one favorite on disk, and eleven without files; one is a companion."""
    records = [make_record(f"{n}.jpg", f"2001-01-01T00:{n:02}:00", 5) for n in range(11)]
    with open_box(tmp_path_factory.mktemp("crowded")) as opened:
        with opened.database.transaction() as connection:
            catalog.insert_photos(connection, records, "2026-01-01")
            catalog.replace_companions(connection, {7: 8})
        yield create_app(library=opened).test_client()


@pytest.fixture
def ids(opened: Library) -> dict[str, int]:
    return ids_of(opened)


def body(response: TestResponse) -> dict[str, Any]:
    assert isinstance(response.json, dict)
    return response.json


def code(response: TestResponse) -> str:
    return str(body(response)["error"]["code"])


# -- one photo ---------------------------------------------------------------------------------


def test_without_a_body_a_photo_becomes_a_favorite_and_then_none(
    client: FlaskClient, opened: Library, ids: dict[str, int]
) -> None:
    address = f"/api/photo/{ids[C]}/favorite"
    first = client.post(address)
    assert (first.status_code, body(first)) == (
        *(200,),
        {"photo_id": ids[C], "rating": 5, "favorited": True},
    )
    assert body(client.get(f"/api/photo/{ids[C]}"))["favorited"] is True
    second = client.post(address, json={})
    assert body(second) == {"photo_id": ids[C], "rating": None, "favorited": False}
    third = client.post(address, json={"rating": None})
    assert body(third)["favorited"] is True
    assert int(third.headers["Lightkeep-Edit"]) > int(first.headers["Lightkeep-Edit"])


@pytest.mark.parametrize("rating", [0, 1, 2, 3, 4, 5])
def test_a_rating_is_set_and_said_twice_writes_nothing(
    client: FlaskClient, opened: Library, ids: dict[str, int], rating: int
) -> None:
    address = f"/api/photo/{ids[B]}/favorite"
    client.post(address, json={"rating": 1 if rating != 1 else 2})
    answer = client.post(address, json={"rating": rating})
    expected = {"photo_id": ids[B], "rating": rating or None, "favorited": rating == 5}
    assert body(answer) == expected
    assert "Lightkeep-Edit" in answer.headers
    assert ratings_of(opened)[B] == (rating or None)
    again = client.post(address, json={"rating": rating})
    assert body(again) == expected
    assert "Lightkeep-Edit" not in again.headers


@pytest.mark.parametrize(
    "sent",
    [
        *({"rating": rating} for rating in WRONG_RATINGS),
        *({"ratings": 5}, {"rating": 5, "favorite": True}, {"": None}, [], [5], 5, "x"),
    ],
    ids=repr,
)
def test_what_is_no_rating_is_refused_and_changes_nothing(
    client: FlaskClient, opened: Library, ids: dict[str, int], sent: object
) -> None:
    before = ratings_of(opened)
    answer = client.post(f"/api/photo/{ids[A]}/favorite", json=sent)
    assert (answer.status_code, code(answer)) == (400, "invalid_request")
    assert ratings_of(opened) == before


def test_a_whole_number_may_be_written_with_a_point(
    client: FlaskClient, ids: dict[str, int]
) -> None:
    sent = '{"rating": 2.0}'
    address = f"/api/photo/{ids[A]}/favorite"
    assert body(client.post(address, data=sent, content_type="application/json"))["rating"] == 2


@pytest.mark.parametrize(
    "text", ["", "null", "{", "rating=5", "\xff", "[" * 100_000, '{"rating": NaN}']
)
def test_a_body_that_is_no_json_never_toggles(
    client: FlaskClient, opened: Library, ids: dict[str, int], text: str
) -> None:
    before = ratings_of(opened)
    sent = text.encode("latin-1")
    answer = client.post(
        f"/api/photo/{ids[A]}/favorite", data=sent, content_type="application/json"
    )
    assert answer.status_code == 400
    assert ratings_of(opened) == before


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_a_body_of_another_type_never_toggles(
    client: FlaskClient, opened: Library, ids: dict[str, int], content_type: str | None
) -> None:
    before = ratings_of(opened)
    answer = client.post(
        f"/api/photo/{ids[A]}/favorite", data='{"rating": 1}', content_type=content_type
    )
    assert (answer.status_code, code(answer)) == (415, "unsupported_media_type")
    assert ratings_of(opened) == before


@pytest.mark.parametrize("photo_id", ["0", str(NOBODY), "9" * 30])
def test_a_photo_that_is_not_there_is_not_found(client: FlaskClient, photo_id: str) -> None:
    answer = client.post(f"/api/photo/{photo_id}/favorite")
    assert (answer.status_code, code(answer)) == (404, "not_found")


def test_a_missing_photo_is_not_rated(client: FlaskClient, ids: dict[str, int]) -> None:
    answer = client.post(f"/api/photo/{ids[GONE]}/favorite", json={"rating": 1})
    assert (answer.status_code, code(answer)) == (409, "edit_refused")


def test_looking_never_rates(client: FlaskClient, opened: Library, ids: dict[str, int]) -> None:
    before = ratings_of(opened)
    for path in (f"/api/photo/{ids[A]}/favorite", "/api/photos/bulk-favorite"):
        assert client.get(path).status_code == 405
    assert client.get(f"/photo/{ids[A]}/favorite").status_code == 405
    assert ratings_of(opened) == before


# -- the form ----------------------------------------------------------------------------------


def test_a_form_rates_and_leads_back_to_the_photo(
    client: FlaskClient, opened: Library, ids: dict[str, int]
) -> None:
    answer = client.post(f"/photo/{ids[B]}/favorite", data={"rating": "2"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/photo/{ids[B]}")
    assert ratings_of(opened)[B] == 2
    answer = client.post(f"/photo/{ids[B]}/favorite", data={"next": "/?favorites=1#m-2019-07"})
    assert answer.headers["Location"] == "/?favorites=1#m-2019-07"
    assert ratings_of(opened)[B] == 5


@pytest.mark.parametrize(
    "elsewhere",
    [
        *("http://evil.com/", "//evil.com", "/\\evil.com", "/\t/evil.com", "javascript:alert(1)"),
        *("\\\\evil.com", "/a\r\nSet-Cookie: x=1", "evil", "/ /evil.com", "/a\\b"),
    ],
)
def test_a_form_leads_nowhere_else(
    client: FlaskClient, ids: dict[str, int], elsewhere: str
) -> None:
    answer = client.post(f"/photo/{ids[A]}/favorite", data={"next": elsewhere})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/photo/{ids[A]}")
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("rating", ["6", "-1", "x", "²", "55", "5\n"])
def test_a_form_with_a_wrong_rating_changes_nothing(
    client: FlaskClient, opened: Library, ids: dict[str, int], rating: str
) -> None:
    before = ratings_of(opened)
    answer = client.post(f"/photo/{ids[A]}/favorite", data={"rating": rating})
    assert (answer.status_code, answer.mimetype) == (400, "text/html")
    assert ratings_of(opened) == before


# -- many photos -------------------------------------------------------------------------------


def test_many_photos_are_rated_at_once(
    client: FlaskClient, opened: Library, ids: dict[str, int]
) -> None:
    sent = {"photo_ids": [ids[B], ids[C], ids[B]], "rating": 5}
    answer = client.post("/api/photos/bulk-favorite", json=sent)
    assert answer.status_code == 200
    assert body(answer) == {"success_count": 2, "error_count": 0, "errors": []}
    assert ratings_of(opened)[B] == ratings_of(opened)[C] == 5
    operation = body(client.get(f"/api/operations/{answer.headers['Lightkeep-Operation']}"))
    assert operation["status"] == "completed"


def test_a_photo_that_cannot_be_rated_costs_only_itself(
    client: FlaskClient, opened: Library, ids: dict[str, int]
) -> None:
    sent = {"photo_ids": [NOBODY, ids[C], ids[GONE], 2**63 - 1], "rating": 4}
    answer = client.post("/api/photos/bulk-favorite", json=sent)
    assert answer.status_code == 200
    counted = body(answer)
    assert (counted["success_count"], counted["error_count"]) == (1, 3)
    assert {error["photo_id"] for error in counted["errors"]} == {NOBODY, ids[GONE], 2**63 - 1}
    assert all(
        set(error) == {"photo_id", "error"} and error["error"] for error in counted["errors"]
    )
    assert ratings_of(opened)[C] == 4


@pytest.mark.parametrize("prefer", ["respond-async", "wait=10, Respond-Async; x=1"])
def test_who_does_not_want_to_wait_gets_the_operation(
    client: FlaskClient, opened: Library, ids: dict[str, int], prefer: str
) -> None:
    answer = client.post(
        "/api/photos/bulk-favorite",
        json={"photo_ids": [ids[C]], "rating": 5},
        headers={"Prefer": prefer},
    )
    assert answer.status_code == 202
    assert set(body(answer)) == {"operation_id"}
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert opened.runner.wait(body(answer)["operation_id"], timeout=30).status == "completed"
    assert ratings_of(opened)[C] == 5


@pytest.mark.parametrize(
    "sent",
    [
        *({}, {"photo_ids": [1]}, {"rating": 5}, {"photo_ids": [], "rating": 5}),
        *({"photo_ids": [number], "rating": 5} for number in (0, -1, 2**63, "1", 1.5, True, None)),
        *({"photo_ids": [1], "rating": rating} for rating in (*WRONG_RATINGS, None)),
        {"photo_ids": 1, "rating": 5},
        {"photo_ids": {"1": 1}, "rating": 5},
        {"photo_ids": [1], "rating": 5, "all": True},
        {"photo_ids": list(range(1, 10_002)), "rating": 5},
    ],
    ids=lambda sent: repr(sent)[:60],
)
def test_what_is_no_order_for_many_is_refused_and_changes_nothing(
    client: FlaskClient, opened: Library, sent: dict[str, object]
) -> None:
    before = ratings_of(opened)
    answer = client.post("/api/photos/bulk-favorite", json=sent)
    assert (answer.status_code, code(answer)) == (400, "invalid_request")
    assert ratings_of(opened) == before


def test_a_refusal_names_what_is_wrong(client: FlaskClient) -> None:
    def say(sent: dict[str, object]) -> str:
        answer = client.post("/api/photos/bulk-favorite", json=sent)
        return str(body(answer)["error"]["message"])

    assert say({"rating": 5}) == "photo_ids is missing."
    assert say({"photo_ids": [1], "rating": 6}) == "rating should be less than or equal to 5."
    assert say({"photo_ids": [1], "rating": 5, "<b>": 1}) == (
        "<b> is not among the keys that this takes."
    )
    assert "10000" in say({"photo_ids": [1] * 10_001, "rating": 5})


# -- the list ----------------------------------------------------------------------------------


def test_the_favorites_are_listed_newest_first_with_the_public_keys(
    client: FlaskClient, ids: dict[str, int]
) -> None:
    client.post(f"/api/photo/{ids[C]}/favorite", json={"rating": 5})
    client.post(f"/api/photo/{ids[UNDATED]}/favorite", json={"rating": 5})
    answer = client.get("/api/photos/favorites")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    listed = body(answer)
    assert set(listed) == {"photos", "count"}
    assert [photo["current_path"] for photo in listed["photos"]] == [C, A, UNDATED]
    assert listed["count"] == 3
    assert set(listed["photos"][0]) == set(PUBLIC_FIELDS)
    assert listed["photos"][0] == body(client.get(f"/api/photo/{ids[C]}"))


def test_a_library_without_favorites_lists_none(client: FlaskClient, ids: dict[str, int]) -> None:
    client.post(f"/api/photo/{ids[A]}/favorite", json={"rating": 0})
    assert body(client.get("/api/photos/favorites")) == {"photos": [], "count": 0}


def test_pages_of_favorites_follow_their_links_and_count_all(
    crowded: FlaskClient,
) -> None:
    whole = body(crowded.get("/api/photos/favorites"))
    assert (whole["count"], len(whole["photos"])) == (12, 12)
    photos, address = [], "/api/photos/favorites?limit=5"
    for _ in range(3):
        answer = crowded.get(address)
        assert body(answer)["count"] == 12
        photos += body(answer)["photos"]
        address = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert (photos, address) == (whole["photos"], "")


def test_more_favorites_than_one_page_are_streamed_whole_and_in_order(
    crowded: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = crowded.get("/api/photos/favorites").data
    for size in (1, 4, 12):
        monkeypatch.setattr(favorites, "MOST_LISTED", size)
        assert crowded.get("/api/photos/favorites").data == whole
    assert json.loads(whole)["count"] == 12


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "cursor=nobodys", "limit="])
def test_a_page_that_there_is_not_is_refused(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/api/photos/favorites?{query}")
    assert (answer.status_code, code(answer)) == (400, "invalid_request")


# -- cells -------------------------------------------------------------------------------------


def test_cells_come_in_the_order_asked_without_what_is_missing(
    client: FlaskClient, ids: dict[str, int]
) -> None:
    asked = [ids[C], NOBODY, ids[A], ids[GONE], ids[C], ids[UNDATED]]
    answer = client.get("/cells", query_string={"id": asked, "favorites": "1"})
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    cells = [int(part.partition('"')[0]) for part in answer.text.split('data-photo="')[1:]]
    assert cells == [ids[C], ids[A], ids[UNDATED]]
    assert f"/photo/{ids[C]}?favorites=1" in answer.text
    assert "<html" not in answer.text


@pytest.mark.parametrize(
    "query",
    ["", "id=", "id=x", "id=-1", "id=1.5", f"id={quote('²')}", "id=1&id=x", "id=" + "9" * 19],
)
def test_cells_of_what_is_no_photo_are_refused(client: FlaskClient, query: str) -> None:
    assert client.get(f"/cells?{query}").status_code == 400


def test_cells_are_asked_for_in_bounds(client: FlaskClient) -> None:
    most = "&".join(f"id={number}" for number in range(1, 501))
    assert client.get(f"/cells?{most}").status_code == 200
    assert client.get(f"/cells?{most}&id=501").status_code == 400
