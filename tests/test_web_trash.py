"""web/trash and web/duplicates: photos go and come back over HTTP, by a program and by a form."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from api_box import GONE, A, B, C, ids_of, open_box, update
from flask.testing import FlaskClient
from pictures import make_jpeg
from werkzeug.test import TestResponse

from app import create_app
from library import Library


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
    assert isinstance(response.json, dict), response.text
    return response.json


def finish(opened: Library, response: TestResponse) -> dict[str, Any]:
    """The report of the operation that was begun."""
    assert response.status_code == 202, response.text
    progress = opened.runner.wait(body(response)["operation_id"], timeout=30)
    assert progress.status == "completed", progress.message
    assert progress.report is not None
    return progress.report


def list_trash(client: FlaskClient) -> list[str]:
    return [photo["original_path"] for photo in body(client.get("/api/trash"))["photos"]]


def test_trash_restore_and_undo_over_the_api(
    client: FlaskClient, opened: Library, ids: dict[str, int]
) -> None:
    sent = {"photo_ids": [ids[A], ids[C]]}
    begun = client.post("/api/photos/trash", json=sent)
    report = finish(opened, begun)
    assert (report["found"], report["moved"], report["problems"]) == (2, 2, [])
    assert sorted(list_trash(client)) == [A, C]
    assert client.get(f"/api/photo/{ids[A]}").status_code == 404
    (entry,) = [one for one in body(client.get("/api/trash"))["photos"] if one["id"] == ids[A]]
    assert (entry["rating"], entry["current_path"], entry["entry_id"]) == (5, A, ids[A])
    assert finish(opened, client.post("/api/photos/restore", json={"photo_ids": [ids[A]]}))
    assert body(client.get(f"/api/photo/{ids[A]}"))["rating"] == 5
    undone = client.post(f"/api/operations/{body(begun)['operation_id']}/undo")
    assert finish(opened, undone)["moved"] == 1
    assert list_trash(client) == []


def test_a_plan_says_what_would_be_done(client: FlaskClient, ids: dict[str, int]) -> None:
    sent = {"photo_ids": [ids[A], ids[GONE], 987654]}
    plan = body(client.post("/api/photos/trash?dry_run=1", json=sent))
    assert [one["path"] for one in plan["photos"]] == [A]
    assert [one["path"] for one in plan["problems"]] == [GONE, "photo 987654"]
    assert list_trash(client) == []
    assert client.post("/api/photos/restore", json={}).status_code == 400
    assert client.post("/api/trash/purge", json={}).status_code == 400


def test_pages_of_the_trash_follow_each_other(
    client: FlaskClient, opened: Library, ids: dict[str, int]
) -> None:
    finish(opened, client.post("/api/photos/trash", json={"photo_ids": [ids[A], ids[B], ids[C]]}))
    first = body(client.get("/api/trash?limit=2"))
    second = body(client.get(f"/api/trash?limit=2&cursor={first['next_cursor']}"))
    found = [photo["id"] for photo in first["photos"] + second["photos"]]
    assert found == sorted((ids[A], ids[B], ids[C]), reverse=True)
    assert (first["count"], second["next_cursor"]) == (3, None)


def test_the_pictures_of_trashed_photos_are_shown(
    client: FlaskClient, opened: Library, ids: dict[str, int]
) -> None:
    finish(opened, client.post("/api/photos/trash", json={"photo_ids": [ids[A]]}))
    answer = client.get(f"/api/trash/{ids[A]}/thumbnail")
    assert (answer.status_code, answer.mimetype) == (200, "image/webp")
    answer.close()
    assert client.get("/api/trash/987654/thumbnail").status_code == 404


def test_purge_deletes_for_good(client: FlaskClient, opened: Library, ids: dict[str, int]) -> None:
    finish(opened, client.post("/api/photos/trash", json={"photo_ids": [ids[A], ids[B]]}))
    plan = body(client.post("/api/trash/purge?dry_run=1", json={"all": True}))
    assert plan["count"] == 2
    one = finish(opened, client.post("/api/trash/purge", json={"entry_ids": [ids[A]]}))
    assert one["deleted"] == 1
    assert list_trash(client) == [B]
    assert finish(opened, client.post("/api/trash/purge", json={"all": True}))["deleted"] == 1
    folder = opened.settings.library / ".library" / "trash"
    assert list(folder.iterdir()) == []


def told(client: FlaskClient, response: TestResponse) -> str:
    """The page of the trash that a form has led to."""
    assert response.status_code == 303, response.text
    assert response.location.partition("?")[0] in ("/trash", "/duplicates")
    return client.get(response.location).text


def test_all_of_it_works_by_forms(client: FlaskClient, ids: dict[str, int]) -> None:
    assert "The trash is empty." in client.get("/trash").text
    page = told(client, client.post(f"/photo/{ids[A]}/trash"))
    assert "1 photo moved to the trash." in page
    assert f"/api/trash/{ids[A]}/thumbnail" in page
    chosen = {"entry": [str(ids[A])]}
    assert "1 photo brought back." in told(client, client.post("/trash/restore", data=chosen))
    assert client.get(f"/photo/{ids[A]}").status_code == 200
    client.post(f"/photo/{ids[A]}/trash")
    assert "Delete a.jpg for good?" in client.get(f"/trash/delete?entry={ids[A]}").text
    page = told(client, client.post("/trash/delete", data=chosen))
    assert "1 photo deleted for good" in page
    assert "Undo" not in page
    assert list_trash(client) == []
    client.post(f"/photo/{ids[B]}/trash")
    asked = client.get("/trash/empty").text
    assert "1 file" in asked
    until = asked.partition('name="until" value="')[2].partition('"')[0]
    client.post(f"/photo/{ids[C]}/trash")
    assert "1 photo deleted" in told(client, client.post("/trash/empty", data={"until": until}))
    assert list_trash(client) == [C]  # it came after the page had asked
    assert client.post("/trash/empty").status_code == 400
    assert client.post("/trash/delete").status_code == 400
    assert client.post("/trash/restore", data={"entry": "x"}).status_code == 400


def test_all_that_the_page_told_of_is_brought_back(
    client: FlaskClient, ids: dict[str, int]
) -> None:
    for name in (A, B):
        client.post(f"/photo/{ids[name]}/trash")
    until = client.get("/trash").text.partition('name="until" value="')[2].partition('"')[0]
    client.post(f"/photo/{ids[C]}/trash")
    assert "2 photos brought back." in told(
        client, client.post("/trash/restore", data={"until": until})
    )
    assert list_trash(client) == [C]


def test_what_was_done_is_undone_from_the_same_page(
    client: FlaskClient, ids: dict[str, int]
) -> None:
    done = client.post(f"/photo/{ids[A]}/trash").location.partition("done=")[2]
    undone = client.post(f"/operations/{done}/undo", data={"page": "/trash"})
    assert "1 photo brought back." in told(client, undone)
    elsewhere = client.post(f"/photo/{ids[A]}/trash").location.partition("done=")[2]
    answer = client.post(f"/operations/{elsewhere}/undo", data={"page": "https://example.org"})
    assert answer.location == "/edits"


def test_a_photo_that_comes_back_under_a_number_is_told_of(
    client: FlaskClient, opened: Library, ids: dict[str, int]
) -> None:
    client.post(f"/photo/{ids[A]}/trash")
    make_jpeg(opened.settings.library / A, 77)
    page = told(client, client.post("/trash/restore", data={"entry": str(ids[A])}))
    assert "<b>a.jpg</b> is a (2).jpg now" in page


def test_a_raw_beside_it_is_asked_about(
    client: FlaskClient, opened: Library, ids: dict[str, int]
) -> None:
    with opened.database.transaction() as connection:
        connection.execute("UPDATE photos SET file_type = 'nef' WHERE id = ?", [ids[B]])
        connection.execute("INSERT INTO companions VALUES (?, ?)", [ids[B], ids[A]])
    plan = body(client.post("/api/photos/trash?dry_run=1", json={"photo_ids": [ids[A]]}))
    assert [one["path"] for one in plan["companions"]] == [B]
    asked = client.post(f"/photo/{ids[A]}/trash")
    assert asked.status_code == 200
    assert "Trash the RAW too?" in asked.text
    assert list_trash(client) == []
    told(client, client.post(f"/photo/{ids[A]}/trash", data={"companions": "both"}))
    assert sorted(list_trash(client)) == [A, B]


def test_a_form_that_could_not_do_it_leads_to_the_report(
    client: FlaskClient, opened: Library, ids: dict[str, int]
) -> None:
    (opened.settings.library / A).unlink()
    answer = client.post(f"/photo/{ids[A]}/trash")
    assert "/report" in answer.location
    assert "is not there now" in client.get(answer.location).text


def test_the_menu_counts_the_trash(client: FlaskClient, ids: dict[str, int]) -> None:
    client.post(f"/photo/{ids[A]}/trash")
    page = client.get("/").text
    assert 'data-count-of="trash">1</span>' in page
    assert "/duplicates" in page


# -- duplicates ------------------------------------------------------------------------------------


@pytest.fixture
def twins(opened: Library) -> dict[str, int]:
    """A copy of `b.jpg` with other tags, and one of `sub/c.jpg` with the same bytes."""
    root = opened.settings.library
    make_jpeg(root / "copies/b of two stars.jpg", 2, date="2019:07:15 18:03:22", rating=2)
    shutil.copy(root / C, root / "copies/c.jpg")
    update(opened)
    return ids_of(opened)


def test_groups_say_what_differs_and_what_to_keep(
    client: FlaskClient, twins: dict[str, int]
) -> None:
    groups = body(client.get("/api/duplicates"))["groups"]
    by_keep = {group["keep"]: group for group in groups}
    assert by_keep.keys() == {twins[B], twins[C]}
    assert by_keep[twins[C]]["same_bytes"]
    assert not by_keep[twins[B]]["same_bytes"]
    assert {"rating", "original_filename"} <= set(by_keep[twins[B]]["differs"])
    (whole,) = body(client.get("/api/duplicates?same_bytes=1"))["groups"]
    assert whole["keep"] == twins[C]
    first = body(client.get("/api/duplicates?limit=1"))
    second = body(client.get(f"/api/duplicates?limit=1&cursor={first['next_cursor']}"))
    assert [*first["groups"], *second["groups"]] == groups
    assert second["next_cursor"] is None


def test_merge_over_the_api(client: FlaskClient, opened: Library, twins: dict[str, int]) -> None:
    copy = twins["copies/c.jpg"]
    sent = {"keep": twins[C], "trash": [copy]}
    assert body(client.post("/api/duplicates/merge?dry_run=1", json=sent))["count"] == 1
    report = finish(opened, client.post("/api/duplicates/merge", json=sent))
    assert (report["moved"], report["problems"]) == (1, [])
    assert list_trash(client) == ["copies/c.jpg"]
    wrong = {"keep": copy, "trash": [copy]}
    assert client.post("/api/duplicates/merge", json=wrong).status_code == 400


def test_duplicates_are_merged_by_forms(client: FlaskClient, twins: dict[str, int]) -> None:
    page = client.get("/duplicates").text
    assert "Keep the chosen one" in page
    assert page.count('class="twins"') == 2
    assert client.get("/duplicates?same_bytes=1").text.count('class="twins"') == 1
    copy = twins["copies/c.jpg"]
    chosen = {"keep": str(copy), "id": [str(twins[C]), str(copy)]}
    page = told(client, client.post("/duplicates/merge", data=chosen))
    assert "1 photo moved to the trash." in page
    assert list_trash(client) == [C]
    client.post("/duplicates/merge", data={"suggested": "1", "same_bytes": "1"})
    assert list_trash(client) == [C]  # there were none
    told(client, client.post("/duplicates/merge", data={"suggested": "1"}))
    assert sorted(list_trash(client)) == ["copies/b of two stars.jpg", C]
    assert "No picture is there more than once." in client.get("/duplicates").text
    assert client.post("/duplicates/merge", data={"keep": "1"}).status_code == 400
