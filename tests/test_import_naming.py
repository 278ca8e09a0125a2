"""import_naming: what belongs to one photo keeps one name, and takes nobody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from import_naming import FolderNames, stem_of


def choose(folder: Path, names: list[str], stem: str, **more: str) -> dict[str, str]:
    return FolderNames(str(folder), (), "test").choose(names, stem, sidecars={}, **more)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("IMG_1.jpg", "IMG_1"),
        ("IMG_1.xmp", "IMG_1"),
        ("IMG_1.jpg.XMP", "IMG_1"),
        ("a.b.jpg", "a.b"),
        ("a.b.xmp", "a.b"),
        ("none", "none"),
    ],
)
def test_the_stem_of_a_photo_and_of_its_sidecars_is_one(name: str, stem: str) -> None:
    assert stem_of(name) == stem


def test_a_free_name_stays(tmp_path: Path) -> None:
    assert choose(tmp_path, ["a.jpg"], "a") == {"a.jpg": "a.jpg"}


@pytest.mark.parametrize("taken", ["IMG.jpg", "img.mov", "IMG.jpg.xmp", "Img.xmp"])
def test_all_of_a_bundle_is_numbered_where_its_stem_is_taken(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).touch()
    names = ["IMG.jpg", "IMG_HEVC.MOV", "IMG.jpg.xmp"]
    assert choose(tmp_path, names, "IMG") == {
        "IMG.jpg": "IMG (2).jpg",
        "IMG_HEVC.MOV": "IMG (2)_HEVC.MOV",
        "IMG.jpg.xmp": "IMG (2).jpg.xmp",
    }


def test_names_of_rows_without_files_are_taken_too(tmp_path: Path) -> None:
    names = FolderNames(str(tmp_path), ["a.jpg"], "test")
    assert names.choose(["a.jpg"], "a", sidecars={}) == {"a.jpg": "a (2).jpg"}
    names.add("b.jpg")
    assert names.choose(["b.jpg"], "b", sidecars={}) == {"b.jpg": "b (2).jpg"}


def test_what_belongs_to_a_photo_in_the_library_takes_its_name(tmp_path: Path) -> None:
    (tmp_path / "beach.jpg").touch()
    assert choose(tmp_path, ["IMG.MOV"], "IMG", beside="beach") == {"IMG.MOV": "beach.MOV"}
    (tmp_path / "beach.mov").touch()
    assert choose(tmp_path, ["IMG.MOV"], "IMG", beside="beach") == {"IMG.MOV": "beach (2).MOV"}


def test_its_own_sidecar_from_before_an_interruption_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    source = tmp_path / "a.jpg.xmp"
    source.write_text("sidecar")
    (tmp_path / "target/a.jpg.xmp").write_text("sidecar")
    names = FolderNames(str(tmp_path / "target"), (), "test")
    wanted = {"a.jpg": "a.jpg", "a.jpg.xmp": "a.jpg.xmp"}
    assert names.choose(list(wanted), "a", sidecars={"a.jpg.xmp": str(source)}) == wanted
    source.write_text("another")
    chosen = names.choose(list(wanted), "a", sidecars={"a.jpg.xmp": str(source)})
    assert chosen["a.jpg"] == "a (2).jpg"


def test_long_names_are_shortened_for_their_number(tmp_path: Path) -> None:
    stem = "ü" * 125
    (tmp_path / f"{stem}.jpg").touch()
    chosen = choose(tmp_path, [f"{stem}.jpg"], stem)[f"{stem}.jpg"]
    assert chosen.endswith("ü (2).jpg")
    assert len(os.fsencode(chosen)) <= 255
