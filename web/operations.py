"""Long work: start it, watch it, cancel or resume it, and read what it did."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from flask import (
    Blueprint,
    Response,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from errors import BusyError, InvalidRequestError
from operation_progress import Progress
from operation_runner import OperationRunner
from operation_state import Operation, OperationType
from schedule import Planned
from web import operation_words
from web.api_contract import Answer, promise, refuse
from web.api_models import (
    Error,
    ImportBody,
    IndexBody,
    OperationAnswer,
    OperationBody,
    OperationsAnswer,
    OperationStarted,
    RebuildBody,
    VerifyBody,
)
from web.common import get_library
from web.import_models import PlanAnswer, StartQuery
from web.texts import Texts, get_texts

STREAMS: Final = 8
"""Event streams at a time: each holds one of the server's threads."""

_EVENT_EVERY_S: Final = 0.25
_PING_EVERY_S: Final = 5.0  # also how late it is noticed that nobody listens any more
_MOST_DIGITS: Final = 8
_TAG: Final = "Operations"
_BEGUN: Final = {202: Answer("It has begun; ask for the operation.", OperationStarted)}

blueprint = Blueprint("operations", __name__)
_streams = threading.BoundedSemaphore(STREAMS)


def _start(operation_type: object, parameters: dict[str, Any]) -> str:
    """Start an operation by its name. Raises `InvalidRequestError` for what there is not."""
    try:
        chosen = OperationType(str(operation_type))
    except ValueError:
        raise InvalidRequestError(f"There is no operation of type {operation_type!r}.") from None
    return get_library().start_operation(chosen, parameters)


@blueprint.post("/api/operations")
@promise(
    _TAG,
    {200: Answer("What an import would do; nothing has begun.", PlanAnswer)}
    | _BEGUN
    | refuse(404, 409, 507),
    query=StartQuery,
    body=OperationBody,
    writes=True,
)
def start_operation(
    query: StartQuery, body: IndexBody | RebuildBody | VerifyBody | ImportBody
) -> ResponseReturnValue:
    """Start long work: one thing at a time; or have the plan of an import."""
    parameters = body.model_dump(exclude={"type"}, exclude_none=True, exclude_unset=True)
    if isinstance(body, ImportBody):
        library = get_library()
        sources = library.check_sources(body.sources, body.upload)
        parameters["sources"] = sources
        if query.dry_run == "1":
            return jsonify(library.plan_import(sources, body.upload).as_dict())
    elif query.dry_run == "1":
        raise InvalidRequestError("dry_run is for import_photos.")
    return jsonify(operation_id=_start(body.type, parameters)), 202


@blueprint.post("/operations")
def start_operation_of_form() -> ResponseReturnValue:
    """The same from a form, for pages without JavaScript."""
    parameters: dict[str, Any] = {}
    if request.form.get("accept_missing") == "1":
        parameters["accept_missing"] = True
    if budget := request.form.get("budget_s"):
        parameters["budget_s"] = _read_seconds(budget)
    # Where one runs already, somebody pressed twice: the page shows it.
    with contextlib.suppress(BusyError):
        _start(request.form.get("type"), parameters)
    return redirect(url_for("grid.show_grid"), 303)


def _read_seconds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        raise InvalidRequestError("budget_s is a whole number of seconds.")
    return int(text)


@blueprint.get("/operations/start/<any(verify_library, rebuild_database):operation_type>")
def ask_before_start(operation_type: str) -> ResponseReturnValue:
    """What this long work does and how long it may take, with the button that starts it."""
    return render_template(
        "operation_start.html",
        operation_type=operation_type,
        library=get_library(),
        running=get_library().runner.current(),
    )


@blueprint.post("/operations/<operation_id>/<any(resume, start_over, discard):deed>")
def answer_resume_dialog(operation_id: str, deed: str) -> ResponseReturnValue:
    """The three answers to the question about an interrupted operation."""
    # Pressed in a second tab: the first answer counts, and the page shows what came of it.
    with contextlib.suppress(BusyError):
        _answer(operation_id, deed)
    return redirect(url_for("grid.show_grid"), 303)


@blueprint.post("/api/operations/<operation_id>/<any(resume, start_over, discard):deed>")
@promise(_TAG, _BEGUN | refuse(404, 409, 507), writes=True)
def answer_interrupted(operation_id: str, deed: str) -> ResponseReturnValue:
    """Resume interrupted work (under its id), start it over (under a new one), or discard it."""
    return jsonify(operation_id=_answer(operation_id, deed)), 202


def _answer(operation_id: str, deed: str) -> str:
    library = get_library()
    if deed == "resume":
        return library.resume_operation(operation_id)
    if deed == "start_over":
        return library.start_over(operation_id)
    library.discard_operation(operation_id)
    return operation_id


