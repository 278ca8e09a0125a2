"""date_tags: a capture date back to tags, and what a person types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from capture_date import LocalDate, find_capture_date
from date_tags import (
    NewDate,
    parse_moment,
    parse_shift,
    parse_span,
    plan_date_tags,
    plan_sidecar_dates,
)
from errors import InvalidRequestError
from metadata import TagValue

BERLIN = ZoneInfo("Europe/Berlin")
SUMMER = LocalDate("2019-07-14T18:03:22", "+02:00")
PLAIN = LocalDate("2019-07-14T18:03:22", None)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2019-07-14 18:03:22", PLAIN),
        ("2019:07:14 18:03:22", PLAIN),
        ("2019-07-14T18:03:22+02:00", SUMMER),
        ("2019-07-14 18:03", LocalDate("2019-07-14T18:03:00", None)),
        ("1800-01-01 00:00:00", LocalDate("1800-01-01T00:00:00", None)),
    ],
)
def test_a_date_is_understood_as_it_is_written(text: str, date: LocalDate) -> None:
    assert parse_moment(text) == date


@pytest.mark.parametrize(
    "text",
    [
        *(
            "2019-02-30 12:00:00",
            "2019-02-29 12:00:00",
            "2019-13-01 00:00:00",
            "1799-12-31 23:59:59",
        ),
        *(
            "2019-07-14",
            "",
            "now",
            "2019-07-14 25:00:00",
            "2019-07-14 12:61:00",
            "0000-00-00 00:00:00",
        ),
        *("2019-07-14 12:00:00\n-o", "99999-01-01 00:00:00", "1904-01-01 00:00:00"),
        f"{datetime.now(UTC).year + 2}-01-01 00:00:00",
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        parse_moment(text)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("+1h", timedelta(hours=1)),
        ("-1h", timedelta(hours=-1)),
        ("+2d 3h 30m 5s", timedelta(days=2, hours=3, minutes=30, seconds=5)),
        ("-90min", timedelta(minutes=-90)),
        ("+1:30", timedelta(hours=1, minutes=30)),
        ("-0:00:05", timedelta(seconds=-5)),
        ("+ 1 day 2 hours", timedelta(days=1, hours=2)),
    ],
)
def test_a_span_is_understood(text: str, span: timedelta) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize("text", ["", "+", "1h", "+1y", "+h", "+1:99", "+200000d", "1:30", "+1h x"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        parse_span(text)


def test_a_shift_keeps_the_offset_and_crosses_midnight_and_leap_days() -> None:
    assert parse_shift("+6h").move(SUMMER).date == LocalDate("2019-07-15T00:03:22", "+02:00")
    leap = parse_shift("+1d").move(LocalDate("2020-02-28T12:00:00", None))
    assert leap.date.text == "2020-02-29T12:00:00"
    assert leap.keeps_fraction


def test_a_shift_across_a_time_zone_follows_both_zones_clocks() -> None:
    shift = parse_shift("Europe/Berlin->America/New_York")
    assert shift.move(PLAIN).date == LocalDate("2019-07-14T12:03:22", "-04:00")
    # Between the two changes of clocks in March the distance is five hours, not six.
    assert shift.move(LocalDate("2019-03-20T12:00:00", None)).date.text == "2019-03-20T07:00:00"
    with pytest.raises(InvalidRequestError):
        parse_shift("Europe/Nowhere->Asia/Tokyo")


def test_a_shift_out_of_the_years_that_photos_have_is_refused() -> None:
    for text, date in (("-1d", "1800-01-01T12:00:00"), ("+100000d", "2019-01-01T00:00:00")):
        with pytest.raises(InvalidRequestError):
            parse_shift(text).move(LocalDate(date, None))


def test_the_family_of_exif_is_kept_in_step() -> None:
    tags: dict[str, TagValue] = {
        "ExifIFD:DateTimeOriginal": "2018:01:01 00:00:00",
        "ExifIFD:OffsetTimeOriginal": "+01:00",
        "ExifIFD:SubSecTimeOriginal": 42,
        "IFD0:ModifyDate": "2018:01:01 00:00:00",
        "XMP-photoshop:DateCreated": "2018:01:01 00:00:00",
        "IPTC:DateCreated": "2018:01:01",
    }
    assert plan_date_tags(tags, NewDate(SUMMER), "jpeg", None) == {
        "ExifIFD:DateTimeOriginal": "2019:07:14 18:03:22",
        "ExifIFD:CreateDate": "2019:07:14 18:03:22",
        "ExifIFD:OffsetTimeOriginal": "+02:00",
        "ExifIFD:OffsetTimeDigitized": "+02:00",
        "ExifIFD:SubSecTimeOriginal": None,
        "XMP-photoshop:DateCreated": "2019:07:14 18:03:22+02:00",
    }


def test_an_offset_that_no_longer_holds_goes_and_a_shift_keeps_offset_and_fraction() -> None:
    tags: dict[str, TagValue] = {
        "ExifIFD:OffsetTimeOriginal": "+01:00",
        "ExifIFD:SubSecTimeOriginal": 42,
    }
    said = plan_date_tags(tags, NewDate(PLAIN), "jpeg", None)
    assert said["ExifIFD:OffsetTimeOriginal"] is None
    assert said["ExifIFD:SubSecTimeOriginal"] is None
    shifted = plan_date_tags(tags, NewDate(PLAIN, keeps_fraction=True), "jpeg", None)
    assert shifted.keys() == {"ExifIFD:DateTimeOriginal", "ExifIFD:CreateDate"}


def test_a_film_gets_utc_in_its_boxes_and_local_time_with_its_offset_in_keys() -> None:
    tags: dict[str, TagValue] = {
        "QuickTime:CreateDate": "2018:01:01 00:00:00+00:00",
        "Track1:TrackCreateDate": "2018:01:01 00:00:00+00:00",
        "Track2:MediaCreateDate": "2018:01:01 00:00:00+00:00",
        "Track2:MediaModifyDate": "2018:01:01 00:00:00+00:00",
    }
    for date in (SUMMER, PLAIN):
        utc = "2019:07:14 16:03:22+00:00"
        assert plan_date_tags(tags, NewDate(date), "mov", BERLIN) == {
            "Keys:CreationDate": "2019:07:14 18:03:22+02:00",
            "QuickTime:CreateDate": utc,
            "Track1:TrackCreateDate": utc,
            "Track2:MediaCreateDate": utc,
        }


@pytest.mark.parametrize("file_type", ["jpeg", "tiff", "png", "webp", "heic", "gif", "mp4", "mov"])
@pytest.mark.parametrize("date", [SUMMER, PLAIN])
def test_what_is_written_is_what_the_index_reads(file_type: str, date: LocalDate) -> None:
    changes = plan_date_tags({}, NewDate(date), file_type, BERLIN)
    found = find_capture_date(changes, {}, "IMG_20010101_000000.jpg", BERLIN)
    assert found.date
    assert found.date.text == date.text
    assert found.date.utc_offset in (date.utc_offset, "+02:00")
    tags = {tag: value for tag, value in changes.items() if value is not None}
    assert plan_date_tags(tags, NewDate(date), file_type, BERLIN) == {}


def test_a_sidecar_says_it_as_xmp_does() -> None:
    changes = plan_sidecar_dates({"XMP-photoshop:DateCreated": "2001"}, NewDate(SUMMER))
    assert set(changes.values()) == {"2019-07-14T18:03:22+02:00"}
    assert changes.keys() == {"XMP-exif:DateTimeOriginal", "XMP-photoshop:DateCreated"}
    assert find_capture_date({}, changes, "", None).date == SUMMER
