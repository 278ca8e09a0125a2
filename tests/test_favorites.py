"""favorites: what was before a star comes back, and every edit can be taken back in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from edit_box import EditBox, needs_exiftool, opened_box, read_tags
from pictures import make_jpeg
from PIL import Image

import catalog
import favorites
from errors import DiskFullError, EditOvertakenError, EditRefusedError
from verification import Verdict, Verifier

pytestmark = needs_exiftool

RATED, PLAIN, SIDECAR, OLD = "rated.jpg", "plain.jpg", "odd.bmp", "old.bmp"


SAYS_ONE = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="1"/></rdf:RDF></x:xmpmeta>'
)


@pytest.fixture
def root(home: Path) -> Path:
    root = home / "photos"
    make_jpeg(root / RATED, 1, rating=4)
    make_jpeg(root / PLAIN, 2, date="2019:07:14 18:03:22")
    for name, color in ((SIDECAR, "teal"), (OLD, "navy")):
        Image.new("RGB", (8, 8), color).save(root / name)
    return root


@pytest.fixture
def box(root: Path) -> Iterator[EditBox]:
    with opened_box(root, workers=1) as box:
        yield box


def rate(box: EditBox, path: str, rating: int) -> int:
    edit_id = box.library.rate_photo(box.photo(path).id, rating).edit_id
    assert edit_id
    return edit_id


def toggle(box: EditBox, path: str) -> favorites.RatedPhoto:
    return box.library.rate_photo(box.photo(path).id, None)


def kept(box: EditBox, path: str) -> tuple[int | None, str | None]:
    return box.photo(path).rating, box.photo(path).kept_in


def states(box: EditBox) -> list[str]:
    """Of all edits, the first first."""
    return [edit.state for edit in reversed(box.library.list_edits())]


def undoable(box: EditBox) -> list[int]:
    return [edit.id for edit in box.library.list_edits() if edit.undoable]


def rate_elsewhere(box: EditBox, path: str, rating: int) -> None:
    """Another program sets a rating."""
    exiftool = box.library.exiftool.find()
    assert exiftool
    copy = box.root / "copy"
    changes: dict[str, Any] = {"XMP-xmp:Rating": rating, "IFD0:Rating": rating}
    exiftool.write_copy(str(box.root / path), str(copy), changes)
    copy.replace(box.root / path)


def put_into_database(box: EditBox, path: str, rating: int) -> None:
    """A rating as a migration of an older library leaves it."""
    with box.library.database.transaction() as connection:
        connection.execute(
            "UPDATE photos SET rating = ?, kept_in = 'database' WHERE id = ?",
            (rating, box.photo(path).id),
        )


# -- one after the other -----------------------------------------------------------------------


@pytest.mark.parametrize("path", [RATED, PLAIN, SIDECAR])
def test_starring_and_un_starring_leaves_every_byte_as_it_was(box: EditBox, path: str) -> None:
    before, row = box.hashes(), kept(box, path)
    assert toggle(box, path).favorited
    assert box.hashes() != before
    assert not toggle(box, path).favorited
    assert box.hashes() == before
    assert kept(box, path) == row
    assert states(box) == ["done", "done"]


def test_an_undo_can_be_taken_back_and_the_journal_says_so(box: EditBox) -> None:
    star = rate(box, RATED, 5)
    starred = box.bytes(RATED)
    undo = box.library.undo_edit(star)
    assert (undo.rating, states(box), undoable(box)) == (4, ["undone", "done"], [undo.edit_id])
    redo = box.library.undo_edit(undo.edit_id or 0)
    assert (redo.rating, states(box)) == (5, ["undone", "undone", "done"])
    assert box.bytes(RATED) == starred
    assert box.library.undo_edit(redo.edit_id or 0).rating == 4


def test_an_edit_is_not_taken_back_twice(box: EditBox) -> None:
    star = rate(box, RATED, 5)
    box.library.undo_edit(star)
    before = box.hashes()
    with pytest.raises(EditRefusedError, match="taken back already"):
        box.library.undo_edit(star)
    assert box.hashes() == before


def test_an_edit_under_a_later_one_is_taken_back_after_it(box: EditBox) -> None:
    first, second = rate(box, RATED, 2), rate(box, RATED, 5)
    with pytest.raises(EditRefusedError, match="later edit"):
        box.library.undo_edit(first)
    assert box.library.undo_edit(second).rating == 2
    assert box.library.undo_edit(first).rating == 4


def test_edits_are_taken_back_by_another_process_days_later(root: Path) -> None:
    with opened_box(root, workers=1) as box:
        before = box.hashes()
        ids = [box.photo(path).id for path in (RATED, PLAIN, SIDECAR)]
        operation_id = box.library.rate_photos(ids, 5).operation_id
        assert kept(box, SIDECAR) == (5, "sidecar")
    with opened_box(root, workers=1) as box:
        progress = box.library.runner.wait(box.library.start_undo(operation_id))
        assert progress.report
        assert (progress.report["changed"], progress.report["error_count"]) == (3, 0)
        assert box.hashes() == before
        assert [kept(box, path) for path in (RATED, PLAIN)] == [(4, "file"), (None, None)]
        redone = box.library.runner.wait(box.library.start_undo(progress.operation_id))
        assert redone.report
        assert redone.report["changed"] == 3
        assert [box.photo(path).rating for path in (RATED, PLAIN, SIDECAR)] == [5, 5, 5]


@pytest.mark.parametrize("indexed", [True, False])
def test_what_another_program_has_rated_since_stays(box: EditBox, indexed: bool) -> None:
    star = rate(box, RATED, 5)
    rate_elsewhere(box, RATED, 2)
    if indexed:
        box.index()
    before = box.hashes()
    with pytest.raises(EditOvertakenError, match="another program"):
        box.library.undo_edit(star)
    assert box.hashes() == before
    assert states(box) == ["done"]


def test_un_starring_what_another_program_has_rated_since_takes_nothing(box: EditBox) -> None:
    """The page still shows our star, and the file holds their 2."""
    rate(box, RATED, 5)
    rate_elsewhere(box, RATED, 2)
    before = box.hashes()
    answer = toggle(box, RATED)
    assert (answer.rating, answer.favorited, answer.edit_id) == (2, False, None)
    assert box.hashes() == before
    assert kept(box, RATED) == (2, "file")


def test_an_edit_of_two_files_is_taken_back_whole_or_not_at_all(root: Path) -> None:
    sidecar = root / f"{PLAIN}.xmp"
    sidecar.write_text(SAYS_ONE)
    with opened_box(root, workers=1) as box:
        star = rate(box, PLAIN, 5)
        text = sidecar.read_text()
        assert 'Rating="5"' in text
        sidecar.write_text(text.replace('Rating="5"', 'Rating="3"'))
        before = box.hashes()
        with pytest.raises(EditOvertakenError):
            box.library.undo_edit(star)
        assert box.hashes() == before
        sidecar.write_text(text)
        assert box.library.undo_edit(star).rating == 1
        assert 'Rating="1"' in sidecar.read_text()
        assert "XMP-xmp:Rating" not in read_tags(root / PLAIN)[0]


def test_a_resumed_operation_brings_the_file_in_step_with_the_sidecar_it_wrote_before(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / f"{PLAIN}.xmp").write_text(SAYS_ONE)
    with opened_box(root, workers=1) as box:
        photo_id = box.photo(PLAIN).id

        def fail(*_: Any, **__: Any) -> None:
            raise DiskFullError("There is no room.")

        with monkeypatch.context() as patch:
            patch.setattr("edit_run.write_tags", fail)
            stopped = box.library.runner.wait(box.library.start_rating([photo_id], 5))
        assert stopped.status == "paused"
        assert kept(box, PLAIN) == (5, "sidecar")
        box.library.resume_operation(stopped.operation_id)
        assert box.library.runner.wait(stopped.operation_id).status == "completed"
        assert read_tags(root / PLAIN)[0]["XMP-xmp:Rating"] == 5


# -- ratings of the database -------------------------------------------------------------------


@pytest.mark.parametrize("path", [PLAIN, OLD])
def test_a_rating_of_the_database_comes_back_when_its_star_goes(box: EditBox, path: str) -> None:
    put_into_database(box, path, 3)
    before = box.hashes()
    toggle(box, path)
    assert kept(box, path) == (5, "file" if path == PLAIN else "sidecar")
    toggle(box, path)
    assert kept(box, path) == (3, "database")
    assert box.hashes() == before
    box.index()
    assert kept(box, path) == (3, "database")


def test_a_rating_of_the_database_is_cleared_and_comes_back_and_goes_again(box: EditBox) -> None:
    put_into_database(box, PLAIN, 3)
    before = box.hashes()
    clear = rate(box, PLAIN, 0)
    assert kept(box, PLAIN) == (None, None)
    undo = box.library.undo_edit(clear).edit_id
    assert kept(box, PLAIN) == (3, "database")
    assert undo
    redo = box.library.undo_edit(undo).edit_id
    assert redo
    assert kept(box, PLAIN) == (None, None)
    assert (states(box), undoable(box)) == (["undone", "undone", "done"], [redo])
    assert box.hashes() == before
    with pytest.raises(EditRefusedError):
        box.library.undo_edit(clear)


def test_a_cleared_rating_that_another_program_set_since_is_not_brought_back(
    box: EditBox,
) -> None:
    put_into_database(box, PLAIN, 3)
    clear = rate(box, PLAIN, 0)
    rate_elsewhere(box, PLAIN, 2)
    box.index()
    with pytest.raises(EditOvertakenError):
        box.library.undo_edit(clear)
    assert kept(box, PLAIN) == (2, "file")


def test_ratings_of_the_database_are_kept_in_the_files_at_last(box: EditBox) -> None:
    put_into_database(box, PLAIN, 3)
    put_into_database(box, OLD, 5)
    progress = box.library.runner.wait(box.library.start_keeping_ratings())
    assert progress.report
    assert (progress.report["found"], progress.report["changed"]) == (2, 2)
    assert kept(box, PLAIN) == (3, "file")
    assert kept(box, OLD) == (5, "sidecar")
    assert kept(box, RATED) == (4, "file")
    again = box.library.runner.wait(box.library.start_keeping_ratings())
    assert again.report
    assert again.report["found"] == 0
    box.library.runner.wait(box.library.start_undo(progress.operation_id))
    assert [kept(box, path) for path in (PLAIN, OLD)] == [(3, "database"), (5, "database")]


# -- what Verify says --------------------------------------------------------------------------


def verdicts(box: EditBox) -> dict[str, Verdict]:
    with box.library.database.reading() as connection:
        rows = list(catalog.list_known_files(connection))
    verifier = Verifier(box.root, box.library.database, box.library.pool, box.library.markers)
    answers = list(verifier._read([row.id for row in rows], lambda: None))
    return {finding.path: finding.kind for finding in verifier._judge(answers)}


def test_verify_tells_our_star_from_another_programs(
    box: EditBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate(box, PLAIN, 5)
    assert set(verdicts(box).values()) == {Verdict.INTACT}
    with monkeypatch.context() as patch:
        # The row is not told, as after a crash right behind the rename.
        patch.setattr("catalog.update_photos", lambda *_: None)
        rate(box, RATED, 5)
    rate_elsewhere(box, PLAIN, 2)
    found = verdicts(box)
    assert found[RATED] == Verdict.CHANGED_BY_US
    assert found[PLAIN] == Verdict.CHANGED
    box.index()
    assert set(verdicts(box).values()) == {Verdict.INTACT}
