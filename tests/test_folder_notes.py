"""folder_notes: a quick index reads the folders that changed, and loses nothing by it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pictures import make_jpeg
from test_library_sync import Box, comparable, counts, write_film

import file_indexer
import folder_scan
from errors import BrakeError
from exiftool_process import ExifTool, find_exiftool
from folder_notes import name_readers
from index_report import IndexReport
from media_workers import WorkerPool
from metadata import READER_VERSION


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(workers=2, memory_mb=1024, file_timeout_s=20) as pool:
        yield pool


@pytest.fixture
def box(tmp_path: Path, pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """Two years with photos, deep and flat, indexed after the folders had been left alone."""
    monkeypatch.setattr(folder_scan, "NOTED_AFTER_NS", 30_000_000)
    box = Box(tmp_path / "photos", tmp_path / "library.db", pool)
    for number, name in enumerate(("top", "2019/07/a", "2019/07/b", "2019/c", "2020/deep/er/d")):
        make_jpeg(box.root / f"{name}.jpg", number, date=f"2019:07:1{number} 18:03:22")
    settle()
    box.index()
    yield box
    box.database.close()


def settle() -> None:
    time.sleep(0.06)


def quick(box: Box) -> IndexReport:
    return box.index(quick=True)


def assert_as_after_a_full_index(box: Box) -> None:
    """What the quick index made of the rows is what a full one makes of them."""
    before = {path: (photo.id, comparable(photo)) for path, photo in box.photos().items()}
    missing = box.missing()
    box.index()
    after = {path: (photo.id, comparable(photo)) for path, photo in box.photos().items()}
    assert (before, missing) == (after, box.missing())


def test_nothing_is_read_where_nothing_changed(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a folder was read")

    monkeypatch.setattr(os, "scandir", refuse)
    report = quick(box)
    assert (report.found, counts(report)) == (5, {"unchanged": 5})
    assert report.folders_passed == 6
    assert report.cache["row_hits"] == 5


def test_a_full_index_reads_all_and_is_what_is_meant_without_a_word(box: Box) -> None:
    assert box.index().folders_passed == 0


def test_without_notes_it_is_a_full_index(tmp_path: Path, pool: WorkerPool) -> None:
    box = Box(tmp_path / "photos", tmp_path / "library.db", pool)
    make_jpeg(box.root / "a.jpg", 1)
    report = quick(box)
    assert (counts(report), report.folders_passed) == ({"added": 1}, 0)
    box.database.close()


def test_new_photos_are_found_in_known_and_in_new_folders(box: Box) -> None:
    make_jpeg(box.root / "2019/07/new.jpg", 20)
    make_jpeg(box.root / "2021/12/new.jpg", 21)
    report = quick(box)
    assert counts(report) == {"added": 2, "unchanged": 5}
    assert report.folders_passed == 4
    assert_as_after_a_full_index(box)


def test_a_new_folder_deep_inside_unchanged_ones_is_found(box: Box) -> None:
    make_jpeg(box.root / "2020/deep/er/new/est/e.jpg", 22)
    report = quick(box)
    assert counts(report) == {"added": 1, "unchanged": 5}
    assert report.folders_passed == 5
    assert_as_after_a_full_index(box)


def test_a_deleted_photo_is_missing_and_no_other(box: Box) -> None:
    (box.root / "2019/07/a.jpg").unlink()
    assert counts(quick(box)) == {"missing": 1, "unchanged": 4}
    assert box.missing() == ["2019/07/a.jpg"]
    assert_as_after_a_full_index(box)


def test_a_deleted_folder_takes_its_photos_and_theirs_alone(box: Box) -> None:
    shutil.rmtree(box.root / "2019/07")
    report = quick(box)
    assert counts(report) == {"missing": 2, "unchanged": 3}
    assert_as_after_a_full_index(box)


def test_a_renamed_folder_moves_its_photos_with_their_ids(box: Box) -> None:
    before = box.ids()
    (box.root / "2019").rename(box.root / "2019 summer")
    assert counts(quick(box)) == {"moved": 3, "unchanged": 2}
    assert box.ids() == {path.replace("2019/", "2019 summer/"): key for path, key in before.items()}
    assert_as_after_a_full_index(box)


def test_a_photo_that_moves_between_folders_keeps_its_row(box: Box) -> None:
    before = box.ids()
    (box.root / "2019/c.jpg").rename(box.root / "2020/deep/er/c.jpg")
    report = quick(box)
    assert counts(report) == {"moved": 1, "unchanged": 4}
    assert box.ids()["2020/deep/er/c.jpg"] == before["2019/c.jpg"]
    assert_as_after_a_full_index(box)


def test_a_replaced_photo_and_one_that_came_back_are_seen(box: Box) -> None:
    away = box.root.parent / "away.jpg"
    (box.root / "2019/c.jpg").rename(away)
    quick(box)
    away.rename(box.root / "2019/c.jpg")
    make_jpeg(box.root / "new.jpg", 30)
    (box.root / "new.jpg").replace(box.root / "2019/07/b.jpg")
    assert counts(quick(box)) == {"added": 1, "changed": 1, "unchanged": 3}
    assert not box.missing()
    assert_as_after_a_full_index(box)


def test_what_a_quick_index_saw_is_noted_for_the_next(box: Box) -> None:
    make_jpeg(box.root / "2021/new.jpg", 20)
    settle()
    assert quick(box).folders_passed == 5
    assert (quick(box).folders_passed, quick(box).found) == (7, 6)


def test_a_change_in_place_is_not_seen_until_a_full_index(box: Box) -> None:
    path = box.root / "2019/c.jpg"
    with open(path, "ab") as file:
        file.write(b"more")
    assert counts(quick(box)) == {"unchanged": 5}
    assert counts(box.index()) == {"changed": 1, "unchanged": 4}


def test_a_new_sidecar_is_seen_and_a_change_in_place_only_by_a_full_index(box: Box) -> None:
    sidecar = box.root / "2019/c.jpg.xmp"
    text = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{}"/></rdf:RDF></x:xmpmeta>'
    )
    sidecar.write_text(text.format(3))
    settle()
    assert counts(quick(box)) == {"changed": 1, "unchanged": 4}
    assert box.photos()["2019/c.jpg"].rating == 3
    sidecar.write_text(text.format(4))
    assert counts(quick(box)) == {"unchanged": 5}
    assert box.photos()["2019/c.jpg"].rating == 3
    assert counts(box.index()) == {"changed": 1, "unchanged": 4}
    assert box.photos()["2019/c.jpg"].rating == 4


def test_a_folder_that_changed_just_before_it_was_read_is_read_again(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_scan, "NOTED_AFTER_NS", 3600 * 10**9)
    for folder, _, _ in os.walk(box.root):
        os.utime(folder)
    box.index()
    report = quick(box)
    assert (report.folders_passed, counts(report)) == (0, {"unchanged": 5})


def test_a_change_within_the_tick_of_a_coarse_clock_is_seen(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = box.root / "2019"
    monkeypatch.setattr(folder_scan, "NOTED_AFTER_NS", 10_000_000_000)
    stamp = os.stat(folder)
    box.index()
    # The clock of the disk stands: another photo, and the same stamps.
    make_jpeg(folder / "new.jpg", 40)
    os.utime(folder, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert counts(quick(box)) == {"added": 1, "unchanged": 5}


def test_a_folder_under_an_old_mtime_is_read_for_its_ctime_or_inode(box: Box) -> None:
    folder = box.root / "2019/07"
    stamp = os.stat(folder)
    make_jpeg(folder / "new.jpg", 41)
    os.utime(folder, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert counts(quick(box)) == {"added": 1, "unchanged": 5}


def test_a_link_in_the_place_of_a_folder_is_not_followed(box: Box) -> None:
    outside = box.root.parent / "outside"
    (box.root / "2020").rename(outside)
    (box.root / "2020").symlink_to(outside)
    report = quick(box)
    assert counts(report) == {"missing": 1, "unchanged": 4}
    assert [problem.path for problem in report.problems] == ["2020"]
    assert_as_after_a_full_index(box)


def test_a_photo_that_could_not_be_read_is_tried_again(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    (box.root / "2019/07/junk.jpg").write_bytes(b"no photo")
    settle()
    assert [one.path for one in box.index().problems] == ["2019/07/junk.jpg"]
    report = quick(box)
    assert [one.path for one in report.problems] == ["2019/07/junk.jpg"]
    assert report.folders_passed == 5


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_rights_keeps_its_photos_and_is_read_once_it_has_them(box: Box) -> None:
    folder = box.root / "2019"
    folder.chmod(0)
    try:
        report = quick(box)
        assert counts(report) == {"unchanged": 5}
        assert not box.missing()
        assert [one.path for one in report.problems] == ["2019"]
    finally:
        folder.chmod(0o755)
    make_jpeg(folder / "07/new.jpg", 42)
    assert counts(quick(box)) == {"added": 1, "unchanged": 5}


def test_a_folder_that_the_disk_does_not_give_keeps_its_photos(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.stat

    def fail(path: str, **options: bool) -> os.stat_result:
        if str(path).endswith("/2019"):
            raise PermissionError(13, "Permission denied")
        return real(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", fail)
        report = quick(box)
    assert (counts(report), report.unseen) == ({"unchanged": 5}, ("2019",))
    assert not box.missing()
    make_jpeg(box.root / "2019/07/new.jpg", 43)
    assert counts(quick(box)) == {"added": 1, "unchanged": 5}


def test_photos_that_can_only_be_read_are_passed_over_alike(box: Box) -> None:
    for path in [*box.root.rglob("*"), box.root]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        settle()
        assert counts(quick(box)) == {"unchanged": 5}
        assert quick(box).folders_passed == 6
    finally:
        for path in [box.root, *box.root.rglob("*")]:
            path.chmod(0o755)


def test_the_brake_holds_a_quick_index_too(box: Box) -> None:
    for number in range(30):
        make_jpeg(box.root / f"many/{number}.jpg", 100 + number)
    box.index()
    shutil.rmtree(box.root / "many")
    with pytest.raises(BrakeError, match="30 of 35 photos vanished"):
        quick(box)
    assert not box.missing()
    assert counts(box.index(quick=True, accept_missing=True))["missing"] == 30


def test_an_emptied_library_stops_a_quick_index(box: Box) -> None:
    for path in box.root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(BrakeError, match="The library is empty"):
        quick(box)


def test_a_quick_index_can_be_planned(box: Box) -> None:
    (box.root / "2019/c.jpg").unlink()
    make_jpeg(box.root / "2020/new.jpg", 50)
    report = box.index(quick=True, dry_run=True)
    assert counts(report) == {"added": 1, "missing": 1, "unchanged": 4}
    assert (len(box.photos()), report.folders_passed) == (5, 4)
    assert counts(quick(box)) == {"added": 1, "missing": 1, "unchanged": 4}


def test_rows_that_wait_for_another_reader_are_read(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_indexer, "READER_VERSION", READER_VERSION + 1)
    report = quick(box)
    assert (report.folders_passed, report.cache["files_opened"]) == (0, 5)
    assert name_readers([1, 2]) == name_readers([2, 1]) != name_readers([1])


def test_a_film_that_waits_for_exiftool_is_read_by_the_quick_index_that_has_one(box: Box) -> None:
    found = find_exiftool() or pytest.skip("ExifTool is not installed")
    write_film(box.root / "2019/c.mov", metadata={"creation_time": "2019-07-14T16:03:22Z"})
    settle()
    box.index()
    report = quick(box)
    assert (report.folders_passed, report.cache["files_opened"]) == (5, 0)
    exiftool = ExifTool(found)
    box.indexer = replace(box.indexer, exiftool=lambda: exiftool)
    assert quick(box).cache["files_opened"] == 1
    assert quick(box).folders_passed == 6
    exiftool.close()


def test_hashes_of_folders_that_were_not_read_are_kept(box: Box) -> None:
    (box.root / "2019/c.jpg").unlink()
    quick(box)
    with box.database.reading() as connection:
        kept = {row[0] for row in connection.execute("SELECT file_path FROM hash_cache")}
    assert box.photos().keys() <= kept


def test_pairs_are_found_by_a_quick_index(box: Box) -> None:
    shutil.copyfile(box.root / "2019/c.jpg", box.root / "2019/d.jpg")
    (box.root / "2019/07/a.jpg").rename(box.root / "2019/07/z.jpg")
    quick(box)
    pairs = box.pairs()
    box.index()
    assert box.pairs() == pairs


def test_a_database_without_notes_can_be_planned_from(box: Box) -> None:
    with box.database.transaction() as connection:
        connection.execute("DROP TABLE folder_notes")
    report = box.index(quick=True, dry_run=True)
    assert (counts(report), report.folders_passed) == ({"unchanged": 5}, 0)


def test_a_row_whose_folder_nobody_noted_is_missing_once_that_is_gone(box: Box) -> None:
    folder = box.root / "2020/deep/short"
    make_jpeg(folder / "lived.jpg", 60)
    box.index()
    with box.database.transaction() as connection:
        connection.execute("DELETE FROM folders WHERE path = '2020/deep/short'")
    shutil.rmtree(folder)
    assert counts(quick(box)) == {"missing": 1, "unchanged": 5}
