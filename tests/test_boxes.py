"""The boxes that people have: photos that are read-only, no ExifTool yet, a library that moved."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pictures import make_film, make_jpeg

import catalog
from app import create_app
from catalog import Photo
from exiftool_process import find_exiftool
from library import Library, open_library
from settings import load_settings


@contextmanager
def opened(folder: Path, data_dir: Path | None = None) -> Iterator[Library]:
    """The library, indexed."""
    library = open_library(load_settings(folder, data_dir=data_dir))
    try:
        progress = library.runner.wait(library.start_update_index(), timeout=60)
        assert progress.status == "completed", progress.message
        yield library
    finally:
        library.close()


def list_rows(library: Library) -> dict[str, Photo]:
    with library.database.reading() as connection:
        return {photo.current_path: photo for photo in catalog.iterate_photos(connection)}


@pytest.fixture
def photos(home: Path) -> Path:
    folder = home / "photos"
    make_jpeg(folder / "2019/a.jpg", 1, date="2019:07:14 18:03:22", rating=5)
    make_jpeg(folder / "b.jpg", 2, date="2018:07:14 18:03:22")
    make_film(folder / "film.mp4", "mp4", "mpeg4")
    return folder


@pytest.fixture
def read_only(photos: Path) -> Iterator[Path]:
    """The photos where nothing can be written: for root, whom no mode stops, by a mount."""
    if os.geteuid():
        modes = {path: path.stat().st_mode for path in (photos, photos / "2019")}
        for path in modes:
            path.chmod(0o555)
        yield photos
        for path, mode in modes.items():
            path.chmod(mode)
        return
    for options in (["--bind", photos, photos], ["-o", "remount,bind,ro", photos]):
        done = subprocess.run(["mount", *map(str, options)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("this box does not let root mount")
    yield photos
    subprocess.run(["umount", str(photos)], check=True)


def test_read_only_photos_work_whole_with_a_data_folder_elsewhere(
    read_only: Path, home: Path
) -> None:
    with pytest.raises(OSError, match=r"Read-only|Permission"):
        (read_only / "probe").touch()
    with opened(read_only, home / "data") as library:
        rows = list_rows(library)
        assert sorted(rows) == ["2019/a.jpg", "b.jpg", "film.mp4"]
        client = create_app(library=library).test_client()
        assert client.get("/").status_code == 200
        for row in rows.values():
            assert client.get(f"/api/photo/{row.id}/thumbnail").status_code == 200
            assert client.get(f"/api/photo/{row.id}/file").status_code == 200
    with opened(read_only, home / "data") as library:
        assert {path: row.id for path, row in list_rows(library).items()} == {
            path: row.id for path, row in rows.items()
        }


def test_a_library_that_was_renamed_is_the_same_with_nothing_read_again(photos: Path) -> None:
    with opened(photos) as library:
        before = list_rows(library)
    moved = photos.rename(photos.with_name("other name"))
    with opened(moved) as library:
        assert list_rows(library) == before
        report = library.list_operations(1)[0].report
        assert report is not None
        assert report["cache"]["files_opened"] == 0


def test_without_exiftool_films_have_their_facts_and_exiftool_is_taken_when_it_comes(
    photos: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = find_exiftool()
    if real is None:
        pytest.skip("ExifTool is not installed")
    tools = home / "tools"
    tools.mkdir()
    # Perl finds ExifTool's library by where the program really lies.
    path = os.environ["PATH"].split(os.pathsep)
    without = [folder for folder in path if not shutil.which("exiftool", path=folder)]
    monkeypatch.setenv("PATH", os.pathsep.join([str(tools), *without]))
    monkeypatch.setattr("exiftool_process.BUNDLED", tools / "none")
    monkeypatch.delenv("LIGHTKEEP_EXIFTOOL", raising=False)
    with opened(photos) as library:
        assert not library.has_exiftool
        row = list_rows(library)["film.mp4"]
        assert (row.width, row.height, row.duration_s) == (64, 48, 1.0)
        assert row.reader_version < 0
        client = create_app(library=library).test_client()
        assert "ExifTool is not installed" in client.get("/").text
        script = tools / "exiftool"
        interpreter = shutil.which("perl", path=os.pathsep.join(path))
        script.write_text(f'#!/bin/sh\nexec "{interpreter}" "{os.path.realpath(real)}" "$@"\n')
        script.chmod(0o755)
        assert "ExifTool is not installed" not in client.get("/").text
        progress = library.runner.wait(library.start_update_index(), timeout=60)
        assert progress.report is not None
        assert progress.report["cache"]["files_opened"] == 1
        assert list_rows(library)["film.mp4"].reader_version > 0
