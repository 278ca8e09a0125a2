"""web/photos: the page of a photo, its facts as JSON, its pictures."""

from __future__ import annotations

import html
import io
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pictures import LONG_AGO_NS, make_film, make_jpeg
from PIL import Image

import catalog
from app import create_app
from catalog import PUBLIC_FIELDS, Photo
from exiftool_process import find_exiftool
from library import Library, open_library
from settings import load_settings
from web import photos

SCRIPT_NAME = "<script>alert(1)<!--.jpg"
QUOTE_NAME = '"onerror=alert(1) x=".jpg'
NEWLINE_NAME = "two\nlines.jpg"
SIDECAR = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    'syntax-ns#"><rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{rating}"/>'
    "</rdf:RDF></x:xmpmeta>"
)


def _make_tree(root: Path) -> None:
    make_jpeg(root / "Grüße – 東京.jpg", 1, date="2019:07:14 18:03:22")
    make_jpeg(root / "IMG_20180102_030405.jpg", 2)
    make_jpeg(root / "rejected.jpg", 3, date="2017:01:01 10:00:00")
    (root / "rejected.jpg.xmp").write_text(SIDECAR.format(rating=-1))
    make_jpeg(root / "album/five.jpg", 4, date="2016:01:01 10:00:00", rating=5)
    make_jpeg(root / "album/three.jpg", 5, date="2015:01:01 10:00:00", rating=3)
    make_jpeg(root / SCRIPT_NAME, 6, date="2014:01:01 10:00:00")
    make_jpeg(root / QUOTE_NAME, 7, date="2013:01:01 10:00:00")
    make_jpeg(root / NEWLINE_NAME, 8, date="2012:01:01 10:00:00")
    Image.new("RGB", (20, 10), "red").save(root / "png.jpg", "PNG")
    Image.new("RGB", (20, 10), "red").save(root / "scan.tif", "TIFF")
    whole = make_jpeg(root / "broken.jpg", 9, size=(400, 300)).read_bytes()
    (root / "broken.jpg").write_bytes(whole[: whole.index(b"\xff\xda")] + b"\xff\xda\0\0")
    make_film(root / "film.mp4", "mp4", "mpeg4")
    make_film(root / "film.wmv", "asf", "wmv2")
    make_jpeg(root / "pair/IMG_1.jpg", 11, date="2010:01:01 10:00:00")
    make_film(root / "pair/IMG_1.MOV", "mov", "mpeg4")
    (root / "pair/IMG_1.CR2").write_bytes(b"II*\0\x10\0\0\0CR" + bytes(100))
    (root / "drawn by nobody.jxl").write_bytes(b"\xff\x0a" + bytes(100))
    make_jpeg(root / "gone.jpg", 10, date="2011:01:01 10:00:00")
    os.utime(root / "png.jpg", ns=(LONG_AGO_NS, LONG_AGO_NS))


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("LIGHTKEEP_DATA_DIR", raising=False)
        _make_tree(home / "photos")
        opened = open_library(load_settings(home / "photos"))
        _index(opened)
        (home / "photos/gone.jpg").unlink()
        _index(opened)
        yield opened
        opened.close()


def _index(opened: Library) -> None:
    progress = opened.runner.wait(opened.start_update_index(), timeout=30)
    assert progress.status == "completed", progress.message


@pytest.fixture
def client(opened: Library) -> FlaskClient:
    return create_app(library=opened).test_client()


@pytest.fixture
def rows(opened: Library) -> dict[str, Photo]:
    with opened.database.reading() as connection:
        return {photo.current_path: photo for photo in catalog.iterate_photos(connection)}


def walk(client: FlaskClient, limit: int, **query: str) -> list[int]:
    """The ids of all photos, page by page."""
    ids: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = client.get("/api/photos", query_string={"limit": limit, "cursor": cursor, **query})
        assert answer.status_code == 200
        assert answer.json is not None
        assert len(answer.json["photos"]) <= limit
        ids += [photo["id"] for photo in answer.json["photos"]]
        cursor = answer.json["next_cursor"]
    return ids


# -- the page of a photo -----------------------------------------------------------------------


