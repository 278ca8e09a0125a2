"""Import: photos from folders and uploads into the library, each once, by verified copies.

The index is brought up to date first, so that what a killed import copied without writing its
row is here already, and so is what a person copied by hand. Then the sources are held against
the rows, and what is new is copied in batches: files first, then their rows and the checkpoint
in one transaction. Resumed, it does the same again and finds less to do.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import catalog
from catalog import PhotoRecord
from db import Database
from errors import (
    CopyFailedError,
    DiskFullError,
    FileProblem,
    InvalidRequestError,
    LibraryError,
    NotFoundError,
    NotWritableError,
    SourceGoneError,
)
from file_indexer import FileIndexer, remember_read
from file_operations import stat_file
from hash_cache import Hashes
from import_naming import FolderNames, same_bytes, stem_of
from import_plan import Bundle, ImportPlan, KnownPictures, PlannedFile, Planner, Verdict, load_known
from import_sources import Source, keep_within, name_sources, refuse_gone, scan_sources
from index_plan import PhotoFile
from library_sync import Indexer
from operation_runner import OperationContext, OperationStopped
from operation_state import CheckpointHelper
from pair_rows import pair_photos
from upload_store import UploadStore
from verified_copy import VerifiedCopy, copy_verified, make_folder

BATCH_FILES: Final = 100
BATCH_S: Final = 5.0
_BROUGHT: Final = "brought"
OWNER: Final = "lightkeep-import"
"""In the hidden names of unfinished copies. One process imports into a library at a time, so
what bears it when an import begins was left by a dead one."""


@dataclass(frozen=True, slots=True)
class PhotoImport:
    """Imports into one library.

    make_reader: what reads files into records, given what it shall call while it waits.
    """

    root: Path
    data_dir: Path
    database: Database
    indexer: Indexer
    make_reader: Callable[[Callable[[], None]], FileIndexer]
    uploads: UploadStore

    def check(self, sources: Sequence[str], upload: str | None, roots: Sequence[Path]) -> list[str]:
        """The sources without links, all of them within `roots`; see `Library.check_sources`."""
        inside = keep_within(sources, roots)
        self._name(inside, upload)
        return inside

    def plan(
        self,
        sources: Sequence[str],
        upload: str | None = None,
        *,
        remember: bool = True,
        tell: Callable[[int, int | None], None] = lambda _, __: None,
    ) -> ImportPlan:
        """What an import would do; nothing is written but, where `remember`, hashes.

        tell: told how many files were found, then how many of how many were looked at; called
        often, and what it raises ends the planning.
        Raises `InvalidRequestError`, `SourceGoneError`, `NotFoundError` for an upload.
        """
        named = self._name(sources, upload)
        with self.database.reading() as connection:
            known = load_known(connection)
        scan = scan_sources(named, skip=self.skip, tell=lambda found: tell(found, None))
        looked, total = [0], len(scan.files)

        def tell_read(done: int) -> None:
            looked[0] = done
            tell(done, total)

        reader = self.make_reader(lambda: tell(looked[0], total))
        return Planner(self.database, reader, remember).plan(scan, known, tell_read)

    def run(
        self, context: OperationContext, sources: Sequence[str], upload: str | None
    ) -> dict[str, Any]:
        """The deed of `import_photos`; resumed, it leaves what it has done alone.

        Raises as `plan`, `BrakeError`, `DiskFullError` and `SourceGoneError`, which say what is
        done and what is left; with room made or the card back, it goes on from there.
        """
        staged: set[str] = set()
        if upload is not None:
            try:
                staged = {file.id for file in self.uploads.list_files(upload)}
            except NotFoundError:
                if not context.checkpoint.state.get(_BROUGHT):
                    raise
                upload = None  # killed between its last photo and its report
        named = self._name(sources, upload) if sources or upload is not None else []
        return _ImportRun(self, context, named, upload, staged).execute()

    @property
    def skip(self) -> tuple[Path, ...]:
        """What no source may bring: the library itself."""
        return (self.root, self.data_dir)

    def _name(self, sources: Sequence[str], upload: str | None) -> list[Source]:
        if not sources and upload is None:
            raise InvalidRequestError("Name folders or an upload to import from.")
        named = name_sources(sources, self.root, self.data_dir)
        if upload is not None:
            files = self.uploads.files_folder(upload)
            # Each folder for itself, so that its files are shown by their names alone.
            named += [Source(str(path), "") for path in sorted(files.iterdir())]
        return named


@dataclass(frozen=True, slots=True)
class _QuietObserver:
    """Watches the index before an import: its problems are not the import's."""

    context: OperationContext

    @property
    def checkpoint(self) -> CheckpointHelper:
        return self.context.checkpoint

    def report_progress(self, *, phase: str, done: int = 0, total: int | None = None) -> None:
        self.context.report_progress(phase=phase, done=done, total=total)

    def add_problem(self, problem: FileProblem) -> None:
        """They stand in the report of the next Update Index."""

    def check(self) -> None:
        self.context.check()


