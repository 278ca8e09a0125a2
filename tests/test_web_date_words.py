"""Dates as people say them, in each language."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from web import date_words, texts


@pytest.fixture(params=["en", "de"])
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    app = Flask("words")
    texts.register(app, lambda: str(request.param))
    with app.test_request_context():
        yield str(request.param)


def test_days_months_and_moments_are_written_as_people_say_them(language: str) -> None:
    said = [
        date_words.format_day("2022-07-16T12:00:00"),
        date_words.format_day_of_month("2022-07-02"),
        date_words.format_date_and_time("2022-07-16T18:03:22"),
        date_words.format_date_and_time(None),
        date_words.month_title("2022-07"),
        date_words.month_title("0987-01"),
        date_words.month_title("undated"),
    ]
    assert (
        said
        == {
            "en": [
                *("Saturday, July 16, 2022", "Saturday 2", "July 16, 2022, 18:03:22", "no date"),
                *("July 2022", "January 987", "Undated"),
            ],
            "de": [
                *("Samstag, 16. Juli 2022", "Samstag, 2.", "16. Juli 2022, 18:03:22", "kein Datum"),
                *("Juli 2022", "Januar 987", "Ohne Datum"),
            ],
        }[language]
    )


def test_a_moment_of_another_year_names_it(language: str) -> None:
    said = date_words.format_moment("2011-03-05T12:00:00+00:00")
    assert said.startswith({"en": "March 5, 2011 at ", "de": "5. März 2011 um "}[language])
    assert date_words.format_moment("rubbish of an older app") == "rubbish of an older app"
