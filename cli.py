"""The deeds for a terminal: `./lightkeep VERB`.

Standard output carries what was asked for, standard error what is happening. Exit status:
0 done, 1 done but some files had problems, 2 refused or failed, 75 the library is in use.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import logging
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

import catalog
import cli_access
import cli_dates
import cli_doctor
import cli_edits
import cli_import
import cli_trash
import migrate_db
import operation_runner
import operation_state
from cli_common import (
    complete_operation,
    data_dir_option,
    json_option,
    library_argument,
    make_settings,
    print_report,
    run_operation,
)
from closed_library import (
    back_up,
    choose_library,
    open_for_reading,
    plan_update_index,
    recover_library,
)
from errors import EXIT_REFUSED, BrakeError, LibraryError, NotFoundError
from library import open_library
from library_location import is_held
from library_sync import IndexReport
from operation_progress import progress_of_row
from operation_runner import EDITS
from operation_state import CheckpointHelper, OperationType
from settings import DEFAULT_HOST, DEFAULT_PORT, Settings
from terminal import (
    Terminal,
    describe_edits,
    describe_import,
    describe_index,
    describe_operations,
    describe_rebuild,
    describe_verify,
    interrupted_by_sigterm,
    quote,
)
from version import VERSION

_GARBAGE_OBJECTS: Final = 50_000
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class _Group(click.Group):
    """Ends a `LibraryError`, and Ctrl-C, as a sentence on standard error and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LibraryError as error:
            hint = " To accept them: --accept-missing" if error.code == BrakeError.code else ""
            click.echo(f"lightkeep: {error.message}{hint}", err=True)
            ctx.exit(error.exit_status)
        except KeyboardInterrupt:
            click.echo("lightkeep: stopped.", err=True)
            ctx.exit(EXIT_REFUSED)
        except BrokenPipeError:
            # Who read our output (`| head`) has seen enough.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except (OSError, sqlite3.Error) as error:
            click.echo(f"lightkeep: {_describe_trouble(error)}", err=True)
            ctx.exit(EXIT_REFUSED)


def _describe_trouble(error: OSError | sqlite3.Error) -> str:
    """The disk's or the database's trouble as a sentence, with the file where it is known."""
    if not isinstance(error, OSError):
        damaged = (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGE
        hint = "./lightkeep recover LIBRARY mends it." if damaged else "See to its disk."
        return f"The database cannot be used: {error}. {hint}"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}."


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Of the launcher itself: setup [--dev], test [PYTEST ARGUMENTS], bench [OPTIONS].",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Where Lightkeep keeps its database and small pictures.  [default: LIBRARY/.library]",
)
@click.version_option(VERSION, prog_name="Lightkeep", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, data_dir: Path | None) -> None:
    """Lightkeep: a photo library that keeps what you say of a photo in the photo's own file."""
    # An index holds a tuple or two a file: looking through them for garbage again and again, as
    # after every 700, takes a sixth of its time where nothing changed.
    gc.freeze()
    gc.set_threshold(_GARBAGE_OBJECTS)
    logging.basicConfig(level=logging.WARNING, format="lightkeep: %(message)s")
    # The figures of each operation: for a journal or a cron mail, not for who looks at the bar.
    if ctx.invoked_subcommand == "serve" or not sys.stderr.isatty():
        logging.getLogger(operation_runner.__name__).setLevel(logging.INFO)
    ctx.obj = data_dir


