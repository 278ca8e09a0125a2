"""Which row belongs to which file: the pure part of Update Index.

`compare_files` tells apart what is unchanged, has moved and must be read; `assign_rows`
gives the files that were read the rows of their pictures. Nothing here reads or writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from catalog import KnownFile, PhotoRecord
from file_operations import FileStat, FolderScan, find_sidecars


class PhotoFile(NamedTuple):
    """A photo on disk with the sidecar that belongs to it."""

    stat: FileStat
    sidecar: FileStat | None

    @property
    def path(self) -> str:
        return self.stat.path


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a walk found, held against the rows.

    moved: rows whose file stands at another path now, told by inode, size, mtime and ctime.
    to_read: new and changed files.
    lost: rows, present until now, whose path is gone and that did not evidently move.
    """

    unchanged: list[KnownFile]
    moved: list[tuple[KnownFile, PhotoFile]]
    to_read: list[PhotoFile]
    lost: list[KnownFile]

    @property
    def waiting(self) -> list[str]:
        """Paths of files that need not be read until there is an ExifTool."""
        unchanged = [row.current_path for row in self.unchanged if row.reader_version < 0]
        return unchanged + [file.path for row, file in self.moved if row.reader_version < 0]


_FEWEST_DIGITS: Final = 7
"""Of a content hash, as older apps cut it; fewer say nothing."""


def join_sidecars(scan: FolderScan) -> Iterator[PhotoFile]:
    """The photos of a walk, each with its sidecar."""
    sidecars = find_sidecars([file.path for file in scan.files], scan.sidecars)
    for file in scan.files:
        path = sidecars.get(file.path)
        yield PhotoFile(file, scan.sidecars[path] if path else None)


def says_the_same(record: PhotoRecord, row: KnownFile) -> bool:
    """Whether only the file's stamps differ, as after `chmod` or `touch`."""
    return record.content_hash == row.content_hash and (
        record.sidecar_path,
        record.sidecar_mtime_ns,
        record.sidecar_size,
    ) == (row.sidecar_path, row.sidecar_mtime_ns, row.sidecar_size)


def compare_files(
    files: Iterable[PhotoFile],
    known: Sequence[KnownFile],
    *,
    is_settled: Callable[[int], bool],
    unreadable_folders: Collection[str] = (),
) -> Comparison:
    """Hold the files of a walk against the known rows.

    A row in a folder that could not be listed counts as unchanged: nobody saw it go.
    is_settled: whether a row of this `reader_version` needs no second look.
    """
    settled = frozenset(filter(is_settled, {row.reader_version for row in known}))
    present = {row.current_path: row for row in known if row.missing_since is None}
    unchanged: list[KnownFile] = []
    new: list[PhotoFile] = []
    to_read: list[PhotoFile] = []
    for file in files:
        row = present.pop(file.stat.path, None)
        if row is None:
            new.append(file)
        elif _is_unchanged(file, row) and row.reader_version in settled:
            unchanged.append(row)
        else:
            to_read.append(file)
    lost = {}
    for row in present.values():
        if _lies_in(row.current_path, unreadable_folders):
            unchanged.append(row)
        else:
            lost[row.id] = row
    missing = [row for row in known if row.missing_since is not None]
    moved, unknown = _find_moved(new, [*lost.values(), *missing], settled)
    for row, _ in moved:
        lost.pop(row.id, None)
    return Comparison(unchanged, moved, to_read + unknown, list(lost.values()))


def _is_unchanged(file: PhotoFile, row: KnownFile) -> bool:
    stat = file.stat
    return (
        stat.size == row.file_size
        and stat.mtime_ns == row.mtime_ns
        and stat.ctime_ns == row.ctime_ns
        and _has_own_sidecar(file.sidecar, row)
    )


def _has_own_sidecar(sidecar: FileStat | None, row: KnownFile) -> bool:
    """Whether the sidecar of a file is that of its row, at the same path and unchanged."""
    if sidecar is None:
        return row.sidecar_path is None
    known = (row.sidecar_path, row.sidecar_mtime_ns, row.sidecar_size)
    return (sidecar.path, sidecar.mtime_ns, sidecar.size) == known


def _same_sidecar(file: PhotoFile, row: KnownFile) -> bool:
    sidecar = file.sidecar
    if sidecar is None:
        return row.sidecar_path is None
    return (sidecar.mtime_ns, sidecar.size) == (row.sidecar_mtime_ns, row.sidecar_size)


def _lies_in(path: str, folders: Collection[str]) -> bool:
    if not folders:
        return False
    parents = [path[:index] for index, letter in enumerate(path) if letter == "/"]
    return "" in folders or any(parent in folders for parent in parents)


