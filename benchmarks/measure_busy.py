"""A star, the grid and a small picture while an index runs, against the same when none does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from typing import Final

from outcomes import Kind, Mark, Outcome, Turns, percentile
from served import Server, serving
from workshop import Workshop, copy_files, list_files

ASKED: Final = 40
"""How often each is asked for in a round, at most; an index that ends earlier ends the round."""
FEWEST: Final = 5
DEEDS: Final = ("star", "GET /", "small picture")
TOO_SOON: Final = "the index was over before enough was asked for: it takes more --files"


class _Asker:
    """Asks for a star, the grid and a small picture by turns; each photo is asked for once."""

    def __init__(self, server: Server, first_ids: Iterator[int], star_ids: Iterator[int]) -> None:
        self._deeds: dict[str, Callable[[], float]] = {
            "star": lambda: server.star(next(star_ids), 5),
            "GET /": lambda: server.request("/")[0],
            "small picture": lambda: server.request(f"/api/photo/{next(first_ids)}/thumbnail")[0],
        }

    def ask(self, goes_on: Callable[[], bool]) -> dict[str, list[float]]:
        """Milliseconds of each that began while it went on."""
        times: dict[str, list[float]] = {name: [] for name in DEEDS}
        for _ in range(ASKED):
            for name, ask in self._deeds.items():
                if not goes_on():
                    return times
                times[name].append(ask() * 1000)
        return times


def measure_busy(workshop: Workshop) -> Iterator[Outcome]:
    """Half of the files are indexed; all of them come once more in each round, as new ones."""
    made = workshop.make_library("small", workshop.files)
    files = list_files(made)
    half = len(files) // 2
    turns = {name: Turns() for name in DEEDS}
    with workshop.room() as folder:
        library = folder / "library"
        copy_files(files[:half], made, library)
        with serving(workshop, library, folder / "data") as server:
            server.wait_until_idle()
            # Rows have ids by path, and so by age. The newest are drawn ahead by the server itself,
            # the oldest only when they are asked for.
            asker = _Asker(server, cycle(range(1, half // 2)), cycle(range(half // 2, half + 1)))
            server.star(half, 1)  # starts ExifTool
            other = server.another()
            for number in range(workshop.rounds):
                idle = asker.ask(lambda: True)
                copy_files(files, made, library / f"round-{number}")
                os.sync()
                operation_id = server.start_index()
                busy = asker.ask(partial(other.is_running, operation_id))
                for name in DEEDS:
                    if len(busy[name]) >= FEWEST:
                        turns[name].own.append(percentile(busy[name], 0.95))
                        turns[name].yardstick.append(percentile(idle[name], 0.95))
                server.wait_until_idle()
    for name in DEEDS:
        yield turns[name].give(
            f"{name} while an index runs, p95",
            "ms",
            Mark(Kind.WITHIN, 3),
            yardstick="the same when idle",
            missing=None if turns[name].own else TOO_SOON,
        )
