"""operation_progress: what is told of an operation."""

from __future__ import annotations

import pytest

import operation_progress
from operation_progress import LiveOperation, Progress, progress_of_row
from operation_state import Operation, OperationStatus, OperationType


def test_every_kind_of_operation_can_say_that_it_runs() -> None:
    assert operation_progress._DEEDS.keys() == set(OperationType)


def test_rate_and_time_left_are_a_moving_average() -> None:
    live = LiveOperation("id", OperationType.UPDATE_INDEX, OperationStatus.RUNNING, total=2000)
    now = 100.0

    def work(files: int, seconds: float) -> Progress:
        nonlocal now
        now += seconds
        live.done += files
        live.rate.add(now, live.done)
        return live.progress(0)

    first = work(500, 0)  # done before, as after a resume: no speed of this run
    assert (first.files_per_s, first.seconds_left) == (0.0, None)
    for _ in range(100):
        slow = work(1, 1.0)
    assert slow.files_per_s == pytest.approx(1.0)
    assert slow.seconds_left == pytest.approx(1400)
    for _ in range(600):
        fast = work(2, 0.1)
    assert fast.files_per_s == pytest.approx(20, rel=0.05)
    assert fast.seconds_left == pytest.approx(10, rel=0.05)
    assert len(live.rate.samples) < 70
    longer_than_the_window = work(100, 50.0)
    assert longer_than_the_window.files_per_s == pytest.approx(2, rel=0.05)
    live.total = None
    assert live.progress(0).seconds_left is None


@pytest.mark.parametrize(
    ("has_writer", "status", "ended_at"), [(True, "running", None), (False, "paused", "2026-02")]
)
def test_what_is_active_in_its_row_lives_only_where_a_process_holds_the_library(
    has_writer: bool, status: str, ended_at: str | None
) -> None:
    operation = Operation(
        "id", "update_index", OperationStatus.RUNNING, "2026-01", "2026-02", {}, {}, None
    )
    told = progress_of_row(operation, 0, has_writer=has_writer)
    assert (told.status, told.started_at, told.ended_at) == (status, "2026-01", ended_at)
