"""What a view can be narrowed to: the cameras, folders and years that there are, counted."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass
from typing import Final

from photo_filter import PhotoFilter, visible

MOST_FOLDERS: Final = 400
FOLDER_LEVELS: Final = 2


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that a filter can have, and how many cells of all it shows."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Choices:
    """Cameras by name, folders by path, years from the last to the first."""

    cameras: list[Choice]
    folders: list[Choice]
    years: list[Choice]


def list_choices(connection: sqlite3.Connection) -> Choices:
    """What all present photos have. Folders are those of the upper `FOLDER_LEVELS` levels."""
    shown = visible(PhotoFilter()).sql
    group = f"FROM photos INDEXED BY idx_present_search WHERE {shown} GROUP BY 1"
    cameras = connection.execute(
        f"SELECT camera, count(*) {group} HAVING camera <> '' ORDER BY camera COLLATE NOCASE"
    )
    years = connection.execute(
        f"SELECT substr(date_taken, 1, 4) AS year, count(*) {group} HAVING year <> ''"
        " ORDER BY year DESC"
    )
    # A path without the letters of its name is its folder, with the slash.
    folders = connection.execute(
        f"SELECT rtrim(current_path, replace(current_path, '/', '')), count(*) {group}"
    )
    return Choices(
        [Choice(*row) for row in cameras], _gather(folders), [Choice(*row) for row in years]
    )


def _gather(folders: sqlite3.Cursor) -> list[Choice]:
    """The upper folders, each with all below it."""
    counts: Counter[str] = Counter()
    for folder, count in folders:
        levels = folder.split("/")[:-1]
        for depth in range(1, min(FOLDER_LEVELS, len(levels)) + 1):
            counts["/".join(levels[:depth])] += count
    most = dict(counts.most_common(MOST_FOLDERS))
    return [Choice(folder, most[folder]) for folder in sorted(most, key=str.casefold)]
