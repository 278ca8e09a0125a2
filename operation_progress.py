"""How far an operation is: what pages and terminals are told, live or from its row."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from errors import FileProblem
from operation_state import Operation, OperationStatus, OperationType

PROBLEMS_SHOWN: Final = 5
PROBLEMS_KEPT: Final = 1_000
RATE_WINDOW_S: Final = 30.0
SAMPLE_S: Final = 0.5

_DEEDS: Final[Mapping[str, str]] = {
    OperationType.UPDATE_INDEX: "An index update",
    OperationType.REBUILD_DATABASE: "A rebuild of the database",
    OperationType.VERIFY_LIBRARY: "A check of the library",
    OperationType.IMPORT_PHOTOS: "An import",
    OperationType.UPDATE_DATE: "A change of dates",
    OperationType.TRASH_PHOTOS: "A move to the trash",
    OperationType.RESTORE_PHOTOS: "A restore from the trash",
    OperationType.PURGE_TRASH: "An emptying of the trash",
    OperationType.MERGE_DUPLICATES: "A merging of duplicates",
    OperationType.RATE_PHOTOS: "A rating of photos",
    OperationType.KEEP_RATINGS: "A writing of ratings",
    OperationType.UNDO_EDITS: "An undo",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an operation is, at one moment.

    files_per_s: moving average of the phase; of an ended one, of its whole last phase.
    seconds_left: of this phase; None where the total or the rate is not known.
    problems: the last few; `report["problems"]` has up to `PROBLEMS_KEPT`.
    message, error_code: why it failed, as sentence and as `LibraryError.code`.
    report: what the deed returned, with "problems" and "problem_count".
    started_at, ended_at: ISO 8601 in UTC; `ended_at` of an interrupted one is when it was last
    heard of, and None while it runs.
    version: grows with every change; for `wait_for_change`.
    """

    operation_id: str
    operation_type: str
    status: str
    phase: str
    done: int
    total: int | None
    files_per_s: float
    seconds_left: float | None
    problems: tuple[FileProblem, ...]
    problem_count: int
    message: str | None
    report: dict[str, Any] | None
    error_code: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    version: int = 0

    @property
    def is_active(self) -> bool:
        return OperationStatus(self.status).is_active

    def as_dict(self) -> dict[str, Any]:
        """For JSON: fields by name, problems as {"path", "reason"}, without the version."""
        values = {name: getattr(self, name) for name in self.__slots__ if name != "version"}
        return values | {"problems": [_problem_dict(problem) for problem in self.problems]}


@dataclass(slots=True)
class Rate:
    """Files/s over about the last `RATE_WINDOW_S`; a NAS is slow and fast by turns."""

    samples: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, now: float, done: int) -> None:
        # A sample that comes too soon replaces the last one, so that they stay few; the
        # first one, where counting began, stays.
        if len(self.samples) > 1 and now - self.samples[-2][0] < SAMPLE_S:
            self.samples.pop()
        self.samples.append((now, done))
        while len(self.samples) > 2 and now - self.samples[1][0] >= RATE_WINDOW_S:
            self.samples.popleft()

    @property
    def files_per_s(self) -> float:
        if len(self.samples) < 2:
            return 0.0
        (began, before), (ended, after) = self.samples[0], self.samples[-1]
        return max(0, after - before) / (ended - began) if ended > began else 0.0


@dataclass(slots=True)
class LiveOperation:
    """The operation this process runs or ran last. Guarded by the runner's condition."""

    operation_id: str
    operation_type: OperationType
    status: OperationStatus = OperationStatus.PENDING
    phase: str = ""
    done: int = 0
    total: int | None = None
    rate: Rate = field(default_factory=Rate)
    problems: deque[FileProblem] = field(default_factory=lambda: deque(maxlen=PROBLEMS_KEPT))
    problem_count: int = 0
    asked: OperationStatus | None = None
    message: str | None = None
    error_code: str | None = None
    report: dict[str, Any] | None = None
    started_at: str | None = None

    def progress(self, version: int) -> Progress:
        files_per_s = self.rate.files_per_s
        seconds_left = None
        if self.status.is_active and self.total is not None and files_per_s > 0:
            seconds_left = max(0, self.total - self.done) / files_per_s
        return Progress(
            operation_id=self.operation_id,
            operation_type=self.operation_type.value,
            status=self.status.value,
            phase=self.phase,
            done=self.done,
            total=self.total,
            files_per_s=files_per_s,
            seconds_left=seconds_left,
            problems=tuple(self.problems)[-PROBLEMS_SHOWN:],
            problem_count=self.problem_count,
            message=self.message,
            report=self.report,
            error_code=self.error_code,
            started_at=self.started_at,
            version=version,
        )


def say_busy(live: LiveOperation) -> str:
    far = ""
    if live.done:
        far = f" ({live.done:,} of {live.total:,})" if live.total else f" ({live.done:,} so far)"
    return f"{_DEEDS[live.operation_type]} is under way{far}. Wait until it ends, or cancel it."


def bound_report(report: Mapping[str, Any], live: LiveOperation) -> dict[str, Any]:
    """The report with up to `PROBLEMS_KEPT` problems, the latest, and the count of all."""
    named = report.get("problems")
    problems = named if isinstance(named, list) else [_problem_dict(p) for p in live.problems]
    return dict(report) | {
        "problems": problems[-PROBLEMS_KEPT:],
        "problem_count": max(len(problems), live.problem_count),
    }


def _problem_dict(problem: FileProblem) -> dict[str, str]:
    return {"path": problem.path, "reason": problem.reason}


def progress_of_row(operation: Operation, version: int, *, has_writer: bool = False) -> Progress:
    """Progress of an operation this process does not run; it may be an older app's row.

    has_writer: another process writes to the library, so that what is active is alive there.
    """
    checkpoint, report = operation.checkpoint, operation.checkpoint.get("report")
    if not isinstance(report, dict):
        report = None
    named = (report or {}).get("problems") or []
    phase = checkpoint.get("phase") or ""
    last_phase = operation.metrics.get(phase)
    rate = last_phase.get("files_per_s", 0.0) if isinstance(last_phase, dict) else 0.0
    # Where nobody else writes, what is active in its row was left by a dead process.
    left = operation.status.is_active and not has_writer
    status = OperationStatus.PAUSED if left else operation.status
    return Progress(
        operation_id=operation.operation_id,
        operation_type=operation.operation_type,
        status=status.value,
        phase=phase,
        done=checkpoint.get("done") or 0,
        total=checkpoint.get("total"),
        files_per_s=rate,
        seconds_left=None,
        problems=tuple(FileProblem(p["path"], p["reason"]) for p in named[-PROBLEMS_SHOWN:]),
        problem_count=(report or {}).get("problem_count", len(named)),
        message=operation.error_message,
        report=report,
        error_code=checkpoint.get("error_code"),
        started_at=operation.started_at,
        ended_at=None if status.is_active else operation.updated_at,
        version=version,
    )
