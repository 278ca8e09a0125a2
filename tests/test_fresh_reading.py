"""fresh_reading: what the disk gives of a file, and why it gives nothing."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from pictures import make_jpeg

import fresh_reading
from file_operations import PictureReading
from fresh_reading import read_file, read_files


def test_a_photo_gives_its_hashes_and_the_stamps_of_the_bytes_that_were_read(
    tmp_path: Path,
) -> None:
    path = make_jpeg(tmp_path / "a.jpg", 1)
    result = path.stat()
    reading = read_file(str(path))
    assert reading.content_hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert reading.media_hash is not None
    assert reading.media_hash.startswith("jpeg:")
    assert reading.stamps == (result.st_size, result.st_mtime_ns, result.st_ctime_ns)
    assert (reading.present, reading.bytes_read) == (True, result.st_size)


def test_what_is_no_photo_any_more_gives_the_hash_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"<html>")
    reading = read_file(str(path))
    assert reading.content_hash == hashlib.sha256(b"<html>").hexdigest()
    assert reading.media_hash is None
    assert reading.stamps is not None
    assert reading.stamps[0] == 6
    assert "neither photo nor video" in (reading.problem or "")


def test_what_is_gone_a_link_a_folder_or_a_pipe_is_not_present(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(make_jpeg(tmp_path / "a.jpg", 1))
    os.mkfifo(tmp_path / "pipe")
    names = ["gone", "a.jpg/below", "folder", "link", "pipe"]
    readings = read_files([str(tmp_path / name) for name in names])
    assert [reading.present for reading in readings] == [False] * 5
    assert [reading.content_hash for reading in readings] == [None] * 5


def test_trouble_with_the_disk_does_not_make_a_file_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(make_jpeg(tmp_path / "a.jpg", 1))
    trouble = PictureReading(path, problem="The disk is in trouble.", transient=True)
    monkeypatch.setattr(fresh_reading, "read_picture", lambda _: trouble)
    reading = read_file(path)
    assert (reading.present, reading.content_hash) == (True, None)
    assert reading.problem == "The disk is in trouble."


def test_a_folder_that_may_not_be_looked_into_does_not_make_its_files_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(make_jpeg(tmp_path / "a.jpg", 1))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    trouble = PictureReading(path, problem="Permission denied.", transient=True)
    monkeypatch.setattr(fresh_reading, "read_picture", lambda _: trouble)
    monkeypatch.setattr(os, "stat", refuse)
    reading = read_file(path)
    monkeypatch.undo()
    assert (reading.present, reading.content_hash) == (True, None)
