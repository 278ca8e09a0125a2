"""One photo: its page, its facts as JSON, its pictures."""

from __future__ import annotations

import re
from typing import Final

from flask import Blueprint, Response, jsonify, render_template, request, send_file
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestedRangeNotSatisfiable

import catalog
import photo_listing
from catalog import FAVORITE_RATING, Photo
from errors import NotFoundError
from media_types import MEDIA_TYPES, Kind, kind_of, media_type_of
from thumbnails import GRID_PX, VIEW_PX
from web.api_contract import Answer, promise, refuse
from web.api_models import (
    LARGEST_ID,
    FileQuery,
    PhotoAnswer,
    PhotosAnswer,
    PhotosQuery,
    VersionQuery,
)
from web.common import get_library, wants_fragment
from web.texts import gettext, gettext_noop, ngettext
from web.view_filter import read_filter

_IMMUTABLE: Final = "private, max-age=31536000, immutable"
_REVALIDATE: Final = "private, no-cache"
_TAG: Final = "Photos"
_CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x1f\x7f]")

blueprint = Blueprint("photos", __name__)

_CONDITIONS: Final = {
    "Range": "A part of it alone: `bytes=0-1023`.",
    "If-None-Match": "An `ETag` that is there already.",
}


def _sent(*media_types: str) -> dict[int, Answer]:
    return {
        200: Answer("All of it.", None, media_types),
        206: Answer("The part that `Range` asked for.", None, media_types),
        304: Answer("The one that is there already is still right."),
        412: Answer("`If-Match` or `If-Unmodified-Since` does not hold."),
    }


_SMALL: Final = _sent("image/webp") | refuse(404, 409, 416, 422, 507)
_FILE: Final = _sent(*sorted({one.mime for one in MEDIA_TYPES.values()})) | refuse(404, 416)

DATE_SOURCES: Final = {
    "exif": (
        gettext_noop("EXIF"),
        gettext_noop("The date is the camera's own, from the photo's EXIF."),
    ),
    "xmp": (gettext_noop("XMP"), gettext_noop("The date stands in the photo's XMP.")),
    "quicktime": (gettext_noop("QuickTime"), gettext_noop("The date stands in the video itself.")),
    "sidecar": (
        gettext_noop("Sidecar"),
        gettext_noop("The date stands in the sidecar beside the photo."),
    ),
    "filename": (
        gettext_noop("File name"),
        gettext_noop("The photo holds no date; its file name does."),
    ),
    "none": (
        gettext_noop("No date"),
        gettext_noop("Neither the photo nor its name says when it was taken."),
    ),
}
KEPT_IN: Final = {
    "file": gettext_noop("kept in the file"),
    "sidecar": gettext_noop("kept in the sidecar"),
    "beside": gettext_noop("kept beside the library"),
    "database": gettext_noop("kept in the database only"),
}


def picture_version(photo: Photo) -> str:
    """The part of a picture's address that changes with the picture and its orientation."""
    return f"{photo.media_hash[-16:]}-{photo.orientation}"


def is_drawn(photo: Photo) -> bool:
    """Whether there is a decoder for its format; a card stands for the others."""
    media_type = media_type_of(photo.file_type)
    return bool(media_type.decoder) or media_type.kind == Kind.RAW


def name_format(photo: Photo) -> str:
    """`Video · MP4`, `RAW · NEF`, `JPEG`."""
    before = {Kind.VIDEO: "Video · ", Kind.RAW: "RAW · "}.get(kind_of(photo.file_type), "")
    return before + photo.file_type.upper()


def describe_star(photo: Photo) -> str:
    """What the star of a cell says more: the rating, where it is kept if not in the file, and
    what a press does."""
    press = (
        gettext("Remove from favorites (f)") if photo.favorited else gettext("Add to favorites (f)")
    )
    if photo.rating is None or photo.rating == 0:
        return press
    kept = name_kept(photo.kept_in)
    said = "" if photo.favorited and not kept else name_rating(photo.rating)
    words = ", ".join(part for part in (said, kept) if part)
    return f"{words}. {press}" if words else press


def name_rating(rating: int | None) -> str:
    """`Favorite`, `4 stars`, `No rating`, `Rejected`."""
    if not rating:
        return gettext("No rating")
    if rating == FAVORITE_RATING:
        return gettext("Favorite")
    if rating < 0:
        return gettext("Rejected")
    return ngettext("{count} star", "{count} stars", rating)


def name_kept(kept_in: str | None) -> str:
    """Where a rating is kept, in words; empty where there is none or in the file itself."""
    return gettext(KEPT_IN[kept_in]) if kept_in and kept_in != "file" else ""


