"""Indexing: the first time, again with nothing changed, and a rebuild."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yardsticks
from outcomes import Kind, Mark, Outcome, Turns
from workshop import Workshop, list_files, say


def measure_first_small(workshop: Workshop) -> Iterator[Outcome]:
    """First index of small files, against ExifTool through the same tree."""
    library = workshop.find_library("small", workshop.files)
    files = list_files(library)
    turns, missing = Turns(), None
    for _ in range(workshop.rounds):
        with workshop.room() as data_dir:
            _warm(files)
            turns.own.append(workshop.index(library, data_dir).seconds)
        try:
            command = yardsticks.read_tags_command(library)
        except yardsticks.MissingError as error:
            missing = str(error)
        else:
            _warm(files)
            # Status 1: a file that it could not read, which is named in the answer.
            run = workshop.time(command, statuses=(0, 1), keep=False)
            turns.yardstick.append(run.seconds)
    yield turns.give(
        f"first index, {len(files):,} small files",
        "s",
        Mark(Kind.FASTER, 8),
        yardstick="exiftool -fast -json -r, the same tags",
        missing=missing,
        items=len(files),
    )


def measure_first_camera(workshop: Workshop) -> Iterator[Outcome]:
    """First index of camera files, against SHA-256 of their bytes."""
    library = workshop.find_library("camera", workshop.camera_files)
    files = list_files(library)
    turns, missing = Turns(), None
    with workshop.room() as lists:
        for _ in range(workshop.rounds):
            with workshop.room() as data_dir:
                _warm(files)
                turns.own.append(workshop.index(library, data_dir).seconds)
            try:
                commands = yardsticks.hash_commands(files, lists)
            except yardsticks.MissingError as error:
                missing = str(error)
            else:
                _warm(files)
                turns.yardstick.append(workshop.time_together(commands))
    yield turns.give(
        f"first index, {len(files):,} camera files",
        "s",
        Mark(Kind.WITHIN, 1.6),
        yardstick="openssl dgst -sha256, 2 processes",
        missing=missing,
        items=len(files),
    )


def _warm(files: Sequence[Path]) -> None:
    """Into the page cache, before each run: some systems take back what lay idle for seconds."""
    for path in files:
        path.read_bytes()


def measure_again(workshop: Workshop) -> Iterator[Outcome]:
    """What follows a first index of many files: nothing changed, quick, rebuild."""
    library = workshop.find_library("tiny", workshop.many)
    files = len(list_files(library))
    # Of one first index a round, for it takes longer than all the others together.
    first: list[float] = []
    full, quick, saved, rebuild = Turns(), Turns(), Turns(), Turns()
    missing = None
    for number in range(workshop.rounds):
        with workshop.room() as data_dir:
            say(f"  round {number + 1}: first index")
            first.append(workshop.index(library, data_dir).seconds)
            again = _index_again(workshop, library, data_dir)
            missing = _in_turn(workshop, library, full, again) or missing
            saved.own.append(statistics.median(full.own[-workshop.repeats :]))
            _in_turn(workshop, library, quick, _index_again(workshop, library, data_dir, "--quick"))
            say(f"  round {number + 1}: rebuild")
            rebuild.own.append(workshop.index(library, data_dir, verb="rebuild").seconds)
    saved.yardstick, rebuild.yardstick = first, first
    of = f"{files:,} files"
    find = "find -type f -printf '%p %s %T@\\n'"
    within, as_fast = Mark(Kind.WITHIN, 5), Mark(Kind.WITHIN, 1)
    yield Outcome(f"first index, {of}", "s", tuple(first), items=files)
    yield full.give(
        f"index, nothing changed, {of}", "s", within, yardstick=find, missing=missing, items=files
    )
    yield quick.give(
        f"index --quick, nothing changed, {of}", "s", as_fast, yardstick=find, missing=missing
    )
    first_name = "the first index"
    yield saved.give("the same without --quick", "s", Mark(Kind.SAVES, 0.95), yardstick=first_name)
    yield rebuild.give(f"rebuild, {of}", "s", Mark(Kind.SAVES, 0.8), yardstick=first_name)


def _index_again(
    workshop: Workshop, library: Path, data_dir: Path, *options: str
) -> Callable[[], float]:
    return lambda: workshop.index(library, data_dir, *options).seconds


def _in_turn(
    workshop: Workshop, library: Path, turns: Turns, own: Callable[[], float]
) -> str | None:
    """An index and `find`, some times in turn; what is missing of the yardstick."""
    try:
        command = yardsticks.list_files_command(library)
    except yardsticks.MissingError as error:
        turns.own += [own() for _ in range(workshop.repeats)]
        return str(error)
    for _ in range(workshop.repeats):
        turns.own.append(own())
        turns.yardstick.append(workshop.time(command, keep=False).seconds)
    return None
