"""The form of all filters: a page of its own, and a dialog over the grid."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from web.common import get_library, wants_fragment
from web.view_filter import read_filter

blueprint = Blueprint("filters", __name__)


@blueprint.get("/filters")
def show_filters() -> ResponseReturnValue:
    """What this view can be narrowed to, with what narrows it now chosen."""
    library = get_library()
    part = "_partials/filters.html" if wants_fragment() else "filters.html"
    return render_template(
        part,
        library=library,
        choices=library.listing.list_choices(),
        counts=library.listing.count_photos(),
        photo_filter=read_filter(),
    )