def test_a_page_leads_to_its_neighbors_in_page_order(
    client: FlaskClient, rows: dict[str, Photo]
) -> None:
    companions = {rows["pair/IMG_1.MOV"].id, rows["pair/IMG_1.CR2"].id}
    ids = [photo_id for photo_id in walk(client, 500) if photo_id not in companions]
    for place, photo_id in enumerate(ids):
        page = client.get(f"/photo/{photo_id}").text
        before = re.search(r'href="/photo/(\d+)" data-previous', page)
        behind = re.search(r'href="/photo/(\d+)" data-next', page)
        assert (int(before[1]) if before else None) == (ids[place - 1] if place else None)
        assert (int(behind[1]) if behind else None) == (
            ids[place + 1] if place + 1 < len(ids) else None
        )


def test_a_page_of_a_view_leads_only_to_photos_of_that_view(
    client: FlaskClient, rows: dict[str, Photo]
) -> None:
    page = client.get(f"/photo/{rows['album/five.jpg'].id}?favorites=1&order=oldest").text
    assert "data-previous" not in page
    assert "data-next" not in page
    assert 'href="/?favorites=1&amp;order=oldest&amp;month=2016-01#m-2016-01"' in page


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("rejected.jpg", "exif"),
        ("IMG_20180102_030405.jpg", "filename"),
        ("png.jpg", "none"),
    ],
)
def test_a_page_says_where_its_date_comes_from(
    client: FlaskClient, rows: dict[str, Photo], path: str, source: str
) -> None:
    assert rows[path].date_source == source
    page = html.unescape(client.get(f"/photo/{rows[path].id}").text)
    word, sentence = photos.DATE_SOURCES[source]
    assert sentence in page
    assert (f">{word}</span>" in page) == (source != "none")
    assert ("No capture date" in page) == (source == "none")


def test_every_source_of_a_date_has_its_words() -> None:
    assert set(photos.DATE_SOURCES) == {"exif", "xmp", "quicktime", "sidecar", "filename", "none"}


def test_a_page_says_what_the_rating_is_and_where_it_is_kept(
    client: FlaskClient, rows: dict[str, Photo]
) -> None:
    five = client.get(f"/photo/{rows['album/five.jpg'].id}").text
    assert 'aria-pressed="true" aria-label="5 stars"' in five
    assert five.count("rating-star lit") == 5
    assert "Favorite, kept in the file" in five
    three = client.get(f"/photo/{rows['album/three.jpg'].id}").text
    assert 'aria-pressed="true" aria-label="3 stars"' in three
    assert three.count("rating-star lit") == 3
    assert "Write into the file" not in three
    rejected = client.get(f"/photo/{rows['rejected.jpg'].id}").text
    assert "Rejected" in rejected
    assert "kept in the sidecar" in rejected
    none = client.get(f"/photo/{rows['png.jpg'].id}").text
    assert "rating-star lit" not in none
    assert "kept in" not in none


def test_a_fragment_is_the_same_markup_without_the_page_around_it(
    client: FlaskClient, rows: dict[str, Photo]
) -> None:
    address = f"/photo/{rows['album/five.jpg'].id}"
    part = client.get(f"{address}?fragment=1").text
    assert part.lstrip().startswith("<article")
    assert "<html" not in part
    assert part.strip() in client.get(address).text


def test_a_missing_photo_is_shown_as_missing(client: FlaskClient, rows: dict[str, Photo]) -> None:
    gone = rows["gone.jpg"]
    assert gone.missing_since
    response = client.get(f"/photo/{gone.id}")
    assert response.status_code == 200
    assert "not there now" in response.text
    assert "<img" not in response.text
    assert "/file" not in response.text
    assert gone.id not in walk(client, 500)


def test_no_name_of_a_file_becomes_markup(client: FlaskClient, rows: dict[str, Photo]) -> None:
    for name in (SCRIPT_NAME, QUOTE_NAME, NEWLINE_NAME):
        photo = rows[name]
        for address in (f"/photo/{photo.id}", f"/photo/{photo.id}?fragment=1", "/"):
            page = client.get(address).text
            assert name in html.unescape(page)
            assert "<script>alert" not in page
            assert '"onerror' not in page


