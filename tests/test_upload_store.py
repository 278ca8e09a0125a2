"""upload_store: what a browser sends is staged under harmless names, and abandoned ones go."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from errors import InvalidRequestError, NotFoundError
from upload_store import KEPT_DAYS, Received, Sent, UploadStore, clean_name

DAY_S = 86_400


@pytest.fixture
def store(tmp_path: Path) -> UploadStore:
    return UploadStore(tmp_path / "uploads")


def stage(store: UploadStore, batch: str, sent: Sent, data: bytes) -> Received:
    with store.receiving(len(data)) as parts:
        part = store.open_part(parts)
        part.write(data)
        return store.stage(batch, part, sent)


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("a.jpg", "a.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\a.jpg", "a.jpg"),
        ("/", "upload"),
        ("", "upload"),
        ("..", "upload"),
        ("...hidden.jpg", "hidden.jpg"),
        (".library", "library"),
        ("a\n\x00\x1b[31m.jpg", "a[31m.jpg"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("CON.jpg", "_CON.jpg"),
        ("nul", "_nul"),
        ('a<b>:"|?*.jpg', "a_b______.jpg"),
        ("trailing. . ", "trailing"),
        ("\ud800.jpg", "_.jpg"),
        ("Ägypten 2019.JPG", "Ägypten 2019.JPG"),
    ],
)
def test_the_name_of_a_client_is_only_a_name(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned


def test_a_name_that_is_too_long_keeps_its_suffix() -> None:
    cleaned = clean_name("ü" * 300 + ".jpg")
    assert cleaned.endswith("ü.jpg")
    assert len(cleaned.encode()) <= 200


def test_nothing_is_written_outside_of_its_batch(store: UploadStore, tmp_path: Path) -> None:
    batch = store.make_batch()
    for number, name in enumerate(("../../../a.jpg", "..", "/etc/a.jpg", "\\..\\a.jpg")):
        assert stage(store, batch, Sent(str(number), name), b"x").complete
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    inside = tmp_path / "uploads" / batch
    assert all(path.is_relative_to(inside) for path in found)
    assert len(store.list_files(batch)) == 4


def test_a_batch_that_is_none_is_not_found(store: UploadStore) -> None:
    store.make_batch()
    for batch in ("", "..", "arriving", "0" * 16, "../uploads", "0" * 15 + "\n"):
        with pytest.raises(NotFoundError):
            store.list_files(batch)
        with pytest.raises(NotFoundError):
            stage(store, batch, Sent("1", "a.jpg"), b"x")


def test_one_id_is_one_file(store: UploadStore) -> None:
    batch = store.make_batch()
    assert not stage(store, batch, Sent("1", "a.jpg"), b"four").already_staged
    assert stage(store, batch, Sent("1", "a.jpg"), b"four").already_staged
    with pytest.raises(InvalidRequestError):
        stage(store, batch, Sent("1", "a.jpg"), b"five!")
    assert [(file.id, file.size) for file in store.list_files(batch)] == [("1", 4)]


def test_pieces_become_a_file_however_often_they_come(store: UploadStore) -> None:
    batch = store.make_batch()
    whole = b"one two three"
    assert stage(store, batch, Sent("1", "a", offset=8, size=13), whole[8:]).received == 0
    for start, end in ((0, 4), (4, 8), (4, 8), (0, 4), (4, 8), (8, 13), (8, 13)):
        piece = Sent("1", "a", offset=start, size=13)
        received = stage(store, batch, piece, whole[start:end])
    assert received.complete
    (file,) = store.list_files(batch)
    assert (store.files_folder(batch).parent / file.path).read_bytes() == whole


def test_a_line_that_a_crash_cut_costs_one_file(store: UploadStore, tmp_path: Path) -> None:
    batch = store.make_batch()
    stage(store, batch, Sent("1", "a.jpg"), b"x")
    with (tmp_path / "uploads" / batch / "staged.jsonl").open("ab") as file:
        file.write(b'{"id": "2", "na')
    stage(store, batch, Sent("3", "b.jpg"), b"y")
    assert [file.id for file in store.list_files(batch)] == ["1", "3"]


def test_what_a_request_brought_and_nobody_kept_is_gone(store: UploadStore, tmp_path: Path) -> None:
    def receive() -> None:
        with store.receiving(1) as parts:
            store.open_part(parts).write(b"x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        receive()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_only_staged_files_are_removed(store: UploadStore, tmp_path: Path) -> None:
    batch = store.make_batch()
    stage(store, batch, Sent("1", "a.jpg"), b"x")
    (tmp_path / "mine.jpg").touch()
    (file,) = store.list_files(batch)
    folder = store.files_folder(batch)
    store.remove(batch, [str(tmp_path / "mine.jpg"), str(folder.parent / file.path)])
    assert (tmp_path / "mine.jpg").exists()
    assert store.list_files(batch) == []


def test_abandoned_batches_go_after_a_week_and_parts_at_once(
    store: UploadStore, tmp_path: Path
) -> None:
    store.clean()  # before there is anything
    old, young = store.make_batch(), store.make_batch()
    for batch in (old, young):
        stage(store, batch, Sent("1", "a.jpg"), b"x")
    past = time.time() - (KEPT_DAYS + 1) * DAY_S
    for path in [*(tmp_path / "uploads" / old).rglob("*"), tmp_path / "uploads" / old]:
        os.utime(path, (past, past))
    (tmp_path / "uploads/arriving/left.part").touch()
    (tmp_path / "uploads/somebody's").mkdir()
    os.utime(tmp_path / "uploads/somebody's", (past, past))
    store.clean()
    left = sorted(path.name for path in (tmp_path / "uploads").iterdir())
    assert left == sorted([young, "somebody's"])
