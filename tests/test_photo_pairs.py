"""Which files are one photo: names, types and lengths, and nothing else."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_types import MEDIA_TYPES, Kind, kind_of
from photo_pairs import LIVE_SECONDS, PairFile, find_companions

TYPES = {"jpg": "jpeg", "tif": "tiff"}


def find(*names: str, seconds: float | None = 2.0) -> dict[str, str]:
    """The leader of every companion, by path."""
    files = [
        PairFile(
            number,
            path,
            file_type := TYPES.get(suffix := path.rpartition(".")[2].lower(), suffix),
            seconds if kind_of(file_type) == Kind.VIDEO else None,
        )
        for number, path in enumerate(names)
    ]
    return {names[one]: names[leader] for one, leader in find_companions(lambda: files).items()}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["IMG_1.HEIC", "IMG_1.MOV"], {"IMG_1.MOV": "IMG_1.HEIC"}),
        (["IMG_1.MOV", "IMG_1.JPG"], {"IMG_1.MOV": "IMG_1.JPG"}),
        (["IMG_1.jpg", "img_1.MP4"], {"img_1.MP4": "IMG_1.jpg"}),
        (["IMG_1.HEIC", "IMG_1_HEVC.MOV"], {"IMG_1_HEVC.MOV": "IMG_1.HEIC"}),
        (
            ["IMG_1.HEIC", "IMG_1.JPG", "IMG_1.MOV"],
            {"IMG_1.MOV": "IMG_1.HEIC"},
        ),
        (
            ["IMG_1.HEIC", "IMG_1.MOV", "IMG_1_HEVC.MOV"],
            {"IMG_1.MOV": "IMG_1.HEIC", "IMG_1_HEVC.MOV": "IMG_1.HEIC"},
        ),
        (["a/IMG_1.HEIC", "b/IMG_1.MOV"], {}),
        (["IMG_1.HEIC", "IMG_10.MOV"], {}),
        (["IMG_1.PNG", "IMG_1.MOV"], {}),
        (["IMG_1.MOV", "IMG_1.MP4"], {}),
        (["IMG_1.HEIC", "IMG_1.MKV"], {}),
        (["IMG_1.DNG", "IMG_1.MOV"], {}),
        (["IMG.1.HEIC", "IMG.2.MOV"], {}),
        (["a.b/IMG.HEIC", "a.c/IMG.MOV"], {}),
    ],
)
def test_a_live_photo_is_a_picture_and_a_short_film_of_one_name(
    names: list[str], expected: dict[str, str]
) -> None:
    assert find(*names) == expected


@pytest.mark.parametrize(
    ("seconds", "paired"),
    [(0.5, True), (LIVE_SECONDS, True), (LIVE_SECONDS + 0.01, False), (None, False)],
)
def test_a_long_film_is_a_film_of_its_own(seconds: float | None, paired: bool) -> None:
    assert bool(find("IMG_1.HEIC", "IMG_1.MOV", seconds=seconds)) == paired


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["DSC1.ARW", "DSC1.JPG"], {"DSC1.ARW": "DSC1.JPG"}),
        (["dsc1.arw", "DSC1.jpg"], {"dsc1.arw": "DSC1.jpg"}),
        (["A.CR3", "A.HEIC"], {"A.CR3": "A.HEIC"}),
        (["A.CR3", "A.HEIC", "A.JPG"], {"A.CR3": "A.JPG"}),
        (["A.DNG", "A.CR3", "A.JPG"], {"A.DNG": "A.JPG", "A.CR3": "A.JPG"}),
        (["A.DNG", "A.CR3"], {}),
        (["A.DNG", "A.TIF"], {}),
        (["A.DNG", "A.PNG"], {}),
        (["A.DNG", "B/A.JPG"], {}),
        (["A.DNG"], {}),
        ([], {}),
    ],
)
def test_a_raw_file_belongs_to_the_cameras_own_picture(
    names: list[str], expected: dict[str, str]
) -> None:
    assert find(*names) == expected


def test_raw_picture_and_film_of_one_name_are_one() -> None:
    assert find("A.DNG", "A.HEIC", "A.MOV") == {"A.DNG": "A.HEIC", "A.MOV": "A.HEIC"}
    found = find("A.DNG", "A.HEIC", "A.JPG", "A.MOV")
    assert found == {"A.DNG": "A.JPG", "A.MOV": "A.HEIC"}


def test_the_order_of_the_files_makes_no_difference() -> None:
    names = ["A.DNG", "a.jpg", "A.JPG", "A.MOV"]
    expected = find(*names)
    assert expected == {"A.DNG": "A.JPG", "A.MOV": "A.JPG"}
    for turned in itertools.permutations(names):
        assert find(*turned) == expected


def test_a_picture_that_carries_the_films_mark_itself_has_its_film() -> None:
    assert find("A_HEVC.HEIC", "A_HEVC.MOV") == {"A_HEVC.MOV": "A_HEVC.HEIC"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "A", "b", "x/a", "a_HEVC", "."]),
            st.sampled_from(sorted(MEDIA_TYPES)),
            st.sampled_from([None, 1.0, 60.0]),
        ),
        max_size=8,
    )
)
def test_a_leader_is_shown_itself_and_no_picture_is_ever_hidden(
    rows: list[tuple[str, str, float | None]],
) -> None:
    files = [
        PairFile(number, f"{stem}{MEDIA_TYPES[kind].suffixes[0]}", kind, seconds)
        for number, (stem, kind, seconds) in enumerate(rows)
    ]
    found = find_companions(lambda: files)
    for companion, leader in found.items():
        assert leader not in found
        assert kind_of(files[leader].file_type) == Kind.IMAGE
        assert kind_of(files[companion].file_type) != Kind.IMAGE
