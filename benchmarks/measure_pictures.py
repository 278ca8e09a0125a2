"""Small pictures of camera files, against libvips."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yardsticks
from outcomes import Kind, Mark, Outcome, Turns
from workshop import Workshop, list_files

from db import open_database
from media_workers import WorkerPool
from picture_colors import PictureColors
from thumbnails import GRID_PX, ThumbnailSource, ThumbnailStore

MOST = 60
MEMORY_MB = 1024
TIMEOUT_S = 60.0


def measure_thumbnails(workshop: Workshop) -> Iterator[Outcome]:
    """The pictures of the grid, which alone are wanted where somebody scrolls."""
    library = workshop.find_library("camera", workshop.camera_files)
    files = [path for path in list_files(library) if path.suffix.lower() in (".jpg", ".jpeg")]
    files = files[:MOST]
    turns, missing = Turns(), None
    for _ in range(workshop.rounds):
        with workshop.room() as folder:
            turns.own.append(_draw(files, library, folder))
        with workshop.room() as folder:
            try:
                commands = yardsticks.thumbnail_commands(files, folder)
            except yardsticks.MissingError as error:
                missing = str(error)
            else:
                turns.yardstick.append(workshop.time_together(commands))
    yield turns.give(
        f"320 px pictures of {len(files)} camera files",
        "s",
        Mark(Kind.FASTER, 0.9),
        yardstick="vipsthumbnail, 2 processes",
        missing=missing,
        items=len(files),
    )


def _draw(files: Sequence[Path], library: Path, folder: Path) -> float:
    """Seconds for all of them by two workers, which have drawn a picture before."""
    paths = [str(path.relative_to(library)) for path in files]
    names = [*paths[: yardsticks.PROCESSES], *paths]
    sources = [
        ThumbnailSource(name, "jpeg", f"bench:{number:032x}", 1)
        for number, name in enumerate(names)
    ]
    first, others = sources[: -len(paths)], sources[-len(paths) :]
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(
            WorkerPool(workers=yardsticks.PROCESSES, memory_mb=MEMORY_MB, file_timeout_s=TIMEOUT_S)
        )
        database = stack.enter_context(contextlib.closing(open_database(folder / "colors.db")))
        drawn = ThumbnailStore(folder / "drawn", pool, library, PictureColors(database))
        store = stack.enter_context(contextlib.closing(drawn))
        askers = stack.enter_context(ThreadPoolExecutor(2 * yardsticks.PROCESSES))
        list(askers.map(lambda source: store.get(source, GRID_PX), first))
        began = time.perf_counter()
        list(askers.map(lambda source: store.get(source, GRID_PX), others))
        return time.perf_counter() - began
