"""verified_copy: a copy has its name only when it is whole, and never another file's."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

import verified_copy
from errors import CopyFailedError, DiskFullError
from verified_copy import copy_verified, make_folder, number_name, remove_leftovers

BYTES = bytes(range(256)) * 9000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.jpg"
    path.write_bytes(BYTES)
    os.utime(path, ns=(1_300_000_000_123_456_789, 1_300_000_000_123_456_789))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def copy(
    source: Path, folder: Path, name: str = "a.jpg", **more: Any
) -> verified_copy.VerifiedCopy:
    return copy_verified(str(source), str(folder), name, owner="test", **more)


def test_it_has_the_bytes_and_the_mtime_of_its_source(source: Path, folder: Path) -> None:
    copied = copy(source, folder)
    assert copied.path == str(folder / "a.jpg")
    assert (folder / "a.jpg").read_bytes() == BYTES
    assert copied.content_hash == hashlib.sha256(BYTES).hexdigest()
    assert copied.size == len(BYTES)
    assert (folder / "a.jpg").stat().st_mtime_ns == source.stat().st_mtime_ns
    assert os.listdir(folder) == ["a.jpg"]


def test_a_taken_name_is_numbered_and_its_file_stays(source: Path, folder: Path) -> None:
    (folder / "a.jpg").write_text("another")
    (folder / "a (2).jpg").symlink_to("nowhere")
    assert copy(source, folder).name == "a (3).jpg"
    assert (folder / "a.jpg").read_text() == "another"
    assert (folder / "a (2).jpg").is_symlink()


@pytest.mark.parametrize("knows_links", [True, False])
def test_where_the_system_knows_no_such_rename_nothing_is_replaced_either(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, knows_links: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(verified_copy, "_rename_no_replace", refuse)
    if not knows_links:
        monkeypatch.setattr(os, "link", refuse)
    (folder / "a.jpg").write_text("another")
    assert copy(source, folder).name == "a (2).jpg"
    assert sorted(os.listdir(folder)) == ["a (2).jpg", "a.jpg"]
    assert (folder / "a.jpg").read_text() == "another"


def test_a_source_that_is_another_than_expected_is_refused(source: Path, folder: Path) -> None:
    with pytest.raises(CopyFailedError, match="not the same"):
        copy(source, folder, content_hash="0" * 64)
    assert os.listdir(folder) == []


def test_a_source_that_grows_meanwhile_is_refused(source: Path, folder: Path) -> None:
    def grow() -> None:
        with source.open("ab") as file:
            file.write(b"!")

    with pytest.raises(CopyFailedError, match="not the same"):
        copy(source, folder, check=grow)
    assert os.listdir(folder) == []


def test_a_disk_that_keeps_other_bytes_is_noticed(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def rot(descriptor: int, piece: memoryview) -> int:
        write(descriptor, bytes(len(piece)))
        return len(piece)

    monkeypatch.setattr(os, "write", rot)
    with pytest.raises(CopyFailedError, match="did not hold what was written"):
        copy(source, folder)
    assert os.listdir(folder) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_leaves_nothing_half(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fill(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "write", fill)
    with pytest.raises(DiskFullError):
        copy(source, folder)
    assert os.listdir(folder) == []


def test_a_full_disk_is_noticed_before(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified_copy, "SPARE_BYTES", 1 << 60)
    with pytest.raises(DiskFullError):
        copy(source, folder)


def test_what_stops_it_leaves_nothing(source: Path, folder: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(source, folder, check=stop)
    assert os.listdir(folder) == []


def test_links_pipes_and_what_is_not_there_are_no_sources(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("link", "symbolic link"), ("pipe", "no regular"), ("x", "no longer")):
        with pytest.raises(CopyFailedError, match=words):
            copy(tmp_path / name, folder)
    assert os.listdir(folder) == []


def test_a_name_the_disk_does_not_take_is_said(source: Path, folder: Path) -> None:
    with pytest.raises(CopyFailedError, match="does not take"):
        copy(source, folder, "n" * 300)
    assert os.listdir(folder) == []


def test_only_what_its_owner_left_is_removed(folder: Path) -> None:
    left = ".test.0123456789ab.lightkeep-tmp"
    others = (
        ".other.0123456789ab.lightkeep-tmp",
        ".test.jpg.lightkeep-tmp",
        "test.0123456789ab.lightkeep-tmp",
    )
    for name in (left, *others):
        (folder / name).touch()
    remove_leftovers(str(folder), "test")
    assert sorted(os.listdir(folder)) == sorted(others)
    remove_leftovers(str(folder / "nowhere"), "test")


def test_folders_are_made_one_in_the_other_but_not_through_links(
    tmp_path: Path, folder: Path
) -> None:
    assert make_folder(tmp_path, "2019/2019-07-14") == str(tmp_path / "2019/2019-07-14")
    assert make_folder(tmp_path, "2019/2019-07-14") == str(tmp_path / "2019/2019-07-14")
    assert make_folder(tmp_path, "") == str(tmp_path)
    (tmp_path / "2020").symlink_to(folder)
    (tmp_path / "2021").touch()
    for year in ("2020", "2021"):
        with pytest.raises(CopyFailedError, match="no folder of its own"):
            make_folder(tmp_path, f"{year}/a")
    assert os.listdir(folder) == []


def test_numbered_names_fit_into_a_directory_entry() -> None:
    assert number_name("a.jpg", 1) == "a.jpg"
    assert number_name("a.jpg", 2) == "a (2).jpg"
    assert len(os.fsencode(number_name("ü" * 125 + ".jpg", 99_999))) <= 255
