"""Other programs over the same files: what the program is held against.

Each function gives the commands of a yardstick, or raises `MissingError`, which names what is not
installed.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from exiftool_process import find_exiftool
from metadata import TAGS_READ
from thumbnails import GRID_PX

PROCESSES: Final = 2


class MissingError(Exception):
    """A yardstick is not on this machine."""


def _find(name: str, package: str) -> str:
    if found := shutil.which(name):
        return found
    raise MissingError(f"{name} is not installed (Debian: apt-get install {package})")


def exiftool() -> str:
    found = find_exiftool()
    if found is None:
        raise MissingError(
            "ExifTool is not installed (Debian: apt-get install libimage-exiftool-perl)"
        )
    return found


def list_files_command(library: Path) -> list[str]:
    """Every file with size and time."""
    find = _find("find", "findutils")
    return [find, str(library), "-type", "f", "-printf", "%p %s %T@\\n"]


def read_tags_command(library: Path) -> list[str]:
    """ExifTool through a whole tree, for the tags that an index reads."""
    tags = [f"-{tag}" for tag in TAGS_READ]
    return [exiftool(), "-fast", "-json", *tags, "-r", str(library)]


def read_tags_of_command(paths: Sequence[Path]) -> list[str]:
    """One ExifTool for some files."""
    return [exiftool(), "-fast", "-json", *(f"-{tag}" for tag in TAGS_READ), *map(str, paths)]


def rate_command(path: Path, rating: int) -> list[str]:
    """One ExifTool that writes a rating as a star does, into the tags that hold one in a JPEG."""
    percent = (0, 1, 25, 50, 75, 99)[rating]
    tags = (f"-XMP-xmp:Rating={rating}", f"-IFD0:Rating={rating}", f"-IFD0:RatingPercent={percent}")
    return [exiftool(), "-q", "-overwrite_original", *tags, str(path)]


def hash_commands(paths: Sequence[Path], lists: Path) -> list[list[str]]:
    """SHA-256 of all files, by two processes side by side; `lists` is a folder for their names."""
    openssl = _find("openssl", "openssl")
    commands = []
    for number, share in enumerate(_share(paths)):
        names = lists / f"names-{number}"
        names.write_bytes(b"\0".join(os.fsencode(path) for path in share))
        shell = 'exec xargs -0 -a "$1" "$2" dgst -sha256'
        commands.append(["sh", "-c", shell, "sh", str(names), openssl])
    return commands


def thumbnail_commands(paths: Sequence[Path], target: Path) -> list[list[str]]:
    """Small WebP pictures by libvips, by two processes of one thread each."""
    vips = _find("vipsthumbnail", "libvips-tools")
    shell = (
        f'"$vips" --vips-concurrency=1 --size {GRID_PX}x{GRID_PX} '
        '-o "$target/%s.webp[Q=82,effort=2]" "$@"'
    )
    return [
        [
            "sh",
            "-c",
            f"vips={shlex.quote(vips)}; target={shlex.quote(str(target))}; {shell}",
            "sh",
            *share,
        ]
        for share in (list(map(str, one)) for one in _share(paths))
    ]


def _share(paths: Sequence[Path]) -> list[Sequence[Path]]:
    """The files for each of the processes, every second one; none for a process without any."""
    return [share for first in range(PROCESSES) if (share := paths[first::PROCESSES])]
