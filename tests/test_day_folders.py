"""day_folders: imported photos that move to the folder of their new day, and back."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import crash_points
import pytest
from edit_box import EditBox, needs_exiftool, opened_box
from edit_deeds import perform
from pictures import make_film, make_jpeg
from PIL import Image

import day_folders
import verified_copy
from date_edit import DateMode
from date_tags import NewDate, parse_moment
from library import open_library
from settings import load_settings

pytestmark = needs_exiftool

OLD, NEW = "2019/2019-07-14", "2020/2020-01-02"
CHILD = Path(__file__).with_name("crash_edit_child.py")
CALLS = ("renameat2", "rename", "pwrite64", "unlink", "mkdir", "rmdir")
WHEN = "2020-01-02 12:00:00"


@pytest.fixture
def root(home: Path) -> Path:
    root = home / "photos"
    make_jpeg(root / OLD / "a.jpg", 1, date="2019:07:14 18:03:22")
    return root


@pytest.fixture
def box(root: Path) -> Iterator[EditBox]:
    with opened_box(root) as box:
        yield box


def run(box: EditBox, operation_id: str) -> dict[str, Any]:
    progress = box.library.runner.wait(operation_id, timeout=60)
    assert progress.status == "completed", progress.message
    assert progress.report is not None
    return progress.report


def change(box: EditBox, *paths: str) -> str:
    """Give these photos the day `NEW` and move them; the operation's id."""
    box.index()
    ids = [box.photo(path).id for path in paths]
    operation_id = box.library.start_dates(ids, DateMode.SAME, WHEN, move_files=True)
    run(box, operation_id)
    return operation_id


def test_a_photo_and_its_sidecar_move_under_the_same_id_and_an_undo_brings_both_back(
    box: EditBox,
) -> None:
    Image.new("RGB", (8, 8), "teal").save(box.root / OLD / "b.bmp")
    box.index()
    before_bytes = (box.root / OLD / "a.jpg").read_bytes()
    ids = {name: box.photo(f"{OLD}/{name}").id for name in ("a.jpg", "b.bmp")}
    library = box.library
    # A BMP keeps its date in its sidecar.
    run(box, library.start_dates([ids["b.bmp"]], DateMode.SAME, "2019-07-14 09:00:00"))
    assert (box.root / OLD / "b.bmp.xmp").exists()
    operation_id = change(box, f"{OLD}/a.jpg", f"{OLD}/b.bmp")
    assert sorted(os.listdir(box.root / NEW)) == ["a.jpg", "b.bmp", "b.bmp.xmp"]
    assert not (box.root / "2019").exists()
    assert {name: box.photo(f"{NEW}/{name}").id for name in ids} == ids
    assert box.photo(f"{NEW}/b.bmp").sidecar_path == f"{NEW}/b.bmp.xmp"
    report = run(box, library.start_update_index())
    assert not report["moved"], report
    assert {name: box.photo(f"{NEW}/{name}").id for name in ids} == ids
    run(box, library.start_undo(operation_id))
    assert sorted(os.listdir(box.root / OLD)) == ["a.jpg", "b.bmp", "b.bmp.xmp"]
    assert not (box.root / "2020").exists()
    assert {name: box.photo(f"{OLD}/{name}").id for name in ids} == ids
    assert box.photo(f"{OLD}/b.bmp").date_taken == "2019-07-14T09:00:00"
    assert (box.root / OLD / "a.jpg").read_bytes() == before_bytes


def test_only_what_an_import_placed_there_moves_and_other_files_stay(box: EditBox) -> None:
    make_jpeg(box.root / "Trip" / "c.jpg", 3, date="2019:07:14 10:00:00")
    make_jpeg(box.root / "Undated" / "d.jpg", 4)
    (box.root / OLD / "notes.txt").write_text("mine")
    box.index()
    ids = [box.photo(path).id for path in (f"{OLD}/a.jpg", "Trip/c.jpg", "Undated/d.jpg")]
    planned = box.library.plan_dates(ids, DateMode.SAME, WHEN)
    assert {one.path: one.moves_to for one in planned} == {
        f"{OLD}/a.jpg": NEW,
        "Trip/c.jpg": None,
        "Undated/d.jpg": NEW,
    }
    change(box, f"{OLD}/a.jpg", "Trip/c.jpg", "Undated/d.jpg")
    assert sorted(os.listdir(box.root / NEW)) == ["a.jpg", "d.jpg"]
    assert (box.root / "Trip/c.jpg").exists()
    assert os.listdir(box.root / OLD) == ["notes.txt"]
    assert not (box.root / "Undated").exists()


