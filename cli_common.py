"""What the verbs of the terminal share: options, one operation run and watched, its report."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import click

from errors import BrakeError, LibraryError
from library import Library, open_library
from operation_state import OperationStatus, OperationType
from settings import LIBRARY_DIR, Settings, load_settings
from terminal import PauseOnSignal, interrupted_by_sigterm, watch

EXIT_PROBLEMS: Final = 1

NOTHING_DONE: Final[dict[str, Any]] = {
    "operation_id": None,
    "status": "completed",
    **dict.fromkeys(("found", "added", "changed", "moved", "missing", "unchanged"), 0),
    "success_count": 0,
    "error_count": 0,
    "problems": [],
    "problem_count": 0,
    "seconds": 0.0,
    "cache": {},
}
"""The report of a verb that found nothing to do."""

library_argument = click.argument("library", type=click.Path(path_type=Path))
data_dir_option = click.option(
    "--data-dir", "own_data_dir", type=click.Path(path_type=Path), hidden=True
)


def make_settings(
    ctx: click.Context, library: Path, own_data_dir: Path | None, **place: Any
) -> Settings:
    """Settings of a verb; `--data-dir` may stand before the verb or behind it."""
    return load_settings(library, data_dir=own_data_dir or ctx.obj, **place)


def run_operation(
    settings: Settings,
    operation_type: OperationType,
    parameters: dict[str, Any],
    *,
    accept_missing: bool = False,
) -> dict[str, Any]:
    """Open the library, do one operation, and give its report."""
    with interrupted_by_sigterm():
        library = open_library(settings, accept_missing=accept_missing)
        try:
            return complete_operation(
                library, lambda: library.start_operation(operation_type, parameters)
            )
        finally:
            library.close()


def complete_operation(library: Library, start: Callable[[], str]) -> dict[str, Any]:
    """Start an operation and watch it to its end; its report.

    start: gives the operation's id. Raises `LibraryError` where it was not completed.
    """
    with PauseOnSignal(library.runner) as signals:
        operation_id = start()
        signals.pause_when_asked(operation_id)
        progress = watch(library.runner, operation_id)
    if progress.status != OperationStatus.COMPLETED or progress.report is None:
        stopped = f"It was {progress.status}; what was done is kept."
        if progress.status == OperationStatus.PAUSED:
            stopped += f" To go on: {name_resume_command(library.settings)}"
        kind = BrakeError if progress.error_code == BrakeError.code else LibraryError
        raise kind(progress.message or stopped)
    return {"operation_id": operation_id, "status": progress.status, **progress.report}


def name_resume_command(settings: Settings) -> str:
    words = ["./lightkeep", "resume", str(settings.library)]
    if settings.data_dir != settings.library / LIBRARY_DIR:
        words += ["--data-dir", str(settings.data_dir)]
    return shlex.join(words)


def make_relative(library: Path, paths: Iterable[str]) -> list[str]:
    """Paths as rows have them; what lies outside the library stays as it was said."""
    root = os.path.realpath(library)
    found = []
    for path in paths:
        absolute = os.path.normpath(os.path.join(root, path))
        folder = os.path.realpath(os.path.dirname(absolute))
        absolute = os.path.join(folder, os.path.basename(absolute))
        inside = absolute.startswith(root.rstrip("/") + "/")
        found.append(os.path.relpath(absolute, root) if inside else path)
    return list(dict.fromkeys(found))


def print_report(ctx: click.Context, report: dict[str, Any], words: str, *, as_json: bool) -> None:
    click.echo(json.dumps(report) if as_json else words)
    ctx.exit(EXIT_PROBLEMS if report.get("problems") else 0)


json_option = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
