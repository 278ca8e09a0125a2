"""trash: photos go out of the grid and come back as they were."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from edit_box import EditBox, needs_exiftool, opened_box
from pictures import make_film, make_jpeg
from trash_box import (
    columns,
    entries,
    in_trash,
    months,
    read_note,
    restore,
    run,
    trash,
    trash_folder,
    wait,
)

import catalog
from errors import EditRefusedError, InvalidRequestError, NotFoundError
from operation_state import OperationType
from trash import plan_restore, plan_trash

A, B, SUB, LIVE, FILM = "a.jpg", "b.jpg", "sub/deep/c.jpg", "live/IMG_1.jpg", "live/IMG_1.mov"
SIDECAR = (
    "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF"
    " xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description"
    " xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='4'/></rdf:RDF></x:xmpmeta>"
)


@pytest.fixture
def root(home: Path) -> Path:
    root = home / "photos"
    make_jpeg(root / A, 1, date="2019:07:14 18:03:22", rating=5)
    make_jpeg(root / B, 2, date="2019:07:15 18:03:22")
    make_jpeg(root / SUB, 3, date="2019:08:16 18:03:22")
    (root / (SUB + ".xmp")).write_text(SIDECAR)
    make_jpeg(root / LIVE, 4, date="2020:01:01 10:00:00")
    make_film(root / FILM, "mov", "mpeg4")
    return root


@pytest.fixture
def box(root: Path) -> Iterator[EditBox]:
    with opened_box(root) as box:
        yield box


def test_a_trashed_photo_leaves_the_grid_and_lies_whole_in_the_trash(box: EditBox) -> None:
    photo, data = box.photo(A), box.bytes(A)
    report = trash(box, A)
    assert (report["found"], report["moved"], report["problems"]) == (1, 1, [])
    assert not (box.root / A).exists()
    assert in_trash(box) == [f"{photo.id}-a.jpg", f"{photo.id}-a.jpg.json"]
    assert (trash_folder(box) / f"{photo.id}-a.jpg").read_bytes() == data
    assert entries(box)[A].photo == photo
    with pytest.raises(ValueError, match="not enough values"):
        box.photo(A)
    assert months(box) == {"2019-07": 1, "2019-08": 1, "2020-01": 1}


def test_what_comes_back_is_the_same_photo(box: EditBox) -> None:
    before, files = columns(box, A), box.hashes()
    trash(box, A)
    report = restore(box, A)
    assert (report["moved"], report["problems"]) == (1, [])
    assert columns(box, A) == before
    assert box.hashes() == files
    assert (in_trash(box), entries(box)) == ([], {})
    assert months(box) == {"2019-07": 2, "2019-08": 1, "2020-01": 1}


def test_after_it_came_back_the_index_has_nothing_to_read(box: EditBox) -> None:
    trash(box, A, SUB)
    restore(box, A, SUB)
    report = run(box, box.library.start_update_index())
    assert (report["changed"], report["added"], report["cache"]["files_opened"]) == (0, 0, 0)


def test_a_sidecar_goes_and_comes_back_with_its_photo(box: EditBox) -> None:
    before = columns(box, SUB)
    assert (before["rating"], before["sidecar_path"]) == (4, SUB + ".xmp")
    trash(box, SUB)
    assert not (box.root / (SUB + ".xmp")).exists()
    entry = entries(box)[SUB]
    assert entry.sidecar
    assert (trash_folder(box) / entry.sidecar.name).read_text() == SIDECAR
    restore(box, SUB)
    assert (box.root / (SUB + ".xmp")).read_text() == SIDECAR
    assert columns(box, SUB) == before


def test_folders_that_our_move_left_empty_are_removed_and_no_others(box: EditBox) -> None:
    (box.root / "mine" / "empty").mkdir(parents=True)
    report = trash(box, SUB)
    assert report["folders_removed"] == 2
    assert not (box.root / "sub").exists()
    assert (box.root / "mine" / "empty").is_dir()
    restore(box, SUB)
    assert (box.root / SUB).is_file()


def test_a_folder_with_anything_in_it_stays(box: EditBox) -> None:
    (box.root / "sub" / ".hidden").write_text("mine")
    trash(box, SUB)
    assert (box.root / "sub" / ".hidden").read_text() == "mine"
    assert not (box.root / "sub" / "deep").exists()


def test_onto_an_occupied_path_it_comes_back_under_a_number(box: EditBox) -> None:
    photo_id, data = box.photo(SUB).id, box.bytes(SUB)
    trash(box, SUB)
    other = make_jpeg(box.root / SUB, 9).read_bytes()
    report = restore(box, SUB)
    assert report["problems"] == []
    assert box.bytes(SUB) == other
    assert box.bytes("sub/deep/c (2).jpg") == data
    photo = box.photo("sub/deep/c (2).jpg")
    assert (photo.id, photo.rating) == (photo_id, 4)
    assert photo.sidecar_path == "sub/deep/c (2).jpg.xmp"
    assert (box.root / photo.sidecar_path).read_text() == SIDECAR
    index = run(box, box.library.start_update_index())
    assert (index["added"], index["missing"]) == (1, 0)


def test_where_only_the_sidecars_place_is_taken_both_get_a_number(box: EditBox) -> None:
    trash(box, SUB)
    (box.root / "sub/deep").mkdir(parents=True)
    (box.root / (SUB + ".xmp")).write_text("mine")
    restore(box, SUB)
    assert (box.root / (SUB + ".xmp")).read_text() == "mine"
    assert box.photo("sub/deep/c (2).jpg").rating == 4


def test_a_row_of_a_file_that_is_gone_gives_way_to_the_photo_that_came_back(box: EditBox) -> None:
    photo_id = box.photo(A).id
    trash(box, A)
    make_jpeg(box.root / A, 9)
    box.index()
    newcomer = box.photo(A)
    (box.root / A).unlink()
    restore(box, A)
    assert box.photo(A).id == photo_id
    with box.library.database.reading() as connection:
        assert catalog.get_photo(connection, newcomer.id).missing_since


def test_a_live_photos_film_goes_and_comes_back_with_it(box: EditBox) -> None:
    ids = {box.photo(LIVE).id, box.photo(FILM).id}
    assert trash(box, LIVE)["moved"] == 2
    assert entries(box).keys() == {LIVE, FILM}
    assert not (box.root / "live").exists()
    report = run(box, box.library.start_restore([entries(box)[LIVE].photo.id]))
    assert report["moved"] == 2
    assert {box.photo(LIVE).id, box.photo(FILM).id} == ids
    with box.library.database.reading() as connection:
        pairs = connection.execute("SELECT photo_id, leader_id FROM companions").fetchall()
    assert [tuple(row) for row in pairs] == [(box.photo(FILM).id, box.photo(LIVE).id)]


def test_of_raw_and_jpeg_one_goes_unless_both_are_asked_for(root: Path) -> None:
    shutil.copy(root / B, root / "b.nef")
    with opened_box(root) as box:
        # A RAW file is known by its name here: what counts is how the pair is treated.
        with box.library.database.transaction() as connection:
            raw = box.photo("b.nef")
            connection.execute("UPDATE photos SET file_type = 'nef' WHERE id = ?", [raw.id])
            connection.execute("DELETE FROM companions")
            connection.execute("INSERT INTO companions VALUES (?, ?)", [raw.id, box.photo(B).id])
        with box.library.database.reading() as connection:
            one = plan_trash(connection, [box.photo(B).id])
            both = plan_trash(connection, [box.photo(B).id], with_companions=True)
        assert [path for _, path, _ in one.photos] == [B]
        assert [path for _, path, _ in both.photos] == ["b.nef", B]
        assert trash(box, B)["moved"] == 1
        assert (box.root / "b.nef").exists()


def test_both_files_of_a_pair_go_and_come_back_when_asked_for(root: Path) -> None:
    shutil.copy(root / B, root / "b.nef")
    with opened_box(root) as box:
        with box.library.database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO companions VALUES (?, ?)",
                [box.photo("b.nef").id, box.photo(B).id],
            )
        assert trash(box, B, with_companions=True)["moved"] == 2
        assert restore(box, B)["moved"] == 2


def test_the_index_neither_misses_nor_finds_a_trashed_photo(box: EditBox) -> None:
    trash(box, A)
    report = run(box, box.library.start_update_index())
    assert (report["found"], report["missing"], report["added"]) == (4, 0, 0)
    verified = run(box, box.library.start_operation(OperationType.VERIFY_LIBRARY))
    assert verified["problems"] == []


def test_a_file_put_back_by_hand_is_a_photo_and_the_entry_stays(box: EditBox) -> None:
    old_id = box.photo(A).id
    trash(box, A)
    shutil.copy2(trash_folder(box) / f"{old_id}-a.jpg", box.root / A)
    box.index()
    assert box.photo(A).id > old_id
    assert entries(box).keys() == {A}
    restore(box, A)
    assert box.photo("a (2).jpg").id == old_id


def test_a_rebuild_keeps_the_trash(box: EditBox) -> None:
    before = columns(box, SUB)
    trash(box, SUB)
    run(box, box.library.start_operation(OperationType.REBUILD_DATABASE))
    assert entries(box).keys() == {SUB}
    restore(box, SUB)
    assert columns(box, SUB) == before


def test_a_photo_that_is_meanwhile_gone_costs_only_itself_and_is_named(box: EditBox) -> None:
    ids = [box.photo(path).id for path in (A, B)]
    trash(box, A)
    report = run(box, box.library.start_trash([*ids, 987654]))
    assert (report["moved"], report["error_count"]) == (1, 2)
    reasons = {one["path"]: one["reason"] for one in report["problems"]}
    assert reasons == {
        A: "a.jpg is in the trash already.",
        "photo 987654": "There is no photo 987654 in this library.",
    }


def test_a_file_that_vanished_or_is_another_picture_is_not_moved(box: EditBox) -> None:
    (box.root / A).unlink()
    make_jpeg(box.root / B, 77)
    report = trash(box, A, B)
    assert report["moved"] == 0
    assert "is not there now" in report["problems"][0]["reason"]
    assert "another picture" in report["problems"][1]["reason"]
    assert in_trash(box) == []
    assert (box.root / B).exists()


def test_a_missing_photo_is_not_trashed(box: EditBox) -> None:
    photo_id = box.photo(A).id
    (box.root / A).unlink()
    box.index()
    report = run(box, box.library.start_trash([photo_id]))
    assert "is not there now" in report["problems"][0]["reason"]


def test_a_photo_that_another_program_tagged_is_read_again_when_it_is_back(box: EditBox) -> None:
    make_jpeg(box.root / B, 2, date="2021:05:05 05:05:05", rating=3)
    assert trash(box, B)["moved"] == 1
    restore(box, B)
    box.index()
    assert (box.photo(B).rating, box.photo(B).date_taken) == (3, "2021-05-05T05:05:05")


def test_one_that_is_no_longer_in_the_trash_folder_is_said_to_be_so(box: EditBox) -> None:
    trash(box, A)
    (trash_folder(box) / entries(box)[A].trash_filename).unlink()
    report = restore(box, A)
    assert report["problems"] == [
        {"path": A, "reason": "The file of a.jpg is not in the trash folder now."}
    ]
    with pytest.raises(NotFoundError):
        box.library.trash.restore(987654)
    with pytest.raises(InvalidRequestError):
        box.library.start_restore()


# -- undo ----------------------------------------------------------------------------------------


def test_undo_brings_back_and_its_own_undo_trashes_again(box: EditBox) -> None:
    before = {path: columns(box, path) for path in (A, SUB, LIVE, FILM)}
    ids = [box.photo(path).id for path in (A, SUB, LIVE)]
    operation = box.library.start_trash(ids)
    assert run(box, operation)["moved"] == 4
    back = box.library.start_undo(operation)
    assert run(box, back)["moved"] == 4
    assert {path: columns(box, path) for path in before} == before
    assert run(box, box.library.start_undo(back))["moved"] == 4
    assert entries(box).keys() == before.keys()


def test_nothing_is_undone_twice(box: EditBox) -> None:
    operation = box.library.start_trash([box.photo(A).id])
    run(box, operation)
    run(box, box.library.start_undo(operation))
    with pytest.raises(EditRefusedError, match="no longer there"):
        box.library.start_undo(operation)


@needs_exiftool
def test_a_star_can_be_undone_after_trash_and_restore(box: EditBox) -> None:
    rated = box.library.rate_photo(box.photo(B).id, 5)
    assert rated.edit_id
    trash(box, B)
    with pytest.raises(EditRefusedError, match="no longer in the library"):
        box.library.undo_edit(rated.edit_id)
    make_jpeg(box.root / B, 9)
    restore(box, B)
    assert box.photo("b (2).jpg").rating == 5
    assert box.library.undo_edit(rated.edit_id).rating is None
    assert box.library.list_edits(photo_id=rated.photo_id)[0].path == "b (2).jpg"


# -- what survives ---------------------------------------------------------------------------------


def test_the_note_beside_it_says_what_it_was(box: EditBox) -> None:
    photo = box.photo(A)
    trash(box, A)
    said = read_note(trash_folder(box) / f"{photo.id}-a.jpg.json")
    assert (said["original_path"], said["photo"]["id"]) == (A, photo.id)
    assert said["photo"]["content_hash"] == photo.content_hash


def test_without_its_database_the_trash_is_found_again(root: Path) -> None:
    with opened_box(root) as box:
        before = {path: columns(box, path) for path in (A, SUB)}
        trash(box, A, SUB)
        shutil.copy(box.root / B, trash_folder(box) / "unknown.jpg")
        (trash_folder(box) / "bad.jpg").write_bytes(b"x")
        (trash_folder(box) / "bad.jpg.json").write_text("[")
        listed = in_trash(box)
    for name in ("photo_library.db", "photo_library.db-wal", "photo_library.db-shm"):
        (root / ".library" / name).unlink(missing_ok=True)
    with opened_box(root) as box:
        assert entries(box).keys() == {A, SUB}
        assert in_trash(box) == listed
        assert min(box.photo(path).id for path in (B, LIVE)) > before[A]["id"]
        restore(box, A, SUB)
        assert {path: columns(box, path) for path in before} == before


def test_where_the_data_lie_elsewhere_the_trash_still_lies_with_the_photos(
    root: Path, tmp_path: Path
) -> None:
    with opened_box(root, data_dir=tmp_path / "data") as box:
        trash(box, A)
        assert len(in_trash(box)) == 2
        restore(box, A)


def test_where_it_cannot_it_lies_with_the_data(root: Path, tmp_path: Path) -> None:
    (root / ".library").mkdir()
    (root / ".library" / "trash").write_text("in the way")
    with opened_box(root, data_dir=tmp_path / "data") as box:
        before, files = columns(box, SUB), box.hashes()
        trash(box, SUB)
        assert len(list((tmp_path / "data" / "trash").iterdir())) == 3
        restore(box, SUB)
        assert columns(box, SUB) == before
        assert box.hashes() == files


def test_a_pause_is_resumed_with_what_is_left(
    box: EditBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [box.photo(path).id for path in (LIVE, A, B)]
    runner, moves = box.library.runner, type(box.library.trash.moves)
    real = moves.trash
    seen: list[int] = []

    def trash_and_pause(self: object, photo_id: int, operation_id: str, leader_id: int) -> object:
        seen.append(photo_id)
        if len(seen) == 2:
            runner.pause(operation_id)
        return real(self, photo_id, operation_id, leader_id)  # type: ignore[arg-type]

    monkeypatch.setattr(moves, "trash", trash_and_pause)
    operation = box.library.start_trash(ids)
    assert wait(box, operation).status == "paused"
    assert entries(box).keys() == {FILM, LIVE}
    report = run(box, box.library.resume_operation(operation))
    assert (report["found"], report["moved"], report["problems"]) == (4, 4, [])
    assert not (box.root / "live").exists()


def test_a_plan_changes_nothing(box: EditBox) -> None:
    files = box.hashes()
    with box.library.database.reading() as connection:
        plan = plan_trash(connection, [box.photo(LIVE).id, 987654]).as_dict()
        assert plan_restore(connection, [987654]).as_dict()["problems"]
    assert plan["count"] == 2
    assert plan["bytes"] == sum(os.stat(box.root / path).st_size for path in (LIVE, FILM))
    assert [one["path"] for one in plan["problems"]] == ["photo 987654"]
    assert (box.hashes(), in_trash(box)) == (files, [])
