"""schedule_times: when something is due, over changes of the clock and of the hour."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from schedule_times import Interval, Moment

BERLIN = ZoneInfo("Europe/Berlin")
NIGHTLY = Moment(time(2, 30), BERLIN)
SUNDAYS = Moment(time(3, 30), BERLIN, weekday=6)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("now", "last", "following"),
    [
        ("2026-11-23T02:29:59", "2026-11-22T02:30", "2026-11-23T02:30"),
        ("2026-11-23T02:30:00", "2026-11-23T02:30", "2026-11-24T02:30"),
        ("2026-11-23T23:00:00", "2026-11-23T02:30", "2026-11-24T02:30"),
    ],
)
def test_a_nightly_moment_has_one_before_and_one_after(now: str, last: str, following: str) -> None:
    assert NIGHTLY.find_last(at(now)) == at(last)
    assert NIGHTLY.find_next(at(now)) == at(following)


def test_a_weekly_moment_is_on_its_day() -> None:
    monday = at("2026-11-23T12:00")
    assert SUNDAYS.find_last(monday) == at("2026-11-22T03:30")
    assert SUNDAYS.find_next(monday) == at("2026-11-29T03:30")
    sunday_before = at("2026-11-22T03:29")
    assert SUNDAYS.find_last(sunday_before) == at("2026-11-15T03:30")
    assert SUNDAYS.find_next(sunday_before) == at("2026-11-22T03:30")


def test_it_is_due_once_a_night() -> None:
    last = at("2026-11-22T02:30:10")
    assert not NIGHTLY.is_due(last, at("2026-11-23T02:29"))
    assert NIGHTLY.is_due(last, at("2026-11-23T02:30"))
    assert not NIGHTLY.is_due(at("2026-11-23T02:30:05"), at("2026-11-23T02:31"))
    assert NIGHTLY.is_due(None, at("2026-11-23T12:00"))


def test_a_laptop_that_slept_at_that_hour_does_it_when_it_wakes() -> None:
    assert NIGHTLY.is_due(at("2026-11-20T02:30:10"), at("2026-11-23T09:00"))


@pytest.mark.parametrize(
    "day",
    ["2026-03-29", "2026-10-25"],  # 02:30 does not come, and comes twice
)
def test_a_night_in_which_the_clocks_change_has_one_moment(day: str) -> None:
    now = at(f"{day}T00:00").astimezone(UTC) - timedelta(hours=12)
    last: datetime | None = now - timedelta(hours=1)
    done = 0
    for _ in range(24 * 60):
        now += timedelta(minutes=1)
        if NIGHTLY.is_due(last, now):
            done, last = done + 1, now
    assert done == 1


def test_next_is_always_after_now_and_last_never_is() -> None:
    now = at("2026-03-28T00:00").astimezone(UTC)
    for _ in range(3 * 24 * 4):
        now += timedelta(minutes=15)
        for moment in (NIGHTLY, SUNDAYS):
            last, following = moment.find_last(now), moment.find_next(now)
            assert last.timestamp() <= now.timestamp() < following.timestamp()


def test_an_interval_counts_from_its_restart() -> None:
    interval = Interval(900, since=100)
    assert interval.find_rest(100) == 900
    assert interval.find_rest(999) == 1
    assert interval.find_rest(5000) == 0
    interval.restart(5000)
    assert interval.find_rest(5001) == 899
