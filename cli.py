"""The deeds for a terminal: `./lightkeep VERB`.

Standard output carries what was asked for, standard error what is happening. Exit status:
0 done, 1 done but some files had problems, 2 refused or failed, 75 the library is in use.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click

import app
import catalog
from errors import EXIT_REFUSED, BrakeError, LibraryError
from library import choose_library, open_for_reading, open_library, plan_update_index
from library_sync import IndexReport
from operation_progress import Progress
from operation_runner import OperationRunner
from operation_state import CheckpointHelper, OperationStatus
from settings import DEFAULT_HOST, DEFAULT_PORT, Settings, load_settings

EXIT_PROBLEMS: Final = 1
_BAR_CELLS: Final = 24
_PLAIN_LINE_EVERY_S: Final = 5.0
_SHOWN_PROBLEMS: Final = 20


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
        return f"The database cannot be used: {error}. Is its disk full, or not writable?"
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
@click.pass_context
def main(ctx: click.Context, data_dir: Path | None) -> None:
    """Lightkeep: a photo library that keeps what you say of a photo in the photo's own file."""
    logging.basicConfig(level=logging.WARNING, format="lightkeep: %(message)s")
    ctx.obj = data_dir


_library_argument = click.argument("library", type=click.Path(path_type=Path))
_data_dir_option = click.option(
    "--data-dir", "own_data_dir", type=click.Path(path_type=Path), hidden=True
)


def _settings(
    ctx: click.Context, library: Path, own_data_dir: Path | None, **place: Any
) -> Settings:
    """Settings of a verb; `--data-dir` may stand before the verb or behind it."""
    return load_settings(library, data_dir=own_data_dir or ctx.obj, **place)


