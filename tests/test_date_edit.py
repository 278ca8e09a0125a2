"""date_edit: capture dates planned, written, read back and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from edit_box import EditBox, needs_exiftool, opened_box, read_tags
from pictures import make_film, make_jpeg
from PIL import Image

from date_edit import DateMode
from errors import InvalidRequestError
from library import Library

pytestmark = needs_exiftool


@pytest.fixture
def box(home: Path) -> Iterator[EditBox]:
    root = home / "photos"
    make_jpeg(root / "a.jpg", 1, date="2019:07:14 18:03:22")
    make_jpeg(root / "b.jpg", 2, date="2019:07:14 17:00:00", rating=4)
    Image.new("RGB", (8, 8), "teal").save(root / "undated.png")
    make_film(root / "film.mkv", "matroska", "mpeg4")
    with opened_box(root) as box:
        yield box


def ids(box: EditBox, *paths: str) -> list[int]:
    return [box.photo(path).id for path in paths]


def run(library: Library, operation_id: str) -> dict[str, Any]:
    progress = library.runner.wait(operation_id, timeout=60)
    assert progress.status == "completed", progress.message
    assert progress.report is not None
    return progress.report


def date_of(box: EditBox, path: str) -> str | None:
    return box.photo(path).date_taken


def test_a_plan_says_old_and_new_in_the_order_of_the_grid_and_writes_nothing(box: EditBox) -> None:
    before = box.hashes()
    plan = box.library.plan_dates(
        [*ids(box, "a.jpg", "undated.png", "b.jpg"), 999], DateMode.SHIFT, "+1h"
    )
    assert [(one.path, one.before, one.after) for one in plan] == [
        ("b.jpg", "2019-07-14T17:00:00", "2019-07-14T18:00:00"),
        ("a.jpg", "2019-07-14T18:03:22", "2019-07-14T19:03:22"),
        ("undated.png", None, None),
        ("photo 999", None, None),
    ]
    assert plan[2].problem
    assert "no date" in plan[2].problem
    assert box.hashes() == before


def test_a_shift_moves_every_date_and_its_undo_brings_the_very_bytes_back(box: EditBox) -> None:
    before = box.hashes()
    photos = ids(box, "a.jpg", "b.jpg")
    operation_id = box.library.start_dates(photos, DateMode.SHIFT, "-1d")
    assert run(box.library, operation_id)["changed"] == 2
    assert date_of(box, "a.jpg") == "2019-07-13T18:03:22"
    (tags,) = read_tags(box.root / "a.jpg")
    assert tags["ExifIFD:DateTimeOriginal"] == tags["ExifIFD:CreateDate"] == "2019:07:13 18:03:22"
    run(box.library, box.library.start_undo(operation_id))
    assert date_of(box, "a.jpg") == "2019-07-14T18:03:22"
    assert box.hashes() == before


def test_a_sequence_counts_up_in_the_order_of_the_grid(box: EditBox) -> None:
    photos = ids(box, "a.jpg", "b.jpg", "undated.png")
    run(
        box.library,
        box.library.start_dates(photos, DateMode.SEQUENCE, "2020-01-01 12:00:00+01:00", "+1h"),
    )
    assert [date_of(box, path) for path in ("b.jpg", "a.jpg", "undated.png")] == [
        "2020-01-01T12:00:00",
        "2020-01-01T13:00:00",
        "2020-01-01T14:00:00",
    ]
    assert box.photo("a.jpg").utc_offset == "+01:00"
    assert box.photo("undated.png").date_source == "exif"


def test_a_file_that_cannot_hold_a_date_gets_a_sidecar_which_goes_with_the_undo(
    box: EditBox,
) -> None:
    before = box.hashes()
    operation_id = box.library.start_dates(
        ids(box, "film.mkv"), DateMode.SAME, "2020-02-29 12:00:00"
    )
    run(box.library, operation_id)
    photo = box.photo("film.mkv")
    assert (photo.date_taken, photo.date_source) == ("2020-02-29T12:00:00", "sidecar")
    run(box.library, box.library.start_undo(operation_id))
    assert box.hashes() == before
    assert date_of(box, "film.mkv") is None


def test_a_photo_that_has_the_date_already_is_not_written(box: EditBox) -> None:
    photos = ids(box, "a.jpg")
    run(box.library, box.library.start_dates(photos, DateMode.SAME, "2020-01-01 12:00:00"))
    before = box.hashes()
    report = run(box.library, box.library.start_dates(photos, DateMode.SAME, "2020-01-01 12:00"))
    assert (report["changed"], report["unchanged"]) == (0, 1)
    assert box.hashes() == before


def test_a_star_and_a_date_are_taken_back_each_for_itself(box: EditBox) -> None:
    before = box.bytes("b.jpg")
    (photo_id,) = ids(box, "b.jpg")
    star = box.library.rate_photo(photo_id, 5)
    operation_id = box.library.start_dates([photo_id], DateMode.SHIFT, "+1h")
    run(box.library, operation_id)
    assert star.edit_id is not None
    assert box.library.undo_edit(star.edit_id).rating == 4
    assert date_of(box, "b.jpg") == "2019-07-14T18:00:00"
    run(box.library, box.library.start_undo(operation_id))
    assert box.bytes("b.jpg") == before


def test_unstarring_after_a_new_date_still_knows_the_rating_before(box: EditBox) -> None:
    (photo_id,) = ids(box, "b.jpg")
    box.library.rate_photo(photo_id, None)
    run(box.library, box.library.start_dates([photo_id], DateMode.SHIFT, "+1h"))
    assert box.library.rate_photo(photo_id, None).rating == 4


def test_an_undo_is_refused_where_another_program_has_dated_the_photo_since(box: EditBox) -> None:
    photos = ids(box, "a.jpg")
    operation_id = box.library.start_dates(photos, DateMode.SHIFT, "+1h")
    run(box.library, operation_id)
    make_jpeg(box.root / "a.jpg", 1, date="2001:01:01 00:00:00")
    box.index()
    report = run(box.library, box.library.start_undo(operation_id))
    assert report["error_count"] == 1
    assert "another program" in report["errors"][0]["error"]
    assert date_of(box, "a.jpg") == "2001-01-01T00:00:00"


def test_a_resumed_shift_never_shifts_twice(box: EditBox) -> None:
    photos = ids(box, "a.jpg", "b.jpg")
    done: list[Any] = []
    real = box.library.dates.edits.write

    def write_one(*words: Any, **named: Any) -> Any:
        if done:
            operation_id = next(iter(box.library.runner._live.values())).operation_id
            box.library.runner.pause(operation_id)
        done.append(real(*words, **named))
        return done[-1]

    box.library.dates.edits.write = write_one  # type: ignore[method-assign]
    photos.append(ids(box, "undated.png")[0])
    operation_id = box.library.start_dates(photos, DateMode.SHIFT, "+1h")
    assert box.library.runner.wait(operation_id, timeout=30).status == "paused"
    box.library.dates.edits.write = real  # type: ignore[method-assign]
    box.library.resume_operation(operation_id)
    assert box.library.runner.wait(operation_id, timeout=30).status == "completed"
    assert date_of(box, "a.jpg") == "2019-07-14T19:03:22"
    assert date_of(box, "b.jpg") == "2019-07-14T18:00:00"


@pytest.mark.parametrize(
    ("mode", "value"),
    [
        (DateMode.SAME, "2019-02-30 12:00:00"),
        (DateMode.SHIFT, "tomorrow"),
        (DateMode.SEQUENCE, "1799-01-01 00:00:00"),
    ],
)
def test_words_that_are_no_date_start_nothing(box: EditBox, mode: DateMode, value: str) -> None:
    before = box.hashes()
    with pytest.raises(InvalidRequestError):
        box.library.start_dates(ids(box, "a.jpg"), mode, value)
    assert box.library.runner.current(edits=True) is None
    assert box.hashes() == before


def test_undated_photos_get_what_their_folder_says_and_others_are_left_alone(box: EditBox) -> None:
    Image.new("RGB", (8, 8), "red").save(box.root / "undated.png")
    folder = box.root / "2018-05-06 Lake"
    folder.mkdir()
    Image.new("RGB", (8, 8), "navy").save(folder / "scan.png")
    box.index()
    photos = ids(box, "2018-05-06 Lake/scan.png", "undated.png", "a.jpg")
    plan = {one.path: one for one in box.library.plan_dates(photos, DateMode.SUGGESTED, "")}
    assert plan["2018-05-06 Lake/scan.png"].after == "2018-05-06T12:00:00"
    assert plan["2018-05-06 Lake/scan.png"].source == "folder"
    before = box.bytes("a.jpg")
    report = run(box.library, box.library.start_dates(photos, DateMode.SUGGESTED, ""))
    assert (report["changed"], report["error_count"]) == (1, 2)
    assert {error["error"] for error in report["errors"]} == {
        "Nothing says when undated.png was taken.",
        "a.jpg has a date already.",
    }
    assert date_of(box, "2018-05-06 Lake/scan.png") == "2018-05-06T12:00:00"
    assert box.bytes("a.jpg") == before