@pytest.mark.parametrize("photo_id", ["0", "999999", str(2**63 - 1), str(2**63), "9" * 400])
@pytest.mark.parametrize("kind", ["/photo/{}", "/api/photo/{}", "/api/photo/{}/thumbnail"])
def test_an_id_that_is_nobodys_is_not_found(client: FlaskClient, kind: str, photo_id: str) -> None:
    assert client.get(kind.format(photo_id)).status_code == 404


@pytest.mark.parametrize("photo_id", ["-1", "x", "1.0", "%00", "1%0a", "..", "9" * 5000])
def test_what_is_no_id_is_not_found(client: FlaskClient, photo_id: str) -> None:
    for kind in ("/photo/{}", "/api/photo/{}", "/api/photo/{}/file"):
        assert client.get(kind.format(photo_id)).status_code == 404


# -- JSON --------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [{}, {"order": "oldest"}, {"favorites": "1"}])
def test_a_walk_by_cursor_is_the_order_of_the_page(
    client: FlaskClient, rows: dict[str, Photo], query: dict[str, str]
) -> None:
    hidden = {rows["pair/IMG_1.MOV"].id, rows["pair/IMG_1.CR2"].id}
    cells = re.findall(r'data-photo="(\d+)"', client.get("/", query_string=query).text)
    page_order = [int(photo_id) for photo_id in cells]
    assert page_order
    for limit in (1, 2, 3, 500):
        walked = [photo_id for photo_id in walk(client, limit, **query) if photo_id not in hidden]
        assert walked == page_order


@pytest.mark.parametrize("cursor", ["x", "!!!!", "W10", "e30", "WzEsMl0", "ä"])
def test_a_foreign_cursor_is_refused(client: FlaskClient, cursor: str) -> None:
    assert client.get("/api/photos", query_string={"cursor": cursor}).status_code == 400


def test_a_photo_is_described_by_exactly_the_promised_keys(
    client: FlaskClient, rows: dict[str, Photo]
) -> None:
    for photo in rows.values():
        answer = client.get(f"/api/photo/{photo.id}").json
        assert answer is not None
        assert set(answer) == set(PUBLIC_FIELDS)
        assert answer == catalog.describe_photo(photo)
    listed = client.get("/api/photos").json
    assert listed is not None
    assert set(listed) == {"photos", "next_cursor"}
    assert all(set(photo) == set(PUBLIC_FIELDS) for photo in listed["photos"])


