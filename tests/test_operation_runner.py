"""One long operation at a time: how it is watched, stopped and recorded."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import operation_state
from db import Database, open_database
from errors import (
    BrakeError,
    BusyError,
    DiskFullError,
    FileProblem,
    InvalidRequestError,
    NotFoundError,
)
from operation_progress import Progress
from operation_runner import OperationContext, OperationRunner, OperationStopped
from operation_state import Operation, OperationStatus, OperationType

INDEX = OperationType.UPDATE_INDEX
PATIENCE_S = 10.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "photo_library.db")
    yield database
    database.close()


@pytest.fixture
def runner(database: Database) -> Iterator[OperationRunner]:
    runner = OperationRunner(database)
    yield runner
    runner.close()


class SteppedDeed:
    """A deed that reports, waits for its cue, looks whether it shall stop, and goes on."""

    def __init__(self, steps: int = 3) -> None:
        self.started = threading.Event()
        self.cue = threading.Semaphore(0)
        self.steps = steps

    def __call__(self, context: OperationContext) -> dict[str, Any]:
        context.checkpoint.begin_phase("read", self.steps)
        for step in range(self.steps):
            context.report_progress(phase="read", done=step, total=self.steps)
            self.started.set()
            assert self.cue.acquire(timeout=PATIENCE_S)
            context.check()
            context.checkpoint.advance(1)
        return {"added": self.steps}

    def start(self, runner: OperationRunner) -> str:
        operation_id = runner.start(INDEX, self)
        assert self.started.wait(PATIENCE_S)
        return operation_id

    def let_go(self) -> None:
        for _ in range(self.steps):
            self.cue.release()


def run(runner: OperationRunner, deed: Callable[[OperationContext], dict[str, Any]]) -> Progress:
    return runner.wait(runner.start(INDEX, deed), PATIENCE_S)


def row(database: Database, operation_id: str) -> Operation:
    with database.reading() as connection:
        return operation_state.get_operation(connection, operation_id)


def test_a_deed_runs_and_its_report_is_kept(runner: OperationRunner, database: Database) -> None:
    seen: list[tuple[str, str]] = []

    def deed(context: OperationContext) -> dict[str, Any]:
        seen.append((context.operation_id, row(database, context.operation_id).status))
        context.checkpoint.begin_phase("read", 2)
        context.checkpoint.advance(2, 500)
        context.report_progress(phase="write", done=2, total=2)
        return {"added": 2}

    operation_id = runner.start(INDEX, deed, {"accept_missing": True})
    ended = runner.wait(operation_id, PATIENCE_S)
    assert seen == [(operation_id, "running")]
    assert (ended.status, ended.phase, ended.done, ended.total) == ("completed", "write", 2, 2)
    assert ended.report == {"added": 2, "problems": [], "problem_count": 0}
    assert not ended.is_active
    assert runner.current() is None
    kept = row(database, operation_id)
    assert kept.status is OperationStatus.COMPLETED
    assert kept.parameters == {"accept_missing": True}
    assert kept.checkpoint["report"] == ended.report
    assert kept.metrics["read"]["bytes"] == 500
    assert OperationRunner(database).progress(operation_id).report == ended.report


def test_while_one_runs_another_is_refused_with_what_runs(runner: OperationRunner) -> None:
    deed = SteppedDeed()
    first = deed.start(runner)
    deed.cue.release()
    progress = runner.wait_for_change(first, runner.progress(first).version, PATIENCE_S)
    while progress.done < 1:
        progress = runner.wait_for_change(first, progress.version, PATIENCE_S)
    with pytest.raises(BusyError, match=r"An index update is under way \(1 of 3\)"):
        runner.start(OperationType.VERIFY_LIBRARY, lambda _: {})
    assert (current := runner.current()) is not None
    assert current.operation_id == first
    deed.let_go()
    assert runner.wait(first, PATIENCE_S).status == "completed"
    assert run(runner, lambda _: {}).status == "completed"


def test_cancel_ends_it_for_good(runner: OperationRunner, database: Database) -> None:
    deed = SteppedDeed()
    operation_id = deed.start(runner)
    runner.cancel(operation_id)
    runner.pause(operation_id)  # a cancel is not turned into a pause
    deed.let_go()
    assert runner.wait(operation_id, PATIENCE_S).status == "cancelled"
    assert row(database, operation_id).checkpoint["report"] is None
    assert runner.list_interrupted() == []
    with pytest.raises(InvalidRequestError, match="cancelled"):
        runner.cancel(operation_id)


def test_a_paused_operation_is_offered_for_resume_and_can_be_discarded(
    runner: OperationRunner,
) -> None:
    deed = SteppedDeed()
    operation_id = deed.start(runner)
    assert runner.list_interrupted() == []
    runner.pause(operation_id)
    deed.let_go()
    assert runner.wait(operation_id, PATIENCE_S).status == "paused"
    assert [operation.operation_id for operation in runner.list_interrupted()] == [operation_id]
    runner.cancel(operation_id)
    assert runner.progress(operation_id).status == "cancelled"
    assert runner.list_interrupted() == []


def test_an_operation_asked_to_stop_before_it_began_does_nothing(
    runner: OperationRunner, database: Database
) -> None:
    begun = threading.Event()

    def deed(_: OperationContext) -> dict[str, Any]:
        begun.set()
        return {}

    with database.transaction():
        # Its thread waits for the writer, which is ours.
        operation_id = runner.start(INDEX, deed)
        runner.cancel(operation_id)
    assert runner.wait(operation_id, PATIENCE_S).status == "cancelled"
    assert not begun.is_set()


def test_a_wish_to_pause_that_comes_too_late_is_no_error(runner: OperationRunner) -> None:
    ended = run(runner, lambda _: {})
    runner.pause(ended.operation_id)
    assert runner.progress(ended.operation_id).status == "completed"


def test_no_handler_for_trouble_with_files_swallows_a_stop() -> None:
    assert not issubclass(OperationStopped, Exception)


def test_an_unknown_operation_is_not_found(runner: OperationRunner) -> None:
    for ask in (runner.progress, runner.cancel, runner.pause, runner.wait):
        with pytest.raises(NotFoundError):
            ask("no")
    with pytest.raises(NotFoundError):
        runner.wait_for_change("no", 0, 0.01)


def test_a_refusal_fails_with_its_sentence_and_code(
    runner: OperationRunner, database: Database
) -> None:
    def deed(context: OperationContext) -> dict[str, Any]:
        context.add_problem(FileProblem("a.jpg", "It is empty."))
        raise BrakeError("Is the disk mounted?")

    ended = run(runner, deed)
    assert (ended.status, ended.message) == ("failed", "Is the disk mounted?")
    assert ended.error_code == "brake"
    assert ended.problems == (FileProblem("a.jpg", "It is empty."),)
    assert row(database, ended.operation_id).error_message == "Is the disk mounted?"


@pytest.mark.parametrize(
    "deed",
    [lambda _: {"x": {"y": 1}["z"]}, lambda _: {"report": object()}, lambda _: None],
    ids=["an exception", "a report that is no JSON", "no report"],
)
def test_the_unexpected_fails_with_a_traceback_in_the_log_and_frees_the_runner(
    runner: OperationRunner,
    caplog: pytest.LogCaptureFixture,
    deed: Callable[[OperationContext], dict[str, Any]],
) -> None:
    with caplog.at_level(logging.ERROR):
        ended = run(runner, deed)
    assert (ended.status, ended.error_code) == ("failed", "unexpected")
    assert ended.message is not None
    assert "Error" in ended.message
    assert caplog.records[0].exc_info
    assert run(runner, lambda _: {}).status == "completed"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_deed_that_ends_its_thread_leaves_a_failed_operation(runner: OperationRunner) -> None:
    def deed(_: OperationContext) -> dict[str, Any]:
        raise SystemExit

    assert run(runner, deed).status == "failed"
    for thread in threading.enumerate():
        if thread.name.startswith("operation-"):
            thread.join()  # its end is told of in this test
    assert run(runner, lambda _: {}).status == "completed"


def test_an_end_that_cannot_be_written_is_told_and_stays_to_be_resumed(
    runner: OperationRunner, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(operation_state, "save_checkpoint", fail)
    ended = run(runner, lambda _: {})
    assert ended.status == "failed"
    assert ended.message is not None
    assert "disk is full" in ended.message
    assert row(database, ended.operation_id).status is OperationStatus.RUNNING
    monkeypatch.undo()
    assert run(runner, lambda _: {}).status == "completed"
    assert [o.operation_id for o in runner.list_interrupted()] == [ended.operation_id]
    # It is nobody's now: who streams its events must not wait for more.
    assert runner.progress(ended.operation_id).status == "paused"


def test_an_operation_whose_row_cannot_be_written_does_not_start(
    runner: OperationRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(operation_state, "create_operation", fail)
    with pytest.raises(sqlite3.OperationalError):
        runner.start(INDEX, lambda _: {})
    monkeypatch.undo()
    assert run(runner, lambda _: {}).status == "completed"


def test_a_thread_that_the_system_does_not_give_leaves_the_runner_free(
    runner: OperationRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError):
        runner.start(INDEX, lambda _: {})
    monkeypatch.undo()
    assert run(runner, lambda _: {}).status == "completed"


def test_what_ctrl_c_leaves_while_it_starts_is_paused_and_waited_for(
    runner: OperationRunner, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def be_interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    def deed(context: OperationContext) -> dict[str, Any]:
        while True:
            context.check()

    monkeypatch.setattr(threading.Thread, "start", be_interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.start(INDEX, deed)
    monkeypatch.undo()
    runner.close()
    with database.reading() as connection:
        [left] = operation_state.list_interrupted(connection)
    assert left.status is OperationStatus.PAUSED


def test_five_problems_are_shown_a_thousand_kept_and_all_counted(
    runner: OperationRunner,
) -> None:
    shown: list[Progress] = []

    def deed(context: OperationContext) -> dict[str, Any]:
        for number in range(1500):
            context.add_problem(FileProblem(f"{number}.jpg", "It is empty."))
        shown.append(runner.progress(context.operation_id))
        return {}

    ended = run(runner, deed)
    for progress in (shown[0], ended):
        assert [problem.path for problem in progress.problems] == [
            f"{number}.jpg" for number in range(1495, 1500)
        ]
        assert progress.problem_count == 1500
    assert ended.report is not None
    assert len(ended.report["problems"]) == 1000
    assert ended.report["problem_count"] == 1500
    assert ended.as_dict()["problems"][-1] == {"path": "1499.jpg", "reason": "It is empty."}


def test_problems_the_report_names_itself_are_bounded_too(runner: OperationRunner) -> None:
    named = [{"path": f"{n}.jpg", "reason": "It is empty."} for n in range(1200)]
    ended = run(runner, lambda _: {"problems": named})
    assert ended.report is not None
    assert len(ended.report["problems"]) == 1000
    assert ended.problem_count == 1200


def test_each_phase_has_a_rate_of_its_own(runner: OperationRunner) -> None:
    rates: list[float] = []

    def deed(context: OperationContext) -> dict[str, Any]:
        for phase, done in (("read", 0), ("read", 1000), ("write", 1000), ("write", 0)):
            context.report_progress(phase=phase, done=done, total=1000)
            rates.append(runner.progress(context.operation_id).files_per_s)
        return {}

    assert run(runner, deed).status == "completed"
    assert rates[1] > 0
    assert (rates[0], rates[2], rates[3]) == (0.0, 0.0, 0.0)


def test_who_waits_for_a_change_is_woken_by_each_and_by_the_end(runner: OperationRunner) -> None:
    deed = SteppedDeed()
    operation_id = deed.start(runner)
    progress = runner.wait_for_change(operation_id, 0, PATIENCE_S)
    assert (progress.status, progress.done) == ("running", 0)
    same = runner.wait_for_change(operation_id, progress.version, 0.01)
    assert same.version == progress.version
    deed.cue.release()
    changed = runner.wait_for_change(operation_id, progress.version, PATIENCE_S)
    assert (changed.done, changed.version > progress.version) == (1, True)
    deed.let_go()
    while changed.is_active:
        changed = runner.wait_for_change(operation_id, changed.version, PATIENCE_S)
    assert changed.status == "completed"
    # What has ended answers at once, however often it is asked.
    assert runner.wait_for_change(operation_id, changed.version) == changed


def test_waiting_ends_when_its_time_is_up(runner: OperationRunner) -> None:
    deed = SteppedDeed()
    operation_id = deed.start(runner)
    assert runner.wait(operation_id, 0.01).status == "running"
    deed.let_go()


def test_a_deed_reports_from_within_its_transactions_while_others_watch(
    runner: OperationRunner, database: Database
) -> None:
    def deed(context: OperationContext) -> dict[str, Any]:
        for number in range(30):
            with database.transaction() as connection:
                context.report_progress(phase="read", done=number, total=30)
                context.checkpoint.save(connection)
            context.check()
        return {}

    operation_id = runner.start(INDEX, deed)
    while runner.progress(operation_id).is_active:
        runner.current()
        runner.list_interrupted()
    assert runner.wait(operation_id, PATIENCE_S).status == "completed"
    assert row(database, operation_id).checkpoint["done"] == 29


def test_closing_pauses_what_runs_and_starts_nothing_more(
    runner: OperationRunner, database: Database
) -> None:
    looked = threading.Event()

    def deed(context: OperationContext) -> dict[str, Any]:
        while True:
            context.check()
            looked.set()

    operation_id = runner.start(INDEX, deed)
    assert looked.wait(PATIENCE_S)
    runner.close()
    assert row(database, operation_id).status is OperationStatus.PAUSED
    with pytest.raises(BusyError, match="closing"):
        runner.start(INDEX, lambda _: {})
    runner.close()


def test_closing_does_not_wait_forever(
    runner: OperationRunner, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    deed = SteppedDeed()
    operation_id = deed.start(runner)
    runner.close(timeout_s=0.01)
    assert "did not stop" in caplog.text
    assert row(database, operation_id).status is OperationStatus.RUNNING
    deed.let_go()
    assert runner.wait(operation_id, PATIENCE_S).status == "paused"


def test_what_a_dead_process_left_is_offered_for_resume(
    runner: OperationRunner, database: Database
) -> None:
    with database.transaction() as connection:
        left = operation_state.create_operation(connection, INDEX, {"accept_missing": True})
        operation_state.set_status(connection, left.operation_id, OperationStatus.RUNNING)
    assert [o.parameters for o in runner.list_interrupted()] == [{"accept_missing": True}]
    assert runner.wait(left.operation_id, PATIENCE_S).status == "paused"
    runner.cancel(left.operation_id)
    assert runner.list_interrupted() == []


def leave(database: Database, **parameters: Any) -> Operation:
    """An operation at 40 of 100 files, as a process leaves it that is killed."""
    with database.transaction() as connection:
        operation = operation_state.create_operation(connection, INDEX, parameters)
        operation_state.set_status(connection, operation.operation_id, OperationStatus.RUNNING)
        helper = operation_state.CheckpointHelper(operation.operation_id, parameters)
        helper.begin_phase("read", 100)
        helper.advance(40, 4_000)
        helper.save(connection)
        return operation_state.get_operation(connection, operation.operation_id)


def test_an_interrupted_operation_goes_on_as_the_same_with_its_parameters_and_figures(
    runner: OperationRunner, database: Database
) -> None:
    left = leave(database, accept_missing=True)

    def deed(context: OperationContext) -> dict[str, Any]:
        assert context.operation_id == left.operation_id
        context.checkpoint.begin_phase("read", 60)
        context.checkpoint.advance(60, 6_000)
        return {"added": 60}

    assert runner.resume(left, deed) == left.operation_id
    ended = runner.wait(left.operation_id, PATIENCE_S)
    assert (ended.status, ended.started_at) == ("completed", left.started_at)
    kept = row(database, left.operation_id)
    assert kept.parameters == {"accept_missing": True}
    assert (kept.metrics["read"]["files"], kept.metrics["read"]["bytes"]) == (100, 10_000)
    with database.reading() as connection:
        assert len(operation_state.list_operations(connection)) == 1


@pytest.mark.parametrize("end", [status for status in OperationStatus if status.is_final])
def test_what_has_ended_is_never_resumed(
    runner: OperationRunner, database: Database, end: OperationStatus
) -> None:
    left = leave(database)
    with database.transaction() as connection:
        operation_state.set_status(connection, left.operation_id, end)
    with pytest.raises(InvalidRequestError, match="only one that was interrupted"):
        runner.resume(row(database, left.operation_id), lambda _: {})
    assert row(database, left.operation_id).status is end
    assert run(runner, lambda _: {}).status == "completed"


def test_nothing_is_resumed_while_something_runs(
    runner: OperationRunner, database: Database
) -> None:
    left = leave(database)
    deed = SteppedDeed()
    running = deed.start(runner)
    with pytest.raises(BusyError):
        runner.resume(left, lambda _: {})
    with pytest.raises(BusyError):
        runner.refuse_if_busy(OperationType.UPDATE_INDEX)
    deed.let_go()
    runner.wait(running, PATIENCE_S)
    runner.refuse_if_busy(OperationType.UPDATE_INDEX)
    assert [one.operation_id for one in runner.list_interrupted()] == [left.operation_id]


def test_a_full_disk_pauses_what_can_go_on_once_there_is_room(
    runner: OperationRunner, database: Database
) -> None:
    def deed(_: OperationContext) -> dict[str, Any]:
        raise DiskFullError("The disk is full.")

    ended = run(runner, deed)
    assert (ended.status, ended.message, ended.error_code) == (
        *("paused", "The disk is full."),
        "disk_full",
    )
    [waiting] = runner.list_interrupted()
    assert runner.resume(waiting, lambda _: {}) == ended.operation_id
    resumed = runner.wait(ended.operation_id, PATIENCE_S)
    assert (resumed.status, resumed.message, resumed.error_code) == ("completed", None, None)


def test_photos_are_edited_beside_other_long_work_but_not_twice_at_once(
    runner: OperationRunner,
) -> None:
    index, rating = SteppedDeed(), SteppedDeed()
    first = runner.start(OperationType.UPDATE_INDEX, index)
    second = runner.start(OperationType.RATE_PHOTOS, rating)
    assert [runner.current(), runner.current(edits=True)] != [None, None]
    with pytest.raises(BusyError):
        runner.start(OperationType.UNDO_EDITS, SteppedDeed())
    assert runner.list_interrupted() == []
    rating.let_go()
    assert runner.wait(second, PATIENCE_S).status == OperationStatus.COMPLETED
    assert runner.progress(first).is_active
    index.let_go()
    assert runner.wait(first, PATIENCE_S).status == OperationStatus.COMPLETED
