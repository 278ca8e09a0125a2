"""date_suggestions: when an undated photo may have been taken."""

from __future__ import annotations

import pytest

from date_suggestions import Neighbors, suggest_date

NONE = Neighbors({})
CAMERA = Neighbors(
    {
        "IMG_9.jpg": "2019-07-14T10:00:00",
        "IMG_11.jpg": "2019-07-14T12:00:00",
        "IMG_20.jpg": "2021-01-01T00:00:00",
    }
)


@pytest.mark.parametrize(
    ("path", "date", "source"),
    [
        ("Scan 14.7.2019.jpg", "2019-07-14T12:00:00", "name"),
        ("box/Oma 14.07.1958 (2).tif", "1958-07-14T12:00:00", "name"),
        ("2019-07-14 Hike/a.jpg", "2019-07-14T12:00:00", "folder"),
        ("2018/2019-07-14 Hike/raw/a.jpg", "2019-07-14T12:00:00", "folder"),
        ("2019/07/14/a.jpg", "2019-07-14T12:00:00", "folder"),
        ("Trips/2019/07/a.jpg", "2019-07-01T12:00:00", "folder"),
        ("Trips/2019_07 Alps/a.jpg", "2019-07-01T12:00:00", "folder"),
        ("Trips 2019/a.jpg", "2019-01-01T12:00:00", "folder"),
        ("2017/Christmas 2019/a.jpg", "2019-01-01T12:00:00", "folder"),
        ("31.02.2019/a.jpg", "2019-01-01T12:00:00", "folder"),
        ("Oma 1958.jpg", "1958-01-01T12:00:00", "name"),
    ],
)
def test_names_and_folders_say_days_months_and_years(path: str, date: str, source: str) -> None:
    found = suggest_date(path, NONE)
    assert found is not None
    assert (found.date.text, found.source) == (date, source)


@pytest.mark.parametrize(
    "path",
    ["a.jpg", "IMG_0123.jpg", "x/12019.jpg", "2190-01-01/a.jpg", "1799/a.jpg"],
)
def test_what_says_nothing_gets_no_date(path: str) -> None:
    assert suggest_date(path, NONE) is None


def test_between_two_neighbors_of_one_week_it_is_half_way_by_the_numbers_of_the_names() -> None:
    found = suggest_date("card/IMG_10.jpg", CAMERA)
    assert found is not None
    assert (found.date.text, found.source) == ("2019-07-14T11:00:00", "neighbors")


@pytest.mark.parametrize("name", ["IMG_12.jpg", "IMG_8.jpg", "IMG_21.jpg"])
def test_neighbors_far_apart_or_on_one_side_say_nothing(name: str) -> None:
    assert suggest_date(name, CAMERA) is None


def test_a_day_in_the_folder_wins_over_neighbors_and_those_over_a_year() -> None:
    for folder, date in (("2019-07-13 x", "2019-07-13T12:00:00"), ("2019", "2019-07-14T11:00:00")):
        found = suggest_date(f"{folder}/IMG_10.jpg", CAMERA)
        assert found is not None
        assert found.date.text == date
