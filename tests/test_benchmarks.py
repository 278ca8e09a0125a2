"""The measurements measure what they say, on files that are what they say."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent


def run_bench(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "benchmarks" / "bench.py"), *arguments],
        env={**os.environ, **({"PATH": path} if path is not None else {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def list_photos(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.JPG"))


def test_a_small_run_gives_figures_of_every_contender_and_tidies_up(tmp_path: Path) -> None:
    options = ("--files", "12", "--runs", "1", "--files-dir", str(tmp_path), "--json")
    done = run_bench(*options)
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(done.stdout)
    assert report["files"] == 12
    results = {result["name"]: result for result in report["results"]}
    assert list(results)[:3] == ["first index", "unchanged index", "quick index"]
    assert results["first index"]["times_first_index"] == 1
    assert all(result["failure"] is None for result in results.values())
    (made,) = tmp_path.iterdir()
    assert not (made / ".library").exists()

    photos = list_photos(made)
    assert len({hashlib.sha256(photo.read_bytes()).digest() for photo in photos}) == 12
    assert all(20_000 < photo.stat().st_size < 120_000 for photo in photos)
    with Image.open(photos[0]) as picture:
        assert picture.size == (800, 600)
        assert 0x9003 in picture.getexif().get_ifd(0x8769)

    # Made once and kept; a second run takes them as they are.
    times = [photo.stat().st_mtime_ns for photo in photos]
    assert run_bench(*options).returncode == 0
    assert [photo.stat().st_mtime_ns for photo in photos] == times


def test_without_exiftool_the_table_says_so(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "one.jpg")
    done = run_bench("--library", str(tmp_path), "--runs", "1", path=str(tmp_path / "none"))
    assert done.returncode == 0, done.stderr + done.stdout
    assert "ExifTool is not on this machine" in done.stdout
    assert "first index" in done.stdout


def test_an_index_that_crashes_is_not_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "click.py").write_text("raise RuntimeError('broken on purpose')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = run_bench("--library", str(tmp_path), "--runs", "1")
    assert done.returncode == 2
    assert "failed: exit status 1: RuntimeError: broken on purpose" in done.stdout


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    done = run_bench("--library", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert "is no folder" in done.stderr
