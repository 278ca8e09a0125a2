"""The trash: photos go there and come back, and leave it for good."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, jsonify, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue

import trash_rows
from errors import InvalidRequestError
from media_types import Kind, media_type_of
from trash import plan_restore, plan_trash
from trash_purge import plan_purge
from trash_rows import TrashEntry
from web.api_contract import Answer, promise, refuse
from web.api_models import (
    LARGEST_ID,
    OperationStarted,
)
from web.common import get_library, read_number
from web.trash_models import (
    DryRunQuery,
    EntriesBody,
    EverythingBody,
    RestoreBody,
    TrashAnswer,
    TrashBody,
    TrashPlanAnswer,
    TrashQuery,
)

PAGE_ENTRIES: Final = 210
_TAG: Final = "Trash"
_STARTED: Final = {
    200: Answer("What would be done, with `dry_run=1`.", TrashPlanAnswer),
    202: Answer("It has begun; ask for the operation.", OperationStarted),
}
_WAIT_S: Final = 10.0

blueprint = Blueprint("trash", __name__)


# -- for programs ------------------------------------------------------------------------------


@blueprint.post("/api/photos/trash")
@promise(_TAG, _STARTED | refuse(404, 409, 507), query=DryRunQuery, body=TrashBody, writes=True)
def trash_photos(query: DryRunQuery, body: TrashBody) -> ResponseReturnValue:
    """Move photos into the trash, with their sidecars; a Live Photo's film goes along.

    A photo that is not there costs only itself and stands among the operation's problems. Taken
    back by `POST /api/operations/<id>/undo`.
    """
    library = get_library()
    if query.dry_run == "1":
        with library.database.reading() as connection:
            plan = plan_trash(connection, body.photo_ids, with_companions=body.with_companions)
        return jsonify(plan.as_dict())
    started = library.start_trash(body.photo_ids, with_companions=body.with_companions)
    return jsonify(operation_id=started), 202


@blueprint.post("/api/photos/restore")
@promise(
    _TAG,
    _STARTED | refuse(404, 409, 507),
    query=DryRunQuery,
    body=RestoreBody | EntriesBody,
    writes=True,
)
def restore_photos(query: DryRunQuery, body: RestoreBody | EntriesBody) -> ResponseReturnValue:
    """Bring photos back from the trash, each under its old id.

    Never over another file: where one stands, a photo comes back under a number.
    """
    library = get_library()
    photo_ids = body.photo_ids if isinstance(body, RestoreBody) else []
    entry_ids = body.entry_ids if isinstance(body, EntriesBody) else []
    if query.dry_run == "1":
        with library.database.reading() as connection:
            plan = plan_restore(connection, photo_ids, entry_ids)
        return jsonify(plan.as_dict())
    return jsonify(operation_id=library.start_restore(photo_ids, entry_ids)), 202


@blueprint.get("/api/trash")
@promise(_TAG, {200: Answer("What lies in the trash.", TrashAnswer)}, query=TrashQuery)
def list_trash(query: TrashQuery) -> ResponseReturnValue:
    """The photos in the trash."""
    with get_library().database.reading() as connection:
        entries = trash_rows.list_page(connection, query.cursor, query.limit + 1)
        count = trash_rows.count_entries(connection)
    more = len(entries) > query.limit
    entries = entries[: query.limit]
    photos = [trash_rows.describe_entry(one) | {"entry_id": one.id} for one in entries]
    return jsonify(photos=photos, count=count, next_cursor=entries[-1].id if more else None)


@blueprint.get("/api/trash/<int:entry_id>/thumbnail")
@promise(
    _TAG,
    {200: Answer("All of it.", None, ("image/webp",))} | refuse(404, 409, 422, 507),
)
def send_trashed_thumbnail(entry_id: int) -> ResponseReturnValue:
    """The small picture of a photo in the trash, WebP."""
    response = send_file(
        get_library().trashed_thumbnail(_get(entry_id)), "image/webp", conditional=False
    )
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@blueprint.post("/api/trash/purge")
@promise(
    _TAG,
    _STARTED | refuse(404, 409, 507),
    query=DryRunQuery,
    body=EntriesBody | EverythingBody,
    writes=True,
)
def purge_trash(query: DryRunQuery, body: EntriesBody | EverythingBody) -> ResponseReturnValue:
    """Delete photos from the trash for good: these, or all of them.

    A file that is not byte for byte what was put there stays.
    """
    library, until = get_library(), trash_rows.now()
    entry_ids = body.entry_ids if isinstance(body, EntriesBody) else []
    if query.dry_run == "1":
        with library.database.reading() as connection:
            return jsonify(plan_purge(connection, entry_ids, until).as_dict())
    started = library.start_purge(entry_ids, None if entry_ids else until)
    return jsonify(operation_id=started), 202


def _get(entry_id: int) -> TrashEntry:
    with get_library().database.reading() as connection:
        return trash_rows.get_entry(connection, min(entry_id, LARGEST_ID))


# -- pages -------------------------------------------------------------------------------------


@blueprint.get("/trash")
def show_trash() -> ResponseReturnValue:
    """What lies in the trash, what came last first; each can be brought back or deleted."""
    library = get_library()
    offset = read_number("offset", 0, 0, 10**9)
    with library.database.reading() as connection:
        entries = trash_rows.list_entries(connection)
    there = {entry.photo.id for entry in entries if entry.photo.id}
    shown = [entry for entry in entries if entry.leader_id not in there]
    return render_template(
        "trash.html",
        library=library,
        entries=shown[offset : offset + PAGE_ENTRIES],
        films={entry.leader_id: entry for entry in entries if entry.leader_id in there},
        count=len(entries),
        size=sum(entry.size for entry in entries),
        offset=offset,
        behind=offset + PAGE_ENTRIES if offset + PAGE_ENTRIES < len(shown) else None,
        running=library.runner.current(edits=True),
    )


@blueprint.get("/trash/<int:entry_id>/delete")
def ask_before_delete(entry_id: int) -> ResponseReturnValue:
    """Whether a photo shall be deleted for good."""
    entry = _get(entry_id)
    with get_library().database.reading() as connection:
        plan = plan_purge(connection, [entry.id])
    return render_template(
        "trash_ask.html", library=get_library(), entry=entry, plan=plan.as_dict()
    )


@blueprint.get("/trash/empty")
def ask_before_empty() -> ResponseReturnValue:
    """Whether all of it shall be deleted for good: how many photos, and how large."""
    until = trash_rows.now()
    with get_library().database.reading() as connection:
        plan = plan_purge(connection, (), until)
    return render_template(
        "trash_ask.html", library=get_library(), entry=None, plan=plan.as_dict(), until=until
    )


@blueprint.post("/trash/<int:entry_id>/restore")
def restore_photo_of_form(entry_id: int) -> ResponseReturnValue:
    """Bring one photo back, for pages without JavaScript."""
    return _lead_on(get_library().start_restore(entry_ids=[_get(entry_id).id]))


@blueprint.post("/trash/<int:entry_id>/delete")
def delete_photo_of_form(entry_id: int) -> ResponseReturnValue:
    """Delete one photo for good, which the page before has asked about."""
    return _lead_on(get_library().start_purge([_get(entry_id).id]))


@blueprint.post("/trash/empty")
def empty_trash_of_form() -> ResponseReturnValue:
    """Delete what the page before has told of; what came since then stays."""
    until = request.form.get("until", "")
    if not until.isascii() or not until.startswith("20"):
        raise InvalidRequestError("until is the moment of the page that asked.")
    return _lead_on(get_library().start_purge(until=until))


@blueprint.post("/photo/<int:photo_id>/trash")
def trash_photo_of_form(photo_id: int) -> ResponseReturnValue:
    """Move a photo into the trash, for pages without JavaScript; leads to the trash."""
    return _lead_on(get_library().start_trash([min(photo_id, LARGEST_ID)]))


def _lead_on(operation_id: str) -> ResponseReturnValue:
    """To the trash once it is done; to the report where it takes long or had problems."""
    progress = get_library().finish(operation_id, _WAIT_S)
    if progress.is_active or progress.problem_count or progress.message:
        return redirect(url_for("operations.show_report", operation_id=operation_id), 303)
    return redirect(url_for(".show_trash"), 303)


# -- words -------------------------------------------------------------------------------------


@blueprint.app_template_filter("megabytes")
def format_megabytes(size: int) -> str:
    """`4.1 MB`, `12 kB`, `3.2 GB`."""
    if size >= 1e9:
        return f"{size / 1e9:,.1f} GB"
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.0f} kB"


@blueprint.app_template_test("drawn")
def is_drawn_in_trash(entry: TrashEntry) -> bool:
    """Whether there is a decoder for its format."""
    media_type = media_type_of(entry.photo.file_type)
    return bool(media_type.decoder) or media_type.kind == Kind.RAW


@blueprint.app_context_processor
def add_counts() -> dict[str, object]:
    return {"count_trash": _count}


def _count() -> int:
    with get_library().database.reading() as connection:
        return trash_rows.count_entries(connection)
