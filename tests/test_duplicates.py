"""duplicates: one of equal photos is kept, with the stars of all, and only equal ones go."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from edit_box import EditBox, needs_exiftool, opened_box
from pictures import make_film, make_jpeg
from trash_box import entries, months, run, wait

from duplicates import DuplicateGroup, list_groups
from errors import EditRefusedError

KEPT, COPY, OTHER = "a.jpg", "copies/a.jpg", "b.jpg"


@pytest.fixture
def root(home: Path) -> Path:
    root = home / "photos"
    make_jpeg(root / KEPT, 1, date="2019:07:14 18:03:22")
    make_jpeg(root / COPY, 1, date="2019:07:14 18:03:22", rating=4)
    make_jpeg(root / OTHER, 2, date="2019:07:15 18:03:22")
    return root


@pytest.fixture
def box(root: Path) -> Iterator[EditBox]:
    with opened_box(root) as box:
        yield box


def groups(box: EditBox) -> list[DuplicateGroup]:
    with box.library.database.reading() as connection:
        return list_groups(connection)


def merge(box: EditBox, keep: str, *others: str) -> dict[str, object]:
    ids = [box.photo(path).id for path in others]
    return run(box, box.library.start_merge([{"keep": box.photo(keep).id, "trash": ids}]))


def paths(group: DuplicateGroup) -> list[str]:
    return [photo.current_path for photo in group.photos]


def test_photos_of_one_picture_are_a_group_whatever_their_tags(box: EditBox) -> None:
    (group,) = groups(box)
    assert paths(group) == [KEPT, COPY]
    assert group.keep_id == box.photo(COPY).id  # it is rated
    assert not group.same_bytes
    assert {"rating", "folder"} <= set(group.differs) <= {"rating", "folder", "file_size"}
    assert group.bytes_freed == box.photo(KEPT).file_size


def test_files_that_do_not_parse_are_the_same_only_as_a_whole(root: Path) -> None:
    for name, more in (("x.jpg", b""), ("y.jpg", b""), ("z.jpg", b"1")):
        (root / name).write_bytes((root / OTHER).read_bytes()[:200] + more)
    with opened_box(root) as box:
        found = {tuple(paths(group)) for group in groups(box)}
        assert found == {(KEPT, COPY), ("x.jpg", "y.jpg")}


def test_missing_photos_and_films_of_live_photos_are_in_no_group(root: Path) -> None:
    film = make_film(root / "live/IMG_1.mov", "mov", "mpeg4")
    make_jpeg(root / "live/IMG_1.jpg", 5)
    shutil.copy(film, root / "film alone.mov")
    with opened_box(root) as box:
        (root / COPY).unlink()
        box.index()
        assert groups(box) == []


@pytest.mark.parametrize(
    ("tags", "best"),
    [
        ({"rating": 5}, "long name of x.jpg"),
        ({"rating": 2}, "long name of x.jpg"),
        ({"date": "2020:01:01 10:00:00"}, "long name of x.jpg"),
        ({}, "x.jpg"),
    ],
)
def test_the_suggestion_is_the_best_known_one(
    home: Path, tags: dict[str, object], best: str
) -> None:
    root = home / "photos"
    make_jpeg(root / "x.jpg", 1)
    make_jpeg(root / "long name of x.jpg", 1, **tags)  # type: ignore[arg-type]
    with opened_box(root) as box:
        (group,) = groups(box)
        assert group.keep_id == box.photo(best).id


@needs_exiftool
def test_the_highest_rating_is_written_into_the_kept_one_first(box: EditBox) -> None:
    make_jpeg(box.root / "fifth.jpg", 1, date="2019:07:14 18:03:22", rating=5)
    box.index()
    report = merge(box, KEPT, COPY, "fifth.jpg")
    assert (report["moved"], report["changed"], report["problems"]) == (2, 1, [])
    assert (box.photo(KEPT).rating, box.photo(KEPT).kept_in) == (5, "file")
    assert entries(box).keys() == {COPY, "fifth.jpg"}
    assert groups(box) == []


@needs_exiftool
def test_a_merge_is_taken_back_whole(box: EditBox) -> None:
    files = box.hashes()
    ids = {path: box.photo(path).id for path in (KEPT, COPY)}
    sent = [{"keep": ids[KEPT], "trash": [ids[COPY]]}]
    operation = box.library.start_merge(sent)
    run(box, operation)
    report = run(box, box.library.start_undo(operation))
    assert (report["moved"], report["changed"], report["problems"]) == (1, 1, [])
    assert {path: box.photo(path).id for path in ids} == ids
    assert box.photo(KEPT).rating is None
    assert box.hashes().keys() == files.keys()
    assert box.hashes()[COPY] == files[COPY]


def test_two_pictures_are_never_merged(box: EditBox) -> None:
    files = box.hashes()
    report = merge(box, KEPT, OTHER)
    assert report["moved"] == 0
    assert "are two pictures" in str(report["problems"])
    assert box.hashes() == files


def test_a_file_that_is_another_picture_since_the_index_stays_and_nothing_is_rated(
    box: EditBox,
) -> None:
    make_jpeg(box.root / COPY, 77, rating=5)
    files = box.hashes()
    report = merge(box, KEPT, COPY)
    assert "no longer the same picture" in str(report["problems"])
    assert (report["moved"], report["changed"]) == (0, 0)
    assert box.hashes() == files
    assert box.photo(KEPT).rating is None


def test_one_that_is_meanwhile_gone_is_said(box: EditBox) -> None:
    copy_id = box.photo(COPY).id
    run(box, box.library.start_trash([copy_id]))
    sent = [{"keep": box.photo(KEPT).id, "trash": [copy_id]}]
    report = run(box, box.library.start_merge(sent))
    assert f"There is no photo {copy_id}" in str(report["problems"])
    (box.root / KEPT).unlink()
    restored = box.library.start_restore([copy_id])
    run(box, restored)
    report = run(box, box.library.start_merge(sent))
    assert "cannot be compared" in str(report["problems"])
    assert (box.root / COPY).exists()


def test_a_date_that_only_the_other_has_is_given_to_the_kept_one(root: Path) -> None:
    make_jpeg(root / "undated.jpg", 2)
    with opened_box(root) as box:
        pair = {"keep": box.photo("undated.jpg").id, "trash": [box.photo(OTHER).id]}
        started = box.library.start_merge([pair])
        report = run(box, started)
        assert (report["moved"], report["changed"], report["problems"]) == (1, 1, [])
        kept = box.photo("undated.jpg")
        assert (kept.date_taken, kept.date_source) == ("2019-07-15T18:03:22", "exif")
        assert months(box) == {"2019-07": 3}
        run(box, box.library.start_undo(started))
        assert box.photo("undated.jpg").date_taken is None
        assert box.photo(OTHER).date_taken == "2019-07-15T18:03:22"


def test_a_date_that_only_a_name_says_gives_way_to_one_of_a_tag(root: Path) -> None:
    make_jpeg(root / "20200101_101010.jpg", 2)
    with opened_box(root) as box:
        assert box.photo("20200101_101010.jpg").date_source == "filename"
        assert merge(box, "20200101_101010.jpg", OTHER)["changed"] == 1
        assert box.photo("20200101_101010.jpg").date_taken == "2019-07-15T18:03:22"


def test_two_dates_of_tags_stay_as_they_are(root: Path) -> None:
    make_jpeg(root / "later.jpg", 2, date="2021:01:01 10:00:00")
    with opened_box(root) as box:
        assert merge(box, "later.jpg", OTHER)["changed"] == 0
        assert box.photo("later.jpg").date_taken == "2021-01-01T10:00:00"


def test_nothing_goes_where_the_date_cannot_be_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_jpeg(root / "undated.jpg", 2)

    def refuse(*_: object) -> None:
        raise EditRefusedError("undated.jpg cannot be written.")

    with opened_box(root) as box:
        monkeypatch.setattr(type(box.library.dates), "set_date", refuse)
        report = merge(box, "undated.jpg", OTHER)
        assert "cannot be written" in str(report["problems"])
        assert (root / OTHER).exists()


def test_a_live_photo_is_not_given_up_for_one_without_its_film(root: Path) -> None:
    make_jpeg(root / "live/IMG_1.jpg", 5)
    make_film(root / "live/IMG_1.mov", "mov", "mpeg4")
    make_jpeg(root / "still.jpg", 5)
    with opened_box(root) as box:
        assert "has a film, IMG_1.mov" in str(merge(box, "still.jpg", "live/IMG_1.jpg")["problems"])
        group = next(one for one in groups(box) if "still.jpg" in paths(one))
        assert group.keep_id == box.photo("live/IMG_1.jpg").id
        shutil.copytree(root / "live", root / "twin")
        box.index()
        assert merge(box, "twin/IMG_1.jpg", "live/IMG_1.jpg")["moved"] == 2


def test_all_are_merged_as_suggested_but_those_turned_differently(root: Path) -> None:
    make_jpeg(root / "turned.jpg", 2, date="2019:07:15 18:03:22", orientation=6)
    with opened_box(root) as box:
        assert {one.is_plain for one in groups(box)} == {True, False}
        report = run(box, box.library.start_suggested_merge())
        assert (report["found"], report["moved"]) == (1, 1)
        assert [paths(one) for one in groups(box)] == [[OTHER, "turned.jpg"]]


def test_a_merge_that_was_paused_is_resumed(box: EditBox, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        make_jpeg(box.root / f"{number}.jpg", 10 + number)
        make_jpeg(box.root / f"copy of {number}.jpg", 10 + number)
    box.index()
    sent = [
        {"keep": box.photo(f"{one}.jpg").id, "trash": [box.photo(f"copy of {one}.jpg").id]}
        for one in range(3)
    ]
    runner, moves = box.library.runner, type(box.library.trash.moves)
    real = moves.trash

    def trash_and_pause(self: object, photo_id: int, operation_id: str, leader_id: int) -> object:
        runner.pause(operation_id)
        return real(self, photo_id, operation_id, leader_id)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(moves, "trash", trash_and_pause)
        operation = box.library.start_merge(sent)
        assert wait(box, operation).status == "paused"
    assert len(entries(box)) == 1
    report = run(box, box.library.resume_operation(operation))
    assert (report["found"], report["moved"], report["problems"]) == (3, 3, [])