# -- small pictures ----------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "longest"), [("thumbnail", 960), ("preview", 1600)])
def test_a_small_picture_is_webp_with_an_etag(
    client: FlaskClient, rows: dict[str, Photo], kind: str, longest: int
) -> None:
    address = f"/api/photo/{rows['album/five.jpg'].id}/{kind}"
    response = client.get(address)
    assert (response.status_code, response.mimetype) == (200, "image/webp")
    with Image.open(io.BytesIO(response.data)) as image:
        assert image.format == "WEBP"
        assert max(image.size) <= longest
    etag = response.headers["ETag"]
    again = client.get(address, headers={"If-None-Match": etag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag)
    assert client.get(address, headers={"If-None-Match": '"other"'}).status_code == 200


def test_only_the_right_version_in_the_address_is_kept_for_good(
    client: FlaskClient, rows: dict[str, Photo]
) -> None:
    photo = rows["album/five.jpg"]
    address = f"/api/photo/{photo.id}/thumbnail"
    right = client.get(address, query_string={"v": photos.picture_version(photo)})
    assert "immutable" in right.headers["Cache-Control"]
    for query in ({}, {"v": "old"}, {"v": ""}):
        control = client.get(address, query_string=query).headers["Cache-Control"]
        assert control == "private, no-cache"
    page = client.get(f"/photo/{photo.id}").text
    assert f"/preview?v={photos.picture_version(photo)}" in page


def test_a_picture_that_cannot_be_drawn_is_a_sentence(
    client: FlaskClient, rows: dict[str, Photo]
) -> None:
    for kind in ("thumbnail", "preview"):
        response = client.get(f"/api/photo/{rows['broken.jpg'].id}/{kind}")
        assert (response.status_code, response.mimetype) == (422, "application/json")
        assert response.json is not None
        assert response.json["error"]["code"].startswith("picture_")
        assert response.json["error"]["message"].endswith(".")
        assert response.headers["Cache-Control"] == "no-store"


# -- the file itself ---------------------------------------------------------------------------


def test_the_file_is_sent_as_what_its_bytes_are(
    client: FlaskClient, rows: dict[str, Photo], opened: Library
) -> None:
    for path, mime in (("png.jpg", "image/png"), ("album/five.jpg", "image/jpeg")):
        response = client.get(f"/api/photo/{rows[path].id}/file")
        assert (response.status_code, response.mimetype) == (200, mime)
        assert response.data == (opened.settings.library / path).read_bytes()
        assert response.headers["Content-Disposition"].startswith("inline")
        assert response.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_what_browsers_do_not_draw_is_offered_to_save(
    client: FlaskClient, rows: dict[str, Photo]
) -> None:
    response = client.get(f"/api/photo/{rows['scan.tif'].id}/file")
    assert response.mimetype == "image/tiff"
    assert response.headers["Content-Disposition"].startswith("attachment")


def test_a_part_of_the_file_is_sent_where_a_part_is_asked_for(
    client: FlaskClient, rows: dict[str, Photo], opened: Library
) -> None:
    address = f"/api/photo/{rows['album/five.jpg'].id}/file"
    whole = (opened.settings.library / "album/five.jpg").read_bytes()
    for asked, expected in (
        ("bytes=0-9", whole[:10]),
        ("bytes=-7", whole[-7:]),
        (f"bytes=5-{len(whole) * 9}", whole[5:]),
    ):
        response = client.get(address, headers={"Range": asked})
        assert (response.status_code, response.data) == (206, expected)
        assert response.headers["Content-Range"].endswith(f"/{len(whole)}")
    for asked in (f"bytes={len(whole)}-", "bytes=99999999-", "bytes=0-1,3-4"):
        response = client.get(address, headers={"Range": asked})
        assert response.status_code == 416, asked
        assert response.mimetype == "application/json"


def test_head_tells_the_size_and_sends_nothing(client: FlaskClient, rows: dict[str, Photo]) -> None:
    photo = rows["album/five.jpg"]
    response = client.head(f"/api/photo/{photo.id}/file")
    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["Content-Length"] == str(photo.file_size)


def test_a_download_keeps_its_name_in_any_letters(
    client: FlaskClient, rows: dict[str, Photo]
) -> None:
    response = client.get(f"/api/photo/{rows['Grüße – 東京.jpg'].id}/file?download=1")
    disposition = response.headers["Content-Disposition"]
    assert disposition.startswith("attachment")
    encoded = "Gr%C3%BC%C3%9Fe%20%E2%80%93%20%E6%9D%B1%E4%BA%AC.jpg"
    assert f"filename*=UTF-8''{encoded}" in disposition


@pytest.mark.parametrize("name", [SCRIPT_NAME, QUOTE_NAME, NEWLINE_NAME])
def test_no_name_breaks_the_headers(
    client: FlaskClient, rows: dict[str, Photo], opened: Library, name: str
) -> None:
    response = client.get(f"/api/photo/{rows[name].id}/file?download=1")
    assert response.status_code == 200
    assert response.data == (opened.settings.library / name).read_bytes()
    disposition = response.headers["Content-Disposition"]
    assert disposition.startswith("attachment; filename")
    assert disposition.isprintable()


def test_a_file_that_changed_since_the_index_is_not_taken_for_the_old_one(
    client: FlaskClient, rows: dict[str, Photo], opened: Library
) -> None:
    address = f"/api/photo/{rows['album/three.jpg'].id}/file"
    path = opened.settings.library / "album/three.jpg"
    before = path.read_bytes()
    etag = client.get(address).headers["ETag"]
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 304
    make_jpeg(path, 77, date="2015:01:01 10:00:00", rating=4)
    try:
        response = client.get(address, headers={"If-None-Match": etag})
        assert response.status_code == 200
        assert response.data == path.read_bytes()
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(LONG_AGO_NS + 5, LONG_AGO_NS + 5))


