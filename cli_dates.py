"""The verb of the terminal that changes capture dates: `set-date`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cli_common import (
    complete_operation,
    data_dir_option,
    json_option,
    library_argument,
    make_settings,
)
from cli_edits import find_photos, report_edits
from date_edit import DateMode, PlannedDate
from errors import InvalidRequestError
from library import Library
from terminal import quote


class _TakesSpans(click.Command):
    """A command among whose words `-1h` is a span, and not the options -1 and -h."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spans = [one for one in args if re.match(r"-\d", one)][:1]
        return super().parse_args(ctx, [f" {one}" if one in spans else one for one in args])


@click.command(cls=_TakesSpans)
@library_argument
@click.argument("when", metavar="WHEN")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--step", metavar="SPAN", help="Count on from WHEN, photo by photo, oldest first.")
@click.option("--move", is_flag=True, help="Move imported files to the folder of their new day.")
@click.option("--dry-run", is_flag=True, help="Say the old and the new dates, and write nothing.")
@json_option
@data_dir_option
@click.pass_context
def set_date(
    ctx: click.Context,
    library: Path,
    when: str,
    paths: tuple[str, ...],
    step: str | None,
    move: bool,
    dry_run: bool,
    as_json: bool,
    own_data_dir: Path | None,
) -> None:
    """Change when photos of LIBRARY were taken, in the files themselves; `undo` takes it back.

    WHEN is a moment (2019-07-14 18:03:22, also with +02:00), a span by which each date moves
    (+1h, -2d3h), two time zones (Europe/Berlin->Asia/Tokyo), or `suggested`: what names,
    folders and neighbors say of photos without a date. PATH is absolute or relative to LIBRARY.
    """
    settings = make_settings(ctx, library, own_data_dir)
    mode = _tell_mode(when, step)
    value = "" if mode == DateMode.SUGGESTED else when

    def edit(opened: Library) -> dict[str, Any]:
        found = find_photos(opened, paths)
        photo_ids = [photo_id for photo_id, _ in found.ratings.values()]
        if not photo_ids:
            return found.complete({})
        if not dry_run:
            report = complete_operation(
                opened,
                lambda: opened.start_dates(photo_ids, mode, value, step, move_files=move),
            )
            return found.complete(report)
        planned = opened.plan_dates(photo_ids, mode, value, step)
        if not as_json:
            click.echo("\n".join(_describe(one, move=move) for one in planned))
        return found.complete(_report_plan(planned))

    report_edits(ctx, settings, edit, as_json=as_json)


def register(group: click.Group) -> None:
    """Add the verb to the program."""
    group.add_command(set_date)


def _tell_mode(when: str, step: str | None) -> DateMode:
    shifts = when.lstrip().startswith(("+", "-")) or "->" in when
    if step is not None and (shifts or when == DateMode.SUGGESTED):
        raise InvalidRequestError("--step counts on from a moment, as 2019-07-14 18:03:22.")
    if when == DateMode.SUGGESTED:
        return DateMode.SUGGESTED
    if shifts:
        return DateMode.SHIFT
    return DateMode.SAME if step is None else DateMode.SEQUENCE


def _report_plan(planned: Sequence[PlannedDate]) -> dict[str, Any]:
    problems = [{"path": one.path, "reason": one.problem} for one in planned if one.problem]
    return {
        "changed": sum(1 for one in planned if one.after and one.after != one.before),
        "error_count": len(problems),
        "problems": problems,
        "problem_count": len(problems),
        "dates": [
            {
                "path": one.path,
                "before": one.before,
                "after": one.after,
                "source": one.source,
                "moves_to": one.moves_to,
            }
            for one in planned
        ],
    }


def _describe(one: PlannedDate, *, move: bool) -> str:
    source = f" (from its {one.source})" if one.source else ""
    place = f", to {quote(one.moves_to)}" if move and one.moves_to else ""
    return f"{quote(one.path)}: {one.before or 'no date'} -> {one.after or 'none'}{source}{place}"
