"""web/grid: the page of all months, its blocks, and the months for themselves."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import url_for
from flask.testing import FlaskClient
from pictures import make_jpeg
from rows import make_record

import catalog
import photo_listing
from app import create_app
from catalog import PhotoRecord
from library import Library, open_library
from library_parts import thumbnail_source
from photo_filter import PhotoFilter
from settings import load_settings
from thumbnails import GRID_PX
from web import grid, photos, view_filter
from web.cells import make_cells

QUOTE_NAME = '"onerror=alert(1) x=".jpg'
SCRIPT_NAME = "<script>alert(1)<!--.jpg"
CROWDED = "2010-05"
CROWD = 2 * grid.BLOCK_PHOTOS + 37


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("LIGHTKEEP_DATA_DIR", raising=False)
        yield home


@pytest.fixture(scope="module")
def opened(home: Path) -> Iterator[Library]:
    """Three photos of July 2019, one of 2005, one undated, and a crowded month without files."""
    root = home / "photos"
    make_jpeg(root / "a.jpg", 1, date="2019:07:14 18:03:22", rating=5)
    make_jpeg(root / QUOTE_NAME, 2, date="2019:07:15 18:03:22")
    make_jpeg(root / SCRIPT_NAME, 3, date="2019:07:16 18:03:22")
    make_jpeg(root / "old.jpg", 4, date="2005:12:31 23:59:59", rating=5)
    make_jpeg(root / "undated.jpg", 5)
    opened = open_library(load_settings(root))
    progress = opened.runner.wait(opened.start_update_index(), timeout=30)
    assert progress.status == "completed", progress.message
    with opened.database.transaction() as connection:
        catalog.insert_photos(connection, map(_crowd_record, range(CROWD)), "2026-01-01")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def empty(home: Path) -> Iterator[Library]:
    (home / "nothing").mkdir()
    empty = open_library(load_settings(home / "nothing"))
    yield empty
    empty.close()


def _crowd_record(number: int) -> PhotoRecord:
    time = f"{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}"
    return make_record(f"crowd/{number}.jpg", f"{CROWDED}-01T{time}")


@pytest.fixture
def client(opened: Library) -> FlaskClient:
    return create_app(library=opened).test_client()


def months_of(page: str) -> list[str]:
    return re.findall(r'<section class="month" id="m-([^"]+)"', page)


def blocks_of(page: str) -> dict[str, int]:
    """The blocks of the style element and how many photos they say to hold."""
    return {name: int(count) for name, count in re.findall(r"#b-([\w-]+)\{--n:(\d+)\}", page)}


def cells_of(page: str) -> list[int]:
    return [
        int(photo_id) for photo_id in re.findall(r'<li class="cell">.*?data-photo="(\d+)"', page)
    ]


# -- the page ----------------------------------------------------------------------------------


def test_a_library_without_photos_says_what_to_do(empty: Library) -> None:
    client = create_app(library=empty).test_client()
    page = client.get("/").text
    assert "Welcome to Lightkeep" in page
    assert str(empty.settings.library) in page
    assert "No favorites yet" in client.get("/?favorites=1").text


def test_months_stand_newest_first_and_undated_last(client: FlaskClient) -> None:
    page = client.get("/").text
    assert months_of(page) == ["2019-07", CROWDED, "2005-12", "undated"]
    assert html.unescape(page).count("July 2019") >= 1


def test_oldest_first_turns_the_months_round_and_leaves_undated_last(client: FlaskClient) -> None:
    assert months_of(client.get("/?order=oldest").text) == [
        *("2005-12", CROWDED, "2019-07", "undated")
    ]


def test_favorites_are_those_rated_five(client: FlaskClient) -> None:
    page = client.get("/?favorites=1").text
    assert months_of(page) == ["2019-07", "2005-12"]
    assert len(cells_of(page)) == 2
    assert page.count('aria-pressed="true"') == 2


@pytest.mark.parametrize(
    "query", ["order=up", "order=", "favorites=2", "favorites=true", "favorites=", "order=%00"]
)
@pytest.mark.parametrize("path", ["/", "/months/2019-07", "/photo/1", "/api/photos"])
def test_a_view_that_is_not_there_is_refused(client: FlaskClient, path: str, query: str) -> None:
    assert client.get(f"{path}?{query}").status_code == 400


def test_every_block_has_its_height_before_it_is_filled(client: FlaskClient) -> None:
    block = grid.BLOCK_PHOTOS
    page = client.get("/").text
    assert blocks_of(page) == {
        "2019-07-0": 3,
        f"{CROWDED}-0": block,
        f"{CROWDED}-{block}": block,
        f"{CROWDED}-{2 * block}": 37,
        "2005-12-0": 1,
        "undated-0": 1,
    }
    lists = re.findall(
        r'<ul class="cells" id="b-([^"]+)" data-month="([^"]+)"[^>]*-offset="(\d+)"', page
    )
    assert [name for name, _, _ in lists] == list(blocks_of(page))
    assert all(name == f"{month}-{offset}" for name, month, offset in lists)


def test_the_server_fills_only_the_first_blocks(client: FlaskClient) -> None:
    page = client.get("/").text
    empty = re.findall(r'id="b-([^"]+)"[^>]* data-empty>', page)
    block = grid.BLOCK_PHOTOS
    assert empty == [f"{CROWDED}-{block}", f"{CROWDED}-{2 * block}", "2005-12-0", "undated-0"]
    assert len(cells_of(page)) == 3 + block
    # Without a script, an empty block leads to its photos.
    links = re.findall(r'class="cells-link"><a href="([^"]+)"', page)
    assert len(links) == len(empty)
    for link in links:
        assert cells_of(client.get(html.unescape(link)).text)


def test_no_name_of_a_file_becomes_markup(client: FlaskClient) -> None:
    for path in ("/", "/months/2019-07", "/months/2019-07?fragment=1"):
        page = client.get(path).text
        assert QUOTE_NAME in html.unescape(page)
        assert SCRIPT_NAME in html.unescape(page)
        assert '"onerror' not in page
        assert "<script>" not in page


def test_a_foreign_word_in_the_query_does_not_become_markup(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "MEDIUM", grid.CellSize("medium", 120, 10))
    for path in ("/?decade=<script>", "/months/<script>", "/?order=<script>", "/<script>"):
        response = client.get(path)
        assert response.status_code in (400, 404)
        assert "<script>" not in response.text


# -- decades -----------------------------------------------------------------------------------


def test_a_library_too_tall_for_a_browser_is_shown_by_decades(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 'class="decades"' not in client.get("/").text
    monkeypatch.setattr(grid, "MEDIUM", grid.CellSize("medium", 120, CROWD))
    first = client.get("/").text
    assert months_of(first) == ["2019-07", CROWDED]
    links = re.findall(r'href="(/\?decade=[^"]+)"', first)
    assert links == ["/?decade=2010s", "/?decade=2000s", "/?decade=undated"]
    shown = [month for link in links for month in months_of(client.get(link).text)]
    assert shown == ["2019-07", CROWDED, "2005-12", "undated"]
    assert months_of(client.get("/?order=oldest").text) == ["2005-12"]
    # The favorites fit on one page.
    assert months_of(client.get("/?favorites=1").text) == ["2019-07", "2005-12"]


@pytest.mark.parametrize("decade", ["1990s", "2010", "", "x", "2010-05"])
def test_a_decade_without_photos_is_not_found(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, decade: str
) -> None:
    monkeypatch.setattr(grid, "MEDIUM", grid.CellSize("medium", 120, 10))
    assert client.get("/", query_string={"decade": decade}).status_code == 404


# -- months ------------------------------------------------------------------------------------


def test_blocks_one_after_the_other_are_the_month(client: FlaskClient, opened: Library) -> None:
    whole: list[int] = []
    for name in blocks_of(client.get("/").text):
        if name.startswith(CROWDED):
            offset = name.rpartition("-")[2]
            whole += cells_of(client.get(f"/months/{CROWDED}?fragment=1&offset={offset}").text)
    with opened.database.reading() as connection:
        photos = photo_listing.list_month_photos(connection, CROWDED, PhotoFilter())
    assert whole == [photo.id for photo in photos]


def test_a_fragment_is_cells_and_nothing_else(client: FlaskClient) -> None:
    response = client.get("/months/2019-07?fragment=1")
    assert response.mimetype == "text/html"
    assert len(cells_of(response.text)) == 3
    assert "<html" not in response.text
    assert "<section" not in response.text
    assert cells_of(client.get("/months/2019-07").text) == cells_of(response.text)


def test_a_month_for_itself_leads_through_all_photos_without_a_script(client: FlaskClient) -> None:
    address: str | None = "/months/2019-07"
    seen: list[int] = []
    while address:
        page = client.get(address).text
        assert "<html" in page
        seen += cells_of(page)
        pager = page[page.index('class="pager"') :]
        onward = re.search(r'href="([^"]+)">(?:More of |[^<]* →)', pager)
        address = html.unescape(onward[1]) if onward else None
    assert len(seen) == len(set(seen)) == CROWD + 5


def test_smaller_pages_of_a_month_leave_nothing_out(client: FlaskClient) -> None:
    page = client.get(f"/months/{CROWDED}?limit=5").text
    assert len(cells_of(page)) == 5
    assert f'href="/months/{CROWDED}?offset=5"' in page


def test_a_filter_applies_to_a_month_as_to_the_page(client: FlaskClient) -> None:
    assert len(cells_of(client.get("/months/2019-07?favorites=1&fragment=1").text)) == 1
    oldest = cells_of(client.get("/months/2019-07?order=oldest").text)
    assert oldest == cells_of(client.get("/months/2019-07").text)[::-1]
    # The cells lead to the same view of a photo.
    part = client.get("/months/2019-07?favorites=1&order=oldest&fragment=1").text
    assert re.search(r'href="/photo/\d+\?favorites=1&amp;order=oldest"', part)


@pytest.mark.parametrize(
    "key",
    [
        *("2019-13", "2019-00", "2019-7", "19-07", "2019", "2019-07-01", "Undated", "x"),
        *("0000-05", "２０１９-07", "2019-07%0a", "%00", "2019-07'", "m-2019-07"),
    ],
)
@pytest.mark.parametrize("query", ["", "?fragment=1"])
def test_what_is_no_month_is_not_found(client: FlaskClient, key: str, query: str) -> None:
    response = client.get(f"/months/{key}{query}")
    assert response.status_code == 404


def test_the_script_is_told_which_months_there_are(client: FlaskClient) -> None:
    answer = client.get("/months").json
    assert isinstance(answer, dict)
    assert [month["key"] for month in answer["months"]] == [
        "2019-07",
        CROWDED,
        "2005-12",
        "undated",
    ]
    assert answer["months"][1]["count"] == CROWD
    turned = client.get("/months?order=oldest&favorites=1").json
    assert isinstance(turned, dict)
    assert turned["months"] == [{"key": "2005-12", "count": 1}, {"key": "2019-07", "count": 1}]


def test_a_section_is_that_of_the_page_with_its_blocks_empty(client: FlaskClient) -> None:
    section = client.get(f"/sections/{CROWDED}").text
    assert section.count("data-empty") == 3
    assert f'data-count="{CROWD}"' in section
    assert "<html" not in section
    assert "data-photo" not in section
    head = section.partition('<header class="month-head">')[2].partition("</header>")[0]
    assert head in client.get("/").text
    assert f"{CROWD} photos" in head
    assert client.get("/sections/1999-01").text == ""
    assert client.get("/sections/nonsense").text == ""


def test_a_month_without_photos_is_not_found(client: FlaskClient) -> None:
    for address in ("/months/0001-01", "/months/9999-12", f"/months/{CROWDED}?favorites=1"):
        response = client.get(address)
        assert response.status_code == 404
        assert "There are no photos of" in response.text


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=211", "limit=-1", "offset=-1", "offset=x", "offset=1000000001"]
)
def test_a_part_of_a_month_has_bounds(client: FlaskClient, query: str) -> None:
    for fragment in ("", "&fragment=1"):
        assert client.get(f"/months/2019-07?{query}{fragment}").status_code == 400


def test_a_part_behind_the_end_is_empty(client: FlaskClient) -> None:
    response = client.get("/months/2019-07?offset=1000000000&fragment=1")
    assert (response.status_code, cells_of(response.text)) == (200, [])


# -- how large, and in which colors ------------------------------------------------------------


def test_a_cookie_says_how_large_cells_are_and_any_other_value_nothing(client: FlaskClient) -> None:
    for said, shown in (("small", "small"), ("large", "large"), ('"><b>', "medium")):
        client.set_cookie(grid.SIZE_COOKIE, said)
        for address in ("/", "/months/2019-07"):
            assert f'data-cells="{shown}"' in client.get(address).get_data(as_text=True)
    client.delete_cookie(grid.SIZE_COOKIE)


def test_blocks_meet_without_a_gap_for_every_number_of_columns() -> None:
    css = (Path(grid.__file__).parent.parent / "static/css/grid.css").read_text()
    columns = {int(number) for number in re.findall(r"--(?:smaller|medium|larger): (\d+)", css)}
    assert columns == {2, 3, 5, 7, 10, 14, 21}
    assert all(grid.BLOCK_PHOTOS % number == 0 for number in columns)


def test_large_cells_show_a_decade_at_a_time_before_others_do(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = grid.CellSize("large", 120, 10)
    monkeypatch.setitem(grid.SIZES, "large", large)
    page = client.get("/").get_data(as_text=True)
    assert 'data-split="large"' in page
    assert 'class="decades"' not in page
    client.set_cookie(grid.SIZE_COOKIE, "large")
    assert 'class="decades"' in client.get("/").get_data(as_text=True)
    client.delete_cookie(grid.SIZE_COOKIE)


def test_cells_have_the_colors_of_their_pictures_in_the_page_and_in_what_comes_later(
    opened: Library, client: FlaskClient
) -> None:
    with opened.database.reading() as connection:
        photo = photo_listing.list_month_photos(connection, "2019-07", PhotoFilter(), limit=1)[0]
    # Drawn already, so that nobody in the background notes its true colors meanwhile.
    opened.thumbnails.get(thumbnail_source(photo), GRID_PX)
    opened.colors.note(thumbnail_source(photo).key, "aa0000bb0000cc0000")
    gradient = "linear-gradient(#aa0000,#bb0000,#cc0000)"
    page = client.get("/")
    nonce = re.findall(r"'nonce-([^']+)'", page.headers["Content-Security-Policy"])[0]
    style = re.findall(rf'<style nonce="{nonce}">(.+?)</style>', page.text, re.DOTALL)[0]
    assert f"[data-photo='{photo.id}']{{--colors:{gradient}}}" in style
    for address in ("/months/2019-07?fragment=1", f"/cells?id={photo.id}"):
        assert f'data-photo="{photo.id}" data-day="2019-07-16" data-colors="{gradient}"' in (
            client.get(address).text
        )
    # What is no color never becomes a style.
    opened.colors.flush()
    with opened.database.transaction() as connection:
        connection.execute("UPDATE picture_colors SET colors = '}*{display:none}aa'")
    assert "display:none" not in client.get("/").text


@pytest.mark.parametrize("script_root", ["", "/lib"])
@pytest.mark.parametrize("query", ["", "?favorites=1", "?favorites=1&order=oldest", "?q=a+%26b/é"])
def test_the_addresses_of_a_cell_are_those_that_flask_makes(
    opened: Library, query: str, script_root: str
) -> None:
    app = create_app(library=opened)
    with opened.database.reading() as connection:
        photo = catalog.get_photo_at(connection, "a.jpg")
    with app.test_request_context(f"/{query}", environ_overrides={"SCRIPT_NAME": script_root}):
        photo_filter = view_filter.read_filter()
        view: dict[str, Any] = view_filter.view_query(photo_filter)
        page = url_for("photos.show_photo", photo_id=photo.id, **view)
        (cell,) = make_cells([photo], {}, {}, photo_filter)
        assert cell.address == page
        version = photos.picture_version(photo)
        picture = url_for("photos.send_thumbnail", photo_id=photo.id, v=version)
        assert cell.picture == picture
