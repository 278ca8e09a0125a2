"""The benchmark measures what it says, on files that are what they say."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import bench
import library_pictures
import measure_memory
import pytest
from bench_report import format_table
from library_maker import make_library
from library_pictures import make_file
from outcomes import Kind, Mark, Outcome, percentile
from PIL import Image

from picture_bytes import media_hash

REPOSITORY = Path(__file__).resolve().parent.parent
needs_exiftool = pytest.mark.skipif(not shutil.which("exiftool"), reason="needs ExifTool")


def start_bench(
    *arguments: str, path: str | None = None, **environment: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(REPOSITORY / "benchmarks" / "bench.py"), *arguments],
        env={**os.environ, **({"PATH": path} if path is not None else {}), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish_bench(process: subprocess.Popen[str]) -> str:
    output, said = process.communicate(timeout=300)
    assert process.returncode == 0, said + output
    return output


# -- runs ----------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_exiftool
def test_a_tiny_run_takes_every_measure_and_tidies_up(tmp_path: Path) -> None:
    names = list(bench.MEASURES)
    running = []
    for number, share in enumerate((names[0::2], names[1::2])):
        folder = str(tmp_path / f"files-{number}")
        size = ("--files", "20", "--rounds", "1", "--files-dir", folder)
        figures = str(tmp_path / f"{number}.json")
        running.append(start_bench(*size, "--json", figures, "--only", *share))
    tables = [finish_bench(process) for process in running]
    assert all("A rehearsal: the marks speak of 10,000 files." in table for table in tables)
    reports = [json.loads((tmp_path / f"{number}.json").read_text()) for number in (0, 1)]
    results = [result for report in reports for result in report["results"]]
    assert all(report["files"] == 20 and report["machine"]["cores"] for report in reports)
    assert [result["failure"] for result in results] == [None] * len(results)
    for result in results:
        # The index of ten files is over at once: nothing may be left to be asked for beside it.
        if "while an index runs" not in result["name"]:
            tool = shutil.which("vipsthumbnail") or "vipsthumbnail" not in str(result["yardstick"])
            assert result["own"], result
            assert (result["missing"] is None) == bool(tool), result
            assert all(mark["figure"] is not None for mark in result["marks"] if tool), result
    assert len({result["name"] for result in results}) >= 16
    left = {path.name for number in (0, 1) for path in (tmp_path / f"files-{number}").iterdir()}
    assert not any(name.startswith("run-") for name in left)


def test_yardsticks_that_are_not_here_are_named(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "one.jpg")
    options = ("--library", str(tmp_path), "--rounds", "1", "--only", "first", "camera", "tags")
    files_dir = ("--files-dir", str(tmp_path.with_name("kept")))
    table = finish_bench(start_bench(*options, *files_dir, path=str(tmp_path / "none")))
    assert table.count("ExifTool is not installed (Debian: ") == 3
    assert "openssl is not installed (Debian: " in table
    assert table.count("not measured") == 4 * 2  # as a figure, and beside its mark
    assert not (tmp_path / ".library").exists()


def test_an_index_that_crashes_is_not_a_result(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise RuntimeError('broken on purpose')\n")
    options = ("--library", str(tmp_path), "--rounds", "1", "--only", "first")
    files_dir = ("--files-dir", str(tmp_path.with_name("kept")))
    process = start_bench(*options, *files_dir, PYTHONPATH=str(tmp_path))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "RuntimeError: broken on purpose" in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--library", "/nowhere/at/all"), "is no folder"),
        (("--only", "star", "--library", "."), "none of these measures"),
        (("--files", "0"), "must be 1 or more"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: Sequence[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        bench.main(arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


def test_measures_are_chosen_by_name_size_and_library() -> None:
    choose = bench.choose_measures
    assert choose(None, None, made=True) == list(bench.MEASURES)
    assert choose(None, "camera", made=True) == ["camera", "thumbnails"]
    assert choose(["star", "first"], "small", made=True) == ["first", "star"]
    assert choose(None, None, made=False) == ["first", "again", "tags", "camera", "thumbnails"]


# -- arithmetic ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mark", "figure", "reached"),
    [
        (Mark(Kind.FASTER, 8), 8.0, True),
        (Mark(Kind.FASTER, 8.1), 8.0, False),
        (Mark(Kind.WITHIN, 0.125), 0.125, True),
        (Mark(Kind.WITHIN, 0.12), 0.125, False),
        (Mark(Kind.SAVES, 0.875), 0.875, True),
        (Mark(Kind.SAVES, 0.9), 0.875, False),
        (Mark(Kind.AT_MOST, 2), 2.0, True),
        (Mark(Kind.AT_MOST, 1.9), 2.0, False),
    ],
)
def test_a_mark_is_held_against_the_median_of_the_rounds(
    mark: Mark, figure: float, reached: bool
) -> None:
    # The third round was disturbed, and its yardstick with it.
    own, yardstick = (1.0, 2.0, 40.0), (8.0, 16.0, 320.0)
    assert mark.measure(own, yardstick) == pytest.approx(figure)
    assert mark.is_reached(figure) is reached
    assert Outcome("one", "s", own, "other", yardstick, (mark,)).reached is reached


def test_without_a_yardstick_a_ratio_is_not_measured() -> None:
    outcome = Outcome("one", "s", (1.0,), "other", (), (Mark(Kind.FASTER, 2),), missing="gone")
    assert outcome.reached is None
    assert outcome.as_dict()["marks"][0] == {
        "mark": "2 × as fast or more", "figure": None, "reached": None
    }  # fmt: skip
    failed = Outcome("one", "s", (1.0,), marks=(Mark(Kind.AT_MOST, 2),), failure="it broke")
    assert failed.reached is None


def test_the_table_has_a_row_a_mark_and_all_its_columns() -> None:
    marks = (Mark(Kind.AT_MOST, 60), Mark(Kind.SAVES, 0.5))
    outcome = Outcome("page", "ms", (70.0, 72.0, 90.0), "other", (100.0, 100.0, 100.0), marks)
    head, rule, first, second = format_table([outcome]).splitlines()
    assert len({len(head), len(rule), len(first), len(second)}) == 1
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    assert cells[:4] == ["page", "72 ms (70 to 90)", "other", "100 ms (100 to 100)"]
    assert cells[4:] == ["72 ms", "60 ms or less: MISSED"]
    assert "50% less time or more: MISSED" in second
    assert "28.0%" in second


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([3, 1, 2], 0.95) == 3
    assert percentile(list(range(1, 101)), 0.95) == 95
    assert percentile([7], 0.5) == 7


def test_memory_is_that_of_a_process_and_its_children() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout
    try:
        child.stdout.readline()  # until then it may still be a copy of this process
        assert child.pid in measure_memory.list_family(os.getpid())
        assert measure_memory.list_family(child.pid) == [child.pid]
        assert 1_000_000 < measure_memory.read_pss(child.pid) < 100_000_000
    finally:
        child.communicate(b"\n")
    assert measure_memory.read_pss(child.pid) == 0


# -- files -----------------------------------------------------------------------------------------


def test_made_files_are_the_same_every_time_and_each_another_picture(tmp_path: Path) -> None:
    made = make_library(tmp_path, "tiny", 40)
    files = sorted(path for path in made.rglob("*") if path.suffix)
    assert {path.suffix for path in files} == {".JPG", ".png", ".heic", ".mp4"}
    assert len(files) == 40
    kinds = {".JPG": "jpeg", ".png": "png", ".heic": "heic", ".mp4": "mp4"}
    hashes = set()
    for path in files:
        with path.open("rb") as file:
            hashes.add(media_hash(file, kinds[path.suffix]))
    assert len(hashes) == 40
    digests = [hashlib.sha256(path.read_bytes()).digest() for path in files]
    library_pictures._encode_base.cache_clear()
    again = make_library(tmp_path / "again", "tiny", 40)
    remade = [again / path.relative_to(made) for path in files]
    assert [hashlib.sha256(path.read_bytes()).digest() for path in remade] == digests
    # Kept for the next time.
    stamps = [path.stat().st_mtime_ns for path in files]
    assert make_library(tmp_path, "tiny", 40) == made
    assert [path.stat().st_mtime_ns for path in files] == stamps


def test_small_files_weigh_and_say_what_photos_do() -> None:
    orientations, ratings = set(), 0
    for number in range(20, 32):
        path, data = make_file(number, "small")
        assert 50_000 < len(data) < 80_000
        assert path.parent.name == "2025-12"
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size == (800, 600)
            exif = picture.getexif()
            assert exif.get_ifd(0x8769)[0x9003].startswith("2025:12:")
            orientations.add(exif[0x0112])
            ratings += b"xmp:Rating" in data
            picture.load()
    assert len(orientations) > 1
    assert ratings == 2  # every tenth has a packet
    months = [make_file(number, "tiny")[0].parent.name for number in (299, 300, 3600)]
    assert months == ["2025-12", "2025-11", "2024-12"]


# -- documents -------------------------------------------------------------------------------------


def test_the_documents_name_every_option_and_every_measure() -> None:
    options = set(re.findall(r"--[a-z-]+", bench.make_parser().format_usage()))
    page = (REPOSITORY / "docs" / "performance.md").read_text()
    assert options == set(re.findall(r"^- `(--[a-z-]+)", page, re.MULTILINE))
    assert set(re.findall(r"^- \*\*([a-z]+)\*\*", page, re.MULTILINE)) == set(bench.MEASURES)
    readme = (REPOSITORY / "README.md").read_text()
    row = next(line for line in readme.splitlines() if line.startswith("| `./lightkeep bench`"))
    named = set(re.findall(r"`(--[\w-]+)`", row))
    assert named
    assert named <= options
    assert "docs/performance.md" in row
