"""Long operations, each in a thread of its own: progress, pause, cancel.

One at a time reads or writes the library at large; beside it one may edit photos, so that
nobody waits for an index to end before a hundred photos can be starred.

`OperationRunner.start` writes the row, runs the deed in a thread of its own and writes how it
ended. What the deed tells through its `OperationContext` is held in memory, where pages and
terminals ask for it; the row holds what a later process needs.

Locks: the condition is never held while the database is asked, because the deed reports
progress from within its transactions.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import operation_state
from db import Database
from errors import (
    BusyError,
    DiskFullError,
    FileProblem,
    InvalidRequestError,
    LibraryError,
    SourceGoneError,
)
from operation_figures import describe_figures
from operation_progress import (
    LiveOperation,
    Progress,
    Rate,
    bound_report,
    progress_of_row,
    say_busy,
)
from operation_state import (
    CheckpointHelper,
    Operation,
    OperationStatus,
    OperationType,
)
from work_meter import measuring

EDITS: Final = frozenset(
    {
        OperationType.RATE_PHOTOS,
        OperationType.KEEP_RATINGS,
        OperationType.UNDO_EDITS,
        OperationType.TRASH_PHOTOS,
        OperationType.RESTORE_PHOTOS,
        OperationType.PURGE_TRASH,
        OperationType.MERGE_DUPLICATES,
        OperationType.UPDATE_DATE,
    }
)
"""Operations that edit photos one by one, each edit for itself."""

CLOSE_TIMEOUT_S: Final = 30.0
UNEXPECTED: Final = "unexpected"

_log = logging.getLogger(__name__)


class OperationStopped(BaseException):
    """Raised by `OperationContext.check` where the person asked to pause or cancel.

    Not an `Exception`, as `asyncio.CancelledError` is none: no handler for trouble with a file
    may take it for such.
    """

    def __init__(self, status: OperationStatus) -> None:
        super().__init__(status.value)
        self.status = status


class OperationContext:
    """What a deed is given: where to tell how far it is, and whether it shall stop."""

    def __init__(
        self, runner: OperationRunner, live: LiveOperation, checkpoint: CheckpointHelper
    ) -> None:
        self._runner = runner
        self._live = live
        self._checkpoint = checkpoint

    @property
    def operation_id(self) -> str:
        return self._live.operation_id

    @property
    def checkpoint(self) -> CheckpointHelper:
        return self._checkpoint

    def report_progress(self, *, phase: str, done: int = 0, total: int | None = None) -> None:
        """Say how far the work is; `total` None while it is not known."""
        with self._runner.changing():
            live = self._live
            if phase != live.phase or done < live.done:
                live.rate = Rate()
            live.phase, live.done, live.total = phase, done, total
            live.rate.add(time.monotonic(), done)

    def add_problem(self, problem: FileProblem) -> None:
        """Name a file that could not be done; the operation goes on."""
        with self._runner.changing():
            self._live.problems.append(problem)
            self._live.problem_count += 1

    def check(self) -> None:
        """Raise `OperationStopped` where pause or cancel was asked; between transactions."""
        asked = self._live.asked
        if asked is not None:
            raise OperationStopped(asked)


Deed: TypeAlias = Callable[[OperationContext], dict[str, Any]]
"""Does the work and returns the report, which must fit into JSON."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a deed ended."""

    status: OperationStatus
    report: dict[str, Any] | None = None
    message: str | None = None
    error_code: str | None = None


