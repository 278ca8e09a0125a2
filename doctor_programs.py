"""The programs that Lightkeep runs on: their versions, and the faults that those are known for.

Each `judge_` takes a version and looks at nothing; `examine_programs` asks the machine.
"""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Final

import av
import PIL
import pillow_heif
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from PIL import features

from doctor_finding import Finding, advice, ok, trouble
from exiftool_process import ExifTool, find_exiftool
from exiftool_transport import ExifToolFailedError
from version import VERSION

OLDEST_PYTHON: Final = (3, 11)
_PICTURE_DECODERS: Final = {
    "jpg": "JPEG",
    "zlib": "PNG",
    "webp": "WebP",
    "avif": "AVIF",
    "jpg_2000": "JPEG 2000",
    "libtiff": "TIFF",
}
"""What Pillow calls a decoder, and what people call its format."""
_FILM_DECODERS: Final = ("h264", "hevc", "mpeg4", "mjpeg", "vp9", "av1")

# https://sqlite.org/wal.html#walresetbug
_WAL_RESET_FIXED: Final = (3, 51, 3)
_WAL_RESET_BACKPORTS: Final = {(3, 44): 6, (3, 50): 7}

_WRITES_FILMS: Final = (13, 25)
"""Before it, HEIC of newer iPhones and some films came out damaged (ExifTool's Changes)."""
_SAFE_EXIFTOOL: Final = (13, 54)
"""The last release with a security fix for every system (ExifTool's Changes, 2026-04-01)."""
_NEWER_EXIFTOOL: Final = (
    "A newer one is at https://exiftool.org; name it in LIGHTKEEP_EXIFTOOL and start again."
)


def examine_programs() -> Iterator[Finding]:
    """Lightkeep itself, Python, SQLite, ExifTool, and the decoders of pictures and films."""
    yield ok("Lightkeep", f"Version {VERSION}.")
    yield judge_python(platform.python_version())
    yield judge_sqlite(sqlite3.sqlite_version)
    yield judge_exiftool(ask_exiftool())
    lacking = [name for key, name in _PICTURE_DECODERS.items() if not features.check(key)]
    yield judge_pictures(PIL.__version__, pillow_heif.__version__, lacking)
    yield judge_films(av.__version__, av.library_versions, _list_lacking_film_decoders())


def judge_python(version: str) -> Finding:
    if read_version(version) < OLDEST_PYTHON:
        return trouble(
            "Python",
            f"{version} is older than 3.11, which Lightkeep is made for.",
            "Install a newer Python; the next start sets itself up for it.",
        )
    return ok("Python", f"{version}.")


def judge_sqlite(version: str) -> Finding:
    """Says the WAL-reset bug, which needs two writing connections: Lightkeep has one."""
    major, minor, patch = (*read_version(version), 0, 0, 0)[:3]
    backport = _WAL_RESET_BACKPORTS.get((major, minor))
    fixed = (major, minor, patch) >= _WAL_RESET_FIXED or (
        backport is not None and patch >= backport
    )
    if fixed:
        return ok("SQLite", f"{version}, without known faults that matter here.")
    return ok(
        "SQLite",
        f"{version} can damage a database into which two programs write at the same instant "
        "(fixed in 3.51.3). Lightkeep writes alone; let no other program write into its database.",
    )


def ask_exiftool() -> str | None:
    """The version of the ExifTool that Lightkeep uses; None where there is none that works."""
    executable = find_exiftool()
    if executable is None:
        return None
    exiftool = ExifTool(executable)
    try:
        return exiftool.version
    except ExifToolFailedError:
        return None
    finally:
        exiftool.close()


def judge_exiftool(version: str | None) -> Finding:
    if version is None:
        return advice(
            "ExifTool",
            "There is none that works: RAW is not shown, and a few unusual files stay without "
            "their date or rating.",
            "Install it (Debian: apt-get install libimage-exiftool-perl) or type ./lightkeep "
            "setup; the next index uses it. Where LIGHTKEEP_EXIFTOOL is set, see that it is right.",
        )
    number = read_version(version)
    if number < _WRITES_FILMS:
        return advice(
            "ExifTool",
            f"{version} may damage HEIC and videos when it writes into them (fixed in 13.25), so "
            "their ratings and dates go to sidecars.",
            _NEWER_EXIFTOOL,
        )
    if number < _SAFE_EXIFTOOL:
        return advice(
            "ExifTool",
            f"{version} lacks the security fix of 13.54, unless your system has added it.",
            f"Keep your system's packages up to date. {_NEWER_EXIFTOOL}",
        )
    return ok("ExifTool", f"{version}.")


def judge_pictures(pillow: str, heif: str, lacking: list[str]) -> Finding:
    """lacking: the formats that this Pillow has no decoder for."""
    versions = f"Pillow {pillow}, pillow-heif {heif}"
    if not lacking:
        return ok("Pictures", f"{versions}, with every decoder.")
    return advice(
        "Pictures",
        f"{versions} cannot decode {', '.join(lacking)}; such photos have a card with their name.",
        "Delete the folder .venv beside ./lightkeep, so that the next start installs Pillow anew.",
    )


def judge_films(pyav: str, libraries: Mapping[str, tuple[int, ...]], lacking: list[str]) -> Finding:
    """libraries: FFmpeg's, by name; lacking: codecs that they cannot decode."""
    codec = ".".join(map(str, libraries.get("libavcodec", ())))
    versions = f"PyAV {pyav} with FFmpeg's libavcodec {codec}"
    if not lacking:
        return ok("Videos", f"{versions}, with every decoder.")
    return advice(
        "Videos",
        f"{versions} cannot decode {', '.join(lacking)}; such videos have a card with their name.",
        "Delete the folder .venv beside ./lightkeep, so that the next start installs PyAV anew.",
    )


def _list_lacking_film_decoders() -> list[str]:
    lacking = []
    for name in _FILM_DECODERS:
        try:
            Codec(name, "r")
        except UnknownCodecError:
            lacking.append(name)
    return lacking


def read_version(text: str) -> tuple[int, ...]:
    """`3.40.1` as (3, 40, 1), `3.13.0rc1` as (3, 13, 0); empty where it begins with no number."""
    numbers = []
    for part in text.split("."):
        digits = ""
        for sign in part:
            if not sign.isdecimal():
                break
            digits += sign
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)
