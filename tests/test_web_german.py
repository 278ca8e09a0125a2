"""The pages in German: no English is left where there is a German word for it."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient
from pictures import make_jpeg

from app import create_app
from library import Library, open_library
from settings import load_settings
from web.texts import load_texts

GERMAN = {"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"}
SHOWN = ("aria-label", "title", "placeholder", "alt")
PAGES = (
    *("/", "/?favorites=1", "/?order=oldest&kind=photo&rating=3&recent=1", "/?q=unheard"),
    *("/months/2019-03", "/months/undated", "/photo/1", "/photo/3", "/photo/1/facts", "/filters"),
    *("/settings", "/import", "/trash", "/trash/empty", "/duplicates", "/duplicates?same_bytes=1"),
    *("/edits", "/operations", "/operations/start/rebuild_database", "/performance"),
    *(
        "/operations/start/verify_library",
        "/nowhere",
        "/offline",
        "/?order=sideways",
        "/settings?saved=values",
    ),
)


class Words(HTMLParser):
    """What a person sees or hears of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.language = ""
        self.words: list[str] = []
        self._hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        values = dict(attrs)
        self.language = self.language or values.get("lang") or ""
        self.words += [" ".join(value.split()) for name in SHOWN if (value := values.get(name))]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.words.append(" ".join(data.split()))


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("LIGHTKEEP_DATA_DIR", raising=False)
        for number in range(6):
            make_jpeg(home / f"photos/{number}.jpg", number, date=f"2019:03:1{number} 12:00:00")
        make_jpeg(home / "photos/again.jpg", 3, date="2019:03:13 12:00:00")
        make_jpeg(home / "photos/undated.jpg", 99)
        (home / "photos/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
        library = open_library(load_settings(home / "photos"))
        library.runner.wait(library.start_update_index(), timeout=60)
        library.finish(library.start_trash([2]))
        library.rate_photo(1, 5)
        library.rate_photo(1, 3)
        yield library
        library.close()


@pytest.fixture(scope="module")
def client(opened: Library) -> FlaskClient:
    return create_app(library=opened).test_client()


def list_english() -> set[str]:
    """Words that must not be left; single ones may stand in German too."""
    pages = load_texts("de").pages
    return {words for words, german in pages.items() if " " in words and "{" not in words != german}


def find_english(page: str, english: set[str]) -> list[str]:
    return [said for said in Words(page).words if said in english or said.rstrip(".:") in english]


@pytest.mark.parametrize("address", PAGES)
def test_a_page_leaves_no_english(client: FlaskClient, address: str) -> None:
    page = client.get(address, headers=GERMAN).text
    assert Words(page).language == "de"
    assert not find_english(page, list_english())
    # The proof that this sees anything.
    assert find_english(client.get(address).text, list_english())


def test_reports_and_their_problems_are_german(client: FlaskClient, opened: Library) -> None:
    operation = opened.list_operations(5)[-1]
    page = client.get(f"/operations/{operation.operation_id}/report", headers=GERMAN).text
    assert "Aktualisierung des Index" in page
    assert "Die JPEG-Datei ist beschädigt" in page
    assert not find_english(page, list_english())
    told = client.get(f"/api/operations/{operation.operation_id}", headers=GERMAN).get_json()
    assert "beschädigt" in told["report"]["problems"][0]["reason"]
    plain = client.get(f"/api/operations/{operation.operation_id}").get_json()
    assert "is damaged" in plain["report"]["problems"][0]["reason"]


def test_an_error_is_german_for_the_pages_script_too(client: FlaskClient) -> None:
    refused = client.get("/api/photo/999", headers=GERMAN).get_json()
    assert refused["error"] == {
        "code": "not_found",
        "message": "Es gibt kein Foto 999 in dieser Bibliothek.",
    }


def test_a_page_carries_the_words_of_its_script_in_other_languages_alone(
    client: FlaskClient,
) -> None:
    assert "data-texts" not in client.get("/").text
    german = client.get("/", headers=GERMAN).text
    assert '<script type="application/json" data-texts>' in german
    assert "Rückgängig" in german or "R\\u00fcckg\\u00e4ngig" in german


def test_the_months_that_are_kept_ready_do_not_mix_languages(client: FlaskClient) -> None:
    for _ in range(2):
        assert "March 2019" in client.get("/").text
        assert "März 2019" in client.get("/", headers=GERMAN).text
