"""library_marker: a share that is not mounted is never taken for a new library."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pictures import make_jpeg

from closed_library import open_for_reading
from errors import InvalidRequestError, LibraryNotMountedError
from library import open_library
from settings import Settings, load_settings

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    make_jpeg(tmp_path / "photos/a.jpg", 1)
    return load_settings(tmp_path / "photos")


def test_a_remembered_library_without_its_marker_is_not_mounted(settings: Settings) -> None:
    open_library(settings).close()
    settings.library.rename(settings.library.with_name("away"))
    settings.library.mkdir()
    with pytest.raises(LibraryNotMountedError, match="not mounted"):
        open_library(settings)
    assert list(settings.library.iterdir()) == []
    with pytest.raises(LibraryNotMountedError):
        open_for_reading(settings)


def test_a_remembered_library_starts_anew_where_the_person_says_so(settings: Settings) -> None:
    open_library(settings).close()
    shutil.rmtree(settings.data_dir)
    with pytest.raises(LibraryNotMountedError, match="--accept-missing"):
        open_library(settings)
    open_library(settings, accept_missing=True).close()
    open_library(settings).close()


def test_with_a_data_folder_elsewhere_an_empty_mount_point_is_noticed(
    settings: Settings, tmp_path: Path
) -> None:
    elsewhere = load_settings(settings.library, data_dir=tmp_path / "data")
    open_library(elsewhere).close()
    assert (settings.library / ".library/library.json").is_file()
    assert not (settings.library / ".library/photo_library.db").exists()
    settings.library.rename(settings.library.with_name("away"))
    settings.library.mkdir()
    with pytest.raises(LibraryNotMountedError):
        open_library(elsewhere)


def test_a_damaged_marker_is_named(settings: Settings) -> None:
    open_library(settings).close()
    marker = settings.data_dir / "library.json"
    for damage in (b"{", b"[]", b"\xff\xfe"):
        marker.write_bytes(damage)
        with pytest.raises(InvalidRequestError, match="is damaged"):
            open_library(settings)


def test_the_data_folder_of_another_library_is_refused(settings: Settings, tmp_path: Path) -> None:
    data = tmp_path / "data"
    open_library(load_settings(settings.library, data_dir=data)).close()
    make_jpeg(tmp_path / "others/b.jpg", 2)
    others = load_settings(tmp_path / "others", data_dir=data)
    with pytest.raises(InvalidRequestError, match="belongs to another library"):
        open_library(others, accept_missing=True)
    open_library(load_settings(tmp_path / "others", data_dir=tmp_path / "own")).close()
    with pytest.raises(InvalidRequestError, match="belongs to another library"):
        open_library(others)


def test_a_library_that_moved_keeps_its_data_folder(settings: Settings, tmp_path: Path) -> None:
    data = tmp_path / "data"
    open_library(load_settings(settings.library, data_dir=data)).close()
    moved = settings.library.rename(tmp_path / "moved")
    open_library(load_settings(moved, data_dir=data)).close()