@main.command()
@click.argument("library", type=click.Path(path_type=Path), required=False)
@click.option("--host", default=DEFAULT_HOST, show_default=True, help="Address to serve on.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(1, 65535))
@click.option("--json-logs", is_flag=True, help="Log JSON, an event a line.")
@data_dir_option
@click.pass_context
def serve(
    ctx: click.Context,
    library: Path | None,
    host: str,
    port: int,
    json_logs: bool,
    own_data_dir: Path | None,
) -> None:
    """Serve LIBRARY in the browser; without it $LIGHTKEEP_LIBRARY, ~/Pictures or a sample."""
    settings = make_settings(ctx, library or choose_library(), own_data_dir, host=host, port=port)
    # Here, because no other verb needs Flask and pydantic: they take longer than a quick index.
    import app

    app.serve(dataclasses.replace(settings, json_logs=json_logs or settings.json_logs))


@main.command()
@library_argument
@click.option("--quick", is_flag=True, help="Read only folders that changed; see the README.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--accept-missing", is_flag=True, help="Go on although many photos vanished.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@data_dir_option
@click.pass_context
def index(
    ctx: click.Context,
    library: Path,
    quick: bool,
    dry_run: bool,
    accept_missing: bool,
    as_json: bool,
    own_data_dir: Path | None,
) -> None:
    """Bring the index of LIBRARY to what lies on disk; the photos are only read."""
    settings = make_settings(ctx, library, own_data_dir)
    if dry_run:
        report = _plan_index(settings, accept_missing=accept_missing, quick=quick)
    else:
        report = run_operation(
            settings,
            OperationType.UPDATE_INDEX,
            {"accept_missing": accept_missing} | ({"quick": True} if quick else {}),
            accept_missing=accept_missing,
        )
    print_report(ctx, report, describe_index(report, dry_run=dry_run), as_json=as_json)


class _PlanObserver:
    """Watches a dry run: there is no operation to keep its progress in."""

    def __init__(self, show: Callable[[str, int, int | None], None]) -> None:
        self.checkpoint = CheckpointHelper("")
        self._show = show

    def report_progress(self, *, phase: str, done: int = 0, total: int | None = None) -> None:
        self._show(phase, done, total)

    def add_problem(self, problem: object) -> None:
        """Problems stand in the report."""

    def check(self) -> None:
        """A dry run stops by Ctrl-C alone: it has nothing to leave tidy."""


def _plan_index(settings: Settings, *, accept_missing: bool, quick: bool) -> dict[str, Any]:
    terminal = Terminal()
    observer = _PlanObserver(terminal.show_count)
    report: IndexReport = plan_update_index(
        settings, observer, accept_missing=accept_missing, quick=quick
    )
    terminal.clear()
    return {"operation_id": None, "status": "planned", **report.as_dict()}


@main.command()
@library_argument
@click.option("--accept-missing", is_flag=True, help="Go on although many photos vanished.")
@json_option
@data_dir_option
@click.pass_context
def rebuild(
    ctx: click.Context,
    library: Path,
    accept_missing: bool,
    as_json: bool,
    own_data_dir: Path | None,
) -> None:
    """Build the database of LIBRARY anew from its files, beside the old one, and swap it in."""
    settings = make_settings(ctx, library, own_data_dir)
    report = run_operation(
        settings,
        OperationType.REBUILD_DATABASE,
        {"accept_missing": accept_missing},
        accept_missing=accept_missing,
    )
    print_report(ctx, report, describe_rebuild(report), as_json=as_json)


@main.command()
@library_argument
@click.option("--budget", type=click.FloatRange(min=1), help="Seconds; the next one goes on.")
@json_option
@data_dir_option
@click.pass_context
def verify(
    ctx: click.Context,
    library: Path,
    budget: float | None,
    as_json: bool,
    own_data_dir: Path | None,
) -> None:
    """Read every photo of LIBRARY again, and name what rotted, was replaced or is gone."""
    settings = make_settings(ctx, library, own_data_dir)
    parameters = {} if budget is None else {"budget_s": budget}
    report = run_operation(settings, OperationType.VERIFY_LIBRARY, parameters)
    print_report(ctx, report, describe_verify(report), as_json=as_json)


@main.command()
@library_argument
@json_option
@data_dir_option
@click.pass_context
def backup(ctx: click.Context, library: Path, as_json: bool, own_data_dir: Path | None) -> None:
    """Make a verified backup of the database of LIBRARY; works while another process serves it."""
    made = back_up(make_settings(ctx, library, own_data_dir))
    report = {"path": str(made.path), "rows": made.rows, "size": made.size, "sha256": made.sha256}
    words = f"{made.path} holds {made.rows:,} photos; it was read back and is sound."
    click.echo(json.dumps(report) if as_json else words)


@main.command()
@library_argument
@json_option
@data_dir_option
@click.pass_context
def recover(ctx: click.Context, library: Path, as_json: bool, own_data_dir: Path | None) -> None:
    """Put a damaged database of LIBRARY aside for the newest sound backup, then index."""
    settings = make_settings(ctx, library, own_data_dir)
    recovery = recover_library(settings)
    if recovery.damage is None:
        words = f"The database is sound: version {recovery.schema_version}, {recovery.rows:,} rows."
        click.echo(json.dumps(recovery.as_dict()) if as_json else words)
        return
    report = run_operation(settings, OperationType.UPDATE_INDEX, {"accept_missing": False})
    place = f"backup {recovery.backup.name}" if recovery.backup else "new database"
    words = (
        f"It was damaged: {recovery.damage} The {place} has taken its place, with "
        f"{recovery.rows:,} photos; the damaged files lie in {recovery.damaged_dir}.\n"
        + describe_index(report)
    )
    print_report(ctx, {**report, "recovery": recovery.as_dict()}, words, as_json=as_json)


@main.command()
@click.argument("library_or_db", type=click.Path(path_type=Path), required=False)
@json_option
@data_dir_option
@click.pass_context
def migrate(
    ctx: click.Context, library_or_db: Path | None, as_json: bool, own_data_dir: Path | None
) -> None:
    """Bring the database of an older version or app to this one; a backup comes first."""

    def tell(sentence: str) -> None:
        click.echo(sentence, err=as_json)

    done = migrate_db.run(library_or_db, data_dir=own_data_dir or ctx.obj, report=tell)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(done) if done else None, default=str))


