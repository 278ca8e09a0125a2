"""picture_colors: what a cell shows before its picture, kept beside the small pictures."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from db import Database, open_database
from errors import PictureError
from media_workers import WorkerPool
from picture_colors import MOST_WAITING, PictureColors
from picture_decoder import draw_small_pictures, read_colors
from thumbnails import GRID_PX, VIEW_PX, ThumbnailSource, ThumbnailStore

FLAG = ("red", "lime", "blue")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "photo_library.db")
    yield database
    database.close()


def make_flag(path: Path) -> Path:
    """Three bands; what a square cell does not show of them is black."""
    picture = Image.new("RGB", (900, 300))
    for number, color in enumerate(FLAG):
        picture.paste(color, (300, number * 100, 600, number * 100 + 100))
    picture.save(path, quality=100, subsampling=0)
    return path


def channels(colors: str) -> list[int]:
    return list(bytes.fromhex(colors))


def test_the_colors_are_those_of_the_thirds_that_a_square_cell_shows(tmp_path: Path) -> None:
    path = make_flag(tmp_path / "flag.jpg")
    colors = draw_small_pictures(str(path), "jpeg", 1, GRID_PX, VIEW_PX).colors
    assert channels(colors) == pytest.approx([255, 0, 0, 0, 255, 0, 0, 0, 255], abs=12)


def test_what_is_no_small_picture_has_no_colors(tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(b"no picture")
    with pytest.raises(PictureError):
        read_colors(str(tmp_path / "a.webp"))


def test_colors_are_found_at_once_and_written_when_there_are_enough(database: Database) -> None:
    colors = PictureColors(database)
    colors.note("a-1", "aabbcc" * 3)
    assert colors.find(["a-1", "b-1", "a-1"]) == {"a-1": "aabbcc" * 3}
    assert PictureColors(database).find(["a-1"]) == {}
    assert not colors.is_due
    for number in range(MOST_WAITING):
        colors.note(f"{number}-1", "00" * 9)
    assert colors.is_due
    colors.flush()
    colors.note("a-1", "11" * 9)
    colors.flush()
    assert PictureColors(database).find(["a-1", "0-1"]) == {"a-1": "11" * 9, "0-1": "00" * 9}
    assert not colors.is_due


def test_a_database_that_cannot_be_written_costs_no_picture(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    colors = PictureColors(database)
    colors.note("a-1", "11" * 9)

    def fail() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(database, "transaction", fail)
    colors.flush()
    monkeypatch.undo()
    monkeypatch.setattr(database, "reading", fail)
    assert colors.has("a-1")  # nobody is sent to read them again


def test_pictures_that_were_drawn_before_get_their_colors_ahead_of_need(
    database: Database, tmp_path: Path
) -> None:
    make_flag(tmp_path / "flag.jpg")
    photo = ThumbnailSource("flag.jpg", "jpeg", "jpeg:00ff", 1)
    colors = PictureColors(database)
    with WorkerPool(workers=1, memory_mb=512, file_timeout_s=60) as pool:
        store = ThumbnailStore(tmp_path / "thumbnails", pool, tmp_path, colors)
        store.get(photo, GRID_PX)
        store.close()
        drawn = colors.find([photo.key])[photo.key]
        with database.transaction() as connection:
            connection.execute("DELETE FROM picture_colors")
        later = PictureColors(database)
        store = ThumbnailStore(tmp_path / "thumbnails", pool, tmp_path, later)
        store.prepare([photo])
        deadline = time.monotonic() + 20
        while not later.has(photo.key) and time.monotonic() < deadline:
            time.sleep(0.02)
        store.close()
    assert channels(PictureColors(database).find([photo.key])[photo.key]) == pytest.approx(
        channels(drawn), abs=6
    )
