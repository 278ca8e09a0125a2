"""fact_reading: what the file of one photo says now, with ExifTool and without."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from rows import make_record
from test_plain_tags import XMP, make_photo

from catalog import Photo
from exiftool_process import ExifTool, find_exiftool
from fact_reading import PhotoFacts, read_facts
from media_workers import WorkerPool


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(workers=1, memory_mb=1024, file_timeout_s=60) as pool:
        yield pool


@pytest.fixture(scope="module", params=["ExifTool", "Pillow"])
def exiftool(request: pytest.FixtureRequest) -> Iterator[ExifTool | None]:
    if request.param == "Pillow":
        yield None
        return
    if find_exiftool() is None:
        pytest.skip("ExifTool is not installed")
    exiftool = ExifTool()
    yield exiftool
    exiftool.close()


def make_row(path: str, sidecar: str | None = None) -> Photo:
    record = make_record(path, None)
    values: dict[str, Any] = {one.name: getattr(record, one.name) for one in fields(record)}
    return Photo(**values | {"sidecar_path": sidecar}, id=1, added_at="", missing_since=None)


def value_of(read: PhotoFacts, name: str) -> str | None:
    return next((fact.value for fact in read.facts if fact.name == name), None)


def test_file_and_sidecar_are_read_and_nothing_is_written(
    tmp_path: Path, exiftool: ExifTool | None, pool: WorkerPool
) -> None:
    photo = make_photo(tmp_path / "a.jpg")
    (tmp_path / "a.jpg.xmp").write_text(XMP.replace("A title", "Of the sidecar"))
    before = [(path, path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()]
    read = read_facts(tmp_path, make_row("a.jpg", "a.jpg.xmp"), exiftool, pool)
    assert value_of(read, "lens") == "EF 35mm f/1.8"
    assert value_of(read, "title") == "Of the sidecar"
    assert [fact.in_sidecar for fact in read.facts if fact.name in ("lens", "title")] == [
        False,
        True,
    ]
    assert read.troubles == ()
    assert (dict(read.tags).get("IFD0:Model") == "EOS 5D") is (exiftool is not None)
    assert [(path, path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()] == (
        before
    )
    assert photo.is_file()


def test_trouble_with_the_one_leaves_what_the_other_says(
    tmp_path: Path, exiftool: ExifTool | None, pool: WorkerPool
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8 no picture")
    (tmp_path / "a.jpg.xmp").write_text(XMP)
    row = make_row("a.jpg", "a.jpg.xmp")
    read = read_facts(tmp_path, row, exiftool, pool)
    assert value_of(read, "title") == "A title"
    assert len(read.troubles) == 1
    read = read_facts(tmp_path, replace(row, current_path="gone.jpg"), exiftool, pool)
    assert value_of(read, "title") == "A title"
    assert len(read.troubles) == 1
    os.remove(tmp_path / "a.jpg.xmp")
    assert read_facts(tmp_path, row, exiftool, pool).facts == ()
