"""What makes an app of the pages that can be installed: its manifest, and its page for offline.

Both are behind the door, as all that has words; the worker itself is a static file.
"""

from __future__ import annotations

import hashlib
from typing import Final

from flask import Blueprint, Response, current_app, jsonify, render_template, url_for
from flask.typing import ResponseReturnValue

from web.static_files import WORKER, asset_version
from web.texts import get_texts, gettext

KEPT_FILES: Final = (
    *("css/tokens.css", "css/base.css", "css/page.css", "icon.svg", "js/offline.js"),
)
"""What the service worker keeps, beside the page, to say that the server is away."""

blueprint = Blueprint("shell", __name__)


@blueprint.get("/offline")
def show_offline() -> ResponseReturnValue:
    """The page that the service worker keeps."""
    return render_template("offline.html")


@blueprint.get("/app.webmanifest")
def show_manifest() -> ResponseReturnValue:
    """What a system shows of the installed app. https://www.w3.org/TR/appmanifest/"""
    icons = [("icons/icon-192.png", "192x192"), ("icons/icon-512.png", "512x512")]
    answer: Response = jsonify(
        {
            "id": "/",
            "name": "Lightkeep",
            "short_name": "Lightkeep",
            "description": gettext("The photos of this home, by month."),
            "lang": get_texts().language,
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "background_color": "#fbfaf8",
            "theme_color": "#fbfaf8",
            "icons": [
                *(_icon(name, size) for name, size in icons),
                {**_icon("icons/maskable-512.png", "512x512"), "purpose": "maskable"},
                {**_icon("icon.svg", "any"), "type": "image/svg+xml"},
            ],
            "shortcuts": [
                {"name": gettext("Favorites"), "url": "/?favorites=1"},
                {"name": gettext("Import photos"), "url": "/import"},
            ],
        }
    )
    answer.mimetype = "application/manifest+json"
    return answer


def _icon(name: str, size: str) -> dict[str, str]:
    return {"src": url_for("static", filename=name), "sizes": size, "type": "image/png"}


@blueprint.app_template_global()
def worker_address() -> str:
    """The address of the service worker, which changes with whatever it keeps."""
    folder = current_app.static_folder
    assert folder is not None
    versions = [asset_version(folder, name) for name in (WORKER, *KEPT_FILES)]
    kept = "".join([*versions, render_template("offline.html")])
    version = hashlib.sha256(kept.encode()).hexdigest()[:12]
    return f"{current_app.static_url_path}/{WORKER}?v={version}"