@blueprint.get("/operations")
def show_operations() -> ResponseReturnValue:
    """The latest operations, each with a way to its report, and what can be resumed."""
    library = get_library()
    current = library.runner.current()
    return render_template(
        "operations.html",
        library=library,
        operations=library.list_operations(),
        planned=library.list_planned(),
        # One thing at a time: while something runs nothing can be resumed.
        resumable=set()
        if current
        else {operation.operation_id for operation in library.list_interrupted()},
    )


@blueprint.get("/operations/<operation_id>/report")
def show_report(operation_id: str) -> ResponseReturnValue:
    """What an operation did: figures of its phases, problems, differences, findings."""
    library = get_library()
    operation = library.get_operation(operation_id)
    progress = library.runner.progress(operation_id)
    return render_template(
        "operation_report.html",
        library=library,
        operation=operation,
        progress=progress,
        report=progress.report or {},
    )


@blueprint.get("/api/operations")
@promise(_TAG, {200: Answer("The operations.", OperationsAnswer)})
def list_operations() -> ResponseReturnValue:
    """The newest operations, the latest first."""
    return jsonify(
        operations=[_as_json(item, get_texts()) for item in get_library().list_operations()]
    )


@blueprint.get("/api/operations/<operation_id>")
@promise(_TAG, {200: Answer("The operation.", OperationAnswer)} | refuse(404))
def get_operation(operation_id: str) -> ResponseReturnValue:
    """How far an operation is, and what it did once it has ended."""
    return jsonify(_as_json(get_library().runner.progress(operation_id), get_texts()))


@blueprint.post("/api/operations/<operation_id>/cancel")
@promise(
    _TAG,
    {202: Answer("It stops within a second or so.", OperationAnswer)} | refuse(404, 507),
    writes=True,
)
def cancel_operation(operation_id: str) -> ResponseReturnValue:
    """Stop an operation; what has ended stays as it is."""
    library = get_library()
    library.cancel_operation(operation_id)
    return jsonify(_as_json(library.runner.progress(operation_id), get_texts())), 202


@blueprint.post("/operations/<operation_id>/cancel")
def cancel_operation_of_form(operation_id: str) -> ResponseReturnValue:
    """The same for pages without JavaScript; what has ended meanwhile needs no cancelling."""
    library = get_library()
    if library.runner.progress(operation_id).is_active:
        library.cancel_operation(operation_id)
    return redirect(url_for("grid.show_grid"), 303)


@blueprint.get("/operations/<operation_id>")
def show_operation(operation_id: str) -> ResponseReturnValue:
    """The bar of an operation, or its report once it has ended, as a part of a page."""
    progress = get_library().runner.progress(operation_id)
    return render_template("_partials/operation.html", operation=progress)


@blueprint.get("/api/operations/<operation_id>/events")
@promise(
    _TAG,
    {200: Answer("Events until it ends.", None, ("text/event-stream",))}
    | refuse(404)
    | {
        503: Answer(
            "Too many look on, or the database cannot be reached.",
            Error,
            headers={"Retry-After": "Seconds after which to ask again, for the operation itself."},
        )
    },
)
def stream_events(operation_id: str) -> ResponseReturnValue:
    """Server-sent events: the operation as JSON whenever it changed, until it ends.

    503 where too many look on; they ask for the operation now and then instead.
    """
    runner = get_library().runner
    runner.progress(operation_id)
    if not _streams.acquire(blocking=False):
        error = {"code": "too_many_streams", "message": "Ask again now and then instead."}
        return jsonify(error=error), 503, {"Retry-After": "2"}
    response = Response(_events(runner, operation_id, get_texts()), mimetype="text/event-stream")
    response.call_on_close(_streams.release)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _events(runner: OperationRunner, operation_id: str, texts: Texts) -> Iterator[str]:
    version = 0
    while True:
        progress = runner.wait_for_change(operation_id, version, _PING_EVERY_S)
        if progress.version == version and progress.is_active:
            yield ": ping\n\n"
            continue
        version = progress.version
        yield f"data: {json.dumps(_as_json(progress, texts))}\n\n"
        if not progress.is_active:
            return
        time.sleep(_EVENT_EVERY_S)


def _as_json(progress: Progress, texts: Texts) -> dict[str, Any]:
    answer: dict[str, Any] = texts.translate_reasons(progress.as_dict())
    return answer | {"phase_words": texts.find(operation_words.describe_phase(progress.phase))}


# -- words -------------------------------------------------------------------------------------


@blueprint.app_template_filter("seconds_left")
def find_seconds_left(operation: Operation) -> float | None:
    """How long the rest of an interrupted operation's phase takes at the speed it had."""
    checkpoint = operation.checkpoint
    phase = operation.metrics.get(checkpoint.get("phase") or "")
    rate = phase.get("files_per_s") if isinstance(phase, dict) else None
    total, done = checkpoint.get("total"), checkpoint.get("done") or 0
    return max(0, total - done) / rate if total and rate else None


@blueprint.app_template_filter("is_waiting")
def is_waiting(planned: Planned) -> bool:
    """Whether it is due, and begins as soon as nothing else runs."""
    return planned.next is not None and planned.next <= datetime.now(UTC)
