"""The words of the page that shows the API: rows of tables out of the OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

_PREFIX: Final = "#/components/schemas/"
_TYPES: Final = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a key of a body or an answer. place: `path`, `query`, `header` or none."""

    name: str
    place: str
    kind: str
    required: bool
    words: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One status: its sentence, its kinds of content, and the shapes of its JSON."""

    status: str
    words: str
    kinds: str
    shapes: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Deed:
    """One method of one address.

    bodies: the shapes that its body may have. refusals: the statuses with which it may say no.
    """

    name: str
    method: str
    path: str
    summary: str
    words: str
    parameters: tuple[Field, ...]
    bodies: tuple[str, ...]
    body_required: bool
    answers: tuple[Shown, ...]
    refusals: tuple[str, ...]
    example: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A named shape of JSON."""

    name: str
    words: str
    fields: tuple[Field, ...]


def list_tags(document: Mapping[str, Any], address: str) -> list[tuple[str, list[Deed]]]:
    """Every deed under its tag, in the order of the document; examples ask `address`."""
    tags: dict[str, list[Deed]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            deed = _make_deed(document, path, method.upper(), described, address)
            tags[described["tags"][0]].append(deed)
    return list(tags.items())


def list_shapes(document: Mapping[str, Any]) -> list[Shape]:
    """The shapes under `components`, by name."""
    schemas = document["components"]["schemas"]
    return [
        Shape(name, schema.get("description", ""), tuple(_list_keys(schema)))
        for name, schema in sorted(schemas.items())
        if "properties" in schema
    ]


def list_refusals(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every status that says no, and what it means, in their order."""
    return sorted(
        {
            (status, answer["description"])
            for methods in document["paths"].values()
            for described in methods.values()
            for status, answer in described["responses"].items()
            if status >= "400"
        }
    )


def _list_keys(schema: Mapping[str, Any]) -> list[Field]:
    required = schema.get("required", ())
    return [
        Field(name, "", say_kind(key), name in required, key.get("description", ""))
        for name, key in schema["properties"].items()
    ]


def _make_deed(
    document: Mapping[str, Any], path: str, method: str, described: Mapping[str, Any], address: str
) -> Deed:
    parameters = described["parameters"]
    body = described.get("requestBody", {})
    schema = body.get("content", {}).get("application/json", {}).get("schema", {})
    return Deed(
        name=described["operationId"],
        method=method,
        path=path,
        summary=described["summary"],
        words=described.get("description", ""),
        parameters=tuple(
            Field(
                one["name"],
                one["in"],
                say_kind(one["schema"]),
                one.get("required", False),
                one.get("description", ""),
            )
            for one in parameters
        ),
        bodies=_find_shapes(schema),
        body_required=body.get("required", False),
        answers=tuple(
            _make_shown(status, answer)
            for status, answer in described["responses"].items()
            if status < "400"
        ),
        refusals=tuple(status for status in described["responses"] if status >= "400"),
        example=_make_example(document, path, method, described, address),
    )


def _make_shown(status: str, answer: Mapping[str, Any]) -> Shown:
    content = answer.get("content", {})
    return Shown(
        status=status,
        words=answer["description"],
        kinds=_say_content(list(content)),
        shapes=_find_shapes(content.get("application/json", {}).get("schema", {})),
        headers=tuple(
            (name, one["description"]) for name, one in answer.get("headers", {}).items()
        ),
    )


def _say_content(kinds: list[str]) -> str:
    # The kinds of files are many: their families say enough.
    families = dict.fromkeys(f"{kind.partition('/')[0]}/…" for kind in kinds)
    return ", ".join(kinds if len(kinds) < 4 else families)


def _find_shapes(schema: Mapping[str, Any]) -> tuple[str, ...]:
    found = [schema, *schema.get("oneOf", ()), *schema.get("anyOf", ())]
    return tuple(one["$ref"].removeprefix(_PREFIX) for one in found if "$ref" in one)


def say_kind(schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words: `whole number, 1 to 500`, `list of Photo`."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_PREFIX)
    if "anyOf" in schema:
        return " or ".join(say_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {say_kind(schema['items'])}{_say_bounds(schema, 'minItems', 'maxItems')}"
    bounds = _say_bounds(schema, "minimum", "maximum") or _say_bounds(
        schema, "exclusiveMinimum", "maximum", "above "
    )
    default = f", {schema['default']} by itself" if schema.get("default") is not None else ""
    return _TYPES.get(schema.get("type", ""), "anything") + bounds + default


def _say_bounds(schema: Mapping[str, Any], low: str, high: str, before: str = "") -> str:
    if low not in schema or high not in schema:
        return ""
    # Ids end where the numbers of a database do, which tells nobody anything.
    if schema[high] > 2**62:
        return f", from {schema[low]}"
    return f", {before}{schema[low]:,} to {schema[high]:,}"


def _make_example(
    document: Mapping[str, Any], path: str, method: str, described: Mapping[str, Any], address: str
) -> str:
    """A command for a terminal that asks this."""
    query = {}
    for one in described["parameters"]:
        schema = one["schema"]
        if one["in"] == "path":
            value = schema.get("enum", ["1" if schema["type"] == "integer" else "ID"])[0]
            path = path.replace(f"{{{one['name']}}}", value)
        elif one["in"] == "query" and "default" in schema and schema["type"] == "integer":
            query[one["name"]] = schema["default"]
        elif one["in"] == "query" and one.get("required"):
            query[one["name"]] = schema["examples"][0]
    words = ["curl", *(["-X", method] if method != "GET" else [])]
    content = described.get("requestBody", {}).get("content", {})
    for shape in _find_shapes(content.get("application/json", {}).get("schema", {}))[:1]:
        for example in document["components"]["schemas"][shape].get("examples", [])[:1]:
            words += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(example)}'"]
    if "multipart/form-data" in content:
        words.append("-F 'file=@IMG_1234.JPG'")
    asked = f"?{urlencode(query)}" if query else ""
    return " ".join([*words, f"'{address}{path}{asked}'"])