def format_clock(seconds: float) -> str:
    """`0:14`, `1:02:03`; what is shorter than a second counts as one."""
    minutes, rest = divmod(max(1, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _find(photo_id: int) -> Photo:
    with get_library().database.reading() as connection:
        return catalog.get_photo(connection, min(photo_id, LARGEST_ID))


@blueprint.get("/photo/<int:photo_id>")
def show_photo(photo_id: int) -> ResponseReturnValue:
    """The page of a photo; the same markup, alone, for the viewer."""
    library = get_library()
    photo_filter = read_filter()
    with library.database.reading() as connection:
        photo = catalog.get_photo(connection, min(photo_id, LARGEST_ID))
        before, behind = photo_listing.find_neighbors(connection, photo, photo_filter)
        companions = photo_listing.list_companions(connection, [photo.id]).get(photo.id, [])
        leader = photo_listing.find_leader(connection, photo.id)
        around = [
            catalog.get_photo(connection, neighbor) for neighbor in (before, behind) if neighbor
        ]
    library.prepare_thumbnails(around)
    return render_template(
        "_partials/viewer.html" if wants_fragment() else "photo.html",
        library=library,
        photo=photo,
        before=before,
        behind=behind,
        # The pictures of the neighbors that can be drawn, which are wanted next.
        ahead={
            one.id: picture_version(one)
            for one in around
            if is_drawn(one) and not one.missing_since
        },
        date_source=[gettext(words) for words in DATE_SOURCES[photo.date_source]],
        kept_in=gettext(KEPT_IN[photo.kept_in]) if photo.kept_in else None,
        media_type=media_type_of(photo.file_type),
        companions=companions,
        leader=leader,
        photo_filter=photo_filter,
    )


@blueprint.get("/photo/<int:photo_id>/facts")
def show_facts(photo_id: int) -> ResponseReturnValue:
    """All that is known of a photo, and where it stands; read from its file now."""
    library = get_library()
    photo = _find(photo_id)
    trouble = None
    try:
        facts = library.read_facts(photo)
    except NotFoundError as error:
        facts, trouble = None, error.message
    return render_template(
        "_partials/facts.html" if wants_fragment() else "facts.html",
        library=library,
        photo=photo,
        facts=facts,
        trouble=trouble,
        photo_filter=read_filter(),
    )


@blueprint.get("/api/photos")
@promise(_TAG, {200: Answer("One page of photos.", PhotosAnswer)}, query=PhotosQuery)
def list_photos(query: PhotosQuery) -> ResponseReturnValue:
    """Photos in the order of the grid, page by page: `next_cursor` leads on.

    Those whose files are not there now are left out.
    """
    with get_library().database.reading() as connection:
        page = photo_listing.list_photos(
            connection,
            cursor=query.cursor,
            limit=query.limit,
            photo_filter=query.photo_filter,
        )
    photos = [catalog.describe_photo(photo) for photo in page.photos]
    return jsonify(photos=photos, next_cursor=page.next_cursor)


@blueprint.get("/api/photo/<int:photo_id>")
@promise(_TAG, {200: Answer("The photo.", PhotoAnswer)} | refuse(404))
def describe_photo(photo_id: int) -> ResponseReturnValue:
    """One photo, a missing one too."""
    return jsonify(catalog.describe_photo(_find(photo_id)))


@blueprint.get("/api/photo/<int:photo_id>/thumbnail")
@promise(_TAG, _SMALL, query=VersionQuery, request_headers=_CONDITIONS)
def send_thumbnail(photo_id: int, query: VersionQuery) -> ResponseReturnValue:
    """The picture of the grid, WebP."""
    return _send_small(photo_id, GRID_PX, query.v)


@blueprint.get("/api/photo/<int:photo_id>/preview")
@promise(_TAG, _SMALL, query=VersionQuery, request_headers=_CONDITIONS)
def send_preview(photo_id: int, query: VersionQuery) -> ResponseReturnValue:
    """The picture of the viewer, WebP, at most 1600 px."""
    return _send_small(photo_id, VIEW_PX, query.v)


def _send_small(photo_id: int, size: int, asked_version: str | None) -> Response:
    photo = _find(photo_id)
    version = picture_version(photo)
    etag = f"{version}-{size}"
    if etag in request.if_none_match:
        response = Response(status=304)
        response.set_etag(etag)
    else:
        path = get_library().thumbnail(photo, size)
        response = send_file(path, "image/webp", conditional=True, etag=etag)
    response.headers["Cache-Control"] = _IMMUTABLE if asked_version == version else _REVALIDATE
    return response


@blueprint.get("/api/photo/<int:photo_id>/file")
@promise(_TAG, _FILE, query=FileQuery, request_headers=_CONDITIONS)
def send_original(photo_id: int, query: FileQuery) -> ResponseReturnValue:
    """The photo's file as it lies on disk, by ranges too; `?download=1` to save it."""
    photo = _find(photo_id)
    media_type = media_type_of(photo.file_type)
    opened = get_library().open_photo(photo)
    # The ETag is of the file as it is now: it may have changed since the index saw it.
    response = send_file(
        opened.file,
        # What the bytes are was seen by the index; a name may say anything.
        media_type.mime,
        as_attachment=not media_type.shown_by_browsers or query.download == "1",
        download_name=_CONTROL_CHARACTERS.sub("_", opened.name),
        conditional=False,
        etag=opened.version,
        last_modified=opened.mtime_ns / 1e9,
    )
    response.content_length = opened.size
    try:
        # Ranges are made here: of an open file `send_file` does not know the size.
        response.make_conditional(request.environ, accept_ranges=True, complete_length=opened.size)
    except RequestedRangeNotSatisfiable:
        opened.file.close()
        raise
    response.headers["Cache-Control"] = _REVALIDATE
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response
