"""The walk: every photo and sidecar under a folder, with what their directory entries say."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from errors import FileProblem
from media_types import Kind, is_media_name, kind_of_name

SIDECAR_SUFFIX: Final = ".xmp"
LINK: Final = "(symbolic link)"
SPECIAL_FILE: Final = "(special file)"
TELL_EVERY_S: Final = 0.25

SYSTEM_DIRS: Final = frozenset(
    {
        "@eaDir",
        "@Recycle",
        "@Recently-Snapshot",
        "#recycle",
        "#snapshot",
        "$RECYCLE.BIN",
        "System Volume Information",
        "lost+found",
    }
)
"""What NAS systems and Windows keep in every share: their own thumbnails, and deleted files."""


class FileStat(NamedTuple):
    """A regular file; `path` is relative to the root, `inode` folded into signed 64 bit.

    A tuple, as is all of which a walk makes one a file: it is made in a third of the time.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class FolderStamp(NamedTuple):
    """What tells whether a folder lists what it listed before; `inode` as in `FileStat`."""

    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class FolderNotes:
    """What an earlier walk noted, so that a quick one need not read every folder again.

    children: the folders in each folder, by relative paths; stamps: of those whose listing can be
    relied on as long as the stamp is the same.
    """

    children: Mapping[str, Sequence[str]] = field(default_factory=dict)
    stamps: Mapping[str, FolderStamp] = field(default_factory=dict)


NO_NOTES: Final = FolderNotes()
NOTED_AFTER_NS: Final = 10_000_000_000
"""How long a folder must have been left alone: a change within one tick of a disk's or server's
clock would not move its time stamps once more."""


@dataclass(frozen=True, slots=True)
class FolderScan:
    """What a walk found.

    files: photos, by their names, sorted by path.
    sidecars: every `*.xmp` by its relative path.
    folders: their stamps, taken before they were listed, by relative path; the root is "".
    settled: those that had been left alone for so long that their stamps can be noted.
    unchanged: those that were not read, for their stamps are the noted ones.
    ignored: how many files of other kinds there are, by lower-case suffix; `LINK` and
        `SPECIAL_FILE` stand for what is no regular file.
    problems: names that are not UTF-8, what could not be listed, and what has a photo's name
        but is a link, a folder, a pipe or a device.
    unreadable_folders: folders of which the walk did not see everything; "" is the root.
    ignored_bytes: how large the files of other kinds are, where that was asked for.
    """

    files: list[FileStat]
    sidecars: dict[str, FileStat]
    folders: dict[str, FolderStamp]
    ignored: dict[str, int]
    problems: list[FileProblem]
    unreadable_folders: frozenset[str]
    settled: frozenset[str] = frozenset()
    unchanged: frozenset[str] = frozenset()
    ignored_bytes: int = 0


def scan_folder(
    root: Path,
    *,
    skip: Collection[Path] = (),
    tell: Callable[[int], None] = lambda _: None,
    notes: FolderNotes = NO_NOTES,
    measure_ignored: bool = False,
) -> FolderScan:
    """Walk everything under `root`; links are not followed, hidden entries not looked at.

    skip: folders to leave out, absolute. tell: told every `TELL_EVERY_S` how many photos were
    found; what it raises ends the walk. notes: folders that are as they say are not read; each of
    them is asked for its stamp, for a change deep inside does not move those above it. Trouble is
    a value; nothing else is raised.
    """
    skipped = frozenset(filter(None, map(_identify, skip)))
    walk = _Walk(os.path.abspath(root), skipped, tell, notes, measure_ignored)
    walk.run()
    walk.files.sort(key=lambda file: file.path)
    return FolderScan(
        walk.files,
        walk.sidecars,
        walk.folders,
        dict(sorted(walk.ignored.items())),
        walk.problems,
        frozenset(walk.unreadable),
        frozenset(walk.settled - walk.unreadable),
        frozenset(walk.unchanged),
        walk.ignored_bytes,
    )


def make_file_stat(path: str, result: os.stat_result) -> FileStat:
    """A `FileStat` of what `os.stat` or `os.fstat` gave."""
    return FileStat(
        path,
        result.st_size,
        result.st_mtime_ns,
        result.st_ctime_ns,
        _fold_inode(result.st_ino),
    )


