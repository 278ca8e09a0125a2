"""beside_store: what a photo says that lies where nothing can be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from beside_store import NOTHING_BESIDE, BesideStore
from errors import EditRefusedError
from xmp_editor import edit_xmp

PICTURE = "jpeg:0123456789abcdef0123456789abcdef"


@pytest.fixture
def store(tmp_path: Path) -> BesideStore:
    return BesideStore(tmp_path / "beside")


def keep(store: BesideStore, media_hash: str, rating: int) -> Path:
    path = store.path(store.name(media_hash))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(edit_xmp(None, {"XMP-xmp:Rating": str(rating)}))
    return path


def test_a_picture_is_found_by_its_hash_whatever_it_is_called(store: BesideStore) -> None:
    assert store.read_kept(PICTURE).rating is None
    keep(store, PICTURE, 4)
    assert store.read_kept(PICTURE).rating == 4
    assert list(store.list_hashes()) == [PICTURE]
    assert store.read_kept(PICTURE.replace("jpeg", "png")).rating is None


def test_a_zero_is_an_answer(store: BesideStore) -> None:
    keep(store, PICTURE, 0)
    assert store.read_kept(PICTURE).rating == 0


def test_a_damaged_one_is_none_and_is_logged(
    store: BesideStore, caplog: pytest.LogCaptureFixture
) -> None:
    keep(store, PICTURE, 4).write_bytes(b"<x:xmpmeta")
    assert store.read_kept(PICTURE).rating is None
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize("name", ["../a.xmp", "..", "", "a/b.xmp"])
def test_no_name_leads_out_of_the_folder(store: BesideStore, name: str) -> None:
    with pytest.raises(EditRefusedError):
        store.path(name)


def test_what_is_no_sidecar_there_is_not_listed(store: BesideStore) -> None:
    keep(store, PICTURE, 4)
    (store.folder / ".a.xmp").touch()
    (store.folder / "note.txt").touch()
    assert list(store.list_hashes()) == [PICTURE]


def test_without_a_folder_there_is_nothing() -> None:
    assert NOTHING_BESIDE.read_kept(PICTURE).rating is None
    assert list(NOTHING_BESIDE.list_hashes()) == []
