"""One edit after the other, of many photos: progress, problems, and what a resumed one leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import catalog
import write_journal
from db import Database
from errors import FileProblem, LibraryError, NotFoundError
from operation_runner import OperationContext


def edit_many(
    database: Database,
    context: OperationContext,
    photo_ids: Sequence[int],
    edit: Callable[[int], bool],
    *,
    repeatable: bool = False,
) -> dict[str, Any]:
    """`edit` each of these photos, once; the report. It says whether anything was written.

    Trouble with one photo is in the report; what an operation that was interrupted has done
    already, by its journal, is left as it is. repeatable: an edit that is done twice does no
    harm. Raises where the disk is full, or worse.
    """
    wanted = list(dict.fromkeys(photo_ids))
    with database.reading() as connection:
        journal = write_journal.list_edits_of_operation(connection, context.operation_id)
    changed = len({entry.photo_id for entry in journal}.intersection(wanted))
    if repeatable and journal and journal[-1].photo_id in wanted:
        # It may have been interrupted between a sidecar and its photo.
        changed -= 1
        last = journal[-1].photo_id
        journal = [entry for entry in journal if entry.photo_id != last]
    done_before = {entry.photo_id for entry in journal}
    checkpoint = context.checkpoint
    checkpoint.begin_phase("edit", len(wanted))
    started = time.monotonic()
    errors: list[tuple[int, str]] = []
    problems: list[FileProblem] = []
    for number, photo_id in enumerate(wanted):
        context.report_progress(phase="edit", done=number, total=len(wanted))
        context.check()
        if photo_id in done_before:
            continue
        try:
            changed += edit(photo_id)
        except LibraryError as error:
            if error.status >= 500:
                raise  # the disk is full, or worse: nothing to do with this photo
            problem = FileProblem(_name(database, photo_id), error.message)
            errors.append((photo_id, error.message))
            problems.append(problem)
            context.add_problem(problem)
        checkpoint.advance(1)
        if checkpoint.due:
            with database.transaction() as connection:
                checkpoint.save(connection)
    context.report_progress(phase="edit", done=len(wanted), total=len(wanted))
    return {
        "found": len(wanted),
        "changed": changed,
        "unchanged": len(wanted) - changed - len(errors),
        "success_count": len(wanted) - len(errors),
        "error_count": len(errors),
        "errors": [{"photo_id": photo_id, "error": reason} for photo_id, reason in errors],
        "seconds": round(time.monotonic() - started, 3),
        "problems": [{"path": one.path, "reason": one.reason} for one in problems],
    }


def _name(database: Database, photo_id: int) -> str:
    try:
        with database.reading() as connection:
            return catalog.get_photo(connection, photo_id).current_path
    except NotFoundError:
        return f"photo {photo_id}"
