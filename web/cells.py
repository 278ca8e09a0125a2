"""What a cell of the grid says of its photo, in the words and with the addresses of a request.

A page has hundreds of them: what is the same in all is made once, and the template only prints.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import request, url_for

from catalog import Photo
from media_types import Kind, kind_of
from photo_filter import PhotoFilter
from web.photos import describe_star, format_clock, is_drawn, name_format, picture_version
from web.texts import gettext
from web.view_filter import view_query


@dataclass(frozen=True, slots=True)
class Cell:
    """A photo in the grid.

    day: `2019-07-16`; "" for one without a date. label: what a screen reader says. colors: of its
    picture, as CSS; "" where they are not known. picture: the address of the small one, "" where
    none is drawn. marks: small words in the corner. select, star: what their buttons are called.
    star_title: what the star says more.
    """

    id: int
    address: str
    day: str
    label: str
    colors: str
    name: str
    format: str
    picture: str
    marks: Sequence[str]
    select: str
    rating: int
    pressed: str
    star: str
    star_title: str


def make_cells(
    photos: Iterable[Photo],
    companions: Mapping[int, Sequence[Photo]],
    colors: Mapping[int, str],
    photo_filter: PhotoFilter,
) -> list[Cell]:
    """The cells of these photos, in this order; companions and colors by the photo's id."""
    root, suffix = request.script_root, _view_suffix(photo_filter)
    select, star = gettext("Select {name}"), gettext("Favorite: {name}")
    undated, favorite, missing = gettext("without a date"), gettext("favorite"), gettext("missing")

    def make(photo: Photo) -> Cell:
        others, name, taken = (
            companions.get(photo.id, ()),
            photo.original_filename,
            photo.date_taken,
        )
        said = [_name_kind(photo, others), taken[:16].replace("T", " ") if taken else undated]
        said += [favorite, name] if photo.favorited else [name]
        return Cell(
            id=photo.id,
            address=f"{root}/photo/{photo.id}{suffix}",
            day=taken[:10] if taken else "",
            label=", ".join(said),
            colors=_make_gradient(colors[photo.id]) if photo.id in colors else "",
            name=name,
            format=missing if photo.missing_since else name_format(photo),
            picture=_thumbnail_address(photo, root) if _shows_picture(photo) else "",
            marks=_list_marks(photo, others),
            select=select.replace("{name}", name),
            rating=photo.rating or 0,
            pressed="true" if photo.favorited else "false",
            star=star.replace("{name}", name),
            star_title=describe_star(photo),
        )

    return [make(photo) for photo in photos]


@functools.lru_cache
def _view_suffix(photo_filter: PhotoFilter) -> str:
    """What the address of a photo's page ends in, in this view."""
    query: dict[str, Any] = view_query(photo_filter)
    return "".join(url_for("photos.show_photo", photo_id=0, **query).partition("?")[1:])


def _make_gradient(colors: str) -> str:
    """The colors of a picture (`picture_colors`) as CSS."""
    return f"linear-gradient(#{colors[:6]},#{colors[6:12]},#{colors[12:18]})"


def _shows_picture(photo: Photo) -> bool:
    return not photo.missing_since and is_drawn(photo)


def _thumbnail_address(photo: Photo, root: str) -> str:
    """The address of its picture in the grid, as `url_for` makes it in five times the time; as long
    as this is the same, so is the picture."""
    return f"{root}/api/photo/{photo.id}/thumbnail?v={picture_version(photo)}"


def _name_kind(photo: Photo, companions: Sequence[Photo]) -> str:
    """What a screen reader calls a cell."""
    kind = kind_of(photo.file_type)
    if kind == Kind.VIDEO:
        if not photo.duration_s:
            return gettext("Video")
        return gettext("Video of {duration}", duration=format_clock(photo.duration_s))
    if companions and any(kind_of(other.file_type) == Kind.VIDEO for other in companions):
        return gettext("Live photo")
    return gettext("RAW photo") if kind == Kind.RAW else gettext("Photo")


def _list_marks(photo: Photo, companions: Sequence[Photo]) -> list[str]:
    """The small words in a cell's corner: a film's length, Live, RAW."""
    kind = kind_of(photo.file_type)
    if kind == Kind.VIDEO:
        return ["▶ " + format_clock(photo.duration_s) if photo.duration_s else "▶"]
    if kind == Kind.RAW:
        return ["RAW"]
    kinds = {kind_of(other.file_type) for other in companions}
    words = {Kind.VIDEO: "Live", Kind.RAW: f"RAW + {photo.file_type.upper()}"}
    return [word for kind, word in words.items() if kind in kinds]
