"""Favorites and ratings: one photo, many photos, and the list of all favorites."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

import photo_listing
from catalog import describe_photo
from errors import BusyError, InvalidRequestError
from favorites import RatedPhoto
from photo_filter import PhotoFilter
from photo_listing import PhotoPage
from web.api_contract import Answer, promise, refuse
from web.api_models import (
    LARGEST_ID,
    MOST_LISTED,
    BulkAnswer,
    BulkFavoriteBody,
    FavoriteBody,
    FavoritesAnswer,
    FavoritesQuery,
    OperationStarted,
    RatedAnswer,
)
from web.common import get_library

if TYPE_CHECKING:
    from library import Library

_TAG: Final = "Favorites"
_FAVORITES: Final = PhotoFilter(favorites=True, companions=True)
# Browsers read a backslash as a slash and pass over tabs: //elsewhere in disguise.
_LOCAL: Final = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")

blueprint = Blueprint("favorites", __name__)

EDIT_HEADER: Final = {"Lightkeep-Edit": "The id of the edit, where something had to be written."}


@blueprint.post("/api/photo/<int:photo_id>/favorite")
@promise(
    _TAG,
    {200: Answer("The rating is kept.", RatedAnswer, headers=EDIT_HEADER)} | refuse(404, 409, 507),
    body=FavoriteBody,
    body_required=False,
    writes=True,
)
def rate_photo(photo_id: int, body: FavoriteBody) -> ResponseReturnValue:
    """Rate a photo, or toggle whether it is a favorite.

    Without a body, or with a `rating` of null, a favorite becomes none and any other photo one.
    The rating is written into the photo's file, or into a sidecar where the file cannot hold it.
    """
    return answer_rated(get_library().rate_photo(min(photo_id, LARGEST_ID), body.rating))


def answer_rated(rated: RatedPhoto) -> Response:
    """A rated photo as JSON, with the id of its edit in a header."""
    answer = jsonify(photo_id=rated.photo_id, rating=rated.rating, favorited=rated.favorited)
    if rated.edit_id is not None:
        answer.headers["Lightkeep-Edit"] = str(rated.edit_id)
    return answer


@blueprint.post("/photo/<int:photo_id>/favorite")
def rate_photo_of_form(photo_id: int) -> ResponseReturnValue:
    """The same from a form, for pages without JavaScript; leads back to the form's `next`."""
    rating = request.form.get("rating") or None
    if rating is not None and not re.fullmatch("[0-5]", rating):
        raise InvalidRequestError("rating is a whole number from 0 to 5.")
    get_library().rate_photo(min(photo_id, LARGEST_ID), int(rating) if rating else None)
    back = request.form.get("next", "")
    if not _LOCAL.fullmatch(back):
        back = url_for("photos.show_photo", photo_id=photo_id)
    return redirect(back, 303)


@blueprint.post("/ratings/keep")
def keep_ratings_of_form() -> ResponseReturnValue:
    """Write into the files what only the database knows; the page shows how far it is."""
    # Pressed in a second tab: the page shows what runs.
    with contextlib.suppress(BusyError):
        get_library().start_keeping_ratings()
    return redirect(url_for("grid.show_grid"), 303)


@blueprint.post("/api/photos/bulk-favorite")
@promise(
    _TAG,
    {
        200: Answer(
            "It is done; some photos may have failed.",
            BulkAnswer,
            headers={"Lightkeep-Operation": "The id of the operation that did it."},
        ),
        202: Answer(
            "It has begun; ask for the operation.",
            OperationStarted,
            headers={"Preference-Applied": "`respond-async`."},
        ),
    }
    | refuse(409, 507),
    body=BulkFavoriteBody,
    request_headers={"Prefer": "`respond-async`: answer at once, before it is done."},
    writes=True,
)
def rate_photos(body: BulkFavoriteBody) -> ResponseReturnValue:
    """Rate many photos.

    A photo that cannot be rated, or that there is not, costs only itself and stands among the
    errors with its reason. With `Prefer: respond-async` the answer is the operation's id.
    """
    library = get_library()
    photo_ids = list(dict.fromkeys(body.photo_ids))
    if _prefers_async():
        operation_id = library.start_rating(photo_ids, body.rating)
        return jsonify(operation_id=operation_id), 202, {"Preference-Applied": "respond-async"}
    report = library.rate_photos(photo_ids, body.rating)
    answer = jsonify(
        success_count=report.success_count,
        error_count=report.error_count,
        errors=[{"photo_id": photo_id, "error": words} for photo_id, words in report.errors],
    )
    answer.headers["Lightkeep-Operation"] = report.operation_id
    return answer


def _prefers_async() -> bool:
    """`Prefer` of RFC 7240: several, with commas; parameters behind a semicolon."""
    asked = ",".join(request.headers.getlist("Prefer"))
    return "respond-async" in {one.partition(";")[0].strip().lower() for one in asked.split(",")}


@blueprint.get("/api/photos/favorites")
@promise(
    _TAG,
    {
        200: Answer(
            "The favorites.",
            FavoritesAnswer,
            headers={"Link": "`rel=next`: the next page, where `limit` or `cursor` asked for one."},
        )
    },
    query=FavoritesQuery,
)
def list_favorites(query: FavoritesQuery) -> ResponseReturnValue:
    """All favorites, newest first, also those that the page shows in the cell of another photo.

    With `limit` or `cursor` one page of them; `count` is of all the same.
    """
    if query.limit is None and not query.cursor:
        library = get_library()
        # Read before the answer begins, so that a database in trouble is an error and no torso.
        first = _list_page(library, None)
        return Response(_stream(library, first), mimetype="application/json")
    with get_library().database.reading() as connection:
        page = photo_listing.list_photos(
            connection,
            cursor=query.cursor,
            limit=query.limit or MOST_LISTED,
            photo_filter=_FAVORITES,
        )
        count = get_library().listing.count_listed(_FAVORITES)
    answer = jsonify(photos=[describe_photo(photo) for photo in page.photos], count=count)
    if page.next_cursor:
        behind = url_for(".list_favorites", limit=query.limit, cursor=page.next_cursor)
        answer.headers["Link"] = f'<{behind}>; rel="next"'
    return answer


def _list_page(library: Library, cursor: str | None) -> PhotoPage:
    with library.database.reading() as connection:
        return photo_listing.list_photos(
            connection, cursor=cursor, limit=MOST_LISTED, photo_filter=_FAVORITES
        )


def _stream(library: Library, page: PhotoPage) -> Iterator[str]:
    """Page by page: however many there are, few are in memory. Counted is what was sent."""
    count = 0
    yield '{"photos":['
    while True:
        text = ",".join(json.dumps(describe_photo(photo)) for photo in page.photos)
        yield "," + text if count and text else text
        count += len(page.photos)
        if page.next_cursor is None:
            break
        page = _list_page(library, page.next_cursor)
    yield f'],"count":{count}}}\n'