@dataclass(frozen=True, slots=True)
class _Copied:
    """A photo in its place in the library, its row not yet written; paths relative to it."""

    planned: PlannedFile
    path: str
    sidecar: str | None
    content_hash: str


@dataclass(slots=True)
class _Tally:
    """How far a run is. copied: with or without their rows."""

    total: int = 0
    copied: int = 0
    added: int = 0
    problems: list[FileProblem] = field(default_factory=list)


class _ImportRun:
    """One run of the deed."""

    def __init__(
        self,
        parts: PhotoImport,
        context: OperationContext,
        sources: Sequence[Source],
        upload: str | None,
        staged: Collection[str],
    ) -> None:
        self._parts = parts
        self._context = context
        self._sources = sources
        self._upload = upload
        self._staged = staged
        self._started_at = datetime.now(UTC).isoformat(timespec="microseconds")
        self._tally = _Tally()
        self._folders: dict[str, FolderNames] = {}
        self._known = KnownPictures({}, {}, {}, {})

    def execute(self) -> dict[str, Any]:
        started = time.monotonic()
        root = self._parts.root
        if not os.access(root, os.W_OK):
            raise NotWritableError(f"{root} is read-only: nothing can be imported into it.")
        self._parts.indexer.update(_QuietObserver(self._context))
        plan = self._make_plan()
        try:
            self._copy_all(plan)
        except (DiskFullError, SourceGoneError) as error:
            raise type(error)(f"{error.message} {self._say_how_far()}") from error
        with self._parts.database.transaction() as connection:
            pair_photos(connection)
            self._context.checkpoint.state[_BROUGHT] = True
            self._context.checkpoint.save(connection)
        self._end_upload()
        return self._report(plan, time.monotonic() - started)

    def _make_plan(self) -> ImportPlan:
        context, parts = self._context, self._parts

        def tell_walk(found: int) -> None:
            context.report_progress(phase="look", done=found)
            context.check()

        scan = scan_sources(self._sources, skip=parts.skip, tell=tell_walk)
        total = len(scan.files)

        def tell_read(done: int) -> None:
            context.report_progress(phase="compare", done=done, total=total)
            context.check()

        with parts.database.reading() as connection:
            self._known = load_known(connection)
        context.checkpoint.begin_phase("compare", total)
        planner = Planner(parts.database, parts.make_reader(context.check))
        plan = planner.plan(scan, self._known, tell_read)
        for source in self._sources:
            refuse_gone(source)  # else all that could not be read would be blamed one by one
        for problem in plan.problems:
            self._add_problem(problem)
        return plan

    def _copy_all(self, plan: ImportPlan) -> None:
        self._tally.total = plan.count(Verdict.NEW)
        self._context.checkpoint.begin_phase("copy", self._tally.total)
        self._forget_staged(f for f in plan.files if f.verdict == Verdict.ALREADY_HERE)
        waiting = list(reversed(plan.bundles))
        while waiting:
            copied: list[_Copied] = []
            ends = time.monotonic() + BATCH_S
            try:
                while waiting and len(copied) < BATCH_FILES and time.monotonic() < ends:
                    if copied and len(copied) + len(waiting[-1].files) > BATCH_FILES:
                        break
                    self._copy_bundle(waiting.pop(), copied)
            except (OperationStopped, LibraryError):
                # What has its name gets its row, if the disk still takes one.
                with contextlib.suppress(LibraryError, sqlite3.Error):
                    self._write_rows(copied)
                raise
            self._write_rows(copied)
        self._tell(self._tally.copied)

    # -- files ---------------------------------------------------------------------------------

    def _copy_bundle(self, bundle: Bundle, copied: list[_Copied]) -> None:
        try:
            folder = make_folder(self._parts.root, bundle.folder)
            names = self._names_in(bundle.folder, folder)
            targets = names.choose(
                bundle.names,
                bundle.stem,
                sidecars=bundle.sidecars,
                beside=stem_of(os.path.basename(bundle.beside)) if bundle.beside else None,
            )
        except CopyFailedError as error:
            for planned in bundle.files:
                self._give_up(planned, error)
            return
        for planned in bundle.files:
            self._tell(self._tally.copied)
            self._context.check()
            try:
                copied.append(self._copy_one(planned, bundle.folder, folder, targets))
            except CopyFailedError as error:
                for source in self._sources:
                    refuse_gone(source)
                self._give_up(planned, error)
                continue
            self._tally.copied += 1
        for name in targets.values():
            names.add(name)

    def _copy_one(
        self, planned: PlannedFile, relative: str, folder: str, targets: Mapping[str, str]
    ) -> _Copied:
        """The sidecar first: a photo that has its name has all that belongs to it."""
        assert planned.record is not None
        file = planned.source.file
        prefix = f"{relative}/" if relative else ""
        sidecar, made = None, False
        if file.sidecar:
            wanted = targets[os.path.basename(file.sidecar.path)]
            made = not same_bytes(file.sidecar.path, os.path.join(folder, wanted))
            if made:
                wanted = self._copy(file.sidecar.path, folder, wanted).name
            sidecar = wanted
        try:
            photo = self._copy(
                file.path, folder, targets[os.path.basename(file.path)], planned.record.content_hash
            )
        except CopyFailedError:
            if made and sidecar:
                os.unlink(os.path.join(folder, sidecar))
            raise
        return _Copied(
            planned, prefix + photo.name, prefix + sidecar if sidecar else None, photo.content_hash
        )

    def _copy(
        self, source: str, folder: str, name: str, content_hash: str | None = None
    ) -> VerifiedCopy:
        return copy_verified(
            source,
            folder,
            name,
            owner=OWNER,
            content_hash=content_hash,
            check=self._context.check,
        )

    def _names_in(self, relative: str, folder: str) -> FolderNames:
        names = self._folders.get(relative)
        if names is None:
            names = FolderNames(folder, self._known.names.get(relative, ()), OWNER)
            self._folders[relative] = names
        return names

    # -- rows ----------------------------------------------------------------------------------

    def _write_rows(self, copied: Sequence[_Copied]) -> None:
        """The rows of what was copied, through the one function, with the checkpoint."""
        if not copied:
            return
        parts, checkpoint = self._parts, self._context.checkpoint
        files = [
            PhotoFile(
                stat_file(parts.root, one.path),
                stat_file(parts.root, one.sidecar) if one.sidecar else None,
            )
            for one in copied
        ]
        own = [
            (
                file.path,
                file.stat.mtime_ns,
                file.stat.size,
                file.stat.ctime_ns,
                Hashes(one.content_hash, one.planned.record.media_hash),
            )
            for file, one in zip(files, copied, strict=True)
            if one.planned.record
        ]
        with parts.database.transaction() as connection:
            parts.indexer.cache.put_many(own, connection, own_write=True)
        # Not to be stopped: the files have their names already.
        items = list(parts.make_reader(lambda: None).index_files(files))
        with parts.database.transaction() as connection:
            added = self._add_rows(connection, [item.record for item in items if item.record])
            remember_read(connection, parts.indexer.cache, items)
            parts.indexer.cache.put_many(own, connection, own_write=True)
            checkpoint.advance(len(copied), sum(file.stat.size for file in files))
            checkpoint.save(connection)
        self._tally.added += added
        for item in items:
            if item.record is None and item.problem:
                self._add_problem(item.problem)
        self._forget_staged(one.planned for one in copied)

    def _add_rows(self, connection: sqlite3.Connection, records: Sequence[PhotoRecord]) -> int:
        """New rows; a photo whose row was missing gets that one back."""
        new, back = [], {}
        for record in records:
            missing = self._known.missing.get(record.media_hash)
            if missing:
                back[missing.pop(0)] = record
            else:
                new.append(record)
        catalog.update_photos(connection, back)
        catalog.insert_photos(connection, new, self._started_at)
        return len(records)

    # -- telling -------------------------------------------------------------------------------

    def _tell(self, done: int) -> None:
        self._context.report_progress(phase="copy", done=done, total=self._tally.total)

    def _give_up(self, planned: PlannedFile, error: CopyFailedError) -> None:
        self._add_problem(FileProblem(planned.source.shown, error.message))

    def _add_problem(self, problem: FileProblem) -> None:
        self._tally.problems.append(problem)
        self._context.add_problem(problem)

    def _say_how_far(self) -> str:
        tally = self._tally
        left = tally.total - tally.copied - len(tally.problems)
        return (
            f"{tally.copied:,} of {tally.total:,} new photos are imported, {max(left, 0):,} are "
            "left; resumed, the import goes on with them."
        )

    def _forget_staged(self, planned: Iterable[PlannedFile]) -> None:
        """Staged files that are in the library now are no longer needed."""
        if self._upload is not None:
            files = [one.source.file for one in planned]
            paths = [file.path for file in files]
            paths += [file.sidecar.path for file in files if file.sidecar]
            self._parts.uploads.remove(self._upload, paths)

    def _end_upload(self) -> None:
        if self._upload is not None:
            folder = str(self._parts.uploads.files_folder(self._upload))
            self._parts.uploads.finish(self._upload, self._staged)
            self._parts.indexer.cache.cleanup(lambda path: not path.startswith(f"{folder}/"))

    def _report(self, plan: ImportPlan, seconds: float) -> dict[str, Any]:
        here = plan.count(Verdict.ALREADY_HERE)
        return {
            "found": len(plan.files),
            "added": self._tally.added,
            **dict.fromkeys(("changed", "moved", "missing"), 0),
            "unchanged": here,
            "already_here": here,
            "cached": plan.cached,
            "unsupported": plan.count(Verdict.UNSUPPORTED),
            "unreadable": plan.count(Verdict.UNREADABLE),
            "bytes": plan.measure(Verdict.NEW),
            "files": plan.list_files(Verdict.ALREADY_HERE),
            "problems": [{"path": p.path, "reason": p.reason} for p in self._tally.problems],
            "seconds": round(seconds, 3),
            "cache": self._parts.indexer.cache.statistics.as_dict(),
        }
