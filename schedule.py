"""What a server does by itself: a quick index now and then, a whole one each night, a slice of
Verify each week. The daily backup has a thread of its own (`daily_backup`).

One look every half minute starts at most one thing, and only while nothing else runs; what is
due meanwhile waits. Each try counts, also one that failed: the next is that of the next day.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol

import operation_state
from backups import is_due, list_backups
from db import Database
from errors import BusyError, LibraryError
from operation_runner import OperationRunner
from operation_state import Operation, OperationStatus, OperationType
from schedule_times import Interval, Moment
from settings import DEFAULT_FULL_INDEX_AT, Settings

LOOK_EVERY_S: Final = 30.0
ASK_FIRST_S: Final = 86_400.0
"""How long what was interrupted is left to a person before work begins beside it."""
VERIFY_WEEKDAY: Final = 6
"""Sunday; an hour after the whole index of the night."""
_KNOWN_OPERATIONS: Final = 1000
_FOUND: Final = ("added", "changed", "moved", "missing", "problems")

logger = logging.getLogger(__name__)


class Deed(StrEnum):
    """What is done by itself."""

    QUICK_INDEX = "quick_index"
    FULL_INDEX = "full_index"
    VERIFY = "verify"
    BACKUP = "backup"


@dataclass(frozen=True, slots=True)
class Planned:
    """One of them, for a person: how often, and when it was begun last and will be next.

    every: seconds between two, None for off. last, next: aware; None where there is none. A next
    that is not after now waits for what runs.
    """

    deed: Deed
    every: float | None
    last: datetime | None
    next: datetime | None


class Clock(Protocol):
    """Both clocks: the wall's, which may jump, and one that only goes on."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """Those of this machine. Its monotonic one stands still while a laptop sleeps."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class Schedule:
    """Starts by itself what the settings say, until `close`.

    start: starts an operation with its parameters, as `Library.start_operation`.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        runner: OperationRunner,
        start: Callable[[OperationType, Mapping[str, Any]], str],
        clock: Clock | None = None,
    ) -> None:
        self._database = database
        self._runner = runner
        self._start = start
        self._clock = clock or SystemClock()
        began = self._clock.monotonic()
        self._ask_first_until = began + ASK_FIRST_S
        self._quick = _make_interval(settings, began)
        self._moments = _make_moments(settings)
        self._budget_s = settings.verify_weekly_min * 60
        self._own: str | None = None
        """The operation that was started last, for as long as nobody else started it anew."""
        self._own_quick: str | None = None
        self._tried: dict[Deed, datetime] = {}
        self._turn = threading.RLock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schedule", daemon=True)

    def begin(self) -> None:
        """Look every half minute, in a thread."""
        self._thread.start()

    def follow(self, settings: Settings) -> None:
        """From now on do what these settings say; what runs goes on."""
        with self._turn:
            since = self._quick.since if self._quick else self._clock.monotonic()
            self._quick = _make_interval(settings, since)
            self._moments = _make_moments(settings)
            self._budget_s = settings.verify_weekly_min * 60

    def close(self) -> None:
        """Start nothing more, and end what was started by itself: the next night does it again."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join()
        running = self._runner.current()
        if running and running.operation_id == self._own:
            self._runner.cancel(running.operation_id)

    def _run(self) -> None:
        while not self._closed.wait(LOOK_EVERY_S):
            # What fails now may go well later: a full disk, a database that is locked.
            try:
                self.look()
            except (LibraryError, OSError, sqlite3.Error) as error:
                logger.warning("What is scheduled could not be started: %s", error)

    def look(self) -> Deed | None:
        """Start what is due, if anything is and nothing else runs; what it was."""
        with self._turn:
            return self._look()

    def _look(self) -> Deed | None:
        running = self._runner.current()
        if running or self._runner.current(edits=True):
            if self._quick and running and running.operation_type == OperationType.UPDATE_INDEX:
                self._quick.restart(self._clock.monotonic())
            return None
        due = self._find_due()
        if due is None or self._leaves_to_person():
            return None
        self._tried[due] = self._clock.now()
        if self._quick and due is not Deed.VERIFY:
            self._quick.restart(self._clock.monotonic())
        try:
            self._begin(due)
        except BusyError:
            # Somebody was quicker, or the library is being closed.
            self._tried.pop(due)
            return None
        return due

    def _find_due(self) -> Deed | None:
        now = self._clock.now()
        for deed, moment in self._moments.items():
            if moment.is_due(self._find_last(deed) or self._find_beginning(deed), now):
                return deed
        rest = self._quick.find_rest(self._clock.monotonic()) if self._quick else 1.0
        return None if rest else Deed.QUICK_INDEX

    def _leaves_to_person(self) -> bool:
        """Whether something was interrupted, and a person is to say first what becomes of it."""
        if self._clock.monotonic() >= self._ask_first_until:
            return False
        return bool(self._runner.list_interrupted())

    def _begin(self, deed: Deed) -> None:
        if deed is Deed.VERIFY:
            self._own = self._start(OperationType.VERIFY_LIBRARY, {"budget_s": self._budget_s})
            return
        if deed is Deed.FULL_INDEX:
            self._own = self._start(OperationType.UPDATE_INDEX, {"accept_missing": False})
            return
        before = self._own_quick
        parameters = {"accept_missing": False, "quick": True}
        self._own = self._own_quick = self._start(OperationType.UPDATE_INDEX, parameters)
        if before:
            self._forget_if_uneventful(before)

    def _forget_if_uneventful(self, operation_id: str) -> None:
        """Of a hundred looks a day that found nothing, only the last one is worth a row."""
        with self._database.transaction() as connection:
            operation = operation_state.get_operation(connection, operation_id)
            report = operation.checkpoint.get("report") or {}
            found = any(report.get(key) for key in _FOUND)
            completed = operation.status == OperationStatus.COMPLETED and not found
            if completed or operation.status == OperationStatus.FAILED:
                operation_state.forget(connection, operation_id)

    # -- what a person is told ---------------------------------------------------------------------

    def describe(self) -> list[Planned]:
        """What is done by itself, and when; of the indices and Verify."""
        with self._turn:
            return self._describe()

    def _describe(self) -> list[Planned]:
        now = self._clock.now()
        quick_next = quick_every = None
        if self._quick:
            rest = self._quick.find_rest(self._clock.monotonic())
            quick_next, quick_every = now + timedelta(seconds=rest), self._quick.every_s
        last = self._find_last(Deed.QUICK_INDEX)
        planned = [Planned(Deed.QUICK_INDEX, quick_every, last, quick_next)]
        for deed, every in ((Deed.FULL_INDEX, 86_400.0), (Deed.VERIFY, 7 * 86_400.0)):
            last, moment = self._find_last(deed), self._moments.get(deed)
            if moment is None:
                planned.append(Planned(deed, None, last, None))
            else:
                is_due = moment.is_due(last or self._find_beginning(deed), now)
                following = now if is_due else moment.find_next(now)
                planned.append(Planned(deed, every, last, following))
        return planned

    def _find_last(self, deed: Deed) -> datetime | None:
        """When it was begun last, by whomever; not in a future that a wrong clock told."""
        now = self._clock.now()

        def is_meant(operation: Operation) -> bool:
            if datetime.fromisoformat(operation.started_at) > now:
                return False
            is_quick = bool(operation.parameters.get("quick"))
            return deed is Deed.VERIFY or is_quick is (deed is Deed.QUICK_INDEX)

        kind = OperationType.UPDATE_INDEX
        if deed is Deed.VERIFY:
            kind = OperationType.VERIFY_LIBRARY
        with self._database.reading() as connection:
            begun = operation_state.find_last_started(connection, kind, is_meant)
        # One that could not even be given a row counts as well.
        tried = self._tried.get(deed)
        found = [datetime.fromisoformat(begun)] if begun else []
        found += [tried] if tried and tried <= now else []
        return max(found, default=None)

    def _find_beginning(self, deed: Deed) -> datetime | None:
        """What counts for Verify where there was none: a library that is new was just read."""
        if deed is not Deed.VERIFY:
            return None
        now = self._clock.now()
        with self._database.reading() as connection:
            known = operation_state.list_operations(connection, _KNOWN_OPERATIONS)
        begun = [datetime.fromisoformat(one.started_at) for one in known]
        return min((one for one in begun if one <= now), default=None)


def _make_interval(settings: Settings, since: float) -> Interval | None:
    every_s = settings.index_every_min * 60
    return Interval(every_s, since) if every_s else None


def _make_moments(settings: Settings) -> dict[Deed, Moment]:
    """The deeds of nights, the shorter one first."""
    moments: dict[Deed, Moment] = {}
    at = settings.full_index_at
    if at:
        moments[Deed.FULL_INDEX] = Moment(at, settings.time_zone)
    if settings.verify_weekly_min:
        before = at or DEFAULT_FULL_INDEX_AT
        verify_at = before.replace(hour=(before.hour + 1) % 24)
        moments[Deed.VERIFY] = Moment(verify_at, settings.time_zone, VERIFY_WEEKDAY)
    return moments


def plan_backup(backups_dir: Path, *, wanted: bool) -> Planned:
    """The daily backup, which is made within an hour of the first moment of a day in UTC."""
    now = datetime.now(UTC)
    last = max((one.made_at for one in list_backups(backups_dir)), default=None)
    if not wanted:
        return Planned(Deed.BACKUP, None, last, None)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    following = now if is_due(backups_dir, now) else midnight
    return Planned(Deed.BACKUP, 86_400.0, last, following)
