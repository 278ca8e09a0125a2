"""Error pages: each says what is wrong in a sentence, and has a way on."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from pictures import make_jpeg
from werkzeug.test import TestResponse

from app import create_app
from errors import BusyError, DiskFullError, LibraryError
from library import Library, open_library
from settings import load_settings
from web import shell, static_files

PAGE = {"Accept": "text/html,*/*;q=0.8"}
OURS = {"Origin": "http://localhost"}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("LIGHTKEEP_DATA_DIR", raising=False)
        make_jpeg(home / "photos/a.jpg", 1, date="2019:07:14 18:03:22")
        opened = open_library(load_settings(home / "photos"))
        opened.runner.wait(opened.start_update_index(), timeout=30)
        yield opened
        opened.close()


@pytest.fixture
def app(library: Library) -> Flask:
    app = create_app(library=library)

    def fail(error: Exception) -> Callable[[], str]:
        def view() -> str:
            raise error

        return view

    errors: dict[str, Exception] = {
        "busy": BusyError("An index is under way."),
        "full": DiskFullError("The disk has no room left."),
        "odd": LibraryError("That did not work."),
        "bug": ZeroDivisionError("secret"),
        "closed": sqlite3.ProgrammingError("Cannot operate on a closed database."),
    }
    for name, error in errors.items():
        app.add_url_rule(f"/fail/{name}", f"fail_{name}", fail(error))
    return app


def list_ways(answer: TestResponse) -> list[str]:
    return re.findall(r'<a class="button[^"]*" href="([^"]*)"', answer.text)


@pytest.mark.parametrize(
    ("path", "status", "ways"),
    [
        ("/nowhere", 404, ["/"]),
        ("/photo/99", 404, ["/"]),
        ("/months/2019-13", 404, ["/"]),
        ("/operations/x/cancel", 405, ["/"]),
        ("/?order=sideways", 400, ["/"]),
        ("/fail/busy?a=1", 409, ["/fail/busy?a=1", "/operations", "/"]),
        ("/fail/full", 507, ["/fail/full", "/"]),
        ("/fail/odd", 500, ["/fail/odd", "/"]),
        ("/fail/bug", 500, ["/fail/bug", "/"]),
        ("/fail/closed", 503, ["/fail/closed", "/"]),
    ],
)
def test_a_page_that_fails_says_why_and_leads_on(
    app: Flask, path: str, status: int, ways: list[str]
) -> None:
    answer = app.test_client().get(path, headers=PAGE)
    assert answer.status_code == status
    assert list_ways(answer) == ways
    sentence = re.findall(r"</h1>\s*<p>([^<]+)</p>", answer.text)[0]
    assert sentence.endswith((".", "backup"))
    assert "secret" not in answer.text
    assert ("not touched by this" in answer.text) == (status >= 500)
    assert "<title>Lightkeep" not in answer.text


@pytest.mark.parametrize(
    ("path", "form", "headers", "status", "ways"),
    [
        ("/operations", {"type": "no_such"}, OURS, 400, ["/"]),
        ("/edits/99/undo", {}, OURS, 404, ["/"]),
        ("/settings", {}, {"Origin": "https://evil.example"}, 403, ["/"]),
        ("/import/plan", {"source": "/etc"}, OURS, 403, ["/"]),
        ("/settings", {"import_roots": "x" * (2 << 20)}, OURS, 413, ["/import", "/"]),
    ],
)
def test_a_form_that_fails_leads_on_and_is_not_sent_again_by_a_link(
    app: Flask,
    path: str,
    form: dict[str, str],
    headers: dict[str, str],
    status: int,
    ways: list[str],
) -> None:
    answer = app.test_client().post(path, data=form, headers={**PAGE, **headers})
    assert (answer.status_code, list_ways(answer)) == (status, ways)


def test_without_a_password_other_machines_are_told_what_to_do_and_can_ask_again(
    app: Flask,
) -> None:
    answer = app.test_client().get(
        "/trash", headers=PAGE, environ_base={"REMOTE_ADDR": "192.168.1.9"}
    )
    assert answer.status_code == 403
    assert "./lightkeep password" in answer.text
    assert list_ways(answer) == ["/trash", "/"]


def test_a_name_that_is_not_ours_gets_a_page_that_needs_nothing_else_of_us(app: Flask) -> None:
    client = app.test_client()
    answer = client.get("/", headers={**PAGE, "Host": "evil.example"})
    assert answer.status_code == 400
    assert "allowed_hosts" in answer.text
    assert 'href="http://127.0.0.1:5001/"' in answer.text
    assert "/static/" not in answer.text
    nonce = re.findall(r'<style nonce="([^"]+)">', answer.text)[0]
    assert f"'nonce-{nonce}'" in answer.headers["Content-Security-Policy"]
    told = client.get("/", headers={"Host": "evil.example", "Accept": "*/*"})
    assert "127.0.0.1" not in told.text


# -- the installed app -----------------------------------------------------------------------------


def test_what_an_installed_app_needs_is_there(app: Flask) -> None:
    client = app.test_client()
    page = client.get("/").text
    manifest = client.get(re.findall(r'<link rel="manifest" href="([^"]+)"', page)[0])
    assert manifest.mimetype == "application/manifest+json"
    assert manifest.get_json(force=True)["start_url"] == "/"
    for icon in manifest.get_json(force=True)["icons"]:
        assert client.get(icon["src"]).mimetype == icon["type"]
    for shortcut in manifest.get_json(force=True)["shortcuts"]:
        assert client.get(shortcut["url"]).status_code == 200
    address = re.findall(r'data-worker="([^"]+)"', page)[0]
    worker = client.get(address)
    assert worker.mimetype in ("text/javascript", "application/javascript")
    assert worker.headers["Service-Worker-Allowed"] == "/"
    assert worker.headers["Cache-Control"] == "no-cache"
    assert "worker-src 'self'" in worker.headers["Content-Security-Policy"]
    kept = re.findall(r'"(/static/[^"]+)"', worker.text)
    assert set(kept) == {f"/static/{name}" for name in shell.KEPT_FILES}
    for path in kept:
        answer = client.get(path)
        assert answer.status_code == 200
        assert "Service-Worker-Allowed" not in answer.headers


def test_the_worker_is_another_one_when_what_it_keeps_is(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = app.test_client()

    def read() -> str:
        return str(re.findall(r'data-worker="([^"]+)"', client.get("/").text)[0])

    before = read()
    assert read() == before
    german = client.get("/", headers={"Accept-Language": "de"}).text
    assert before not in german
    real = static_files.asset_version
    monkeypatch.setattr(
        shell,
        "asset_version",
        lambda folder, name: "other" if name == "css/page.css" else real(folder, name),
    )
    assert read() != before