class OperationRunner:
    """Runs one long operation at a time, and one of `EDITS` beside it. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._condition = threading.Condition()
        self._live: dict[bool, LiveOperation] = {}
        self._threads: dict[bool, threading.Thread] = {}
        self._version = 0
        self._closed = False

    def start(
        self,
        operation_type: OperationType,
        deed: Deed,
        parameters: Mapping[str, Any] | None = None,
    ) -> str:
        """Run `deed` in the background; the operation's id.

        Raises `BusyError`, which says what runs, and after `close`.
        """
        live = LiveOperation(operation_state.new_operation_id(), operation_type)
        checkpoint = CheckpointHelper(live.operation_id, dict(parameters or {}))

        def create(connection: sqlite3.Connection) -> None:
            operation = operation_state.create_operation(
                connection, operation_type, parameters, operation_id=live.operation_id
            )
            live.started_at = operation.started_at

        return self._launch(live, deed, checkpoint, create)

    def resume(self, operation: Operation, deed: Deed) -> str:
        """Run an interrupted operation again, under its id and with its parameters.

        `deed` finds by itself what is left to do. Raises `BusyError`, and
        `InvalidRequestError` for an operation that is not interrupted.
        """
        live = LiveOperation(
            operation.operation_id,
            OperationType(operation.operation_type),
            started_at=operation.started_at,
        )

        def check(connection: sqlite3.Connection) -> None:
            waiting = operation_state.list_interrupted(connection)
            if operation.operation_id not in {one.operation_id for one in waiting}:
                status = operation.status.value
                raise InvalidRequestError(
                    f"Operation {operation.operation_id} is {status}; only one that was "
                    "interrupted can be resumed."
                )

        return self._launch(live, deed, CheckpointHelper.resume(operation), check)

    def _launch(
        self,
        live: LiveOperation,
        deed: Deed,
        checkpoint: CheckpointHelper,
        prepare: Callable[[sqlite3.Connection], None],
    ) -> str:
        thread = threading.Thread(
            target=self._run,
            args=(live, deed, OperationContext(self, live, checkpoint)),
            name=f"operation-{live.operation_type.value}",
            # A process that ends without `close` must not wait hours for it: what it leaves
            # can be resumed.
            daemon=True,
        )
        self._reserve(live)
        try:
            with self._database.transaction() as connection:
                prepare(connection)
        except BaseException:
            with self.changing():
                self._live.pop(_lane(live), None)
            raise
        self._threads[_lane(live)] = thread
        try:
            thread.start()
        except RuntimeError:  # Of no other: Ctrl-C ends the wait for a thread that may run.
            with self.changing():
                del self._live[_lane(live)], self._threads[_lane(live)]
            raise
        return live.operation_id

    def progress(self, operation_id: str) -> Progress:
        """How far it is, or how it ended. Raises `NotFoundError`."""
        with self._condition:
            version = self._version
            live = self._find(operation_id)
            if live is not None:
                return live.progress(version)
        with self._database.reading() as connection:
            operation = operation_state.get_operation(connection, operation_id)
        return progress_of_row(operation, version)

    def refuse_if_busy(self, operation_type: OperationType) -> None:
        """Raise `BusyError` where one of this type cannot begin now."""
        with self._condition:
            live = self._live.get(operation_type in EDITS)
            if live is not None and live.status.is_active:
                raise BusyError(say_busy(live))

    def current(self, *, edits: bool = False) -> Progress | None:
        """The operation that runs now; `edits`: the one that edits photos."""
        with self._condition:
            live = self._live.get(edits)
            return live.progress(self._version) if live and live.status.is_active else None

    def list_interrupted(self) -> list[Operation]:
        """Operations to offer for resume: paused, or left by a process that died."""
        running = [self.current(), self.current(edits=True)]
        with self._database.reading() as connection:
            return operation_state.list_interrupted(
                connection, live_ids={one.operation_id for one in running if one}
            )

    def cancel(self, operation_id: str) -> None:
        """Ask what runs to stop for good; discard what is interrupted.

        Raises `NotFoundError`, and `InvalidRequestError` for what has ended.
        """
        if self._ask(operation_id, OperationStatus.CANCELLED):
            return
        with self._database.transaction() as connection:
            operation_state.set_status(connection, operation_id, OperationStatus.CANCELLED)
        with self.changing():
            live = self._find(operation_id)
            if live is not None:
                del self._live[_lane(live)]

    def pause(self, operation_id: str) -> None:
        """Ask what runs to stop, so that it can be resumed; what does not run needs no asking.

        May be called from a signal handler. Raises `NotFoundError`.
        """
        if not self._ask(operation_id, OperationStatus.PAUSED):
            self.progress(operation_id)

    def wait(self, operation_id: str, timeout: float | None = None) -> Progress:
        """Wait until it no longer runs, at most `timeout` seconds. Raises `NotFoundError`."""
        with self._condition:
            self._condition.wait_for(lambda: not self._runs(operation_id), timeout)
        return self.progress(operation_id)

    def wait_for_change(
        self, operation_id: str, last_version: int, timeout: float | None = None
    ) -> Progress:
        """Wait until there is more to tell than at `last_version`, at most `timeout` seconds.

        For event streams: begin with version 0, go on with `version` of the answer, end when
        it is no longer active (which answers at once). Raises `NotFoundError`.
        """
        with self._condition:
            self._condition.wait_for(
                lambda: self._version != last_version or not self._runs(operation_id), timeout
            )
        return self.progress(operation_id)

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Start nothing more, ask what runs to pause, and wait for it.

        One that does not stop in time is left to the end of the process; its row stays
        *running* and is offered for resume.
        """
        with self.changing():
            self._closed = True
            for live in self._live.values():
                if live.status.is_active and live.asked is None:
                    live.asked = OperationStatus.PAUSED
            threads = [thread for thread in self._threads.values() if thread.ident is not None]
        for thread in threads:
            thread.join(timeout_s)
            if thread.is_alive():
                _log.warning("%s did not stop within %s s", thread.name, timeout_s)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the condition, then wake who waits for a change."""
        with self._condition:
            yield
            self._version += 1
            self._condition.notify_all()

    def _reserve(self, live: LiveOperation) -> None:
        """Make `live` the one that runs. Raises `BusyError` where there is one."""
        with self._condition:
            if self._closed:
                raise BusyError("Lightkeep is closing the library and starts nothing more.")
            self.refuse_if_busy(live.operation_type)
            self._live[_lane(live)] = live

    def _find(self, operation_id: str) -> LiveOperation | None:
        return next((one for one in self._live.values() if one.operation_id == operation_id), None)

    def _runs(self, operation_id: str) -> bool:
        live = self._find(operation_id)
        return live is not None and live.status.is_active

    def _ask(self, operation_id: str, end: OperationStatus) -> bool:
        """Ask the operation to end so, if it runs; a cancel is never turned into a pause."""
        with self.changing():
            live = self._find(operation_id)
            if live is None or not self._runs(operation_id):
                return False
            if live.asked is not OperationStatus.CANCELLED:
                live.asked = end
            return True

    def _run(self, live: LiveOperation, deed: Deed, context: OperationContext) -> None:
        """The thread: do it, and write how it ended, whatever happens."""
        outcome = _Outcome(
            OperationStatus.FAILED, message="Its thread was ended.", error_code=UNEXPECTED
        )
        try:
            with measuring(context.checkpoint.figures.work):
                outcome = self._perform(live, deed, context)
        finally:
            self._finish(live, context.checkpoint, outcome)

    def _perform(self, live: LiveOperation, deed: Deed, context: OperationContext) -> _Outcome:
        try:
            with self._database.transaction() as connection:
                operation_state.set_status(connection, live.operation_id, OperationStatus.RUNNING)
            with self.changing():
                live.status = OperationStatus.RUNNING
            context.check()
            report = bound_report(deed(context), live)
            json.dumps(report)  # what does not fit into a row must fail here, and be logged
            return _Outcome(OperationStatus.COMPLETED, report)
        except OperationStopped as stopped:
            return _Outcome(stopped.status)
        except (DiskFullError, SourceGoneError) as error:
            # Nothing is wrong with the work: with room on the disk, or the card that photos
            # come from back in its place, it goes on from here.
            return _Outcome(OperationStatus.PAUSED, message=error.message, error_code=error.code)
        except LibraryError as error:
            return _Outcome(OperationStatus.FAILED, message=error.message, error_code=error.code)
        except Exception as error:
            _log.exception("Operation %s failed", live.operation_id)
            message = f"Something unexpected went wrong ({type(error).__name__}: {error})."
            return _Outcome(OperationStatus.FAILED, message=message, error_code=UNEXPECTED)

    def _finish(self, live: LiveOperation, checkpoint: CheckpointHelper, outcome: _Outcome) -> None:
        """Write the end into the row, then let go of the operation."""
        report = outcome.report
        if report is None and live.problem_count:
            report = bound_report({}, live)
        checkpoint.end_phase()
        self._log_figures(live, checkpoint, outcome)
        data = checkpoint.as_dict() | {"report": report, "error_code": outcome.error_code}
        if live.phase:
            data |= {"phase": live.phase, "done": live.done, "total": live.total}
        unwritten: str | None = None
        try:
            with self._database.transaction() as connection:
                operation_state.save_checkpoint(
                    connection, live.operation_id, data, checkpoint.metrics()
                )
                operation_state.set_status(
                    connection, live.operation_id, outcome.status, outcome.message
                )
        except (sqlite3.Error, LibraryError) as error:
            # A full disk, or a database that was closed under it. The row stays as it was and
            # is offered for resume; who asks this process is told the truth.
            _log.exception("The end of operation %s could not be written", live.operation_id)
            unwritten = f"How it ended ({outcome.status.value}) could not be written: {error}."
        with self.changing():
            if unwritten is None:
                del self._live[_lane(live)]
                return
            live.report = report
            live.message, live.error_code = unwritten, UNEXPECTED
            live.status = OperationStatus.FAILED

    def _log_figures(
        self, live: LiveOperation, checkpoint: CheckpointHelper, outcome: _Outcome
    ) -> None:
        cache = (outcome.report or {}).get("cache") or {}
        figures = describe_figures(checkpoint.metrics(), cache)
        words = f"{live.operation_type.value} {outcome.status.value}"
        _log.info("%s (%s): %s", words, live.operation_id, figures or "nothing was begun")


def _lane(live: LiveOperation) -> bool:
    """Which of the two it is: an edit of photos, or all else."""
    return live.operation_type in EDITS
