"""Duplicates: photos of one picture, of which one is kept."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

import duplicate_rows
from catalog import describe_photo
from duplicates import DuplicateGroup, list_groups
from errors import InvalidRequestError
from trash import plan_trash
from web.api_contract import Answer, promise, refuse
from web.api_models import (
    OperationStarted,
)
from web.common import get_library
from web.trash import tell_done
from web.trash_models import (
    DryRunQuery,
    DuplicatesAnswer,
    DuplicatesQuery,
    MergeBody,
    TrashPlanAnswer,
)

PAGE_GROUPS: Final = 50
_TAG: Final = "Duplicates"
_ID_DIGITS: Final = 18
_WAIT_S: Final = 10.0

blueprint = Blueprint("duplicates", __name__)


@blueprint.get("/api/duplicates")
@promise(_TAG, {200: Answer("The groups.", DuplicatesAnswer)}, query=DuplicatesQuery)
def list_duplicates(query: DuplicatesQuery) -> ResponseReturnValue:
    """Photos that are the same picture, whatever their tags say, with the one to keep."""
    groups, behind = _list_page(query.cursor, query.limit, same_bytes=query.same_bytes == "1")
    return jsonify(groups=[_describe(group) for group in groups], next_cursor=behind)


def _list_page(
    after: str, limit: int, *, same_bytes: bool
) -> tuple[list[DuplicateGroup], str | None]:
    with get_library().database.reading() as connection:
        groups = list_groups(connection, after, limit + 1, same_bytes=same_bytes)
    more = len(groups) > limit
    return groups[:limit], groups[limit - 1].key if more else None


def _describe(group: DuplicateGroup) -> dict[str, Any]:
    return {
        "key": group.key,
        "keep": group.keep_id,
        "same_bytes": group.same_bytes,
        "differs": list(group.differs),
        "photos": [describe_photo(photo) for photo in group.photos],
    }


@blueprint.post("/api/duplicates/merge")
@promise(
    _TAG,
    {
        200: Answer("What would be done, with `dry_run=1`.", TrashPlanAnswer),
        202: Answer("It has begun; ask for the operation.", OperationStarted),
    }
    | refuse(404, 409, 507),
    query=DryRunQuery,
    body=MergeBody,
    writes=True,
)
def merge_duplicates(query: DryRunQuery, body: MergeBody) -> ResponseReturnValue:
    """Keep one photo with the highest rating of all, and trash the others.

    Both files are compared byte by byte before anything goes.
    """
    if body.keep in body.trash:
        raise InvalidRequestError("A photo is kept or trashed, not both.")
    library = get_library()
    if query.dry_run == "1":
        with library.database.reading() as connection:
            return jsonify(plan_trash(connection, body.trash).as_dict())
    started = library.start_merge([{"keep": body.keep, "trash": list(body.trash)}])
    return jsonify(operation_id=started), 202


@blueprint.get("/duplicates")
def show_duplicates() -> ResponseReturnValue:
    """The groups, each with what differs and the choice of the one to keep."""
    library = get_library()
    same_bytes = request.args.get("same_bytes") == "1"
    groups, behind = _list_page(request.args.get("after", ""), PAGE_GROUPS, same_bytes=same_bytes)
    with library.database.reading() as connection:
        counts = [duplicate_rows.count_groups(connection, same_bytes=one) for one in (False, True)]
    return render_template(
        "duplicates.html",
        library=library,
        groups=groups,
        counts=counts,
        same_bytes=same_bytes,
        behind=behind,
        **tell_done(),
    )


@blueprint.post("/duplicates/merge")
def merge_duplicates_of_form() -> ResponseReturnValue:
    """Merge the group of the form, or all as suggested."""
    library = get_library()
    same_bytes = request.form.get("same_bytes") == "1"
    if request.form.get("suggested") == "1":
        started = library.start_suggested_merge(same_bytes=same_bytes)
    else:
        keep, ids = request.form.get("keep", ""), request.form.getlist("id")
        whole = all(one.isascii() and one.isdigit() and len(one) <= _ID_DIGITS for one in ids)
        others = [int(one) for one in ids if one != keep]
        if not whole or keep not in ids or not others:
            raise InvalidRequestError("Choose the photo to keep.")
        started = library.start_merge([{"keep": int(keep), "trash": others}])
    progress = library.finish(started, _WAIT_S)
    if progress.is_active or progress.problem_count or progress.message:
        return redirect(url_for("operations.show_report", operation_id=started), 303)
    behind = url_for(".show_duplicates", done=started, same_bytes=1 if same_bytes else None)
    return redirect(behind, 303)
