"""One edit of one photo, its rating or its date: what has to be written where, and in which order.

A value goes into the photo's own file where that can hold it, else into its sidecar, else
beside the library. Whatever says one already is kept in step, in an order in which a crash
leaves the wish or the state before, and never a third thing.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import rating_rows
import write_journal
from catalog import Photo
from edit_recovery import EditParts, EditRecovery, bring_row
from edit_wishes import Changes, Tags, Wish
from edit_writes import EditWrites
from errors import (
    EditOvertakenError,
    EditRefusedError,
    FileProblem,
    NotWritableError,
    PictureError,
)
from exiftool_process import ExifTool
from file_indexer import find_file
from file_operations import (
    SIDECAR_SUFFIX,
    TAGS_ONLY,
    BeforeReplace,
    CopyReport,
    KnownHashes,
    Original,
    PictureReading,
    Replaced,
    check_copy,
    extract_metadata_batch,
    list_missing_blocks,
    read_picture,
    refuse_unwritable,
    remove_file,
    sync_folder,
    write_bytes,
    write_tags,
)
from hash_cache import Hashes
from media_types import NEWEST_EXIFTOOL, rating_tags_of
from metadata import TagValue
from settings_values import WritePolicy
from sidecar_file import Sidecar, read_sidecar, restore_tags
from write_journal import Edit, EditKind, EditState, Place
from xmp_editor import edit_xmp, is_bare

log = logging.getLogger(__name__)

_ASIDE: Final = (
    "the setting says that photos stay as they are, and what is said of them goes into sidecars."
)
_WHOLE_FILE: Final = "file:"  # the method of a `media_hash` where no picture was found


class EditRun:
    """One edit of one photo, under the lock."""

    def __init__(
        self,
        parts: EditParts,
        recovery: EditRecovery,
        photo: Photo,
        wish: Wish,
        operation_id: str | None,
    ) -> None:
        self._parts = parts
        self._photo = photo
        self._wish = wish
        self._writes = EditWrites(parts, recovery, photo, wish, operation_id)
        self._policy = parts.write_policy()
        self._taken_back = False
        self._replaced: Replaced | None = None
        self._path = parts.places.locate(Place.FILE, photo.current_path)
        self._reading = self._read()
        self._sidecar = self._find_sidecar()

    @property
    def edit_id(self) -> int | None:
        """The entry of this edit in the journal, None while nothing had to be written."""
        return self._writes.edit_id

    def perform(self, taken_back: Sequence[Edit], *, is_undo: bool) -> None:
        """Write whatever has to be written; `taken_back`: the entries of an edit to restore."""
        self._taken_back = bool(taken_back)
        if taken_back:
            self._writes.undoes = taken_back[0].id if is_undo else None
            try:
                self._take_back(taken_back)
                return
            except NotWritableError as error:
                if self._wish.kind == EditKind.DATE:
                    raise  # what else dated the photo cannot be told from here
                self._writes.reason = error.message
                self._taken_back = False
        if self._policy is WritePolicy.SIDECAR:
            self._keep_elsewhere()
            self._forget_in_row()
            return
        try:
            if self._wish.is_said_by(self._sidecar.tags):
                self._change_sidecar(hides=False)
            elif self._policy is WritePolicy.BOTH:
                self._copy_into_sidecar()
            self._change_file(self._wish.plan_file)
        except NotWritableError as error:
            self._writes.reason = error.message
            self._keep_elsewhere()
        else:
            self._leave_beside()
        self._forget_in_row()

    def _forget_in_row(self) -> None:
        """Where a rating is taken away that the database alone holds, its row is what changes."""
        rated = self._wish.kind == EditKind.RATING
        if rated and self._photo.kept_in == Place.DATABASE and self._wish.rating is None:
            self._writes.change_row(None, None)

    # -- what the photo says now ---------------------------------------------------------------

    def _read(self) -> PictureReading:
        photo = self._photo
        stamps = (photo.file_size, photo.mtime_ns, photo.ctime_ns)
        known = KnownHashes(photo.content_hash, photo.media_hash, stamps)
        reading: PictureReading = self._parts.pool.run(read_picture, self._path, None, known)
        if reading.media_hash is None or reading.content_hash is None or reading.stat is None:
            reason = reading.problem or "The file cannot be read."
            raise EditRefusedError(f"{photo.current_path}: {reason}")
        if reading.media_hash != photo.media_hash:
            raise EditRefusedError(
                f"{photo.current_path} holds another picture than when it was indexed. Update the "
                "index, and look again."
            )
        return reading

    def _find_sidecar(self) -> Sidecar:
        try:
            file = find_file(self._parts.places.root, self._photo.current_path)
        except OSError as error:
            raise EditRefusedError(
                f"{self._photo.current_path} is not there now: {error.strerror or error}."
            ) from error
        path = file.sidecar.path if file.sidecar else self._photo.current_path + SIDECAR_SUFFIX
        if file.sidecar is None:
            return Sidecar(Place.SIDECAR, path, None, None, {})
        return read_sidecar(Place.SIDECAR, path, self._parts.places.locate(Place.SIDECAR, path))

    # -- the three places ----------------------------------------------------------------------

    def _change_file(
        self,
        plan: Callable[[Tags, str, tuple[int, int]], Changes | None],
        *,
        may_lose: Sequence[str] = (),
    ) -> None:
        """Write into the photo's own file. Raises `NotWritableError` where it cannot hold it."""
        exiftool, reading = self._parts.exiftool(), self._reading
        assert reading.file_type is not None
        version = exiftool.number if exiftool else (0, 0)
        taken = rating_tags_of(reading.file_type, version)
        damaged = reading.problem or (reading.media_hash or "").startswith(_WHOLE_FILE)
        if not exiftool or not taken or damaged:
            if self._wish.is_met_without_file(self._photo, reading):
                return
            raise NotWritableError(_say_why(self._photo, reading, exiftool))
        tags = self._read_every_tag(exiftool)
        changes = plan(tags, reading.file_type, version)
        if not changes:
            return
        self._refuse_by_policy()
        stamps = refuse_unwritable(self._path)
        stat = reading.stat
        assert stat is not None
        if stamps[1:] != (stat.size, stat.mtime_ns, stat.ctime_ns):
            raise EditRefusedError(f"{self._photo.current_path} changes just now. Try again.")
        original = Original(
            path=self._path,
            file_type=reading.file_type,
            content_hash=str(reading.content_hash),
            media_hash=str(reading.media_hash),
            stamps=stamps,
            tags=tags,
        )

        def write(temporary: str, before_replace: BeforeReplace) -> None:
            self._replaced = write_tags(
                original,
                changes,
                temporary,
                exiftool=exiftool,
                check_copy=partial(self._check_copy, exiftool),
                before_replace=before_replace,
                may_lose=may_lose,
            )

        planned = self._writes.plan(Place.FILE, self._photo.current_path, tags, changes)
        self._writes.write(
            replace(planned, made_blocks=list_missing_blocks(tags)),
            content_hash=original.content_hash,
            write=write,
        )

    def _refuse_by_policy(self) -> None:
        if self._policy is WritePolicy.SIDECAR:
            raise NotWritableError(f"{self._photo.current_path} is not written into: {_ASIDE}")

    def _check_copy(
        self, exiftool: ExifTool, original: str, copy: str, file_type: str
    ) -> CopyReport:
        """Compare both in a worker; and read the copy as the index will read the photo."""
        report: CopyReport = self._parts.pool.run(check_copy, original, copy, file_type)
        reading: PictureReading = self._parts.pool.run(read_picture, copy, None, TAGS_ONLY)
        facts = extract_metadata_batch(
            [copy],
            exiftool=exiftool,
            readings=[reading],
            time_zone=self._parts.indexer().time_zone,
        )[copy]
        restored = self._taken_back
        if isinstance(facts, FileProblem) or not (restored or self._wish.is_read_back(facts)):
            raise NotWritableError(
                f"{self._photo.current_path}: what was written is not read back as it should."
            )
        return report

    def _keep_elsewhere(self) -> None:
        """The file cannot hold it: its sidecar does, or what lies beside the library."""
        hides = not self._wish.is_met_without_file(self._photo, self._reading)
        try:
            self._change_sidecar(hides=hides)
        except NotWritableError as error:
            self._writes.reason = " ".join(filter(None, (self._writes.reason, error.message)))
            said = self._wish.is_said_by(self._sidecar.tags)
            beside = self._read_beside()
            changes = self._wish.plan_sidecar(beside.tags, hides or said)
            if changes:
                self._make_beside_folder()
            self._write_sidecar(beside, changes)
        else:
            self._leave_beside()

    def _copy_into_sidecar(self) -> None:
        """What the file is to say as well; where no sidecar can be written the file says it."""
        try:
            self._change_sidecar(hides=False)
        except NotWritableError as error:
            self._writes.reason = error.message

    def _change_sidecar(self, *, hides: bool) -> None:
        changes = self._wish.plan_sidecar(self._sidecar.tags, hides)
        self._write_sidecar(self._sidecar, changes)
        self._sidecar = self._find_sidecar()

    def _read_beside(self) -> Sidecar:
        """What lies beside the library, for this picture wherever it lies."""
        store = self._parts.places.beside
        name = store.name(self._photo.media_hash)
        return read_sidecar(Place.BESIDE, name, str(store.path(name)))

    def _leave_beside(self) -> None:
        """The photo's own places hold the value now."""
        beside = self._read_beside()
        self._write_sidecar(beside, self._wish.plan_leave(beside.tags))

    def _make_beside_folder(self) -> None:
        folder = self._parts.places.beside.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(str(folder.parent))
        except OSError as error:
            raise EditRefusedError(
                f"{self._writes.reason} Nothing can be kept in {folder} either: {error.strerror}."
            ) from error

    def _write_sidecar(self, sidecar: Sidecar, changes: Mapping[str, TagValue | None]) -> None:
        """Change a sidecar, make it, or take away one that this app made and that says no more."""
        if not changes:
            return
        path = self._parts.places.locate(sidecar.place, sidecar.path)
        if sidecar.damage:
            raise NotWritableError(f"{sidecar.path} cannot be changed: {sidecar.damage}.")
        try:
            texts = {tag: None if v is None else str(v) for tag, v in changes.items()}
            data = edit_xmp(sidecar.data, texts)
        except ValueError as error:
            raise NotWritableError(f"{sidecar.path} cannot be changed: {error}.") from error
        if len(os.fsencode(os.path.basename(path))) > 255:
            raise NotWritableError(f"The name of {sidecar.path} would be too long.")
        removed = sidecar.stamps is not None and is_bare(data) and self._is_ours(sidecar)

        def write(temporary: str, before_replace: BeforeReplace) -> None:
            if removed:
                assert sidecar.stamps is not None
                remove_file(path, stamps=sidecar.stamps, before_removal=before_replace)
            else:
                write_bytes(
                    path, data, temporary, stamps=sidecar.stamps, before_replace=before_replace
                )

        plan = self._writes.plan(sidecar.place, sidecar.path, sidecar.tags, changes)
        plan = replace(
            plan,
            before=replace(plan.before, exists=sidecar.stamps is not None),
            after=replace(plan.after, exists=not removed),
        )
        self._writes.write(plan, content_hash=sidecar.content_hash, write=write)

    def _is_ours(self, sidecar: Sidecar) -> bool:
        if sidecar.place == Place.BESIDE:
            return True
        with self._parts.database.reading() as connection:
            return write_journal.has_made(connection, sidecar.path)

    # -- taking back ---------------------------------------------------------------------------

    def _take_back(self, entries: Sequence[Edit]) -> None:
        """Restore what stood before an edit, in each place that it wrote."""
        if any(entry.place == Place.FILE for entry in entries):
            self._refuse_by_policy()
        if len(entries) > 1:
            # One that was overtaken must stop all of them, before the first is written.
            for entry in entries:
                restore_tags(entry, self._read_tags_in(entry))
        in_row = [entry for entry in entries if entry.place == Place.DATABASE]
        now = self._photo.rating, self._photo.kept_in
        if any((entry.after.rating, entry.after.kept_in) != now for entry in in_row):
            raise EditOvertakenError(f"The rating of {self._photo.current_path} is another now.")
        for entry in reversed(entries):
            if entry.place == Place.FILE:
                self._change_file(partial(_plan_to_restore, entry), may_lose=entry.made_blocks)
            elif entry.place != Place.DATABASE:
                sidecar = self._read_sidecar_of(entry)
                self._write_sidecar(sidecar, restore_tags(entry, sidecar.tags))
        before = entries[0].before
        in_database = before.kept_in == Place.DATABASE or (in_row and before.kept_in is None)
        if in_database and self._wish.kind == EditKind.RATING:
            self._writes.change_row(before.rating, before.kept_in)

    def _read_sidecar_of(self, entry: Edit) -> Sidecar:
        path = self._parts.places.locate(entry.place, entry.path)
        return read_sidecar(entry.place, entry.path, path)

    def _read_tags_in(self, entry: Edit) -> Mapping[str, TagValue]:
        """What the file of an entry says now."""
        if entry.place == Place.DATABASE:
            return {}
        if entry.place != Place.FILE:
            return self._read_sidecar_of(entry).tags
        exiftool = self._parts.exiftool()
        if exiftool is None:
            raise NotWritableError(_say_why(self._photo, self._reading, None))
        return self._read_every_tag(exiftool)

    def _read_every_tag(self, exiftool: ExifTool) -> Mapping[str, TagValue]:
        try:
            return exiftool.read_every_tag(self._path)
        except PictureError as error:
            raise NotWritableError(f"{self._photo.current_path}: {error.message}") from error

    # -- the end -------------------------------------------------------------------------------

    def finish(self) -> None:
        """End the entries, and bring the rows of this picture to what the files say now."""
        if not self._writes.written and self._writes.row_values is None:
            return
        parts, photo = self._parts, self._photo
        with parts.database.reading() as connection:
            entries = [write_journal.get_edit(connection, key) for key in self._writes.written]
            copies = rating_rows.list_with_picture(connection, photo.media_hash)
        beside = any(entry.place == Place.BESIDE for entry in entries)
        if self._replaced:
            self._keep_hashes(self._replaced)

        def end(connection: sqlite3.Connection) -> None:
            for key in self._writes.written:
                write_journal.finish(connection, key, EditState.DONE)
            if self._writes.row_values is not None:
                rating_rows.set_rating(connection, photo.id, *self._writes.row_values)

        bring_row(parts, photo.id, end, self._replaced.stamps[1:] if self._replaced else None)
        for other in copies if beside else ():
            if other != photo.id:
                bring_row(parts, other)

    def _keep_hashes(self, replaced: Replaced) -> None:
        """We know what we have just written: it need not be read again for its hashes."""
        _, size, mtime_ns, ctime_ns = replaced.stamps
        hashes = Hashes(replaced.content_hash, self._photo.media_hash)
        path = self._photo.current_path
        self._parts.cache.put(path, mtime_ns, size, ctime_ns, hashes, own_write=True)


def _plan_to_restore(entry: Edit, tags: Tags, _file_type: str, _exiftool: object) -> Changes:
    return restore_tags(entry, tags)


def _say_why(photo: Photo, reading: PictureReading, exiftool: ExifTool | None) -> str:
    """Why nothing is written into a photo's own file."""
    if reading.problem:
        return f"{photo.current_path} is not written into: {reading.problem}"
    if exiftool is None:
        return "ExifTool is not installed, so nothing is written into photos themselves."
    if (reading.media_hash or "").startswith(_WHOLE_FILE) and rating_tags_of(
        photo.file_type, NEWEST_EXIFTOOL
    ):
        return f"{photo.current_path} is damaged, and is not written into."
    return f"{photo.file_type.upper()} files are not written into with this ExifTool."
