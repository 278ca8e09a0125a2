"""A star, from the request to the answer that it is kept, against ExifTool writing the same."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Final

import yardsticks
from outcomes import Kind, Mark, Outcome, Turns, percentile
from served import serving
from workshop import Workshop, copy_files, list_files

PHOTOS: Final = 20
RATING: Final = 5


def measure_star(workshop: Workshop) -> Iterator[Outcome]:
    """Both write into files of the same kind, each file once a round: ExifTool does not wait for
    the disk and checks nothing, Lightkeep does.
    """
    made = workshop.make_library("small", workshop.files)
    turns, missing = Turns(), None
    slow_ms: list[float] = []
    with workshop.room() as folder:
        library, beside = folder / "library", folder / "beside"
        for target in (library, beside):
            copy_files(list_files(made)[: 2 * PHOTOS], made, target)
        files = [path for path in list_files(beside) if path.suffix == ".JPG"][:PHOTOS]
        with serving(workshop, library, folder / "data") as server:
            server.wait_until_idle()
            listed = server.get_json(f"/api/photos?limit={2 * PHOTOS}")["photos"]
            ids = [one["id"] for one in listed if one["file_type"] == "jpeg"][:PHOTOS]
            server.star(ids[0], 1)  # starts ExifTool, and reads the code
            for number in range(workshop.rounds):
                rating = RATING - number % 2  # another one each time, so that something is written
                own, other = [], []
                for photo_id, path in zip(ids, files, strict=False):
                    own.append(server.star(photo_id, rating) * 1000)
                    try:
                        command = yardsticks.rate_command(path, rating)
                    except yardsticks.MissingError as error:
                        missing = str(error)
                    else:
                        other.append(workshop.time(command).seconds * 1000)
                turns.own.append(statistics.median(own))
                slow_ms.append(percentile(own, 0.95))
                if other:
                    turns.yardstick.append(statistics.median(other))
    yield turns.give(
        "star, request to durable answer, p50",
        "ms",
        Mark(Kind.FASTER, 5),
        Mark(Kind.AT_MOST, 150),
        yardstick="one exiftool, the same write",
        missing=missing,
    )
    yield Outcome("star, request to durable answer, p95", "ms", tuple(slow_ms))