def test_without_the_option_nothing_moves(box: EditBox) -> None:
    ids = [box.photo(f"{OLD}/a.jpg").id]
    run(box, box.library.start_dates(ids, DateMode.SAME, WHEN))
    assert box.photo(f"{OLD}/a.jpg").date_taken == "2020-01-02T12:00:00"


def test_a_pair_gets_one_number_where_its_name_is_taken_and_stays_a_pair(box: EditBox) -> None:
    make_jpeg(box.root / NEW / "a.jpg", 9, date="2020:01:02 08:00:00")
    make_film(box.root / OLD / "a.mov", "mov", "mpeg4")
    taken = (box.root / NEW / "a.jpg").read_bytes()
    box.index()
    day = NewDate(parse_moment("2019-07-14 18:03:22"))
    box.library.dates.set_date(box.photo(f"{OLD}/a.mov").id, day)
    operation_id = change(box, f"{OLD}/a.jpg", f"{OLD}/a.mov")
    names = sorted(os.listdir(box.root / NEW))
    assert [name for name in names if not name.endswith(".xmp")] == [
        "a (2).jpg",
        "a (2).mov",
        "a.jpg",
    ]
    with box.library.database.reading() as connection:
        assert len(connection.execute("SELECT 1 FROM companions").fetchall()) == 1
    assert (box.root / NEW / "a.jpg").read_bytes() == taken
    make_jpeg(box.root / OLD / "a.jpg", 7)
    run(box, box.library.start_undo(operation_id))
    assert os.listdir(box.root / NEW) == ["a.jpg"]
    assert sorted(one for one in os.listdir(box.root / OLD) if one[-3:] != "xmp") == [
        "a (2).jpg",
        "a (2).mov",
        "a.jpg",
    ]


def test_a_photo_whose_date_cannot_be_written_stays(box: EditBox) -> None:
    path = box.root / OLD / "a.jpg"
    photo_id = box.photo(f"{OLD}/a.jpg").id
    make_jpeg(path, 8, date="2019:07:14 18:03:22")  # another picture than was indexed
    report = run(box, box.library.start_dates([photo_id], DateMode.SAME, WHEN, move_files=True))
    assert report["error_count"] == 1
    assert path.exists()
    assert not (box.root / "2020").exists()


