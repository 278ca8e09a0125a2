"""web/imports: files come from browsers, folders only from the roots, and the plan is told."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from edit_box import EditBox, opened_box
from flask.testing import FlaskClient
from pictures import make_film, make_jpeg
from werkzeug.test import TestResponse

import hash_cache
import upload_store
import verified_copy
from app import create_app
from import_plan import ImportPlan
from plan_runner import Tell
from web import imports

DATE = "2019:07:14 18:03:22"
DAY = "2019/2019-07-14"
FILES = "/api/import/files"


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    make_jpeg(tmp_path / "inbox/card/a.jpg", 1, date=DATE)
    make_jpeg(tmp_path / "inbox/card/b.jpg", 2, date=DATE)
    (tmp_path / "inbox/card/c.txt").touch()
    return tmp_path / "inbox"


@pytest.fixture
def box(home: Path, tmp_path: Path, roots: Path) -> Iterator[EditBox]:
    del home
    (tmp_path / "photos").mkdir()
    with opened_box(tmp_path / "photos", import_roots=(roots, tmp_path / "absent")) as box:
        yield box


@pytest.fixture
def client(box: EditBox) -> FlaskClient:
    return create_app(library=box.library).test_client()


def read_picture(tmp_path: Path, seed: int) -> bytes:
    return make_jpeg(tmp_path / "made.jpg", seed, date=DATE).read_bytes()


def send(client: FlaskClient, *files: tuple[str, bytes], **fields: Any) -> TestResponse:
    """Files by name, with fields of the form."""
    data = {"file": [(io.BytesIO(content), name) for name, content in files], **fields}
    return client.post(FILES, data=data, content_type="multipart/form-data")


def body(response: TestResponse, status: int = 200) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert isinstance(response.json, dict)
    return response.json


def start(client: FlaskClient, box: EditBox, **parameters: Any) -> dict[str, Any]:
    answer = body(client.post("/api/operations", json={"type": "import_photos", **parameters}), 202)
    progress = box.library.runner.wait(answer["operation_id"], timeout=60)
    assert progress.status == "completed", progress.message
    assert progress.report is not None
    return progress.report


def plan(client: FlaskClient, **parameters: Any) -> TestResponse:
    return client.post("/api/operations?dry_run=1", json={"type": "import_photos", **parameters})


def hold_plans(box: EditBox, monkeypatch: pytest.MonkeyPatch, go: threading.Event) -> None:
    """Let no plan end before `go` is set."""
    make = box.library.plans._make_plan

    def make_late(sources: Sequence[str], upload: str | None, tell: Tell) -> ImportPlan:
        while not go.wait(0.01):
            tell(1, 4)
        return make(sources, upload, tell)

    monkeypatch.setattr(box.library.plans, "_make_plan", make_late)


def read_figures(page: str) -> dict[str, str]:
    """How many there are of each kind, as the plan on a page says."""
    return dict(re.findall(r"<dt>([^<]+)</dt><dd>([\d,]+)", page))


def list_files(folder: Path) -> list[str]:
    found = [path for path in folder.rglob("*") if path.is_file() and ".library" not in path.parts]
    return sorted(path.relative_to(folder).as_posix() for path in found)


# -- folders on the server -----------------------------------------------------------------------


def test_a_folder_within_a_root_is_planned_and_imported(
    client: FlaskClient, box: EditBox, roots: Path
) -> None:
    sources = [str(roots / "card")]
    said = body(plan(client, sources=sources))
    assert {name: said[name] for name in ("new", "already_here", "unsupported", "unreadable")} == {
        "new": 2,
        "already_here": 0,
        "unsupported": 1,
        "unreadable": 0,
    }
    assert said["bytes"] == sum(
        (roots / "card" / name).stat().st_size for name in ("a.jpg", "b.jpg")
    )
    size = (roots / "card/a.jpg").stat().st_size
    assert {"path": "card/a.jpg", "kind": "new", "size": size} in said["files"]
    assert {"path": "*.txt", "kind": "unsupported", "size": 0, "count": 1} in said["files"]
    assert list_files(box.root) == []
    assert start(client, box, sources=sources)["added"] == 2
    again = body(plan(client, sources=sources))
    assert (again["new"], again["already_here"]) == (0, 2)
    here = {"path": "card/a.jpg", "kind": "already_here", "size": size, "where": f"{DAY}/a.jpg"}
    assert here in again["files"]


def test_what_lies_outside_the_roots_is_refused_whether_it_is_there_or_not(
    client: FlaskClient, box: EditBox, roots: Path, tmp_path: Path
) -> None:
    (roots / "link").symlink_to("/etc")
    outside = ["/etc", "/nowhere", str(roots / "../.."), str(roots / "link"), "card", str(tmp_path)]
    answers = {
        plan(client, sources=[source]).text for source in (*outside, f"{roots}-2", f"{roots}/a\0b")
    }
    assert len(answers) == 1
    assert "import_roots" in answers.pop()
    for source in outside:
        response = client.post(
            "/api/operations", json={"type": "import_photos", "sources": [source]}
        )
        assert response.status_code == 403
    assert box.library.runner.current() is None


def test_no_path_of_the_server_is_told(client: FlaskClient, box: EditBox, roots: Path) -> None:
    (roots / "card/broken.jpg").write_text("no picture")
    sources = [str(roots / "card")]
    said = plan(client, sources=sources).text
    operation = start(client, box, sources=sources)
    assert str(roots) not in said
    assert str(roots) not in repr(operation)
    assert operation["problems"][0]["path"] == "card/broken.jpg"


def test_nothing_to_import_from_is_said(client: FlaskClient, roots: Path) -> None:
    assert plan(client).status_code == 400
    assert plan(client, upload="0" * 16).status_code == 404
    assert plan(client, sources=[str(roots / "gone")]).status_code == 409
    answer = client.post("/api/operations?dry_run=1", json={"type": "update_index"})
    assert answer.status_code == 400


# -- uploads -------------------------------------------------------------------------------------


def test_files_are_staged_and_imported_with_name_and_time(
    client: FlaskClient, box: EditBox, tmp_path: Path
) -> None:
    picture = read_picture(tmp_path, 7)
    sent = body(send(client, ("trip/a.jpg", picture), id="1", modified="1563127402000"))
    assert sent["files"] == [
        {
            "id": "1",
            "name": "a.jpg",
            "size": len(picture),
            "received": len(picture),
            "already_staged": False,
        }
    ]
    assert list_files(box.root) == []
    (planned,) = body(plan(client, upload=sent["upload"]))["files"]
    assert planned == {"path": "a.jpg", "kind": "new", "size": len(picture)}
    assert start(client, box, upload=sent["upload"])["added"] == 1
    came = box.root / DAY / "a.jpg"
    assert came.read_bytes() == picture
    assert came.stat().st_mtime_ns == 1563127402000 * 10**6
    assert client.get(f"{FILES}?upload={sent['upload']}").status_code == 404
    assert list_files(box.data / "uploads") == []


def test_a_repeat_is_harmless_and_the_rest_can_be_sent_later(
    client: FlaskClient, box: EditBox, tmp_path: Path
) -> None:
    first, second = read_picture(tmp_path, 1), read_picture(tmp_path, 2)
    upload = body(send(client, ("a.jpg", first), id="a"))["upload"]
    again = body(send(client, ("a.jpg", first), id="a", upload=upload))
    assert again["files"][0]["already_staged"]
    assert [one["id"] for one in body(client.get(f"{FILES}?upload={upload}"))["files"]] == ["a"]
    assert send(client, ("a.jpg", second + b"!"), id="a", upload=upload).status_code == 400
    body(send(client, ("a.jpg", second), id="other", upload=upload))
    start(client, box, upload=upload)
    # Both photos of that name were imported before, from the server's point of view as new ones.
    assert list_files(box.root) == [f"{DAY}/a (2).jpg", f"{DAY}/a.jpg"]


def test_what_is_here_already_is_left_out_and_its_staged_file_removed(
    client: FlaskClient, box: EditBox, tmp_path: Path
) -> None:
    picture = read_picture(tmp_path, 3)
    start(client, box, upload=body(send(client, ("a.jpg", picture), id="1"))["upload"])
    upload = body(send(client, ("other name.jpg", picture), id="1"))["upload"]
    report = start(client, box, upload=upload)
    assert (report["added"], report["already_here"]) == (0, 1)
    assert list_files(box.data / "uploads") == []


def test_a_file_may_come_in_pieces_and_a_piece_twice(
    client: FlaskClient, box: EditBox, tmp_path: Path
) -> None:
    picture = read_picture(tmp_path, 4)
    size, middle = len(picture), len(picture) // 2
    whole = {"id": "1", "size": str(size)}
    answer = body(send(client, ("a.jpg", picture[:middle]), **whole))
    upload = answer["upload"]
    assert answer["files"][0]["received"] == middle
    assert body(client.get(f"{FILES}?upload={upload}"))["files"] == []
    gap = send(client, ("a.jpg", picture[-1:]), **whole, upload=upload, offset=str(size - 1))
    assert body(gap)["files"][0]["received"] == middle
    for _ in range(2):
        rest = send(client, ("a.jpg", picture[middle:]), **whole, upload=upload, offset=str(middle))
        assert body(rest)["files"][0]["received"] == size
    assert start(client, box, upload=upload)["added"] == 1
    assert (box.root / DAY / "a.jpg").read_bytes() == picture


def test_live_photos_of_different_folders_are_not_mixed_up(
    client: FlaskClient, box: EditBox, tmp_path: Path
) -> None:
    film = make_film(tmp_path / "a.mov", "mov", "mpeg4").read_bytes()
    upload = body(send(client, ("1/IMG.JPG", read_picture(tmp_path, 1)), id="1"))["upload"]
    body(send(client, ("2/IMG.JPG", read_picture(tmp_path, 2)), id="2", upload=upload))
    body(send(client, ("2/IMG.MOV", film), id="3", upload=upload))
    assert start(client, box, upload=upload)["added"] == 3
    with box.library.database.reading() as connection:
        pairs = list(connection.execute("SELECT photo_id, leader_id FROM companions"))
    assert len(pairs) == 1
    ((film_id, leader_id),) = [tuple(pair) for pair in pairs]
    with box.library.database.reading() as connection:
        names = dict(connection.execute("SELECT id, current_path FROM photos"))
    assert os.path.splitext(names[film_id])[0] == os.path.splitext(names[leader_id])[0]
    assert (box.root / names[leader_id]).read_bytes() == read_picture(tmp_path, 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"id": ["1", "2"]},
        {"modified": "soon"},
        {"offset": "5", "size": "3"},
        {"offset": "-1"},
        {"id": "x" * 501},
        {"nobody": "knows"},
        {"upload": "../../etc"},
        {"upload": "0" * 16},
    ],
)
def test_what_does_not_fit_together_is_refused_and_leaves_nothing(
    client: FlaskClient, box: EditBox, fields: dict[str, Any]
) -> None:
    response = send(client, ("a.jpg", b"1234"), **fields)
    assert response.status_code in (400, 404)
    assert body(response, response.status_code)["error"]["message"]
    assert list_files(box.data / "uploads") == []


def test_only_forms_are_taken_and_only_there(client: FlaskClient) -> None:
    assert client.post(FILES, json={}).status_code == 415
    assert client.post(FILES, data=b"x", content_type="multipart/form-data").status_code == 400
    form = {"type": "update_index"}
    response = client.post("/api/operations", data=form, content_type="multipart/form-data")
    assert response.status_code == 415
    assert send(client).status_code == 400


def test_files_of_another_sites_page_are_refused(client: FlaskClient, box: EditBox) -> None:
    response = client.post(
        FILES,
        data={"file": (io.BytesIO(b"x"), "a.jpg")},
        headers={"Origin": "http://elsewhere.example"},
    )
    assert response.status_code == 403
    assert not (box.data / "uploads").exists()


def test_more_than_a_megabyte_is_taken_and_more_than_the_most_is_not(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    body(send(client, ("large.jpg", bytes(3 << 20)), id="1"))
    monkeypatch.setattr(imports, "MOST_REQUEST_BYTES", 1 << 20)
    assert send(client, ("large.jpg", bytes(3 << 20)), id="1").status_code == 413


def test_a_full_disk_is_said_before_anything_is_written(
    client: FlaskClient, box: EditBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_store, "SPARE_BYTES", 1 << 60)
    error = body(send(client, ("a.jpg", b"x"), id="1"), 507)["error"]
    assert error["code"] == "disk_full"
    assert list_files(box.data / "uploads") == []
    monkeypatch.undo()
    assert verified_copy.SPARE_BYTES < 1 << 30


# -- pages ---------------------------------------------------------------------------------------


def test_the_page_works_without_a_script_for_folders(
    client: FlaskClient, box: EditBox, roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hash_cache, "UNTRUSTED_NS", 0)  # the files are young
    page = client.get("/import").text
    assert f'value="{roots}"' in page
    assert "not there now" in page
    planned = client.post("/import/plan", data={"source": str(roots), "folder": ""})
    assert planned.status_code == 200
    assert "2 new" in planned.text
    assert read_figures(planned.text) == {
        "New": "2",
        "Already here": "0",
        "No photos": "1",
        "Unreadable": "0",
    }
    started = client.post("/import/start", data={"source": str(roots)})
    assert (started.status_code, started.location) == (303, "/")
    running = box.library.list_operations()[0]
    assert box.library.runner.wait(running.operation_id, 60).status == "completed"
    again = client.post("/import/plan", data={"folder": str(roots / "card")}).text
    assert "Nothing new: all is here already" in again
    assert read_figures(again)["Already here"] == "2"
    assert f"{DAY}/a.jpg" in again
    assert "2 files are unchanged since the last time and were not hashed again" in again
    report = client.get(f"/operations/{running.operation_id}/report").text
    assert "cached, not hashed again" in report


def test_the_page_works_without_a_script_for_files(
    client: FlaskClient, box: EditBox, tmp_path: Path
) -> None:
    data = {"file": [(io.BytesIO(read_picture(tmp_path, n)), f"<{n}>.jpg") for n in (1, 2)]}
    page = client.post("/import/files", data=data, content_type="multipart/form-data")
    assert "2 new" in page.text
    upload = page.text.split('name="upload" value="')[1][:16]
    assert client.post("/import/start", data={"upload": upload}).status_code == 303
    running = box.library.list_operations()[0]
    box.library.runner.wait(running.operation_id, 60)
    assert list_files(box.root) == [f"{DAY}/_1_.jpg", f"{DAY}/_2_.jpg"]


def test_a_plan_that_takes_long_says_how_far_it_is_and_can_be_stopped(
    client: FlaskClient, box: EditBox, roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "_WAITED_S", 0)
    monkeypatch.setattr(imports, "_ASKED_AGAIN_S", 0)
    go = threading.Event()
    hold_plans(box, monkeypatch, go)
    asked = client.post("/import/plan", data={"source": str(roots)})
    assert asked.status_code == 303
    page = client.get(asked.location).text
    assert "Nothing is copied yet" in page
    assert '<meta http-equiv="refresh" content="2">' in page
    part = client.get(f"{asked.location}?fragment=1").text
    assert part.startswith("<section")
    assert client.post(f"{asked.location}/stop").location == "/import"
    assert client.get(asked.location).status_code == 404
    again = client.post("/import/plan", data={"source": str(roots)}).location
    assert again != asked.location
    go.set()
    monkeypatch.setattr(imports, "_ASKED_AGAIN_S", 20)
    assert "2 new" in client.get(again).text


def test_what_ends_a_plan_is_said_where_it_is_asked_for(
    client: FlaskClient, box: EditBox, roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "_WAITED_S", 0)
    monkeypatch.setattr(imports, "_ASKED_AGAIN_S", 20)
    go = threading.Event()
    hold_plans(box, monkeypatch, go)
    asked = client.post("/import/plan", data={"source": str(roots / "card")})
    (roots / "card").rename(roots / "pulled")
    go.set()
    assert "not there now" in client.get(asked.location).text
    said = body(client.get(f"{asked.location}?fragment=1"), 409)
    assert said["error"]["code"] == "source_gone"


def test_refusals_are_pages_for_people_and_json_for_the_script(client: FlaskClient) -> None:
    page = client.post("/import/plan", data={"source": "/etc"})
    assert (page.status_code, page.mimetype) == (403, "text/html")
    part = client.post("/import/plan?fragment=1", data={"source": "/etc"})
    assert body(part, 403)["error"]["code"] == "source_not_allowed"
    empty = {"file": (io.BytesIO(b""), "")}
    assert client.post("/import/files", data=empty).status_code == 400


def test_without_roots_there_is_nothing_to_choose_on_the_server(box: EditBox) -> None:
    library = box.library
    library.settings = dataclasses.replace(library.settings, import_roots=())
    page = create_app(library=library).test_client().get("/import").text
    assert "From this server" not in page
    assert "name their folders in the" in page
    assert 'enctype="multipart/form-data"' in page


def test_the_grid_leads_there(client: FlaskClient) -> None:
    assert 'href="/import"' in client.get("/").text
