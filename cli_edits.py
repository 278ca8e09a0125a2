"""The verbs of the terminal that edit photos: `favorite`, `unfavorite`, `undo`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import click

import rating_rows
from catalog import FAVORITE_RATING
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
from errors import InvalidRequestError, NotFoundError
from library import Library, open_library
from settings import Settings
from terminal import describe_edits, interrupted_by_sigterm

_Report: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FoundPhotos:
    """ratings: path -> id and rating. unknown: paths where the library has no photo."""

    ratings: Mapping[str, tuple[int, int | None]]
    unknown: tuple[str, ...]

    def complete(self, report: _Report) -> _Report:
        """The report of what was done to them, with the paths that are unknown as problems."""
        reason = "There is no such photo in the library."
        unknown = [{"path": path, "reason": reason} for path in self.unknown]
        errors = report.get("error_count", 0)
        return {
            **report,
            "found": len(self.ratings) + len(unknown),
            "unchanged": len(self.ratings) - report.get("changed", 0) - errors,
            "error_count": errors + len(unknown),
            "problems": report.get("problems", []) + unknown,
            "problem_count": report.get("problem_count", 0) + len(unknown),
        }


_paths_argument = click.argument("paths", metavar="PATH...", nargs=-1)


@click.command()
@library_argument
@_paths_argument
@click.option("--keep", is_flag=True, help="Write into the files what only the database knows.")
@json_option
@data_dir_option
@click.pass_context
def favorite(
    ctx: click.Context,
    library: Path,
    paths: tuple[str, ...],
    keep: bool,
    as_json: bool,
    own_data_dir: Path | None,
) -> None:
    """Star photos of LIBRARY: a rating of 5 in the file itself, or where it can be kept.

    PATH is absolute or relative to LIBRARY.
    """
    settings = make_settings(ctx, library, own_data_dir)
    if keep == bool(paths):
        raise InvalidRequestError("Name the photos to star, or say --keep.")

    def edit(opened: Library) -> _Report:
        if keep:
            return complete_operation(opened, opened.start_keeping_ratings)
        return _rate(opened, paths, FAVORITE_RATING)

    report_edits(ctx, settings, edit, as_json=as_json)


@click.command()
@library_argument
@_paths_argument
@json_option
@data_dir_option
@click.pass_context
def unfavorite(
    ctx: click.Context,
    library: Path,
    paths: tuple[str, ...],
    as_json: bool,
    own_data_dir: Path | None,
) -> None:
    """Take the star from photos of LIBRARY; the rating that was there before comes back."""
    settings = make_settings(ctx, library, own_data_dir)
    if not paths:
        raise InvalidRequestError("Name the photos to take the star from.")
    report_edits(ctx, settings, lambda opened: _rate(opened, paths, 0), as_json=as_json)


@click.command()
@library_argument
@click.argument("edit_id", metavar="[ID]", required=False)
@json_option
@data_dir_option
@click.pass_context
def undo(
    ctx: click.Context,
    library: Path,
    edit_id: str | None,
    as_json: bool,
    own_data_dir: Path | None,
) -> None:
    """Take an edit of LIBRARY back: the last one, or that of ID, an operation or a single edit."""
    settings = make_settings(ctx, library, own_data_dir)
    report_edits(ctx, settings, lambda opened: _undo(opened, edit_id), as_json=as_json)


def register(group: click.Group) -> None:
    """Add the verbs to the program."""
    for command in (favorite, unfavorite, undo):
        group.add_command(command)


def report_edits(
    ctx: click.Context,
    settings: Settings,
    edit: Callable[[Library], _Report],
    *,
    as_json: bool,
) -> None:
    """Open the library, edit, and say what was done."""
    with interrupted_by_sigterm():
        opened = open_library(settings)
        try:
            report = {**NOTHING_DONE, **edit(opened)}
        finally:
            opened.close()
    print_report(ctx, report, describe_edits(report), as_json=as_json)


def find_photos(opened: Library, paths: Sequence[str]) -> FoundPhotos:
    """The photos at these paths, absolute or relative to the library."""
    wanted = make_relative(opened.settings.library, paths)
    with opened.database.reading() as connection:
        ratings = rating_rows.find_ratings(connection, wanted)
    unknown = [path for path in wanted if path not in ratings]
    return FoundPhotos(ratings, tuple(unknown))


def _rate(opened: Library, paths: Sequence[str], rating: int) -> _Report:
    """Rate the photos at these paths; those that are not in the library are problems."""
    found = find_photos(opened, paths)
    photo_ids = [
        photo_id
        for photo_id, before in found.ratings.values()
        if rating or before == FAVORITE_RATING
    ]
    report: _Report = {}
    if photo_ids:
        report = complete_operation(opened, lambda: opened.start_rating(photo_ids, rating))
    return found.complete(report)


def _undo(opened: Library, edit_id: str | None) -> _Report:
    if edit_id is None:
        edit_id = opened.find_last_deed()
        if edit_id is None:
            raise NotFoundError("There is no edit to take back.")
    if edit_id.isascii() and edit_id.isdigit():
        photo = opened.undo_edit(int(edit_id))
        return {"found": 1, "changed": int(photo.edit_id is not None), "success_count": 1}
    return complete_operation(opened, lambda: opened.start_undo(edit_id))
