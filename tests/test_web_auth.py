"""web/auth: the login page, the cookie, and signing out."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pictures import make_jpeg
from werkzeug.test import TestResponse

import accounts as accounts_room
from app import create_app
from library import Library, open_library
from login_throttle import LoginThrottle
from settings import load_settings

PASSWORD = "correct horse"
OURS = {"Origin": "http://localhost"}


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


@pytest.fixture
def app(opened: Library) -> Flask:
    opened.accounts._throttle = LoginThrottle()
    return create_app(library=opened)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def sign_in(client: FlaskClient, password: str = PASSWORD, **form: str) -> TestResponse:
    return client.post("/login", data={"password": password, **form}, headers=OURS)


def test_the_right_password_leads_to_the_photos(client: FlaskClient) -> None:
    answer = sign_in(client)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    page = client.get("/")
    assert page.status_code == 200
    assert 'action="/logout"' in page.text


def test_the_cookie_is_for_the_server_and_our_own_pages_only(app: Flask) -> None:
    cookie = sign_in(app.test_client()).headers["Set-Cookie"]
    name, value = cookie.split(";")[0].split("=")
    assert name == "lightkeep_5001"
    assert re.fullmatch(r"[\w-]{43}", value)
    words = cookie.split("; ")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(words)
    assert "Secure" not in words
    assert "Domain" not in cookie
    data = {"password": PASSWORD}
    secure = app.test_client().post("/login", data=data, base_url="https://localhost")
    assert "Secure" in secure.headers["Set-Cookie"].split("; ")
    forwarded = app.test_client().post("/login", data=data, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" not in forwarded.headers["Set-Cookie"].split("; ")


def test_every_sign_in_is_another_session_and_none_is_taken_from_outside(
    client: FlaskClient,
) -> None:
    client.set_cookie("lightkeep_5001", "x" * 43)
    values = [sign_in(client).headers["Set-Cookie"].split(";")[0] for _ in range(3)]
    assert len(set(values)) == 3
    assert not any("x" * 43 in value for value in values)


@pytest.mark.parametrize("password", ["", "wrong", "correct horse ", "\0", "x" * 50_000])
def test_a_wrong_password_is_told_and_opens_nothing(client: FlaskClient, password: str) -> None:
    answer = sign_in(client, password)
    assert answer.status_code == 401
    assert "That is not the password." in answer.text
    assert "Set-Cookie" not in answer.headers
    assert client.get("/api/photos").status_code == 401


def test_a_password_in_the_address_is_none(client: FlaskClient) -> None:
    answer = client.post(f"/login?password={PASSWORD}", headers=OURS)
    assert answer.status_code == 401
    assert client.post("/login", json={"password": PASSWORD}, headers=OURS).status_code == 401


def test_a_form_that_is_too_large_is_refused(client: FlaskClient) -> None:
    assert sign_in(client, "x" * (2 << 20)).status_code == 413


def test_too_many_wrong_passwords_have_to_wait_and_are_told_how_long(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts_room, "_is_password", lambda *_: False)
    assert [sign_in(client, "wrong").status_code for _ in range(5)] == [401] * 5
    answer = sign_in(client)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert "Too many wrong passwords. Try again in 1 s." in answer.text
    elsewhere = client.post(
        "/login",
        data={"password": "wrong"},
        headers=OURS | {"X-Forwarded-For": "10.0.0.7"},
    )
    assert elsewhere.status_code == 429


@pytest.mark.parametrize("there", ["/photo/1", "/months/2019-07?order=oldest", "/?x=%2F%2Fevil"])
def test_it_leads_back_to_where_one_was_going(client: FlaskClient, there: str) -> None:
    assert f'value="{there}"' in client.get("/login", query_string={"next": there}).text
    assert sign_in(client, next=there).headers["Location"] == there
    signed_in = client.get("/login", query_string={"next": there})
    assert (signed_in.status_code, signed_in.headers["Location"]) == (303, there)


@pytest.mark.parametrize(
    "there",
    [
        *(
            "http://evil.com",
            "//evil.com",
            "///evil.com",
            "/\\evil.com",
            "\\\\evil.com",
            "evil.com",
        ),
        *("javascript:alert(1)", "/\t/evil.com", "/\n/evil.com", " //evil.com", "", "/" * 3000),
        *("/x\r\nSet-Cookie: a=b", "https:/evil.com", "/x\0"),
    ],
)
def test_it_leads_nowhere_else(client: FlaskClient, there: str) -> None:
    assert sign_in(client, next=there).headers["Location"] == "/"
    assert client.get("/login", query_string={"next": there}).headers["Location"] == "/"


def test_what_comes_next_cannot_write_into_the_page(client: FlaskClient) -> None:
    page = client.get("/login", query_string={"next": '/"><script>alert(1)</script>'}).text
    assert "<script" not in page
    assert "&#34;&gt;&lt;script&gt;" in page


def test_the_login_page_tells_nothing_of_the_library(client: FlaskClient, opened: Library) -> None:
    page = client.get("/login")
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert str(opened.settings.library) not in page.text
    assert "a.jpg" not in page.text
    assert "style=" not in page.text
    assert "<script" not in page.text


def test_signing_out_ends_it_on_every_device(app: Flask) -> None:
    here, there = app.test_client(), app.test_client()
    for client in (here, there):
        sign_in(client)
        assert client.get("/api/photos").status_code == 200
    answer = here.post("/logout", headers=OURS)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    for client in (here, there):
        assert client.get("/api/photos").status_code == 401


def test_to_look_at_an_address_signs_nobody_out(client: FlaskClient) -> None:
    sign_in(client)
    assert client.get("/logout").status_code == 405
    assert client.get("/api/photos").status_code == 200
