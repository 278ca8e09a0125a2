"""doctor_programs: which versions are told to be what."""

from __future__ import annotations

import pytest

import doctor_programs
from doctor_finding import Level
from doctor_programs import (
    examine_programs,
    judge_exiftool,
    judge_films,
    judge_pictures,
    judge_python,
    judge_sqlite,
    read_version,
)


@pytest.mark.parametrize(
    ("version", "is_named"),
    [
        *(("3.40.1", True), ("3.51.2", True), ("3.50.6", True), ("3.44.5", True), ("3.46", True)),
        *(("3.51.3", False), ("3.50.7", False), ("3.44.6", False), ("3.53.0", False)),
    ],
)
def test_the_wal_reset_bug_is_named_where_it_is(version: str, is_named: bool) -> None:
    finding = judge_sqlite(version)
    assert finding.level == Level.OK  # one writer does not meet it
    assert ("at the same instant" in finding.sentence) is is_named


@pytest.mark.parametrize(
    ("version", "level", "word"),
    [
        (None, Level.ADVICE, "none that works"),
        ("12.57", Level.ADVICE, "sidecars"),
        ("13.24", Level.ADVICE, "sidecars"),
        ("13.25", Level.ADVICE, "security fix"),
        ("13.53", Level.ADVICE, "security fix"),
        ("13.54", Level.OK, "13.54"),
        ("14.00", Level.OK, "14.00"),
    ],
)
def test_an_exiftool_is_judged_by_its_version(version: str | None, level: Level, word: str) -> None:
    finding = judge_exiftool(version)
    assert finding.level == level
    assert word in finding.sentence
    assert bool(finding.remedy) is (level != Level.OK)


def test_an_old_python_is_trouble() -> None:
    assert judge_python("3.10.12").level == Level.TROUBLE
    assert judge_python("3.11.2").level == Level.OK
    assert judge_python("3.14.0rc1").level == Level.OK


def test_a_decoder_that_is_lacking_is_named() -> None:
    assert "AVIF" in judge_pictures("13.0", "1.8", ["AVIF"]).sentence
    assert "hevc" in judge_films("18.1", {"libavcodec": (62, 28, 102)}, ["hevc"]).sentence
    assert "62.28.102" in judge_films("18.1", {"libavcodec": (62, 28, 102)}, []).sentence


def test_a_decoder_that_ffmpeg_does_not_know_is_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_programs, "_FILM_DECODERS", ("h264", "no_such_codec"))
    films = next(one for one in examine_programs() if one.subject == "Videos")
    assert films.level == Level.ADVICE
    assert "cannot decode no_such_codec;" in films.sentence


def test_this_machine_has_what_lightkeep_installs() -> None:
    levels = {one.subject: one.level for one in examine_programs()}
    assert list(levels) == ["Lightkeep", "Python", "SQLite", "ExifTool", "Pictures", "Videos"]
    assert {name for name, level in levels.items() if level != Level.OK} <= {"ExifTool"}


def test_an_exiftool_that_does_not_start_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_programs, "find_exiftool", lambda: "/bin/false")
    assert doctor_programs.ask_exiftool() is None


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("3.40.1", (3, 40, 1)), ("3.13.0rc1", (3, 13, 0)), ("13.25", (13, 25)), ("unknown", ())],
)
def test_a_version_is_read_as_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert read_version(text) == numbers
