"""operation_figures: phases, the work inside them, and how far an operation was when."""

from __future__ import annotations

import json

from operation_figures import (
    MOST_SAMPLES,
    OperationFigures,
    describe_figures,
    list_phases,
    list_samples,
    list_work,
)
from work_meter import measuring, note


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def count_steadily(steps: int, *, step_s: float = 1.0) -> OperationFigures:
    """A walk of one step, then a reading of so many, ten files each."""
    clock = Clock()
    figures = OperationFigures(clock)
    figures.begin_phase("walk")
    clock.now += step_s
    figures.advance(steps * 10, 0, 0, steps * 10)
    figures.begin_phase("read")
    for step in range(1, steps + 1):
        clock.now += step_s
        figures.advance(10, 1_000, 1, step * 10)
    figures.end_phase()
    return figures


def test_phases_and_work_are_told_apart_and_survive_json() -> None:
    figures = count_steadily(3)
    with measuring(figures.work):
        note("hash", 0.5, files=30, bytes=3_000)
    metrics = json.loads(json.dumps(figures.as_dict()))
    assert list(list_phases(metrics)) == ["walk", "read"]
    assert list_phases(metrics)["read"] == {
        "files": 30,
        "bytes": 3_000,
        "seconds": 3.0,
        "cache_hits": 3,
        "files_per_s": 10.0,
    }
    assert list(list_work(metrics)) == ["hash"]
    assert list_samples(metrics) == [
        (0.0, "walk", 0), (1.0, "walk", 30), (1.0, "read", 0),
        (2.0, "read", 10), (3.0, "read", 20), (4.0, "read", 30),
    ]  # fmt: skip


def test_a_long_run_keeps_few_samples_with_both_ends_of_each_phase() -> None:
    for steps in (7, 500, 5_001):
        samples = list_samples(count_steadily(steps).as_dict())
        assert len(samples) <= MOST_SAMPLES
        assert samples[0] == (0.0, "walk", 0)
        assert [one for one in samples if one[1] == "walk"][-1] == (1.0, "walk", steps * 10)
        read = [one for one in samples if one[1] == "read"]
        assert (read[0][2], read[-1][2]) == (0, steps * 10)
        assert [one[0] for one in samples] == sorted(one[0] for one in samples)


def test_steps_that_come_too_soon_are_one_sample() -> None:
    samples = list_samples(count_steadily(1_000, step_s=0.001).as_dict())
    assert len(samples) <= 14
    assert samples[-1][2] == 10_000


def test_a_resumed_run_counts_on_and_its_samples_begin_anew() -> None:
    before = count_steadily(3)
    with measuring(before.work):
        note("database", 0.5, calls=2)
    after = OperationFigures(Clock())
    after.restore(json.loads(json.dumps(before.as_dict())))
    after.begin_phase("read", 30)
    after.advance(5, 0, 0, 35)
    with measuring(after.work):
        note("database", 0.5, calls=1)
    metrics = after.as_dict()
    assert metrics["read"]["files"] == 35
    assert metrics["database"]["calls"] == 3
    assert list_samples(metrics) == [(0.0, "read", 30), (0.0, "read", 35)]


def test_rows_of_older_versions_have_no_samples() -> None:
    assert list_samples({"read": {"files": 3}}) == []
    assert list_samples({}) == []


def test_the_line_for_the_log_says_all_of_it() -> None:
    figures = count_steadily(3)
    with measuring(figures.work):
        note("hash", 0.5, files=30, bytes=3_000_000)
        note("exiftool", 0.25, files=2, calls=1)
        note("database", 0.1, calls=4)
    cache = {"row_hits": 5, "memory_hits": 1, "database_hits": 2, "misses": 30}
    assert describe_figures(figures.as_dict(), cache) == (
        "walk: 30 files, 1.00 s, 30 files/s; "
        "read: 30 files, 0.0 MB, 3.00 s, 10 files/s, 3 from the cache; "
        "hash: 30 files, 3.0 MB, 0.50 s, 60 files/s; "
        "exiftool: 2 files, 1 calls, 0.25 s, 8 files/s; "
        "database: 4 calls, 0.10 s; cache: 8 hits, 30 misses"
    )
    assert describe_figures({}, {}) == ""
