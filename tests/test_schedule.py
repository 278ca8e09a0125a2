"""schedule: what is begun by itself, and when not, by a clock that the tests set."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pictures import make_jpeg

import operation_state
import schedule as schedule_room
from app import create_app
from backups import make_backup
from db import Database, open_database
from errors import BusyError, DiskFullError
from library import open_library
from operation_runner import OperationContext, OperationRunner
from operation_state import OperationStatus, OperationType
from schedule import Deed, Schedule, plan_backup
from settings import Settings, load_settings
from web.operation_words import name_planned

UPDATE_INDEX = OperationType.UPDATE_INDEX
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass
class FakeClock:
    wall: datetime = MONDAY_NOON
    running: float = 0.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.running

    def advance(self, by: timedelta) -> None:
        self.wall += by
        self.running += by.total_seconds()


@dataclass
class Box:
    """A schedule whose operations do nothing, and take as long as the test lets them."""

    database: Database
    runner: OperationRunner
    clock: FakeClock
    settings: Settings
    started: list[tuple[OperationType, dict[str, Any]]] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    failure: Exception | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    last_id: str = ""

    def make(self) -> Schedule:
        return Schedule(self.settings, self.database, self.runner, self.start, self.clock)

    def start(self, kind: OperationType, parameters: Mapping[str, Any]) -> str:
        if self.failure:
            raise self.failure

        def deed(context: OperationContext) -> dict[str, Any]:
            while not self.gate.wait(0.01):
                context.check()
            return dict(self.report)

        self.last_id = self.runner.start(kind, deed, parameters)
        self.date(self.last_id, self.clock.wall)
        self.started.append((kind, dict(parameters)))
        if self.gate.is_set():
            self.runner.wait(self.last_id, timeout=10)
        return self.last_id

    def date(self, operation_id: str, moment: datetime) -> None:
        """Have the row say that it was started at this time of the fake clock."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE operation_state SET started_at = ? WHERE operation_id = ?",
                (moment.isoformat(timespec="microseconds"), operation_id),
            )

    def count_rows(self) -> int:
        with self.database.reading() as connection:
            return len(operation_state.list_operations(connection, 1000))

    def look_for(self, duration: timedelta, schedule: Schedule) -> list[Deed]:
        """What a look every minute of the time to come began."""
        ends, begun = self.clock.wall + duration, []
        while self.clock.wall < ends:
            self.clock.advance(MINUTE)
            deed = schedule.look()
            begun += [deed] if deed else []
        return begun


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    database = open_database(tmp_path / "photo_library.db")
    settings = replace(load_settings(tmp_path, environment={}), time_zone=ZoneInfo("UTC"))
    box = Box(database, OperationRunner(database), FakeClock(), settings)
    box.gate.set()
    # What a library has behind it that was served yesterday.
    box.start(UPDATE_INDEX, {"accept_missing": False})
    box.start(OperationType.VERIFY_LIBRARY, {"budget_s": 60})
    box.started.clear()
    yield box
    box.gate.set()
    box.runner.close()
    database.close()


def test_a_day_has_a_quick_index_every_quarter_of_an_hour_and_one_whole_one(box: Box) -> None:
    begun = box.look_for(DAY, box.make())
    assert begun.count(Deed.FULL_INDEX) == 1
    assert begun.count(Deed.QUICK_INDEX) in (94, 95, 96)
    assert Deed.VERIFY not in begun
    whole = [parameters for _, parameters in box.started if "quick" not in parameters]
    assert whole == [{"accept_missing": False}]


def test_a_week_has_one_slice_of_verify_with_its_budget(box: Box) -> None:
    box.settings = replace(box.settings, index_every_min=0, verify_weekly_min=30)
    begun = box.look_for(7 * DAY, box.make())
    assert begun.count(Deed.VERIFY) == 1
    assert begun.count(Deed.FULL_INDEX) == 7
    assert (OperationType.VERIFY_LIBRARY, {"budget_s": 1800}) in box.started


def test_a_library_that_is_new_is_not_verified_at_once_but_at_the_end_of_its_week(
    tmp_path: Path,
) -> None:
    database = open_database(tmp_path / "new.db")
    settings = replace(load_settings(tmp_path, environment={}), time_zone=ZoneInfo("UTC"))
    settings = replace(settings, index_every_min=0, full_index_at=None)
    box = Box(database, OperationRunner(database), FakeClock(), settings)
    box.gate.set()
    try:
        box.start(UPDATE_INDEX, {"accept_missing": False})
        schedule = box.make()
        verify = schedule.describe()[-1]
        sunday = datetime(2026, 11, 29, 3, 30, tzinfo=UTC)
        assert (verify.last, verify.next) == (None, sunday)
        assert box.look_for(5 * DAY, schedule) == []
        assert box.look_for(DAY, schedule) == [Deed.VERIFY]
    finally:
        box.runner.close()
        database.close()


