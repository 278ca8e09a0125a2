"""Import: files that a browser sends, folders on the server, and the plan before anything comes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.formparser import FormDataParser

from errors import InvalidRequestError, LibraryError
from operation_state import OperationType
from plan_runner import PlanProgress
from upload_store import ArrivingPart, Received, Sent, UploadStore
from web.api_contract import Answer, promise, refuse
from web.common import get_library, wants_fragment
from web.import_models import UploadAnswer, UploadForm, UploadQuery
from web.texts import format_number, ngettext

MOST_REQUEST_BYTES: Final = 1 << 30
"""Of files in one request; the page sends large ones in pieces."""

_MOST_FIELDS_BYTES: Final = 1 << 20
_MOST_PARTS: Final = 3_000
_MOST_DIGITS: Final = 15
_TAG: Final = "Import"
_WAITED_S: Final = 2.0
_ASKED_AGAIN_S: Final = 1.0
_FIELDS: Final = frozenset(UploadForm.model_fields)

blueprint = Blueprint("imports", __name__)


# -- files from a browser ------------------------------------------------------------------------


@blueprint.post("/api/import/files")
@promise(
    _TAG,
    {200: Answer("What is here of each file.", UploadAnswer)} | refuse(404, 507),
    form=UploadForm,
    writes=True,
)
def receive_files() -> ResponseReturnValue:
    """Send files, or a piece of one, for an import; nothing is imported by that.

    A piece that does not begin where the last one ended is not taken: `received` says where to
    go on. What is not imported within a week is removed.
    """
    upload, received = _receive(get_library().uploads)
    return jsonify(upload=upload, files=[_describe(one) for one in received])


@blueprint.get("/api/import/files")
@promise(
    _TAG,
    {200: Answer("The files of an upload.", UploadAnswer)} | refuse(404),
    query=UploadQuery,
)
def list_staged_files(query: UploadQuery) -> ResponseReturnValue:
    """What is here of an upload, and not imported yet: the rest is to be sent."""
    staged = get_library().uploads.list_files(query.upload)
    files = [_describe(Received(file, file.size, already_staged=True)) for file in staged]
    return jsonify(upload=query.upload, files=files)


def _describe(received: Received) -> dict[str, object]:
    file = asdict(received.file)
    return {key: file[key] for key in ("id", "name", "size")} | {
        "received": received.received,
        "already_staged": received.already_staged,
    }


def _receive(store: UploadStore) -> tuple[str, list[Received]]:
    """Stage the files of this request, as they stream in: the upload's id, and what came."""
    request.max_content_length = MOST_REQUEST_BYTES
    with store.receiving(request.content_length or 0) as parts:

        def open_part(*_: object, **__: object) -> Any:
            return store.open_part(parts)

        parser = FormDataParser(
            stream_factory=open_part,
            max_form_memory_size=_MOST_FIELDS_BYTES,
            max_form_parts=_MOST_PARTS,
            silent=False,
        )
        try:
            _, form, files = parser.parse(
                request.stream, request.mimetype, request.content_length, request.mimetype_params
            )
        except ValueError as error:
            raise InvalidRequestError(f"The form cannot be read: {error}.") from error
        sent = _read_form(form, files)
        upload = form.get("upload") or store.make_batch()
        staged = [
            store.stage(upload, part, one)
            for one, file in sent
            if isinstance(part := file.stream, ArrivingPart)
        ]
    return upload, staged


def _read_form(
    form: MultiDict[str, str], files: MultiDict[str, FileStorage]
) -> list[tuple[Sent, FileStorage]]:
    """What the form says of each file. Raises `InvalidRequestError`."""
    unknown = (form.keys() | files.keys()) - _FIELDS
    if unknown:
        raise InvalidRequestError(f"{min(unknown)} is not among the fields that this takes.")
    # A browser sends one without a name where nothing was chosen.
    named = [file for file in files.getlist("file") if file.filename]
    if not named or len(files) != 1:
        raise InvalidRequestError("Send at least one file, as a field named file.")
    ids, modified = form.getlist("id"), _read_numbers(form, "modified")
    if len(ids) not in (0, len(named)) or len(modified) not in (0, len(named)):
        raise InvalidRequestError("Send as many ids as files, and as many times, or none.")
    offset, size = _read_numbers(form, "offset"), _read_numbers(form, "size")
    if len(named) > 1 and (offset or size):
        raise InvalidRequestError("A piece of a file is sent alone.")
    return [
        (
            Sent(
                ids[number] if ids else secrets.token_hex(8),
                file.filename or "",
                modified[number] if modified else None,
                offset[0] if offset else 0,
                size[0] if size else None,
            ),
            file,
        )
        for number, file in enumerate(named)
    ]