def _find_moved(
    new: Iterable[PhotoFile], gone: Iterable[KnownFile], settled: Collection[int]
) -> tuple[list[tuple[KnownFile, PhotoFile]], list[PhotoFile]]:
    """New files that are the very file of a row that is gone, and those that are not.

    The ctime must be the same: it stays when a folder is renamed, and changes when the file
    itself is; then it is read, because an edit may have come before (one that keeps size and
    mtime: `exiftool -P`).
    """
    by_file: dict[tuple[int, int, int, int], list[KnownFile]] = defaultdict(list)
    for row in gone:
        if row.reader_version in settled:
            by_file[row.inode, row.file_size, row.mtime_ns, row.ctime_ns].append(row)
    moved: list[tuple[KnownFile, PhotoFile]] = []
    unknown: list[PhotoFile] = []
    for file in new:
        stat = file.stat
        rows = by_file[stat.inode, stat.size, stat.mtime_ns, stat.ctime_ns]
        row_of_file = next((row for row in rows if _same_sidecar(file, row)), None)
        if row_of_file is None:
            unknown.append(file)
        else:
            rows.remove(row_of_file)
            moved.append((row_of_file, file))
    return moved, unknown


def assign_rows(
    pictures: Mapping[str, str],
    occupied: Mapping[str, KnownFile],
    gone: Sequence[KnownFile],
    contents: Mapping[str, tuple[str, int]] | None = None,
) -> dict[str, KnownFile]:
    """Give files that were read, as path to media hash, the rows of their pictures.

    `occupied` are the rows that stand at read paths, `gone` those without a file. In this
    order: same path and picture; then the same picture among the rows that are left (of
    several: same file name, longest common path, lowest id); then the path. `contents`
    (content hash and size by path) tell which rows of an older app, that know the beginning of
    a hash and no picture, are whose.
    """
    rows = {
        path: occupied[path]
        for path, media_hash in pictures.items()
        if path in occupied and occupied[path].media_hash == media_hash
    }
    unclaimed = {path: said for path, said in (contents or {}).items() if path not in rows}
    rows.update(_assign_short_hashes(unclaimed, occupied, gone))
    taken = {row.id for row in rows.values()}
    free: dict[str, list[KnownFile]] = defaultdict(list)
    for row in (*gone, *occupied.values()):
        if row.id not in taken:
            free[row.media_hash].append(row)
    waiting: dict[str, list[str]] = defaultdict(list)
    for path, media_hash in pictures.items():
        if path not in rows and media_hash in free:
            waiting[media_hash].append(path)
    for media_hash, paths in waiting.items():
        rows.update(_pair(paths, free[media_hash]))
    taken = {row.id for row in rows.values()}
    for path, row in occupied.items():
        if path in pictures and path not in rows and row.id not in taken:
            rows[path] = row
    return rows


def _assign_short_hashes(
    contents: Mapping[str, tuple[str, int]],
    occupied: Mapping[str, KnownFile],
    gone: Sequence[KnownFile],
) -> dict[str, KnownFile]:
    """Files of rows that hold the first digits of a content hash alone.

    At its own path a row needs no more than these digits; elsewhere they and the size must be
    those of one such row and one such file only: of 28 bits, a collision among 64,000 files
    is certain.
    """
    old = [
        row
        for row in (*gone, *occupied.values())
        if not row.media_hash and len(row.content_hash) >= _FEWEST_DIGITS
    ]
    if not old:
        return {}
    rows = {
        row.current_path: row
        for row in old
        if occupied.get(row.current_path) is row
        and row.current_path in contents
        and contents[row.current_path][0].startswith(row.content_hash)
    }
    taken = {row.id for row in rows.values()}
    waiting = [row for row in old if row.id not in taken]
    lengths = {len(row.content_hash) for row in waiting}
    files: dict[tuple[str, int], list[str]] = defaultdict(list)
    for path, (content_hash, size) in contents.items():
        if path not in rows:
            for length in lengths:
                files[content_hash[:length], size].append(path)
    claims: dict[tuple[str, int], list[KnownFile]] = defaultdict(list)
    for row in waiting:
        claims[row.content_hash, row.file_size].append(row)
    for key, claimants in claims.items():
        if len(claimants) == 1 and len(files[key]) == 1:
            rows[files[key][0]] = claimants[0]
    return rows


def _pair(paths: Sequence[str], rows: Sequence[KnownFile]) -> dict[str, KnownFile]:
    """Pair paths and rows of one picture, the likeliest pairs first."""
    if len(paths) * len(rows) > 10_000:
        # So many equal pictures (a folder of black frames) are told apart by their order.
        return dict(
            zip(sorted(paths), sorted(rows, key=lambda row: row.current_path), strict=False)
        )
    candidates = sorted(
        ((_unlikeness(path, row), row.id, path, row) for path in paths for row in rows),
        key=lambda candidate: candidate[:3],
    )
    pairs: dict[str, KnownFile] = {}
    taken: set[int] = set()
    for _, row_id, path, row in candidates:
        if path not in pairs and row_id not in taken:
            pairs[path] = row
            taken.add(row_id)
    return pairs


def _unlikeness(path: str, row: KnownFile) -> tuple[bool, int]:
    """Sorts the likeliest pair first: same file name, then the longest common path."""
    parts, old_parts = path.split("/"), row.current_path.split("/")
    common = 0
    for part, old_part in zip(parts[:-1], old_parts[:-1], strict=False):
        if part != old_part:
            break
        common += 1
    return parts[-1] != old_parts[-1], -common