def test_everything_can_be_switched_off(box: Box) -> None:
    box.settings = replace(box.settings, index_every_min=0, full_index_at=None, verify_weekly_min=0)
    schedule = box.make()
    assert box.look_for(8 * DAY, schedule) == []
    assert [one.next for one in schedule.describe()] == [None, None, None]


def test_nothing_begins_beside_other_work_and_it_begins_afterwards(box: Box) -> None:
    schedule = box.make()
    box.gate.clear()
    for kind in (OperationType.REBUILD_DATABASE, OperationType.RATE_PHOTOS):
        box.gate.clear()
        running = box.start(kind, {})
        box.clock.advance(HOUR)
        assert schedule.look() is None
        box.gate.set()
        box.runner.wait(running, timeout=10)
        assert schedule.look() == Deed.QUICK_INDEX


def test_an_index_of_a_person_counts_for_the_quarter_of_an_hour(box: Box) -> None:
    schedule = box.make()
    box.clock.advance(10 * MINUTE)
    box.gate.clear()
    running = box.start(UPDATE_INDEX, {})
    assert schedule.look() is None
    box.gate.set()
    box.runner.wait(running, timeout=10)
    assert box.look_for(14 * MINUTE, schedule) == []
    assert box.look_for(2 * MINUTE, schedule) == [Deed.QUICK_INDEX]


def test_a_laptop_that_slept_over_the_night_does_one_whole_index_when_it_wakes(box: Box) -> None:
    schedule = box.make()
    box.clock.wall += 3 * DAY  # asleep, its monotonic clock stood still
    assert schedule.look() == Deed.FULL_INDEX
    assert box.look_for(10 * MINUTE, schedule) == []


def test_a_clock_that_was_in_the_future_brings_neither_a_storm_nor_a_standstill(box: Box) -> None:
    schedule = box.make()
    box.clock.wall += 5000 * DAY
    assert box.look_for(2 * MINUTE, schedule) == [Deed.FULL_INDEX, Deed.VERIFY]
    box.clock.wall -= 5000 * DAY
    begun = box.look_for(2 * DAY, schedule)
    assert 2 <= begun.count(Deed.FULL_INDEX) <= 3
    assert begun.count(Deed.VERIFY) <= 1


def test_a_clock_that_is_set_back_an_hour_does_not_stop_the_quick_index(box: Box) -> None:
    schedule = box.make()
    box.clock.wall -= HOUR
    assert box.look_for(16 * MINUTE, schedule).count(Deed.QUICK_INDEX) == 1


def test_many_looks_that_found_nothing_leave_one_row(box: Box) -> None:
    box.settings = replace(box.settings, full_index_at=None, verify_weekly_min=0)
    box.report = {"added": 0, "changed": 0, "moved": 0, "missing": 0, "problems": []}
    before = box.count_rows()
    box.look_for(5 * HOUR, box.make())
    assert len(box.started) == 20
    assert box.count_rows() == before + 1


@pytest.mark.parametrize("report", [{"added": 1}, {"problems": [{"path": "a", "reason": "b"}]}])
def test_a_look_that_found_something_keeps_its_row(box: Box, report: dict[str, Any]) -> None:
    box.settings = replace(box.settings, full_index_at=None, verify_weekly_min=0)
    box.report = report
    before = box.count_rows()
    box.look_for(HOUR, box.make())
    assert box.count_rows() == before + 4


def test_what_was_interrupted_is_left_to_the_person_for_a_day(box: Box) -> None:
    box.gate.clear()
    interrupted = box.start(OperationType.REBUILD_DATABASE, {})
    box.runner.pause(interrupted)
    box.runner.wait(interrupted, timeout=10)
    box.gate.set()
    box.clock.advance(-(MONDAY_NOON - box.clock.wall))
    schedule = box.make()
    assert box.look_for(23 * HOUR, schedule) == []
    begun = box.look_for(2 * HOUR, schedule)
    assert begun[0] == Deed.FULL_INDEX


def test_a_try_that_failed_is_not_repeated_every_half_minute(box: Box) -> None:
    box.settings = replace(box.settings, index_every_min=0)
    schedule = box.make()
    box.clock.wall = MONDAY_NOON + DAY
    box.failure = DiskFullError("The disk is full.")
    with pytest.raises(DiskFullError):
        schedule.look()
    box.failure = None
    assert box.look_for(6 * HOUR, schedule) == []
    assert box.look_for(12 * HOUR, schedule) == [Deed.FULL_INDEX]


def test_a_library_that_is_closing_is_not_woken_and_the_try_does_not_count(box: Box) -> None:
    schedule = box.make()
    box.clock.advance(DAY)
    box.failure = BusyError("Lightkeep is closing the library and starts nothing more.")
    assert schedule.look() is None
    box.failure = None
    assert schedule.look() == Deed.FULL_INDEX


