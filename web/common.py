"""What all pages share: what every answer carries, and errors as sentences."""

from __future__ import annotations

import logging
import secrets
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response, current_app, g, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from errors import DatabaseDamagedError, InvalidRequestError, LibraryError
from operation_state import Operation, OperationStatus
from web import date_words, operation_words, static_files, texts
from web.view_filter import list_chips, other_view, view_query

if TYPE_CHECKING:
    from library import Library
    from operation_progress import Progress

EXTENSION: Final = "lightkeep"

_MOST_DIGITS: Final = 12
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

logger = logging.getLogger(__name__)


def get_library() -> Library:
    """The library this process serves."""
    library: Library = current_app.extensions[EXTENSION]
    return library


def find_told_operation() -> Progress | None:
    """What a page tells of by itself: the operation that runs, else a failure of the last one.

    An index that stopped at start-up (a share that is not mounted) is seen by nobody otherwise.
    """
    library = get_library()
    running = library.runner.current()
    if running:
        return running
    newest = next(iter(library.list_operations(1)), None)
    return newest if newest and newest.status == OperationStatus.FAILED else None


def find_interrupted() -> Operation | None:
    """The operation that the page asks about: the last one that a dead process left."""
    library = get_library()
    if library.runner.current():
        return None
    return next(iter(library.list_interrupted()), None)


def register(app: Flask) -> None:
    """Add the headers, the error pages and the template helpers to `app`."""
    static_files.register(app)
    app.after_request(_add_headers)
    app.register_error_handler(LibraryError, _answer_library_error)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(sqlite3.DatabaseError, _answer_database_error)
    app.register_error_handler(Exception, _answer_unexpected)
    texts.register(app, lambda: get_library().settings.language)
    app.jinja_env.globals.update(
        nonce=_nonce,
        view_query=view_query,
        other_view=other_view,
        list_chips=list_chips,
        find_interrupted=find_interrupted,
        month_title=date_words.month_title,
    )
    app.jinja_env.filters.update(
        day=date_words.format_day,
        day_of_month=date_words.format_day_of_month,
        date_and_time=date_words.format_date_and_time,
        moment=date_words.format_moment,
        deed=operation_words.name_deed,
        phase=operation_words.name_phase,
        status=operation_words.name_status,
        kind=operation_words.name_kind,
        duration=operation_words.format_duration,
        outcome=operation_words.sum_up,
        planned_deed=operation_words.name_planned,
    )


# -- what every answer carries -----------------------------------------------------------------


def _nonce() -> str:
    """The word that lets this page's own style block pass the content security policy."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    nonce: str = g.nonce
    return nonce


def _add_headers(response: Response) -> Response:
    style = f" 'nonce-{g.nonce}'" if "nonce" in g else ""
    response.headers.setdefault(
        "Content-Security-Policy",
        "default-src 'none'; img-src 'self'; media-src 'self'; script-src 'self'; "
        f"worker-src 'self'; style-src 'self'{style}; connect-src 'self'; manifest-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    # Not "no-referrer": with that a browser says "Origin: null" of our own forms.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response


# -- errors ------------------------------------------------------------------------------------


def answer_error(status: int, code: str, message: str) -> ResponseReturnValue:
    """An error as JSON for programs, as a page for people. message: in English."""
    message = texts.translate(message)
    if request.path.startswith("/api/") or request.path in ("/healthz", "/metrics"):
        return jsonify(error={"code": code, "message": message}), status
    return render_template(
        "error.html", status=status, message=message, again=_find_way_back(status)
    ), status


def _find_way_back(status: int) -> str | None:
    """The address to ask again, where the same request may go well later."""
    own = request.path.startswith("/") and not request.path.startswith("//")
    if request.method != "GET" or status not in _MAY_PASS or not own:
        return None
    return request.full_path.rstrip("?")


def _answer_library_error(error: LibraryError) -> ResponseReturnValue:
    return answer_error(error.status, error.code, error.message)


def _answer_http_error(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:
        return error
    code = error.name.lower().replace(" ", "_")
    answer = current_app.make_response(
        answer_error(error.code, code, _SENTENCES.get(error.code, f"{error.name}."))
    )
    # Allow and Retry-After say how to do it right.
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            answer.headers[name] = value
    return answer


_MAY_PASS: Final = frozenset({403, 409, 429, 500, 503, 507})
_SENTENCES: Final = {
    404: "There is nothing at this address.",
    405: "This address is there for the buttons of a page, and shows nothing itself.",
    413: "That is more than Lightkeep takes at once.",
    415: "Send JSON, with Content-Type: application/json.",
    416: "The file has no such part.",
}


def _answer_database_error(error: sqlite3.DatabaseError) -> ResponseReturnValue:
    """What SQLite says: damage has a remedy of its own, all else is the disk's trouble."""
    logger.exception("%s %r failed", request.method, request.path)
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE:
        folder = get_library().settings.library
        return answer_error(
            503,
            DatabaseDamagedError.code,
            f"The database is damaged ({error}). Your photos are not touched by this. Stop "
            f"Lightkeep, and restore the newest sound backup: ./lightkeep recover {folder}",
        )
    return answer_error(
        503, "database_unreachable", f"The database cannot be used now ({error}). See to its disk."
    )


def _answer_unexpected(error: Exception) -> ResponseReturnValue:
    logger.exception("%s %r failed", request.method, request.path)
    return answer_error(
        500, "unexpected", f"Something went wrong here ({type(error).__name__}). The log says more."
    )


# -- what requests say -------------------------------------------------------------------------


def read_number(name: str, default: int, low: int, high: int) -> int:
    """A whole number of the query. Raises `InvalidRequestError` outside `low` to `high`."""
    text = request.args.get(name)
    if text is None:
        return default
    digits = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    if not digits or not low <= int(text) <= high:
        raise InvalidRequestError(f"{name} is a whole number from {low} to {high}.")
    return int(text)


def read_json() -> dict[str, Any]:
    """The JSON object of the request's body. Raises 415 for other types, 400 for other JSON."""
    try:
        body = request.get_json()
    except RecursionError as error:
        raise InvalidRequestError("The body is nested too deep.") from error
    if not isinstance(body, dict):
        raise InvalidRequestError("The body must be a JSON object.")
    return body


def wants_page() -> bool:
    """Whether a browser asks for a page to show, and not its script or a program for an answer.

    Not `accept_mimetypes.best`: Chromium's header names a stranger format more exactly.
    """
    named = any(kind == "text/html" and quality for kind, quality in request.accept_mimetypes)
    return named and request.method in ("GET", "HEAD") and not request.path.startswith("/api/")


def wants_fragment() -> bool:
    """Whether the page's own script asks for a part of it rather than the whole page."""
    return request.args.get("fragment") == "1"
