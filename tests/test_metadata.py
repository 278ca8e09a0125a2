"""Tags to meaning: ratings, sizes, cameras, durations."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadata import (
    READER_VERSION,
    TAGS_READ,
    Facts,
    Tags,
    TagValue,
    derive_facts,
    plan_rating_tags,
    rating_of_percent,
    read_rating,
    zone_version,
)


def derive(
    tags: Tags,
    name: str = "IMG_1.jpg",
    file_type: str = "jpeg",
    sidecar_tags: Tags | None = None,
) -> Facts:
    return derive_facts(tags, file_name=name, file_type=file_type, sidecar_tags=sidecar_tags)


# -- rating ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "rating"),
    [
        (5, 5),
        (1, 1),
        (-1, -1),
        (0, None),
        ("4", 4),
        (" 4 ", 4),
        (4.0, 4),
        ("3.0", 3),
        (6, None),
        (9, None),
        (-2, None),
        (2.5, None),
        ("2.5", None),
        ("five", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        (float("nan"), None),
        ([5, 4], None),
        ("5" * 1_000_000, None),
    ],
)
def test_only_whole_stars_count(value: TagValue, rating: int | None) -> None:
    facts = derive({"XMP-xmp:Rating": value})
    assert (facts.rating, facts.rating_in) == (rating, "file" if rating else None)


@pytest.mark.parametrize(
    ("tags", "rating"),
    [
        ({"XMP-xmp:Rating": 2, "IFD0:Rating": 4, "IFD0:RatingPercent": 99}, 2),
        ({"IFD0:Rating": 4, "IFD0:RatingPercent": 99}, 4),
        ({"IFD0:RatingPercent": 99, "XMP-microsoft:RatingPercent": 1}, 5),
        ({"XMP-microsoft:RatingPercent": 1}, 1),
        ({"XMP-xmp:Rating": "rubbish", "IFD0:Rating": 4}, 4),
        ({"XMP-xmp:Rating": 0, "IFD0:Rating": 4}, None),
        ({"IFD0:Rating": 65535, "XMP-microsoft:RatingPercent": 75}, 4),
        ({"XMP-microsoft:RatingPercent": 101}, None),
        ({"XMP-acdsee:Rating": 4, "Sony:Rating": 4}, None),
        ({"Microsoft:SharedUserRating": 75}, 4),
        ({"ASF:SharedUserRating": 99}, 5),
        ({"Microsoft:SharedUserRating": 0}, None),
        ({"XMP-xmp:Rating": 2, "Microsoft:SharedUserRating": 99}, 2),
        ({"ItemList:Rating": 4, "UserData:Rating": 4, "QuickTime:Rating": 4}, None),
    ],
)
def test_sources_of_a_rating_follow_their_order(
    tags: dict[str, TagValue], rating: int | None
) -> None:
    assert derive(tags).rating == rating


def test_percent_become_stars_by_the_ranges_of_windows() -> None:
    ranges = [range(1), range(1, 13), range(13, 38), range(38, 63), range(63, 88), range(88, 101)]
    for stars, percents in enumerate(ranges):
        assert {rating_of_percent(percent) for percent in percents} == {stars}


def test_what_the_sidecar_says_wins_over_the_file() -> None:
    file_tags: Tags = {"XMP-xmp:Rating": 2}
    facts = derive(file_tags, sidecar_tags={"XMP-xmp:Rating": "5"})
    assert (facts.rating, facts.rating_in) == (5, "sidecar")
    facts = derive(file_tags, sidecar_tags={"XMP-xmp:Rating": "0"})
    assert (facts.rating, facts.rating_in) == (None, None)
    for silent in ({}, {"XMP-xmp:Rating": "9"}):
        facts = derive(file_tags, sidecar_tags=silent)
        assert (facts.rating, facts.rating_in) == (2, "file")


# -- size and camera -------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_width_and_height_are_as_shown(orientation: int) -> None:
    tags: Tags = {
        "File:ImageWidth": 40,
        "File:ImageHeight": 30,
        "IFD0:Orientation": orientation,
    }
    facts = derive(tags)
    assert (facts.width, facts.height) == ((30, 40) if orientation >= 5 else (40, 30))
    assert facts.orientation == orientation


@pytest.mark.parametrize("orientation", [0, 9, -1, "6x", [6], 65535, 1.5, ""])
def test_an_invalid_orientation_counts_as_upright(orientation: TagValue) -> None:
    tags: Tags = {
        "File:ImageWidth": 40,
        "File:ImageHeight": 30,
        "IFD0:Orientation": orientation,
    }
    facts = derive(tags)
    assert (facts.width, facts.height, facts.orientation) == (40, 30, 1)


@pytest.mark.parametrize("file_type", ["heic", "avif"])
def test_heic_and_avif_are_turned_once_by_their_boxes(file_type: str) -> None:
    stored: dict[str, TagValue] = {"File:ImageWidth": 40, "File:ImageHeight": 30}
    turned = derive(
        {**stored, "QuickTime:Rotation": 270, "IFD0:Orientation": 6}, file_type=file_type
    )
    assert (turned.width, turned.height, turned.orientation) == (30, 40, 1)
    upright = derive({**stored, "IFD0:Orientation": 6}, file_type=file_type)
    assert (upright.width, upright.height, upright.orientation) == (40, 30, 1)


@pytest.mark.parametrize("width", [0, -4, "wide", None, 2**40, 1.5])
def test_a_size_that_makes_no_sense_is_unknown(width: TagValue) -> None:
    facts = derive({"File:ImageWidth": width, "File:ImageHeight": 30})
    assert (facts.width, facts.height) == (None, None)


@pytest.mark.parametrize(
    ("both", "size"),
    [
        ("6000 4000", (6000, 4000)),
        ("6000x4000", (6000, 4000)),
        ("0 4000", (None, None)),
        ("6000", (None, None)),
        ("6000 4000 1", (None, None)),
        ("-6000 4000", (None, None)),
        ("99999999999 1", (None, None)),
        ("6" * 1_000_000 + " 1", (None, None)),
        ([6000, 4000], (None, None)),
        (6000, (None, None)),
    ],
)
def test_raw_and_video_have_their_size_from_exiftools_knowledge(
    both: TagValue, size: tuple[int | None, int | None]
) -> None:
    for file_type in ("dng", "cr3", "mp4", "mkv"):
        facts = derive({"Composite:ImageSize": both, "File:ImageWidth": 3}, file_type=file_type)
        assert (facts.width, facts.height) == size


def test_raw_is_turned_by_its_exif() -> None:
    tags: Tags = {"Composite:ImageSize": "6000 4000", "IFD0:Orientation": 8}
    facts = derive(tags, file_type="nef")
    assert (facts.width, facts.height, facts.orientation) == (4000, 6000, 8)


@pytest.mark.parametrize(
    ("rotation", "orientation", "turned"),
    [(0, 1, False), (90, 6, True), (180, 3, False), (270, 8, True), ("90", 6, True)]
    + [(odd, 1, False) for odd in (45, -90, 360, "upright", [90], None)],
)
def test_a_film_is_turned_by_its_rotation_alone(
    rotation: TagValue, orientation: int, turned: bool
) -> None:
    tags: Tags = {
        "Composite:ImageSize": "64 48",
        "Composite:Rotation": rotation,
        "QuickTime:Rotation": 90,
        "IFD0:Orientation": 6,
    }
    facts = derive(tags, file_type="mp4")
    assert facts.orientation == orientation
    assert (facts.width, facts.height) == ((48, 64) if turned else (64, 48))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (13.346, 13.346),
        ("13.7229888888889", 13.723),
        (1, 1.0),
        ("00:00:13.346", 13.346),
        ("00:00:13,699000000", 13.699),
        ("01:02:03.5", 3723.5),
        ("100:00:00.0", 360_000.0),
        (0, None),
        (-1, None),
        ("00:00:00.0", None),
        ("long", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        (10**400, None),
        (1e300, None),
        (1_000_001, None),
        ("9" * 1_000_000, None),
        ("00:00:13." + "9" * 1_000_000, None),
        ([13], None),
        (True, None),
    ],
)
def test_a_duration_is_in_seconds_however_it_is_spelled(
    value: TagValue, seconds: float | None
) -> None:
    for tag in ("QuickTime:Duration", "Matroska:Duration", "ASF:PlayDuration"):
        assert derive({tag: value}, file_type="mp4").duration_s == seconds


def test_only_films_have_a_duration() -> None:
    assert derive({"QuickTime:Duration": 3.0}, file_type="heic").duration_s is None
    assert derive({"QuickTime:Duration": 3.0}, file_type="cr3").duration_s is None


def test_another_time_zone_makes_another_version_and_never_the_plain_one() -> None:
    names = ("UTC", "Europe/Berlin", "America/New_York", "Pacific/Chatham")
    versions = {zone_version(name) for name in names}
    assert len(versions | {READER_VERSION}) == len(names) + 1
    assert all(0 < version < 2**63 for version in versions)
    assert zone_version("UTC") == zone_version("UTC")


def test_the_time_zone_is_handed_on_to_dates_in_utc() -> None:
    facts = derive_facts(
        {"QuickTime:CreateDate": "2019:07:14 16:03:22"},
        file_name="x.mp4",
        file_type="mp4",
        time_zone=ZoneInfo("Europe/Berlin"),
    )
    assert (facts.date_taken, facts.from_utc) == ("2019-07-14T18:03:22", True)


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("Apple", "iPhone 8", "Apple iPhone 8"),
        ("SONY ", "ILCE-7M3\0\0", "SONY ILCE-7M3"),
        ("", "X100", "X100"),
        ("Leica", None, "Leica"),
        (None, None, None),
        ("A\nB\x1b[31m", "C\u202eD", "A B [31m C D"),
        ("Nokia", 500, "Nokia 500"),
        (["x"], "  ", None),
    ],
)
def test_a_camera_is_maker_and_model_once(
    make: TagValue, model: TagValue, camera: str | None
) -> None:
    assert derive({"IFD0:Make": make, "IFD0:Model": model}).camera == camera


def test_text_without_end_does_no_harm() -> None:
    tags: dict[str, TagValue] = dict.fromkeys(TAGS_READ, "9" * 1_000_000)
    facts = derive(tags)
    assert facts.camera
    assert len(facts.camera) <= 100
    assert (facts.date_taken, facts.rating, facts.width) == (None, None, None)


@given(
    st.dictionaries(
        st.sampled_from(TAGS_READ),
        st.one_of(st.text(), st.integers(), st.floats(), st.lists(st.integers(), max_size=3)),
    ),
    st.text(),
)
def test_no_tags_and_no_name_raise_anything(tags: dict[str, TagValue], name: str) -> None:
    facts = derive(tags, name)
    assert facts.rating in (None, -1, 1, 2, 3, 4, 5)
    assert 1 <= facts.orientation <= 8


# -- ratings back to tags ----------------------------------------------------------------------

JPEG_TAGS = ("XMP-xmp:Rating", "IFD0:Rating", "IFD0:RatingPercent")


@pytest.mark.parametrize(("rating", "percent"), [(1, 1), (2, 25), (3, 50), (4, 75), (5, 99)])
def test_a_rating_becomes_the_tags_that_its_format_takes(rating: int, percent: int) -> None:
    assert plan_rating_tags({}, rating, JPEG_TAGS) == {
        "XMP-xmp:Rating": rating,
        "IFD0:Rating": rating,
        "IFD0:RatingPercent": percent,
    }
    assert plan_rating_tags({}, rating, ["XMP-xmp:Rating"]) == {"XMP-xmp:Rating": rating}


def test_tags_that_already_say_a_rating_are_kept_in_step_and_no_others_made() -> None:
    tags: dict[str, TagValue] = {"Microsoft:SharedUserRating": 50, "XMP-xmp:Rating": "3"}
    assert plan_rating_tags(tags, 5, ["XMP-xmp:Rating"]) == {
        "Microsoft:SharedUserRating": 99,
        "XMP-xmp:Rating": 5,
    }
    assert plan_rating_tags(tags, None, JPEG_TAGS) == dict.fromkeys(tags)
    assert plan_rating_tags({}, None, JPEG_TAGS) == {}


def test_what_says_the_rating_already_is_not_written() -> None:
    tags: dict[str, TagValue] = {
        "XMP-xmp:Rating": "5.0",
        "IFD0:Rating": 5,
        "IFD0:RatingPercent": 99,
    }
    assert plan_rating_tags(tags, 5, JPEG_TAGS) == {}


@pytest.mark.parametrize("rating", [1, 2, 3, 4, 5])
def test_what_is_written_is_read_as_the_same(rating: int) -> None:
    written = plan_rating_tags({}, rating, JPEG_TAGS)
    for tag, value in written.items():
        assert value is not None
        assert read_rating({tag: value}) == rating
