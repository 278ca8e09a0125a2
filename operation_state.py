"""Rows of long operations: what runs, how far it came, what is left to resume.

pending -> running -> completed, failed, cancelled or paused; the first three of these ends
are final. A process that dies leaves its row *running* (or *pending*), which is how the next
one finds it: see `list_interrupted`. A resumed operation finds what is left to do by looking
at the rows, so nothing here says at which file it stopped.

JSON in a row: `checkpoint_data` is {"parameters", "phase", "done", "total", "report"} (and
"error_code" of one that failed); `performance_metrics` is what `operation_figures` says. Times
are ISO 8601 in UTC with microseconds.

Functions take a connection and never commit.
"""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from errors import InvalidRequestError, NotFoundError
from operation_figures import OperationFigures

CHECKPOINT_FILES: Final = 100
KEPT_DAYS: Final = 90
_DIED: Final = "Lightkeep was ended in the middle of it, or the computer went off."
_SUPERSEDED: Final = "A later one has done its work."


class OperationType(StrEnum):
    """What a long operation does."""

    UPDATE_INDEX = "update_index"
    REBUILD_DATABASE = "rebuild_database"
    VERIFY_LIBRARY = "verify_library"
    IMPORT_PHOTOS = "import_photos"
    UPDATE_DATE = "update_date"
    TRASH_PHOTOS = "trash_photos"
    RESTORE_PHOTOS = "restore_photos"
    PURGE_TRASH = "purge_trash"
    MERGE_DUPLICATES = "merge_duplicates"
    RATE_PHOTOS = "rate_photos"
    KEEP_RATINGS = "keep_ratings"
    UNDO_EDITS = "undo_edits"


class OperationStatus(StrEnum):
    """Where an operation stands."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in _FINAL

    @property
    def is_active(self) -> bool:
        """Whether a living process has it, or a dead one left it."""
        return self in (OperationStatus.PENDING, OperationStatus.RUNNING)


_FINAL: Final = frozenset(
    {OperationStatus.COMPLETED, OperationStatus.FAILED, OperationStatus.CANCELLED}
)
_NEXT: Final[Mapping[OperationStatus, frozenset[OperationStatus]]] = {
    OperationStatus.PENDING: frozenset(
        {
            OperationStatus.RUNNING,
            OperationStatus.PAUSED,
            OperationStatus.FAILED,
            OperationStatus.CANCELLED,
        }
    ),
    # To running again: the process that ran it died, and this one resumes it.
    OperationStatus.RUNNING: _FINAL | {OperationStatus.RUNNING, OperationStatus.PAUSED},
    OperationStatus.PAUSED: frozenset(
        {OperationStatus.RUNNING, OperationStatus.FAILED, OperationStatus.CANCELLED}
    ),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of `operation_state`; the JSON in it as dicts (see the module).

    operation_type: an `OperationType`, or the word of an older app in a row it left.
    """

    operation_id: str
    operation_type: str
    status: OperationStatus
    started_at: str
    updated_at: str
    checkpoint: dict[str, Any]
    metrics: dict[str, Any]
    error_message: str | None

    @property
    def parameters(self) -> dict[str, Any]:
        parameters = self.checkpoint.get("parameters")
        return parameters if isinstance(parameters, dict) else {}


def new_operation_id() -> str:
    """An id nobody else gives, nor can guess: 32 hex digits. Rows are sorted by their times."""
    return uuid.uuid4().hex


def create_operation(
    connection: sqlite3.Connection,
    operation_type: OperationType,
    parameters: Mapping[str, Any] | None = None,
    *,
    operation_id: str | None = None,
) -> Operation:
    """A new operation, pending. `parameters` must fit into JSON: a resume needs them again."""
    chosen_id = operation_id or new_operation_id()
    checkpoint = CheckpointHelper(chosen_id, parameters).as_dict()
    now = _now()
    connection.execute(
        "INSERT INTO operation_state (operation_id, operation_type, status, started_at,"
        " updated_at, checkpoint_data, performance_metrics) VALUES (?, ?, ?, ?, ?, ?, '{}')",
        (
            chosen_id,
            operation_type.value,
            OperationStatus.PENDING.value,
            now,
            now,
            json.dumps(checkpoint),
        ),
    )
    return get_operation(connection, chosen_id)


def get_operation(connection: sqlite3.Connection, operation_id: str) -> Operation:
    """One operation. Raises `NotFoundError`."""
    row = connection.execute(
        "SELECT * FROM operation_state WHERE operation_id = ?", (operation_id,)
    ).fetchone()
    if row is None:
        raise NotFoundError(f"There is no operation {operation_id}.")
    return _from_row(row)


