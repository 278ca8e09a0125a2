"""photo_facts: what tags say to a person, and which tag says it."""

from __future__ import annotations

import pytest

from metadata import TagValue
from photo_facts import MOST_LETTERS, MOST_TAGS, Fact, join_facts, list_facts, list_tags


def told(tags: dict[str, TagValue]) -> dict[str, str]:
    return {fact.name: fact.value for fact in list_facts(tags)}


@pytest.mark.parametrize(
    ("tag", "value", "name", "shown"),
    [
        ("ExifIFD:ExposureTime", 0.0015625, "exposure", "1/640 s"),
        ("ExifIFD:ExposureTime", "0.5", "exposure", "0.5 s"),
        ("XMP-exif:ExposureTime", "1/60", "exposure", "1/60 s"),
        ("ExifIFD:ExposureTime", 30, "exposure", "30 s"),
        ("ExifIFD:FNumber", "1.8", "aperture", "ƒ/1.8"),
        ("ExifIFD:FNumber", 8, "aperture", "ƒ/8"),
        ("ExifIFD:ISO", 50, "iso", "50"),
        ("XMP-exif:ISO", ["100", "200"], "iso", "100"),
        ("ExifIFD:FocalLength", "5.1", "focal_length", "5.1 mm"),
        ("ExifIFD:FocalLengthIn35mmFormat", 26, "focal_length_35", "26 mm"),
        ("ExifIFD:ExposureCompensation", "0.333333", "compensation", "+0.3 EV"),
        ("ExifIFD:ExposureCompensation", -1, "compensation", "-1 EV"),
        ("ExifIFD:LensModel", "EF 35mm\0", "lens", "EF 35mm"),
        ("XMP-dc:Subject", ["lake", "", "Grüße"], "keywords", "lake, Grüße"),
        ("IPTC:Caption-Abstract", "two\nlines", "description", "two\nlines"),
        ("IFD0:Software", 7, "software", "7"),
    ],
)
def test_a_tag_becomes_words_and_is_named(tag: str, value: TagValue, name: str, shown: str) -> None:
    assert list_facts({tag: value}) == [Fact(name, shown, (tag,))]


@pytest.mark.parametrize(
    "tags",
    [
        {"ExifIFD:ExposureTime": 0},
        {"ExifIFD:ExposureTime": "1/0"},
        {"ExifIFD:FNumber": "inf"},
        {"ExifIFD:FNumber": "nan"},
        {"ExifIFD:ISO": []},
        {"ExifIFD:ISO": "many"},
        {"ExifIFD:ExposureCompensation": 0},
        {"XMP-dc:Title": "\0 "},
        {"GPS:GPSLatitude": 52.5},
        {"GPS:GPSLatitude": 99, "GPS:GPSLongitude": 13},
        {"Keys:GPSCoordinates": "here"},
        {"GPS:GPSAltitude": "undef"},
    ],
)
def test_what_a_tag_cannot_mean_is_not_told(tags: dict[str, TagValue]) -> None:
    assert list_facts(tags) == []


def test_maker_and_model_are_one_and_both_are_named() -> None:
    tags: dict[str, TagValue] = {"IFD0:Make": "Canon", "IFD0:Model": "Canon EOS 5D"}
    assert list_facts(tags) == [Fact("camera", "Canon EOS 5D", ("IFD0:Make", "IFD0:Model"))]
    assert told({"IFD0:Make": "Apple", "IFD0:Model": "iPhone 13"}) == {"camera": "Apple iPhone 13"}


def test_a_place_is_told_in_degrees_with_its_height() -> None:
    place: dict[str, TagValue] = {
        "GPS:GPSLatitude": "33.85678",
        "GPS:GPSLatitudeRef": "S",
        "GPS:GPSLongitude": 70.5,
        "GPS:GPSLongitudeRef": "W",
        "GPS:GPSAltitude": 34.4,
        "GPS:GPSAltitudeRef": 1,
    }
    assert told(place) == {"place": "33.85678° S, 70.50000° W", "altitude": "-34 m"}
    film: dict[str, TagValue] = {"Keys:GPSCoordinates": "-33.85678 151.2153 12"}
    assert told(film) == {"place": "33.85678° S, 151.21530° E"}


def test_what_the_sidecar_says_stands_in_the_place_of_what_the_file_says() -> None:
    of_file = list_facts({"XMP-dc:Title": "old", "IFD0:Software": "A"})
    of_sidecar = list_facts({"XMP-dc:Title": "new", "XMP-dc:Subject": ["x"]}, in_sidecar=True)
    assert [(fact.value, fact.in_sidecar) for fact in join_facts(of_file, of_sidecar)] == [
        ("new", True),
        ("A", False),
        ("x", True),
    ]


def test_every_tag_is_listed_and_hostile_ones_have_an_end() -> None:
    many: dict[str, TagValue] = {f"A:{number:05}": "x" * 5000 for number in range(MOST_TAGS + 9)}
    listed = list_tags(many)
    assert len(listed) == MOST_TAGS
    assert max(len(value) for _, value in listed) <= 300
    assert len(told({"XMP-dc:Title": "x" * 10**6})["title"]) == MOST_LETTERS
    assert list_tags({"B:b": ["1", 2], "A:a": "\x1b[31m"}) == [("A:a", "[31m"), ("B:b", "1, 2")]
