"""The trash of an older app: shown, restored, and deleted only by hand."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from edit_box import EditBox, opened_box
from old_databases import TRASH, V1_COLUMNS
from pictures import make_jpeg
from trash_box import entries, restore, run

OLD_NAME = "3_20200101_x.jpg"


@pytest.fixture
def root(home: Path) -> Path:
    """A library of version 1 with a photo, and one in its trash that was rated."""
    root = home / "photos"
    make_jpeg(root / "kept.jpg", 1)
    file = make_jpeg(root / ".trash" / OLD_NAME, 3, date="2018:02:03 04:05:06")
    content_hash = hashlib.sha256(file.read_bytes()).hexdigest()
    data = {
        "id": 3,
        "original_filename": "x.jpg",
        "current_path": "2018/x.jpg",
        "date_taken": "2018:02:03 04:05:06",
        "content_hash": content_hash[:7],
        "file_size": file.stat().st_size,
        "file_type": ".jpg",
        "rating": 4,
    }
    columns = ", ".join(f"{name} {kind}" for name, kind in V1_COLUMNS.items())
    with closing(sqlite3.connect(root / "photo_library.db")) as connection:
        connection.execute(f"CREATE TABLE photos ({columns})")
        connection.execute(TRASH)
        connection.execute(
            "INSERT INTO deleted_photos VALUES (1, '2018/x.jpg', ?, '2020-01-01 12:00:00', ?)",
            [OLD_NAME, json.dumps(data)],
        )
        # The last id that it gave was 3, which lies in the trash now.
        connection.execute(
            "INSERT INTO photos VALUES (2, 'kept.jpg', 'kept.jpg', NULL, 'abcdef0', 1, 'jpg', 1, 1)"
        )
        connection.execute("UPDATE sqlite_sequence SET seq = 3")
        connection.commit()
    return root


def change(box: EditBox, **changes: Any) -> None:
    with box.library.database.transaction() as connection:
        row = connection.execute("SELECT photo_data FROM deleted_photos").fetchone()
        data = {**json.loads(row[0]), **changes}
        connection.execute("UPDATE deleted_photos SET photo_data = ?", [json.dumps(data)])


def test_it_is_shown(root: Path) -> None:
    with opened_box(root) as box:
        entry = entries(box)["2018/x.jpg"]
        assert entry.is_old
        assert (entry.photo.rating, entry.photo.date_taken) == (4, "2018-02-03T04:05:06")
        small = box.library.trashed_thumbnail(entry)
        assert small.stat().st_size > 0


def test_it_comes_back_with_its_id_and_what_its_file_says(root: Path) -> None:
    with opened_box(root) as box:
        report = restore(box, "2018/x.jpg")
        assert report["problems"] == []
        photo = box.photo("2018/x.jpg")
        assert (photo.id, photo.rating, photo.kept_in) == (3, 4, "database")
        assert (photo.date_taken, len(photo.content_hash)) == ("2018-02-03T04:05:06", 64)
        assert not (root / ".trash" / OLD_NAME).exists()
        index = run(box, box.library.start_update_index())
        assert (index["added"], index["changed"], index["missing"]) == (0, 0, 0)


def test_it_gets_a_new_id_where_another_photo_has_the_old_one(root: Path) -> None:
    with opened_box(root) as box:
        change(box, id=box.photo("kept.jpg").id)
        restore(box, "2018/x.jpg")
        assert box.photo("2018/x.jpg").id > 3
        assert box.photo("kept.jpg").id == 2


def test_one_that_lay_outside_the_library_is_not_put_there(root: Path) -> None:
    with opened_box(root) as box:
        with box.library.database.transaction() as connection:
            connection.execute("UPDATE deleted_photos SET original_path = '../x.jpg'")
        report = restore(box, "../x.jpg")
        assert report["problems"][0]["reason"] == "../x.jpg did not lie in the library."
        assert (root / ".trash" / OLD_NAME).exists()


def test_it_is_deleted_by_hand_where_it_is_what_was_recorded(root: Path) -> None:
    with opened_box(root) as box:
        change(box, content_hash="0000000")
        assert run(box, box.library.start_purge())["deleted"] == 0
        change(box, content_hash="")
        report = run(box, box.library.start_purge())
        assert "Delete it by hand" in report["problems"][0]["reason"]
        file = root / ".trash" / OLD_NAME
        change(box, content_hash=hashlib.sha256(file.read_bytes()).hexdigest()[:7])
        assert run(box, box.library.start_purge())["deleted"] == 1
        assert not file.exists()


@pytest.mark.parametrize("data", ["", "[]", "{}", '{"id": "x", "rating": 99, "date_taken": 5}'])
def test_whatever_its_json_says_it_is_shown_and_comes_back(root: Path, data: str) -> None:
    with opened_box(root) as box:
        with box.library.database.transaction() as connection:
            connection.execute("UPDATE deleted_photos SET photo_data = ?", [data])
        assert entries(box).keys() == {"2018/x.jpg"}
        assert restore(box, "2018/x.jpg")["problems"] == []
        assert box.photo("2018/x.jpg").date_taken == "2018-02-03T04:05:06"