def list_operations(connection: sqlite3.Connection, limit: int = 50) -> list[Operation]:
    """The latest operations, the last one started first."""
    rows = connection.execute(
        "SELECT * FROM operation_state ORDER BY started_at DESC, rowid DESC LIMIT ?",
        (max(0, limit),),
    )
    return [_from_row(row) for row in rows]


def count_operations(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """How many operations there are, by type and status, as their rows say."""
    rows = connection.execute(
        "SELECT operation_type, status, count(*) FROM operation_state GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return {(operation_type, status): count for operation_type, status, count in rows}


def list_last_of_each_type(connection: sqlite3.Connection) -> list[Operation]:
    """The operation of each type that was started last, by type."""
    rows = connection.execute(
        "SELECT operation_state.* FROM operation_state JOIN (SELECT max(rowid) AS newest FROM"
        " operation_state GROUP BY operation_type) ON operation_state.rowid = newest"
        " ORDER BY operation_type"
    )
    return [_from_row(row) for row in rows]


def find_last_completed(
    connection: sqlite3.Connection, operation_type: OperationType
) -> str | None:
    """When an operation of this type was last completed, ISO 8601 in UTC."""
    row = connection.execute(
        "SELECT max(updated_at) FROM operation_state WHERE operation_type = ? AND status = ?",
        (operation_type.value, OperationStatus.COMPLETED.value),
    ).fetchone()
    moment: str | None = row[0]
    return moment


def find_last_started(
    connection: sqlite3.Connection,
    operation_type: OperationType,
    is_meant: Callable[[Operation], bool],
) -> str | None:
    """When the last operation of this type that is meant was started, ISO 8601 in UTC."""
    rows = connection.execute(
        "SELECT * FROM operation_state WHERE operation_type = ? ORDER BY started_at DESC",
        (operation_type.value,),
    )
    return next((one.started_at for one in map(_from_row, rows) if is_meant(one)), None)


def forget(connection: sqlite3.Connection, operation_id: str) -> None:
    """Remove an operation that has ended."""
    connection.execute("DELETE FROM operation_state WHERE operation_id = ?", (operation_id,))


def list_interrupted(
    connection: sqlite3.Connection, *, live_ids: Collection[str] = ()
) -> list[Operation]:
    """Operations to offer for resume, the last one started first.

    Those are the paused ones, and the pending and running ones that no living process has.
    Only one process writes to a library, so all but `live_ids`, those it runs itself.
    """
    rows = connection.execute(
        "SELECT * FROM operation_state WHERE status IN (?, ?, ?)"
        " ORDER BY started_at DESC, rowid DESC",
        (
            OperationStatus.PENDING.value,
            OperationStatus.RUNNING.value,
            OperationStatus.PAUSED.value,
        ),
    )
    return [_from_row(row) for row in rows if row["operation_id"] not in live_ids]


def pause_interrupted(connection: sqlite3.Connection) -> int:
    """Make what a dead process left pending or running *paused*; how many.

    For the process that has just taken the library's lock, before it starts anything. When it
    was last heard of stays in `updated_at`: that is when it stopped.
    """
    cursor = connection.execute(
        "UPDATE operation_state SET status = ?, error_message = ? WHERE status IN (?, ?)",
        (
            OperationStatus.PAUSED.value,
            _DIED,
            OperationStatus.PENDING.value,
            OperationStatus.RUNNING.value,
        ),
    )
    return cursor.rowcount


def supersede(
    connection: sqlite3.Connection,
    operation_type: OperationType,
    parameters: Mapping[str, Any] | None = None,
) -> int:
    """Cancel the paused ones of this type, whose work another has done since; how many.

    parameters: those with the same ones alone.
    """
    done = [
        (OperationStatus.CANCELLED.value, _now(), _SUPERSEDED, operation.operation_id)
        for operation in list_interrupted(connection)
        if operation.operation_type == operation_type
        and operation.status == OperationStatus.PAUSED
        and parameters in (None, operation.parameters)
    ]
    connection.executemany(
        "UPDATE operation_state SET status = ?, updated_at = ?, error_message = ?"
        " WHERE operation_id = ?",
        done,
    )
    return len(done)


def set_status(
    connection: sqlite3.Connection,
    operation_id: str,
    status: OperationStatus,
    error_message: str | None = None,
) -> None:
    """Bring an operation to `status`; `error_message` replaces the one in the row.

    Raises `NotFoundError`, and `InvalidRequestError` where it cannot go there: what has ended
    stays so.
    """
    before = get_operation(connection, operation_id).status
    if status not in _NEXT.get(before, frozenset()):
        raise InvalidRequestError(
            f"Operation {operation_id} is {before.value} and cannot become {status.value}."
        )
    connection.execute(
        "UPDATE operation_state SET status = ?, error_message = ?, updated_at = ?"
        " WHERE operation_id = ?",
        (status.value, error_message, _now(), operation_id),
    )


def save_checkpoint(
    connection: sqlite3.Connection,
    operation_id: str,
    checkpoint: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> None:
    """Write how far an operation is, in the transaction of the rows it is about.

    Raises `NotFoundError`, and `InvalidRequestError` for an operation that has ended.
    """
    status = get_operation(connection, operation_id).status
    if status.is_final:
        raise InvalidRequestError(f"Operation {operation_id} has ended: it is {status.value}.")
    connection.execute(
        "UPDATE operation_state SET checkpoint_data = ?, performance_metrics = ?, updated_at = ?"
        " WHERE operation_id = ?",
        (json.dumps(checkpoint), json.dumps(metrics), _now(), operation_id),
    )


def cleanup_operations(connection: sqlite3.Connection, older_than_days: float = KEPT_DAYS) -> int:
    """Remove operations that ended longer ago than that; how many.

    What can still be resumed stays, however old.
    """
    until = datetime.now(UTC) - timedelta(days=older_than_days)
    cursor = connection.execute(
        "DELETE FROM operation_state WHERE status IN (?, ?, ?) AND updated_at < ?",
        (*sorted(status.value for status in _FINAL), _format(until)),
    )
    return cursor.rowcount


@dataclass(slots=True)
class CheckpointHelper:
    """How far an operation is and how fast, kept by the deed and saved with its rows.

    Belongs to the deed's thread. `report` is what the checkpoint says of the result, None
    until there is one; `state` what the deed itself wants to find again, as JSON.
    """

    operation_id: str
    parameters: Mapping[str, Any] | None = None
    phase: str = ""
    done: int = 0
    total: int | None = None
    report: Mapping[str, Any] | None = None
    state: dict[str, Any] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    figures: OperationFigures = field(init=False)
    _unsaved: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.figures = OperationFigures(self.clock)

    @classmethod
    def resume(cls, operation: Operation) -> CheckpointHelper:
        """Goes on from the row of an interrupted operation: its parameters and figures."""
        helper = cls(operation.operation_id, operation.parameters)
        helper.state = dict(operation.checkpoint.get("state") or {})
        helper.figures.restore(operation.metrics)
        return helper

    def begin_phase(self, name: str, total: int | None = None, done: int = 0) -> None:
        """Begin a phase of `total` files (None: not known); a phase begun again counts on.

        done: how many of them an interrupted run did.
        """
        self.phase, self.done, self.total = name, done, total
        self.figures.begin_phase(name, done)

    def advance(self, files: int, bytes: int = 0, cache_hits: int = 0) -> None:  # noqa: A002 - the name of the metric
        """Count work of this phase. Raises `ValueError` before the first `begin_phase`."""
        if not self.phase:
            raise ValueError("No phase was begun.")
        self.done += files
        self._unsaved += files
        self.figures.advance(files, bytes, cache_hits, self.done)

    def end_phase(self) -> None:
        """Stop the clock of the phase; its name and counts stay."""
        self.figures.end_phase()

    @property
    def due(self) -> bool:
        """Whether so many files were done since the last `save` that it is time for one."""
        return self._unsaved >= CHECKPOINT_FILES

    def save(self, connection: sqlite3.Connection) -> None:
        """Write checkpoint and metrics in the caller's transaction.

        If that rolls back, the next save writes the same and more.
        """
        save_checkpoint(connection, self.operation_id, self.as_dict(), self.metrics())
        self._unsaved = 0

    def as_dict(self) -> dict[str, Any]:
        """What goes into `checkpoint_data`."""
        return {
            "parameters": dict(self.parameters or {}),
            "phase": self.phase,
            "done": self.done,
            "total": self.total,
            "report": None if self.report is None else dict(self.report),
            "state": self.state,
        }

    def metrics(self) -> dict[str, Any]:
        """What goes into `performance_metrics`: the figures until now."""
        return self.figures.as_dict()


def _from_row(row: sqlite3.Row) -> Operation:
    return Operation(
        operation_id=row["operation_id"],
        operation_type=row["operation_type"],
        status=_parse_status(row["status"]),
        started_at=row["started_at"],
        updated_at=row["updated_at"],
        checkpoint=_parse_object(row["checkpoint_data"]),
        metrics=_parse_object(row["performance_metrics"]),
        error_message=row["error_message"],
    )


def _parse_status(word: str) -> OperationStatus:
    """The status in a row; a word that only an older app knew is of something long over."""
    try:
        return OperationStatus(word)
    except ValueError:
        return OperationStatus.FAILED


def _parse_object(text: str | None) -> dict[str, Any]:
    """A JSON object; rows of an older app may hold none, or something else."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _now() -> str:
    return _format(datetime.now(UTC))


def _format(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