@pytest.mark.parametrize("there", [False, True])
def test_a_move_that_the_disk_refuses_leaves_no_new_folder_and_takes_no_old_one(
    box: EditBox, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    photo_id = box.photo(f"{OLD}/a.jpg").id
    if there:
        (box.root / "2020").mkdir()

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(day_folders, "rename_new", refuse)
    report = run(box, box.library.start_dates([photo_id], DateMode.SAME, WHEN, move_files=True))
    assert "was not moved: Input/output error" in report["errors"][0]["error"]
    assert box.photo(f"{OLD}/a.jpg").date_taken == "2020-01-02T12:00:00"
    assert (box.root / "2020").exists() == there
    assert not (box.root / NEW).exists()


class _Killed(BaseException):
    """As if the process had ended here."""


@pytest.mark.parametrize("moment", ["before the rename", "after the rename", "before the row"])
def test_a_move_that_was_cut_off_is_ended_when_the_library_is_opened(
    root: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    Image.new("RGB", (8, 8), "teal").save(root / "Undated.bmp")
    with opened_box(root) as box:
        photo_id = box.photo(f"{OLD}/a.jpg").id
        (root / OLD / "a.jpg.xmp").write_text("<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
        box.index()
        library = box.library
        outcome = library.dates.set_date(photo_id, NewDate(parse_moment(WHEN)))
        _kill(monkeypatch, moment)
        with pytest.raises(_Killed):
            library._edits.move_to_day(photo_id, OLD, None)
        monkeypatch.undo()
    monkeypatch.setenv("HOME", str(root.parent))
    library = open_library(load_settings(root))
    try:
        box = EditBox(library)
        folder = OLD if moment == "before the rename" else NEW
        assert box.photo(f"{folder}/a.jpg").id == photo_id
        assert sorted(os.listdir(root / folder)) == ["a.jpg", "a.jpg.xmp"]
        library._edits.move_to_day(photo_id, OLD, None)  # as a resumed operation does
        assert box.photo(f"{NEW}/a.jpg").id == photo_id
        assert sorted(os.listdir(root / NEW)) == ["a.jpg", "a.jpg.xmp"]
        assert outcome.edit_id
        library.undo_edit(outcome.edit_id)
        assert box.photo(f"{OLD}/a.jpg").date_taken == "2019-07-14T18:03:22"
        assert sorted(os.listdir(root / OLD)) == ["a.jpg", "a.jpg.xmp"]
        assert not (root / "2020").exists()
    finally:
        library.close()


def _kill(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    rename: Callable[[str, str], None] = verified_copy.rename_new

    def die(*_: object, **__: object) -> None:
        raise _Killed

    def rename_and_die(source: str, target: str) -> None:
        rename(source, target)
        raise _Killed

    if moment == "before the rename":
        monkeypatch.setattr(day_folders, "rename_new", die)
    elif moment == "after the rename":
        monkeypatch.setattr(day_folders, "rename_new", rename_and_die)
    else:
        monkeypatch.setattr(day_folders, "pair_folders", die)


# -- killed at any moment --------------------------------------------------------------------


def _lay_out(folder: Path, slot: str) -> Path:
    root = folder / "library"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(folder / slot, root)
    return root


def _try_points(tmp_path: Path, deed: str, count: int | None) -> None:
    """Kill the deed at these points, resume it, and look for both photos and the sidecar."""
    crash_points.require_strace()
    folder = tmp_path / "scene"
    before = folder / "before"
    make_jpeg(before / OLD / "a.jpg", 1, date="2019:07:14 18:03:22")
    Image.new("RGB", (8, 8), "teal").save(before / OLD / "a.png")
    (before / OLD / "a.jpg.xmp").write_text("<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    with opened_box(_lay_out(folder, "before"), workers=1) as box:
        png = box.photo(f"{OLD}/a.png").id
        box.library.dates.set_date(png, NewDate(parse_moment("2019-07-14 09:00:00")))
        ids = {name: box.photo(f"{OLD}/{name}").id for name in ("a.jpg", "a.png")}
        if deed == "from_day":
            perform(box.library, "to_day")
        box.library.back_up("so that none is due while a move is disturbed")
    shutil.copytree(folder / "library", folder / "rest")
    command = [sys.executable, str(CHILD), deed, str(folder / "library")]
    _lay_out(folder, "rest")
    points = crash_points.list_points(command, CALLS)
    renames = [point for point in points if point.syscall == "renameat2"]
    assert renames, "the moves were not seen"
    chosen = [*renames, *crash_points.sample(points, count)] if count is not None else points
    for point in chosen:
        root = _lay_out(folder, "rest")
        crash_points.run_point(command, point)
        goal = OLD if deed == "from_day" else NEW
        with opened_box(root, workers=1) as box:
            perform(box.library, deed)
            box.index()
            assert {name: box.photo(f"{goal}/{name}").id for name in ids} == ids, point
            names = sorted(os.listdir(root / goal))
            assert names == ["a.jpg", "a.jpg.xmp", "a.png"], (point, names)
            assert not (root / (NEW if goal == OLD else OLD)).exists(), point
            date = box.photo(f"{goal}/a.jpg").date_taken
            assert date == ("2019-07-14T18:03:22" if goal == OLD else "2020-01-02T12:00:00"), point


@pytest.mark.crash
def test_a_change_killed_at_its_renames_is_whole_once_resumed(home: Path) -> None:
    _try_points(home, "to_day", 0)


@pytest.mark.crash_all
@pytest.mark.parametrize("deed", ["to_day", "from_day"])
def test_a_change_killed_at_any_moment_is_whole_once_resumed(home: Path, deed: str) -> None:
    _try_points(home, deed, None)
