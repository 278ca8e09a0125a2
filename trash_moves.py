"""One photo into the trash, or back out of it: noted before anything is moved, ended by the disk.

The intent is committed first; then the file goes, then its sidecar; then the photo's row and the
entry of the trash change places in one transaction. After a crash the files say how far it came:
forward where the photo has moved, back where it has not.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import catalog
import move_rows
import trash_rows
import write_journal
from catalog import Photo
from db import Database
from errors import DiskFullError, EditRefusedError, LibraryError, NotFoundError, NotWritableError
from file_indexer import FileIndexer, IndexedFile, find_file, remember_read
from file_operations import PictureReading, name_temporary, read_picture
from hash_cache import HashCache
from media_workers import WorkerPool
from move_rows import Move, MoveKind
from trash_files import (
    TrashFiles,
    complete_move,
    find_regular,
    hash_file,
    move_file,
)
from trash_rows import TrashedSidecar, TrashEntry

_FULL: Final = frozenset({28, 122})  # ENOSPC, EDQUOT
_NAMED_BY_FILE: Final = ("filename", "none")
_MOST_NUMBERS: Final = 10_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrashMoves:
    """Moves photos of one library; who calls sees to it that nobody edits them meanwhile.

    indexer: reads a file whose row is not known, as of an older app's trash.
    """

    files: TrashFiles
    database: Database
    pool: WorkerPool
    cache: HashCache
    indexer: Callable[[], FileIndexer]

    @property
    def root(self) -> Path:
        return self.files.root

    # -- into the trash ----------------------------------------------------------------------

    def trash(
        self, photo_id: int, operation_id: str | None = None, leader_id: int | None = None
    ) -> TrashEntry:
        """Move a photo and its sidecar into the trash; its entry there.

        leader_id: the photo that it is taken along with. Raises `NotFoundError`, and
        `EditRefusedError` with the reason; all is then as it was.
        """
        self.settle_all()
        photo = self._get_present(photo_id)
        photo, sidecar_path = self._look_at(photo)
        place = self.files.choose_place()
        name = self.files.choose_name(place, photo.id, photo.original_filename)
        sidecar = self._describe_sidecar(sidecar_path, name) if sidecar_path else None
        with self.database.reading() as connection:
            edits = write_journal.list_entry_ids(connection, photo.id)
        entry = TrashEntry(
            id=photo.id,
            original_path=photo.current_path,
            trash_filename=name,
            deleted_at=trash_rows.now(),
            photo=photo,
            place=place,
            sidecar=sidecar,
            leader_id=leader_id,
            edits=tuple(edits),
        )
        move = self._plan(
            MoveKind.TRASH, entry, photo.current_path, self.files.locate(place, name), operation_id
        )
        try:
            self.files.write_note(place, name, entry.as_note())
            self._move_pairs(move)
        except (OSError, LibraryError) as error:
            if not self._settle_after(move, error):
                raise _explain(photo.current_path, error) from error
            return self._get_entry_of(name)
        return self._finish_trash(move)

    def _get_present(self, photo_id: int) -> Photo:
        """The photo to trash. Raises where it is not there, and says where it is."""
        with self.database.reading() as connection:
            try:
                photo = catalog.get_photo(connection, photo_id)
            except NotFoundError:
                entry = trash_rows.find_photo(connection, photo_id)
                if entry is None:
                    raise
                message = f"{entry.original_path} is in the trash already."
                raise NotFoundError(message) from None
        if photo.missing_since:
            raise EditRefusedError(
                f"The file of {photo.current_path} is not there now, so there is nothing to move."
            )
        return photo

    def _look_at(self, photo: Photo) -> tuple[Photo, str | None]:
        """The photo as its file is now, and the path of its sidecar."""
        path = self.files.locate_photo(photo.current_path)
        try:
            if find_regular(path) is None:
                raise FileNotFoundError
            file = find_file(self.root, photo.current_path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise EditRefusedError(f"{photo.current_path} is not there now.") from error
        except OSError as error:
            raise _explain(photo.current_path, error) from error
        sidecar = file.sidecar.path if file.sidecar else None
        stat = file.stat
        stamps = (photo.file_size, photo.mtime_ns, photo.ctime_ns)
        if stamps == (stat.size, stat.mtime_ns, stat.ctime_ns) and photo.media_hash:
            return photo, sidecar
        reading: PictureReading = self.pool.run(read_picture, path)
        if reading.content_hash is None or reading.media_hash != photo.media_hash:
            raise EditRefusedError(
                f"{photo.current_path} holds another picture than when it was indexed. Update the "
                "index, and look again."
            )
        same = reading.content_hash == photo.content_hash
        return replace(
            photo,
            content_hash=reading.content_hash,
            file_size=stat.size,
            mtime_ns=stat.mtime_ns,
            ctime_ns=stat.ctime_ns,
            inode=stat.inode,
            # What it says may be different; it is read again once it is back.
            reader_version=photo.reader_version if same else 0,
        ), sidecar

    def _describe_sidecar(self, path: str, name: str) -> TrashedSidecar:
        absolute = self.files.locate_photo(path)
        try:
            size = os.stat(absolute, follow_symlinks=False).st_size
            content_hash = self.pool.run(hash_file, absolute)
        except OSError as error:
            raise _explain(path, error) from error
        return TrashedSidecar(path, name + ".xmp", size, content_hash)

    def _finish_trash(self, move: Move) -> TrashEntry:
        photo_id = move.entry.photo.id
        with self.database.transaction() as connection:
            catalog.take_out(connection, photo_id)
            entry = trash_rows.insert_entry(connection, move.entry)
            move_rows.finish_move(connection, move.id, photo_id)
        return entry

    def _get_entry_of(self, name: str) -> TrashEntry:
        with self.database.reading() as connection:
            entries = trash_rows.list_entries(connection)
        return next(entry for entry in entries if entry.trash_filename == name)

    # -- out of the trash --------------------------------------------------------------------

    def restore(self, entry_id: int, operation_id: str | None = None) -> Photo:
        """Bring a photo back to its old place, under its old id; the photo.

        Where something stands there, under a number: `IMG_1 (2).jpg`. Raises `NotFoundError`,
        and `EditRefusedError` with the reason; it is then in the trash still.
        """
        self.settle_all()
        with self.database.reading() as connection:
            entry = trash_rows.get_entry(connection, entry_id)
        source = self.files.locate(entry.place, entry.trash_filename)
        try:
            if find_regular(source) is None:
                raise EditRefusedError(
                    f"The file of {entry.original_path} is not in the trash folder now."
                )
            return self._put_back(entry, operation_id)
        except OSError as error:
            raise _explain(entry.original_path, error) from error

    def _put_back(self, entry: TrashEntry, operation_id: str | None) -> Photo:
        for path, sidecar_path in self._list_places(entry):
            self.files.make_folders(path)
            if sidecar_path:
                self.files.make_folders(sidecar_path)
            target = self.files.locate_photo(path)
            move = self._plan(MoveKind.RESTORE, entry, path, target, operation_id, sidecar_path)
            try:
                self._move_pairs(move)
            except FileExistsError as error:  # somebody was quicker
                if self._settle_after(move, error):
                    return self._get_photo_at(path)
            except (OSError, LibraryError) as error:
                if self._settle_after(move, error):
                    return self._get_photo_at(path)
                raise _explain(entry.original_path, error) from error
            else:
                return self._finish_restore(move)
        raise EditRefusedError(f"There is no free name for {entry.original_path} in its folder.")

    def _list_places(self, entry: TrashEntry) -> Iterator[tuple[str, str | None]]:
        """Free paths for a photo and its sidecar, the old ones first."""
        path = entry.original_path
        if entry.is_old:
            path = self.files.find_relative(path)
        stem, dot, suffix = path.rpartition(".")
        if not dot or "/" in suffix:
            stem, suffix = path, ""
        sidecar = entry.sidecar.path if entry.sidecar else None
        for number in range(1, _MOST_NUMBERS):
            chosen = path if number == 1 else f"{stem} ({number}){dot}{suffix}"
            beside = sidecar if number == 1 or sidecar is None else chosen + ".xmp"
            wanted = [self.files.locate_photo(one) for one in (chosen, beside) if one]
            if not any(os.path.lexists(one) for one in wanted):
                yield chosen, beside

    def _get_photo_at(self, path: str) -> Photo:
        with self.database.reading() as connection:
            return catalog.get_photo_at(connection, path)

    def _finish_restore(self, move: Move) -> Photo:
        entry, path = move.entry, move.path
        self.files.remove_note(entry.place, entry.trash_filename)
        photo, items = self._find_row(entry, path, move.sidecar_path)
        paths = {entry.original_path: path}
        if entry.sidecar and move.sidecar_path:
            paths[entry.sidecar.path] = move.sidecar_path
        with self.database.transaction() as connection:
            photo_id = catalog.put_back(connection, photo)
            write_journal.attach(connection, entry.edits, photo_id, paths)
            trash_rows.delete_entry(connection, entry.id)
            move_rows.finish_move(connection, move.id, photo_id)
            remember_read(connection, self.cache, items)
            return catalog.get_photo(connection, photo_id)

    def _find_row(
        self, entry: TrashEntry, path: str, sidecar_path: str | None
    ) -> tuple[Photo, list[IndexedFile]]:
        """The row of a photo that is back: as it was, or as its file says where it may differ."""
        before = entry.photo
        file = find_file(self.root, path)
        stat, name = file.stat, path.rpartition("/")[2]
        photo = replace(
            before,
            original_filename=name,
            current_path=path,
            sidecar_path=sidecar_path,
            missing_since=None,
        )
        renamed = name != before.original_filename and before.date_source in _NAMED_BY_FILE
        same = (stat.size, stat.mtime_ns) == (before.file_size, before.mtime_ns)
        if same and not renamed and not entry.is_old:
            return replace(photo, ctime_ns=stat.ctime_ns, inode=stat.inode), []
        items = list(self.indexer().index_files([file]))
        record = next((item.record for item in items if item.record), None)
        if record is None:  # as it was; the next index reads it and says what is wrong
            return replace(photo, mtime_ns=0, ctime_ns=0, inode=0), []
        values = {name: getattr(record, name) for name in record.__slots__}
        if record.rating is None and before.kept_in == "database":
            values |= {"rating": before.rating, "kept_in": "database"}
        return replace(photo, **values), items

    # -- either way --------------------------------------------------------------------------

    def _plan(
        self,
        kind: MoveKind,
        entry: TrashEntry,
        path: str,
        target: str,
        operation_id: str | None,
        sidecar_path: str | None = None,
    ) -> Move:
        move = Move(
            id=0,
            operation_id=operation_id,
            photo_id=entry.photo.id or None,
            kind=kind,
            path=path,
            entry=entry,
            temporaries=(name_temporary(target), name_temporary(target + ".xmp")),
            sidecar_path=sidecar_path,
        )
        with self.database.transaction() as connection:
            return replace(move, id=move_rows.plan_move(connection, move))

    def _list_pairs(self, move: Move) -> list[tuple[str, str, str]]:
        """Source, target and temporary name of the photo, and of its sidecar behind it."""
        entry = move.entry
        inside = [self.files.locate(entry.place, entry.trash_filename)]
        outside = [self.files.locate_photo(move.path)]
        if entry.sidecar:
            inside.append(self.files.locate(entry.place, entry.sidecar.name))
            outside.append(self.files.locate_photo(move.sidecar_path or entry.sidecar.path))
        ways = (outside, inside) if move.kind == MoveKind.TRASH else (inside, outside)
        return list(zip(*ways, move.temporaries, strict=False))

    def _move_pairs(self, move: Move) -> None:
        for number, (source, target, temporary) in enumerate(self._list_pairs(move)):
            if number and move.kind == MoveKind.RESTORE and not os.path.lexists(source):
                continue  # its sidecar is gone from the trash: the photo comes back all the same
            move_file(source, target, temporary)

    # -- after a crash -----------------------------------------------------------------------

    def settle_all(self) -> None:
        """End what a dead process, or a disk in trouble, has left; what cannot be told waits."""
        with self.database.reading() as connection:
            moves = move_rows.list_planned(connection)
        for move in moves:
            try:
                self._settle(move)
            except (OSError, LibraryError) as error:
                _log.warning("A move of %r is left for later: %s", move.path, error)

    def _settle_after(self, move: Move, error: Exception) -> bool:
        """Whether a move that failed was done all the same; else it is taken back."""
        try:
            return self._settle(move)
        except (OSError, LibraryError, sqlite3.Error):
            _log.warning("A move of %r is left for later: %s", move.path, error)
            return False

    def _settle(self, move: Move) -> bool:
        """Forward where the photo has its new name, back where it has not."""
        pairs = self._list_pairs(move)
        source, target, temporary = pairs[0]
        before, after = find_regular(source), find_regular(target)
        if before is None and after is None:
            return False  # on a disk that is not there: nothing is touched
        if move.kind == MoveKind.TRASH:
            # Where another file came to its old place meanwhile, both stay.
            forward = after is not None
            if forward:
                complete_move(source, target, temporary)
        else:
            size = move.entry.photo.file_size
            foreign = before is None and after and after.st_size != size and not move.entry.is_old
            forward = after is not None and not foreign and complete_move(source, target, temporary)
        if not forward:
            self._take_back(move, pairs)
            return False
        for pair in pairs[1:]:
            if not complete_move(*pair):
                _log.warning("%r stays where it is: %r is another file", *pair[:2])
        if move.kind == MoveKind.TRASH:
            self._finish_trash(move)
        else:
            self._finish_restore(move)
        return True

    def _take_back(self, move: Move, pairs: list[tuple[str, str, str]]) -> None:
        for _, _, temporary in pairs:
            if os.path.lexists(temporary):
                os.unlink(temporary)
        if move.kind == MoveKind.TRASH:
            self.files.remove_note(move.entry.place, move.entry.trash_filename)
        with self.database.transaction() as connection:
            move_rows.drop_move(connection, move.id)


def _explain(path: str, error: OSError | LibraryError) -> LibraryError:
    """What the disk says as a sentence."""
    if isinstance(error, LibraryError):
        return error
    if error.errno in _FULL:
        return DiskFullError(f"There is no room on the disk to move {path}. It is where it was.")
    return NotWritableError(f"{path} cannot be moved: {error.strerror or error}.")
