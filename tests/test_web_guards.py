"""web/guards: nothing is answered that was not asked by the right name, page and person."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pictures import make_jpeg
from server_box import run_server
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app import create_app
from library import Library, open_library
from settings import load_settings
from web import guards
from web.recovery import Damaged, create_recovery_app

PASSWORD = "correct horse"
PAGE = {"Accept": "text/html,application/xml;q=0.9,*/*;q=0.8,application/x;v=b3;q=0.7"}
OURS = {"Origin": "http://localhost"}
OPEN = {("GET", "/login"), ("POST", "/login"), ("GET", "/static/icon.svg"), ("GET", "/healthz")}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
COOKIE = "lightkeep_5001"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("LIGHTKEEP_DATA_DIR", raising=False)
        make_jpeg(home / "photos/a.jpg", 1, date="2019:07:14 18:03:22")
        opened = open_library(load_settings(home / "photos"))
        opened.runner.wait(opened.start_update_index(), timeout=30)
        opened.accounts.set_password(PASSWORD)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def app(opened: Library) -> Flask:
    return create_app(library=opened)


@pytest.fixture(scope="module")
def token(opened: Library) -> str:
    return opened.accounts.add_token("test")


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def key(opened: Library) -> str:
    key = opened.accounts.sign_in(PASSWORD, "127.0.0.1")
    assert key is not None
    return key


@pytest.fixture
def signed_in(app: Flask, key: str) -> FlaskClient:
    client = app.test_client()
    client.set_cookie(COOKIE, key)
    return client


@pytest.fixture
def unchanged(opened: Library) -> Iterator[None]:
    """Nothing of the library is another one behind the test."""

    def look() -> list[Any]:
        with opened.database.reading() as connection:
            rows = [
                connection.execute(f"SELECT * FROM {table}").fetchall()
                for table in ("photos", "operation_state")
            ]
        kept = (opened.settings.data_dir / "accounts.json").read_bytes()
        files = sorted(str(path) for path in opened.settings.library.glob("*"))
        return [[tuple(row) for row in table] for table in rows] + [kept, files]

    before = look()
    yield
    assert look() == before


def code(response: Any) -> str:
    assert response.json is not None, response.data
    return str(response.json["error"]["code"])


def make_address(rule: Rule) -> str:
    """An address that this rule matches, with an id that exists where there is one."""
    named = {
        "photo_id": "1",
        "entry_id": "1",
        "key": "2019-07",
        "filename": "icon.svg",
        "operation_id": "x",
    }
    chosen = {"deed": "resume", "operation_type": "verify_library"}
    return re.sub(
        r"<(?:[^<>:]+:)?(\w+)>", lambda match: (named | chosen).get(match[1], "x"), rule.rule
    )


# -- signed in -----------------------------------------------------------------------------------


Answers = dict[tuple[str, str], TestResponse]


def walk(app: Flask, client: FlaskClient, headers: dict[str, str]) -> Answers:
    """Every method on every address there is, and on two there are not."""
    addresses = {make_address(rule) for rule in app.url_map.iter_rules()} | {"/nowhere", "/api/no"}
    return {
        (method, address): client.open(address, method=method, headers=headers)
        for method in METHODS
        for address in addresses
    }


def list_let_in(answers: Answers) -> set[tuple[str, str]]:
    """What was not refused for want of sign-in. A wrong password is told on a page."""
    return {
        (method, address)
        for (method, address), answer in answers.items()
        if (answer.status_code, answer.mimetype) != (401, "application/json")
        and method not in ("HEAD", "OPTIONS")
    }


@pytest.mark.usefixtures("unchanged")
def test_every_address_but_the_open_ones_needs_sign_in_with_every_method(
    app: Flask, stranger: FlaskClient
) -> None:
    answers = walk(app, stranger, {})
    assert len(answers) > 200
    assert list_let_in(answers) == OPEN


@pytest.mark.usefixtures("unchanged")
def test_a_browser_that_asks_for_a_page_is_led_to_the_login_page(
    app: Flask, stranger: FlaskClient
) -> None:
    for (method, address), answer in walk(app, stranger, PAGE).items():
        place = (method.replace("HEAD", "GET"), address)
        if place in OPEN or (method == "OPTIONS" and address in {path for _, path in OPEN}):
            continue
        leads = method in ("GET", "HEAD") and not address.startswith("/api/")
        assert answer.status_code == (303 if leads else 401), (method, address)


def test_the_refusal_says_how_to_come_in(stranger: FlaskClient) -> None:
    response = stranger.get("/api/photos")
    assert code(response) == "sign_in_needed"
    assert response.headers["WWW-Authenticate"] == "Bearer"
    page = stranger.get("/months/2019-07?order=oldest", headers=PAGE)
    assert page.headers["Location"] == "/login?next=/months/2019-07?order%3Doldest"
    assert stranger.get("/", headers=PAGE).headers["Location"] == "/login"
    assert stranger.get("/?x=%ff", headers=PAGE).status_code == 303


def test_a_part_of_a_page_never_becomes_the_login_page(stranger: FlaskClient) -> None:
    assert stranger.get("/months/2019-07?fragment=1", headers=PAGE).status_code == 401
    assert stranger.get("/photo/1", headers={"Accept": "*/*"}).status_code == 401


PICTURES = [f"/api/photo/1/{kind}" for kind in ("thumbnail", "preview", "file")]


@pytest.mark.parametrize("path", [*PICTURES, "/api/operations/x/events", "/photo/1"])
def test_pictures_and_streams_are_closed_also_to_who_knows_their_etag(
    stranger: FlaskClient, signed_in: FlaskClient, path: str
) -> None:
    etag = signed_in.get(path).headers.get("ETag", '"x"')
    for headers in ({}, {"If-None-Match": etag}, {"If-None-Match": "*"}, {"Range": "bytes=0-9"}):
        response = stranger.get(path, headers=headers)
        assert response.status_code == 401
        assert b"a.jpg" not in response.data


def test_a_session_and_a_token_open_the_same(
    signed_in: FlaskClient, stranger: FlaskClient, token: str
) -> None:
    for path in ("/", "/photo/1", "/api/photos", *PICTURES):
        assert signed_in.get(path).status_code == 200
        for scheme in ("Bearer", "bearer", "BEARER"):
            headers = {"Authorization": f"{scheme} {token}"}
            assert stranger.get(path, headers=headers).status_code == 200


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "authorization",
    [
        *("Bearer", "Bearer ", "Bearer x", "Bearer {token}x", "Bearer {token} x", "{token}"),
        *("Basic {token}", "Basic eDp5", "Token {token}", "Bearer Bearer {token}", "Bearer \x00"),
        *("Bearer {hash}", "Bearer " + "x" * 5000, "Digest username=x", "Bearer token={token}"),
    ],
)
def test_what_is_no_token_opens_nothing(
    stranger: FlaskClient, opened: Library, token: str, authorization: str
) -> None:
    hashed = opened.accounts.list_tokens()[0].hash
    value = authorization.format(token=token, hash=hashed)
    for path in ("/api/photos", "/"):
        environ = {"HTTP_AUTHORIZATION": value}
        response = stranger.get(path, environ_overrides=environ)
        assert response.status_code == 401


def test_a_wrong_token_is_refused_also_beside_a_right_session(signed_in: FlaskClient) -> None:
    assert signed_in.get("/", headers={"Authorization": "Bearer x"}).status_code == 401


@pytest.mark.parametrize("name", ["token", "access_token", "bearer", "key", "api_key", COOKIE])
def test_no_key_is_taken_from_an_address_or_a_body(
    stranger: FlaskClient, key: str, token: str, name: str
) -> None:
    for secret in (token, key):
        assert stranger.get("/api/photos", query_string={name: secret}).status_code == 401
        assert stranger.post("/operations", data={name: secret}).status_code == 401
        headers = {f"X-{name}": secret}
        assert stranger.get("/api/photos", headers=headers).status_code == 401


@pytest.mark.parametrize("forged", ["", "x", "x" * 43, "x" * 4000, "%00", "{hash}"])
def test_what_is_no_session_opens_nothing(
    stranger: FlaskClient, signed_in: FlaskClient, opened: Library, forged: str
) -> None:
    assert signed_in.get("/api/photos").status_code == 200
    book = json.loads((opened.settings.data_dir / "accounts.json").read_text())
    stranger.set_cookie(COOKIE, forged.format(hash=book["sessions"][-1]["hash"]))
    assert stranger.get("/api/photos").status_code == 401


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_a_forwarded_address_makes_nobody_one_of_this_machine(
    stranger: FlaskClient, header: str
) -> None:
    headers = {header: "for=127.0.0.1" if header == "Forwarded" else "127.0.0.1"}
    response = stranger.get(
        "/api/photos", headers=headers, environ_overrides={"REMOTE_ADDR": "10.0.0.9"}
    )
    assert response.status_code == 401


# -- without a password --------------------------------------------------------------------------


@pytest.fixture
def bare(home: Path) -> Iterator[Library]:
    (home / "bare").mkdir()
    library = open_library(load_settings(home / "bare"))
    yield library
    library.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.9.9.9", "::ffff:127.0.0.1"])
def test_without_a_password_this_machine_is_served(bare: Library, address: str) -> None:
    client = create_app(library=bare).test_client()
    answer = client.get("/", environ_overrides={"REMOTE_ADDR": address})
    assert answer.status_code == 200
    assert "Sign out" not in answer.text


@pytest.mark.parametrize(
    "address", ["10.0.0.9", "192.168.1.2", "::ffff:10.0.0.9", "2001:db8::1", "", "localhost.evil"]
)
def test_without_a_password_no_other_machine_is_whatever_serves_it(
    bare: Library, address: str
) -> None:
    client = create_app(library=bare).test_client()
    for path in ("/", "/api/photos", "/nowhere"):
        answer = client.get(path, environ_overrides={"REMOTE_ADDR": address}, headers=PAGE)
        assert answer.status_code == 403
        assert "./lightkeep password" in answer.text


def test_beyond_loopback_nothing_is_served_without_a_password(bare: Library) -> None:
    bare.settings = dataclasses.replace(bare.settings, host="0.0.0.0")
    client = create_app(library=bare).test_client()
    assert client.get("/api/photos").status_code == 403
    assert client.get("/healthz").status_code == 200


def test_a_password_that_is_set_meanwhile_counts_at_once(bare: Library) -> None:
    client = create_app(library=bare).test_client()
    assert client.get("/api/photos").status_code == 200
    bare.accounts.set_password(PASSWORD)
    assert client.get("/api/photos").status_code == 401


@pytest.mark.parametrize("deed", ["damaged", "removed", "a folder"])
def test_a_password_file_that_cannot_be_read_closes_everything(bare: Library, deed: str) -> None:
    bare.accounts.set_password(PASSWORD)
    client = create_app(library=bare).test_client()
    assert client.get("/api/photos").status_code == 401
    path = bare.settings.data_dir / "accounts.json"
    path.unlink()
    if deed == "damaged":
        path.write_bytes(b"\0" * 300)
    elif deed == "a folder":
        path.mkdir()
    for address in ("/", "/api/photos", "/api/photo/1/file", "/login", "/nowhere"):
        for headers in (PAGE, {"Accept": "*/*"}, {"Authorization": "Bearer " + "x" * 43}):
            assert client.get(address, headers=headers).status_code == 503, address
    assert client.post("/login", data={"password": PASSWORD}).status_code == 503
    assert client.get("/healthz").status_code == 200
    assert code(client.get("/api/photos")) == "accounts_unusable"
    assert str(bare.settings.data_dir) not in client.get("/", headers=PAGE).text


# -- a damaged database --------------------------------------------------------------------------


@pytest.fixture
def recovery(bare: Library) -> Flask:
    def restore() -> None:
        raise AssertionError("a stranger restored the database")

    bare.accounts.set_password(PASSWORD)
    return create_recovery_app(Damaged(bare.settings, "It is damaged.", restore))


def test_the_page_of_a_damaged_database_needs_sign_in_too(recovery: Flask) -> None:
    client = recovery.test_client()
    assert list_let_in(walk(recovery, client, {})) == OPEN
    assert client.get("/", headers=PAGE).headers["Location"] == "/login"
    assert client.get("/login").status_code == 200
    signed = client.post("/login", data={"password": PASSWORD})
    assert signed.headers["Location"] == "/"
    assert client.get("/").status_code == 503
    assert "It is damaged." in client.get("/").text


# -- by which name -------------------------------------------------------------------------------


@pytest.fixture
def beyond(opened: Library, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Flask]]:
    """The same library served at an address that others reach."""
    monkeypatch.setattr(
        guards, "list_machine_names", lambda: frozenset({"nas", "nas.local", "192.168.1.5"})
    )
    monkeypatch.setattr(guards, "_machine_names", guards._MachineNames())
    before = opened.settings

    def serve(**changes: Any) -> Flask:
        opened.settings = dataclasses.replace(before, **changes)
        return create_app(library=opened)

    yield serve
    opened.settings = before


def status_under(app: Flask, host: str) -> int:
    return app.test_client().get("/static/icon.svg", headers={"Host": host}).status_code


def test_beyond_loopback_it_answers_to_the_names_of_the_machine(
    beyond: Callable[..., Flask],
) -> None:
    app = beyond(host="0.0.0.0", allowed_hosts=("Photos.Example",))
    for host in ("nas", "NAS.local:5001", "nas.local.", "nas.local.:80", "192.168.1.5:5001"):
        assert status_under(app, host) == 200, host
    for host in ("localhost", "localhost.", "127.0.0.1:9", "[::1]:5001", "photos.example.:443"):
        assert status_under(app, host) == 200, host
    for host in ("evil.com", "nas.local..", "nas.evil.com", "0.0.0.0", "[::]", "192.168.1.6"):
        assert status_under(app, host) == 400, host


def test_the_address_that_is_served_is_a_name_too(beyond: Callable[..., Flask]) -> None:
    app = beyond(host="2001:DB8::7")
    assert status_under(app, "[2001:db8:0::7]:5001") == 200
    assert status_under(app, "[2001:db8::8]:5001") == 400


def test_on_loopback_the_names_of_the_machine_are_foreign(beyond: Callable[..., Flask]) -> None:
    app = beyond(host="127.0.0.1")
    assert status_under(app, "nas.local") == 400
    assert status_under(app, "192.168.1.5") == 400


def test_the_names_are_not_looked_up_with_every_request(
    beyond: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def list_names() -> frozenset[str]:
        asked.append(1)
        return frozenset({"nas"})

    monkeypatch.setattr(guards, "list_machine_names", list_names)
    app = beyond(host="0.0.0.0")
    for host in ("nas", "evil.com", "nas", "evil2.com"):
        status_under(app, host)
    assert len(asked) == 1


def test_a_foreign_name_is_refused_before_anybody_is_asked_to_sign_in(
    stranger: FlaskClient, signed_in: FlaskClient, token: str
) -> None:
    headers = {"Host": "evil.com", "Authorization": f"Bearer {token}"}
    for client in (stranger, signed_in):
        assert client.get("/api/photos", headers=headers).status_code == 400
        assert client.get("/login", headers={"Host": "evil.com"}).status_code == 400


# -- from which page -----------------------------------------------------------------------------


NOTHING = {"type": "nothing"}
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "cross-site", **OURS},
    {"Origin": "http://evil.com"},
    {"Origin": "http://localhost:8080"},
    {"Origin": "null"},
    {"Origin": ""},
]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", ["/api/operations", "/operations", "/login", "/logout"])
def test_a_foreign_page_changes_nothing_in_anybodys_name(
    signed_in: FlaskClient, token: str, path: str, headers: dict[str, str]
) -> None:
    assert signed_in.post(path, json=NOTHING, headers=headers).status_code == 403
    bearer = headers | {"Authorization": f"Bearer {token}"}
    assert signed_in.post(path, json=NOTHING, headers=bearer).status_code == 403


@pytest.mark.usefixtures("unchanged")
def test_a_cookie_alone_changes_nothing(signed_in: FlaskClient) -> None:
    for path in ("/api/operations", "/operations", "/logout"):
        assert signed_in.post(path, json=NOTHING).status_code == 403


def test_a_cookie_with_a_word_of_our_own_page_does(signed_in: FlaskClient) -> None:
    for headers in (OURS, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        response = signed_in.post("/api/operations", json=NOTHING, headers=headers)
        assert (response.status_code, code(response)) == (400, "invalid_request")


def test_a_token_needs_no_such_word(
    stranger: FlaskClient, signed_in: FlaskClient, token: str
) -> None:
    for client in (stranger, signed_in):
        headers = {"Authorization": f"Bearer {token}"}
        response = client.post("/api/operations", json=NOTHING, headers=headers)
        assert (response.status_code, code(response)) == (400, "invalid_request")


def test_a_wrong_token_is_no_word_either(signed_in: FlaskClient) -> None:
    headers = {"Authorization": "Bearer x"}
    assert signed_in.post("/api/operations", json=NOTHING, headers=headers).status_code == 403


# -- what they send ------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "content_type",
    [
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""),
        *("application/vnd.api+json", "text/json", "application/json2", "application/xml"),
    ],
)
@pytest.mark.parametrize("path", ["/api/operations", "/api/operations/x/cancel"])
def test_the_api_takes_no_body_but_json(
    signed_in: FlaskClient, content_type: str, path: str
) -> None:
    body = '{"type": "update_index"}'
    response = signed_in.post(path, data=body, content_type=content_type, headers=OURS)
    assert (response.status_code, code(response)) == (415, "unsupported_media_type")


def test_json_may_name_its_letters(signed_in: FlaskClient) -> None:
    response = signed_in.post(
        "/api/operations",
        data='{"type": "nothing"}',
        content_type="Application/JSON; charset=utf-8",
        headers=OURS,
    )
    assert (response.status_code, code(response)) == (400, "invalid_request")


PATHS = [
    *("/static/%2e%2e/app.py", "/static/..%2f..%2fetc/passwd", "/static/%2e%2e%2fapp.py"),
    *("/static/..%5c..%5capp.py", "/static/%00", "/static/icon.svg%00.js", "/static//etc/passwd"),
    *("/static/../.library/accounts.json", "/.library/accounts.json", "/%2e%2e/etc/passwd"),
    *("/api/photo/../../etc/passwd/file", "/api/photo/%2e%2e/file", "/api/photo/a.jpg/file"),
    *("/api/photo/%2fetc%2fpasswd/file", "/api/photo/-1/file", "/api/photo/1%00/file"),
    *("/api/photo/" + "9" * 5000 + "/file", "/api/photo/1/file/../../2/file", "/photo/%5c"),
    *("/months/" + "x" * 20_000, "/months/%2e%2e", "//evil.com/", "/\\evil.com", "/api/%ff%fe"),
    *("/operations/%2e%2e/report", "/api/operations/%00/events", "/api/operations/..%5c/cancel"),
]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
def test_no_path_leads_anywhere_it_should_not(
    signed_in: FlaskClient, stranger: FlaskClient, path: str
) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        headers = OURS | {"Accept": "*/*"}
        answer = signed_in.open(path, method=method, headers=headers, follow_redirects=True)
        assert answer.status_code in (400, 403, 404, 405, 414, 415), (method, answer.status_code)
        assert b"root:" not in answer.data
        assert b"scrypt" not in answer.data
        # Files that are open to everybody, and another host's address.
        if path.startswith(("/static/", "//")):
            continue
        assert stranger.open(path, method=method, headers=headers).status_code == 401


def test_a_photo_that_became_a_link_or_a_pipe_is_not_sent(
    signed_in: FlaskClient, opened: Library, tmp_path: Path
) -> None:
    path, aside = opened.settings.library / "a.jpg", tmp_path / "a.jpg"
    (tmp_path / "secret").write_text("secret")
    path.rename(aside)
    try:
        puts: list[Callable[[], None]] = [
            lambda: path.symlink_to(tmp_path / "secret"),
            lambda: path.symlink_to("/dev/zero"),
            lambda: os.mkfifo(path),
            path.mkdir,
        ]
        for put in puts:
            put()
            response = signed_in.get("/api/photo/1/file")
            assert response.status_code == 404
            assert b"secret" not in response.data
            path.rmdir() if path.is_dir() else path.unlink()
    finally:
        aside.rename(path)
    assert signed_in.get("/api/photo/1/file").status_code == 200


def test_a_file_is_closed_whatever_part_of_it_was_asked_for(opened: Library, token: str) -> None:
    port, stop = run_server(create_app(library=opened))
    photo = str(opened.settings.library / "a.jpg")
    size = os.path.getsize(photo)

    def ask(method: str, **headers: str) -> tuple[int, int]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(
            method, "/api/photo/1/file", headers={"Authorization": f"Bearer {token}"} | named
        )
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, len(body)

    try:
        assert ask("GET") == (200, size)
        assert ask("HEAD") == (200, 0)
        assert ask("GET", Range="bytes=2-5") == (206, 4)
        assert ask("GET", Range="bytes=-3") == (206, 3)
        assert ask("GET", Range=f"bytes={size}-")[0] == 416
        assert ask("GET", If_None_Match="*") == (304, 0)
    finally:
        stop()
    assert photo not in list_opened()


def list_opened() -> list[str]:
    held = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            held.append(os.readlink(f"/proc/self/fd/{number}"))
    return held
