"""What there is to import: the photos of folders on this machine and of uploads, not read yet."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from errors import (
    FileProblem,
    InvalidRequestError,
    SourceGoneError,
    SourceNotAllowedError,
)
from file_indexer import find_file
from file_operations import FileStat, find_sidecars, scan_folder
from folder_scan import LINK, SPECIAL_FILE, show_path
from index_plan import PhotoFile
from media_types import is_media_name


@dataclass(frozen=True, slots=True)
class Source:
    """A file or a folder, absolute; shown: what its paths begin with where they are told.

    Paths are shown from the source's own name on: what lies above it is nobody's business.
    device: on which it lay when it was named; of a card that was pulled out the empty folder
    stays, on another one. None: that does not matter.
    """

    path: str
    shown: str
    device: int | None = None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A photo that may be imported; paths within `file` are absolute."""

    file: PhotoFile
    shown: str

    @property
    def path(self) -> str:
        return self.file.path


@dataclass(slots=True)
class SourceScan:
    """What the sources hold.

    unsupported: how many files are no photos, by suffix; unsupported_bytes: how large they are.
    """

    files: list[SourceFile] = field(default_factory=list)
    unsupported: dict[str, int] = field(default_factory=dict)
    unsupported_bytes: int = 0
    problems: list[FileProblem] = field(default_factory=list)


def name_sources(paths: Sequence[str], library: Path, data_dir: Path) -> list[Source]:
    """The sources behind these absolute paths.

    Raises `InvalidRequestError` for what cannot be one, as the library itself, and
    `SourceGoneError` for what is not there.
    """
    own = [os.path.realpath(library), os.path.realpath(data_dir)]
    sources = []
    for path in dict.fromkeys(paths):
        if not os.path.isabs(path) or "\0" in path:
            raise InvalidRequestError(f"{show_path(path)!r} is no absolute path.")
        real = os.path.realpath(path)
        if any(_lies_in(real, folder) for folder in own):
            raise InvalidRequestError(
                f"{show_path(path)} lies inside the library: nothing has to be imported from "
                "there. Update Index finds what is new in it."
            )
        sources.append(Source(real, show_path(os.path.basename(real)), _find_device(real)))
    for source in sources:
        refuse_gone(source)
    return sources


def keep_within(paths: Sequence[str], roots: Sequence[Path]) -> list[str]:
    """The paths without links. Raises `SourceNotAllowedError` for what lies in none of the roots.

    What lies outside is refused alike whether it is there or not.
    """
    allowed = [os.path.realpath(root) for root in roots]
    real = [os.path.realpath(path) if _is_plain(path) else "" for path in paths]
    for path in real:
        if not any(_lies_in(path, root) for root in allowed):
            raise SourceNotAllowedError(
                "The page imports from the folders that import_roots in settings.toml names, and "
                "from none besides. ./lightkeep import takes any folder."
            )
    return real


def _is_plain(path: str) -> bool:
    return os.path.isabs(path) and "\0" not in path and path.isprintable()


def refuse_gone(source: Source) -> None:
    """Raise `SourceGoneError` where a source is not there now."""
    device = _find_device(source.path)
    if device is None or source.device not in (None, device):
        raise SourceGoneError(
            f"{source.shown or 'What is to be imported'} is not there now. Put the card or disk "
            "back, or look at how it is named."
        )


def _find_device(path: str) -> int | None:
    try:
        return os.stat(path, follow_symlinks=False).st_dev
    except OSError:
        return None


def scan_sources(
    sources: Sequence[Source],
    *,
    skip: Collection[Path],
    tell: Callable[[int], None] = lambda _: None,
) -> SourceScan:
    """Walk the sources; a file that two of them hold counts once. Trouble is a value.

    skip: folders to leave out (the library, where a source holds it). tell: as `scan_folder`.
    """
    found = SourceScan()
    seen: set[str] = set()
    for source in sources:
        if os.path.isdir(source.path):
            _scan_folder(source, found, skip, lambda count: tell(len(found.files) + count))
        else:
            _look_at_file(source, found)
    unique = []
    for file in found.files:
        if file.path not in seen:
            seen.add(file.path)
            unique.append(file)
    found.files = unique
    return found


def _scan_folder(
    source: Source, found: SourceScan, skip: Collection[Path], tell: Callable[[int], None]
) -> None:
    scan = scan_folder(Path(source.path), skip=skip, tell=tell, measure_ignored=True)
    sidecars = find_sidecars([file.path for file in scan.files], scan.sidecars)
    prefix = f"{source.shown}/" if source.shown else ""
    for file in scan.files:
        name = sidecars.get(file.path)
        sidecar = _below(source, scan.sidecars[name]) if name else None
        found.files.append(SourceFile(PhotoFile(_below(source, file), sidecar), prefix + file.path))
    ignored = {name: count for name, count in scan.ignored.items() if name not in _NAMED}
    alone = scan.sidecars.keys() - sidecars.values()
    for name, count in [*ignored.items(), *([(".xmp", len(alone))] if alone else [])]:
        found.unsupported[name] = found.unsupported.get(name, 0) + count
    found.unsupported_bytes += scan.ignored_bytes
    found.unsupported_bytes += sum(scan.sidecars[name].size for name in alone)
    found.problems += [
        problem if problem.path == source.path else replace(problem, path=prefix + problem.path)
        for problem in scan.problems
    ]


_NAMED = frozenset({LINK, SPECIAL_FILE})
"""Those with a photo's name are problems of the walk, and the others are nobody's photos."""


def _below(source: Source, file: FileStat) -> FileStat:
    return file._replace(path=os.path.join(source.path, file.path))


def _look_at_file(source: Source, found: SourceScan) -> None:
    """A source that is one file."""
    folder, name = os.path.split(source.path)
    try:
        result = os.stat(source.path, follow_symlinks=False)
        if not stat.S_ISREG(result.st_mode):
            found.problems.append(FileProblem(source.shown, "This is no regular file."))
        elif not is_media_name(name):
            suffix = os.path.splitext(name)[1].lower()
            found.unsupported[suffix] = found.unsupported.get(suffix, 0) + 1
            found.unsupported_bytes += result.st_size
        else:
            file = find_file(Path(folder), name)
            beside = Source(folder, "")
            sidecar = _below(beside, file.sidecar) if file.sidecar else None
            stat_of_file = _below(beside, file.stat)
            found.files.append(SourceFile(PhotoFile(stat_of_file, sidecar), source.shown))
    except OSError as error:
        reason = f"It cannot be read: {error.strerror or error}."
        found.problems.append(FileProblem(source.shown, reason))


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
