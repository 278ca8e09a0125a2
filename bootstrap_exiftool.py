"""Finds an ExifTool that works, and fetches one where there is none; part of `bootstrap.py`.

Standard library only. The ExifTool that is fetched is the npm package
`exiftool-vendored.pl`, pure Perl that runs on the `perl-base` of every Debian. One address
and one checksum: neither npm nor root is needed.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import os
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

OLDEST: Final = (12, 15)  # -json and -stay_open as PyExifTool 0.5 speaks them
PACKAGE: Final = "exiftool-vendored.pl"
VERSION: Final = "13.59.3"
SHA512: Final = (  # as `npm view exiftool-vendored.pl@13.59.3 dist.integrity` says
    "QmYq2JKCXRK9Uo3E3nHb0gQ6Xce2HK7wPtrHF5r+IYWyiM5WkOhiT3BesLI9lvJvPAbzjqFxQlrjXv+/cuSX/Q=="
)
REGISTRY: Final = "https://registry.npmjs.org"
MAX_BYTES: Final = 32 * 1024 * 1024  # several times what it is
SILENCE_S: Final = 30
DOWNLOAD_S: Final = 600

_TEST_DATE: Final = b"2001:02:03 04:05:06"
_WANTED: Final = PurePosixPath("package/bin")


class FetchError(Exception):
    """No ExifTool could be fetched; the message says why, without a full stop."""


def vendored(home: Path) -> Path:
    """Where the fetched ExifTool lies, and where `exiftool_process` looks for it."""
    return home / ".cache" / "exiftool" / "exiftool"


def find(home: Path) -> str | None:
    """The first ExifTool that works, in the order of `exiftool_process.find_exiftool`.

    One that the person has chosen is the only one: the app will use no other either.
    """
    chosen = os.environ.get("LIGHTKEEP_EXIFTOOL")
    candidates = [chosen] if chosen else [shutil.which("exiftool"), str(vendored(home))]
    return next((candidate for candidate in candidates if candidate and works(candidate)), None)


def works(executable: str) -> bool:
    """Whether it is new enough and reads a date: one that lacks a part of its Perl says -ver."""
    found = re.match(rb"(\d+)\.(\d+)", _ask(executable, ["-ver"]))
    if not found or (int(found[1]), int(found[2])) < OLDEST:
        return False
    with tempfile.TemporaryDirectory(prefix="lightkeep-setup-") as folder:
        picture = Path(folder) / "test.jpg"
        picture.write_bytes(make_test_jpeg())
        return _ask(executable, ["-s3", "-DateTimeOriginal", str(picture)]).strip() == _TEST_DATE


def _ask(executable: str, arguments: Sequence[str]) -> bytes:
    """What it prints; nothing where it cannot be started or hangs."""
    try:
        done = subprocess.run(  # noqa: S603  the executable is the person's own choice
            # Without ~/.ExifTool_config, which is Perl that would be run.
            [executable, "-config", "", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return done.stdout


def make_test_jpeg() -> bytes:
    """The smallest JPEG with a date: two directories of one entry each, and no picture."""
    header = b"II*\0" + struct.pack("<I", 8)
    at_exif = 8 + 18  # a directory of one entry has 18 bytes
    to_exif = struct.pack("<HHHIII", 1, 0x8769, 4, 1, at_exif, 0)
    date = _TEST_DATE + b"\0"
    date_entry = struct.pack("<HHHIII", 1, 0x9003, 2, len(date), at_exif + 18, 0)
    block = b"Exif\0\0" + header + to_exif + date_entry + date
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(block) + 2) + block + b"\xff\xd9"


def fetch(home: Path) -> None:
    """Puts a working ExifTool into `.cache/exiftool`, whole or not at all, or raises `FetchError`.

    Leaves what lies there alone until the new one has read its test picture.
    """
    if shutil.which("perl") is None:
        raise FetchError("ExifTool is written in Perl, and there is no perl on this machine")
    package = _download(_find_address())
    folder = vendored(home).parent
    new = folder.with_name("exiftool.partial")
    shutil.rmtree(new, ignore_errors=True)  # of a set-up that was cut off
    try:
        _unpack(package, new)
        if not works(str(new / "exiftool")):
            raise FetchError("the ExifTool that was fetched does not run here")
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise FetchError(f"the package cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _find_address() -> str:
    """The package at npm's registry, or at the one that npm's own variable names."""
    names = ("npm_config_registry", "NPM_CONFIG_REGISTRY")
    registry = next((os.environ[name] for name in names if os.environ.get(name)), REGISTRY)
    if not registry.startswith(("https://", "http://")):
        raise FetchError(f"the registry {registry} is no address on the web")
    return f"{registry.rstrip('/')}/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz"


def _download(address: str) -> bytes:
    """The package, its checksum proven, so that no server has to be trusted."""
    received = bytearray()
    deadline = time.monotonic() + DOWNLOAD_S
    try:
        with urllib.request.urlopen(address, timeout=SILENCE_S) as answer:  # noqa: S310  http only
            while part := answer.read(65536):
                received += part
                if len(received) > MAX_BYTES or time.monotonic() > deadline:
                    raise FetchError(f"{address} does not come to an end")
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        reason = getattr(reason, "strerror", None) or reason
        raise FetchError(f"{address} cannot be had ({reason})") from error
    digest = base64.b64encode(hashlib.sha512(received).digest()).decode()
    if digest != SHA512:
        raise FetchError(f"what {address} gives is not {PACKAGE} {VERSION}: another checksum")
    return bytes(received)


def _unpack(package: bytes, folder: Path) -> None:
    """Writes the plain files of the package's `bin` into a new folder.

    By hand, because `tarfile` of Debian 12's Python 3.11.2 has no filter yet: no links,
    owners or special modes of the archive reach the disk, and no name leaves the folder.
    """
    folder.mkdir()
    with tarfile.open(fileobj=io.BytesIO(package), mode="r:gz") as archive:
        for member in archive:
            name = PurePosixPath(member.name)
            content = archive.extractfile(member) if member.isreg() else None
            if content is None or _WANTED not in name.parents or ".." in name.parts:
                continue
            path = folder / name.relative_to(_WANTED)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())
    program = folder / "exiftool"
    if not program.is_file():
        raise FetchError("there is no exiftool in the package")
    program.chmod(0o755)
