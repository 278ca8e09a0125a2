"""photo_import: every photo of the sources comes into the library once, whatever happens."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from edit_box import EditBox, needs_exiftool, opened_box
from pictures import make_film, make_jpeg

import catalog
import hash_cache
import import_sources
import photo_import
import verified_copy
from date_edit import DateMode
from errors import DiskFullError, InvalidRequestError, NotFoundError, SourceGoneError
from exiftool_process import find_exiftool
from operation_progress import Progress
from operation_state import OperationType
from upload_store import Sent

DAY = "2019/2019-07-14"
DATE = "2019:07:14 18:03:22"
SIDECAR = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    'syntax-ns#"><rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/>'
    "</rdf:RDF></x:xmpmeta>"
)


@pytest.fixture
def card(tmp_path: Path) -> Path:
    (tmp_path / "card").mkdir()
    return tmp_path / "card"


@pytest.fixture
def box(home: Path, tmp_path: Path) -> Iterator[EditBox]:
    del home
    (tmp_path / "photos").mkdir()
    with opened_box(tmp_path / "photos") as box:
        yield box


@pytest.fixture(autouse=True)
def trust_young_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash cache trusts no file younger than 2 s; these tests do not wait so long."""
    monkeypatch.setattr(hash_cache, "UNTRUSTED_NS", 0)


def start(box: EditBox, *sources: Path, upload: str | None = None) -> Progress:
    parameters: dict[str, Any] = {"sources": [str(source) for source in sources]}
    if upload:
        parameters["upload"] = upload
    operation_id = box.library.start_operation(OperationType.IMPORT_PHOTOS, parameters)
    return box.library.runner.wait(operation_id, timeout=120)


def bring(box: EditBox, *sources: Path) -> dict[str, Any]:
    progress = start(box, *sources)
    assert progress.status == "completed", progress.message
    assert progress.report is not None
    return progress.report


def stage_one(box: EditBox, photo: Path, batch: str | None = None) -> str:
    """Send a photo as a browser does; the id of its upload."""
    uploads = box.library.uploads
    batch = batch or uploads.make_batch()
    with uploads.receiving(0) as parts:
        part = uploads.open_part(parts)
        part.write(photo.read_bytes())
        uploads.stage(batch, part, Sent(photo.name, photo.name))
    return batch


def counts(report: dict[str, Any]) -> tuple[int, int]:
    return report["added"], report["already_here"]


def fingerprint(folder: Path) -> dict[str, tuple[str, int]]:
    """Content and mtime of every file, by path."""
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and ".library" not in path.parts
    }


def paths(box: EditBox) -> list[str]:
    """What rows there are; each is present."""
    with box.library.database.reading() as connection:
        photos = list(catalog.iterate_photos(connection))
    assert not [photo for photo in photos if photo.missing_since]
    return [photo.current_path for photo in photos]


# -- what comes, and where -----------------------------------------------------------------------


def test_photos_come_by_their_dates_with_bytes_and_mtime(box: EditBox, card: Path) -> None:
    make_jpeg(card / "DCIM/100/a.jpg", 1, date=DATE, rating=5)
    make_jpeg(card / "DCIM/b.jpg", 2)
    (card / "notes.txt").write_text("no photo")
    before = fingerprint(card)
    report = bring(box, card)
    assert counts(report) == (2, 0)
    assert (report["found"], report["unsupported"], report["problems"]) == (2, 1, [])
    assert fingerprint(box.root) == {
        f"{DAY}/a.jpg": before["DCIM/100/a.jpg"],
        "Undated/b.jpg": before["DCIM/b.jpg"],
    }
    assert paths(box) == [f"{DAY}/a.jpg", "Undated/b.jpg"]
    assert box.photo(f"{DAY}/a.jpg").rating == 5
    assert fingerprint(card) == before