@main.command()
@library_argument
@json_option
@data_dir_option
@click.pass_context
def operations(ctx: click.Context, library: Path, as_json: bool, own_data_dir: Path | None) -> None:
    """List the long operations of LIBRARY, the newest first."""
    settings = make_settings(ctx, library, own_data_dir)
    has_writer = is_held(settings.data_dir)
    database = open_for_reading(settings)
    try:
        with database.reading() as connection:
            rows = operation_state.list_operations(connection)
    finally:
        database.close()
    listed = [progress_of_row(row, 0, has_writer=has_writer) for row in rows]
    click.echo(
        json.dumps([one.as_dict() for one in listed]) if as_json else describe_operations(listed)
    )


@main.command()
@library_argument
@click.argument("operation_id", metavar="[ID]", required=False)
@json_option
@data_dir_option
@click.pass_context
def resume(
    ctx: click.Context,
    library: Path,
    operation_id: str | None,
    as_json: bool,
    own_data_dir: Path | None,
) -> None:
    """Go on with an operation of LIBRARY that was interrupted: ID, or the last one."""
    settings = make_settings(ctx, library, own_data_dir)
    with interrupted_by_sigterm():
        opened = open_library(settings)
        try:
            waiting = opened.list_interrupted()
            if operation_id is None and not waiting:
                raise NotFoundError("No operation was interrupted: there is nothing to resume.")
            chosen = opened.get_operation(operation_id) if operation_id else waiting[0]
            report = complete_operation(
                opened, lambda: opened.resume_operation(chosen.operation_id)
            )
        finally:
            opened.close()
    describe = {
        OperationType.REBUILD_DATABASE: describe_rebuild,
        OperationType.VERIFY_LIBRARY: describe_verify,
        OperationType.IMPORT_PHOTOS: describe_import,
        **dict.fromkeys(EDITS, describe_edits),
    }.get(OperationType(chosen.operation_type), describe_index)
    print_report(ctx, report, describe(report), as_json=as_json)


@main.command("list")
@library_argument
@click.option("--json", "as_json", is_flag=True, help="One JSON object a photo, a line each.")
@click.option("--trash", is_flag=True, help="What lies in the trash instead.")
@data_dir_option
@click.pass_context
def list_photos(
    ctx: click.Context, library: Path, as_json: bool, trash: bool, own_data_dir: Path | None
) -> None:
    """List the photos of LIBRARY by path; works while another process serves it."""
    if trash:
        cli_trash.list_trash(make_settings(ctx, library, own_data_dir), as_json=as_json)
        return
    database = open_for_reading(make_settings(ctx, library, own_data_dir))
    try:
        with database.reading() as connection:
            for photo in catalog.iterate_photos(connection):
                line = (
                    json.dumps(catalog.describe_photo(photo))
                    if as_json
                    else quote(photo.current_path)
                )
                click.echo(line)
    finally:
        database.close()


cli_access.register(main)
cli_edits.register(main)
cli_dates.register(main)
cli_doctor.register(main)
cli_import.register(main)
cli_trash.register(main)

if __name__ == "__main__":
    main(prog_name="lightkeep")
