"""Dates and times as a person reads them, in the language of the request."""

from __future__ import annotations

import functools
from datetime import date, datetime
from typing import Final

from catalog import UNDATED
from web.texts import Texts, get_texts, gettext_noop

MONTHS: Final = (
    *(gettext_noop("January"), gettext_noop("February"), gettext_noop("March")),
    *(gettext_noop("April"), gettext_noop("May"), gettext_noop("June")),
    *(gettext_noop("July"), gettext_noop("August"), gettext_noop("September")),
    *(gettext_noop("October"), gettext_noop("November"), gettext_noop("December")),
)
WEEKDAYS: Final = (
    *(gettext_noop("Monday"), gettext_noop("Tuesday"), gettext_noop("Wednesday")),
    *(gettext_noop("Thursday"), gettext_noop("Friday"), gettext_noop("Saturday")),
    gettext_noop("Sunday"),
)
_DAY: Final = gettext_noop("{weekday}, {month} {day}, {year}")
_DAY_OF_MONTH: Final = gettext_noop("{weekday} {day}")
_MONTH: Final = gettext_noop("{month} {year}")
_DATE_AND_TIME: Final = gettext_noop("{month} {day}, {year}, {time}")
_MOMENT: Final = gettext_noop("{month} {day}, {year} at {time}")
_MOMENT_OF_THIS_YEAR: Final = gettext_noop("{month} {day} at {time}")
_MOST_MONTHS: Final = 10_000


def format_day(text: str) -> str:
    """`2022-07-16…` as Saturday, July 16, 2022."""
    return _fill(_DAY, date.fromisoformat(text[:10]))


def format_day_of_month(text: str) -> str:
    """`2022-07-16` as Saturday 16."""
    return _fill(_DAY_OF_MONTH, date.fromisoformat(text[:10]))


def format_date_and_time(text: str | None) -> str:
    """`2022-07-16T18:03:22` as July 16, 2022, 18:03:22; none as no date."""
    if text is None:
        return get_texts().find(gettext_noop("no date"))
    moment = datetime.fromisoformat(text)
    return _fill(_DATE_AND_TIME, moment, f"{moment:%H:%M:%S}")


def format_moment(text: str) -> str:
    """A time in UTC as `November 22 at 22:31`, by the clock of the machine that serves."""
    try:
        moment = datetime.fromisoformat(text).astimezone()
    except ValueError:  # an older app's row
        return text
    this_year = moment.year == datetime.now().astimezone().year
    return _fill(_MOMENT_OF_THIS_YEAR if this_year else _MOMENT, moment, f"{moment:%H:%M}")


def month_title(key: str) -> str:
    """`2022-07` as July 2022."""
    return _name_month(get_texts(), key)


@functools.lru_cache(maxsize=_MOST_MONTHS)
def _name_month(texts: Texts, key: str) -> str:
    if key == UNDATED:
        return texts.find(gettext_noop("Undated"))
    values = {"month": texts.find(MONTHS[int(key[5:]) - 1]), "year": str(int(key[:4]))}
    return texts.fill(texts.find(_MONTH), values)


def _fill(shape: str, day: date, time: str = "") -> str:
    """`day` in the words of this shape. Not by `strftime`, whose names are the server's."""
    texts = get_texts()
    values = {
        "weekday": texts.find(WEEKDAYS[day.weekday()]),
        "month": texts.find(MONTHS[day.month - 1]),
        "day": str(day.day),
        "year": str(day.year),
        "time": time,
    }
    return texts.fill(texts.find(shape), values)
