"""Pure: when something that is done daily, weekly or every so often is due.

Days follow the wall clock, because a person means half past two at night; "every 15 minutes"
follows a clock that nobody sets. So a wall clock that jumps can at worst bring a night's work once
more than it should, and a laptop that slept at that hour does it when it wakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Final

_DAY: Final = timedelta(days=1)
_WEEK_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of day, on every day or on one of the week (0 is Monday), where `zone` is."""

    at: time
    zone: tzinfo
    weekday: int | None = None

    def find_last(self, now: datetime) -> datetime:
        """The latest such moment that is not after `now` (aware)."""
        return self._find(now, -1)

    def find_next(self, now: datetime) -> datetime:
        """The first such moment after `now` (aware)."""
        return self._find(now, 1)

    def is_due(self, last: datetime | None, now: datetime) -> bool:
        """Whether there was such a moment since it was last done."""
        return last is None or last < self.find_last(now)

    def _find(self, now: datetime, step: int) -> datetime:
        local = now.astimezone(self.zone)
        for number in range(_WEEK_DAYS + 2):
            day = local.date() + step * number * _DAY
            # A moment that the clocks skip is an hour later; of one that comes twice, the first.
            found = datetime.combine(day, self.at, self.zone)
            fits = self.weekday is None or day.weekday() == self.weekday
            if fits and (found.timestamp() > now.timestamp()) == (step > 0):
                return found
        raise AssertionError("every week has each of its days")


@dataclass(slots=True)
class Interval:
    """Every `every_s` seconds of a clock that nobody sets, counted from `restart`."""

    every_s: float
    since: float

    def restart(self, monotonic: float) -> None:
        self.since = monotonic

    def find_rest(self, monotonic: float) -> float:
        """Seconds until it is due, 0 where it is."""
        return max(0.0, self.since + self.every_s - monotonic)
