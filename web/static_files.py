"""Static files under addresses that change with their content, so that browsers keep them for good.

A module of the page's script imports others by their place beside it. Modules therefore share one
version, a folder in their address that is not on the disk: thirty of them would otherwise be asked
for again with every page, which takes as long as a page.
"""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import Final

from flask import Flask, Response, current_app, request

WORKER: Final = "sw.js"
_MODULE: Final = re.compile(r"js/(?:v-([0-9a-f]{12})/)?(.+)", re.DOTALL)


def register(app: Flask) -> None:
    """Serve the static files of `app` under both addresses."""
    app.view_functions["static"] = _send
    app.after_request(_keep)
    app.jinja_env.globals["asset"] = _make_address


@functools.cache
def asset_version(folder: str, name: str) -> str:
    """What stands for the content of a static file in its address."""
    return hashlib.sha256(Path(folder, name).read_bytes()).hexdigest()[:12]


@functools.cache
def _modules_version(folder: str) -> str:
    """What stands for the content of all modules together."""
    versions = [asset_version(folder, f"js/{path.name}") for path in _list_modules(folder)]
    return hashlib.sha256("".join(versions).encode()).hexdigest()[:12]


def _list_modules(folder: str) -> list[Path]:
    return sorted(Path(folder, "js").glob("*.js"))


def _make_address(name: str) -> str:
    """The address of a static file, which changes with its content."""
    folder, address = _folder(), current_app.static_url_path
    if module := _MODULE.fullmatch(name):
        return f"{address}/js/v-{_modules_version(folder)}/{module[2]}"
    return f"{address}/{name}?v={asset_version(folder, name)}"


def _send(filename: str) -> Response:
    module = _MODULE.fullmatch(filename)
    return current_app.send_static_file(f"js/{module[2]}" if module else filename)


def _keep(response: Response) -> Response:
    """Let browsers keep a static file for good under the address of its content."""
    name = (request.view_args or {}).get("filename")
    if request.endpoint == "static" and name and response.status_code < 400:
        if _is_version_of_today(name):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        if name == WORKER:
            # It lies among the static files, and stands in for every page.
            response.headers["Service-Worker-Allowed"] = "/"
    return response


def _is_version_of_today(name: str) -> bool:
    module = _MODULE.fullmatch(name)
    if module and module[1]:
        return module[1] == _modules_version(_folder())
    return request.args.get("v") == asset_version(_folder(), name)


def _folder() -> str:
    folder = current_app.static_folder
    assert folder is not None
    return folder