def test_the_rows_are_those_that_an_index_makes_and_nothing_is_read_twice(
    box: EditBox, card: Path
) -> None:
    for number in range(5):
        make_jpeg(card / f"{number}.jpg", number, date=DATE)
    bring(box, card)
    progress = box.library.runner.wait(box.library.start_update_index(), timeout=60)
    assert progress.report is not None
    assert progress.report["unchanged"] == 5
    assert progress.report["cache"]["files_opened"] == 0


def test_a_second_import_brings_nothing_and_reads_nothing(box: EditBox, card: Path) -> None:
    for number in range(3):
        make_jpeg(card / f"{number}.jpg", number, date=DATE)
    bring(box, card)
    report = bring(box, card)
    assert counts(report) == (0, 3)
    assert report["cached"] == 3
    assert {
        "path": "card/1.jpg",
        "kind": "already_here",
        "size": (card / "1.jpg").stat().st_size,
        "where": f"{DAY}/1.jpg",
    } in report["files"]


@needs_exiftool
def test_what_was_starred_re_dated_renamed_and_moved_since_is_here_already(
    box: EditBox, card: Path
) -> None:
    for number in range(4):
        make_jpeg(card / f"{number}.jpg", number, date=DATE)
    bring(box, card)
    box.library.rate_photo(box.photo(f"{DAY}/0.jpg").id, 5)
    executable = find_exiftool()
    assert executable
    re_date = ["-q", "-overwrite_original", "-AllDates=2001:01:01 00:00:00"]
    subprocess.run([executable, *re_date, str(box.root / DAY / "1.jpg")], check=True)
    (box.root / DAY / "2.jpg").rename(box.root / DAY / "renamed.jpg")
    (box.root / "elsewhere").mkdir()
    (box.root / DAY / "3.jpg").rename(box.root / "elsewhere/3.jpg")
    report = bring(box, card)
    assert counts(report) == (0, 4)
    assert len(paths(box)) == 4
    where = {one["path"]: one["where"] for one in report["files"]}
    assert where["card/2.jpg"] == f"{DAY}/renamed.jpg"
    assert where["card/3.jpg"] == "elsewhere/3.jpg"


def edit_here(box: EditBox, step: int = 1) -> None:
    """A star and another date for every `step`th photo that shows; its companions come along."""
    with box.library.database.reading() as connection:
        ids = [photo.id for photo in catalog.iterate_photos(connection)][::step]
    library = box.library
    rated = library.runner.wait(library.start_rating(ids, 5), timeout=300)
    dates = library.start_dates(ids, DateMode.SAME, "2001-01-01 00:00:00")
    dated = library.runner.wait(dates, timeout=300)
    assert (rated.status, dated.status) == ("completed", "completed")


def edit_half_here(box: EditBox) -> None:
    edit_here(box, step=2)


def edit_elsewhere(box: EditBox) -> None:
    """The same by another program, which refuses damaged files."""
    executable = find_exiftool()
    assert executable
    edits = ["-XMP-xmp:Rating=5", "-AllDates=2001:01:01 00:00:00", "-overwrite_original"]
    subprocess.run(
        [executable, "-q", "-q", "-r", "-i", ".library", *edits, str(box.root)],
        check=False,
        capture_output=True,
    )


@needs_exiftool
@pytest.mark.slow
@pytest.mark.parametrize(
    ("edit", "most_changed"),
    [
        (edit_half_here, 0),
        (edit_elsewhere, 2),
        pytest.param(edit_here, 0, marks=pytest.mark.crash_all),
    ],
)
def test_real_photos_come_once_and_never_again(
    box: EditBox, card: Path, media: Path, edit: Callable[[EditBox], None], most_changed: int
) -> None:
    shutil.copytree(media, card, dirs_exist_ok=True)
    before = fingerprint(card)
    first = bring(box, card)
    rows = paths(box)
    assert first["added"] == len(rows) > 100
    assert first["found"] == first["added"] + first["already_here"] + first["unreadable"]
    assert counts(bring(box, card))[0] == 0
    edit(box)
    again = bring(box, card)
    with box.library.database.reading() as connection:
        photos = list(catalog.iterate_photos(connection))
    # Of JPEG 2000 and of damaged files the hash is the whole file's: ExifTool makes them others.
    came = [photo for photo in photos if photo.current_path not in rows]
    assert {photo.media_hash.partition(":")[0] for photo in came} <= {"file"}
    assert again["added"] == len(came) <= most_changed
    assert again["found"] == first["found"]
    assert sum(photo.rating == 5 for photo in photos) > 50
    assert sum((photo.date_taken or "")[:4] == "2001" for photo in photos) > 50
    assert fingerprint(card) == before


