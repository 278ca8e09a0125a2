"""Edits: what was changed in photo files, and how it is taken back."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from web.api_contract import Answer, promise, refuse
from web.api_models import (
    LARGEST_ID,
    EditsAnswer,
    EditsQuery,
    OperationStarted,
    RatedAnswer,
)
from web.common import get_library
from web.favorites import EDIT_HEADER, answer_rated
from web.texts import gettext, gettext_noop
from write_journal import Edit, EditState

_TAG: Final = "Edits"
_ASKING: Final = {"/trash": "trash.show_trash", "/duplicates": "duplicates.show_duplicates"}
_WAIT_S: Final = 10.0

_STATES: Final = {
    EditState.PLANNED: gettext_noop("planned"),
    EditState.PREPARED: gettext_noop("prepared"),
    EditState.DONE: gettext_noop("done"),
    EditState.UNDONE: gettext_noop("undone"),
    EditState.CONFLICT: gettext_noop("conflict"),
}

blueprint = Blueprint("edits", __name__)


@blueprint.app_template_filter("edit_state")
def name_state(state: EditState) -> str:
    """Where an edit stands, as a word."""
    return gettext(_STATES[state])


@blueprint.get("/api/edits")
@promise(_TAG, {200: Answer("The edits.", EditsAnswer)}, query=EditsQuery)
def list_edits(query: EditsQuery) -> ResponseReturnValue:
    """The newest edits, of the library or of one photo."""
    edits = get_library().list_edits(photo_id=query.photo_id, limit=query.limit)
    return jsonify(edits=[_describe_edit(edit) for edit in edits])


def _describe_edit(edit: Edit) -> dict[str, object]:
    names = ("id", "operation_id", "photo_id", "path", "kind", "state", "planned_at", "done_at")
    values = ("rating", "kept_in", "date_taken")
    return {name: getattr(edit, name) for name in (*names, "undoable")} | {
        side: {name: getattr(getattr(edit, side), name) for name in values}
        for side in ("before", "after")
    }


@blueprint.post("/api/edits/<int:edit_id>/undo")
@promise(
    _TAG,
    {200: Answer("The photo is as it was.", RatedAnswer, headers=EDIT_HEADER)}
    | refuse(404, 409, 507),
    writes=True,
)
def undo_edit(edit_id: int) -> ResponseReturnValue:
    """Take one edit back. Refused where something else has changed the photo since."""
    return answer_rated(get_library().undo_edit(min(edit_id, LARGEST_ID)))


@blueprint.post("/api/operations/<operation_id>/undo")
@promise(
    _TAG,
    {202: Answer("It has begun; ask for the operation.", OperationStarted)} | refuse(404, 409, 507),
    writes=True,
)
def undo_operation(operation_id: str) -> ResponseReturnValue:
    """Take back all edits of an operation, by an operation of its own."""
    return jsonify(operation_id=get_library().start_undo(operation_id)), 202


@blueprint.get("/edits")
def show_edits() -> ResponseReturnValue:
    """The latest edits, each with the button that takes it back."""
    library = get_library()
    return render_template("edits.html", library=library, edits=library.list_edits())


@blueprint.post("/edits/<int:edit_id>/undo")
def undo_edit_of_form(edit_id: int) -> ResponseReturnValue:
    """The same for pages without JavaScript."""
    get_library().undo_edit(min(edit_id, LARGEST_ID))
    return redirect(url_for(".show_edits"), 303)


@blueprint.post("/operations/<operation_id>/undo")
def undo_operation_of_form(operation_id: str) -> ResponseReturnValue:
    """The same for pages without JavaScript; leads back to the page of the trash that asked."""
    started = get_library().start_undo(operation_id)
    page = _ASKING.get(request.form.get("page", ""), ".show_edits")
    if page == ".show_edits":
        return redirect(url_for(page), 303)
    get_library().finish(started, _WAIT_S)
    return redirect(url_for(page, done=started), 303)