def _fold_inode(inode: int) -> int:
    return inode - 2**64 if inode >= 2**63 else inode


@dataclass(slots=True)
class _Walk:
    root: str
    skip: frozenset[tuple[int, int]]
    tell: Callable[[int], None] = lambda _: None
    notes: FolderNotes = NO_NOTES
    measure_ignored: bool = False
    ignored_bytes: int = 0
    files: list[FileStat] = field(default_factory=list)
    sidecars: dict[str, FileStat] = field(default_factory=dict)
    folders: dict[str, FolderStamp] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    unchanged: set[str] = field(default_factory=set)
    ignored: Counter[str] = field(default_factory=Counter)
    problems: list[FileProblem] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    _waiting: list[str] = field(default_factory=lambda: [""])
    _told_at: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        while self._waiting:
            folder = self._waiting.pop()
            try:
                self._enter(folder)
            except OSError as error:
                if folder and error.errno == errno.ENOENT:
                    continue  # removed while the walk was elsewhere
                self._report_unreadable(folder, error)

    def _enter(self, folder: str) -> None:
        absolute = os.path.join(self.root, folder) if folder else self.root
        # Taken before the listing: what is added during it makes the folder look changed.
        result = os.stat(absolute, follow_symlinks=not folder)
        stamp = FolderStamp(result.st_mtime_ns, result.st_ctime_ns, _fold_inode(result.st_ino))
        if (result.st_dev, result.st_ino) in self.skip:
            return
        if time.time_ns() - max(stamp.mtime_ns, stamp.ctime_ns) > NOTED_AFTER_NS:
            self.settled.add(folder)
        if self.notes.stamps.get(folder) == stamp:
            self.folders[folder] = stamp
            self.unchanged.add(folder)
            self._waiting.extend(self.notes.children.get(folder, ()))
            self._tell_now_and_then()
        else:
            self._scan(folder, absolute, stamp)

    def _scan(self, folder: str, absolute: str, stamp: FolderStamp) -> None:
        with os.scandir(absolute) as entries:
            self.folders[folder] = stamp
            for entry in entries:
                self._tell_now_and_then()
                if entry.name[0] == ".":
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                if not entry.name.isascii() and not _is_utf8(entry.name):
                    self._report(path, "The name is not valid UTF-8. Rename it to have it indexed.")
                    continue
                try:
                    self._look_at(entry, path)
                except FileNotFoundError:
                    continue  # removed since the folder was listed
                except OSError as error:
                    self._report_unreadable(folder, error)

    def _tell_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._told_at >= TELL_EVERY_S:
            self._told_at = now
            self.tell(len(self.files))

    def _look_at(self, entry: os.DirEntry[str], path: str) -> None:
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in SYSTEM_DIRS and not self._is_skipped(entry):
                self._waiting.append(path)
                if is_media_name(entry.name):
                    self._report(path, "This is a folder. What lies in it is indexed all the same.")
        elif entry.is_symlink():
            self.ignored[LINK] += 1
            if is_media_name(entry.name) or entry.is_dir():
                self._report(path, "This is a symbolic link; links are not followed.")
        elif is_media_name(entry.name):
            self._add(entry, path, sidecar=False)
        elif entry.name.lower().endswith(SIDECAR_SUFFIX):
            self._add(entry, path, sidecar=True)
        elif entry.is_file(follow_symlinks=False):
            self.ignored[os.path.splitext(entry.name)[1].lower()] += 1
            if self.measure_ignored:
                self.ignored_bytes += entry.stat(follow_symlinks=False).st_size
        else:
            self.ignored[SPECIAL_FILE] += 1

    def _is_skipped(self, entry: os.DirEntry[str]) -> bool:
        # By what it is: the same folder may be reached under another name.
        if entry.inode() not in {inode for _, inode in self.skip}:
            return False
        result = entry.stat(follow_symlinks=False)
        return (result.st_dev, result.st_ino) in self.skip

    def _add(self, entry: os.DirEntry[str], path: str, *, sidecar: bool) -> None:
        result = entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(result.st_mode):
            self.ignored[SPECIAL_FILE] += 1
            self._report(path, f"This is a {_name_kind(result.st_mode)}, not a file.")
        elif sidecar:
            self.sidecars[path] = make_file_stat(path, result)
        else:
            self.files.append(make_file_stat(path, result))

    def _report_unreadable(self, folder: str, error: OSError) -> None:
        """Once a folder: without the right to enter it, each of its files fails alike."""
        if folder not in self.unreadable:
            self.unreadable.add(folder)
            reason = f"The folder cannot be read: {error.strerror or error}."
            self._report(folder or self.root, reason)

    def _report(self, path: str, reason: str) -> None:
        self.problems.append(FileProblem(show_path(path), reason))


