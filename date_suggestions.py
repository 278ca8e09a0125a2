"""When an undated photo may have been taken, by its name, its folder or its neighbors."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from capture_date import LocalDate, parse_date, parse_file_name_date

_DAY_FOLDERS: Final = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)/([01]\d)/([0-3]\d)(?!\d)")
_DAY_FIRST: Final = re.compile(r"(?<!\d)([0-3]?\d)\.([01]?\d)\.(1[89]\d\d|20\d\d)(?!\d)")
_MONTH: Final = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)[-_. /]([01]\d)(?!\d)")
_YEAR: Final = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)")
_DIGITS: Final = re.compile(r"(\d+)")
_NEIGHBORS_APART: Final = timedelta(days=7)
"""Photos on both sides of an undated one that are further apart say nothing of its day."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A date, and where it comes from: `name`, `folder` or `neighbors`."""

    date: LocalDate
    source: str


class Neighbors:
    """The photos of one folder that have a date, in the order of the numbers in their names."""

    def __init__(self, dates: Mapping[str, str]) -> None:
        """dates: file name -> ISO 8601."""
        dated = sorted((natural_key(name), date) for name, date in dates.items())
        self._keys = [key for key, _ in dated]
        self._dates = [datetime.fromisoformat(date) for _, date in dated]

    def find_between(self, name: str) -> LocalDate | None:
        """Half-way between the photo before and the one after; None where those are far apart."""
        after = bisect(self._keys, natural_key(name))
        if not 0 < after < len(self._keys):
            return None
        first, last = sorted(self._dates[after - 1 : after + 1])
        if last - first > _NEIGHBORS_APART:
            return None
        return LocalDate((first + (last - first) / 2).isoformat(timespec="seconds")[:19], None)


def suggest_date(path: str, neighbors: Neighbors) -> Suggestion | None:
    """The likeliest date of an undated photo, None where nothing speaks for one.

    path: relative to the library. neighbors: of its folder. A day is said as its noon, a month
    or a year as the noon of its first.
    """
    folder, _, name = path.rpartition("/")
    between = neighbors.find_between(name)
    return next(
        (
            Suggestion(date, source)
            for source, dates in (
                ("name", _list_days(name)),
                ("folder", _list_days(folder)),
                ("neighbors", [between] if between else []),
                ("name", _list_periods(name.rpartition(".")[0])),
                ("folder", _list_periods(folder)),
            )
            for date in dates
        ),
        None,
    )


def _list_days(text: str) -> Iterator[LocalDate]:
    """The days that a name or a folder says, the innermost folder first."""
    for name in reversed(text.split("/")):
        if date := parse_file_name_date(name):
            yield LocalDate(date.text.replace("T00:00:00", "T12:00:00"), date.utc_offset)
        for match in _DAY_FIRST.finditer(name):
            yield from _make_day(match[3], match[2], match[1])
    for match in _DAY_FOLDERS.finditer(text):
        yield from _make_day(match[1], match[2], match[3])


def _list_periods(text: str) -> Iterator[LocalDate]:
    """Months, then years; what stands nearer to the photo first."""
    for match in reversed(list(_MONTH.finditer(text))):
        yield from _make_day(match[1], match[2], "1")
    for match in reversed(list(_YEAR.finditer(text))):
        yield from _make_day(match[1], "1", "1")


def _make_day(year: str, month: str, day: str) -> Iterator[LocalDate]:
    date = parse_date(f"{year}:{month:0>2}:{day:0>2} 12:00:00")
    if date:
        yield date


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts `IMG_9.jpg` before `IMG_10.jpg`."""
    return tuple(
        (1, int(part), "") if part.isdecimal() and part.isascii() else (0, 0, part.casefold())
        for part in _DIGITS.split(name)
    )
