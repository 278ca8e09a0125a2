"""The description of the API: OpenAPI 3.1 from what the routes promise, and a page to read it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, Final

from flask import Blueprint, Flask, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from werkzeug.routing import Rule

from web.api_contract import Answer, Contract, find_contract, promise
from web.api_models import LARGEST_ID
from web.api_page import list_refusals, list_shapes, list_tags
from web.common import get_library

API_VERSION: Final = "1.0"
_TAGS: Final = (
    *("Photos", "Favorites", "Dates", "Edits", "Trash", "Duplicates", "Import"),
    *("Operations", "Health", "This description"),
)
_REFERENCE: Final = "#/components/schemas/{model}"
_PART: Final = re.compile(r"<(?:(\w+)(?:\(([^)]*)\))?:)?(\w+)>")
_DOCUMENT: Final = "lightkeep_api_document"

blueprint = Blueprint("api_document", __name__)


@blueprint.get("/api/openapi.json")
@promise("This description", {200: Answer("The description, OpenAPI 3.1.", dict[str, Any])})
def show_document() -> ResponseReturnValue:
    """This description as OpenAPI 3.1, for programs."""
    return jsonify(_get_document())


@blueprint.get("/api")
def show_api() -> ResponseReturnValue:
    """The same for people: every address, what it takes and what it gives."""
    document = _get_document()
    return render_template(
        "api.html",
        library=get_library(),
        tags=list_tags(document, f"{request.scheme}://{request.host}"),
        shapes=list_shapes(document),
        refusals=list_refusals(document),
    )


def _get_document() -> dict[str, Any]:
    """Made once an application: its routes do not change."""
    made = current_app.extensions.get(_DOCUMENT)
    document: dict[str, Any] = made or make_document(current_app)
    current_app.extensions[_DOCUMENT] = document
    return document


def make_document(app: Flask) -> dict[str, Any]:
    """The OpenAPI document of every route that promises something."""
    promised = list(_list_promised(app))
    schemas = _Schemas([contract for _, _, contract in promised])
    paths: dict[str, dict[str, Any]] = {}
    for rule, view, contract in promised:
        path = _PART.sub(r"{\3}", rule.rule)
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        for method in sorted(methods):
            paths.setdefault(path, {})[method.lower()] = _describe(rule, view, contract, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lightkeep",
            "version": API_VERSION,
            "description": "A photo library that keeps favorites and ratings in the photo files.",
        },
        # Without a password nobody has to say who they are.
        "security": [{}, {"token": []}, {"session": []}],
        "tags": [{"name": name} for name in _TAGS],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of this library, for programs.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": app.config["SESSION_COOKIE_NAME"],
                    "description": "What a browser has after signing in.",
                },
            },
        },
    }


def _list_promised(app: Flask) -> Iterator[tuple[Rule, Any, Contract]]:
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        contract = find_contract(view)
        if contract:
            yield rule, view, contract


class _Schemas:
    """JSON schemas of the models, those with a name under `components`."""

    def __init__(self, contracts: list[Contract]) -> None:
        bodies = [one for contract in contracts for one in (contract.body, contract.form) if one]
        answers = [
            answer.model
            for contract in contracts
            for answer in contract.answers.values()
            if answer.model
        ]
        wanted = [(body, "validation") for body in bodies]
        wanted += [(model, "serialization") for model in answers]
        inputs: list[Any] = [
            ((model, mode), mode, TypeAdapter(model).core_schema) for model, mode in wanted
        ]
        generator = GenerateJsonSchema(ref_template=_REFERENCE)
        self._made, self.components = generator.generate_definitions(inputs)

    def of_body(self, model: Any) -> dict[str, Any]:
        return self._made[(model, "validation"), "validation"]

    def of_answer(self, model: Any) -> dict[str, Any]:
        return self._made[(model, "serialization"), "serialization"]


def _describe(rule: Rule, view: Any, contract: Contract, schemas: _Schemas) -> dict[str, Any]:
    summary, _, rest = (inspect.getdoc(view) or "").partition("\n\n")
    described: dict[str, Any] = {
        "operationId": view.__name__,
        "tags": [contract.tag],
        "summary": " ".join(summary.split()),
        "parameters": [*_path_parameters(rule), *_query_parameters(contract)],
        "responses": {
            str(status): _describe_answer(answer, schemas)
            for status, answer in contract.answers.items()
        },
    }
    described["parameters"] += [
        {"name": name, "in": "header", "description": words, "schema": {"type": "string"}}
        for name, words in contract.request_headers.items()
    ]
    if rest:
        described["description"] = rest
    if contract.body:
        described["requestBody"] = {
            "required": contract.body_required,
            "content": {"application/json": {"schema": schemas.of_body(contract.body)}},
        }
    if contract.form:
        described["requestBody"] = {
            "required": True,
            "content": {"multipart/form-data": {"schema": schemas.of_body(contract.form)}},
        }
    if not contract.signed_in:
        described["security"] = []
    return described


def _describe_answer(answer: Answer, schemas: _Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.words}
    content: dict[str, Any] = {name: {} for name in answer.media_types}
    if answer.model:
        content["application/json"] = {"schema": schemas.of_answer(answer.model)}
    if content:
        described["content"] = content
    if answer.headers:
        described["headers"] = {
            name: {"description": words, "schema": {"type": "string"}}
            for name, words in answer.headers.items()
        }
    return described


def _path_parameters(rule: Rule) -> list[dict[str, Any]]:
    """What stands in the address, by Werkzeug's converters."""
    schemas: dict[str | None, dict[str, Any]] = {
        "int": {"type": "integer", "minimum": 1, "maximum": LARGEST_ID},
        "any": {"type": "string"},
        None: {"type": "string", "minLength": 1},
    }
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": schemas[kind or None]
            | ({"enum": [word.strip() for word in words.split(",")]} if words else {}),
        }
        for kind, words, name in _PART.findall(rule.rule)
    ]


def _query_parameters(contract: Contract) -> list[dict[str, Any]]:
    if not contract.query:
        return []
    schema = contract.query.model_json_schema()
    described = []
    for name, of_name in schema["properties"].items():
        own = {key: value for key, value in of_name.items() if key not in ("title", "description")}
        # Nothing is said by leaving the name out; an address has no null.
        own |= next((kind for kind in own.pop("anyOf", []) if kind.get("type") != "null"), {})
        if own.get("default", "") in (None, ""):
            own.pop("default", None)
        described.append(
            {
                "name": name,
                "in": "query",
                "description": of_name.get("description", ""),
                "required": name in schema.get("required", ()),
                "schema": own,
            }
        )
    return described
