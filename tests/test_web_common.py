"""web/common and web/guards without a password: who may ask, headers, errors as sentences."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pictures import make_jpeg
from werkzeug.test import TestResponse

from app import create_app
from library import Library, open_library
from settings import load_settings
from web import static_files

ON_EVERY_ANSWER = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
START = "/api/operations"
NOTHING_TO_START = {"type": "nothing"}
"""Passes the guards and is then refused with 400, so that no test starts an index."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("LIGHTKEEP_DATA_DIR", raising=False)
        make_jpeg(home / "photos/a.jpg", 1, date="2019:07:14 18:03:22")
        settings = load_settings(home / "photos")
        opened = open_library(
            dataclasses.replace(settings, allowed_hosts=("NAS.local", "10.0.0.7"))
        )
        opened.runner.wait(opened.start_update_index(), timeout=30)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def app(opened: Library) -> Flask:
    app = create_app(library=opened)

    @app.get("/fails")
    @app.get("/api/fails")
    def fail() -> str:
        raise RuntimeError("secret /path/of/the/house")

    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def post(client: FlaskClient, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(START, json=NOTHING_TO_START, headers=named)


def code(response: TestResponse) -> str:
    """The code of a JSON error."""
    assert response.json is not None
    assert set(response.json) == {"error"}
    assert set(response.json["error"]) == {"code", "message"}
    return str(response.json["error"]["code"])


# -- who may ask -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *("evil.com", "evil.com:5001", "127.0.0.1.evil.com", "localhost.evil.com", "10.0.0.8"),
        *("0.0.0.0", "192.168.1.1:5001", "[::2]:5001", "nas.local.evil.com", "xnas.local"),
        *("[::1", "[evil]", "local host", "localhost/", "evil.com#localhost", "evil.com\\@nas"),
    ],
)
@pytest.mark.parametrize(
    "path", ["/", "/api/photos", "/static/icon.svg", "/healthz", "/nowhere", "/api/photo/1/file"]
)
def test_under_a_foreign_name_nothing_is_answered(
    client: FlaskClient, host: str, path: str
) -> None:
    response = client.get(path, headers={"Host": host})
    assert response.status_code == 400
    assert b"a.jpg" not in response.data


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "127.0.0.1:5001",
            "127.0.0.1:1",
            "127.8.9.1:80",
            "localhost",
            "LocalHost:99",
        ),
        *("[::1]", "[::1]:5001", "nas.local", "NAS.LOCAL:5001", "Nas.Local", "10.0.0.7:5001"),
    ],
)
def test_under_the_names_of_this_machine_and_the_chosen_ones_it_answers(
    client: FlaskClient, host: str
) -> None:
    for path in ("/", "/static/icon.svg", "/healthz"):
        assert client.get(path, headers={"Host": host}).status_code == 200


def test_a_forwarded_host_does_not_stand_in_for_the_real_one(client: FlaskClient) -> None:
    headers = {"Host": "evil.com", "X-Forwarded-Host": "localhost"}
    assert client.get("/", headers=headers).status_code == 400


