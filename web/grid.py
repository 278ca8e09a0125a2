"""The grid: months as sections of blocks, each with its exact height before it is filled."""

from __future__ import annotations

import functools
import itertools
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, jsonify, render_template, request
from flask.typing import ResponseReturnValue

import photo_listing
from catalog import UNDATED, Photo
from errors import InvalidRequestError, NotFoundError
from photo_filter import PhotoFilter
from photo_listing import Month
from web.cells import Cell, make_cells
from web.common import find_told_operation, get_library, read_number, wants_fragment
from web.date_words import month_title
from web.view_filter import read_filter

BLOCK_PHOTOS: Final = 210
"""Photos of a block: a multiple of 2, 3, 5, 7, 10, 14 and 21 columns, so that blocks of a month
meet without a gap, and few enough that a page that is looked at holds some 1,500 cells at most."""

SIZE_COOKIE: Final = "lightkeep_cells"
"""How large the cells are; the page's script sets it."""

CELLS: Final = 500
"""How many photos can be asked for by their ids at once."""

MOST_SECTIONS: Final = 4_096
"""Sections that are kept as HTML: those of a century, in some views."""

_ID_DIGITS: Final = 18  # of what SQLite takes as a number
_MONTH_KEY: Final = re.compile(r"(?!0000)[0-9]{4}-(0[1-9]|1[0-2])")

blueprint = Blueprint("grid", __name__)


@dataclass(frozen=True, slots=True)
class CellSize:
    """How large cells are shown; the columns stand in `grid.css`.

    filled: how many photos the server fills in itself: two screens of the largest monitors.
    whole: beyond this many photos one decade is shown at a time. Browsers cap an element's
        height at 11 million px on a phone, where three columns of 165 px of so many photos make
        7.7 million, and two of 220 px as much.
    """

    name: str
    filled: int
    whole: int


MEDIUM: Final = CellSize("medium", 120, 140_000)
SIZES: Final = {
    size.name: size
    for size in (CellSize("small", 300, 140_000), MEDIUM, CellSize("large", 120, 70_000))
}


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a month that is filled and emptied as one: `count` photos from `offset`."""

    month: str
    offset: int
    count: int
    cells: Sequence[Cell] | None = None

    @property
    def element(self) -> str:
        return f"b-{self.month}-{self.offset}"


@dataclass(frozen=True, slots=True)
class Section:
    """A month of the page."""

    month: Month
    blocks: Sequence[Block]

    @property
    def title(self) -> str:
        return month_title(self.month.key)

    @property
    def is_filled(self) -> bool:
        """Whether a block of it shows its photos."""
        return any(block.cells is not None for block in self.blocks)


@blueprint.get("/")
def show_grid() -> ResponseReturnValue:
    """The page: the first months filled, the others at their height."""
    library = get_library()
    photo_filter = read_filter()
    size = _read_size()
    with library.database.reading() as connection:
        months = library.listing.list_months(photo_filter)
        counts = library.listing.count_photos()
        found = sum(month.count for month in months)
        decades = _list_decades(months) if found > size.whole else []
        decade = _choose_decade(decades)
        if decade:
            months = [month for month in months if _decade(month.key) == decade]
        first = _list_first(connection, months, photo_filter, size.filled)
        listed = list(itertools.chain(*first.values()))
        cells = iter(_make_cells(connection, listed, photo_filter))
    filled = {key: list(itertools.islice(cells, len(photos))) for key, photos in first.items()}
    return render_template(
        "grid.html",
        library=library,
        counts=counts,
        found=found,
        sections=[_make_section(month, filled) for month in months],
        size=size.name,
        split_sizes=[one.name for one in SIZES.values() if found > one.whole],
        years=_group_years(months),
        decades=decades if decade else [],
        decade=decade,
        photo_filter=photo_filter,
        operation=find_told_operation(),
        last_index=library.find_last_index(),
    )


@blueprint.get("/months/<key>")
def show_month(key: str) -> ResponseReturnValue:
    """A month: one block of cells for the page's script, else a page of its own."""
    if key != UNDATED and not _MONTH_KEY.fullmatch(key):
        raise NotFoundError(f"{key!r} is no month: a month is written 2019-07, or undated.")
    library = get_library()
    photo_filter = read_filter()
    offset = read_number("offset", 0, 0, 10**9)
    limit = read_number("limit", BLOCK_PHOTOS, 1, BLOCK_PHOTOS)
    with library.database.reading() as connection:
        photos = photo_listing.list_month_photos(
            connection, key, photo_filter, offset=offset, limit=limit
        )
        cells = _make_cells(connection, photos, photo_filter)
        months = [] if wants_fragment() else library.listing.list_months(photo_filter)
        counts = None if wants_fragment() else library.listing.count_photos()
    if wants_fragment():
        return render_template("_partials/cells.html", cells=cells)
    place = next((number for number, month in enumerate(months) if month.key == key), None)
    if place is None:
        raise NotFoundError(f"There are no photos of {month_title(key)} in this view.")
    return render_template(
        "month.html",
        library=library,
        counts=counts,
        month=months[place],
        title=month_title(key),
        before=months[place - 1] if place else None,
        behind=months[place + 1] if place + 1 < len(months) else None,
        found=sum(month.count for month in months),
        cells=cells,
        size=_read_size().name,
        offset=offset,
        block=limit,
        photo_filter=photo_filter,
        operation=find_told_operation(),
        last_index=library.find_last_index(),
    )


