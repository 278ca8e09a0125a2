"""What the page says, in the language of whoever looks at it.

The English words in the code are the keys, as with gettext; `texts/LANGUAGE/` holds what stands for
them: `pages.json` for templates and this package, `scripts.json` for the page's own script, and
`sentences.json` for the sentences that come from below (errors, reports), which are made in English
and known again by their shape. What has no translation stays English.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from flask import Flask, current_app, has_request_context, request
from markupsafe import Markup, escape

from settings_values import BROWSER_LANGUAGE, LANGUAGES

FOLDER: Final = Path(__file__).parent.parent / "texts"
ENGLISH: Final = LANGUAGES[0]
_SENTENCES: Final = frozenset({"message", "reason", "error"})
_PLACE: Final = re.compile(r"\{(\w*)\}")
_NUMBER: Final = re.compile(r"\d{1,3}(,\d{3})+", re.ASCII)
_SEPARATORS: Final = str.maketrans(",.", ".,")
_MOST_DEPTH: Final = 3
_FEWEST_LETTERS: Final = 8
"""A shape with fewer of its own, as `{0}: {1}.`, fits too much."""
_EXTENSION: Final = "lightkeep_texts"

# Not on `g`: a page of cells asks a thousand times, and each time would take two proxies.
_chosen: Final[ContextVar[Texts | None]] = ContextVar("texts", default=None)

Catalog = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class _Shape:
    """A sentence with places in it, as it is known again: `parts` stand around `names`."""

    parts: tuple[str, ...]
    names: tuple[str, ...]
    translation: str

    @property
    def letters(self) -> int:
        return sum(map(len, self.parts))

    def match(self, sentence: str) -> dict[str, str] | None:
        """What stands in the places; each part is taken where it comes first.

        Not a pattern: one with five places takes minutes for a name that is made for it.
        """
        first, *inner, last = self.parts
        end = len(sentence) - len(last)
        if not sentence.startswith(first) or not sentence.endswith(last) or end < len(first):
            return None
        at = len(first)
        said = []
        for part in inner:
            found = sentence.find(part, at, end)
            if found < 0:
                return None
            said.append(sentence[at:found])
            at = found + len(part)
        return dict(zip(self.names, [*said, sentence[at:end]], strict=True))


@dataclass(frozen=True, eq=False)
class Texts:
    """The words of one language."""

    language: str
    pages: Catalog = field(default_factory=dict)
    scripts: Catalog = field(default_factory=dict)
    sentences: Catalog = field(default_factory=dict)

    def find(self, words: str) -> str:
        found = self.pages.get(words, words)
        return found if isinstance(found, str) else found[0]

    def find_form(self, one: str, many: str, count: int) -> str:
        """The words for so many: English and German have two forms, and the same rule."""
        found = self.pages.get(one, [one, many])
        return found if isinstance(found, str) else found[count != 1]

    def fill(self, words: str, values: Mapping[str, Any]) -> str:
        """Put values into `{name}`; whole numbers with the separators of the language."""
        parts = _split(words)
        if len(parts) == 1:
            return words
        filled = [
            (self._show(values[part]) if part in values else f"{{{part}}}") if number % 2 else part
            for number, part in enumerate(parts)
        ]
        return "".join(filled)

    def _show(self, value: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            return self.format_number(value)
        return str(value)

    def format_number(self, number: float, decimals: int = 0) -> str:
        """`1,234.5`, with the separators of the language."""
        shown = f"{number:,.{decimals}f}"
        return shown if self.language == ENGLISH else shown.translate(_SEPARATORS)

    def translate(self, sentence: str, depth: int = 0) -> str:
        """A sentence from below; unchanged where none like it is known."""
        found = self.sentences.get(sentence)
        if isinstance(found, str):
            return found
        if not self.sentences or depth > _MOST_DEPTH or " " not in sentence:
            return sentence
        return self._translate_by_shape(sentence, depth)

    def translate_reasons(self, answer: Any) -> Any:
        """JSON for the page's script, with what it says of errors in this language."""
        if not self.sentences:
            return answer
        if isinstance(answer, Mapping):
            return {
                key: self.translate(value)
                if key in _SENTENCES and isinstance(value, str)
                else self.translate_reasons(value)
                for key, value in answer.items()
            }
        if isinstance(answer, list):
            return [self.translate_reasons(one) for one in answer]
        return answer

    def _translate_by_shape(self, sentence: str, depth: int) -> str:
        for shape in self._shapes:
            values = shape.match(sentence)
            if values is not None:
                said = {name: self._say_value(one, depth) for name, one in values.items()}
                return self.fill(shape.translation, said)
        return sentence

    def _say_value(self, value: str, depth: int) -> str:
        if _NUMBER.fullmatch(value):
            return self.format_number(int(value.replace(",", "")))
        return self.translate(value, depth + 1)

    @functools.cached_property
    def _shapes(self) -> list[_Shape]:
        """Those with the most words of their own first: they fit nothing by chance."""
        shapes = [
            make_shape(sentence, translation)
            for sentence, translation in self.sentences.items()
            if isinstance(translation, str) and _PLACE.search(sentence)
        ]
        telling = [shape for shape in shapes if shape.letters >= _FEWEST_LETTERS]
        return sorted(telling, key=lambda shape: -shape.letters)


