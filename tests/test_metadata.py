"""Tags to meaning: dates, ratings, sizes, cameras."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadata import (
    TAGS_READ,
    Facts,
    Tags,
    TagValue,
    derive_facts,
    parse_date,
    parse_file_name_date,
    rating_of_percent,
)

NEXT_YEAR = datetime.now(UTC).year + 1


def derive(
    tags: Tags,
    name: str = "IMG_1.jpg",
    file_type: str = "jpeg",
    sidecar_tags: Tags | None = None,
) -> Facts:
    return derive_facts(tags, file_name=name, file_type=file_type, sidecar_tags=sidecar_tags)


# -- dates ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "date", "offset"),
    [
        ("2019:07:14 18:03:22", "2019-07-14T18:03:22", None),
        ("2019:07:14 18:03:22.987", "2019-07-14T18:03:22", None),
        ("2019:07:14 18:03:22+02:00", "2019-07-14T18:03:22", "+02:00"),
        ("2019-07-14T18:03:22.5-0330", "2019-07-14T18:03:22", "-03:30"),
        ("2019-07-14T18:03:22Z", "2019-07-14T18:03:22", "+00:00"),
        ("2019-07-14T18:03", "2019-07-14T18:03:00", None),
        ("2019:07:14", "2019-07-14T00:00:00", None),
        ("2020:02:29 00:00:00", "2020-02-29T00:00:00", None),
        ("1800:01:01 00:00:00", "1800-01-01T00:00:00", None),
        (f"{NEXT_YEAR}:01:01 00:00:00", f"{NEXT_YEAR}-01-01T00:00:00", None),
        ("2019:07:14 18:03:22\0", "2019-07-14T18:03:22", None),
        ("2019:07:14 18:03:22+99:00", "2019-07-14T18:03:22", None),
    ],
)
def test_a_date_is_read_as_the_clock_showed_it(text: str, date: str, offset: str | None) -> None:
    parsed = parse_date(text)
    assert parsed
    assert (parsed.text, parsed.utc_offset) == (date, offset)


@pytest.mark.parametrize(
    "text",
    [
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "",
        "2019:00:00 00:00:00",
        "2019:02:29 12:00:00",
        "2019:13:01 12:00:00",
        "2019:07:14 24:00:00",
        "2019:07:14 18:60:00",
        "2019:07:14 18:03:61",
        "1904:01:01 00:00:00",
        "1970:01:01 00:00:00",
        "1799:12:31 23:59:59",
        f"{NEXT_YEAR + 1}:01:01 00:00:00",
        "99999:01:01 00:00:00",
        "2019",
        "2019:07",
        "2019:07-14 18:03:22",
        "2019:07:14\n18:03:22",
        "٢٠١٩:07:14 18:03:22",
        "2019:07:14 18:03:22" + " " * 1_000_000,
        20190714,
        2019.5,
        None,
        ["2019:07:14 18:03:22"],
    ],
)
def test_what_is_no_possible_date_is_none(text: object) -> None:
    assert parse_date(text) is None


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_none_and_never_an_error(text: str) -> None:
    for date in (parse_date(text), parse_file_name_date(text)):
        if date is not None:
            assert 1800 <= datetime.fromisoformat(date.text).year <= NEXT_YEAR


def test_sources_of_a_date_follow_their_order() -> None:
    order = [
        ("ExifIFD:DateTimeOriginal", "exif"),
        ("ExifIFD:CreateDate", "exif"),
        ("XMP-exif:DateTimeOriginal", "xmp"),
        ("XMP-photoshop:DateCreated", "xmp"),
        ("IPTC:DateCreated", "xmp"),
        ("XMP-xmp:CreateDate", "xmp"),
        ("PNG:CreationTime", "xmp"),
    ]
    tags: dict[str, TagValue] = {
        tag: f"20{index + 1:02}:01:01" for index, (tag, _) in enumerate(order)
    }
    sidecar: Tags = {"XMP-exif:DateTimeOriginal": "2000:05:05 10:00:00"}
    facts = derive(tags, "20181231_235959.jpg", sidecar_tags=sidecar)
    assert (facts.date_taken, facts.date_source) == ("2000-05-05T10:00:00", "sidecar")
    for index, (tag, source) in enumerate(order):
        facts = derive(tags, "20181231_235959.jpg")
        expected = f"20{index + 1:02}-01-01T00:00:00"
        assert (facts.date_taken, facts.date_source) == (expected, source)
        del tags[tag]
    facts = derive(tags, "20181231_235959.jpg")
    assert (facts.date_taken, facts.date_source) == ("2018-12-31T23:59:59", "filename")
    facts = derive(tags)
    assert (facts.date_taken, facts.date_source) == (None, "none")


def test_the_date_a_file_was_modified_is_no_capture_date() -> None:
    assert derive({"IFD0:ModifyDate": "2019:07:14 18:03:22"}).date_source == "none"


def test_an_impossible_date_gives_way_to_the_next_source() -> None:
    facts = derive(
        {
            "ExifIFD:DateTimeOriginal": "1601:06:06 16:39:33",
            "ExifIFD:CreateDate": "2015:06:12 16:39:33",
        }
    )
    assert (facts.date_taken, facts.date_source) == ("2015-06-12T16:39:33", "exif")


@pytest.mark.parametrize(
    ("tags", "offset"),
    [
        ({"ExifIFD:OffsetTimeOriginal": "+02:00", "ExifIFD:OffsetTime": "-05:00"}, "+02:00"),
        ({"ExifIFD:OffsetTime": "-05:00"}, "-05:00"),
        ({"ExifIFD:OffsetTimeOriginal": "   :  "}, None),
        ({"ExifIFD:OffsetTimeOriginal": "nonsense"}, None),
        ({"ExifIFD:OffsetTimeOriginal": 2}, None),
        ({"ExifIFD:OffsetTimeDigitized": "+02:00"}, None),
        ({"ExifIFD:OffsetTimeOriginal": "Z"}, "+00:00"),
    ],
)
def test_the_distance_from_utc_stands_beside_the_date(
    tags: dict[str, TagValue], offset: str | None
) -> None:
    tags = {"ExifIFD:DateTimeOriginal": "2019:07:14 18:03:22", **tags}
    assert derive(tags).utc_offset == offset


def test_iptc_gives_day_and_time_but_its_zone_is_not_believed() -> None:
    facts = derive({"IPTC:DateCreated": "2020:07:23", "IPTC:TimeCreated": "11:32:20+00:00"})
    assert (facts.date_taken, facts.utc_offset) == ("2020-07-23T11:32:20", None)


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("IMG_20190714_180322.jpg", "2019-07-14T18:03:22"),
        ("IMG_20190714_180322_HDR.jpg", "2019-07-14T18:03:22"),
        ("IMG20190714180322.jpg", "2019-07-14T18:03:22"),
        ("PXL_20190714_180322123.jpg", "2019-07-14T18:03:22"),
        ("PXL_20190714_180322123.PORTRAIT.jpg", "2019-07-14T18:03:22"),
        ("20190714_180322.jpg", "2019-07-14T18:03:22"),
        ("20190714-180322(1).JPG", "2019-07-14T18:03:22"),
        ("2019-07-14 18.03.22.png", "2019-07-14T18:03:22"),
        ("2019-07-14 18.03.22-1.png", "2019-07-14T18:03:22"),
        ("2019-07-14T18:03:22.jpg", "2019-07-14T18:03:22"),
        ("Screenshot_2019-07-14-18-03-22.png", "2019-07-14T18:03:22"),
        ("Screenshot_20190714-180322_Maps.png", "2019-07-14T18:03:22"),
        ("Screenshot 2019-07-14 at 18.03.22.png", "2019-07-14T18:03:22"),
        ("WhatsApp Image 2019-07-14 at 18.03.22.jpeg", "2019-07-14T18:03:22"),
        ("signal-2019-07-14-180322.jpg", "2019-07-14T18:03:22"),
        ("IMG-20190714-WA0003.jpg", "2019-07-14T00:00:00"),
        ("VID-20190714-WA0003.jpg", "2019-07-14T00:00:00"),
        ("date_20170101_010101.jpg", "2017-01-01T01:01:01"),
        ("2019-07-14.jpg", "2019-07-14T00:00:00"),
        ("holiday 2019_07_14.jpg", "2019-07-14T00:00:00"),
        ("20190231_x_20190714.jpg", "2019-07-14T00:00:00"),
    ],
)
def test_a_file_name_tells_the_date(name: str, date: str) -> None:
    parsed = parse_file_name_date(name)
    assert parsed
    assert parsed.text == date


@pytest.mark.parametrize(
    "name",
    [
        "IMG_0001.jpg",
        "DSC_2019.jpg",
        "2019.jpg",
        "2019-07.jpg",
        "1563120202000.jpg",
        "wallpaper-1920x1080.jpg",
        "IMG_20190231.jpg",
        "IMG_00000000_000000.jpg",
        "a20190714bc.jpg",
        "f3c20190714.jpg",
        "1234201907145678.jpg",
        "20990714_180322.jpg",
        "2019-0714.jpg",
        "",
    ],
)
def test_a_file_name_without_a_date_tells_none(name: str) -> None:
    assert parse_file_name_date(name) is None


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
