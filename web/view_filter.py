"""What an address says of the photos it shows, and how a page tells that in words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from flask import request

from errors import InvalidRequestError
from photo_filter import LONGEST_QUERY, RECENT_DAYS, PhotoFilter
from web.texts import gettext

LONGEST_VALUE: Final = 4096  # of a path
_FLAGS: Final = ("favorites", "undated", "recent", "missing")
_FIRST_YEAR: Final = 1
_LAST_YEAR: Final = 9999


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter of a view in words, and the query of the view without it."""

    words: str
    without: dict[str, object]


def read_filter() -> PhotoFilter:
    """Which photos, and from which end: `?q=july+canon&rating=3&order=oldest`.

    A choice or a text that is empty, as a form sends it, says nothing.
    """
    return PhotoFilter(
        newest_first=_read_word("order", ("newest", "oldest")) == "newest",
        rating=_read_whole("rating", 0, 5) or 0,
        kind=_read_word("kind", ("", "photo", "video")),
        camera=_read_text("camera", LONGEST_VALUE),
        folder=_read_text("folder", LONGEST_VALUE).strip("/"),
        year=_read_whole("year", _FIRST_YEAR, _LAST_YEAR),
        query=" ".join(_read_text("q", LONGEST_QUERY).split()),
        **{name: _read_word(name, ("0", "1")) == "1" for name in _FLAGS},
    )


def view_query(photo_filter: PhotoFilter, **more: object) -> dict[str, object]:
    """The query that shows the same photos in the same order on another page."""
    wanted = photo_filter
    query: dict[str, object] = {name: 1 for name in _FLAGS if getattr(wanted, name)}
    said = {
        "order": "" if wanted.newest_first else "oldest",
        "rating": wanted.rating,
        "kind": wanted.kind,
        "camera": wanted.camera,
        "folder": wanted.folder,
        "year": wanted.year,
        "q": wanted.query,
    }
    query |= {name: value for name, value in said.items() if value}
    return query | {key: value for key, value in more.items() if value is not None}


def other_view(photo_filter: PhotoFilter, **changes: Any) -> dict[str, object]:
    """The query of the same view but for these fields of its filter."""
    return view_query(replace(photo_filter, **changes))


def list_chips(photo_filter: PhotoFilter) -> list[Chip]:
    """The filters of a view in words, each with the way to do without it."""
    wanted = photo_filter
    words: dict[str, str] = {
        "query": f"“{wanted.query}”" if wanted.query else "",
        "favorites": gettext("Favorites") if wanted.favorites else "",
        "rating": gettext("{stars} or more", stars="★" * wanted.rating)
        if 0 < wanted.rating < 5
        else "",
        "kind": {"photo": gettext("Photos"), "video": gettext("Videos"), "": ""}[wanted.kind],
        "camera": wanted.camera,
        "folder": f"/{wanted.folder}" if wanted.folder else "",
        "year": str(wanted.year) if wanted.year is not None else "",
        "undated": gettext("Undated") if wanted.undated else "",
        "recent": gettext("Added in the last {count} days", count=RECENT_DAYS)
        if wanted.recent
        else "",
        "missing": gettext("Missing") if wanted.missing else "",
    }
    if wanted.rating == 5:
        words["rating"] = "★★★★★"
    empty = PhotoFilter()
    return [
        Chip(said, other_view(wanted, **{name: getattr(empty, name)}))
        for name, said in words.items()
        if said
    ]


def _read_text(name: str, longest: int) -> str:
    text = request.args.get(name, "").strip()
    if len(text) > longest or "\0" in text:
        raise InvalidRequestError(f"{name} is a text of at most {longest} letters.")
    return text


def _read_word(name: str, words: tuple[str, ...]) -> Any:
    """One of these words; the first where none is said."""
    said = request.args.get(name, words[0])
    if said not in words:
        raise InvalidRequestError(f"{name} is {' or '.join(filter(None, words))}.")
    return said


def _read_whole(name: str, low: int, high: int) -> int | None:
    said = request.args.get(name, "")
    if not said:
        return None
    if not (said.isascii() and said.isdigit() and len(said) <= 4 and low <= int(said) <= high):
        raise InvalidRequestError(f"{name} is a whole number from {low} to {high}.")
    return int(said)
