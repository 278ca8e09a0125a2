"""One edit of one photo's rating: what has to be written where, and in which order.

A rating goes into the photo's own file where that can hold it, else into its sidecar, else
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
from errors import (
    EditOvertakenError,
    EditRefusedError,
    LibraryError,
    NotWritableError,
    PictureError,
)
from exiftool_process import ExifTool
from file_indexer import find_file
from file_operations import (
    SIDECAR_SUFFIX,
    BeforeReplace,
    KnownHashes,
    Original,
    PictureReading,
    Replaced,
    check_copy,
    name_temporary,
    read_picture,
    refuse_unwritable,
    remove_file,
    sync_folder,
    write_bytes,
    write_tags,
)
from hash_cache import Hashes
from media_types import NEWEST_EXIFTOOL, XMP_RATING, rating_tags_of
from metadata import TagValue, plan_rating_tags, read_rating
from sidecar_file import Sidecar, read_sidecar, restore_tags
from write_journal import Edit, EditState, Place, PlannedEdit, Values
from xmp_editor import edit_xmp, is_bare

log = logging.getLogger(__name__)

_WHOLE_FILE: Final = "file:"  # the method of a `media_hash` where no picture was found


class EditRun:
    """One edit of one photo, under the lock."""

    def __init__(
        self,
        parts: EditParts,
        recovery: EditRecovery,
        photo: Photo,
        rating: int | None,
        operation_id: str | None,
    ) -> None:
        self.edit_id: int | None = None
        self._parts = parts
        self._recovery = recovery
        self._photo = photo
        self._rating = rating
        self._operation_id = operation_id
        self._undoes: int | None = None
        self._reason: str | None = None
        self._written: list[int] = []
        self._replaced: Replaced | None = None
        self._after_in_rows: tuple[int | None, str | None] | None = None
        self._path = parts.places.locate(Place.FILE, photo.current_path)
        self._reading = self._read()
        self._sidecar = self._find_sidecar()

    def perform(self, taken_back: Sequence[Edit]) -> None:
        """Write whatever has to be written; `taken_back`: the entries of an edit to restore."""
        if taken_back:
            self._undoes = taken_back[0].id
            try:
                self._take_back(taken_back)
                return
            except NotWritableError as error:
                self._reason = error.message
        try:
            if self._sidecar.rating is not None:
                self._change_sidecar(self._rating)
            self._change_file(self._plan_file)
        except NotWritableError as error:
            self._reason = error.message
            self._keep_elsewhere()
        else:
            self._change_beside(None)
        if self._photo.kept_in == Place.DATABASE and self._rating is None:
            self._change_row(None, None)

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

    def _file_says(self) -> bool:
        """Whether the file itself may hold a rating, whatever its sidecar says."""
        if read_rating(self._reading.tags or {}) or self._reading.unsure:
            return True
        return self._photo.kept_in == Place.FILE

    # -- the three places ----------------------------------------------------------------------

    def _change_file(
        self,
        plan: Callable[[Mapping[str, TagValue], Sequence[str]], Mapping[str, TagValue | None]],
        *,
        may_lose_exif: bool = False,
    ) -> None:
        """Write into the photo's own file. Raises `NotWritableError` where it cannot hold it."""
        exiftool, reading = self._parts.exiftool(), self._reading
        assert reading.file_type is not None
        taken = rating_tags_of(reading.file_type, exiftool.number) if exiftool else ()
        damaged = reading.problem or (reading.media_hash or "").startswith(_WHOLE_FILE)
        if not exiftool or not taken or damaged:
            if self._rating is None and not self._file_says():
                return
            raise NotWritableError(_say_why(self._photo, reading, exiftool))
        tags = self._read_every_tag(exiftool)
        changes = plan(tags, taken)
        if not changes:
            return
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
                check_copy=lambda *names: self._parts.pool.run(check_copy, *names),
                before_replace=before_replace,
                may_lose_exif=may_lose_exif,
            )

        planned = self._make_plan(Place.FILE, self._photo.current_path, tags, changes)
        has_exif = any(tag.startswith("IFD0:") for tag in tags)
        self._write(
            replace(planned, made_exif=not has_exif),
            content_hash=original.content_hash,
            write=write,
        )

    def _plan_file(
        self, tags: Mapping[str, TagValue], taken: Sequence[str]
    ) -> Mapping[str, TagValue | None]:
        return plan_rating_tags(tags, self._rating, taken)

    def _keep_elsewhere(self) -> None:
        """The file cannot hold it: its sidecar does, or what lies beside the library."""
        rating = 0 if self._rating is None and self._file_says() else self._rating
        try:
            self._change_sidecar(rating)
        except NotWritableError as error:
            self._reason = f"{self._reason} {error.message}"
            said = self._sidecar.rating is not None
            self._change_beside(0 if self._rating is None and said else rating)
        else:
            self._change_beside(None)

    def _change_sidecar(self, rating: int | None) -> None:
        taken = () if rating is None else (XMP_RATING,)
        self._write_sidecar(self._sidecar, plan_rating_tags(self._sidecar.tags, rating, taken))
        self._sidecar = self._find_sidecar()

    def _change_beside(self, rating: int | None) -> None:
        """What lies beside the library, for this picture wherever it lies."""
        store = self._parts.places.beside
        name = store.name(self._photo.media_hash)
        found = read_sidecar(Place.BESIDE, name, str(store.path(name)))
        taken = () if rating is None else (XMP_RATING,)
        changes = plan_rating_tags(found.tags, rating, taken)
        if changes and rating is not None:
            try:
                store.folder.mkdir(parents=True, exist_ok=True)
                sync_folder(str(store.folder.parent))
            except OSError as error:
                raise EditRefusedError(
                    f"{self._reason} Nothing can be kept in {store.folder} either: "
                    f"{error.strerror}."
                ) from error
        self._write_sidecar(found, changes)

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

        plan = self._make_plan(sidecar.place, sidecar.path, sidecar.tags, changes)
        plan = replace(
            plan,
            before=replace(plan.before, exists=sidecar.stamps is not None),
            after=replace(plan.after, exists=not removed),
        )
        self._write(plan, content_hash=sidecar.content_hash, write=write)

    def _is_ours(self, sidecar: Sidecar) -> bool:
        if sidecar.place == Place.BESIDE:
            return True
        with self._parts.database.reading() as connection:
            return write_journal.has_made(connection, sidecar.path)

    def _change_row(self, rating: int | None, kept_in: str | None) -> None:
        """A rating that the database alone holds."""
        photo = self._photo
        plan = PlannedEdit(
            photo_id=photo.id,
            path=photo.current_path,
            place=Place.DATABASE,
            before=Values(photo.rating, photo.kept_in, {}),
            after=Values(rating, kept_in, {}),
            operation_id=self._operation_id,
            main_id=self.edit_id,
            undoes=self._undoes if self.edit_id is None else None,
        )
        with self._parts.database.transaction() as connection:
            entry_id = write_journal.plan(connection, plan)
            write_journal.finish(connection, entry_id, EditState.DONE)
            rating_rows.set_rating(connection, photo.id, rating, kept_in)
        self.edit_id = self.edit_id or entry_id
        self._after_in_rows = (rating, kept_in)

    # -- taking back ---------------------------------------------------------------------------

    def _take_back(self, entries: Sequence[Edit]) -> None:
        """Restore what stood before an edit, in each place that it wrote."""
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
                self._change_file(partial(_restore, entry), may_lose_exif=entry.made_exif)
            elif entry.place != Place.DATABASE:
                sidecar = self._read_sidecar_of(entry)
                self._write_sidecar(sidecar, restore_tags(entry, sidecar.tags))
        before = entries[0].before
        if before.kept_in == Place.DATABASE or (in_row and before.kept_in is None):
            self._change_row(before.rating, before.kept_in)

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

    # -- journal -------------------------------------------------------------------------------

    def _make_plan(
        self,
        place: Place,
        path: str,
        tags: Mapping[str, TagValue],
        changes: Mapping[str, TagValue | None],
    ) -> PlannedEdit:
        photo = self._photo
        absolute = self._parts.places.locate(place, path)
        folder = path.rpartition("/")[0]
        temporary = os.path.basename(name_temporary(absolute))
        return PlannedEdit(
            photo_id=photo.id,
            path=path,
            place=place,
            before=Values(photo.rating, photo.kept_in, {tag: tags.get(tag) for tag in changes}),
            after=Values(self._rating, place, dict(changes)),
            temporary_path=f"{folder}/{temporary}" if folder else temporary,
            media_hash=photo.media_hash,
            operation_id=self._operation_id,
            main_id=self.edit_id,
            undoes=self._undoes if self.edit_id is None else None,
            reason=self._reason,
        )

    def _write(
        self,
        plan: PlannedEdit,
        *,
        content_hash: str | None,
        write: Callable[[str, BeforeReplace], None],
    ) -> None:
        """Plan, write, and leave it prepared: it ends together with the row."""
        database = self._parts.database
        assert plan.temporary_path is not None
        with database.transaction() as connection:
            entry_id = write_journal.plan(
                connection, replace(plan, content_hash_before=content_hash)
            )

        temporary = self._parts.places.locate(plan.place, plan.temporary_path)

        def prepare(new_hash: str) -> None:
            with database.transaction() as connection:
                write_journal.prepare(connection, entry_id, new_hash)

        try:
            write(temporary, prepare)
        except (LibraryError, OSError, sqlite3.Error):
            # The rename may have been done before the disk complained.
            if not self._was_done(entry_id):
                raise
        self._written.append(entry_id)
        self.edit_id = self.edit_id or entry_id

    def _was_done(self, entry_id: int) -> bool:
        try:
            with self._parts.database.reading() as connection:
                entry = write_journal.get_edit(connection, entry_id)
            return self._recovery.settle(entry) == EditState.DONE
        except (LibraryError, OSError, sqlite3.Error) as error:
            log.warning("An edit of %r is left for later: %s", self._photo.current_path, error)
            return False

    def finish(self) -> None:
        """End the entries, and bring the rows of this picture to what the files say now."""
        if not self._written and self._after_in_rows is None:
            return
        parts, photo = self._parts, self._photo
        with parts.database.reading() as connection:
            entries = [write_journal.get_edit(connection, key) for key in self._written]
            copies = rating_rows.list_with_picture(connection, photo.media_hash)
        beside = any(entry.place == Place.BESIDE for entry in entries)
        if self._replaced:
            self._keep_hashes(self._replaced)

        def end(connection: sqlite3.Connection) -> None:
            for key in self._written:
                write_journal.finish(connection, key, EditState.DONE)
            if self._after_in_rows is not None:
                rating_rows.set_rating(connection, photo.id, *self._after_in_rows)

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


def _restore(entry: Edit, tags: Mapping[str, TagValue], _: object) -> Mapping[str, TagValue | None]:
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