def test_the_refusal_of_a_name_says_which_setting_adds_it(client: FlaskClient) -> None:
    response = client.get("/api/photos", headers={"Host": "evil.com"})
    assert code(response) == "host_not_allowed"
    assert "allowed_hosts" in response.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Origin": "http://evil.com"},
        {"Origin": "http://localhost:8080"},
        {"Origin": "https://localhost"},
        {"Origin": "http://localhost.evil.com"},
        {"Origin": "null"},
        {"Origin": ""},
    ],
)
@pytest.mark.parametrize("path", [START, "/operations", "/api/operations/x/cancel", "/nowhere"])
def test_a_page_of_another_site_changes_nothing(
    client: FlaskClient, path: str, headers: dict[str, str]
) -> None:
    response = client.post(path, json=NOTHING_TO_START, headers=headers)
    assert response.status_code == 403


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_every_method_that_could_change_something_is_guarded(
    client: FlaskClient, method: str
) -> None:
    response = client.open(START, method=method, headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403
    assert code(response) == "forged_request"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
        {"Host": "localhost:5001", "Origin": "http://localhost:5001"},
        {"Host": "[::1]:5001", "Origin": "http://[::1]:5001"},
        {"Host": "nas.local", "Origin": "http://nas.local"},
        # A proxy that speaks https for us: the browser's own word counts.
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://localhost"},
    ],
)
def test_our_own_pages_and_programs_pass_the_guard(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    response = client.post(START, json=NOTHING_TO_START, headers=headers)
    assert code(response) == "invalid_request"


def test_an_address_in_letters_of_the_world_is_its_own_origin(opened: Library) -> None:
    app = create_app(library=opened)
    name = "xn--bcher-kva.local"
    patched = dataclasses.replace(opened.settings, allowed_hosts=(name,))
    before, opened.settings = opened.settings, patched
    try:
        response = post(app.test_client(), Host=name, Origin=f"http://{name}")
    finally:
        opened.settings = before
    assert code(response) == "invalid_request"


def test_reading_is_open_to_links_from_elsewhere(client: FlaskClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.com"}
    assert client.get("/", headers=headers).status_code == 200


# -- what every answer carries -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *(("/", 200), ("/months/2019-07", 200), ("/photo/1", 200), ("/api/photos", 200)),
        *(("/api/photo/1/thumbnail", 200), ("/api/photo/1/file", 200), ("/healthz", 200)),
        *(("/static/icon.svg", 200), ("/nowhere", 404), ("/api/nowhere", 404), ("/fails", 500)),
        *(("/static/nothing.js", 404), ("/api/operations/x/cancel", 405), ("/?order=up", 400)),
    ],
)
def test_every_answer_carries_the_headers_that_protect_it(
    client: FlaskClient, path: str, status: int
) -> None:
    response = client.get(path)
    assert response.status_code == status
    assert {name: response.headers[name] for name in ON_EVERY_ANSWER} == ON_EVERY_ANSWER
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-" not in policy
    assert "*" not in policy
    assert "Cache-Control" in response.headers


def test_refusals_carry_them_too(client: FlaskClient) -> None:
    for headers in ({"Host": "evil.com"}, {"Origin": "null"}):
        response = client.post("/operations", headers=headers)
        assert {name: response.headers[name] for name in ON_EVERY_ANSWER} == ON_EVERY_ANSWER
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]


def test_a_page_has_no_script_or_style_that_the_policy_would_stop(client: FlaskClient) -> None:
    for path in ("/", "/months/2019-07", "/photo/1", "/nowhere"):
        response = client.get(path)
        assert not re.search(r"""\s(style|on[a-z]+)\s*=\s*["']""", response.text), path
        assert not re.search(r"<script(?![^>]*\ssrc=)", response.text), path
        assert "javascript:" not in response.text
        nonces = re.findall(r'<style nonce="([^"]+)"', response.text)
        assert len(nonces) == response.text.count("<style")
        policy = response.headers["Content-Security-Policy"]
        assert all(f"style-src 'self' 'nonce-{nonce}';" in policy for nonce in nonces)


def test_the_nonce_is_another_one_each_time(client: FlaskClient) -> None:
    policies = {client.get("/").headers["Content-Security-Policy"] for _ in range(3)}
    assert len(policies) == 3


def test_a_page_points_nowhere_outside(client: FlaskClient) -> None:
    for path in ("/", "/months/2019-07", "/photo/1"):
        addresses = re.findall(r"""(?:href|src|action)="([^"]*)""", client.get(path).text)
        assert addresses
        assert all(address.startswith(("/", "#")) for address in addresses), addresses
        assert not any(address.startswith("//") for address in addresses)


def test_a_static_file_is_kept_for_good_only_under_the_address_of_its_content(
    client: FlaskClient,
) -> None:
    page = client.get("/").text
    style = re.search(r'href="(/static/css/base\.css)(\?v=[0-9a-f]{12})"', page)
    module = re.search(r'src="(/static/js)(/v-[0-9a-f]{12})(/main\.js)"', page)
    assert style
    assert module
    for address in ("".join(style.groups()), "".join(module.groups())):
        assert "max-age=31536000" in client.get(address).headers["Cache-Control"]
    # A page of yesterday's version gets what there is, and asks again.
    yesterday = f"{module[1]}/v-000000000000{module[3]}"
    for stale in (style[1], f"{style[1]}?v=000000000000", module[1] + module[3], yesterday):
        response = client.get(stale)
        assert response.headers["Cache-Control"] == "no-cache"
        etag = response.headers["ETag"]
        assert client.get(stale, headers={"If-None-Match": etag}).status_code == 304


