"""Where edits are written: into the file, into a sidecar, into both; on real files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from edit_box import EditBox, needs_exiftool, opened_box, read_tags
from pictures import make_jpeg
from sidecars import DARKTABLE

import edit_run
from date_edit import DateMode
from errors import EditRefusedError, NotWritableError
from settings_values import WritePolicy

pytestmark = needs_exiftool

A, B = "a.jpg", "sub/b.jpg"


@pytest.fixture
def box(home: Path) -> Iterator[EditBox]:
    make_jpeg(home / "photos" / A, 1, date="2019:07:14 18:03:22", rating=3)
    make_jpeg(home / "photos" / B, 2)
    with opened_box(home / "photos", workers=1, write_policy=WritePolicy.SIDECAR) as box:
        yield box


def choose(box: EditBox, policy: WritePolicy) -> None:
    box.library.settings = dataclasses.replace(box.library.settings, write_policy=policy)


def redate(box: EditBox, path: str, value: str) -> str:
    operation_id = box.library.start_dates([box.photo(path).id], DateMode.SAME, value)
    report = box.library.runner.wait(operation_id, timeout=30).report
    assert report
    assert report["changed"] == 1, report
    return operation_id


def file_rating(box: EditBox, path: str) -> object:
    (tags,) = read_tags(box.root / path)
    return tags.get("XMP-xmp:Rating", tags.get("IFD0:Rating"))


def sidecar_rating(box: EditBox, path: str) -> object:
    (tags,) = read_tags(box.root / f"{path}.xmp")
    return tags.get("XMP-xmp:Rating")


# -- sidecars alone ------------------------------------------------------------------------------


def test_with_sidecars_no_edit_touches_an_original_and_the_index_reads_them_back(
    box: EditBox,
) -> None:
    before = box.hashes()
    for path in (A, B):
        rated = box.library.rate_photo(box.photo(path).id, None)
        assert (rated.rating, rated.kept_in) == (5, "sidecar")
    redate(box, B, "2001-02-03 04:05:06")
    after = box.hashes()
    assert {path: after[path] for path in before} == before
    assert after.keys() - before.keys() == {f"{A}.xmp", f"{B}.xmp"}
    box.index()
    assert [box.photo(path).rating for path in (A, B)] == [5, 5]
    assert box.photo(B).date_taken == "2001-02-03T04:05:06"
    assert box.library.list_edits()[0].reason is None


def test_with_sidecars_a_star_that_goes_leaves_every_byte_as_it_was(box: EditBox) -> None:
    before = box.hashes()
    for path, rating in ((A, 3), (B, None)):
        photo_id = box.photo(path).id
        box.library.rate_photo(photo_id, None)
        assert box.library.rate_photo(photo_id, None).rating == rating
    box.index()
    assert (box.photo(A).rating, box.photo(B).rating) == (3, None)
    assert box.hashes() == before


def test_with_sidecars_undo_takes_a_rating_and_a_date_back(box: EditBox) -> None:
    before = box.hashes()
    box.library.rate_photo(box.photo(A).id, 2)
    operation_id = redate(box, A, "2001-02-03 04:05:06")
    box.library.runner.wait(box.library.start_undo(operation_id), timeout=30)
    box.library.undo_edit(box.library.list_edits()[-1].id)
    photo = box.photo(A)
    assert (photo.rating, photo.date_taken) == (3, "2019-07-14T18:03:22")
    assert box.hashes() == before


def test_with_sidecars_a_rating_that_the_file_has_is_hidden_when_it_is_cleared(
    box: EditBox,
) -> None:
    assert box.library.rate_photo(box.photo(A).id, 0).rating is None
    assert (file_rating(box, A), sidecar_rating(box, A)) == (3, 0)
    box.index()
    assert box.photo(A).rating is None


def test_with_sidecars_another_programs_sidecar_keeps_what_it_says(box: EditBox) -> None:
    (box.root / f"{B}.xmp").write_bytes(DARKTABLE)
    box.index()
    assert box.library.rate_photo(box.photo(B).id, 4).rating == 4
    changed = (box.root / f"{B}.xmp").read_bytes()
    assert changed == DARKTABLE.replace(b'xmp:Rating="1"', b'xmp:Rating="4"')


def test_a_star_in_the_file_is_taken_away_beside_it_once_photos_stay_as_they_are(
    box: EditBox,
) -> None:
    choose(box, WritePolicy.FILE)
    photo_id = box.photo(A).id
    box.library.rate_photo(photo_id, None)
    starred = box.bytes(A)
    choose(box, WritePolicy.SIDECAR)
    assert box.library.rate_photo(photo_id, None).rating == 3
    assert (box.bytes(A), sidecar_rating(box, A)) == (starred, 3)
    box.index()
    assert box.photo(A).rating == 3


def test_a_date_in_the_file_is_not_taken_back_while_photos_stay_as_they_are(box: EditBox) -> None:
    choose(box, WritePolicy.FILE)
    redate(box, A, "2001-02-03 04:05:06")
    edit = box.library.list_edits()[0]
    before = box.hashes()
    choose(box, WritePolicy.SIDECAR)
    with pytest.raises(EditRefusedError, match="the setting says"):
        box.library.undo_edit(edit.id)
    assert box.hashes() == before
    choose(box, WritePolicy.FILE)
    box.library.undo_edit(edit.id)
    assert box.photo(A).date_taken == "2019-07-14T18:03:22"


# -- both ----------------------------------------------------------------------------------------


def test_with_both_the_file_and_a_sidecar_say_the_same(box: EditBox) -> None:
    choose(box, WritePolicy.BOTH)
    for path in (A, B):
        box.library.rate_photo(box.photo(path).id, None)
        assert (file_rating(box, path), sidecar_rating(box, path)) == (5, 5)
    redate(box, A, "2001-02-03 04:05:06")
    (file, sidecar) = read_tags(box.root / A, box.root / f"{A}.xmp")
    assert file["ExifIFD:DateTimeOriginal"] == "2001:02:03 04:05:06"
    assert str(sidecar["XMP-exif:DateTimeOriginal"]).startswith("2001:02:03 04:05:06")
    box.index()
    assert (box.photo(A).rating, box.photo(A).date_taken) == (5, "2001-02-03T04:05:06")


def test_with_both_a_star_that_goes_goes_from_both_and_leaves_no_sidecar(box: EditBox) -> None:
    choose(box, WritePolicy.BOTH)
    before, photo_id = box.hashes(), box.photo(A).id
    box.library.rate_photo(photo_id, None)
    box.library.rate_photo(photo_id, None)
    assert box.hashes() == before
    box.library.rate_photo(box.photo(A).id, 4)
    assert box.library.rate_photo(box.photo(A).id, 0).rating is None
    assert (file_rating(box, A), (box.root / f"{A}.xmp").exists()) == (None, False)


def test_with_both_undo_takes_a_date_back_from_both(box: EditBox) -> None:
    choose(box, WritePolicy.BOTH)
    before = box.hashes()
    operation_id = redate(box, A, "2001-02-03 04:05:06")
    box.library.runner.wait(box.library.start_undo(operation_id), timeout=30)
    assert box.photo(A).date_taken == "2019-07-14T18:03:22"
    assert box.hashes() == before


def test_with_both_a_sidecar_that_cannot_be_changed_leaves_it_to_the_file(box: EditBox) -> None:
    choose(box, WritePolicy.BOTH)
    damaged = b"<x:xmpmeta broken"
    (box.root / f"{B}.xmp").write_bytes(damaged)
    box.index()
    rated = box.library.rate_photo(box.photo(B).id, 5)
    assert (rated.rating, rated.kept_in) == (5, "file")
    assert (box.root / f"{B}.xmp").read_bytes() == damaged
    assert "cannot be changed" in str(box.library.list_edits()[0].reason)


def test_with_both_a_file_that_cannot_be_written_is_no_reason_to_lose_the_sidecar(
    box: EditBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotWritableError("The copy was not the same picture.")

    choose(box, WritePolicy.BOTH)
    monkeypatch.setattr(edit_run, "write_tags", refuse)
    rated = box.library.rate_photo(box.photo(B).id, 5)
    assert (rated.rating, rated.kept_in, sidecar_rating(box, B)) == (5, "sidecar", 5)


def test_the_policy_is_asked_for_each_edit(box: EditBox) -> None:
    photo_id = box.photo(B).id
    kept = []
    for policy in (WritePolicy.SIDECAR, WritePolicy.FILE):
        choose(box, policy)
        box.library.rate_photo(photo_id, 4)
        kept.append((file_rating(box, B), sidecar_rating(box, B)))
    assert kept == [(None, 4), (4, 4)]
