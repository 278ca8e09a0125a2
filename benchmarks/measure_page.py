"""The grid and a month over many rows, against the same over a hundredth of them."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from outcomes import Kind, Mark, Outcome, Turns, percentile
from served import Server, serving
from workshop import Workshop

FEWER: Final = 100
REQUESTS: Final = 30
"""Of each address, in each round, to each server in turn."""

_MONTHS: Final = 3
_BLOCK_PHOTOS: Final = 210  # what the page's script asks for at once


def measure_page(workshop: Workshop) -> Iterator[Outcome]:
    """Times of whole answers by HTTP on connections that stay open; the rows are of real files."""
    counts = (workshop.many, max(2, workshop.many // FEWER))
    with contextlib.ExitStack() as stack:
        servers = []
        for count in counts:
            library = workshop.make_library("tiny", count)
            data_dir = stack.enter_context(workshop.room())
            workshop.index(library, data_dir)
            servers.append(stack.enter_context(serving(workshop, library, data_dir)))
        starts = [servers[0].first_page_s]
        for server in servers:
            server.wait_until_idle()
        months = {id(server): _list_largest_months(server) for server in servers}

        def ask_month(server: Server, number: int) -> float:
            """All blocks of a month, as the page's script asks for them."""
            key, count = months[id(server)][number % len(months[id(server)])]
            offsets = range(0, count, _BLOCK_PHOTOS)
            paths = [f"/months/{key}?offset={offset}&fragment=1" for offset in offsets]
            return sum(server.request(path)[0] for path in paths)

        for server in servers:
            # Their small pictures are drawn before anything is measured.
            for number in range(_MONTHS):
                ask_month(server, number)
            server.wait_until_idle()
        grid, month = Turns(), Turns()
        slow: dict[str, list[float]] = {"GET /": [], "a month": []}
        for _ in range(workshop.rounds):
            _ask_in_turn(servers, lambda server, _: server.request("/")[0], grid, slow["GET /"])
            _ask_in_turn(servers, ask_month, month, slow["a month"])
    rows, fewer = (f"{count:,} rows" for count in counts)
    ratio = Mark(Kind.WITHIN, 1.5)
    yield grid.give(
        f"GET /, {rows}, p50", "ms", Mark(Kind.AT_MOST, 60), ratio, yardstick=f"the same, {fewer}"
    )
    yield month.give(
        f"a month of 300, {rows}, p50",
        "ms",
        Mark(Kind.AT_MOST, 20),
        ratio,
        yardstick=f"the same, {fewer}",
    )
    for name, values in slow.items():
        yield Outcome(f"{name}, {rows}, p95", "ms", tuple(values))
    yield Outcome(
        f"first page of serve, {rows}", "s", tuple(starts), marks=(Mark(Kind.AT_MOST, 1),)
    )


def _list_largest_months(server: Server) -> list[tuple[str, int]]:
    months = server.get_json("/months")["months"]
    largest = sorted(months, key=lambda month: -month["count"])[:_MONTHS]
    return [(month["key"], month["count"]) for month in largest]


def _ask_in_turn(
    servers: Sequence[Server],
    ask: Callable[[Server, int], float],
    turns: Turns,
    slow: list[float],
) -> None:
    """Milliseconds of a round: the median of both servers, and the slow end of the first one."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(REQUESTS):
        for server, values in zip(servers, times, strict=True):
            values.append(ask(server, number) * 1000)
    turns.own.append(statistics.median(times[0]))
    turns.yardstick.append(statistics.median(times[1]))
    slow.append(percentile(times[0], 0.95))