# -- names ---------------------------------------------------------------------------------------


def test_what_lies_in_the_trash_does_not_come_back_by_an_import(box: EditBox, card: Path) -> None:
    make_jpeg(card / "a.jpg", 1, date="2019:07:14 18:03:22")
    make_jpeg(card / "b.jpg", 2)
    bring(box, card)
    trashed = box.photo("2019/2019-07-14/a.jpg")
    progress = box.library.runner.wait(box.library.start_trash([trashed.id]), timeout=60)
    assert progress.status == "completed"
    report = bring(box, card)
    assert counts(report)[0] == 0
    where = [one["where"] for one in report["files"] if one["kind"] == "already_here"]
    assert f"the trash ({trashed.current_path})" in where
    box.library.runner.wait(box.library.start_purge([trashed.id]), timeout=60)
    assert counts(bring(box, card))[0] == 1


def test_two_photos_of_one_name_are_both_kept(box: EditBox, card: Path) -> None:
    make_jpeg(card / "a/IMG_1.jpg", 1, date=DATE)
    make_jpeg(card / "b/IMG_1.jpg", 2, date=DATE)
    make_jpeg(card / "c/IMG_1.jpg", 2, date=DATE)  # the same picture again
    report = bring(box, card)
    assert counts(report) == (2, 1)
    (twin,) = report["files"]
    assert (twin["path"], twin["where"]) == ("card/c/IMG_1.jpg", "card/b/IMG_1.jpg")
    assert paths(box) == [f"{DAY}/IMG_1 (2).jpg", f"{DAY}/IMG_1.jpg"]


def test_a_live_photo_its_film_and_its_sidecar_stay_together_under_one_number(
    box: EditBox, card: Path
) -> None:
    make_jpeg(box.root / DAY / "IMG_1.JPG", 9, date=DATE)
    make_jpeg(card / "IMG_1.JPG", 1, date=DATE)
    make_film(card / "IMG_1.MOV", "mov", "mpeg4")
    (card / "IMG_1.JPG.xmp").write_text(SIDECAR)
    bring(box, card)
    assert sorted(fingerprint(box.root)) == [
        f"{DAY}/IMG_1 (2).JPG",
        f"{DAY}/IMG_1 (2).JPG.xmp",
        f"{DAY}/IMG_1 (2).MOV",
        f"{DAY}/IMG_1.JPG",
    ]
    assert box.photo(f"{DAY}/IMG_1 (2).JPG").rating == 4
    with box.library.database.reading() as connection:
        companions = dict(connection.execute("SELECT photo_id, leader_id FROM companions"))
    film, leader = box.photo(f"{DAY}/IMG_1 (2).MOV"), box.photo(f"{DAY}/IMG_1 (2).JPG")
    assert companions == {film.id: leader.id}


def test_a_film_whose_photo_is_here_already_comes_beside_it(box: EditBox, card: Path) -> None:
    make_jpeg(card / "IMG_1.JPG", 1, date=DATE)
    bring(box, card)
    (box.root / "trip").mkdir()
    (box.root / DAY / "IMG_1.JPG").rename(box.root / "trip/beach.JPG")
    make_film(card / "IMG_1.MOV", "mov", "mpeg4")
    assert counts(bring(box, card)) == (1, 1)
    assert paths(box) == ["trip/beach.JPG", "trip/beach.MOV"]