def _identify(folder: Path) -> tuple[int, int] | None:
    """The device and inode of a folder, None where there is none."""
    try:
        result = os.stat(folder)
    except OSError:
        return None
    return result.st_dev, result.st_ino


def _name_kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "named pipe"
    return "socket" if stat.S_ISSOCK(mode) else "device"


def _is_utf8(name: str) -> bool:
    """Names come with surrogates for bytes that are not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def show_path(path: str) -> str:
    """A path as text that can be shown and stored, whatever its bytes."""
    return (
        path
        if path.isascii()
        else path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    )


# -- sidecars --------------------------------------------------------------------------------


def find_sidecars(photos: Iterable[str], sidecars: Collection[str]) -> dict[str, str]:
    """The sidecar of each photo that has one, both as relative paths.

    `name.ext.xmp` first; else `name.xmp` where only one photo of that folder has the name. A
    RAW goes before a JPEG, for Adobe's programs write such sidecars for RAW and a JPEG's facts
    into the JPEG; and a Live Photo before its film.
    A sidecar belongs to one photo: letters' case counts only where it decides between several.
    """
    folders = {path.rpartition("/")[0] for path in sidecars}
    if not folders:
        return {}
    # Elsewhere there is nothing to be found; most folders have no sidecar at all.
    paths = sorted(path for path in photos if path.rpartition("/")[0] in folders)
    owners: dict[str, str] = {}
    taken: set[str] = set()
    full_names = {path: path + SIDECAR_SUFFIX for path in paths}
    _match_names(full_names, sidecars, owners, taken)
    by_stem: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_stem[_fold_name(_cut_suffix(path))].append(path)
    stems = {
        path: _cut_suffix(path) + SIDECAR_SUFFIX
        for path in paths
        if path not in owners and _is_meant(path, by_stem[_fold_name(_cut_suffix(path))])
    }
    _match_names(stems, sidecars, owners, taken)
    return owners


def _is_meant(path: str, namesakes: Sequence[str]) -> bool:
    """Whether `name.xmp` can only be for this one of the photos that are called `name`."""
    kinds = {name: kind_of_name(name) for name in namesakes}
    for kind in (Kind.RAW, Kind.IMAGE, Kind.VIDEO):
        of_kind = [name for name in namesakes if kinds[name] == kind]
        if of_kind:
            return of_kind == [path]
    return False


def find_sidecar(path: str, photos: Iterable[str], sidecars: Collection[str]) -> str | None:
    """The sidecar of one photo; `photos` are the photos of its folder, itself included."""
    return find_sidecars(photos, sidecars).get(path)


def _match_names(
    wanted: Mapping[str, str], sidecars: Collection[str], owners: dict[str, str], taken: set[str]
) -> None:
    """Give photos the sidecars of the wanted names: exact ones first, then by folded case."""
    folded: dict[str, list[str]] = defaultdict(list)
    exact = set(sidecars) - taken
    for path, name in wanted.items():
        if name in exact:
            owners[path] = name
            taken.add(name)
    for name in sorted(exact - taken):
        folded[_fold_name(name)].append(name)
    for path, name in wanted.items():
        candidates = folded.get(_fold_name(name), [])
        if path not in owners and candidates:
            owners[path] = candidates.pop(0)
            taken.add(owners[path])


def _fold_name(path: str) -> str:
    """The path with its last part in folded case: folders of other case are other folders."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.casefold()}"


def _cut_suffix(path: str) -> str:
    return path[: path.rindex(".")]
