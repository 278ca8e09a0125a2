"""Facts of many files by `extract_metadata_batch`, against ExifTool a file and for all at once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import yardsticks
from outcomes import Kind, Mark, Outcome, Turns
from workshop import Workshop, list_files

from exiftool_process import ExifTool
from file_operations import extract_metadata_batch

SAMPLE = 50
NAME = "extract_metadata_batch, {:,} files"


def measure_tags(workshop: Workshop) -> Iterator[Outcome]:
    library = workshop.find_library("small", workshop.files)
    files = list_files(library)[: workshop.batch]
    # Every so manieth, so that the sample has what the whole has.
    sample = files[:: max(1, len(files) // SAMPLE)][:SAMPLE]
    each, whole = Turns(), Turns()
    missing = None
    for _ in range(workshop.rounds):
        own = _read_facts(list(map(str, files)))
        each.own.append(own)
        whole.own.append(own)
        try:
            commands = [yardsticks.read_tags_of_command([path]) for path in sample]
            command = yardsticks.read_tags_of_command(files)
        except yardsticks.MissingError as error:
            missing = str(error)
            continue
        alone = sum(workshop.time(one, statuses=(0, 1)).seconds for one in commands)
        each.yardstick.append(alone / len(sample) * len(files))
        whole.yardstick.append(workshop.time(command, statuses=(0, 1)).seconds)
    name = NAME.format(len(files))
    yield each.give(
        name, "s", Mark(Kind.FASTER, 10), yardstick="one exiftool a file", missing=missing,
        items=len(files),
    )  # fmt: skip
    yield whole.give(
        name, "s", Mark(Kind.FASTER, 4), yardstick="one exiftool -json for all", missing=missing,
        items=len(files),
    )  # fmt: skip


def _read_facts(paths: list[str]) -> float:
    """Seconds of one call, with an ExifTool that has yet to start, if it is needed at all."""
    with contextlib.ExitStack() as stack:
        exiftool = None
        with contextlib.suppress(yardsticks.MissingError):
            exiftool = stack.enter_context(contextlib.closing(ExifTool(yardsticks.exiftool())))
        began = time.perf_counter()
        extract_metadata_batch(paths, exiftool=exiftool)
        return time.perf_counter() - began