def test_closing_ends_what_was_begun_by_itself_for_good(box: Box) -> None:
    schedule = box.make()
    box.gate.clear()
    box.clock.advance(20 * MINUTE)
    assert schedule.look() == Deed.QUICK_INDEX
    schedule.close()
    assert box.runner.wait(box.last_id, timeout=10).status == OperationStatus.CANCELLED
    assert box.runner.list_interrupted() == []


def test_closing_leaves_to_the_runner_what_a_person_began(box: Box) -> None:
    schedule = box.make()
    box.gate.clear()
    mine = box.start(OperationType.REBUILD_DATABASE, {})
    schedule.close()
    progress = box.runner.current()
    assert progress is not None
    assert progress.operation_id == mine


def test_it_looks_by_itself_until_it_is_closed_and_says_what_failed(
    box: Box, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(schedule_room, "LOOK_EVERY_S", 0.01)
    box.failure = DiskFullError("The disk is full.")
    schedule = box.make()
    box.clock.advance(20 * MINUTE)
    schedule.begin()
    wait_for(lambda: "The disk is full." in caplog.text)
    box.failure = None
    box.clock.advance(20 * MINUTE)
    wait_for(lambda: box.started)
    schedule.close()
    count = len(box.started)
    box.clock.advance(DAY)
    time.sleep(0.1)
    assert len(box.started) == count


def wait_for(condition: Callable[[], object]) -> None:
    ends = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


# -- what a person is told ----------------------------------------------------------------------


def test_a_person_is_told_last_and_next(box: Box) -> None:
    schedule = box.make()
    box.clock.advance(5 * MINUTE)
    quick, whole, verify = schedule.describe()
    assert (quick.every, quick.last) == (900, None)
    assert quick.next == MONDAY_NOON + 15 * MINUTE
    assert (whole.last, whole.next) == (MONDAY_NOON, datetime(2026, 11, 24, 2, 30, tzinfo=UTC))
    assert (verify.last, verify.next) == (MONDAY_NOON, datetime(2026, 11, 29, 3, 30, tzinfo=UTC))


def test_what_is_due_is_told_for_now(box: Box) -> None:
    schedule = box.make()
    box.clock.advance(DAY)
    assert [one.next == box.clock.wall for one in schedule.describe()] == [True, True, False]


def test_the_backup_is_told_beside_them(tmp_path: Path) -> None:
    open_database(tmp_path / "photo_library.db").close()
    folder = tmp_path / "backups"
    assert plan_backup(folder, wanted=False).next is None
    none_yet = plan_backup(folder, wanted=True)
    assert none_yet.last is None
    assert none_yet.next is not None
    assert none_yet.next <= datetime.now(UTC)
    made = make_backup(tmp_path / "photo_library.db", folder, "daily")
    planned = plan_backup(folder, wanted=True)
    assert planned.last == made.made_at
    assert planned.next is not None
    assert planned.next > datetime.now(UTC)


def test_the_page_of_operations_shows_all_of_it(tmp_path: Path, home: Path) -> None:
    make_jpeg(tmp_path / "photos/a.jpg", 1)
    library = open_library(load_settings(tmp_path / "photos"))
    try:
        app = create_app(library=library)
        assert "By itself" not in app.test_client().get("/operations").text
        library.begin_schedule()
        page = app.test_client().get("/operations").text
        assert [name_planned(one) for one in library.list_planned()] == [
            "Look for changed folders, every 15 minutes",
            "Update of the whole index, every day",
            "Verification of some files, every week",
            "Backup of the database, every day",
        ]
    finally:
        library.close()
    assert "Verification of some files, every week" in page


def test_a_library_without_daily_backups_makes_none(tmp_path: Path, home: Path) -> None:
    (tmp_path / ".library").mkdir()
    (tmp_path / ".library" / "settings.toml").write_text("daily_backup = false\n")
    make_jpeg(tmp_path / "a.jpg", 1)
    for _ in range(2):
        library = open_library(load_settings(tmp_path))
        library.runner.wait(library.start_update_index(), timeout=60)
        library.close()
    assert not list((tmp_path / ".library").glob("backups/*.db"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('full_index_at = "25:00"', "02:30, or off"),
        ("full_index_at = 2", "wrong kind"),
        ("index_every_min = -1", "from 0 to"),
        ("verify_weekly_min = 2000", "from 0 to 1440"),
        ("daily_backup = 1", "wrong kind"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / ".library").mkdir()
    (tmp_path / ".library" / "settings.toml").write_text(line)
    with pytest.raises(Exception, match=told):
        load_settings(tmp_path)


def test_a_schedule_is_read_from_the_settings(tmp_path: Path) -> None:
    (tmp_path / ".library").mkdir()
    (tmp_path / ".library" / "settings.toml").write_text(
        'index_every_min = 0\nfull_index_at = "off"\nverify_weekly_min = 0\ndaily_backup = false\n'
    )
    chosen = load_settings(tmp_path)
    assert (chosen.index_every_min, chosen.full_index_at) == (0, None)
    assert (chosen.verify_weekly_min, chosen.daily_backup) == (0, False)
