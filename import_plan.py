"""What an import would do: which photos are new, which are here already, and where.

A photo is here already if a present row has its picture (`media_hash`), whatever its name, its
place and its tags are by now. Photos that are one to a person, and their sidecars, are planned
as a bundle: they come into one folder under one name.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

import catalog
import trash_rows
from catalog import KnownFile, PhotoRecord
from db import Database
from errors import FileProblem
from file_indexer import BATCH_FILES, FileIndexer, IndexedFile, take_batch
from hash_cache import Hashes
from import_naming import stem_of
from import_sources import SourceFile, SourceScan
from index_plan import PhotoFile
from photo_pairs import PairFile, find_companions

UNDATED_FOLDER: Final = "Undated"
MOST_LISTED: Final = 1_000
"""Files that a plan lists one by one; its counts are of all."""


class Verdict(StrEnum):
    """What a plan says of one file."""

    NEW = "new"
    ALREADY_HERE = "already_here"
    UNSUPPORTED = "unsupported"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of the sources, and what becomes of it.

    where: of one that is here already, its path in the library, or that it is in the trash; of a
    twin, which the sources hold before it, that one's path as shown. beside: the path of a
    present one, where what belongs to it goes. reason: why it cannot be read.
    """

    source: SourceFile
    verdict: Verdict
    record: PhotoRecord | None = None
    where: str | None = None
    reason: str | None = None
    beside: str | None = None

    @property
    def bytes(self) -> int:
        sidecar = self.source.file.sidecar
        return self.source.file.stat.size + (sidecar.size if sidecar else 0)


@dataclass(frozen=True, slots=True)
class Bundle:
    """New photos that are one to a person, the leader first.

    stem: how the names of all of it begin. folder: where they go, relative to the library.
    beside: the path of a photo in the library that they belong to, whose name they take.
    """

    files: tuple[PlannedFile, ...]
    stem: str
    folder: str
    beside: str | None = None

    @property
    def names(self) -> list[str]:
        """Of the photos and of their sidecars."""
        return [*(os.path.basename(file.source.path) for file in self.files), *self.sidecars]

    @property
    def sidecars(self) -> dict[str, str]:
        """The absolute paths of the sidecars, by name."""
        beside = [file.source.file.sidecar for file in self.files]
        return {os.path.basename(one.path): one.path for one in beside if one}