@functools.lru_cache(maxsize=4096)
def _split(words: str) -> list[str]:
    """Words and, at odd places, the names of what stands between them."""
    return _PLACE.split(str(words))


def make_shape(sentence: str, translation: str) -> _Shape:
    """A sentence whose places are `{0}`, `{1}` ..."""
    parts = _PLACE.split(sentence)
    return _Shape(tuple(parts[::2]), tuple(parts[1::2]), translation)


@functools.cache
def load_texts(language: str) -> Texts:
    """The catalogs of a language, read once."""
    if language == ENGLISH:
        return Texts(ENGLISH)
    return Texts(
        language,
        *(
            json.loads((FOLDER / language / f"{part}.json").read_text(encoding="utf-8"))
            for part in ("pages", "scripts", "sentences")
        ),
    )


def get_texts() -> Texts:
    """The words for this request: of the language that is set, else of the browser's."""
    texts = _chosen.get()
    if texts is None:
        if not has_request_context():
            return load_texts(ENGLISH)
        language = _find_language()
        if language == BROWSER_LANGUAGE:
            language = request.accept_languages.best_match(LANGUAGES, ENGLISH) or ENGLISH
        texts = load_texts(language)
        _chosen.set(texts)
    return texts


def _forget(_error: BaseException | None) -> None:
    _chosen.set(None)


def _find_language() -> str:
    find: Callable[[], str] = current_app.extensions[_EXTENSION]
    return find()


def gettext(words: str, /, **values: Any) -> str:
    """These words in the language of the request, with `{name}` filled in."""
    texts = get_texts()
    return texts.fill(texts.find(words), values)


def ngettext(one: str, many: str, count: int, /, **values: Any) -> str:
    """The words for so many in the language of the request; `{count}` is the number."""
    texts = get_texts()
    return texts.fill(texts.find_form(one, many, count), {"count": count} | values)


def gettext_noop(words: str) -> str:
    """Marks words that are translated where they are shown."""
    return words


def translate(sentence: str) -> str:
    """A sentence that was made in English by a room below, in the language of the request."""
    return get_texts().translate(sentence)


def format_number(number: float, decimals: int = 0) -> str:
    """`1,234.5`, as the language of the request writes it."""
    return get_texts().format_number(number, decimals)


def _escaped(words: str, /, **values: Any) -> Markup:
    """As `gettext`, for a template: all is escaped but values that are HTML already."""
    texts = get_texts()
    return _fill_html(texts, _escape_words(texts.find(words)), values)


def _escaped_plural(one: str, many: str, count: int, /, **values: Any) -> Markup:
    texts = get_texts()
    words = _escape_words(texts.find_form(one, many, count))
    return _fill_html(texts, words, {"count": count} | values)


def _with_markup(words: str, /, **values: Any) -> Markup:
    """As `gettext`, where the words themselves are HTML: a link or bold words within a sentence."""
    texts = get_texts()
    return _fill_html(texts, Markup(texts.find(words)), values)  # noqa: S704  of the catalog


# A cell has four words, and a page hundreds of cells.
@functools.lru_cache(maxsize=4096)
def _escape_words(words: str) -> Markup:
    return escape(words)


def _fill_html(texts: Texts, words: Markup, values: Mapping[str, Any]) -> Markup:
    if not values:
        return words
    shown = {
        name: value if isinstance(value, int) else escape(value) for name, value in values.items()
    }
    return Markup(texts.fill(words, shown))  # noqa: S704  words and values are escaped


def register(app: Flask, find_language: Callable[[], str]) -> None:
    """Give the templates their words. find_language: the one that is set, or the browser's."""
    app.extensions[_EXTENSION] = find_language
    app.teardown_request(_forget)
    app.jinja_env.globals.update(
        _=_escaped,
        ngettext=_escaped_plural,
        gettext_html=_with_markup,
        get_language=lambda: get_texts().language,
        get_script_texts=lambda: get_texts().scripts,
    )
    app.jinja_env.filters.update(
        translate=lambda sentence: translate(str(sentence)),
        number=format_number,
    )