def test_films_of_another_camera_do_not_become_a_live_photo(box: EditBox, card: Path) -> None:
    make_jpeg(box.root / DAY / "DSC_1.JPG", 9, date=DATE)
    film = make_film(card / "DSC_1 2019-07-14.MOV", "mov", "mpeg4")
    make_jpeg(box.root / DAY / "DSC_1 2019-07-14.JPG", 8, date=DATE)
    bring(box, card)
    assert (box.root / DAY / f"{film.stem} (2).MOV").is_file()


# -- what is refused -----------------------------------------------------------------------------


def test_the_library_and_what_lies_in_it_are_no_sources(box: EditBox, tmp_path: Path) -> None:
    make_jpeg(box.root / "sub/a.jpg", 1, date=DATE)
    (tmp_path / "link").symlink_to(box.root)
    for source in (box.root, box.root / "sub", box.data, tmp_path / "link"):
        progress = start(box, source)
        assert progress.status == "failed"
        assert progress.message is not None
        assert "inside the library" in progress.message
    assert fingerprint(box.root).keys() == {"sub/a.jpg"}


def test_a_folder_that_holds_the_library_brings_what_lies_around_it(
    box: EditBox, tmp_path: Path
) -> None:
    make_jpeg(box.root / "a.jpg", 1, date=DATE)
    make_jpeg(tmp_path / "around.jpg", 2, date=DATE)
    assert counts(bring(box, tmp_path)) == (1, 0)
    assert paths(box) == [f"{DAY}/around.jpg", "a.jpg"]


def test_a_source_that_is_not_there_is_said(box: EditBox, card: Path) -> None:
    with pytest.raises(SourceGoneError):
        box.library.plan_import([str(card / "typo")])
    with pytest.raises(InvalidRequestError, match="no absolute path"):
        box.library.plan_import(["card"])
    with pytest.raises(InvalidRequestError, match="Name folders"):
        box.library.plan_import([])


def test_pipes_sockets_loops_and_empty_files_are_named_and_stop_nothing(
    box: EditBox, card: Path
) -> None:
    make_jpeg(card / "good.jpg", 1, date=DATE)
    os.mkfifo(card / "pipe.jpg")
    (card / "empty.jpg").touch()
    (card / "loop").symlink_to(card)
    (card / "link.jpg").symlink_to(card / "good.jpg")
    with (card / "sparse.mp4").open("wb") as file:
        file.truncate(20 << 30)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(card / "socket.jpg"))
        report = bring(box, card)
    assert counts(report) == (1, 0)
    named = {problem["path"] for problem in report["problems"]}
    assert named == {
        f"card/{name}"
        for name in ("pipe.jpg", "socket.jpg", "empty.jpg", "loop", "link.jpg", "sparse.mp4")
    }
    assert report["unreadable"] == 6
    assert paths(box) == [f"{DAY}/good.jpg"]


def test_one_file_is_a_source_too(box: EditBox, card: Path) -> None:
    make_jpeg(card / "a.jpg", 1, date=DATE)
    make_jpeg(card / "b.jpg", 2, date=DATE)
    (card / "a.xmp").write_text(SIDECAR)
    (card / "c.txt").touch()
    report = bring(box, card / "a.jpg", card / "c.txt", card / "a.jpg")
    assert (counts(report), report["unsupported"]) == ((1, 0), 1)
    assert sorted(fingerprint(box.root)) == [f"{DAY}/a.jpg", f"{DAY}/a.xmp"]


# -- while it runs -------------------------------------------------------------------------------


def _before_copy(monkeypatch: pytest.MonkeyPatch, number: int, deed: Callable[[], None]) -> None:
    """Do something just before the copy of this number."""
    done = [0]
    copy = verified_copy.copy_verified

    def watch(*words: Any, **more: Any) -> Any:
        done[0] += 1
        if done[0] == number:
            deed()
        return copy(*words, **more)

    monkeypatch.setattr(photo_import, "copy_verified", watch)


