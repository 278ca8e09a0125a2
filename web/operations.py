"""Long work: start it, watch it, cancel it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from errors import BusyError, InvalidRequestError
from operation_progress import Progress
from operation_runner import OperationRunner
from operation_state import OperationType
from web.common import get_library, read_json

STREAMS: Final = 8
"""Event streams at a time: each holds one of the server's threads."""

_EVENT_EVERY_S: Final = 0.25
_PING_EVERY_S: Final = 15.0

blueprint = Blueprint("operations", __name__)
_streams = threading.BoundedSemaphore(STREAMS)


def _start(operation_type: object, parameters: dict[str, Any]) -> str:
    """Start an operation by its name. Raises `InvalidRequestError` for what there is not."""
    if operation_type != OperationType.UPDATE_INDEX:
        raise InvalidRequestError(f"type must be {OperationType.UPDATE_INDEX.value}.")
    accept_missing = parameters.pop("accept_missing", False)
    if parameters or not isinstance(accept_missing, bool):
        raise InvalidRequestError("update_index takes accept_missing, true or false.")
    return get_library().start_update_index(accept_missing=accept_missing)


@blueprint.post("/api/operations")
def start_operation() -> ResponseReturnValue:
    """`{"type": "update_index", "accept_missing": false}` -> 202 `{"operation_id"}`."""
    body = read_json()
    return jsonify(operation_id=_start(body.pop("type", None), body)), 202


@blueprint.post("/operations")
def start_operation_of_form() -> ResponseReturnValue:
    """The same from a form, for pages without JavaScript."""
    accept_missing = request.form.get("accept_missing") == "1"
    # Where one runs already, somebody pressed twice: the page shows it.
    with contextlib.suppress(BusyError):
        _start(request.form.get("type"), {"accept_missing": accept_missing})
    return redirect(url_for("grid.show_grid"), 303)


@blueprint.get("/api/operations")
def list_operations() -> ResponseReturnValue:
    """The newest operations, `{"operations": […]}`."""
    return jsonify(operations=[_as_json(item) for item in get_library().list_operations()])


@blueprint.get("/api/operations/<operation_id>")
def get_operation(operation_id: str) -> ResponseReturnValue:
    return jsonify(_as_json(get_library().runner.progress(operation_id)))


@blueprint.post("/api/operations/<operation_id>/cancel")
def cancel_operation(operation_id: str) -> ResponseReturnValue:
    runner = get_library().runner
    runner.cancel(operation_id)
    return jsonify(_as_json(runner.progress(operation_id))), 202


@blueprint.get("/operations/<operation_id>")
def show_operation(operation_id: str) -> ResponseReturnValue:
    """The bar of an operation, or its report once it has ended, as a part of a page."""
    progress = get_library().runner.progress(operation_id)
    return render_template("_partials/operation.html", operation=progress)


@blueprint.get("/api/operations/<operation_id>/events")
def stream_events(operation_id: str) -> ResponseReturnValue:
    """Server-sent events: the operation as JSON whenever it changed, until it ends.

    503 where too many look on; they ask for the operation now and then instead.
    """
    runner = get_library().runner
    runner.progress(operation_id)
    if not _streams.acquire(blocking=False):
        error = {"code": "too_many_streams", "message": "Ask again now and then instead."}
        return jsonify(error=error), 503, {"Retry-After": "2"}
    response = Response(_events(runner, operation_id), mimetype="text/event-stream")
    response.call_on_close(_streams.release)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _events(runner: OperationRunner, operation_id: str) -> Iterator[str]:
    version = 0
    while True:
        progress = runner.wait_for_change(operation_id, version, _PING_EVERY_S)
        if progress.version == version and progress.is_active:
            yield ": ping\n\n"
            continue
        version = progress.version
        yield f"data: {json.dumps(_as_json(progress))}\n\n"
        if not progress.is_active:
            return
        time.sleep(_EVENT_EVERY_S)


def _as_json(progress: Progress) -> dict[str, Any]:
    return progress.as_dict()
