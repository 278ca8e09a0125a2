"""Rows of operations: their ways, what is left to resume, and checkpoints."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import operation_state
from db import Database, open_database
from errors import InvalidRequestError, NotFoundError
from operation_state import CheckpointHelper, Operation, OperationStatus, OperationType

INDEX = OperationType.UPDATE_INDEX


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "photo_library.db")
    yield database
    database.close()


@pytest.fixture
def connection(database: Database) -> Iterator[sqlite3.Connection]:
    with database.transaction() as connection:
        yield connection


def make(connection: sqlite3.Connection, *ways: OperationStatus) -> Operation:
    operation = operation_state.create_operation(connection, INDEX)
    for status in ways:
        operation_state.set_status(connection, operation.operation_id, status)
    return operation_state.get_operation(connection, operation.operation_id)


def age(connection: sqlite3.Connection, operation: Operation) -> None:
    connection.execute(
        "UPDATE operation_state SET updated_at = '2020-01-01T00:00:00.000000+00:00'"
        " WHERE operation_id = ?",
        (operation.operation_id,),
    )


def test_an_operation_that_was_done_by_a_later_one_is_not_offered_any_more(
    connection: sqlite3.Connection,
) -> None:
    paused = operation_state.create_operation(connection, INDEX)
    other = operation_state.create_operation(connection, OperationType.VERIFY_LIBRARY)
    operation_state.pause_interrupted(connection)
    assert operation_state.supersede(connection, INDEX) == 1
    superseded = operation_state.get_operation(connection, paused.operation_id)
    assert superseded.status == "cancelled"
    assert superseded.error_message == "A later one has done its work."
    assert operation_state.get_operation(connection, other.operation_id).status == "paused"


def test_a_new_operation_is_pending_and_remembers_its_parameters(
    connection: sqlite3.Connection,
) -> None:
    made = operation_state.create_operation(connection, INDEX, {"accept_missing": True})
    assert made == operation_state.get_operation(connection, made.operation_id)
    assert made.status is OperationStatus.PENDING
    assert made.operation_type == "update_index"
    assert made.parameters == {"accept_missing": True}
    assert made.checkpoint.keys() == {
        *("parameters", "phase", "done", "total", "report", "state"),
    }
    assert made.started_at == made.updated_at
    assert made.started_at.endswith("+00:00")


def test_an_unknown_operation_is_not_found(connection: sqlite3.Connection) -> None:
    with pytest.raises(NotFoundError):
        operation_state.get_operation(connection, "no")
    with pytest.raises(NotFoundError):
        operation_state.set_status(connection, "no", OperationStatus.RUNNING)
    with pytest.raises(NotFoundError):
        operation_state.save_checkpoint(connection, "no", {}, {})


@pytest.mark.parametrize("end", [s for s in OperationStatus if s.is_final])
@pytest.mark.parametrize("next_status", list(OperationStatus))
def test_what_has_ended_stays_so(
    connection: sqlite3.Connection, end: OperationStatus, next_status: OperationStatus
) -> None:
    ended = make(connection, OperationStatus.RUNNING, end)
    with pytest.raises(InvalidRequestError, match=end.value):
        operation_state.set_status(connection, ended.operation_id, next_status)
    with pytest.raises(InvalidRequestError, match=end.value):
        operation_state.save_checkpoint(connection, ended.operation_id, {"done": 7}, {})
    assert operation_state.get_operation(connection, ended.operation_id) == ended


def test_an_operation_completes_only_after_it_ran(connection: sqlite3.Connection) -> None:
    made = make(connection)
    with pytest.raises(InvalidRequestError):
        operation_state.set_status(connection, made.operation_id, OperationStatus.COMPLETED)


def test_a_paused_operation_can_run_again(connection: sqlite3.Connection) -> None:
    ways = [
        OperationStatus.RUNNING,
        OperationStatus.PAUSED,
        OperationStatus.RUNNING,
        OperationStatus.COMPLETED,
    ]
    assert make(connection, *ways).status is OperationStatus.COMPLETED


def test_a_failed_operation_says_why(connection: sqlite3.Connection) -> None:
    made = make(connection, OperationStatus.RUNNING)
    operation_state.set_status(
        connection, made.operation_id, OperationStatus.FAILED, "The disk is full."
    )
    failed = operation_state.get_operation(connection, made.operation_id)
    assert failed.error_message == "The disk is full."
    assert failed.updated_at > made.updated_at
    assert failed.started_at == made.started_at


def test_the_last_operation_started_is_listed_first(connection: sqlite3.Connection) -> None:
    ids = [make(connection).operation_id for _ in range(4)]
    # Two that began in the same microsecond keep their order too.
    connection.execute("UPDATE operation_state SET started_at = updated_at = '2020'")
    listed = operation_state.list_operations(connection, limit=3)
    assert [operation.operation_id for operation in listed] == ids[:0:-1]


def test_interrupted_is_what_is_not_at_its_end_but_for_the_one_that_lives(
    connection: sqlite3.Connection,
) -> None:
    pending = make(connection)
    running = make(connection, OperationStatus.RUNNING)
    paused = make(connection, OperationStatus.RUNNING, OperationStatus.PAUSED)
    make(connection, OperationStatus.RUNNING, OperationStatus.COMPLETED)
    make(connection, OperationStatus.CANCELLED)
    assert operation_state.list_interrupted(connection) == [paused, running, pending]
    assert operation_state.list_interrupted(connection, live_ids={running.operation_id}) == [
        paused,
        pending,
    ]


def test_what_a_dead_process_left_is_paused_by_the_next(connection: sqlite3.Connection) -> None:
    left = [make(connection), make(connection, OperationStatus.RUNNING)]
    done = make(connection, OperationStatus.RUNNING, OperationStatus.COMPLETED)
    assert operation_state.pause_interrupted(connection) == 2
    assert operation_state.pause_interrupted(connection) == 0
    for operation in left:
        found = operation_state.get_operation(connection, operation.operation_id)
        assert found.status is OperationStatus.PAUSED
        assert found.checkpoint == operation.checkpoint
        # When it was last heard of is when it stopped, not when somebody noticed.
        assert found.updated_at == operation.updated_at
        assert found.error_message is not None
        assert "went off" in found.error_message
    assert operation_state.get_operation(connection, done.operation_id) == done


def test_cleanup_removes_old_ends_and_nothing_that_can_be_resumed(
    connection: sqlite3.Connection,
) -> None:
    old = [
        make(connection),
        make(connection, OperationStatus.RUNNING),
        make(connection, OperationStatus.PAUSED),
        make(connection, OperationStatus.CANCELLED),
        make(connection, OperationStatus.FAILED),
        make(connection, OperationStatus.RUNNING, OperationStatus.COMPLETED),
    ]
    for operation in old:
        age(connection, operation)
    fresh = make(connection, OperationStatus.CANCELLED)
    assert operation_state.cleanup_operations(connection) == 3
    left = {operation.operation_id for operation in operation_state.list_operations(connection)}
    assert left == {fresh.operation_id, *(operation.operation_id for operation in old[:3])}
    assert operation_state.cleanup_operations(connection, older_than_days=0) == 1


def test_rows_of_an_older_app_can_be_listed(connection: sqlite3.Connection) -> None:
    connection.executemany(
        "INSERT INTO operation_state VALUES (?, 'rebuild', ?, '2023', '2023', ?, NULL, NULL)",
        [("1", "done", "no json"), ("2", "running", "[1]"), ("3", "completed", None)],
    )
    listed = {o.operation_id: o for o in operation_state.list_operations(connection)}
    assert [listed[key].status.value for key in "123"] == ["failed", "running", "completed"]
    assert [listed[key].checkpoint for key in "123"] == [{}, {}, {}]
    assert listed["2"].parameters == {}


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_metrics_tell_files_bytes_seconds_hits_and_rate_of_each_phase() -> None:
    clock = Clock()
    helper = CheckpointHelper("id", clock=clock)
    assert helper.metrics() == {}
    helper.begin_phase("read", 300)
    clock.now += 10
    helper.advance(100, 4_000, cache_hits=30)
    helper.begin_phase("write", 100)
    clock.now += 2
    helper.advance(50)
    helper.begin_phase("read", 200)
    clock.now += 10
    helper.advance(100, bytes=1_000)
    metrics = helper.metrics()
    del metrics["samples"]
    assert metrics == {
        "read": {
            "files": 200,
            "bytes": 5_000,
            "seconds": 20.0,
            "cache_hits": 30,
            "files_per_s": 10.0,
        },
        "write": {"files": 50, "bytes": 0, "seconds": 2.0, "cache_hits": 0, "files_per_s": 25.0},
    }
    assert (helper.phase, helper.done, helper.total) == ("read", 100, 200)
    helper.end_phase()
    assert helper.metrics()["read"]["seconds"] == 20.0


def test_a_phase_without_time_has_no_rate() -> None:
    helper = CheckpointHelper("id", clock=Clock())
    helper.begin_phase("read")
    helper.advance(5)
    assert helper.metrics()["read"]["files_per_s"] == 0.0


def test_work_before_the_first_phase_is_refused() -> None:
    with pytest.raises(ValueError, match="phase"):
        CheckpointHelper("id").advance(1)


def test_a_checkpoint_is_due_every_hundred_files(connection: sqlite3.Connection) -> None:
    helper = CheckpointHelper(make(connection).operation_id)
    helper.begin_phase("read", 1000)
    helper.advance(99)
    assert not helper.due
    helper.advance(1)
    assert helper.due
    helper.save(connection)
    assert not helper.due
    helper.advance(100)
    assert helper.due


def test_a_checkpoint_keeps_the_parameters_and_commits_with_the_rows(database: Database) -> None:
    with database.transaction() as connection:
        made = operation_state.create_operation(connection, INDEX, {"quick": True})
    helper = CheckpointHelper(made.operation_id, made.parameters)
    helper.begin_phase("read", 200)
    helper.advance(100)

    def save_and_fail() -> None:
        with database.transaction() as connection:
            helper.save(connection)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        save_and_fail()
    with database.reading() as connection:
        assert operation_state.get_operation(connection, made.operation_id) == made
    helper.advance(50)
    with database.transaction() as connection:
        helper.save(connection)
    with database.reading() as connection:
        saved = operation_state.get_operation(connection, made.operation_id)
    assert saved.parameters == {"quick": True}
    assert (saved.checkpoint["phase"], saved.checkpoint["done"]) == ("read", 150)
    assert saved.metrics["read"]["files"] == 150