def test_a_photo_that_vanishes_is_named_and_the_others_come(
    box: EditBox, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        make_jpeg(card / f"{number}.jpg", number, date=DATE)
    _before_copy(monkeypatch, 2, (card / "1.jpg").unlink)
    report = bring(box, card)
    assert counts(report) == (3, 0)
    assert report["problems"] == [{"path": "card/1.jpg", "reason": "It is no longer there."}]


def test_a_card_that_is_pulled_out_pauses_and_goes_on_when_it_is_back(
    box: EditBox, card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        make_jpeg(card / f"{number}.jpg", number, date=DATE)

    def pull() -> None:
        card.rename(tmp_path / "pulled")

    _before_copy(monkeypatch, 3, pull)
    progress = start(box, card)
    assert (progress.status, progress.error_code) == ("paused", "source_gone")
    assert progress.message is not None
    assert "2 of 4 new photos are imported, 2 are left" in progress.message
    assert len(paths(box)) == 2
    (tmp_path / "pulled").rename(card)
    box.library.resume_operation(progress.operation_id)
    assert box.library.runner.wait(progress.operation_id, timeout=60).status == "completed"
    assert len(paths(box)) == len(fingerprint(box.root)) == 4


def test_the_empty_folder_of_a_card_that_was_pulled_out_is_not_the_card(
    box: EditBox, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        make_jpeg(card / f"{number}.jpg", number, date=DATE)

    def pull() -> None:
        shutil.rmtree(card)
        card.mkdir()
        # What lies under a mount is on another device.
        monkeypatch.setattr(import_sources, "_find_device", lambda path: 4711)

    _before_copy(monkeypatch, 2, pull)
    progress = start(box, card)
    assert (progress.status, progress.error_code) == ("paused", "source_gone")


def test_killed_after_its_last_photo_an_import_of_an_upload_ends_well(
    box: EditBox, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = stage_one(box, make_jpeg(card / "a.jpg", 1, date=DATE))

    def die(*_: object, **__: object) -> None:
        raise DiskFullError("Killed here.")

    monkeypatch.setattr(photo_import._ImportRun, "_report", die)
    progress = start(box, upload=batch)
    assert progress.status == "paused"
    monkeypatch.undo()
    box.library.resume_operation(progress.operation_id)
    assert box.library.runner.wait(progress.operation_id, timeout=60).status == "completed"
    assert paths(box) == [f"{DAY}/a.jpg"]


def test_what_is_sent_while_an_import_runs_waits_for_the_next_one(
    box: EditBox, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = stage_one(box, make_jpeg(card / "a.jpg", 1, date=DATE))
    late = make_jpeg(card / "b.jpg", 2, date=DATE)

    def send() -> None:
        stage_one(box, late, batch)

    _before_copy(monkeypatch, 1, send)
    assert start(box, upload=batch).status == "completed"
    assert [file.name for file in box.library.uploads.list_files(batch)] == ["b.jpg"]
    assert start(box, upload=batch).status == "completed"
    assert paths(box) == [f"{DAY}/a.jpg", f"{DAY}/b.jpg"]
    with pytest.raises(NotFoundError):
        box.library.uploads.list_files(batch)


def test_a_full_disk_pauses_with_what_is_done_and_what_is_left(
    box: EditBox, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        make_jpeg(card / f"{number}.jpg", number, date=DATE)

    def fill() -> None:
        raise DiskFullError("There is no room left on the disk of the library.")

    _before_copy(monkeypatch, 2, fill)
    progress = start(box, card)
    assert (progress.status, progress.error_code) == ("paused", "disk_full")
    assert progress.message is not None
    assert "1 of 4 new photos are imported, 3 are left" in progress.message
    assert len(paths(box)) == 1
    box.library.resume_operation(progress.operation_id)
    assert box.library.runner.wait(progress.operation_id, timeout=60).status == "completed"
    assert len(paths(box)) == len(fingerprint(box.root)) == 4


def test_a_photo_that_is_written_meanwhile_is_not_half_imported(
    box: EditBox, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_jpeg(card / "a.jpg", 1, date=DATE)

    def write() -> None:
        (card / "a.jpg").write_bytes(b"\xff\xd8\xff half")

    _before_copy(monkeypatch, 1, write)
    report = bring(box, card)
    assert counts(report) == (0, 0)
    assert "not the same" in report["problems"][0]["reason"]
    assert list(fingerprint(box.root)) == []


def test_cancelled_it_keeps_what_came_and_leaves_nothing_half(
    box: EditBox, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        make_jpeg(card / f"{number}.jpg", number, date=DATE)

    def cancel() -> None:
        running = box.library.runner.current()
        assert running
        box.library.cancel_operation(running.operation_id)

    _before_copy(monkeypatch, 3, cancel)
    progress = start(box, card)
    assert progress.status == "cancelled"
    assert len(paths(box)) == len(list((box.root / DAY).iterdir())) == 2


def test_a_photo_whose_row_is_missing_gets_it_back(box: EditBox, card: Path) -> None:
    make_jpeg(box.root / "another.jpg", 2, date=DATE)
    make_jpeg(card / "a.jpg", 1, date=DATE)
    bring(box, card)
    before = box.photo(f"{DAY}/a.jpg").id
    (box.root / DAY / "a.jpg").unlink()
    assert counts(bring(box, card)) == (1, 0)
    assert box.photo(f"{DAY}/a.jpg").id == before


def test_photos_that_no_index_has_seen_yet_are_not_doubled(box: EditBox, card: Path) -> None:
    make_jpeg(card / "a.jpg", 1, date=DATE)
    shutil.copy(card / "a.jpg", box.root / "copied by hand.jpg")
    assert counts(bring(box, card)) == (0, 1)
    assert paths(box) == ["copied by hand.jpg"]


def test_a_link_in_place_of_the_target_folder_is_not_followed(
    box: EditBox, card: Path, tmp_path: Path
) -> None:
    make_jpeg(card / "a.jpg", 1, date=DATE)
    (tmp_path / "outside").mkdir()
    (box.root / "2019").symlink_to(tmp_path / "outside")
    report = bring(box, card)
    assert counts(report) == (0, 0)
    assert "no folder of its own" in report["problems"][0]["reason"]
    assert list((tmp_path / "outside").iterdir()) == []


def test_an_interrupted_import_is_not_offered_any_more_when_another_has_done_it(
    box: EditBox, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_jpeg(card / "sub/a.jpg", 1, date=DATE)

    def fill() -> None:
        raise DiskFullError("There is no room left on the disk of the library.")

    _before_copy(monkeypatch, 1, fill)
    assert start(box, card).status == "paused"
    bring(box, card / "sub")
    assert len(box.library.list_interrupted()) == 1  # that was not all of it
    bring(box, card)
    assert box.library.list_interrupted() == []


def test_the_plan_says_how_many_there_are_of_each_kind_and_how_large(
    box: EditBox, card: Path
) -> None:
    here = make_jpeg(card / "a.jpg", 1, date=DATE)
    bring(box, card)
    new = make_jpeg(card / "b.jpg", 2, date=DATE)
    (card / "b.jpg.xmp").write_text(SIDECAR)
    (card / "alone.xmp").write_text(SIDECAR)
    (card / "notes.txt").write_text("12345")
    (card / "broken.jpg").write_text("no picture")
    said = box.library.plan_import([str(card)]).as_dict()
    kinds = ("new", "already_here", "unsupported", "unreadable")
    assert [said[kind] for kind in kinds] == [1, 1, 2, 1]
    assert said["sizes"] == {
        "new": new.stat().st_size + len(SIDECAR),
        "already_here": here.stat().st_size,
        "unsupported": len(SIDECAR) + 5,
        "unreadable": 10,
    }
    assert said["bytes"] == said["sizes"]["new"]


def test_hashes_of_the_card_outlive_an_index(box: EditBox, card: Path) -> None:
    make_jpeg(card / "a.jpg", 1, date=DATE)
    bring(box, card)
    (box.root / DAY / "a.jpg").rename(box.root / DAY / "b.jpg")
    box.index()
    assert bring(box, card)["cached"] == 1
