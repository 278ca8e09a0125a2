"""templates/edits.html: what was changed, grouped by what a person did, with its undo."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flask import render_template

from app import create_app
from library import Library, open_library
from settings import load_settings


@dataclass(frozen=True, slots=True)
class Values:
    rating: int | None = None
    kept_in: str | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """As the journal tells of one."""

    id: int
    path: str
    before: Values = field(default=Values())
    after: Values = field(default=Values(5, "file"))
    operation_id: str | None = None
    photo_id: int | None = 7
    state: str = "done"
    planned_at: str = "2026-03-01T10:00:00+00:00"
    done_at: str | None = None
    undoable: bool = True
    kind: str = "rating"


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    (home / "photos").mkdir()
    library = open_library(load_settings(home / "photos"))
    yield library
    library.close()


def render(library: Library, *edits: Edit) -> str:
    with create_app(library=library).test_request_context("/edits"):
        page = render_template("edits.html", library=library, edits=edits)
    return re.sub(r"\s+", " ", html.unescape(page))


def test_a_change_says_from_what_to_what_and_can_be_undone(library: Library) -> None:
    page = render(library, Edit(3, "2022/<b>.jpg", before=Values(4, "file")))
    assert 'href="/photo/7" title="2022/<b>.jpg"><b>.jpg</a>' in page
    assert "4 stars → Favorite ·" in page
    assert "March 1" in page
    assert 'action="/edits/3/undo"' in page


def test_a_name_is_no_markup(library: Library) -> None:
    with create_app(library=library).test_request_context("/edits"):
        page = render_template("edits.html", library=library, edits=[Edit(3, "<b>.jpg")])
    assert "&lt;b&gt;.jpg" in page
    assert "<b>.jpg" not in page


def test_where_a_rating_is_kept_is_said_unless_it_is_the_file(library: Library) -> None:
    page = render(library, Edit(3, "a.nef", after=Values(1, "sidecar")))
    assert "No rating → 1 star, kept in the sidecar" in page


def test_a_rating_that_was_in_the_database_only_says_where_it_is_now(library: Library) -> None:
    kept = Edit(3, "a.jpg", before=Values(4, "database"), after=Values(4, "file"))
    assert "4 stars, now kept in the file" in render(library, kept)


def test_photos_that_got_different_ratings_are_said_to_be_changed(library: Library) -> None:
    undone = [
        Edit(number, f"{number}.jpg", after=Values(rating), operation_id="op-2")
        for number, rating in enumerate((None, 4))
    ]
    assert "2 photos changed" in render(library, *undone)


def test_many_photos_of_one_deed_are_one_entry_with_one_undo(library: Library) -> None:
    many = [Edit(number, f"{number}.jpg", operation_id="op-1") for number in range(3)]
    page = render(library, Edit(9, "z.jpg"), *many, Edit(4, "y.jpg"))
    assert "3 photos → Favorite" in page
    assert page.count('<li class="deed"') == 3
    assert page.count('action="/operations/op-1/undo"') == 1
    assert page.count(">Undo</button>") == 3


def test_what_cannot_be_undone_has_no_button(library: Library) -> None:
    page = render(library, Edit(3, "a.jpg", state="undone", undoable=False, photo_id=None))
    assert "Undo</button>" not in page
    assert 'class="status">undone<' in page
    assert "/photo/" not in page


def test_without_changes_the_page_says_what_will_stand_there(library: Library) -> None:
    assert "There were none yet." in render(library)
