"""library_sync: Update Index brings the rows to what lies on disk."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pictures import make_jpeg
from PIL import Image
from test_film_reader import make_film
from test_raw_preview import make_dng, make_preview

import catalog
import file_indexer
import folder_scan
import library_sync
import photo_listing
from catalog import Photo
from db import Database, open_database
from errors import BrakeError, FileProblem
from exiftool_process import ExifTool, find_exiftool
from hash_cache import HashCache
from library_sync import Indexer, IndexReport
from media_types import is_media_name
from media_workers import WorkerPool
from operation_state import CheckpointHelper, OperationType, create_operation
from photo_filter import PhotoFilter

REPOSITORY = Path(library_sync.__file__).parent


class Observer:
    """Takes what an index says; can stop it, as a person would."""

    def __init__(self, operation_id: str, stop_after: int | None = None) -> None:
        self.checkpoint = CheckpointHelper(operation_id)
        self.problems: list[FileProblem] = []
        self.stop_after = stop_after
        self.checks = 0

    def report_progress(self, *, phase: str, done: int = 0, total: int | None = None) -> None:
        assert total is None or done <= total

    def add_problem(self, problem: FileProblem) -> None:
        self.problems.append(problem)

    def check(self) -> None:
        self.checks += 1
        if self.stop_after is not None and self.checks > self.stop_after:
            raise KeyboardInterrupt


class Box:
    """A library in a temporary folder with what an index of it needs."""

    def __init__(self, root: Path, data: Path, pool: WorkerPool) -> None:
        self.root = root
        self.pool = pool
        root.mkdir(exist_ok=True)
        self.database: Database = open_database(data)
        self.indexer = Indexer(
            root, self.database, pool, lambda: None, HashCache(self.database), ZoneInfo("UTC")
        )

    def index(self, *, stop_after: int | None = None, **options: bool) -> IndexReport:
        with self.database.transaction() as connection:
            operation = create_operation(connection, OperationType.UPDATE_INDEX, {})
        return self.indexer.update(Observer(operation.operation_id, stop_after), **options)

    def photos(self) -> dict[str, Photo]:
        with self.database.reading() as connection:
            rows = list(catalog.iterate_photos(connection))
        return {photo.current_path: photo for photo in rows if photo.missing_since is None}

    def missing(self) -> list[str]:
        with self.database.reading() as connection:
            rows = list(catalog.iterate_photos(connection))
        return [photo.current_path for photo in rows if photo.missing_since]

    def pairs(self) -> dict[str, str]:
        """The leader of every companion, by path."""
        with self.database.reading() as connection:
            paths = {photo.id: photo.current_path for photo in catalog.iterate_photos(connection)}
            rows = connection.execute("SELECT photo_id, leader_id FROM companions").fetchall()
        return {paths[photo_id]: paths[leader_id] for photo_id, leader_id in rows}

    def ids(self) -> dict[str, int]:
        return {path: photo.id for path, photo in self.photos().items()}


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(workers=2, memory_mb=1024, file_timeout_s=20) as pool:
        yield pool


@pytest.fixture
def box(tmp_path: Path, pool: WorkerPool) -> Iterator[Box]:
    box = Box(tmp_path / "photos", tmp_path / "library.db", pool)
    yield box
    box.database.close()


def comparable(photo: Photo) -> tuple[Any, ...]:
    """A row without what may differ between two indexes of one tree: ids and times."""
    values = {column.name: getattr(photo, column.name) for column in fields(Photo)}
    for name in ("id", "added_at", "mtime_ns", "ctime_ns", "inode"):
        del values[name]
    return tuple(values.items())


def assert_equals_a_first_index(box: Box, tmp_path: Path) -> None:
    fresh = Box(box.root, tmp_path / f"fresh-{time.monotonic_ns()}.db", box.pool)
    fresh.index()
    expected = {path: comparable(photo) for path, photo in fresh.photos().items()}
    assert {path: comparable(photo) for path, photo in box.photos().items()} == expected
    fresh.database.close()


def counts(report: IndexReport) -> dict[str, int]:
    names = ("added", "changed", "moved", "missing", "unchanged")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def test_every_photo_in_any_tree_becomes_a_row(box: Box) -> None:
    make_jpeg(box.root / "a.jpg", 1, date="2019:07:14 18:03:22", rating=5)
    make_jpeg(box.root / "deep/er/b.JPG", 2, orientation=6, size=(60, 40))
    (box.root / "notes.txt").write_text("not a photo")
    report = box.index()
    photos = box.photos()
    assert counts(report) == {"added": 2}
    assert report.ignored == {".txt": 1}
    first, second = photos["a.jpg"], photos["deep/er/b.JPG"]
    assert (first.date_taken, first.date_source) == ("2019-07-14T18:03:22", "exif")
    assert (first.rating, first.kept_in) == (5, "file")
    assert (second.width, second.height, second.orientation) == (40, 60, 6)
    assert (second.date_taken, second.date_source) == (None, "none")
    assert len(first.content_hash) == 64


def test_a_second_index_opens_no_photo_at_all(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        make_jpeg(box.root / f"{number}.jpg", number)
    box.index()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a photo was read")

    monkeypatch.setattr(WorkerPool, "_start", refuse)
    report = box.index()
    assert counts(report) == {"unchanged": 5}
    assert report.cache["files_opened"] == 0
    assert report.cache["hit_rate"] == 1.0


def test_two_equal_files_are_two_rows(box: Box) -> None:
    first = make_jpeg(box.root / "a.jpg", 1)
    shutil.copy2(first, box.root / "b.jpg")
    box.index()
    assert sorted(box.photos()) == ["a.jpg", "b.jpg"]


def test_a_moved_file_keeps_its_row(box: Box, tmp_path: Path) -> None:
    make_jpeg(box.root / "a.jpg", 1, date="2019:07:14 18:03:22")
    box.index()
    before = box.ids()["a.jpg"]
    (box.root / "new").mkdir()
    (box.root / "a.jpg").rename(box.root / "new/b.jpg")
    assert counts(box.index()) == {"moved": 1}
    assert box.ids() == {"new/b.jpg": before}
    assert_equals_a_first_index(box, tmp_path)


def test_files_of_a_renamed_folder_keep_their_rows_and_are_not_read(
    box: Box, tmp_path: Path
) -> None:
    make_jpeg(box.root / "old/a.jpg", 1, date="2019:07:14 18:03:22")
    make_jpeg(box.root / "old/b.jpg", 2, date="2019:07:14 18:03:22")
    box.index()
    before = list(box.ids().values())
    (box.root / "old").rename(box.root / "new")
    report = box.index()
    assert counts(report) == {"moved": 2}
    assert report.cache["files_opened"] == 0
    assert box.ids() == dict(zip(("new/a.jpg", "new/b.jpg"), before, strict=True))
    assert_equals_a_first_index(box, tmp_path)


def test_a_file_edited_in_place_and_then_renamed_is_read(box: Box, tmp_path: Path) -> None:
    path = make_jpeg(box.root / "a.jpg", 1, date="2019:07:14 18:03:22")
    box.index()
    stamp = path.stat().st_mtime_ns
    edited = path.read_bytes().replace(b"2019:07:14", b"2020:07:14")
    with open(path, "r+b") as file:
        file.write(edited)
    os.utime(path, ns=(stamp, stamp))
    path.rename(box.root / "b.jpg")
    assert counts(box.index()) == {"moved": 1}
    assert box.photos()["b.jpg"].date_taken == "2020-07-14T18:03:22"
    assert_equals_a_first_index(box, tmp_path)


def test_a_file_edited_while_its_hashes_come_from_the_cache_is_hashed_anew(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_jpeg(box.root / "a.jpg", 1)
    box.index()
    time.sleep(2.1)  # the hash cache does not trust what is younger
    box.index()
    (box.root / "a.jpg.xmp").write_text("<x/>")
    scan = folder_scan.scan_folder

    def scan_then_edit(*arguments: Any, **options: Any) -> Any:
        found = scan(*arguments, **options)
        make_jpeg(path, 2)
        return found

    monkeypatch.setattr(library_sync, "scan_folder", scan_then_edit)
    box.index()
    monkeypatch.undo()
    box.index()
    assert box.photos()["a.jpg"].content_hash == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_photo_dated_by_its_name_is_dated_anew_when_renamed(box: Box, tmp_path: Path) -> None:
    make_jpeg(box.root / "IMG_20190714_180322.jpg", 1)
    box.index()
    before = box.ids()["IMG_20190714_180322.jpg"]
    (box.root / "IMG_20190714_180322.jpg").rename(box.root / "IMG_20200101_000000.jpg")
    box.index()
    photo = box.photos()["IMG_20200101_000000.jpg"]
    assert (photo.id, photo.date_taken) == (before, "2020-01-01T00:00:00")
    assert_equals_a_first_index(box, tmp_path)


def test_a_copy_that_took_the_place_of_the_original_keeps_the_row(box: Box) -> None:
    make_jpeg(box.root / "a.jpg", 1)
    box.index()
    before = box.ids()["a.jpg"]
    shutil.copyfile(box.root / "a.jpg", box.root / "z.jpg")
    (box.root / "a.jpg").unlink()
    assert counts(box.index()) == {"moved": 1}
    assert box.ids() == {"z.jpg": before}


def test_swapped_names_swap_their_rows(box: Box, tmp_path: Path) -> None:
    make_jpeg(box.root / "a.jpg", 1)
    make_jpeg(box.root / "b.jpg", 2)
    box.index()
    before = box.ids()
    (box.root / "a.jpg").rename(box.root / "t.jpg")
    (box.root / "b.jpg").rename(box.root / "a.jpg")
    (box.root / "t.jpg").rename(box.root / "b.jpg")
    assert counts(box.index()) == {"moved": 2}
    assert box.ids() == {"a.jpg": before["b.jpg"], "b.jpg": before["a.jpg"]}
    assert_equals_a_first_index(box, tmp_path)


def test_a_file_that_overwrote_another_keeps_its_own_row(box: Box, tmp_path: Path) -> None:
    make_jpeg(box.root / "a.jpg", 1)
    make_jpeg(box.root / "b.jpg", 2)
    box.index()
    before = box.ids()
    (box.root / "b.jpg").rename(box.root / "a.jpg")
    report = box.index()
    assert counts(report) == {"moved": 1, "missing": 1}
    assert box.ids() == {"a.jpg": before["b.jpg"]}
    assert_equals_a_first_index(box, tmp_path)


def test_a_change_in_place_is_seen_also_when_size_and_mtime_stayed(
    box: Box, tmp_path: Path
) -> None:
    path = make_jpeg(box.root / "a.jpg", 1, rating=4)
    box.index()
    before = box.photos()["a.jpg"]
    size = path.stat().st_size
    make_jpeg(path, 1, rating=3)
    os.utime(path, ns=(before.mtime_ns, before.mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (size, before.mtime_ns)
    assert counts(box.index()) == {"changed": 1}
    after = box.photos()["a.jpg"]
    assert (after.id, after.rating, after.media_hash) == (before.id, 3, before.media_hash)
    assert_equals_a_first_index(box, tmp_path)


def test_a_touched_file_is_read_once_and_counts_as_unchanged(box: Box) -> None:
    path = make_jpeg(box.root / "a.jpg", 1)
    box.index()
    path.touch()
    report = box.index()
    assert counts(report) == {"unchanged": 1}
    assert report.cache["files_opened"] == 1
    assert box.index().cache["files_opened"] == 0


def test_a_sidecar_that_appears_changes_and_goes_changes_its_photo(
    box: Box, tmp_path: Path
) -> None:
    make_jpeg(box.root / "a.jpg", 1, rating=2)
    box.index()
    sidecar = box.root / "a.jpg.xmp"
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{}"/></rdf:RDF></x:xmpmeta>'
    )
    for rating in (5, 1):
        sidecar.write_text(packet.format(rating))
        assert counts(box.index()) == {"changed": 1}
        photo = box.photos()["a.jpg"]
        assert (photo.rating, photo.kept_in, photo.sidecar_path) == (rating, "sidecar", "a.jpg.xmp")
        assert_equals_a_first_index(box, tmp_path)
    sidecar.unlink()
    assert counts(box.index()) == {"changed": 1}
    assert (box.photos()["a.jpg"].rating, box.photos()["a.jpg"].kept_in) == (2, "file")


def test_a_vanished_file_is_missing_and_comes_back_by_itself(box: Box, tmp_path: Path) -> None:
    path = make_jpeg(box.root / "a.jpg", 1)
    make_jpeg(box.root / "b.jpg", 2)
    box.index()
    before = box.ids()
    path.rename(tmp_path / "elsewhere.jpg")
    assert counts(box.index()) == {"missing": 1, "unchanged": 1}
    assert box.missing() == ["a.jpg"]
    assert counts(box.index()) == {"unchanged": 1}
    shutil.copyfile(tmp_path / "elsewhere.jpg", path)
    assert counts(box.index()) == {"added": 1, "unchanged": 1}
    assert box.ids() == before


@pytest.mark.parametrize("content", [b"", b"<html>not a photo</html>", b"\0" * 5000])
def test_one_bad_file_costs_only_itself_and_is_named(box: Box, content: bytes) -> None:
    make_jpeg(box.root / "a.jpg", 1)
    (box.root / "bad.jpg").write_bytes(content)
    make_jpeg(box.root / "c.jpg", 2)
    report = box.index()
    assert sorted(box.photos()) == ["a.jpg", "c.jpg"]
    assert [problem.path for problem in report.problems] == ["bad.jpg"]
    assert report.problems[0].reason


def test_a_photo_overwritten_by_rubbish_is_missing_and_named(box: Box, tmp_path: Path) -> None:
    path = make_jpeg(box.root / "a.jpg", 1)
    box.index()
    path.write_bytes(b"rubbish")
    report = box.index()
    assert counts(report) == {"missing": 1}
    assert [problem.path for problem in report.problems] == ["a.jpg"]
    assert_equals_a_first_index(box, tmp_path)


def test_a_photo_that_waits_for_exiftool_is_read_again_once_it_is_there(box: Box) -> None:
    path = make_jpeg(box.root / "a.jpg", 1)
    with Image.open(path) as picture:
        picture.save(path, "JPEG", xmp=b"<broken")
    assert counts(box.index()) == {"added": 1}
    assert box.index().cache["files_opened"] == 0
    exiftool = ExifTool(find_exiftool() or pytest.skip("ExifTool is not installed"))
    box.indexer = replace(box.indexer, exiftool=lambda: exiftool)
    assert box.index().cache["files_opened"] == 1
    assert box.index().cache["files_opened"] == 0
    exiftool.close()


# -- pairs -----------------------------------------------------------------------------------


def write_film(path: Path, seconds: int = 2, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(make_film("mov", colors=[(200, 30, 30)] * 10 * seconds, **options))
    return path


def write_raw(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(make_dng(make_preview()))
    return path


def list_cells(box: Box) -> list[str]:
    with box.database.reading() as connection:
        page = photo_listing.list_photos(
            connection, cursor=None, limit=100, photo_filter=PhotoFilter()
        )
    return sorted(photo.current_path for photo in page.photos)


def test_raw_with_jpeg_and_a_live_photo_are_pairs_from_the_first_index_on(
    box: Box, tmp_path: Path
) -> None:
    make_jpeg(box.root / "DSC1.JPG", 1)
    write_raw(box.root / "DSC1.DNG")
    make_jpeg(box.root / "live/IMG_1.jpg", 2)
    write_film(box.root / "live/IMG_1.MOV")
    make_jpeg(box.root / "long.jpg", 3)
    write_film(box.root / "long.mov", seconds=7)
    assert counts(box.index()) == {"added": 6}
    expected = {"DSC1.DNG": "DSC1.JPG", "live/IMG_1.MOV": "live/IMG_1.jpg"}
    assert box.pairs() == expected
    assert list_cells(box) == ["DSC1.JPG", "live/IMG_1.jpg", "long.jpg", "long.mov"]
    assert counts(box.index()) == {"unchanged": 6}
    assert box.pairs() == expected
    assert_equals_a_first_index(box, tmp_path)


def test_a_pair_comes_and_goes_with_its_files(box: Box, tmp_path: Path) -> None:
    write_raw(box.root / "A.DNG")
    write_film(box.root / "B.MOV")
    box.index()
    assert (box.pairs(), list_cells(box)) == ({}, ["A.DNG", "B.MOV"])
    for number, name in enumerate(("A.JPG", "B.JPG")):
        make_jpeg(box.root / name, number)
    box.index()
    before = box.ids()
    assert box.pairs() == {"A.DNG": "A.JPG", "B.MOV": "B.JPG"}
    (box.root / "A.JPG").unlink()
    (box.root / "B.JPG").rename(box.root / "C.JPG")
    box.index()
    assert (box.pairs(), list_cells(box)) == ({}, ["A.DNG", "B.MOV", "C.JPG"])
    (box.root / "C.JPG").rename(box.root / "B.JPG")
    make_jpeg(box.root / "A.JPG", 0)
    box.index()
    assert box.pairs() == {"A.DNG": "A.JPG", "B.MOV": "B.JPG"}
    assert box.ids() == before
    (box.root / "B.MOV").unlink()
    (box.root / "A.DNG").unlink()
    box.index()
    assert (box.pairs(), list_cells(box)) == ({}, ["A.JPG", "B.JPG"])


def test_a_dry_run_pairs_nothing(box: Box) -> None:
    make_jpeg(box.root / "A.JPG", 1)
    box.index()
    write_raw(box.root / "A.DNG")
    assert counts(box.index(dry_run=True)) == {"added": 1, "unchanged": 1}
    assert box.pairs() == {}


def test_pairs_are_made_also_where_a_first_index_was_stopped_before(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_sync, "COMMIT_FILES", 1)
    make_jpeg(box.root / "A.JPG", 1)
    write_raw(box.root / "A.DNG")
    with pytest.raises(KeyboardInterrupt):
        box.index(stop_after=1)
    box.index()
    box.index()
    assert box.pairs() == {"A.DNG": "A.JPG"}


@pytest.mark.parametrize("settled", [True, False])
def test_pairs_are_made_where_an_index_died_before_and_not_made_again_for_nothing(
    box: Box, monkeypatch: pytest.MonkeyPatch, settled: bool
) -> None:
    monkeypatch.setattr(folder_scan, "NOTED_AFTER_NS", 0 if settled else 3600 * 10**9)
    found = find_exiftool() or pytest.skip("ExifTool is not installed")
    exiftool = ExifTool(found)  # a folder whose RAW waits for one is never settled
    box.indexer = replace(box.indexer, exiftool=lambda: exiftool)
    make_jpeg(box.root / "A.JPG", 1)
    box.index()
    write_raw(box.root / "A.DNG")
    pair_photos = library_sync.pair_photos
    made: list[int] = []

    def die(_connection: sqlite3.Connection) -> None:
        raise KeyboardInterrupt

    def count(connection: sqlite3.Connection) -> None:
        made.append(1)
        pair_photos(connection)

    monkeypatch.setattr(library_sync, "pair_photos", die)
    with pytest.raises(KeyboardInterrupt):
        box.index()
    monkeypatch.setattr(library_sync, "pair_photos", count)
    box.index()
    assert box.pairs() == {"A.DNG": "A.JPG"}
    box.index()
    assert len(made) == (1 if settled else 2)
    assert box.pairs() == {"A.DNG": "A.JPG"}
    exiftool.close()


# -- time zone -------------------------------------------------------------------------------


@pytest.mark.parametrize("with_exiftool", [True, False])
def test_another_time_zone_dates_films_in_utc_anew_and_nothing_else(
    box: Box, tmp_path: Path, with_exiftool: bool
) -> None:
    found = find_exiftool()
    if with_exiftool and found is None:
        pytest.skip("ExifTool is not installed")
    utc = {"creation_time": "2019-07-14T16:03:22Z"}
    local = {**utc, "com.apple.quicktime.creationdate": "2019-02-12T15:27:12+0800"}
    write_film(box.root / "utc.mov", metadata=utc)
    write_film(box.root / "local.mov", metadata=local, options={"movflags": "use_metadata_tags"})
    write_film(box.root / "VID_20180101_120000.mov")
    make_jpeg(box.root / "a.jpg", 1, date="2019:07:14 18:03:22")
    make_jpeg(box.root / "IMG_20170101_120000.jpg", 2)
    exiftool = ExifTool(found) if with_exiftool else None
    box.indexer = replace(box.indexer, exiftool=lambda: exiftool)
    box.index()
    before = box.photos()
    dates = {path: photo.date_taken for path, photo in before.items()}
    assert dates == {
        "utc.mov": "2019-07-14T16:03:22",
        "local.mov": "2019-02-12T15:27:12",
        "VID_20180101_120000.mov": "2018-01-01T12:00:00",
        "a.jpg": "2019-07-14T18:03:22",
        "IMG_20170101_120000.jpg": "2017-01-01T12:00:00",
    }
    for zone, date in (
        ("Europe/Berlin", "2019-07-14T18:03:22"),
        ("Pacific/Chatham", "2019-07-15T04:48:22"),
        ("UTC", "2019-07-14T16:03:22"),
    ):
        box.indexer = replace(box.indexer, time_zone=ZoneInfo(zone))
        assert box.index().cache["files_opened"] == 1
        after = box.photos()
        assert {path: photo.date_taken for path, photo in after.items()} == {
            **dates,
            "utc.mov": date,
        }
        assert box.index().cache["files_opened"] == 0
        for path in before.keys() - {"utc.mov"}:
            assert after[path] == before[path]
    assert box.photos() == before
    if exiftool:
        exiftool.close()


def test_films_and_raw_wait_for_exiftool_and_are_read_once_it_is_there(box: Box) -> None:
    write_film(box.root / "a.mov", metadata={"creation_time": "2019-07-14T16:03:22Z"})
    write_raw(box.root / "b.dng")
    make_jpeg(box.root / "c.jpg", 1)
    box.index()
    assert box.photos()["b.dng"].width is None
    assert box.photos()["a.mov"].date_taken == "2019-07-14T16:03:22"
    assert box.index().cache["files_opened"] == 0
    exiftool = ExifTool(find_exiftool() or pytest.skip("ExifTool is not installed"))
    box.indexer = replace(box.indexer, exiftool=lambda: exiftool)
    assert box.index().cache["files_opened"] == 2
    assert (box.photos()["b.dng"].width, box.photos()["b.dng"].height) == (6000, 4000)
    assert box.index().cache["files_opened"] == 0
    exiftool.close()
    box.indexer = replace(box.indexer, exiftool=lambda: None)
    assert box.index().cache["files_opened"] == 0


def test_special_files_and_links_are_never_opened(box: Box, tmp_path: Path) -> None:
    outside = make_jpeg(tmp_path / "outside.jpg", 1)
    os.mkfifo(box.root / "pipe.jpg")
    (box.root / "link.jpg").symlink_to(outside)
    (box.root / "loop").symlink_to(box.root)
    (box.root / "folder.jpg").mkdir()
    make_jpeg(box.root / "folder.jpg/a.jpg", 2)
    report = box.index()
    assert sorted(box.photos()) == ["folder.jpg/a.jpg"]
    assert sum(report.ignored.values()) == 3


def _make_many(root: Path, count: int) -> None:
    for number in range(count):
        make_jpeg(root / f"{number % 7}/{number:03}.jpg", number)


def test_the_brake_holds_when_many_vanish_at_once(box: Box) -> None:
    _make_many(box.root, 70)
    box.index()
    before = box.photos()
    shutil.rmtree(box.root / "1")
    shutil.rmtree(box.root / "2")
    shutil.rmtree(box.root / "3")
    with pytest.raises(BrakeError, match="30 of 70"):
        box.index()
    assert box.photos() == before
    assert counts(box.index(accept_missing=True)) == {"missing": 30, "unchanged": 40}


def test_the_brake_holds_for_an_empty_folder_in_the_librarys_place(box: Box) -> None:
    make_jpeg(box.root / "a.jpg", 1)
    box.index()
    before = box.photos()
    box.root.rename(box.root.with_name("away"))
    box.root.mkdir()
    with pytest.raises(BrakeError, match="mounted"):
        box.index()
    assert box.photos() == before


def test_the_brake_holds_for_a_library_without_its_marker(box: Box, tmp_path: Path) -> None:
    make_jpeg(box.root / "a.jpg", 1)
    marked = replace(box.indexer, markers=(tmp_path / "marker",))
    with pytest.raises(BrakeError, match="marker"):
        marked.update(Observer("none"))


def test_a_reorganized_library_does_not_trip_the_brake(box: Box, tmp_path: Path) -> None:
    _make_many(box.root, 60)
    box.index()
    before = sorted(box.ids().values())
    for folder in list(box.root.iterdir()):
        shutil.copytree(folder, box.root / "sorted" / folder.name)
        shutil.rmtree(folder)
    assert counts(box.index()) == {"moved": 60}
    assert sorted(box.ids().values()) == before
    assert_equals_a_first_index(box, tmp_path)


def test_a_dry_run_says_what_would_change_and_changes_nothing(box: Box) -> None:
    _make_many(box.root, 10)
    box.index()
    before = box.photos()
    make_jpeg(box.root / "new.jpg", 99)
    (box.root / "0/000.jpg").rename(box.root / "moved.jpg")
    (box.root / "1/001.jpg").unlink()
    make_jpeg(box.root / "2/002.jpg", 98)
    planned = box.index(dry_run=True)
    assert box.photos() == before
    expected = {"added": 1, "moved": 1, "missing": 1, "changed": 1, "unchanged": 7}
    assert counts(planned) == expected
    assert counts(box.index()) == expected


def _change(root: Path, choice: random.Random, seed: int) -> None:
    """One change of the kind people make between two indexes."""
    files = sorted(path for path in root.rglob("*.jpg"))
    kind = choice.choice(["add", "edit", "move", "swap", "copy", "delete", "rename folder"])
    if kind == "add" or len(files) < 3:
        make_jpeg(root / f"{choice.randrange(3)}/n{seed}.jpg", seed)
        return
    first, second = choice.sample(files, 2)
    if kind == "edit":
        make_jpeg(first, seed, rating=choice.randrange(1, 6))
    elif kind == "move":
        first.rename(first.with_name(f"m{seed}.jpg"))
    elif kind == "swap":
        spare = first.with_name("spare.tmp")
        first.rename(spare)
        second.rename(first)
        spare.rename(second)
    elif kind == "copy":
        shutil.copyfile(first, second.with_name(f"c{seed}.jpg"))
    elif kind == "delete":
        first.unlink()
    else:
        first.parent.rename(root / f"f{seed}")


@pytest.mark.parametrize("seed", range(6))
def test_after_any_changes_the_rows_equal_those_of_a_first_index(
    box: Box, tmp_path: Path, seed: int
) -> None:
    choice = random.Random(seed)
    _make_many(box.root, 12)
    box.index()
    for round_number in range(4):
        for step in range(5):
            _change(box.root, choice, 1000 + seed * 100 + round_number * 10 + step)
        box.index()
        assert_equals_a_first_index(box, tmp_path)


def test_a_stopped_index_goes_on_where_it_was(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_sync, "COMMIT_FILES", 10)
    _make_many(box.root, 40)
    with pytest.raises(KeyboardInterrupt):
        box.index(stop_after=2)
    done = len(box.photos())
    assert 0 < done < 40
    assert counts(box.index()) == {"unchanged": done, "added": 40 - done}
    assert_equals_a_first_index(box, tmp_path)


def test_hashes_of_a_stopped_index_are_not_computed_again(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_sync, "COMMIT_FILES", 10)
    _make_many(box.root, 40)
    box.index()
    (box.root / "0/000.jpg").unlink()
    for number in range(40, 80):
        make_jpeg(box.root / f"more/{number:03}.jpg", number)
    time.sleep(2.1)  # the hash cache does not trust what is younger
    with pytest.raises(KeyboardInterrupt):
        box.index(stop_after=2)
    assert len(box.photos()) == 40
    report = box.index()
    assert counts(report) == {"unchanged": 39, "added": 40, "missing": 1}
    assert report.cache["memory_hits"] + report.cache["database_hits"] >= 10
    assert_equals_a_first_index(box, tmp_path)


@pytest.mark.crash
@pytest.mark.parametrize("fresh", [True, False], ids=["first index", "index of changes"])
def test_an_index_killed_at_any_moment_and_run_again_gives_the_same(
    tmp_path: Path, pool: WorkerPool, fresh: bool
) -> None:
    root, data = tmp_path / "photos", tmp_path / "data"
    _make_many(root, 200)
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    command = [
        sys.executable,
        str(REPOSITORY / "cli.py"),
        "--data-dir",
        str(data),
        "index",
        str(root),
    ]

    def run(kill_after_s: float | None) -> int:
        process = subprocess.Popen(
            [*command, "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            process.communicate(timeout=kill_after_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        return process.returncode

    if not fresh:
        assert run(None) == 0
        for number in range(30):
            (root / f"{number % 7}/{number:03}.jpg").unlink()
        for number in range(300, 400):
            make_jpeg(root / f"more/{number}.jpg", number)
        (root / "6").rename(root / "six")
    choice = random.Random(int(fresh))
    for _ in range(5):
        run(0.3 + choice.random() * 0.9)
    assert run(None) == 0
    box = Box(root, data / "photo_library.db", pool)
    with box.database.reading() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert_equals_a_first_index(box, tmp_path)
    box.database.close()


@pytest.mark.slow
def test_every_photo_of_the_real_files_is_a_row_or_named(
    media: Path, tmp_path: Path, pool: WorkerPool
) -> None:
    root = tmp_path / "photos"
    shutil.copytree(media, root)
    box = Box(root, tmp_path / "library.db", pool)
    report = box.index()
    named = {problem.path for problem in report.problems}
    facts = json.loads((media / "facts.json").read_text())["files"]
    photos = box.photos()
    for path, fact in facts.items():
        if not is_media_name(path):
            continue
        assert path in photos or path in named
        if fact.get("pil_open") and "upright_size" in fact and photos[path].file_type != "heic":
            assert [photos[path].width, photos[path].height] == fact["upright_size"], path
    live = "pigallery2/live_photo"
    assert box.pairs()[f"{live}/IMG_7943_HEVC.MOV"] == f"{live}/IMG_7943.HEIC"
    assert not [path for path in facts if (root / path).read_bytes() != (media / path).read_bytes()]
    box.database.close()


def test_a_slow_disk_makes_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_indexer, "BATCH_S", 0.05)

    def slowly() -> Iterator[int]:
        for number in range(12):
            time.sleep(0.02)
            yield number

    items = slowly()
    first = file_indexer.take_batch(items, 100)
    assert 1 <= len(first) < 6
    assert first == list(range(len(first)))  # none is lost between two batches
    rest = [
        item for batch in iter(lambda: file_indexer.take_batch(items, 100), []) for item in batch
    ]
    assert first + rest == list(range(12))
    assert file_indexer.take_batch(iter(range(250)), 100) == list(range(100))
