"""The trash: photos go there and come back, and leave it for good."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from flask import Blueprint, jsonify, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue

import trash_rows
from errors import InvalidRequestError, NotFoundError
from media_types import Kind, media_type_of
from operation_parameters import MOST_PHOTOS
from operation_progress import Progress
from operation_state import OperationType
from trash import plan_restore, plan_trash
from trash_purge import list_doomed, plan_purge
from trash_rows import TrashEntry
from web.api_contract import Answer, promise, refuse
from web.api_models import (
    LARGEST_ID,
    OperationStarted,
)
from web.common import get_library, read_number
from web.texts import format_number, ngettext
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
_ID_DIGITS: Final = 18
_TOLD: Final = frozenset(
    {
        OperationType.TRASH_PHOTOS,
        OperationType.RESTORE_PHOTOS,
        OperationType.PURGE_TRASH,
        OperationType.MERGE_DUPLICATES,
        OperationType.UNDO_EDITS,
    }
)

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
    """What lies in the trash, what came last first, with what was just done."""
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
        until=trash_rows.now(),
        behind=offset + PAGE_ENTRIES if offset + PAGE_ENTRIES < len(shown) else None,
        **tell_done(),
    )


def tell_done() -> dict[str, object]:
    """What these pages say of operations: which runs, and which was just done (`?done=`)."""
    library = get_library()
    done = None
    with contextlib.suppress(NotFoundError):
        done = library.runner.progress(request.args.get("done", ""))
    told = done if done and done.operation_type in _TOLD and done.report else None
    return {"running": library.runner.current(edits=True), "done": told}


@blueprint.get("/trash/delete")
def ask_before_delete() -> ResponseReturnValue:
    """Whether `?entry=1&entry=2…` shall be deleted for good."""
    entry_ids = _read_entries(request.args.getlist("entry"))
    with get_library().database.reading() as connection:
        entries = [trash_rows.get_entry(connection, one) for one in entry_ids]
        plan = plan_purge(connection, entry_ids)
    return render_template(
        "trash_ask.html",
        library=get_library(),
        entry_ids=entry_ids,
        names=[entry.photo.original_filename for entry in entries],
        plan=plan.as_dict(),
        until=None,
    )


@blueprint.get("/trash/empty")
def ask_before_empty() -> ResponseReturnValue:
    """Whether all of it shall be deleted for good: how many photos, and how large."""
    until = trash_rows.now()
    with get_library().database.reading() as connection:
        plan = plan_purge(connection, (), until)
    return render_template(
        "trash_ask.html",
        library=get_library(),
        entry_ids=(),
        names=(),
        plan=plan.as_dict(),
        until=until,
    )


@blueprint.post("/trash/restore")
def restore_of_form() -> ResponseReturnValue:
    """Bring back what was chosen, or all that the page told of."""
    if until := request.form.get("until"):
        with get_library().database.reading() as connection:
            entry_ids = [one.id for one in list_doomed(connection, until=_read_moment(until))]
    else:
        entry_ids = _read_entries(request.form.getlist("entry"))
    if not entry_ids:
        return redirect(url_for(".show_trash"), 303)
    return _lead_on(get_library().start_restore(entry_ids=entry_ids))


@blueprint.post("/trash/delete")
def delete_of_form() -> ResponseReturnValue:
    """Delete photos for good, which the page before has asked about."""
    return _lead_on(get_library().start_purge(_read_entries(request.form.getlist("entry"))))


@blueprint.post("/trash/empty")
def empty_trash_of_form() -> ResponseReturnValue:
    """Delete what the page before has told of; what came since then stays."""
    until = _read_moment(request.form.get("until", ""))
    return _lead_on(get_library().start_purge(until=until))


@blueprint.post("/photo/<int:photo_id>/trash")
def trash_photo_of_form(photo_id: int) -> ResponseReturnValue:
    """Move a photo into the trash, for pages without JavaScript; leads to the trash.

    One with a RAW beside it is asked about first.
    """
    photo_id = min(photo_id, LARGEST_ID)
    chosen = request.form.get("companions")
    if chosen is None:
        with get_library().database.reading() as connection:
            companions = plan_trash(connection, [photo_id]).as_dict()["companions"]
        if companions:
            return render_template(
                "trash_companions.html", photo_id=photo_id, companions=companions
            )
    return _lead_on(get_library().start_trash([photo_id], with_companions=chosen == "both"))


def _read_entries(asked: Sequence[str]) -> list[int]:
    whole = all(one.isascii() and one.isdigit() and len(one) <= _ID_DIGITS for one in asked)
    if not whole or not 1 <= len(asked) <= MOST_PHOTOS:
        raise InvalidRequestError("Choose the photos first.")
    return [int(one) for one in asked]


def _read_moment(text: str) -> str:
    if not text.isascii() or not text.startswith("20"):
        raise InvalidRequestError("until is the moment of the page that asked.")
    return text


def _lead_on(operation_id: str) -> ResponseReturnValue:
    """To the trash once it is done; to the report where it takes long or had problems."""
    progress = get_library().finish(operation_id, _WAIT_S)
    if progress.is_active or progress.problem_count or progress.message:
        return redirect(url_for("operations.show_report", operation_id=operation_id), 303)
    return redirect(url_for(".show_trash", done=operation_id), 303)


# -- words -------------------------------------------------------------------------------------


@blueprint.app_template_filter("megabytes")
def format_megabytes(size: int) -> str:
    """`4.1 MB`, `12 kB`, `3.2 GB`."""
    if size >= 1e9:
        return f"{format_number(size / 1e9, 1)} GB"
    if size >= 1e5:
        return f"{format_number(size / 1e6, 1)} MB"
    return f"{format_number(size / 1e3)} kB"


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


@blueprint.app_template_filter("told")
def tell(done: Progress) -> str:
    """What an operation of the trash did, as a sentence."""
    report = done.report or {}
    if done.operation_type == OperationType.PURGE_TRASH:
        return ngettext(
            "{count} photo deleted for good, {size}.",
            "{count} photos deleted for good, {size}.",
            report["deleted"],
            size=format_megabytes(report["bytes"]),
        )
    if done.operation_type == OperationType.MERGE_DUPLICATES and report["changed"]:
        return ngettext(
            "{count} photo moved to the trash, {changed} got a rating or a date.",
            "{count} photos moved to the trash, {changed} got a rating or a date.",
            report["moved"],
            changed=report["changed"],
        )
    moved = report.get("moved", 0)
    if done.operation_type in (OperationType.TRASH_PHOTOS, OperationType.MERGE_DUPLICATES):
        return ngettext(
            "{count} photo moved to the trash.", "{count} photos moved to the trash.", moved
        )
    return ngettext("{count} photo brought back.", "{count} photos brought back.", moved)


@blueprint.app_template_test("undoable_move")
def is_undoable(done: Progress) -> bool:
    """Whether there is something that the button Undo could take back."""
    final = (OperationType.PURGE_TRASH, OperationType.UNDO_EDITS)
    return done.operation_type not in final and bool((done.report or {}).get("moved"))
