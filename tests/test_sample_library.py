"""The sample library, read back with Pillow: what a newcomer sees first must be right."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from media_types import is_media_name
from sample_library import (
    DATE_TIME_ORIGINAL,
    EXIF_IFD,
    MARKER,
    ORIENTATION,
    RATING,
    SamplePicture,
    encode_picture,
    list_sample_pictures,
    make_sample_library,
)
from sample_pictures import draw_picture


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sample_library(tmp_path_factory.mktemp("sample") / "Sample pictures")


def list_files(folder: Path) -> dict[str, bytes]:
    """Relative path -> SHA-256 of every file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).digest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def find_picture(**wanted: object) -> SamplePicture:
    return next(
        picture
        for picture in list_sample_pictures()
        if all(getattr(picture, name) == value for name, value in wanted.items())
    )


def test_every_listed_picture_is_made_and_nothing_else(sample: Path) -> None:
    expected = {picture.path for picture in list_sample_pictures()} | {MARKER}
    assert list_files(sample).keys() == expected
    assert 60 <= len(expected) <= 80
    assert all(is_media_name(path) for path in expected - {MARKER})


def test_it_covers_years_ratings_orientations_and_formats() -> None:
    pictures = list_sample_pictures()
    assert {picture.orientation for picture in pictures} == set(range(1, 9))
    assert {picture.rating for picture in pictures} == {None, 1, 2, 3, 4, 5}
    assert len({picture.taken.year for picture in pictures if picture.taken}) >= 15
    suffixes = {Path(picture.path).suffix.lower() for picture in pictures}
    assert suffixes == {".jpg", ".png", ".webp", ".gif"}
    assert any(picture.offset for picture in pictures)
    assert len({picture.camera for picture in pictures}) >= 3


def test_no_two_pictures_are_the_same(sample: Path) -> None:
    digests = list(list_files(sample).values())
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_upright_when_shown(sample: Path, orientation: int) -> None:
    picture = find_picture(orientation=orientation)
    with Image.open(sample / picture.path) as stored:
        assert stored.getexif()[ORIENTATION] == orientation
        shown = ImageOps.exif_transpose(stored)
    size = (800, 1200) if picture.tall else (1200, 800)
    drawn = draw_picture(picture.scene, picture.light, picture.seed, size)
    assert shown.size == drawn.size
    difference = ImageStat.Stat(ImageChops.difference(shown, drawn.convert("RGB")))
    assert max(difference.mean) < 3  # what JPEG takes away; a wrong turn gives tens


def test_dates_and_ratings_stand_in_the_files(sample: Path) -> None:
    rated_in: set[str] = set()
    for picture in list_sample_pictures():
        with Image.open(sample / picture.path) as stored:
            exif = stored.getexif()
            xmp = stored.info.get("xmp", b"")
        if picture.camera and picture.taken:
            assert exif.get_ifd(EXIF_IFD)[DATE_TIME_ORIGINAL] == picture.taken.strftime(
                "%Y:%m:%d %H:%M:%S"
            )
        if exif.get(RATING):
            assert exif[RATING] == picture.rating
            rated_in.add("exif")
        elif picture.rating:
            assert f'xmp:Rating="{picture.rating}"'.encode() in xmp
            rated_in.add("xmp")
    assert rated_in == {"exif", "xmp"}


def test_one_picture_says_nothing_of_its_date(sample: Path) -> None:
    with Image.open(sample / "Received/postcard.jpg") as stored:
        assert not stored.getexif()
        assert "xmp" not in stored.info


def test_it_is_made_once_and_what_was_deleted_stays_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / MARKER).write_text("made before\n")
    assert make_sample_library(folder) == folder
    assert list_files(folder).keys() == {MARKER}


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    first, *_ = list_sample_pictures()
    own = tmp_path / first.path
    own.parent.mkdir(parents=True)
    own.write_bytes(b"somebody's own")
    make_sample_library(tmp_path)
    assert own.read_bytes() == b"somebody's own"
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif"])
def test_the_same_picture_has_the_same_bytes_every_time(suffix: str) -> None:
    picture = next(p for p in list_sample_pictures() if p.path.endswith(suffix))
    assert encode_picture(picture) == encode_picture(picture)
