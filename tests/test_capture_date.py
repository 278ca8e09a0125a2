"""Which date counts, and how a film's date in UTC becomes local time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture_date import (
    DATE_TAGS,
    CaptureDate,
    LocalDate,
    _to_zone,
    find_capture_date,
    parse_date,
    parse_file_name_date,
)

Tags = Mapping[str, object]
NEXT_YEAR = datetime.now(UTC).year + 1
BERLIN = ZoneInfo("Europe/Berlin")


def find(
    tags: Tags,
    name: str = "IMG_1.jpg",
    *,
    sidecar_tags: Tags | None = None,
    time_zone: tzinfo | None = BERLIN,
) -> CaptureDate:
    return find_capture_date(tags, sidecar_tags or {}, name, time_zone)


def said(found: CaptureDate) -> tuple[str | None, str]:
    return (found.date.text if found.date else None, found.source)


# -- the text of a date ----------------------------------------------------------------------


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


# -- which date counts -----------------------------------------------------------------------


def test_sources_of_a_date_follow_their_order() -> None:
    order = [
        ("ExifIFD:DateTimeOriginal", "exif"),
        ("IFD0:DateTimeOriginal", "exif"),
        ("ExifIFD:CreateDate", "exif"),
        ("Keys:CreationDate", "quicktime"),
        ("ItemList:ContentCreateDate", "quicktime"),
        ("UserData:DateTimeOriginal", "quicktime"),
        ("H264:DateTimeOriginal", "quicktime"),
        ("RIFF:DateTimeOriginal", "quicktime"),
        ("QuickTime:CreateDate", "quicktime"),
        ("Track1:MediaCreateDate", "quicktime"),
        ("Matroska:DateTimeOriginal", "quicktime"),
        ("ASF:CreationDate", "quicktime"),
        ("XMP-exif:DateTimeOriginal", "xmp"),
        ("XMP-photoshop:DateCreated", "xmp"),
        ("IPTC:DateCreated", "xmp"),
        ("XMP-xmp:CreateDate", "xmp"),
        ("PNG:CreateDate", "xmp"),
        ("PNG:CreationTime", "xmp"),
    ]
    assert {tag for tag, _ in order} <= set(DATE_TAGS)
    tags = {tag: f"20{index + 1:02}:01:01" for index, (tag, _) in enumerate(order)}
    sidecar = {"XMP-exif:DateTimeOriginal": "2000:05:05 10:00:00"}
    name = "20251231_235959.jpg"
    found = find(tags, name, sidecar_tags=sidecar, time_zone=UTC)
    assert said(found) == ("2000-05-05T10:00:00", "sidecar")
    for index, (tag, source) in enumerate(order):
        expected = f"20{index + 1:02}-01-01T00:00:00"
        assert said(find(tags, name, time_zone=UTC)) == (expected, source)
        del tags[tag]
    assert said(find(tags, name)) == ("2025-12-31T23:59:59", "filename")
    assert said(find(tags)) == (None, "none")


def test_the_date_a_file_was_modified_is_no_capture_date() -> None:
    assert find({"IFD0:ModifyDate": "2019:07:14 18:03:22"}).source == "none"


def test_an_impossible_date_gives_way_to_the_next_source() -> None:
    found = find(
        {
            "ExifIFD:DateTimeOriginal": "1601:06:06 16:39:33",
            "ExifIFD:CreateDate": "2015:06:12 16:39:33",
        }
    )
    assert said(found) == ("2015-06-12T16:39:33", "exif")


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
    tags: dict[str, object], offset: str | None
) -> None:
    tags = {"ExifIFD:DateTimeOriginal": "2019:07:14 18:03:22", **tags}
    date = find(tags).date
    assert date
    assert date.utc_offset == offset


def test_iptc_gives_day_and_time_but_its_zone_is_not_believed() -> None:
    found = find({"IPTC:DateCreated": "2020:07:23", "IPTC:TimeCreated": "11:32:20+00:00"})
    assert found.date == LocalDate("2020-07-23T11:32:20", None)


# -- films -----------------------------------------------------------------------------------


def find_film_date(text: str, zone: str, tag: str = "QuickTime:CreateDate") -> LocalDate:
    found = find({tag: text}, "x.mp4", time_zone=ZoneInfo(zone))
    assert found.date
    assert (found.source, found.from_utc) == ("quicktime", True)
    return found.date


def test_what_a_phone_says_of_place_and_time_wins_over_the_date_in_utc() -> None:
    tags = {
        "Keys:CreationDate": "2019:02:12 15:27:12+08:00",
        "QuickTime:CreateDate": "2024:02:02 08:09:57",
    }
    found = find(tags, "20180101_000000.mov")
    assert found == CaptureDate(LocalDate("2019-02-12T15:27:12", "+08:00"), "quicktime")


@pytest.mark.parametrize(
    ("zone", "utc", "local", "offset"),
    [
        ("Europe/Berlin", "2019:07:14 16:03:22", "2019-07-14T18:03:22", "+02:00"),
        ("Europe/Berlin", "2019:01:14 16:03:22", "2019-01-14T17:03:22", "+01:00"),
        ("Europe/Berlin", "2019:12:31 23:30:00", "2020-01-01T00:30:00", "+01:00"),
        ("Europe/Berlin", "2019:03:31 00:59:59", "2019-03-31T01:59:59", "+01:00"),
        ("Europe/Berlin", "2019:03:31 01:00:00", "2019-03-31T03:00:00", "+02:00"),
        ("Europe/Berlin", "2019:10:27 00:30:00", "2019-10-27T02:30:00", "+02:00"),
        ("Europe/Berlin", "2019:10:27 01:30:00", "2019-10-27T02:30:00", "+01:00"),
        ("Pacific/Chatham", "2019:07:14 16:03:22", "2019-07-15T04:48:22", "+12:45"),
        ("Pacific/Chatham", "2019:01:14 16:03:22", "2019-01-15T05:48:22", "+13:45"),
        ("Asia/Kolkata", "2019:07:14 16:03:22", "2019-07-14T21:33:22", "+05:30"),
        ("America/St_Johns", "2019:01:14 02:00:00", "2019-01-13T22:30:00", "-03:30"),
        ("UTC", "2019:07:14 16:03:22", "2019-07-14T16:03:22", "+00:00"),
    ],
)
def test_a_date_in_utc_is_shown_as_the_clocks_of_the_zone_did(
    zone: str, utc: str, local: str, offset: str
) -> None:
    assert find_film_date(utc, zone) == LocalDate(local, offset)


@pytest.mark.parametrize(
    "tag",
    [
        "QuickTime:CreateDate",
        "Track1:MediaCreateDate",
        "Matroska:DateTimeOriginal",
        "ASF:CreationDate",
    ],
)
@pytest.mark.parametrize("mark", ["", "Z", "+00:00"])
def test_every_container_that_says_utc_is_brought_to_the_zone(tag: str, mark: str) -> None:
    date = find_film_date(f"2019:07:14 16:03:22{mark}", "Europe/Berlin", tag)
    assert date == LocalDate("2019-07-14T18:03:22", "+02:00")


def test_an_offset_that_stands_in_the_date_counts_before_it_is_brought_to_the_zone() -> None:
    date = find_film_date("2019:07:14 16:03:22-05:00", "Europe/Berlin")
    assert date == LocalDate("2019-07-14T23:03:22", "+02:00")


@pytest.mark.parametrize(
    ("zone", "local", "offset"),
    [
        ("Europe/Berlin", "1890-06-01T12:53:00", "+00:53"),  # by the rules +00:53:28
        ("Africa/Monrovia", "1890-06-01T11:17:00", "-00:43"),  # -00:43:08
        ("America/New_York", "1870-06-01T07:04:00", "-04:56"),  # -04:56:02
        ("Asia/Tokyo", "1880-06-01T21:19:00", "+09:19"),  # +09:18:59
    ],
)
def test_before_time_zones_an_offset_is_rounded_to_whole_minutes(
    zone: str, local: str, offset: str
) -> None:
    date = find_film_date(f"{local[:4]}:06:01 12:00:00", zone)
    assert date == LocalDate(local, offset)


@pytest.mark.parametrize(
    "text",
    [
        "0000:00:00 00:00:00",
        "1904:01:01 00:00:00",
        "1904:01:01 00:00:00Z",
        "1904:01:01 08:00:00",
        "1970:01:01 00:00:00",
        "",
        "not a date",
    ],
)
def test_a_clock_that_was_never_set_dates_no_film(text: str) -> None:
    tags = dict.fromkeys(("Keys:CreationDate", "QuickTime:CreateDate", "ASF:CreationDate"), text)
    assert find(tags) == CaptureDate(None, "none")
    assert said(find(tags, "VID_20190714_180322.mp4")) == ("2019-07-14T18:03:22", "filename")


def test_only_a_date_that_was_brought_to_the_zone_is_marked_so() -> None:
    date = "2019:07:14 16:03:22"
    for tags in (
        {"ExifIFD:DateTimeOriginal": date, "QuickTime:CreateDate": date},
        {"Keys:CreationDate": date, "QuickTime:CreateDate": date},
        {"RIFF:DateTimeOriginal": date},
        {"XMP-exif:DateTimeOriginal": date},
    ):
        found = find(tags)
        assert said(found)[0] == "2019-07-14T16:03:22"
        assert not found.from_utc
    sidecar = find({"QuickTime:CreateDate": date}, sidecar_tags={"XMP-xmp:CreateDate": date})
    assert (sidecar.source, sidecar.from_utc) == ("sidecar", False)
    assert not find({}, "20190714_180322.mp4").from_utc
    assert find({"QuickTime:CreateDate": date}).from_utc


def test_without_a_zone_that_of_the_machine_counts() -> None:
    found = find({"QuickTime:CreateDate": "2019:07:14 16:03:22"}, time_zone=None)
    assert found.date
    moment = datetime.fromisoformat(f"{found.date.text}{found.date.utc_offset}")
    assert moment == datetime(2019, 7, 14, 16, 3, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("9999-12-31T23:30:00", timedelta(hours=14)),
        ("0001-01-01T00:30:00", timedelta(hours=-12)),
    ],
)
def test_a_date_at_the_end_of_time_stays_as_it_is(text: str, offset: timedelta) -> None:
    assert _to_zone(LocalDate(text, None), timezone(offset)) == LocalDate(text, None)


@given(
    st.datetimes(datetime(1800, 1, 2), datetime(NEXT_YEAR, 12, 30)),  # noqa: DTZ001  it is UTC
    st.sampled_from(["Europe/Berlin", "Pacific/Chatham", "America/New_York", "Africa/Monrovia"]),
)
def test_any_date_in_utc_stays_the_same_moment(moment: datetime, zone: str) -> None:
    text = moment.strftime(f"{moment.year:04}:%m:%d %H:%M:%S")
    found = find({"QuickTime:CreateDate": text}, time_zone=ZoneInfo(zone))
    if found.date is None:
        assert text.startswith(("1904:01:01", "1970:01:01 00:00:00"))
        return
    shown = datetime.fromisoformat(f"{found.date.text}{found.date.utc_offset}")
    assert shown == moment.replace(microsecond=0, tzinfo=UTC)


# -- names -----------------------------------------------------------------------------------


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