def _read_numbers(form: MultiDict[str, str], name: str) -> list[int]:
    words = form.getlist(name)
    if not all(word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS for word in words):
        raise InvalidRequestError(f"{name} is a whole number, not below 0.")
    return [int(word) for word in words]


# -- pages ---------------------------------------------------------------------------------------


@blueprint.get("/import")
def show_import() -> ResponseReturnValue:
    """Where to drop files, and the folders on the server that may be imported from."""
    return _render()


@blueprint.post("/import/files")
def receive_files_of_form() -> ResponseReturnValue:
    """Files of a form, for pages without JavaScript; the plan is the answer."""
    upload, _ = _receive(get_library().uploads)
    return _render_plan([], upload)


@blueprint.post("/import/plan")
def make_plan() -> ResponseReturnValue:
    """What an import of the chosen folders, or of an upload, would do."""
    try:
        return _render_plan(*_read_choice())
    except LibraryError as error:
        return _answer_trouble(error)


@blueprint.get("/import/plan/<plan_id>")
def show_plan(plan_id: str) -> ResponseReturnValue:
    """A plan, or how far it is."""
    try:
        return _render(get_library().plans.find(plan_id, _ASKED_AGAIN_S))
    except LibraryError as error:
        return _answer_trouble(error)


@blueprint.post("/import/plan/<plan_id>/stop")
def stop_plan(plan_id: str) -> ResponseReturnValue:
    """End a plan that takes too long."""
    get_library().plans.stop(plan_id)
    return redirect(url_for("imports.show_import"), 303)


def _answer_trouble(error: LibraryError) -> ResponseReturnValue:
    """The page's script tells it, and asks again while something else runs."""
    if not wants_fragment():
        raise error
    return jsonify(error={"code": error.code, "message": error.message}), error.status


@blueprint.post("/import/start")
def start_import() -> ResponseReturnValue:
    """Start the import that the plan is of; the photos and its bar are the answer."""
    library = get_library()
    sources, upload = _read_choice()
    parameters: dict[str, object] = {"sources": library.check_sources(sources, upload)}
    if upload:
        parameters["upload"] = upload
    library.start_operation(OperationType.IMPORT_PHOTOS, parameters)
    return redirect(url_for("grid.show_grid"), 303)


def _read_choice() -> tuple[list[str], str | None]:
    chosen = [*request.form.getlist("source"), request.form.get("folder", "").strip()]
    return [source for source in chosen if source], request.form.get("upload") or None


def _render_plan(sources: Sequence[str], upload: str | None) -> ResponseReturnValue:
    library = get_library()
    plan_id = library.start_plan(library.check_sources(sources, upload), upload)
    progress = library.plans.find(plan_id, _WAITED_S)
    if progress.plan is None and not wants_fragment():
        return redirect(url_for("imports.show_plan", plan_id=plan_id), 303)
    return _render(progress)


def _render(progress: PlanProgress | None = None) -> ResponseReturnValue:
    library = get_library()
    part = "panel" if progress is None else "planning" if progress.plan is None else "plan"
    return render_template(
        f"_partials/import_{part}.html" if wants_fragment() else "import.html",
        library=library,
        part=part,
        roots=library.list_import_roots(),
        running=library.runner.current(),
        progress=progress,
        plan=progress and progress.plan,
    )


@blueprint.app_template_filter("file_size")
def format_size(size: int) -> str:
    """`1500000` as 1.5 MB."""
    for unit, word in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{format_number(size / unit, 1)} {word}"
    return ngettext("{count} byte", "{count} bytes", size)
