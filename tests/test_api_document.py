"""web/api_document: what is described is what there is, and answers are as described."""

from __future__ import annotations

import html
import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import schemathesis
from api_box import A, B, C, ask_from_this_machine, ids_of, open_box
from flask import Flask
from flask.testing import FlaskClient
from schemathesis.schemas import BaseSchema
from werkzeug.test import TestResponse

from app import create_app
from catalog import PUBLIC_FIELDS
from errors import LibraryError
from library import Library
from operation_progress import Progress
from web.api_contract import Answer, find_contract, promise
from web.api_models import OperationAnswer, OperationBody, PhotoAnswer
from web.api_page import say_kind

REPOSITORY = Path(__file__).resolve().parent.parent
METHODS_OF_EVERY_ROUTE = {"HEAD", "OPTIONS"}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with open_box(tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture(scope="module")
def app(opened: Library) -> Flask:
    return create_app(library=opened)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/api/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert isinstance(answer.json, dict)
    return answer.json


@pytest.fixture
def schema(app: Flask) -> BaseSchema:
    return schemathesis.openapi.from_wsgi("/api/openapi.json", ask_from_this_machine(app))


def list_deeds(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]


def test_it_is_openapi_3_1(document: dict[str, Any], schema: BaseSchema) -> None:
    assert document["openapi"] == "3.1.0"
    schema.validate()


def test_every_route_of_the_api_is_described_and_nothing_else(
    app: Flask, document: dict[str, Any]
) -> None:
    there_are = {
        (re.sub(r"<(?:[^:<>]+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - METHODS_OF_EVERY_ROUTE
        if rule.rule.startswith("/api/") or rule.rule in ("/healthz", "/metrics")
    }
    assert {(path, method) for path, method, _ in list_deeds(document)} == there_are
    for path, _, described in list_deeds(document):
        in_path = {one["name"] for one in described["parameters"] if one["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(
    document: dict[str, Any],
) -> None:
    names = [described["operationId"] for _, _, described in list_deeds(document)]
    assert len(set(names)) == len(names)
    for path, method, described in list_deeds(document):
        assert re.fullmatch(r"[A-Z].+\.", described["summary"]), (method, path)
        assert described["tags"][0] in {tag["name"] for tag in document["tags"]}


def test_every_refusal_has_the_one_shape_of_errors(document: dict[str, Any]) -> None:
    for path, method, described in list_deeds(document):
        for status, answer in described["responses"].items():
            if int(status) >= 400 and status != "412" and path != "/healthz":
                shape = answer["content"]["application/json"]["schema"]
                assert shape == {"$ref": "#/components/schemas/Error"}, (method, path, status)


def test_what_changes_something_says_that_it_is_guarded(document: dict[str, Any]) -> None:
    for path, method, described in list_deeds(document):
        statuses = described["responses"].keys()
        assert ("403" in statuses) == (method == "post"), path
        assert ("415" in statuses) == ("413" in statuses) == ("requestBody" in described), path
        assert ("401" in statuses) == (path != "/healthz")


def test_the_statuses_of_errors_are_those_that_are_described(document: dict[str, Any]) -> None:
    described = {int(status) for _, _, one in list_deeds(document) for status in one["responses"]}
    raised = {error.status for error in _list_errors(LibraryError)}
    assert raised - described <= {429, 500}  # 429 is the login page's


def _list_errors(error: type[LibraryError]) -> Iterator[type[LibraryError]]:
    yield error
    for child in error.__subclasses__():
        yield from _list_errors(child)


def test_who_may_ask_is_described(app: Flask, document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert (schemes["token"]["type"], schemes["token"]["scheme"]) == ("http", "bearer")
    assert schemes["session"]["in"] == "cookie"
    assert schemes["session"]["name"] == app.config["SESSION_COOKIE_NAME"]
    assert document["security"] == [{}, {"token": []}, {"session": []}]
    assert document["paths"]["/healthz"]["get"]["security"] == []


def test_a_photo_is_described_with_the_public_keys(document: dict[str, Any]) -> None:
    assert tuple(PhotoAnswer.model_fields) == PUBLIC_FIELDS
    shape = document["components"]["schemas"]["PhotoAnswer"]
    assert shape["additionalProperties"] is False
    assert set(shape["required"]) == set(PUBLIC_FIELDS)


def test_an_operation_is_described_with_the_keys_of_its_progress() -> None:
    told = {name for name in Progress.__slots__ if name != "version"} | {"phase_words"}
    assert set(OperationAnswer.model_fields) == told


def test_bounds_are_those_that_are_kept(client: FlaskClient, document: dict[str, Any]) -> None:
    for path, method, described in list_deeds(document):
        for one in described["parameters"]:
            bounds = one["schema"]
            if method != "get" or one["in"] != "query" or "maximum" not in bounds:
                continue
            for value, status in (
                (bounds["minimum"] - 1, 400),
                (bounds["minimum"], 200),
                (bounds["maximum"], 200),
                (bounds["maximum"] + 1, 400),
            ):
                answer = client.get(path, query_string={one["name"]: value})
                assert answer.status_code == status, (path, one["name"], value)
                answer.close()


def test_answers_are_as_described(client: FlaskClient, opened: Library, schema: BaseSchema) -> None:
    ids = ids_of(opened)
    photo = f"/api/photo/{ids[A]}"
    sent = {"photo_ids": [ids[B], ids[C], 987654], "rating": 5}
    rated = client.post("/api/photos/bulk-favorite", json=sent)
    operation = f"/api/operations/{rated.headers['Lightkeep-Operation']}"
    edit = client.post(f"/api/photo/{ids[C]}/favorite").headers["Lightkeep-Edit"]
    json_type = {"content_type": "application/json"}
    some = {"Range": "bytes=0-9"}
    beyond = {"Range": "bytes=99999999-"}
    asked: list[tuple[str, str, dict[str, Any]]] = [
        *(
            ("get", path, {})
            for path in ("/healthz", "/metrics", "/api/openapi.json", "/api/photos")
        ),
        *(("get", path, {}) for path in ("/api/photos?limit=1", "/api/photos?limit=0", photo)),
        *(("get", path, {}) for path in ("/api/photo/987654", f"{photo}/thumbnail")),
        *(("get", f"{photo}/{kind}", {}) for kind in ("preview", "file", "file?download=1")),
        *(("get", f"{photo}/{kind}", {"headers": some}) for kind in ("file", "preview")),
        ("get", f"{photo}/file", {"headers": beyond}),
        ("get", f"{photo}/file", {"headers": {"If-Match": '"another"'}}),
        ("get", f"{photo}/thumbnail", {"headers": {"If-None-Match": "*"}}),
        *(("get", path, {}) for path in ("/api/operations", operation, f"{operation}/events")),
        *(
            ("get", path, {})
            for path in ("/api/operations/nobodys", "/api/edits", "/api/edits?limit=0")
        ),
        *(("get", f"/api/photos/favorites{query}", {}) for query in ("", "?limit=1", "?cursor=x")),
        ("post", f"{photo}/favorite", {}),
        ("post", f"{photo}/favorite", {"json": {"rating": 9}}),
        ("post", f"{photo}/favorite", {"data": "rating=5"}),
        ("post", f"{photo}/favorite", {"headers": {"Origin": "http://evil.com"}}),
        ("get", photo, {"headers": {"Host": "evil.com"}}),
        ("post", "/api/photos/bulk-favorite", {"json": sent}),
        ("post", "/api/photos/bulk-favorite", {"json": {}}),
        ("post", "/api/photos/bulk-favorite", {"data": b" " * (2 << 20)} | json_type),
        ("post", f"/api/edits/{edit}/undo", {}),
        ("post", f"/api/edits/{edit}/undo", {}),
        ("post", f"{operation}/cancel", {}),
        ("post", f"{operation}/resume", {}),
        ("post", "/api/operations", {"json": {"type": "nothing"}}),
        ("post", "/api/operations", {"json": {"type": "update_index"}}),
    ]
    seen = set()
    for method, address, more in asked:
        answer = client.open(address, method=method.upper(), **more)
        _wait(opened, answer)
        template = _find_template(schema, address.partition("?")[0], method)
        described = schema[template][method]
        assert described.is_valid_response(answer), (method, address, answer.status_code)
        seen.add(answer.status_code)
        answer.close()
    assert seen >= {200, 202, 206, 304, 400, 403, 404, 409, 412, 413, 415, 416}


def _wait(opened: Library, answer: TestResponse) -> None:
    if answer.status_code == 202:
        assert isinstance(answer.json, dict)
        opened.runner.wait(answer.json["operation_id"], timeout=30)


def _find_template(schema: BaseSchema, address: str, method: str) -> str:
    """The path of the document that an address falls under; one without parameters comes first."""
    paths = [
        path
        for path, methods in schema.raw_schema["paths"].items()
        if method in methods and re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), address)
    ]
    found: str = min(paths, key=lambda path: path.count("{"))
    return found


# -- the layer itself --------------------------------------------------------------------------


def test_a_view_keeps_what_it_promised() -> None:
    @promise("Tag", {200: Answer("Done.")}, writes=True)
    def view() -> str:
        return "done"

    contract = find_contract(view)
    assert contract
    assert (view.__name__, view()) == ("view", "done")
    assert list(contract.answers) == [200, 400, 401, 403, 503]
    assert find_contract(lambda: "") is None


def test_bodies_of_operations_are_told_apart_by_their_type() -> None:
    (union, *_) = get_args(OperationBody)
    types = [get_args(model.model_fields["type"].annotation) for model in get_args(union)]
    assert types == [
        ("update_index",),
        ("rebuild_database",),
        ("verify_library",),
        ("import_photos",),
    ]


def read_curl(line: str) -> tuple[str, str, Any]:
    """Method, address and JSON of a command for a terminal."""
    words = shlex.split(line, comments=True)
    assert words[0] == "curl"
    sent = json.loads(words[words.index("-d") + 1]) if "-d" in words else None
    assert (sent is None) == ("Content-Type: application/json" not in words)
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    return method, words[-1], sent


# -- the page ----------------------------------------------------------------------------------


def test_the_page_names_every_address_and_every_shape(
    client: FlaskClient, document: dict[str, Any]
) -> None:
    answer = client.get("/api")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    page = answer.text
    for path, method, described in list_deeds(document):
        assert f"<code>{path}</code>" in page
        assert f'id="{described["operationId"]}"' in page
        assert f">{method.upper()}</span>" in page
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert targets
    assert targets <= set(re.findall(r'id="([^"]+)"', page))
    assert 'href="/api"' in client.get("/").text


def test_the_page_has_nothing_that_the_policy_would_stop(client: FlaskClient) -> None:
    answer = client.get("/api")
    assert all(" src=" in script for script in re.findall("<script[^>]*>", answer.text))
    assert not re.search(r"\sstyle=|\son[a-z]+=", answer.text)
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    addresses = re.findall(r'(?:href|src)="([^"]*)"', answer.text)
    assert all(address.startswith(("/", "#")) for address in addresses)


def test_the_examples_of_the_page_can_be_typed(
    client: FlaskClient, opened: Library, document: dict[str, Any]
) -> None:
    page = client.get("/api", headers={"Host": "127.0.0.1:5001"}).text
    examples = re.findall(r'<pre class="api-example"><code>(.+?)</code>', page)
    assert len(examples) == len(list_deeds(document))
    done = 0
    for example in examples:
        method, address, sent = read_curl(html.unescape(example))
        assert address.startswith("http://127.0.0.1:5001/")
        if "-F 'file=@" in html.unescape(example):
            form = {"file": (io.BytesIO(b"a photo"), "IMG_1234.JPG")}
            answer = client.open(address, method=method, data=form)
        else:
            answer = client.open(address, method=method, json=sent)
        _wait(opened, answer)
        # Nobody has the edit or the operation of an example.
        assert answer.status_code < 300 or answer.status_code in (404, 409), example
        done += answer.status_code < 300
        answer.close()
    assert done > len(examples) // 2


def test_the_commands_of_the_readme_can_be_typed(client: FlaskClient, opened: Library) -> None:
    text = (REPOSITORY / "README.md").read_text().split("## For programs\n")[1].split("\n## ")[0]
    block = re.findall(r"```sh\n(.+?)```", text, re.DOTALL)[0].replace("\\\n", " ")
    asked = []
    for line in block.strip().splitlines():
        method, address, sent = read_curl(line)
        answer = client.open(address, method=method, json=sent)
        assert answer.status_code == 200, line
        asked.append(address.removeprefix("http://127.0.0.1:5001"))
    assert asked == [
        *("/api/photo/1/favorite", "/api/photos/bulk-favorite", "/api/photos/favorites")
    ]


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 500}, "whole number, 1 to 500"),
        ({"type": "integer", "minimum": 1, "maximum": 2**63 - 1}, "whole number, from 1"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "whole number or null"),
        ({"enum": ["newest", "oldest"]}, "newest or oldest"),
        (
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 10_000},
            "list of text, 1 to 10,000",
        ),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 9}, "number, above 0 to 9"),
        ({"$ref": "#/components/schemas/Error"}, "Error"),
        ({}, "anything"),
    ],
)
def test_a_kind_is_said_in_words(described: dict[str, Any], words: str) -> None:
    assert say_kind(described) == words