@main.command()
@click.argument("library", type=click.Path(path_type=Path), required=False)
@click.option("--host", default=DEFAULT_HOST, show_default=True, help="Address to serve on.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(1, 65535))
@_data_dir_option
@click.pass_context
def serve(
    ctx: click.Context, library: Path | None, host: str, port: int, own_data_dir: Path | None
) -> None:
    """Serve LIBRARY in the browser; without it $LIGHTKEEP_LIBRARY, ~/Pictures or a sample."""
    settings = _settings(ctx, library or choose_library(), own_data_dir, host=host, port=port)
    app.serve(settings)


@main.command()
@_library_argument
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--accept-missing", is_flag=True, help="Go on although many photos vanished.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@_data_dir_option
@click.pass_context
def index(
    ctx: click.Context,
    library: Path,
    dry_run: bool,
    accept_missing: bool,
    as_json: bool,
    own_data_dir: Path | None,
) -> None:
    """Bring the index of LIBRARY to what lies on disk; the photos are only read."""
    settings = _settings(ctx, library, own_data_dir)
    if dry_run:
        report = _plan_index(settings, accept_missing=accept_missing)
    else:
        report = _run_index(settings, accept_missing=accept_missing)
    click.echo(json.dumps(report) if as_json else _describe_report(report, dry_run=dry_run))
    ctx.exit(EXIT_PROBLEMS if report["problems"] else 0)


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


def _plan_index(settings: Settings, *, accept_missing: bool) -> dict[str, Any]:
    terminal = _Terminal()
    observer = _PlanObserver(terminal.show_count)
    report: IndexReport = plan_update_index(settings, observer, accept_missing=accept_missing)
    terminal.clear()
    return {"operation_id": None, "status": "planned", **report.as_dict()}


def _run_index(settings: Settings, *, accept_missing: bool) -> dict[str, Any]:
    library = open_library(settings, accept_missing=accept_missing)
    try:
        operation_id = library.start_update_index(accept_missing=accept_missing)
        with _PauseOnSignal(library.runner, operation_id):
            progress = _watch(library.runner, operation_id)
    finally:
        library.close()
    if progress.status != OperationStatus.COMPLETED or progress.report is None:
        stopped = f"The index was {progress.status}. Run it again to go on."
        kind = BrakeError if progress.error_code == BrakeError.code else LibraryError
        raise kind(progress.message or stopped)
    return {"operation_id": operation_id, "status": progress.status, **progress.report}


class _PauseOnSignal:
    """Lets Ctrl-C and SIGTERM end an operation between two files, its checkpoint written."""

    def __init__(self, runner: OperationRunner, operation_id: str) -> None:
        self._runner = runner
        self._operation_id = operation_id

    def __enter__(self) -> None:
        self._before = {
            number: signal.signal(number, self._pause) for number in (signal.SIGINT, signal.SIGTERM)
        }

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _pause(self, _number: int, _frame: FrameType | None) -> None:
        self._runner.pause(self._operation_id)
        # A file that hangs can take minutes: a second signal ends the program at once.
        self._restore()


def _watch(runner: OperationRunner, operation_id: str) -> Progress:
    """Show an operation until it ends."""
    terminal = _Terminal()
    while True:
        progress = runner.wait(operation_id, timeout=0.2)
        if OperationStatus(progress.status) not in (
            OperationStatus.PENDING,
            OperationStatus.RUNNING,
        ):
            terminal.clear()
            return progress
        terminal.show(progress)


class _Terminal:
    """A bar on a terminal, a plain line now and then elsewhere; always on standard error."""

    def __init__(self) -> None:
        self._interactive = sys.stderr.isatty()
        self._last_line_at = time.monotonic()

    def show(self, progress: Progress) -> None:
        rate = f"{progress.files_per_s:,.0f} files/s" if progress.files_per_s else ""
        left = f"{progress.seconds_left:,.0f} s left" if progress.seconds_left else ""
        self.show_count(progress.phase, progress.done, progress.total, rate, left)

    def show_count(self, phase: str, done: int, total: int | None, *more: str) -> None:
        count = f"{done:,} of {total:,}" if total else f"{done:,}" if done else ""
        words = "  ".join(word for word in (phase, count, *more) if word)
        if self._interactive:
            filled = _BAR_CELLS * done // total if total else 0
            bar = f"[{'#' * filled}{' ' * (_BAR_CELLS - filled)}] " if total else ""
            click.echo(f"\r\x1b[K{bar}{words}", err=True, nl=False)
        elif time.monotonic() - self._last_line_at >= _PLAIN_LINE_EVERY_S:
            self._last_line_at = time.monotonic()
            click.echo(words, err=True)

    def clear(self) -> None:
        if self._interactive:
            click.echo("\r\x1b[K", err=True, nl=False)


def _describe_report(report: dict[str, Any], *, dry_run: bool) -> str:
    counts = ", ".join(
        f"{report[key]:,} {key}" for key in ("added", "changed", "moved", "missing", "unchanged")
    )
    opened = report["cache"]["files_opened"]
    would = "would be: " if dry_run else ""
    lines = [
        f"{report['found']:,} photos found; {would}{counts}.",
        f"{opened:,} files read in {report['seconds']:,.1f} s.",
    ]
    if report["ignored"]:
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in report["ignored"].items())
        lines.append(f"Not photos that this version shows: {kinds}.")
    problems = report["problems"]
    count = report.get("problem_count", len(problems))
    if problems:
        lines.append(f"{count:,} {'file' if count == 1 else 'files'} had problems:")
        lines += [
            f"  {_quote(item['path'])}: {item['reason']}" for item in problems[:_SHOWN_PROBLEMS]
        ]
    if count > _SHOWN_PROBLEMS:
        lines.append(f"  and {count - _SHOWN_PROBLEMS:,} more (--json lists up to 1,000)")
    return "\n".join(lines)


def _quote(path: str) -> str:
    """A file name without the control characters that could steer a terminal."""
    return path if path.isprintable() else repr(path)


@main.command("list")
@_library_argument
@click.option("--json", "as_json", is_flag=True, help="One JSON object a photo, a line each.")
@_data_dir_option
@click.pass_context
def list_photos(
    ctx: click.Context, library: Path, as_json: bool, own_data_dir: Path | None
) -> None:
    """List the photos of LIBRARY by path; works while another process serves it."""
    database = open_for_reading(_settings(ctx, library, own_data_dir))
    try:
        with database.reading() as connection:
            for photo in catalog.iterate_photos(connection):
                line = (
                    json.dumps(catalog.describe_photo(photo))
                    if as_json
                    else _quote(photo.current_path)
                )
                click.echo(line)
    finally:
        database.close()


if __name__ == "__main__":
    main(prog_name="lightkeep")