@dataclass(slots=True)
class ImportPlan:
    """What an import of these sources does.

    problems: with what can be imported all the same. cached: files that were not hashed again.
    """

    files: list[PlannedFile] = field(default_factory=list)
    bundles: list[Bundle] = field(default_factory=list)
    unsupported: dict[str, int] = field(default_factory=dict)
    unsupported_bytes: int = 0
    problems: list[FileProblem] = field(default_factory=list)
    walk_problems: int = 0
    cached: int = 0

    def count(self, verdict: Verdict) -> int:
        if verdict == Verdict.UNSUPPORTED:
            return sum(self.unsupported.values())
        named = sum(file.verdict == verdict for file in self.files)
        return named + (self.walk_problems if verdict == Verdict.UNREADABLE else 0)

    def measure(self, verdict: Verdict) -> int:
        """Bytes of the files of this kind; of what the walk could not look at, none."""
        if verdict == Verdict.UNSUPPORTED:
            return self.unsupported_bytes
        return sum(file.bytes for file in self.files if file.verdict == verdict)

    def list_files(self, *verdicts: Verdict) -> list[dict[str, Any]]:
        """The first `MOST_LISTED` files of these kinds for JSON, kind by kind."""
        listed = [file for kind in verdicts for file in self.files if file.verdict == kind]
        return [_describe(file) for file in listed[:MOST_LISTED]]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; the files that are not simply new come first, and not all are listed."""
        order = (Verdict.UNREADABLE, Verdict.ALREADY_HERE, Verdict.NEW)
        kinds = [(f"*{suffix}", count) for suffix, count in self.unsupported.items()]
        return {
            **{verdict.value: self.count(verdict) for verdict in Verdict},
            "sizes": {verdict.value: self.measure(verdict) for verdict in Verdict},
            "bytes": self.measure(Verdict.NEW),
            "cached": self.cached,
            "files": [
                *(
                    {"path": path, "kind": Verdict.UNSUPPORTED.value, "size": 0, "count": count}
                    for path, count in kinds[:MOST_LISTED]
                ),
                *self.list_files(*order),
            ],
            "problems": [
                {"path": problem.path, "reason": problem.reason}
                for problem in self.problems[:MOST_LISTED]
            ],
        }


def _describe(file: PlannedFile) -> dict[str, Any]:
    said: dict[str, Any] = {
        "path": file.source.shown,
        "kind": file.verdict.value,
        "size": file.bytes,
    }
    if file.where is not None:
        said["where"] = file.where
    return said


@dataclass(frozen=True, slots=True)
class KnownPictures:
    """The rows as an import sees them: present ones, and ids of missing ones, by picture.

    trashed: the old paths of those in the trash. names: those that present rows have in each
    folder.
    """

    present: Mapping[str, KnownFile]
    missing: Mapping[str, list[int]]
    trashed: Mapping[str, str]
    names: Mapping[str, Sequence[str]]


def load_known(connection: sqlite3.Connection) -> KnownPictures:
    present: dict[str, KnownFile] = {}
    missing: dict[str, list[int]] = {}
    names: dict[str, list[str]] = {}
    for row in catalog.list_known_files(connection):
        if row.missing_since is None:
            folder, _, name = row.current_path.rpartition("/")
            names.setdefault(folder, []).append(name)
        if not row.media_hash:
            continue  # an older app's row that no index has read yet
        if row.missing_since is None:
            present.setdefault(row.media_hash, row)
        else:
            missing.setdefault(row.media_hash, []).append(row.id)
    trashed = {
        entry.photo.media_hash: entry.original_path
        for entry in trash_rows.list_entries(connection)
        if entry.photo.media_hash
    }
    return KnownPictures(present, missing, trashed, names)


@dataclass(frozen=True, slots=True)
class Planner:
    """Reads sources and holds them against the rows.

    reader: reads files into records. remember: whether hashes are kept for the next time.
    """

    database: Database
    reader: FileIndexer
    remember: bool = True

    def plan(
        self, scan: SourceScan, known: KnownPictures, tell: Callable[[int], None] = lambda _: None
    ) -> ImportPlan:
        """`tell` is told how many files were looked at; what it raises ends the planning."""
        plan = ImportPlan(
            unsupported=dict(scan.unsupported),
            unsupported_bytes=scan.unsupported_bytes,
            problems=list(scan.problems),
            walk_problems=len(scan.problems),
        )
        seen: dict[str, SourceFile] = {}
        by_path = {file.path: file for file in scan.files}
        done = 0
        for batch in self._read(scan.files, known, plan):
            for item in batch:
                plan.files.append(_judge(by_path[item.file.path], item, known, seen, plan))
            done += len(batch)
            tell(done)
        # Those whose hashes were known came first.
        order = {file.path: number for number, file in enumerate(scan.files)}
        plan.files.sort(key=lambda file: order[file.source.path])
        plan.bundles = list(_make_bundles(plan.files))
        return plan

    def _read(
        self, files: Sequence[SourceFile], known: KnownPictures, plan: ImportPlan
    ) -> Iterator[list[IndexedFile]]:
        def find_here(
            hashed: Sequence[tuple[PhotoFile, Hashes]],
        ) -> dict[str, PhotoRecord]:
            """Files whose picture is known to be here need no opening at all."""
            plan.cached += len(hashed)
            here = {file.path: known.present.get(hashes.media_hash) for file, hashes in hashed}
            ids = {path: row.id for path, row in here.items() if row}
            with self.database.reading() as connection:
                photos = catalog.get_photos(connection, ids.values())
            return {
                path: replace(catalog.get_record(photos[key]), current_path=path)
                for path, key in ids.items()
                if key in photos
            }

        reader = replace(self.reader, known_facts=find_here)
        indexed = reader.index_files([file.file for file in files])
        while batch := take_batch(indexed, BATCH_FILES):
            if self.remember:
                self._remember(batch)
            yield batch

    def _remember(self, batch: Sequence[IndexedFile]) -> None:
        read = [item for item in batch if item.record and item.opened and not item.problem]
        if not read:
            return
        with self.database.transaction() as connection:
            self.reader.cache.put_many(
                [
                    (
                        record.current_path,
                        record.mtime_ns,
                        record.file_size,
                        record.ctime_ns,
                        Hashes(record.content_hash, record.media_hash),
                    )
                    for record in (item.record for item in read)
                    if record
                ],
                connection,
            )


def _judge(
    source: SourceFile,
    item: IndexedFile,
    known: KnownPictures,
    seen: dict[str, SourceFile],
    plan: ImportPlan,
) -> PlannedFile:
    if item.problem:
        plan.problems.append(FileProblem(source.shown, item.problem.reason))
    record = item.record
    if record is None:
        reason = item.problem.reason if item.problem else "It cannot be read."
        return PlannedFile(source, Verdict.UNREADABLE, reason=reason)
    here = known.present.get(record.media_hash)
    if here:
        path = here.current_path
        return PlannedFile(source, Verdict.ALREADY_HERE, record, path, beside=path)
    trashed = known.trashed.get(record.media_hash)
    if trashed:
        return PlannedFile(source, Verdict.ALREADY_HERE, record, f"the trash ({trashed})")
    twin = seen.setdefault(record.media_hash, source)
    if twin is not source:
        return PlannedFile(source, Verdict.ALREADY_HERE, record, twin.shown)
    return PlannedFile(source, Verdict.NEW, record)


# -- bundles -----------------------------------------------------------------------------------


def _make_bundles(files: Sequence[PlannedFile]) -> Iterator[Bundle]:
    """The new photos in the order of the sources, each with those that belong to it."""
    read = [file for file in files if file.record]
    facts = [
        PairFile(number, file.source.path, file.record.file_type, file.record.duration_s)
        for number, file in enumerate(read)
        if file.record
    ]
    leaders = find_companions(lambda: facts)
    groups: dict[int, list[PlannedFile]] = {}
    for number, file in enumerate(read):
        leader = leaders.get(number, number)
        group = groups.setdefault(leader, [])
        group.insert(0 if leader == number else len(group), file)
    for group_of in groups.values():
        new = tuple(file for file in group_of if file.verdict == Verdict.NEW)
        if new:
            yield _place(new, group_of)


def _place(new: tuple[PlannedFile, ...], group: Sequence[PlannedFile]) -> Bundle:
    """Beside the part that is in the library already, else by the date of the leader."""
    here = next((file for file in group if file.beside), None)
    if here and here.beside:
        stem = stem_of(os.path.basename(here.source.path))
        return Bundle(new, stem, os.path.dirname(here.beside), here.beside)
    stem = stem_of(os.path.basename(group[0].source.path))
    return Bundle(new, stem, folder_of(group[0].record))


def folder_of(record: PhotoRecord | None) -> str:
    """`2019/2019-07-14`, or where photos without a date go."""
    return day_folder(record.date_taken if record else None)


def day_folder(date_taken: str | None) -> str:
    """The same of a date, ISO 8601."""
    return f"{date_taken[:4]}/{date_taken[:10]}" if date_taken else UNDATED_FOLDER