@blueprint.get("/months")
def list_months() -> ResponseReturnValue:
    """The months of this view in page order with their counts, for the page's script."""
    months = get_library().listing.list_months(read_filter())
    return jsonify(months=[{"key": month.key, "count": month.count} for month in months])


@blueprint.get("/sections/<key>")
def show_section(key: str) -> ResponseReturnValue:
    """A month as the grid has it, its blocks empty, for the page's script; "" without photos."""
    photo_filter = read_filter()
    months = get_library().listing.list_months(photo_filter)
    month = next((month for month in months if month.key == key), None)
    if month is None:
        return ""
    return render_template(
        "_partials/section.html", section=_make_section(month, {}), photo_filter=photo_filter
    )


@blueprint.get("/cells")
def show_cells() -> ResponseReturnValue:
    """The cells of the photos that `?id=1&id=2…` names, in that order, for the page's script."""
    asked = request.args.getlist("id")
    whole = all(one.isascii() and one.isdigit() and len(one) <= _ID_DIGITS for one in asked)
    if not whole or not 1 <= len(asked) <= CELLS:
        raise InvalidRequestError(f"id is the number of a photo, 1 to {CELLS} times.")
    library = get_library()
    photo_filter = read_filter()
    with library.database.reading() as connection:
        photos = photo_listing.list_chosen(connection, [int(one) for one in asked])
        cells = _make_cells(connection, photos, photo_filter)
    return render_template("_partials/cells.html", cells=cells)


@blueprint.app_template_global()
@functools.lru_cache(maxsize=MOST_SECTIONS)
def draw_empty_section(month: Month, photo_filter: PhotoFilter, _root: str, _language: str) -> str:
    """A month of the page that the browser fills: the same HTML for the same words.

    Of 100,000 photos nearly all months are such, and drawing them anew is most of the page's time.
    """
    section = _make_section(month, {})
    return render_template("_partials/section.html", section=section, photo_filter=photo_filter)


def _read_size() -> CellSize:
    return SIZES.get(request.cookies.get(SIZE_COOKIE, ""), MEDIUM)


def _list_first(
    connection: sqlite3.Connection, months: Sequence[Month], photo_filter: PhotoFilter, most: int
) -> dict[str, list[Photo]]:
    """The photos of the blocks that the server fills itself, by month; `most` or a few more."""
    filled: dict[str, list[Photo]] = {}
    left = most
    for month in months:
        if left <= 0:
            break
        filled[month.key] = photo_listing.list_month_photos(
            connection,
            month.key,
            photo_filter,
            limit=BLOCK_PHOTOS,
        )
        left -= month.count
    return filled


def _make_cells(
    connection: sqlite3.Connection, photos: Sequence[Photo], photo_filter: PhotoFilter
) -> list[Cell]:
    """The cells of these photos, whose small pictures are drawn from now on."""
    library = get_library()
    companions = photo_listing.list_companions(connection, [photo.id for photo in photos])
    library.prepare_thumbnails(photos)
    return make_cells(photos, companions, library.find_colors(photos), photo_filter)


def _make_section(month: Month, filled: dict[str, list[Cell]]) -> Section:
    return Section(month, list(_make_blocks(month, filled.get(month.key))))


def _make_blocks(month: Month, first: Sequence[Cell] | None) -> Iterator[Block]:
    for offset in range(0, month.count, BLOCK_PHOTOS):
        count = min(BLOCK_PHOTOS, month.count - offset)
        cells = first if offset == 0 and first and len(first) == count else None
        yield Block(month.key, offset, count, cells)


def _group_years(months: Sequence[Month]) -> list[tuple[str, list[Month]]]:
    """Years with their months in page order, for the scrubber; undated stands for itself."""
    years: dict[str, list[Month]] = {}
    for month in months:
        years.setdefault(month.key[:4] if month.key != UNDATED else UNDATED, []).append(month)
    return list(years.items())


def _decade(key: str) -> str:
    return UNDATED if key == UNDATED else f"{key[:3]}0s"


def _list_decades(months: Sequence[Month]) -> list[str]:
    return list(dict.fromkeys(_decade(month.key) for month in months))


def _choose_decade(decades: Sequence[str]) -> str | None:
    """The decade asked for, else the first; None where all photos fit on one page."""
    if not decades:
        return None
    # A way back from a photo names its month; a missing photo's may not be there.
    back = _decade(request.args.get("month", ""))
    asked = request.args.get("decade", back if back in decades else decades[0])
    if asked not in decades:
        raise NotFoundError(f"There are no photos of the {asked} in this view.")
    return asked
