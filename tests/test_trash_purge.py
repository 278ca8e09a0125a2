"""trash_purge: only what was put into the trash, and is what it was, is ever deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from edit_box import EditBox, opened_box
from pictures import make_film, make_jpeg
from trash_box import entries, in_trash, run, trash, trash_folder

from errors import InvalidRequestError
from settings import load_settings
from trash_purge import AgedPurge

A, B = "a.jpg", "b.jpg"


@pytest.fixture
def root(home: Path) -> Path:
    root = home / "photos"
    make_jpeg(root / A, 1, date="2019:07:14 18:03:22")
    make_jpeg(root / B, 2, date="2019:07:15 18:03:22")
    (root / (B + ".xmp")).write_text("<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    return root


@pytest.fixture
def box(root: Path) -> Iterator[EditBox]:
    with opened_box(root) as box:
        yield box


def age(box: EditBox, path: str, days: int) -> None:
    moment = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="microseconds")
    with box.library.database.transaction() as connection:
        connection.execute(
            "UPDATE deleted_photos SET deleted_at = ? WHERE original_path = ?", [moment, path]
        )


def test_a_purge_deletes_file_sidecar_and_note(box: EditBox) -> None:
    trash(box, A, B)
    report = run(box, box.library.start_purge([entries(box)[B].id]))
    assert (report["deleted"], report["problems"]) == (1, [])
    assert entries(box).keys() == {A}
    assert in_trash(box) == [f"{entries(box)[A].id}-a.jpg", f"{entries(box)[A].id}-a.jpg.json"]


def test_a_file_that_is_not_what_was_put_there_stays(box: EditBox) -> None:
    trash(box, A, B)
    changed = trash_folder(box) / entries(box)[A].trash_filename
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    report = run(box, box.library.start_purge())
    assert (report["deleted"], report["error_count"]) == (1, 1)
    assert "is not the file that was put into the trash" in report["problems"][0]["reason"]
    assert changed.exists()
    assert entries(box).keys() == {A}


def test_a_sidecar_that_was_changed_keeps_both(box: EditBox) -> None:
    trash(box, B)
    sidecar = entries(box)[B].sidecar
    assert sidecar
    (trash_folder(box) / sidecar.name).write_text("mine")
    assert run(box, box.library.start_purge())["deleted"] == 0
    assert len(in_trash(box)) == 3


def test_files_that_no_entry_names_stay(box: EditBox) -> None:
    trash(box, A)
    (trash_folder(box) / "mine.jpg").write_bytes(b"mine")
    run(box, box.library.start_purge())
    assert in_trash(box) == ["mine.jpg"]


def test_a_name_that_leads_out_of_the_trash_is_never_followed(box: EditBox) -> None:
    trash(box, A)
    with box.library.database.transaction() as connection:
        connection.execute("UPDATE deleted_photos SET trash_filename = '../../b.jpg'")
    report = run(box, box.library.start_purge())
    assert "does not lie in the trash" in report["problems"][0]["reason"]
    assert (box.root / B).exists()


def test_a_link_in_place_of_the_file_stays(box: EditBox) -> None:
    trash(box, A)
    file = trash_folder(box) / entries(box)[A].trash_filename
    outside = file.rename(box.root / "outside.jpg")
    file.symlink_to(outside)
    assert run(box, box.library.start_purge())["deleted"] == 0
    assert outside.exists()
    assert file.is_symlink()


def test_an_entry_without_its_file_is_forgotten(box: EditBox) -> None:
    trash(box, A)
    (trash_folder(box) / entries(box)[A].trash_filename).unlink()
    assert run(box, box.library.start_purge())["deleted"] == 1
    assert (entries(box), in_trash(box)) == ({}, [])


def test_what_came_later_than_the_question_stays(box: EditBox) -> None:
    trash(box, A)
    until = entries(box)[A].deleted_at
    trash(box, B)
    assert run(box, box.library.start_purge(until=until))["deleted"] == 1
    assert entries(box).keys() == {B}


def test_a_film_is_deleted_with_its_photo(root: Path) -> None:
    make_film(root / "a.mov", "mov", "mpeg4")
    with opened_box(root) as box:
        trash(box, A)
        assert entries(box).keys() == {A, "a.mov"}
        assert run(box, box.library.start_purge([entries(box)[A].id]))["deleted"] == 2


# -- by age ----------------------------------------------------------------------------------------


def test_after_the_days_it_is_deleted_and_noted_as_an_operation(box: EditBox) -> None:
    trash(box, A, B)
    age(box, A, 31)
    assert box.library.purge.purge_aged(30) == 1
    assert entries(box).keys() == {B}
    last = box.library.list_operations(1)[0]
    assert (last.operation_type, last.status) == ("purge_trash", "completed")
    assert last.report
    assert last.report["deleted"] == 1
    assert box.library.purge.purge_aged(30) == 0
    assert box.library.list_operations(1)[0].operation_id == last.operation_id


def test_the_timer_deletes_and_never_does_without_days(box: EditBox) -> None:
    trash(box, A, B)
    age(box, A, 31)
    never = AgedPurge(box.library.purge, 0)
    never.close()
    assert entries(box).keys() == {A, B}
    timer = AgedPurge(box.library.purge, 30)
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while A in entries(box) and datetime.now(UTC) < deadline:
        pass
    timer.close()
    assert entries(box).keys() == {B}


def test_what_an_older_app_put_there_is_never_deleted_by_age(box: EditBox) -> None:
    old = box.root / ".trash"
    old.mkdir()
    make_jpeg(old / "7-x.jpg", 7)
    add_old(box, "7-x.jpg", {"file_size": (old / "7-x.jpg").stat().st_size})
    assert box.library.purge.purge_aged(30) == 0
    assert (old / "7-x.jpg").exists()


def add_old(box: EditBox, name: str, data: dict[str, object]) -> None:
    with box.library.database.transaction() as connection:
        connection.execute(
            "INSERT INTO deleted_photos (original_path, trash_filename, deleted_at, photo_data)"
            " VALUES ('x.jpg', ?, '2020-01-01 12:00:00', ?)",
            [name, json.dumps(data)],
        )


def test_the_days_are_a_setting(home: Path) -> None:
    folder = home / ".library"
    folder.mkdir()
    settings = folder / "settings.toml"
    assert load_settings(home).trash_days == 0
    for value in (0, 30):
        settings.write_text(f"trash_days = {value}\n")
        assert load_settings(home).trash_days == value
    for wrong in ("-1", "'x'", "40000", "true"):
        settings.write_text(f"trash_days = {wrong}\n")
        with pytest.raises(InvalidRequestError, match="trash_days"):
            load_settings(home)
