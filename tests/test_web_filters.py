"""web/filters, web/view_filter: what an address narrows a view to, and how a page says so."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from pictures import make_jpeg
from rows import make_record

import catalog
from app import create_app
from library import Library, open_library
from photo_filter import PhotoFilter
from settings import load_settings
from web.view_filter import view_query


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("LIGHTKEEP_DATA_DIR", raising=False)
        make_jpeg(home / "photos/Trips/a.jpg", 1, date="2019:07:14 18:03:22", rating=5)
        make_jpeg(home / "photos/b.jpg", 2)
        opened = open_library(load_settings(home / "photos"))
        opened.runner.wait(opened.start_update_index(), timeout=30)
        with opened.database.transaction() as connection:
            gone = make_record("<gone>.jpg", "1990-01-01T00:00:00")
            catalog.insert_photos(connection, [gone], "2026-01-01")
            catalog.mark_missing(connection, [3], "2026-01-02")
        yield opened
        opened.close()


@pytest.fixture
def client(opened: Library) -> FlaskClient:
    return create_app(library=opened).test_client()


def names_of(text: str) -> list[str]:
    return re.findall(r'class="cell-name">([^<]*)', text)


EVERY_FILTER = PhotoFilter(
    favorites=True,
    newest_first=False,
    rating=4,
    kind="photo",
    camera="A & B",
    folder="Trips/x",
    year=2019,
    undated=True,
    recent=True,
    missing=True,
    query="a b",
)


def test_every_filter_survives_the_way_through_an_address(
    client: FlaskClient, opened: Library
) -> None:
    from web.view_filter import read_filter

    app = create_app(library=opened)
    with app.test_request_context("/", query_string=view_query(EVERY_FILTER)):
        assert read_filter() == EVERY_FILTER
    with app.test_request_context("/?q=&rating=&kind=&camera=&folder=&year=&favorites=&order="):
        assert read_filter() == PhotoFilter()
    with app.test_request_context("/?folder=/Trips/&q=++a++b+"):
        assert read_filter() == PhotoFilter(folder="Trips", query="a b")


@pytest.mark.parametrize(
    "query",
    [
        *(
            "rating=6",
            "rating=x",
            "kind=film",
            "year=0",
            "year=20190",
            "recent=2",
            "q=" + "x" * 201,
        ),
        *("order=up", "favorites=yes", "camera=%00", "year=%C2%B2"),
    ],
)
def test_what_is_no_filter_is_refused_in_a_sentence(client: FlaskClient, query: str) -> None:
    for address in ("/", "/months/2019-07", "/photo/1", "/filters"):
        answer = client.get(f"{address}?{query}", headers={"Accept": "text/html"})
        assert answer.status_code == 400
        assert query.partition("=")[0] in answer.text


def test_a_view_says_what_it_shows_and_how_to_do_without(client: FlaskClient) -> None:
    text = client.get("/?q=trips&kind=photo").text
    assert names_of(text) == ["a.jpg"]
    assert "1 photo</p>" in text
    assert 'aria-label="Without “trips”"' in text
    assert 'href="/?q=trips"' in text
    assert 'value="trips"' in text
    assert 'href="/photo/1?kind=photo&amp;q=trips"' in text
    assert "Show all photos" not in client.get("/").text


def test_what_finds_nothing_says_what_was_asked(client: FlaskClient) -> None:
    text = client.get("/?q=%3Cb%3E&camera=Nikon").text
    assert "Nothing found" in text
    assert "“&lt;b&gt;”" in text
    assert ">Nikon<" in text
    assert 'href="/"' in text


def test_missing_photos_have_a_view_of_their_own(client: FlaskClient) -> None:
    text = client.get("/?missing=1").text
    assert names_of(text) == ["&lt;gone&gt;.jpg"]
    assert "<small>missing</small>" in text
    assert "/api/photo/3/thumbnail" not in text
    assert "&lt;gone&gt;" not in client.get("/").text
    assert client.get("/photo/3?missing=1").status_code == 200


def test_the_form_has_what_there_is_and_what_is_chosen(client: FlaskClient) -> None:
    page = client.get("/filters?year=2019&q=x&folder=Elsewhere&favorites=1").text
    assert '<option value="2019" selected>2019 (1)</option>' in page
    assert '<option value="Trips">Trips (1)</option>' in page
    assert '<option value="Elsewhere" selected>' in page
    assert 'name="favorites" value="1" checked' in page
    assert "Missing (1)" in page
    part = client.get("/filters?fragment=1").text
    assert "<html" not in part
    assert "<form" in part


def test_the_api_takes_the_same_filters(client: FlaskClient) -> None:
    def find(query: str) -> list[str]:
        answer = client.get(f"/api/photos?{query}").json
        assert answer is not None
        return [photo["current_path"] for photo in answer["photos"]]

    assert find("q=july+2019") == ["Trips/a.jpg"]
    assert find("folder=/Trips/&rating=5") == ["Trips/a.jpg"]
    assert find("undated=1") == ["b.jpg"]
    assert find("missing=1") == ["<gone>.jpg"]
    assert find("kind=video") == []
    assert find("year=2019&recent=1&camera=x") == []
    assert client.get("/api/photos?rating=9").status_code == 400