def test_all_that_a_module_imports_is_kept_for_good_with_it(client: FlaskClient) -> None:
    page = client.get("/").text
    main = re.findall(r'src="(/static/js/[^"]+)"', page)[0]
    waiting, seen = [main], set()
    while waiting:
        address = waiting.pop()
        seen.add(address)
        answer = client.get(address)
        assert (answer.status_code, "immutable" in answer.headers["Cache-Control"]) == (200, True)
        found = {urljoin(address, name) for name in re.findall(r'from "([^"]+)"', answer.text)}
        waiting += found - seen
    assert len(seen) > 20


def test_the_version_of_the_modules_follows_each_of_them(tmp_path: Path) -> None:
    versions = set()
    for number in range(3):
        folder = tmp_path / str(number)
        (folder / "js").mkdir(parents=True)
        (folder / "js/a.js").write_text("one")
        (folder / "js/b.js").write_text("two" if number else "three")
        versions.add(static_files._modules_version(str(folder)))
    assert len(versions) == 2


def test_nothing_beside_the_static_files_is_served(client: FlaskClient) -> None:
    names = ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "..%5capp.py", "/etc/passwd", "%00")
    versioned = [f"js/v-000000000000/{name}" for name in (*names, "../../../app.py")]
    for path in (*names, *versioned):
        response = client.get(f"/static/{path}", follow_redirects=True)
        assert response.status_code == 404, path


# -- errors ------------------------------------------------------------------------------------


def test_an_unknown_address_is_json_for_programs_and_a_page_for_people(
    client: FlaskClient,
) -> None:
    answer = client.get("/api/nowhere")
    assert (answer.status_code, answer.mimetype, code(answer)) == (
        *(404, "application/json"),
        "not_found",
    )
    page = client.get("/nowhere")
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert "There is nothing at this address." in page.text


def test_a_wrong_method_keeps_the_list_of_right_ones(client: FlaskClient) -> None:
    for path, kind in (("/api/photos", "application/json"), ("/", "text/html")):
        response = client.post(path)
        assert (response.status_code, response.mimetype) == (405, kind)
        assert "GET" in response.headers["Allow"]
    assert code(client.post("/api/photos")) == "method_not_allowed"


def test_an_unexpected_error_tells_nothing_of_the_house(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer, page = client.get("/api/fails"), client.get("/fails")
    assert (answer.status_code, page.status_code) == (500, 500)
    assert code(answer) == "unexpected"
    for text in (answer.text, page.text):
        assert "secret" not in text
        assert "Traceback" not in text
        assert ".py" not in text
    assert "secret /path/of/the/house" in caplog.text


def test_only_json_is_taken_where_json_is_asked_for(client: FlaskClient) -> None:
    text = '{"type": "update_index"}'
    for content_type in ("text/plain", "application/x-www-form-urlencoded", None):
        response = client.post(START, data=text, content_type=content_type)
        assert (response.status_code, code(response)) == (415, "unsupported_media_type")


@pytest.mark.parametrize("body", ["", "{", "[]", "3", "null", '"x"', "[" * 200_000, b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(client: FlaskClient, body: str | bytes) -> None:
    response = client.post(START, data=body, content_type="application/json")
    assert response.status_code == 400
    code(response)


def test_a_body_without_end_is_refused(client: FlaskClient) -> None:
    body = b'{"type": "' + b"x" * (2 << 20) + b'"}'
    response = client.post(START, data=body, content_type="application/json")
    assert (response.status_code, code(response)) == (413, "request_entity_too_large")


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5", "x", "²", "１", " 1", "0", "501", "9" * 5000, "0" * 12 + "999"]
)
def test_a_number_out_of_bounds_is_refused(client: FlaskClient, text: str) -> None:
    response = client.get("/api/photos", query_string={"limit": text})
    assert (response.status_code, code(response)) == (400, "invalid_request")


def test_zeros_in_front_do_not_carry_a_number_out_of_bounds(client: FlaskClient) -> None:
    for text in ("000000000001999", "0" * 12 + "9" * 30):
        for name, path in (("limit", "/api/photos"), ("offset", "/months/2019-07")):
            response = client.get(path, query_string={name: text})
            assert response.status_code == 400, (name, text)
