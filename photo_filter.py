"""Which photos a view shows: what its address says, as conditions on rows of `photos`.

The words of a search are each looked for in paths and cameras, and in dates where they name a
year, a month or a day; a photo is found by all of them. They are compared with LIKE against an
index that holds all they need: 100,000 rows take 35 ms, where SQLite's FTS5 takes 50 to find half
of them and would have to be kept in step.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final, Literal, TypeAlias

from catalog import FAVORITE_RATING
from media_types import MEDIA_TYPES, Kind

LONGEST_QUERY: Final = 200
MOST_WORDS: Final = 8
RECENT_DAYS: Final = 30

ViewKind: TypeAlias = Literal["", "photo", "video"]


@dataclass(frozen=True, slots=True)
class PhotoFilter:
    """Which photos a page shows, and from which end.

    companions: also those that are shown by their leader's cell (`photo_pairs`).
    rating: this many stars or more. folder: relative to the library, with all below it.
    recent: added in the last `RECENT_DAYS` days. missing: those whose file is gone, and no others.
    query: the words of a search.
    """

    favorites: bool = False
    newest_first: bool = True
    companions: bool = False
    rating: int = 0
    kind: ViewKind = ""
    camera: str = ""
    folder: str = ""
    year: int | None = None
    undated: bool = False
    recent: bool = False
    missing: bool = False
    query: str = ""

    @property
    def is_narrowed(self) -> bool:
        """Whether it shows less than all photos, or all favorites."""
        return any(getattr(self, name) != default for name, default in _NARROWING)


_NARROWING: Final = tuple(
    (field.name, field.default)
    for field in fields(PhotoFilter)
    if field.name not in ("favorites", "newest_first", "companions")
)


@dataclass(frozen=True, slots=True)
class Condition:
    """SQL that holds for a row, and the values of its question marks."""

    sql: str
    values: tuple[str | int, ...] = ()


_LED: Final = "id NOT IN (SELECT photo_id FROM companions)"
_VIDEOS: Final = ", ".join(
    f"'{one.name}'" for one in MEDIA_TYPES.values() if one.kind == Kind.VIDEO
)


def visible(photo_filter: PhotoFilter) -> Condition:
    """What holds for the rows of `photos` that this view has a cell for."""
    parts = _narrow(photo_filter, "photos")
    if not photo_filter.companions:
        alone = len(parts) == 1 and not photo_filter.missing
        parts.append(Condition(_LED) if alone else _unled(photo_filter))
    return _join(parts)


def source(photo_filter: PhotoFilter) -> str:
    """The table that is read, by the index that answers without the rows where many are passed."""
    narrowed = photo_filter.is_narrowed and not photo_filter.missing
    return "photos INDEXED BY idx_present_search" if narrowed else "photos"


def _unled(photo_filter: PhotoFilter) -> Condition:
    """A companion stands for itself where its leader is not shown."""
    leader = _join(_narrow(photo_filter, "leader"))
    # For each photo by itself: a list of all such companions begins at the leaders.
    return Condition(
        "NOT EXISTS (SELECT 1 FROM companions CROSS JOIN photos AS leader ON leader.id = leader_id"  # noqa: S608  constants only
        f" WHERE photo_id = photos.id AND {leader.sql})",
        leader.values,
    )


def _narrow(photo_filter: PhotoFilter, table: str) -> list[Condition]:
    """The conditions on a row of `table` by itself; the first says whether it is present."""
    wanted = photo_filter
    found = [Condition(f"{table}.missing_since " + ("> ''" if wanted.missing else "IS NULL"))]
    if wanted.favorites:
        found.append(Condition(f"{table}.rating = {FAVORITE_RATING}"))
    if wanted.rating:
        found.append(Condition(f"{table}.rating >= ?", (wanted.rating,)))
    if wanted.kind:
        word = "IN" if wanted.kind == "video" else "NOT IN"
        found.append(Condition(f"{table}.file_type {word} ({_VIDEOS})"))
    if wanted.camera:
        found.append(Condition(f"{table}.camera = ?", (wanted.camera,)))
    if wanted.folder:
        # '0' is the letter behind '/'.
        bounds = (f"{wanted.folder}/", f"{wanted.folder}0")
        path = f"{table}.current_path"
        found.append(Condition(f"{path} >= ? AND {path} < ?", bounds))
    if wanted.year is not None:
        # ':' sorts behind every digit and the '-' of a month.
        year = f"{wanted.year:04}"
        date = f"{table}.date_taken"
        found.append(Condition(f"{date} >= ? AND {date} < ?", (f"{year}-", f"{year}:")))
    if wanted.undated:
        found.append(Condition(f"{table}.date_taken IS NULL"))
    if wanted.recent:
        found.append(Condition(f"{table}.added_at >= date('now', '-{RECENT_DAYS} days')"))
    return found + [_hold(word, table) for word in wanted.query.split()[:MOST_WORDS]]


def _join(parts: list[Condition]) -> Condition:
    sql = " AND ".join(part.sql for part in parts)
    return Condition(sql, tuple(value for part in parts for value in part.values))


# -- the words of a search ---------------------------------------------------------------------

_MONTHS: Final = (
    *(("january", "januar"), ("february", "februar"), ("march", "märz", "maerz")),
    *(("april",), ("may", "mai"), ("june", "juni"), ("july", "juli"), ("august",)),
    *(("september",), ("october", "oktober"), ("november",), ("december", "dezember")),
)
_SHORTEST: Final = 3  # `jan`, `okt.`
_DATE: Final = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")


def _hold(word: str, table: str) -> Condition:
    """A row that this word is said of."""
    path, camera, date = (f"{table}.{name}" for name in ("current_path", "camera", "date_taken"))
    if "/" in word:
        inside = [f"%/{spelling.strip('/')}%/%" for spelling in _spell(word)]
        return _any(Condition(f"'/' || {path} LIKE ? ESCAPE '\\'", (one,)) for one in inside)
    said = []
    if _DATE.fullmatch(word):
        said.append(Condition(f"{date} LIKE ?", (f"{word}%",)))
    if month := _find_month(word):
        said.append(Condition(f"substr({date}, 6, 2) = ?", (f"{month:02}",)))
    for spelling in _spell(word):
        for column in (camera, path):
            said.append(Condition(f"{column} LIKE ? ESCAPE '\\'", (f"%{spelling}%",)))
    return _any(said)


def _any(parts: Iterable[Condition]) -> Condition:
    known = list(parts)
    sql = " OR ".join(part.sql for part in known)
    return Condition(f"({sql})", tuple(value for part in known for value in part.values))


def _find_month(word: str) -> int | None:
    """`july`, `Jul.`, `juli` as 7."""
    start = unicodedata.normalize("NFC", word).casefold().rstrip(".")
    if len(start) < _SHORTEST:
        return None
    found = [
        number
        for number, names in enumerate(_MONTHS, 1)
        if any(name.startswith(start) for name in names)
    ]
    return found[0] if len(found) == 1 else None


def _spell(word: str) -> list[str]:
    """A word as it may stand in a path, for LIKE, which knows the case of ASCII letters alone.

    File names hold `ä` as one sign or as two, by the system that named them.
    """
    escaped = re.sub(r"([%_\\])", r"\\\1", word)
    cased = [escaped, escaped.lower(), escaped.upper(), escaped.title()]
    spelled = [unicodedata.normalize(form, one) for form in ("NFC", "NFD") for one in cased]
    if word.isascii():
        return spelled[:1]
    return list(dict.fromkeys(spelled))
