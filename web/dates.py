"""Capture dates of photos: the plan of a change, and the operation that makes it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from date_edit import DateMode
from web.api_contract import Answer, promise, refuse
from web.api_models import OperationStarted
from web.common import get_library
from web.date_models import DateBody, DateQuery, DatesAnswer
from web.texts import get_texts

_TAG: Final = "Dates"

blueprint = Blueprint("dates", __name__)


@blueprint.post("/api/photos/date")
@promise(
    _TAG,
    {
        200: Answer("With `dry_run`: the dates that there would be.", DatesAnswer),
        202: Answer("It has begun; ask for the operation.", OperationStarted),
    }
    | refuse(409, 507),
    query=DateQuery,
    body=DateBody,
    writes=True,
)
def change_dates(query: DateQuery, body: DateBody) -> ResponseReturnValue:
    """Change when photos were taken, in the files themselves.

    `same`: all get the moment `value`. `shift`: each moves by the span `value` (`+1h`,
    `-2d 3h`), or as clocks between two zones (`Europe/Berlin->Asia/Tokyo`). `sequence`: the
    oldest gets `value`, each next one a `step` more. `suggested`: photos without a date get what
    their names, folders or neighbors say. What stood there before comes back with an undo.
    `move_files`: a photo that lies where an import put it by its old date goes to the folder of
    its new day, as its `moves_to` in the plan says; an undo brings it back as well.
    """
    library = get_library()
    mode = DateMode(body.mode)
    if query.dry_run == "1":
        planned = library.plan_dates(body.photo_ids, mode, body.value, body.step)
        return jsonify(dates=get_texts().translate_reasons([asdict(one) for one in planned]))
    operation_id = library.start_dates(
        body.photo_ids, mode, body.value, body.step, move_files=body.move_files
    )
    return jsonify(operation_id=operation_id), 202
