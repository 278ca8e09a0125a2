"""The verbs of the terminal for the trash and for duplicates."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

import click

import rating_rows
import trash_rows
from cli_common import (
    NOTHING_DONE,
    complete_operation,
    data_dir_option,
    json_option,
    library_argument,
    make_relative,
    make_settings,
    print_report,
)
from closed_library import open_for_reading
from duplicates import DuplicateGroup, list_groups
from errors import InvalidRequestError
from library import Library, open_library
from settings import Settings
from terminal import describe_moves, describe_plan, interrupted_by_sigterm, quote
from trash import TrashPlan, plan_restore, plan_trash
from trash_purge import plan_purge

_Report: TypeAlias = dict[str, Any]
_Done: TypeAlias = tuple[_Report, list[_Report]]
"""A report, and problems with what there is not."""

_paths_argument = click.argument("paths", metavar="PATH...", nargs=-1)
_dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be done.")
_NO_PHOTO: Final = "There is no such photo in the library."
_NOT_TRASHED: Final = "No photo of this path is in the trash."


@click.command()
@library_argument
@_paths_argument
@click.option("--with-companions", is_flag=True, help="RAW and JPEG of a name, both of them.")
@_dry_run_option
@json_option
@data_dir_option
@click.pass_context
def trash(
    ctx: click.Context,
    library: Path,
    paths: tuple[str, ...],
    with_companions: bool,
    dry_run: bool,
    as_json: bool,
    own_data_dir: Path | None,
) -> None:
    """Move photos of LIBRARY into its trash; `undo` and `restore` bring them back.

    PATH is absolute or relative to LIBRARY. A Live Photo's film goes with its photo.
    """
    settings = make_settings(ctx, library, own_data_dir)
    if not paths:
        raise InvalidRequestError("Name the photos to trash.")
    if dry_run:
        with _reading(settings) as connection:
            ids, unknown = _find_photos(connection, settings, paths)
            plan = plan_trash(connection, ids, with_companions=with_companions)
        _print_plan(ctx, plan, unknown, as_json=as_json)
        return

    def move(opened: Library) -> _Done:
        with opened.database.reading() as connection:
            ids, unknown = _find_photos(connection, settings, paths)
        if not ids:
            return {}, unknown
        report = complete_operation(
            opened, lambda: opened.start_trash(ids, with_companions=with_companions)
        )
        return report, unknown

    _report(ctx, settings, move, as_json=as_json)


@click.command()
@library_argument
@_paths_argument
@_dry_run_option
@json_option
@data_dir_option
@click.pass_context
def restore(
    ctx: click.Context,
    library: Path,
    paths: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    own_data_dir: Path | None,
) -> None:
    """Bring photos back from the trash of LIBRARY; PATH is where they lay.

    Where another file stands there now, a photo comes back under a number.
    """
    settings = make_settings(ctx, library, own_data_dir)
    if not paths:
        raise InvalidRequestError("Name the photos to bring back.")
    if dry_run:
        with _reading(settings) as connection:
            ids, unknown = _find_entries(connection, settings, paths)
            plan = plan_restore(connection, entry_ids=ids)
        _print_plan(ctx, plan, unknown, as_json=as_json)
        return

    def move(opened: Library) -> _Done:
        with opened.database.reading() as connection:
            ids, unknown = _find_entries(connection, settings, paths)
        if not ids:
            return {}, unknown
        report = complete_operation(opened, lambda: opened.start_restore(entry_ids=ids))
        return report, unknown

    _report(ctx, settings, move, as_json=as_json)


@click.command()
@library_argument
@_paths_argument
@click.option("--all", "everything", is_flag=True, help="Empty the trash.")
@click.option("--older-than", type=click.IntRange(min=0), metavar="DAYS", help="What lay so long.")
@_dry_run_option
@json_option
@data_dir_option
@click.pass_context
def purge(
    ctx: click.Context,
    library: Path,
    paths: tuple[str, ...],
    everything: bool,
    older_than: int | None,
    dry_run: bool,
    as_json: bool,
    own_data_dir: Path | None,
) -> None:
    """Delete photos from the trash of LIBRARY for good; PATH is where they lay."""
    settings = make_settings(ctx, library, own_data_dir)
    if bool(paths) + everything + (older_than is not None) != 1:
        raise InvalidRequestError("Name the photos to delete, or say --all or --older-than DAYS.")
    moment = datetime.now(UTC) - timedelta(days=older_than or 0)
    until = moment.isoformat(timespec="microseconds")
    if dry_run:
        with _reading(settings) as connection:
            ids, unknown = _find_entries(connection, settings, paths)
            nothing = bool(paths) and not ids
            plan = TrashPlan(()) if nothing else plan_purge(connection, ids, until)
        _print_plan(ctx, plan, unknown, as_json=as_json)
        return

    def delete(opened: Library) -> _Done:
        with opened.database.reading() as connection:
            ids, unknown = _find_entries(connection, settings, paths)
        if paths and not ids:
            return {"deleted": 0}, unknown
        report = complete_operation(opened, lambda: opened.start_purge(ids, None if ids else until))
        return report, unknown

    _report(ctx, settings, delete, as_json=as_json)


@click.command()
@library_argument
@click.option("--merge", is_flag=True, help="Keep the suggested one of each, trash the others.")
@click.option("--same-bytes", is_flag=True, help="Only files that are equal as a whole.")
@_dry_run_option
@json_option
@data_dir_option
@click.pass_context
def duplicates(
    ctx: click.Context,
    library: Path,
    merge: bool,
    same_bytes: bool,
    dry_run: bool,
    as_json: bool,
    own_data_dir: Path | None,
) -> None:
    """List photos of LIBRARY that are the same picture, the one to keep first; or merge them."""
    settings = make_settings(ctx, library, own_data_dir)
    if merge and not dry_run:

        def keep_one(opened: Library) -> _Done:
            report = complete_operation(
                opened, lambda: opened.start_suggested_merge(same_bytes=same_bytes)
            )
            return report, []

        _report(ctx, settings, keep_one, as_json=as_json)
        return
    with _reading(settings) as connection:
        groups = list_groups(connection, same_bytes=same_bytes)
        groups = [one for one in groups if one.is_plain or not merge]
    for group in groups:
        click.echo(_describe_group(group, as_json=as_json))


def register(group: click.Group) -> None:
    """Add the verbs to the program."""
    for command in (trash, restore, purge, duplicates):
        group.add_command(command)


def list_trash(settings: Settings, *, as_json: bool) -> None:
    """Print what lies in the trash, a line each, what came last first."""
    with _reading(settings) as connection:
        entries = trash_rows.list_entries(connection)
    for entry in entries:
        said = json.dumps(trash_rows.describe_entry(entry))
        click.echo(said if as_json else quote(entry.original_path))


@contextmanager
def _reading(settings: Settings) -> Iterator[sqlite3.Connection]:
    """The database, without holding the library: another process may write to it."""
    database = open_for_reading(settings)
    try:
        with database.reading() as connection:
            yield connection
    finally:
        database.close()


def _find_photos(
    connection: sqlite3.Connection, settings: Settings, paths: Sequence[str]
) -> tuple[list[int], list[_Report]]:
    """The ids of the photos at these paths, and those that there are not as problems."""
    wanted = make_relative(settings.library, paths)
    found = rating_rows.find_ratings(connection, wanted)
    unknown = [{"path": path, "reason": _NO_PHOTO} for path in wanted if path not in found]
    return [found[path][0] for path in wanted if path in found], unknown


def _find_entries(
    connection: sqlite3.Connection, settings: Settings, paths: Sequence[str]
) -> tuple[list[int], list[_Report]]:
    """The ids of the entries of what lay at these paths."""
    wanted = make_relative(settings.library, paths)
    found = {path: trash_rows.find_path(connection, path) for path in wanted}
    unknown = [{"path": path, "reason": _NOT_TRASHED} for path in wanted if found[path] is None]
    return [entry.id for entry in found.values() if entry is not None], unknown


def _print_plan(
    ctx: click.Context, plan: TrashPlan, unknown: list[_Report], *, as_json: bool
) -> None:
    said = plan.as_dict()
    report = {
        **NOTHING_DONE,
        "status": "planned",
        **said,
        "found": said["count"] + len(said["problems"]) + len(unknown),
        "problems": said["problems"] + unknown,
        "problem_count": len(said["problems"]) + len(unknown),
    }
    print_report(ctx, report, describe_plan(report), as_json=as_json)


def _report(
    ctx: click.Context,
    settings: Settings,
    deed: Callable[[Library], _Done],
    *,
    as_json: bool,
) -> None:
    """Do it in the opened library; those that there are not are problems."""
    with interrupted_by_sigterm():
        opened = open_library(settings)
        try:
            done, unknown = deed(opened)
        finally:
            opened.close()
    report = {**NOTHING_DONE, **done}
    report["found"] += len(unknown)
    report["error_count"] += len(unknown)
    report["problem_count"] += len(unknown)
    report["problems"] = [*report["problems"], *unknown]
    print_report(ctx, report, describe_moves(report), as_json=as_json)


def _describe_group(group: DuplicateGroup, *, as_json: bool) -> str:
    photos = sorted(group.photos, key=lambda photo: photo.id != group.keep_id)
    if as_json:
        said = {
            "key": group.key,
            "keep": group.keep_id,
            "same_bytes": group.same_bytes,
            "differs": list(group.differs),
            "photos": [{"id": one.id, "current_path": one.current_path} for one in photos],
        }
        return json.dumps(said)
    return "\n".join(
        f"{'keep ' if one.id == group.keep_id else '     '} {quote(one.current_path)}"
        for one in photos
    )
