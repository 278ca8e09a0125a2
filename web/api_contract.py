"""What a route of the API takes and gives: said once, held by the route, read by the document."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from flask import request
from flask.typing import ResponseReturnValue
from pydantic import TypeAdapter, ValidationError

from errors import InvalidRequestError
from web.api_models import Error, Query
from web.common import read_json

View = Callable[..., ResponseReturnValue]


@dataclass(frozen=True, slots=True)
class Answer:
    """One status of a route.

    model: of its JSON; None where it has none.
    media_types: what else than JSON it may send.
    headers: those that only this answer has, with a sentence each.
    """

    words: str
    model: Any = None
    media_types: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contract:
    """What the document says of a route.

    query: the model of its parameters, which the view gets as `query`.
    body: the model of its JSON, which the view gets as `body`.
    body_required: whether a request without a body is refused; else the view gets `body` of {}.
    form: the model of its `multipart/form-data`, which the view reads itself, as it streams.
    request_headers: headers that change the answer, with a sentence each.
    signed_in: whether it asks who is there, in a library with a password.
    """

    tag: str
    answers: Mapping[int, Answer]
    query: type[Query] | None = None
    body: Any = None
    body_required: bool = True
    form: Any = None
    request_headers: Mapping[str, str] = field(default_factory=dict)
    signed_in: bool = True


_contracts: WeakKeyDictionary[object, Contract] = WeakKeyDictionary()

_REFUSALS: Final = {
    400: "The request does not say what can be done, or came under a name not of this library.",
    401: "The library has a password, and nobody is signed in.",
    403: "The request came from a page of another site.",
    404: "There is no such photo, edit or operation.",
    409: "It cannot be done as things are now; the message says why.",
    413: "That is more than Lightkeep takes at once.",
    415: "The body is not of the type that is described.",
    416: "The file has no such part.",
    422: "The picture cannot be drawn; the message says why.",
    503: "Not now: the database, a disk or a program that is needed cannot be reached.",
    507: "The disk is full.",
}


def refuse(*statuses: int) -> dict[int, Answer]:
    """Refusals with the one shape of errors."""
    return {status: Answer(_REFUSALS[status], Error) for status in statuses}


def find_contract(view: object) -> Contract | None:
    """What was promised of a view; None for the pages."""
    return _contracts.get(view)


def promise(
    tag: str,
    answers: Mapping[int, Answer],
    *,
    query: type[Query] | None = None,
    body: Any = None,
    body_required: bool = True,
    form: Any = None,
    request_headers: Mapping[str, str] | None = None,
    signed_in: bool = True,
    writes: bool = False,
) -> Callable[[View], View]:
    """Check requests of a view by models, and remember what it takes and gives.

    writes: whether it changes anything, and is guarded against other sites.
    Raises `InvalidRequestError` for what the models do not take, 415 and 400 as `read_json`.
    """
    always = [400, *([401] if signed_in else []), *([403] if writes else []), 503]
    always += [413, 415] if body or form else []
    adapter = TypeAdapter(body) if body else None
    contract = Contract(
        tag=tag,
        answers=dict(sorted((refuse(*always) | dict(answers)).items())),
        query=query,
        body=body,
        body_required=body_required,
        form=form,
        request_headers=request_headers or {},
        signed_in=signed_in,
    )

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def check(**values: Any) -> ResponseReturnValue:
            if query:
                values["query"] = _read_query(query)
            if adapter:
                values["body"] = _read_body(adapter, required=body_required)
            return view(**values)

        _contracts[check] = contract
        return check

    return decorate


def _read_query(model: type[Query]) -> Query:
    try:
        return model.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise InvalidRequestError(_say_what_is_wrong(error)) from error


def _read_body(adapter: TypeAdapter[Any], *, required: bool) -> object:
    # A body that says nothing of its type is none only if there is nothing in it.
    empty = not required and not request.content_type and not request.get_data(cache=True)
    try:
        body: object = adapter.validate_python({} if empty else read_json())
    except ValidationError as error:
        raise InvalidRequestError(_say_what_is_wrong(error)) from error
    return body


def _say_what_is_wrong(error: ValidationError) -> str:
    """The first of the errors as a sentence."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(map(str, first["loc"]))
    context = first.get("ctx", {})
    match first["type"]:
        case "missing":
            return f"{name} is missing."
        case "extra_forbidden":
            return f"{name} is not among the keys that this takes."
        case "literal_error":
            return f"{name} is {context['expected']}."
        case "union_tag_invalid":
            return f"type must be one of {context['expected_tags']}."
        case "union_tag_not_found":
            return "type is missing, or no word."
        case "value_error":
            return str(context["error"])
    what = first["msg"].removeprefix("Input should ")
    return f"{name} should {what}." if what != first["msg"] else f"{name}: {what}."
