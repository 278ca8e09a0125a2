"""The words of the page: found, filled in, and whole in every language."""

from __future__ import annotations

import json
import re

import pytest
from collect_texts import COLLECTORS, Messages
from flask import Flask, render_template_string
from markupsafe import Markup

from settings_values import BROWSER_LANGUAGE, LANGUAGES
from web import texts
from web.texts import FOLDER, Texts

OTHERS = LANGUAGES[1:]
PARTS = tuple(COLLECTORS)


def read_catalog(language: str, part: str) -> dict[str, str | list[str]]:
    catalog: dict[str, str | list[str]] = json.loads(
        (FOLDER / language / f"{part}.json").read_text(encoding="utf-8")
    )
    return catalog


def list_places(words: str) -> list[str]:
    return sorted(re.findall(r"\{\w*\}", words))


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("part", PARTS)
def test_every_language_says_all_that_the_program_says_and_nothing_else(
    language: str, part: str
) -> None:
    said: Messages = COLLECTORS[part]()
    catalog = read_catalog(language, part)
    update = "run packaging/collect_texts.py"
    assert sorted(said.keys() - catalog.keys()) == [], update
    assert sorted(catalog.keys() - said.keys()) == [], update
    for words, many in said.items():
        forms = [catalog[words]] if many is None else catalog[words]
        assert isinstance(forms, list), words
        assert all(isinstance(form, str) and form.strip() for form in forms), words
        for form, source in zip(forms, [words] if many is None else [words, many], strict=True):
            # One of something may do without its number.
            fewer = many is not None and source == words
            places = set(list_places(str(form)))
            assert places <= {*list_places(source), "{count}"}, words
            assert fewer or places == set(list_places(source)), words


@pytest.mark.parametrize(
    ("part", "patterns"),
    [("pages", ("templates/**/*.html", "web/*.py")), ("scripts", ("static/js/*.js",))],
)
def test_no_call_escapes_the_collector(part: str, patterns: tuple[str, ...]) -> None:
    called = re.compile(r"""\b(?:_|n?gettext(?:_html|_noop)?)\(\s*(["'])(.+?)\1""")
    said = COLLECTORS[part]()
    for pattern in patterns:
        for path in FOLDER.parent.glob(pattern):
            for _quote, words in called.findall(path.read_text(encoding="utf-8")):
                assert words in said, (path.name, words)


def make_app(language: str = BROWSER_LANGUAGE) -> Flask:
    app = Flask("words")
    texts.register(app, lambda: language)
    return app


@pytest.fixture
def german(monkeypatch: pytest.MonkeyPatch) -> Texts:
    words = Texts(
        "de",
        {
            "Photos & films": "Fotos & Filme",
            "{count} photo": ["Ein Foto", "{count} Fotos"],
            "See {link}.": "Siehe {link}.",
        },
        {"Undo": "Rückgängig"},
        {
            "The file is empty.": "Die Datei ist leer.",
            "{0} cannot be moved: {1}.": "{0} lässt sich nicht verschieben: {1}.",
            "{0} of {1} photos": "von {1} Fotos {0}",
            "{0}: {1}.": "{0}! {1}!",
        },
    )
    monkeypatch.setattr(texts, "load_texts", {"en": Texts("en"), "de": words}.__getitem__)
    return words


@pytest.mark.parametrize(
    ("asked", "chosen", "language"),
    [
        ("", BROWSER_LANGUAGE, "en"),
        ("de-AT,de;q=0.9,en;q=0.5", BROWSER_LANGUAGE, "de"),
        ("en-US,en;q=0.9,de;q=0.5", BROWSER_LANGUAGE, "en"),
        ("fr,de;q=0.4", BROWSER_LANGUAGE, "de"),
        ("fr", BROWSER_LANGUAGE, "en"),
        ("rubbish;q=x,,;", BROWSER_LANGUAGE, "en"),
        ("en", "de", "de"),
        ("de", "en", "en"),
    ],
)
def test_the_language_is_the_one_that_is_set_or_else_the_browsers(
    asked: str, chosen: str, language: str
) -> None:
    headers = {"Accept-Language": asked} if asked else {}
    with make_app(chosen).test_request_context(headers=headers):
        assert texts.get_texts().language == language


@pytest.mark.usefixtures("german")
def test_templates_escape_what_is_filled_in_and_keep_html() -> None:
    template = (
        "{{ _('Photos & films') }} {{ ngettext('{count} photo', '{count} photos', n) }}"
        " {{ _('See {link}.', link=link) }}"
    )
    values: list[tuple[int, object, str]] = [
        (1, "<b>", "Fotos &amp; Filme Ein Foto Siehe &lt;b&gt;."),
        (1234, Markup("<a>x</a>"), "Fotos &amp; Filme 1.234 Fotos Siehe <a>x</a>."),
    ]
    for n, link, said in values:
        with make_app("de").test_request_context():
            assert render_template_string(template, n=n, link=link) == said


@pytest.mark.usefixtures("german")
def test_words_without_a_translation_stay_english() -> None:
    with make_app("de").test_request_context():
        assert texts.gettext("Something {what}", what="new") == "Something new"
        assert texts.ngettext("{count} day", "{count} days", 2000) == "2.000 days"
        assert texts.translate("Nothing like it is known.") == "Nothing like it is known."
    assert texts.gettext("{count} photos", count=1234) == "1,234 photos"


def test_sentences_from_below_are_known_by_their_shape(german: Texts) -> None:
    moved = "a: b.jpg cannot be moved: The file is empty.."
    assert german.translate("The file is empty.") == "Die Datei ist leer."
    assert german.translate(moved) == "a: b.jpg lässt sich nicht verschieben: Die Datei ist leer.."
    assert german.translate("3 of 1,000 photos") == "von 1.000 Fotos 3"
    assert german.translate("line\nbreak.jpg cannot be moved: no.").startswith("line\nbreak.jpg lä")


def test_a_shape_of_nearly_nothing_fits_nothing(german: Texts) -> None:
    assert german.translate("some name: some words.") == "some name: some words."


def test_what_is_filled_in_is_not_filled_in_again(german: Texts) -> None:
    assert german.translate("{1} cannot be moved: {0}.") == (
        "{1} lässt sich nicht verschieben: {0}."
    )
    assert german.fill("{a} {b}", {"a": "{b}", "b": "x"}) == "{b} x"


def test_long_rubbish_is_looked_through_in_a_moment(german: Texts) -> None:
    rubbish = "cannot be moved: " * 20_000
    assert german.translate(rubbish) == rubbish