def test_a_file_that_is_not_there_is_not_found_and_its_place_is_not_told(
    client: FlaskClient, rows: dict[str, Photo], opened: Library
) -> None:
    response = client.get(f"/api/photo/{rows['gone.jpg'].id}/file")
    assert (response.status_code, response.mimetype) == (404, "application/json")
    assert "gone.jpg" in response.text
    assert str(opened.settings.library) not in response.text


def test_a_file_that_vanishes_in_this_moment_is_not_found(
    client: FlaskClient, rows: dict[str, Photo], opened: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = opened.settings.library / "album/five.jpg"
    look = os.stat

    def look_and_lose(name: str, **options: Any) -> os.stat_result:
        result = look(name, **options)
        if name == path.name:
            path.rename(path.with_name("aside"))
        return result

    monkeypatch.setattr("file_opening.os.stat", look_and_lose)
    try:
        response = client.get(f"/api/photo/{rows['album/five.jpg'].id}/file")
    finally:
        monkeypatch.undo()
        path.with_name("aside").rename(path)
    assert response.status_code == 404
    assert str(opened.settings.library) not in response.text


def test_a_link_to_elsewhere_in_the_place_of_a_folder_is_not_followed(
    client: FlaskClient, rows: dict[str, Photo], opened: Library, tmp_path: Path
) -> None:
    album = opened.settings.library / "album"
    shutil.copytree(album, tmp_path / "outside")
    album.rename(tmp_path / "album")
    album.symlink_to(tmp_path / "outside")
    try:
        response = client.get(f"/api/photo/{rows['album/five.jpg'].id}/file")
        assert response.status_code == 404
    finally:
        album.unlink()
        (tmp_path / "album").rename(album)


# -- films, RAW, pairs and cards -----------------------------------------------------------------


def _page(client: FlaskClient, photo: Photo) -> str:
    return client.get(f"/photo/{photo.id}").text


def test_a_film_is_played_with_its_poster_before(
    client: FlaskClient, rows: dict[str, Photo]
) -> None:
    film = rows["film.mp4"]
    page = _page(client, film)
    assert re.search(r'<video [^>]*controls[^>]*poster="/api/photo/\d+/preview', page)
    assert f'<source src="/api/photo/{film.id}/file">' in page
    poster = client.get(f"/api/photo/{film.id}/thumbnail")
    assert Image.open(io.BytesIO(poster.data)).format == "WEBP"


def test_a_film_comes_by_ranges(client: FlaskClient, rows: dict[str, Photo]) -> None:
    film = rows["film.mp4"]
    address = f"/api/photo/{film.id}/file"
    whole = client.get(address)
    assert whole.mimetype == "video/mp4"
    assert "attachment" not in whole.headers.get("Content-Disposition", "")
    part = client.get(address, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.data) == (206, whole.data[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{film.file_size}"


def test_a_film_that_no_browser_plays_is_shown_by_its_poster_and_for_downloading(
    client: FlaskClient, rows: dict[str, Photo]
) -> None:
    film = rows["film.wmv"]
    page = _page(client, film)
    assert "<video" not in page
    assert "Browsers cannot play WMV." in page
    answer = client.get(f"/api/photo/{film.id}/file")
    assert "attachment" in answer.headers["Content-Disposition"]


def test_a_photo_with_its_film_and_its_raw_is_one_cell_with_marks(
    client: FlaskClient, rows: dict[str, Photo]
) -> None:
    cells = client.get("/months/2010-01?fragment=1").text
    assert cells.count('<li class="cell">') == 1
    assert "<span>Live</span><span>RAW + JPEG</span>" in cells
    assert 'aria-label="Live photo, 2010-01-01 10:00, IMG_1.jpg"' in cells
    everywhere = "".join(client.get("/").text.split())
    assert "IMG_1.MOV" not in everywhere
    assert "IMG_1.CR2" not in everywhere


def test_both_of_a_pair_can_be_opened(client: FlaskClient, rows: dict[str, Photo]) -> None:
    leader = rows["pair/IMG_1.jpg"]
    page = _page(client, leader)
    for name in ("pair/IMG_1.MOV", "pair/IMG_1.CR2"):
        assert f'href="/photo/{rows[name].id}">{rows[name].original_filename}</a>' in page
        back = _page(client, rows[name])
        assert f'belongs to <a href="/photo/{leader.id}">IMG_1.jpg</a>' in back
    assert f'data-live="/api/photo/{rows["pair/IMG_1.MOV"].id}/file"' in page
    ids = walk(client, 500)
    assert {rows["pair/IMG_1.MOV"].id, rows["pair/IMG_1.CR2"].id} <= set(ids)


def test_what_nobody_draws_is_a_card_and_no_picture(
    client: FlaskClient, rows: dict[str, Photo]
) -> None:
    photo = rows["drawn by nobody.jxl"]
    cells = client.get("/months/undated?fragment=1").text
    cell = re.search(rf'<a href="/photo/{photo.id}".*?</a>', cells, re.DOTALL)
    assert cell is not None
    assert "<img" not in cell[0]
    assert "drawn by nobody.jxl<small>JXL</small>" in cell[0]
    page = _page(client, photo)
    assert "Lightkeep cannot draw this format." in page
    assert "data-picture" not in page
    assert client.get(f"/api/photo/{photo.id}/thumbnail").status_code == 422


def test_a_raw_without_exiftool_says_what_it_lacks_and_is_drawn_once_it_is_there(
    client: FlaskClient, rows: dict[str, Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = client.get("/").text
    assert ("ExifTool is not installed" in page) == (find_exiftool() is None)
    monkeypatch.setattr("library.Library.has_exiftool", False)
    assert "ExifTool is not installed: RAW photos are not shown" in client.get("/").text


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0:01"), (13.7, "0:14"), (60, "1:00"), (3661, "1:01:01")]
)
def test_a_length_is_written_as_on_a_clock(seconds: float, words: str) -> None:
    assert photos.format_clock(seconds) == words


@pytest.mark.parametrize(
    ("rating", "kept_in", "words"),
    [
        (None, None, "Add to favorites (f)"),
        (0, "file", "Add to favorites (f)"),
        (5, "file", "Remove from favorites (f)"),
        (5, "beside", "Favorite, kept beside the library. Remove from favorites (f)"),
        (4, "file", "4 stars. Add to favorites (f)"),
        (1, "database", "1 star, kept in the database only. Add to favorites (f)"),
        (-1, "sidecar", "Rejected, kept in the sidecar. Add to favorites (f)"),
    ],
)
def test_a_star_says_the_rating_and_where_it_is_kept(
    rows: dict[str, Photo], rating: int | None, kept_in: str | None, words: str
) -> None:
    photo = replace(rows["album/five.jpg"], rating=rating, kept_in=kept_in)
    assert photos.describe_star(photo) == words


# -- what the file says ------------------------------------------------------------------------


def test_the_facts_of_a_file_come_for_themselves_and_as_a_page(
    client: FlaskClient, rows: dict[str, Photo]
) -> None:
    for name in (
        SCRIPT_NAME,
        QUOTE_NAME,
        "film.mp4",
        "album/five.jpg",
        "broken.jpg",
        "drawn by nobody.jxl",
    ):
        photo = rows[name]
        part = client.get(f"/photo/{photo.id}/facts?fragment=1")
        assert part.status_code == 200
        path = re.findall(r"<code data-path>(.*?)</code>", part.text)[0]
        assert html.unescape(path) == photo.current_path
        assert f'title="{photo.content_hash}"' in part.text
        assert photo.content_hash[:12] in part.text
        assert "<script>alert" not in part.text
        page = client.get(f"/photo/{photo.id}/facts")
        assert "<h1>" in page.text
        assert "<script>alert" not in page.text
    assert client.get("/photo/999999/facts").status_code == 404


def test_a_file_that_is_not_there_is_a_sentence_beside_what_is_known(
    client: FlaskClient, rows: dict[str, Photo]
) -> None:
    photo = rows["gone.jpg"]
    part = client.get(f"/photo/{photo.id}/facts?fragment=1")
    assert part.status_code == 200
    assert "is not there now" in part.text
    assert photo.content_hash[:12] in part.text
