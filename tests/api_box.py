"""A small library with a bit of everything, for tests of the API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from pictures import make_jpeg

import catalog
from library import Library, open_library
from settings import load_settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# A, the favorite, is the second oldest.
A, B, C, UNDATED, GONE = "a.jpg", "b.jpg", "sub/c.jpg", "undated.jpg", "gone.jpg"


@contextmanager
def open_box(home: Path) -> Iterator[Library]:
    """Five photos: a favorite, one of three stars, two of no rating, one that is missing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("LIGHTKEEP_DATA_DIR", raising=False)
        root = home / "photos"
        make_jpeg(root / A, 1, date="2019:07:14 18:03:22", rating=5)
        make_jpeg(root / B, 2, date="2019:07:15 18:03:22", rating=3)
        make_jpeg(root / C, 3, date="2019:08:16 18:03:22")
        make_jpeg(root / UNDATED, 4)
        make_jpeg(root / GONE, 5, date="2018:01:01 00:00:00", rating=5)
        opened = open_library(load_settings(root))
        try:
            update(opened)
            (root / GONE).unlink()
            update(opened)
            yield opened
        finally:
            opened.close()


def update(opened: Library) -> None:
    progress = opened.runner.wait(opened.start_update_index(), timeout=30)
    assert progress.status == "completed", progress.message


def ids_of(opened: Library) -> dict[str, int]:
    """The ids of all photos by path."""
    with opened.database.reading() as connection:
        return {photo.current_path: photo.id for photo in catalog.iterate_photos(connection)}


def ratings_of(opened: Library) -> dict[str, int | None]:
    """The ratings of all photos by path."""
    with opened.database.reading() as connection:
        return {photo.current_path: photo.rating for photo in catalog.iterate_photos(connection)}


def ask_from_this_machine(app: Flask) -> Flask:
    """What calls the application without a server names no address that it asks from."""
    inner = app.wsgi_app

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return inner({"REMOTE_ADDR": "127.0.0.1", **environ}, start_response)

    app.wsgi_app = answer  # type: ignore[method-assign]
    return app
