"""The verb of the terminal that brings photos into a library: `import`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from cli_common import (
    data_dir_option,
    json_option,
    library_argument,
    make_settings,
    print_report,
    run_operation,
)
from closed_library import plan_import
from import_plan import Verdict
from operation_state import OperationType
from settings import Settings
from terminal import Terminal, describe_import


@click.command("import")
@library_argument
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=click.Path())
@click.option("--dry-run", is_flag=True, help="Say what is new, and copy nothing.")
@json_option
@data_dir_option
@click.pass_context
def import_photos(
    ctx: click.Context,
    library: Path,
    sources: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    own_data_dir: Path | None,
) -> None:
    """Copy the new photos of SOURCE (folders or files) into LIBRARY, each once, by their dates."""
    settings = make_settings(ctx, library, own_data_dir)
    named = [os.path.abspath(source) for source in sources]
    if dry_run:
        report = _plan(settings, named)
    else:
        report = run_operation(settings, OperationType.IMPORT_PHOTOS, {"sources": named})
    print_report(ctx, report, describe_import(report, dry_run=dry_run), as_json=as_json)


def register(group: click.Group) -> None:
    """Add the verb to the program."""
    group.add_command(import_photos)


def _plan(settings: Settings, sources: list[str]) -> dict[str, Any]:
    started = time.monotonic()
    terminal = Terminal()
    plan = plan_import(
        settings, sources, lambda done, total: terminal.show_count("compare", done, total)
    )
    terminal.clear()
    said = plan.as_dict()
    return {
        "operation_id": None,
        "status": "planned",
        "found": len(plan.files),
        "added": plan.count(Verdict.NEW),
        **dict.fromkeys(("changed", "moved", "missing"), 0),
        "unchanged": plan.count(Verdict.ALREADY_HERE),
        **said,
        "seconds": round(time.monotonic() - started, 3),
        "cache": {},
    }
